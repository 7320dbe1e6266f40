package handler_test

import (
	"encoding/json"
	"errors"
	"slices"
	"testing"
	"time"

	"aiwm-chat/local/client"
	"aiwm-chat/shared/chat"
	"aiwm-chat/shared/protocol"
)

// Another agent of the conversation cannot end a stream that is not its own, also once that
// has ended: its message would carry the same streamId.
func TestEndOfAnotherAgentsStream(t *testing.T) {
	w := newWorld(newRedis(t, 0))
	ctx := t.Context()
	w.stream(ctx, first, "start", "")
	w.append(ctx, first, 0, "The truth")
	if f := w.stream(ctx, first, "end", `,"pieces":{"content":1}`); f.code() != "" {
		t.Fatal(f.Error)
	}
	f := w.stream(ctx, connectionOf(other, "X="), "end", `,"content":"A lie"`)
	if f.code() != chat.NotFound {
		t.Errorf("%s: %+v", f.code(), f.Data)
	}
	var a client.Assembler
	for _, m := range w.memory().messages {
		b, err := json.Marshal(protocol.MessageOf(m))
		if err != nil {
			t.Fatal(err)
		}
		if err := a.Frame(client.Frame{Event: protocol.EventMessageNew, Data: b}, time.Now()); err != nil {
			t.Fatal(err)
		}
	}
	shown, ok := a.Show(w.id, "s1", time.Now())
	if !ok || shown.Text(protocol.PartContent) != "The truth" {
		t.Errorf("shown is %q of %s", shown.Text(protocol.PartContent), shown.ParticipantID)
	}
}

// A run is in MongoDB, so it is stopped also without Redis.
func TestStopOfARunWithoutRedis(t *testing.T) {
	w := newWorld(newRedis(t, 0))
	w.runs = []chat.Run{{ID: chat.NewRunID(agent, "q1", 0), OrgID: "acme", ConversationID: w.id, AgentID: agent.ID, Trigger: "q1", Status: chat.RunActive, Attempt: 1}}
	w.fail["StopQuestion"] = errors.New("no Redis")
	f := w.frame(t.Context(), reader, protocol.ActionStop, `,"messageId":"q1"`)
	if w.runs[0].Stop == nil {
		t.Errorf("the run goes on: %+v", f.Error)
	}
}

// A stop of a stream that Redis has lost is noted: its agent begins it again under the same
// id, and is stopped.
func TestStopOfAStreamThatRedisLost(t *testing.T) {
	w := newWorld(newRedis(t, 0))
	ctx := t.Context()
	w.stream(ctx, first, "start", "")
	w.append(ctx, first, 0, "One")
	w.queue = nil
	w.mini.FlushAll()
	w.frame(ctx, reader, protocol.ActionStop, `,"streamId":"s1"`)
	jobs := len(w.queue)
	f := w.stream(ctx, first, "start", "")
	if f.Data.StoppedBy == nil && jobs == 0 {
		t.Errorf("the stop is forgotten: %s", f.Event)
	}
}

// Who was refused a stream that another agent writes has left a job behind: what the other
// wrote is not committed in their name.
func TestJobOfWhoWasRefused(t *testing.T) {
	w := newWorld(newRedis(t, dead))
	ctx := t.Context()
	w.stream(ctx, first, "start", "")
	w.append(ctx, first, 0, "The truth")
	if f := w.stream(ctx, connectionOf(other, "X="), "start", ""); f.code() != chat.Conflict {
		t.Fatalf("%s: %+v", f.code(), f.Data)
	}
	w.mu.Lock()
	slices.Reverse(w.queue) // nothing says which of the two comes first
	w.mu.Unlock()
	w.drain(t)
	all := w.memory().messages
	if len(all) != 1 || all[0].Sender != agent || all[0].Content != "The truth" {
		t.Errorf("%+v", all)
	}
}

// Who stops again what is stopped is answered as before, and costs nobody anything.
func TestStopIsRepeated(t *testing.T) {
	w := newWorld(newRedis(t, 0))
	ctx := t.Context()
	w.member(t, reader)
	w.begin(t)
	if f := w.frame(ctx, reader, "stop", ""); len(f.Data.StreamIDs) != 1 {
		t.Fatalf("%+v %+v", f, f.Error)
	}
	jobs, frames := len(w.queue), len(w.frames)
	for range 3 {
		if f := w.frame(ctx, reader, "stop", `,"streamId":"s1"`); len(f.Data.StreamIDs) != 1 {
			t.Errorf("%+v %+v", f, f.Error)
		}
	}
	if len(w.queue) != jobs || len(w.frames) != frames+3 {
		t.Errorf("%d more jobs, %d frames", len(w.queue)-jobs, len(w.frames)-frames)
	}
	w.drain(t)
	if all := w.memory().messages; len(all) != 1 || all[0].Status != chat.StatusCancelled {
		t.Errorf("%+v", all)
	}
}

// Who was removed while the function died that removes them writes into the room no longer
// than until their lease is looked at.
func TestRemovedAgentWrites(t *testing.T) {
	w := newWorld(newRedis(t, 0))
	ctx := t.Context()
	w.member(t, reader)
	w.begin(t)
	w.queue = nil
	if err := w.expire(ctx, w.job(false)); err != nil || len(w.queue) != 1 {
		t.Fatalf("%v, %d jobs", err, len(w.queue))
	}
	w.memory().change(func(c *chat.Conversation) {
		c.Participants = slices.DeleteFunc(c.Participants, func(p chat.Participant) bool { return p.ID == agent.ID })
	})
	w.drain(t)
	if f := w.append(ctx, first, 0, "still here"); f.code() != chat.NotFound || !slices.Contains(w.told("U="), protocol.EventStreamDropped) {
		t.Errorf("the room was told %v", w.told("U="))
	}
}
