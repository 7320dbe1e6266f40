package e2e_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"aiwm-chat/local/client"
	"aiwm-chat/local/server"
	"aiwm-chat/shared/chat"
	"aiwm-chat/shared/protocol"
)

// A screen shows the streams that a device is told of.
type screen struct {
	*actor
	client.Assembler
	pieces int // frames that brought text
}

func newScreen(a *actor) *screen { return &screen{actor: a} }

// until shows frames until a condition holds, and asks for what is missing.
func (s *screen) until(what string, is func() bool) {
	s.t.Helper()
	deadline := time.Now().Add(patience)
	for !is() {
		if time.Now().After(deadline) {
			s.t.Fatalf("%s waits for %s", s.principal, what)
		}
		ctx, cancel := context.WithTimeout(s.t.Context(), 100*time.Millisecond)
		f, err := s.Await(ctx, func(f client.Frame) bool { return true })
		cancel()
		switch {
		case err == nil:
			if f.Event == protocol.EventStreamDelta {
				s.pieces++
			}
			if err := s.Frame(f, time.Now()); err != nil {
				s.t.Fatal(err)
			}
		case !errors.Is(err, context.DeadlineExceeded):
			s.t.Fatalf("%s waits for %s: %v", s.principal, what, err)
		}
		for _, m := range s.Missing(time.Now()) {
			var snapshot protocol.StreamSnapshot
			if s.try("GET", "/conversations/"+string(m.ConversationID)+"/streams/"+m.StreamID, nil, &snapshot) == nil {
				s.Snapshot(snapshot, time.Now())
			}
		}
	}
}

// shows waits for a text.
func (s *screen) shows(id chat.ConversationID, stream, text string) {
	s.t.Helper()
	s.until("the text "+text, func() bool {
		shown, _ := s.Show(id, stream, time.Now())
		return shown.Text(protocol.PartContent) == text
	})
}

// ended waits for the message of a stream.
func (s *screen) ended(id chat.ConversationID, stream string) protocol.Message {
	s.t.Helper()
	var final protocol.Message
	s.until("the end of "+stream, func() bool {
		shown, _ := s.Show(id, stream, time.Now())
		if shown.Message != nil {
			final = *shown.Message
		}
		return shown.Message != nil
	})
	return final
}

// writes begins a stream.
func (a *actor) writes(id chat.ConversationID, stream string, question chat.MessageID) *client.StreamWriter {
	a.t.Helper()
	w, err := a.StartStream(a.t.Context(), id, stream, question)
	if err != nil {
		a.t.Fatal("start a stream:", err)
	}
	return w
}

func put(t *testing.T, w *client.StreamWriter, text string) {
	t.Helper()
	if err := w.Write(protocol.PartContent, text); err != nil {
		t.Fatal("write:", err)
	}
}

func ended(t *testing.T, w *client.StreamWriter) protocol.Sent {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	sent, err := w.End(ctx, protocol.MessageInput{})
	if err != nil {
		t.Fatal("end:", err)
	}
	return sent
}

// A streaming is a conversation of two users and an agent, all in the room.
func streaming(t *testing.T, s *server.Server) (user, guest, agent *actor, id chat.ConversationID) {
	t.Helper()
	user, guest, agent = newUser(t, s).connect(), newUser(t, s).connect(), newAgent(t, s).connect()
	id = user.open(agent)
	user.add(guest, id)
	for _, a := range []*actor{user, guest, agent} {
		a.join(id)
	}
	return user, guest, agent, id
}

