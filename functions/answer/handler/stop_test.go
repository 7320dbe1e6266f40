package handler

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"
	"time"

	"aiwm-chat/functions/answer/runlog"
	"aiwm-chat/functions/answer/tools"
	"aiwm-chat/local/toolserver"
	"aiwm-chat/shared/chat"
	"aiwm-chat/shared/completion"
	"aiwm-chat/shared/config"
)

// hanging is a server of tools that answers until it hangs.
type hanging struct {
	http.Handler
	hangs atomic.Bool
	calls atomic.Int64
}

func (h *hanging) ServeHTTP(rw http.ResponseWriter, r *http.Request) {
	if h.hangs.Load() {
		h.calls.Add(1)
		_, _ = io.Copy(io.Discard, r.Body) // else nobody sees that the client is gone
		select {
		case <-r.Context().Done():
		case <-time.After(5 * time.Second):
		}
		return
	}
	h.Handler.ServeHTTP(rw, r)
}

// A stop in the middle of a call to a server that hangs is committed at once: the goodbye to
// the server, which takes a second, comes after it.
func TestStopWhileAServerHangs(t *testing.T) {
	t.Parallel()
	for _, kind := range []string{"sessions", "stateless"} {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, allowing("*"))
			w.tune = func(x *times) { x.look = usual.look }
			shop := toolserver.New()
			if kind == "sessions" {
				shop = toolserver.NewWithSessions()
			}
			h := &hanging{Handler: shop}
			server := httptest.NewServer(h)
			t.Cleanup(func() { server.CloseClientConnections(); shop.Close(); server.Close() })
			w.servers = tools.New(tools.Options{Configured: map[string]config.ToolServer{"shop": {URL: server.URL}}, Local: true})
			w.model = func(context.Context, completion.Request, func(completion.Piece)) (completion.Answer, error) {
				h.hangs.Store(true)
				return completion.Answer{Finish: "tool_calls", ToolCalls: []completion.ToolCall{{ID: "b", Name: "shop__refund_order", Arguments: `{"order":"1042"}`}}}, nil
			}
			w.say(t, user, "Refund it")
			r := w.last(t)
			done := w.working()
			w.until(t, "a call hangs", done, func() bool { return h.calls.Load() > 0 })
			time.Sleep(300 * time.Millisecond)
			began := time.Now()
			if _, err := w.StopRun(t.Context(), r.OrgID, r.ID, user.ID, time.Now()); err != nil {
				t.Fatal(err)
			}
			if err := w.presence.StopQuestion(t.Context(), w.id, chat.MessageID(r.ID), user); err != nil {
				t.Fatal(err)
			}
			w.until(t, "the end is committed", done, func() bool { return w.last(t).Status.Over() })
			if len(done) > 0 {
				t.Error("the servers were told before the end was committed")
			}
			if took := time.Since(began); took > 5*time.Second {
				t.Errorf("it took %v", took)
			}
			if err := <-done; err != nil {
				t.Fatal(err)
			}
			if r = w.last(t); r.Status != chat.RunCancelled {
				t.Errorf("the run is %s:\n%s", r.Status, w.told(t))
			}
		})
	}
}

