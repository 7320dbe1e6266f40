package handler

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"aiwm-chat/functions/answer/runlog"
	"aiwm-chat/shared/chat"
	"aiwm-chat/shared/completion"
)

// Several calls of one step: each is executed once, those that need it when they are
// approved, in whatever order people decide.
func TestSeveralCallsInAStep(t *testing.T) {
	t.Parallel()
	w := newWorld(t, asking("refund_order"))
	w.model = func(_ context.Context, r completion.Request, on func(completion.Piece)) (completion.Answer, error) {
		if r.Messages[len(r.Messages)-1].Role == completion.RoleTool {
			on(completion.Piece{Content: "Done."})
			return completion.Answer{Content: "Done.", Finish: "stop"}, nil
		}
		call := func(name, order string) completion.ToolCall {
			return completion.ToolCall{ID: "call_0", Name: "shop__" + name, Arguments: `{"order":"` + order + `"}`}
		}
		return completion.Answer{ToolCalls: []completion.ToolCall{call("get_order", "1042"), call("refund_order", "1042"), call("refund_order", "1043")}}, nil
	}
	w.say(t, user, "Refund both")
	if err := w.work(t.Context()); err != nil {
		t.Fatal(err)
	}
	r := w.last(t)
	if r.Status != chat.RunWaiting || r.WaitsFor != r.ID.Call(0, 2) {
		t.Fatalf("%+v\n%s", r, w.told(t))
	}
	if open, err := w.presence.Streams(t.Context(), w.id); err != nil || len(open) > 0 {
		t.Errorf("streams are open while the run waits: %v, %v", open, err)
	}
	w.decide(t, chat.VerdictApproved, chat.Decision{CallID: r.ID.Call(0, 3)}) // the last one first
	if err := w.work(t.Context()); err != nil {
		t.Fatal(err)
	}
	if r = w.last(t); r.Status != chat.RunWaiting || w.shop.Refunds("1043") != 0 {
		t.Fatalf("%+v", r)
	}
	w.decide(t, chat.VerdictDenied, chat.Decision{CallID: r.ID.Call(0, 2), Reason: "too much"})
	if err := w.work(t.Context()); err != nil {
		t.Fatal(err)
	}
	w.check(t)
	l, err := runlog.Read(t.Context(), w, w.last(t))
	if err != nil || len(l.Steps) != 1 || !strings.Contains(l.Steps[0].Calls[1].Result.Content, "too much") {
		t.Fatalf("%+v, %v", l, err)
	}
	if w.shop.Refunds("1042") != 0 || w.shop.Refunds("1043") != 1 || w.last(t).Status != chat.RunComplete {
		t.Errorf("%d and %d refunds, %s", w.shop.Refunds("1042"), w.shop.Refunds("1043"), w.last(t).Status)
	}
}

// Without Redis people do not see the answer grow, and get it all the same.
func TestWithoutRedis(t *testing.T) {
	t.Parallel()
	w := newWorld(t, allowing("*"))
	w.shopping(`get_order {"order":"1042"}`)
	q := w.say(t, user, "Hi")
	w.presence.Close()
	_ = w.work(t.Context())
	if err := w.handler().Handle(t.Context(), w.job(q)); err != nil {
		t.Error(err)
	}
	w.check(t)
	if r := w.last(t); r.Status != chat.RunComplete {
		t.Errorf("%s\n%s", r.Status, w.told(t))
	}
}

// Pieces are put together, and are the message to the character.
func TestPiecesAreTheMessage(t *testing.T) {
	t.Parallel()
	w := newWorld(t, chat.Managed{MaxOutputTokens: 1000})
	w.scripted(t, 5*time.Millisecond)
	w.say(t, user, "#think 20 #tokens 200 Hello")
	if err := w.work(t.Context()); err != nil {
		t.Fatal(err)
	}
	all := w.messages(t)
	if last := all[len(all)-1]; w.shown() == "" || !strings.HasPrefix(last.Content, w.shown()) || last.Thinking == nil {
		t.Errorf("shown %q, committed %q", w.shown(), last.Content)
	}
	doing := map[string]bool{}
	for _, d := range w.deltas {
		doing[d.Status] = true
	}
	if n := len(w.deltas); n < 5 || n > 40 || !doing[thinking] || !doing[generating] {
		t.Errorf("%d frames for 220 tokens in more than a second, statuses %v", n, doing)
	}
	w.check(t)
}

// An agent that nobody answers for any more, a provider that is not there, a conversation
// that takes no message: the run ends.
func TestRunsOfWhatIsNoMore(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		change func(w *world) error
		status chat.RunStatus
		said   string // in the last message
	}{
		"the agent": {func(w *world) error { return w.DeleteAgent(context.Background(), bot, time.Now()) }, chat.RunFailed, "Nobody answers"},
		"the provider": {func(w *world) error {
			a, err := w.Agent(context.Background(), bot)
			a.Managed.Provider = "gone"
			_, err2 := w.UpdateAgent(context.Background(), a, time.Now())
			return errors.Join(err, err2)
		}, chat.RunFailed, "not configured"},
		"the conversation": {func(w *world) error {
			status := chat.Closed
			_, err := w.UpdateConversation(context.Background(), user, w.id, chat.ConversationChange{Status: &status}, time.Now())
			return err
		}, chat.RunFailed, "Hi"},
		"the agent's part": {func(w *world) error {
			_, _, err := w.RemoveParticipant(context.Background(), user, w.id, bot, time.Now())
			return err
		}, chat.RunFailed, "Hi"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, chat.Managed{})
			w.say(t, user, "Hi")
			if err := c.change(w); err != nil {
				t.Fatal(err)
			}
			if err := w.work(t.Context()); err != nil {
				t.Fatal(err)
			}
			all := w.messages(t)
			if r := w.last(t); r.Status != c.status || !strings.Contains(all[len(all)-1].Content, c.said) {
				t.Errorf("%s %s\n%s", r.Status, r.Error, w.told(t))
			}
		})
	}
}