// An answer appears on every device; one that comes back in the middle shows the same,
// and one that wants only the end gets only that.
func TestStreamIsSeenByAll(t *testing.T) {
	t.Parallel()
	user, guest, agent, id := streaming(t, shared)
	phone := user.device()
	if _, err := phone.ask("join", fields{"conversationId": id, "streams": "final"}); err != nil {
		t.Fatal(err)
	}
	phone.expect(protocol.EventHistory)
	before := len(phone.Frames())
	question := user.say(id, "How is the sea?")
	w := agent.writes(id, "a-1", question.MessageID)
	here, there := newScreen(user), newScreen(guest)
	text := ""
	for _, piece := range []string{"The sea ", "is 🌊 ", "\"quiet\"", "\n"} {
		put(t, w, piece)
		text += piece
		here.shows(id, "a-1", text)
		there.shows(id, "a-1", text)
	}
	if err := w.Write(protocol.PartThinking, "Look out of the window."); err != nil {
		t.Fatal(err)
	}
	guest.Close()
	back := newScreen(guest.device())
	back.join(id)
	back.shows(id, "a-1", text)
	put(t, w, "today")
	back.shows(id, "a-1", text+"today")
	put(t, w, ".")
	sent := ended(t, w)
	for _, s := range []*screen{here, back} {
		m := s.ended(id, "a-1")
		if m.Content != text+"today." || m.ID != sent.MessageID || m.Status != chat.StatusSent || m.ParentID != question.MessageID ||
			m.Thinking == nil || m.Thinking.Content != "Look out of the window." {
			t.Errorf("%s shows %+v", s.principal, m)
		}
	}
	var answers []protocol.Message // which may overtake the question
	for range 2 {
		if m := data[protocol.Message](t, phone.expect(protocol.EventMessageNew)); m.ID != question.MessageID {
			answers = append(answers, m)
		}
	}
	if len(answers) != 1 || answers[0].ID != sent.MessageID || answers[0].StreamID != "a-1" {
		t.Errorf("the phone got %+v", answers)
	}
	for _, f := range phone.Frames()[before:] {
		if strings.HasPrefix(f.Event, "stream:") {
			t.Errorf("the phone got %s", f.Event)
		}
	}
}

// Who is told to stop ends what there is; everybody is told that it is asked to.
func TestStreamIsStopped(t *testing.T) {
	t.Parallel()
	user, guest, agent, id := streaming(t, shared)
	w := agent.writes(id, "a-1", "")
	put(t, w, "The sea is")
	here := newScreen(user)
	here.shows(id, "a-1", "The sea is")
	reply, err := guest.ask("stop", fields{"conversationId": id, "streamId": "a-1"})
	if got := data[protocol.StreamStopping](t, reply); err != nil || len(got.StreamIDs) != 1 {
		t.Fatalf("stop: %+v, %v", got, err)
	}
	select {
	case <-w.Stopped():
	case <-time.After(patience):
		t.Fatal("the agent was not told")
	}
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	if _, err := w.Abort(ctx, "", true); err != nil {
		t.Fatal("abort:", err)
	}
	if m := here.ended(id, "a-1"); m.Content != "The sea is" || m.Status != chat.StatusCancelled {
		t.Errorf("got %+v", m)
	}
	for _, a := range []*actor{guest, user} { // the one by the reply, the other by the room
		n := 0
		for _, f := range a.Frames() {
			if f.Event == protocol.EventStreamStopping {
				n++
			}
		}
		if n != 1 {
			t.Errorf("%s was told %d times that it stops", a.principal, n)
		}
	}
	if err := w.Write(protocol.PartContent, "late"); !errors.Is(err, client.ErrStreamEnded) {
		t.Errorf("after its end: %v", err)
	}
}

// hurried runs the queues faster: the jobs that look after streams come at once.
func hurried(t *testing.T) *server.Server {
	t.Helper()
	o := options()
	o.TimeScale = 10 // an idle connection is ended after a minute
	return start(t, o)
}

// A deaf agent's answer is ended for it: with what had come, and where it was stopped
// before it began also with nothing.
func TestStopOfTheDeaf(t *testing.T) {
	t.Parallel()
	s := hurried(t)
	user, _, agent, id := streaming(t, s)
	agent.writes(id, "a-1", "")
	here := newScreen(user)
	w := agent.writes(id, "a-2", "")
	put(t, w, "What had come.")
	here.shows(id, "a-2", "What had come.")
	if _, err := user.ask("stop", fields{"conversationId": id}); err != nil {
		t.Fatal(err)
	}
	for stream, want := range map[string]string{"a-1": "", "a-2": "What had come."} {
		if m := here.ended(id, stream); m.Content != want || m.Status != chat.StatusCancelled || m.ParticipantID != agent.principal.ID {
			t.Errorf("%s ended as %+v", stream, m)
		}
	}
	eventually(t, "what is written later is refused", func() bool { return w.Write(protocol.PartContent, "late") != nil })

	question := user.say(id, "And now?")
	if _, err := user.ask("stop", fields{"conversationId": id, "messageId": question.MessageID}); err != nil {
		t.Fatal(err)
	}
	later := agent.writes(id, "a-3", question.MessageID)
	select {
	case <-later.Stopped():
	case <-time.After(patience):
		t.Fatal("the agent was not told that the question was stopped")
	}
	if m := here.ended(id, "a-3"); m.Status != chat.StatusCancelled || m.ParentID != question.MessageID {
		t.Errorf("stopped before it began, it ended as %+v", m)
	}
}