// A stop that meets no stream to flag, as while the tools are still being listed, is seen in
// MongoDB, and sooner than while there is one.
func TestStopOfARunWithoutAStream(t *testing.T) {
	t.Parallel()
	w := newWorld(t, allowing("*"))
	w.tune = func(x *times) { x.look, x.read = usual.look, time.Minute }
	h := &hanging{Handler: toolserver.New()}
	h.hangs.Store(true)
	server := httptest.NewServer(h)
	t.Cleanup(func() { server.CloseClientConnections(); server.Close() })
	w.servers = tools.New(tools.Options{Configured: map[string]config.ToolServer{"shop": {URL: server.URL}}, Local: true})
	w.say(t, user, "Hello")
	r := w.last(t)
	done := w.working()
	w.until(t, "a call hangs", done, func() bool { return h.calls.Load() > 0 })
	began := time.Now()
	now, err := w.StopRun(t.Context(), r.OrgID, r.ID, user.ID, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	v, err := w.presence.StopStream(t.Context(), w.id, string(now.ID.Step(now.Steps)), user)
	if err != nil || v != chat.StreamIsLost {
		t.Fatal(v, err)
	}
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	if took := time.Since(began); took > 5*time.Second || w.last(t).Status != chat.RunCancelled {
		t.Errorf("after %v:\n%s", took, w.told(t))
	}
}

// mute is a Redis that takes what it is asked, and says nothing.
type mute struct{ streams }

func (m mute) StopWanted(ctx context.Context, _ chat.ConversationID, _ string, _ chat.MessageID) (bool, error) {
	<-ctx.Done()
	return false, ctx.Err()
}

// Where Redis hangs a stop is seen in MongoDB all the same, and as soon.
func TestStopWhileRedisHangs(t *testing.T) {
	t.Parallel()
	w := newWorld(t, chat.Managed{})
	asked := make(chan bool)
	w.model = func(ctx context.Context, _ completion.Request, _ func(completion.Piece)) (completion.Answer, error) {
		close(asked)
		<-ctx.Done()
		return completion.Answer{}, ctx.Err()
	}
	q := w.say(t, user, "Hello")
	p := process{w}
	h := New(p, mute{w.presence}, w.sender(), p, p, map[string]Model{"p": w}, w.servers)
	h.times.look, h.times.read = usual.look, time.Minute
	done := make(chan error, 1)
	go func() { done <- h.Handle(context.Background(), w.job(q)) }()
	<-asked
	began := time.Now()
	if _, err := w.StopRun(t.Context(), bot.OrgID, w.last(t).ID, user.ID, time.Now()); err != nil {
		t.Fatal(err)
	}
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	if took := time.Since(began); took > 5*time.Second || w.last(t).Status != chat.RunCancelled {
		t.Errorf("after %v:\n%s", took, w.told(t))
	}
}

// A run whose holder died is ended by who stops it: nobody waits for sweep.
func TestStopOfARunThatNobodyHolds(t *testing.T) {
	t.Parallel()
	w := newWorld(t, chat.Managed{})
	q := w.say(t, user, "Hi")
	ctx := t.Context()
	w.queue = nil
	if _, taken, err := w.TakeRun(ctx, w.id, bot.ID, time.Now(), time.Now().Add(-time.Second)); err != nil || !taken {
		t.Fatal(taken, err)
	}
	p := process{w}
	if _, err := runlog.NewStopper(p, w.presence, p, runlog.NewEnder(p, w.sender())).Stop(ctx, w.last(t), user); err != nil {
		t.Fatal(err)
	}
	if err := w.work(ctx); err != nil {
		t.Fatal(err)
	}
	if r := w.last(t); r.Trigger != q.ID || r.Status != chat.RunCancelled || len(w.asked) != 0 {
		t.Errorf("%s after %d questions to the model:\n%s", r.Status, len(w.asked), w.told(t))
	}
	w.check(t)
}

// Who stops a run once more whose holder may be dead leaves one job, for the end of its lease.
func TestStopOfARunWhoseHolderMayBeDead(t *testing.T) {
	t.Parallel()
	w := newWorld(t, chat.Managed{})
	w.say(t, user, "Hi")
	ctx := t.Context()
	w.queue = nil
	const lease = time.Minute
	if _, taken, err := w.TakeRun(ctx, w.id, bot.ID, time.Now(), time.Now().Add(lease)); err != nil || !taken {
		t.Fatal(taken, err)
	}
	p := process{w}
	stopper := runlog.NewStopper(p, w.presence, p, runlog.NewEnder(p, w.sender()))
	for range 2 {
		if _, err := stopper.Stop(ctx, w.last(t), user); err != nil {
			t.Fatal(err)
		}
	}
	if len(w.later) != 1 || w.later[0] > lease || w.later[0] < lease/2 || len(w.queue) != 0 {
		t.Errorf("there are jobs after %v, and %d now", w.later, len(w.queue))
	}
}
