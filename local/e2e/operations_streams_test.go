package e2e_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"aiwm-chat/local/client"
	"aiwm-chat/shared/chat"
	"aiwm-chat/shared/protocol"
)

// Operations on streams, each of which is killed at each of its steps.

// streamOperations are those of streams.
func streamOperations() (all []operation) {
	for _, state := range []string{protocol.StreamStart, protocol.StreamAppend, protocol.StreamEnd, protocol.StreamAbort} {
		all = append(all, killedStream(state))
	}
	return append(all, killedStop(), killedExpiry())
}

// A mortalStream is a stream in a conversation of its own, of which a step dies.
type mortalStream struct {
	id     chat.ConversationID
	stream string
	text   string // what came of it before
}

// killedStream is one step of a stream. Its agent repeats it and goes on, or is silent
// and another ends the stream. In either case it ends, with one message or none, and
// the message has what had come.
func killedStream(state string) operation {
	s := &mortalStream{}
	step := func() fields {
		f := fields{"conversationId": s.id, "streamId": s.stream, "state": state}
		switch state {
		case protocol.StreamAppend:
			f["index"], f["text"] = 1, "late"
		case protocol.StreamEnd:
			f["pieces"] = map[string]int{protocol.PartContent: 1}
		}
		return f
	}
	return operation{
		name: "stream " + state, function: "StreamFunction", framed: true, scale: 10,
		prepare: func(k *killing) { s.open(k, state != protocol.StreamStart) },
		run: func(k *killing) {
			if state == protocol.StreamAppend { // it has no answer
				_ = k.agent.Send(k.t.Context(), withAction(step()))
				return
			}
			_, _ = k.agent.ask(protocol.ActionStream, step())
		},
		heal: func(k *killing, repeats bool) {
			if !repeats {
				s.silent(k)
			} else {
				s.goOn(k, state, step())
			}
			s.over(k, state != protocol.StreamStart || repeats)
		},
	}
}

func withAction(f fields) fields {
	f["action"], f["id"] = protocol.ActionStream, "append"
	return f
}

// killedStop is a stop of an agent that is deaf. Who got no answer asks again: what was
// answered, and only that, is enforced.
func killedStop() operation {
	s := &mortalStream{}
	stop := func() fields { return fields{"conversationId": s.id, "streamId": s.stream} }
	return operation{
		name: "stop", function: "StreamFunction", framed: true, scale: 10,
		prepare: func(k *killing) { s.open(k, true) },
		run:     func(k *killing) { _, _ = k.user.ask(protocol.ActionStop, stop()) },
		heal: func(k *killing, repeats bool) {
			if repeats {
				k.user.insist(protocol.ActionStop, stop())
			} else {
				s.silent(k)
			}
			m := s.over(k, true)
			if repeats && m.Status != chat.StatusCancelled {
				k.t.Errorf("a stream that was stopped ended as %s", m.Status)
			}
		},
	}
}

// killedExpiry is the job that ends the stream of an agent that is dead.
func killedExpiry() operation {
	s := &mortalStream{}
	look := func(k *killing) error {
		job := protocol.StreamJob{ConversationID: s.id, StreamID: s.stream, OrgID: k.agent.principal.OrgID, AgentID: k.agent.principal.ID}
		body, err := json.Marshal(job)
		if err != nil {
			k.t.Fatal(err)
		}
		event, err := json.Marshal(map[string]any{"Records": []any{map[string]any{"messageId": "1", "eventSource": "aws:sqs", "body": string(body)}}})
		if err != nil {
			k.t.Fatal(err)
		}
		_, err = k.Invoke(k.t.Context(), "ExpireFunction", event)
		return err
	}
	return operation{
		name: "expire", function: "ExpireFunction", scale: 1,
		prepare: func(k *killing) {
			s.open(k, true)
			s.silent(k)
		},
		run: func(k *killing) { _ = look(k) },
		heal: func(k *killing, _ bool) {
			persist(k.t, "the job comes again", func(context.Context) error { return look(k) })
			if m := s.over(k, true); m.Status != chat.StatusFailed {
				k.t.Errorf("it ended as %s", m.Status)
			}
		},
	}
}