// What an agent that dies has written is committed as failed.
func TestStreamOfWhoDies(t *testing.T) {
	t.Parallel()
	s := hurried(t)
	user, _, agent, id := streaming(t, s)
	w := agent.writes(id, "a-1", "")
	put(t, w, "The last w")
	here := newScreen(user)
	here.shows(id, "a-1", "The last w")
	began := time.Now()
	agent.Close()
	if m := here.ended(id, "a-1"); m.Content != "The last w" || m.Status != chat.StatusFailed {
		t.Errorf("got %+v", m)
	}
	if took := time.Since(began); took > 45*time.Second {
		t.Errorf("it took %v", took)
	}
}

// Who is put out ends without a message; what is written later is refused.
func TestStreamOfWhoIsRemoved(t *testing.T) {
	t.Parallel()
	user, _, agent, id := streaming(t, shared)
	w := agent.writes(id, "a-1", "")
	put(t, w, "To be")
	newScreen(user).shows(id, "a-1", "To be")
	user.call("DELETE", "/conversations/"+string(id)+"/participants/agent/"+string(agent.principal.ID), nil, nil)
	if d := data[protocol.StreamDropped](t, user.expect(protocol.EventStreamDropped)); d.StreamID != "a-1" || d.Reason == "" {
		t.Errorf("got %+v", d)
	}
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	if sent, err := w.End(ctx, protocol.MessageInput{}); err == nil {
		t.Errorf("it was committed as %+v", sent)
	}
}

// Two agents cannot write one stream: the second is refused, and the first goes on.
func TestStreamOfTwo(t *testing.T) {
	t.Parallel()
	user, _, agent, id := streaming(t, shared)
	other := newAgent(t, shared).connect()
	user.add(other, id)
	other.join(id)
	w := agent.writes(id, "a-1", "")
	put(t, w, "Mine")
	for _, second := range []*actor{other, agent.device()} {
		if _, err := second.StartStream(t.Context(), id, "a-1", ""); code(t, err) != chat.Conflict {
			t.Errorf("%s starts it too: %v", second.principal, err)
		}
	}
	if sent := ended(t, w); sent.Status != chat.StatusSent {
		t.Errorf("it ended as %+v", sent)
	}
	if m := newScreen(user).ended(id, "a-1"); m.Content != "Mine" {
		t.Errorf("got %+v", m)
	}
}

// Redis is emptied in the middle: the agent begins again, and the end is as it should
// be, short or long.
func TestStreamWhenRedisIsEmptied(t *testing.T) {
	emptiesRedis(t)
	t.Parallel()
	for name, size := range map[string]int{"short": 10, "long": 30_000} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := start(t, options())
			user, _, agent, id := streaming(t, s)
			w := agent.writes(id, "a-1", "")
			text := strings.Repeat("0123456789 🌊", size/16+1)
			put(t, w, text)
			here := newScreen(user)
			here.shows(id, "a-1", text)
			if err := redisOf(t, s).FlushAll(t.Context()).Err(); err != nil {
				t.Fatal(err)
			}
			put(t, w, "and so on")
			time.Sleep(quiet)
			put(t, w, ".")
			sent := ended(t, w)
			var m protocol.Message
			user.call("GET", "/messages/"+string(sent.MessageID), nil, &m)
			if m.Content != text+"and so on." || m.Status != chat.StatusSent {
				t.Errorf("%d bytes were committed, want %d", len(m.Content), len(text)+10)
			}
		})
	}
}
