package handler

import (
	"context"
	"testing"
	"time"

	"aiwm-chat/local/client"
	"aiwm-chat/shared/chat"
	"aiwm-chat/shared/completion"
	"aiwm-chat/shared/protocol"
)

// assembled is what a client shows of an answer by what the room was told of it.
func (w *world) assembled(t *testing.T, stream string) string {
	t.Helper()
	var a client.Assembler
	for _, d := range w.deltas {
		b, err := protocol.Marshal(d)
		if err != nil {
			t.Fatal(err)
		}
		if err := a.Frame(client.Frame{Event: protocol.EventStreamDelta, Data: b}, time.Now()); err != nil {
			t.Fatal(err)
		}
	}
	is, _ := a.Show(w.id, stream, time.Now())
	return is.Text(protocol.PartContent)
}

// What an attempt told and could not keep is not the beginning of what the next one tells.
func TestToldAndNotKept(t *testing.T) {
	t.Parallel()
	w := newWorld(t, chat.Managed{})
	q := w.say(t, user, "Hi")
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	r, _, err := w.TakeRun(ctx, w.id, bot.ID, time.Now(), time.Now().Add(-time.Second))
	if err != nil {
		t.Fatal(err)
	}
	told := func() (n int) {
		w.mu.Lock()
		defer w.mu.Unlock()
		for _, d := range w.deltas {
			n += len(d.Text)
		}
		return n
	}
	s, _ := w.handler().begin(ctx, r, 0, thinking, func() {})
	s.add("content", "Half an ans")
	for told() == 0 && ctx.Err() == nil {
		time.Sleep(time.Millisecond)
	}
	s.close()
	const answer = "Something else, and more of it"
	w.model = func(ctx context.Context, _ completion.Request, on func(completion.Piece)) (completion.Answer, error) {
		before := told()
		on(completion.Piece{Content: answer})
		for told() == before && ctx.Err() == nil {
			time.Sleep(time.Millisecond)
		}
		return completion.Answer{Content: answer, Finish: "stop"}, nil
	}
	if err := w.handler().Handle(ctx, w.job(q)); err != nil {
		t.Fatal(err)
	}
	if text := w.assembled(t, s.st.ID); text != answer && text != "" {
		t.Errorf("shown is %q", text)
	}
}

// What Redis has lost in the middle begins anew, with all of it: who joins is shown it, and
// who was there as well.
func TestLostWhileItWrites(t *testing.T) {
	t.Parallel()
	w := newWorld(t, chat.Managed{})
	q := w.say(t, user, "Hi")
	id := string(chat.NewRunID(bot, q.ID, 0).Step(0))
	kept := func(text string) {
		for t.Context().Err() == nil {
			st, err := w.presence.Stream(t.Context(), w.id, id)
			if err != nil || st.Text(protocol.PartContent) == text {
				return
			}
			time.Sleep(5 * time.Millisecond)
		}
	}
	w.model = func(ctx context.Context, _ completion.Request, on func(completion.Piece)) (completion.Answer, error) {
		on(completion.Piece{Content: "One, "})
		kept("One, ")
		w.mini.Del("conversation:{" + string(w.id) + "}:stream:" + id)
		on(completion.Piece{Content: "two, "})
		deadline := time.After(20 * time.Second)
		for {
			st, err := w.presence.Stream(ctx, w.id, id)
			if err == nil && st.Text(protocol.PartContent) == "One, two, " {
				return completion.Answer{Content: "One, two, three", Finish: "stop"}, nil
			}
			select {
			case <-deadline:
				t.Errorf("%v, kept is %q", err, st.Text(protocol.PartContent))
				return completion.Answer{Content: "One, two, three", Finish: "stop"}, nil
			case <-time.After(10 * time.Millisecond):
			}
		}
	}
	if err := w.work(t.Context()); err != nil {
		t.Fatal(err)
	}
	if text := w.assembled(t, id); text != "One, two, " {
		t.Errorf("shown is %q", text)
	}
	w.check(t)
}