// open makes a conversation, and begins a stream if need be, in which something came.
func (s *mortalStream) open(k *killing, begun bool) {
	k.t.Helper()
	everybodyIn(k)
	*s = mortalStream{id: k.user.open(k.agent.actor), stream: "s-1"} // one name: the steps are told apart by their keys
	for _, m := range []*member{k.user, k.agent} {
		m.insist("join", fields{"conversationId": s.id})
	}
	if begun {
		s.begin(k)
	}
}

// begin starts it, and appends what is to be there in the end.
func (s *mortalStream) begin(k *killing) {
	k.t.Helper()
	k.agent.insist(protocol.ActionStream, fields{"conversationId": s.id, "streamId": s.stream, "state": "start"})
	s.text = "What had come."
	s.appends(k, 0, s.text)
}

// appends adds a piece, again until it is there: an append has no answer.
func (s *mortalStream) appends(k *killing, index int, text string) {
	k.t.Helper()
	persist(k.t, "append", func(ctx context.Context) error {
		piece := fields{"conversationId": s.id, "streamId": s.stream, "state": "append", "index": index, "text": text}
		if err := k.agent.Send(ctx, withAction(piece)); err != nil {
			return err
		}
		time.Sleep(20 * time.Millisecond)
		got, err := s.snapshot(k)
		if err == nil && !slices.ContainsFunc(got.Parts, func(p protocol.StreamText) bool { return p.Next > index }) {
			err = errors.New("the piece is not there")
		}
		return err
	})
}

func (s *mortalStream) snapshot(k *killing) (got protocol.StreamSnapshot, err error) {
	err = k.user.try("GET", fmt.Sprintf("/conversations/%s/streams/%s", s.id, s.stream), nil, &got)
	return got, err
}

// goOn repeats a step that may have died, and ends the stream.
func (s *mortalStream) goOn(k *killing, state string, again fields) {
	k.t.Helper()
	switch state {
	case protocol.StreamStart:
		s.begin(k)
	case protocol.StreamAppend:
		s.appends(k, 1, "late")
		s.text += "late"
	default:
		persist(k.t, state, func(ctx context.Context) error {
			_, err := k.agent.Request(ctx, protocol.ActionStream, again)
			if refusal, ok := errors.AsType[*client.Error](err); ok && refusal.Code == chat.Conflict && refusal.Details["messageId"] != nil {
				return nil // it was done
			}
			return err
		})
		return
	}
	k.agent.insist(protocol.ActionStream, fields{"conversationId": s.id, "streamId": s.stream, "state": "end", "pieces": map[string]int{"content": pieces(state)}})
}

func pieces(state string) int {
	if state == protocol.StreamAppend {
		return 2
	}
	return 1
}

// silent ends the lease of whoever writes it: half a minute has passed.
func (s *mortalStream) silent(k *killing) {
	k.t.Helper()
	key := fmt.Sprintf("conversation:{%s}:stream:%s", s.id, s.stream)
	if n, err := k.redis.HExists(k.t.Context(), key, "lease").Result(); err != nil || !n {
		return // it was never opened
	}
	if err := k.redis.HSet(k.t.Context(), key, "lease", 1).Err(); err != nil {
		k.t.Fatal(err)
	}
}

// over waits until it has ended, and holds the message against what had come.
func (s *mortalStream) over(k *killing, some bool) (found protocol.Message) {
	k.t.Helper()
	eventually(k.t, "no stream is open", func() bool {
		var open protocol.Streams
		ids, err := k.redis.ZCard(k.t.Context(), fmt.Sprintf("conversation:{%s}:streams", s.id)).Result()
		return err == nil && ids == 0 && k.user.try("GET", fmt.Sprintf("/conversations/%s/streams", s.id), nil, &open) == nil && len(open.Data) == 0
	})
	var page protocol.MessagePage
	persist(k.t, "read the log", func(context.Context) error {
		return k.user.try("GET", "/messages?conversationId="+string(s.id), nil, &page)
	})
	n := 0
	for _, m := range page.Data {
		if string(m.StreamID) == s.stream {
			found = m
			n++
		}
	}
	if n > 1 || some && n != 1 {
		k.t.Errorf("of the stream there are %d messages", n)
	}
	if n == 1 && found.Content != s.text && found.Content != s.text+"late" {
		k.t.Errorf("committed is %q, want %q", found.Content, s.text)
	}
	return found
}
