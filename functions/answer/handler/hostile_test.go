package handler

import (
	"context"
	"io"

	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-json-experiment/json/jsontext"
	"go.mongodb.org/mongo-driver/v2/bson"

	"aiwm-chat/functions/answer/runlog"
	"aiwm-chat/functions/answer/tools"
	"aiwm-chat/local/toolserver"
	"aiwm-chat/shared/chat"
	"aiwm-chat/shared/completion"
	"aiwm-chat/shared/config"
	"aiwm-chat/shared/delivery"
	"aiwm-chat/shared/protocol"
)

// G12: a tool that is under ask by the time it is called is called without an approval,
// because only the call's own note of the day it was asked for counts.
func TestHostileToolPutUnderAskWhileTheRunWaits(t *testing.T) {
	t.Parallel()
	w := newWorld(t, chat.Managed{Tools: []chat.ToolSelection{{Server: "shop", Allow: []string{"refund_order"}, Ask: []string{"get_order"}}}})
	n := 0
	w.model = func(context.Context, completion.Request, func(completion.Piece)) (completion.Answer, error) {
		if n++; n > 1 {
			return completion.Answer{Content: "done", Finish: "stop"}, nil
		}
		return completion.Answer{Finish: "tool_calls", ToolCalls: []completion.ToolCall{
			{ID: "a", Name: "shop__get_order", Arguments: `{"order":"1042"}`}, {ID: "b", Name: "shop__refund_order", Arguments: `{"order":"1042"}`},
		}}, nil
	}
	w.say(t, user, "Look it up, and refund it")
	if err := w.work(t.Context()); err != nil {
		t.Fatal(err)
	}
	r := w.last(t)
	if r.Status != chat.RunWaiting {
		t.Fatal(r.Status)
	}
	a, err := w.Agent(t.Context(), bot)
	if err != nil {
		t.Fatal(err)
	}
	a.Managed.Tools = asking("refund_order").Tools // somebody has second thoughts
	if _, err := w.UpdateAgent(t.Context(), a, time.Now()); err != nil {
		t.Fatal(err)
	}
	w.decide(t, chat.VerdictApproved, chat.Decision{CallID: r.WaitsFor})
	if err := w.work(t.Context()); err != nil {
		t.Fatal(err)
	}
	if n := w.shop.Refunds("1042"); n != 0 {
		t.Errorf("refunded %d times, without approval", n)
	}
}

// G12: whoever has the agent's own token (an external program of the same id: "anyone may
// still connect as an external agent") writes the first message of the run, and has the
// backend call a tool that is under ask, without an approval.
func TestHostileStepOfAnExternalProgram(t *testing.T) {
	t.Parallel()
	w := newWorld(t, asking("refund_order"))
	w.shopping()
	q := w.say(t, user, "Hello")
	run := chat.NewRunID(bot, q.ID, 0) // anybody can work that out
	in := protocol.MessageInput{
		ConversationID: w.id, ClientMessageID: run.Step(0), Type: "tool_call",
		ToolCalls: []jsontext.Value{jsontext.Value(`{"id":"` + string(run.Call(0, 1)) + `","name":"shop__refund_order","server":"shop","tool":"refund_order","arguments":{"order":"1042"}}`)},
	}
	if err := w.sender().SendREST(t.Context(), bot, in, func(protocol.Sent) {}); err != nil {
		t.Fatal(err)
	}
	if err := w.work(t.Context()); err != nil {
		t.Fatal(err)
	}
	if n := w.shop.Refunds("1042"); n != 0 {
		t.Errorf("refunded %d times, without approval:\n%s", n, w.told(t))
	}
}

// hanging is a server of tools that answers until it hangs.
type hanging struct {
	http.Handler
	hangs atomic.Bool
	calls atomic.Int64
	only  string // hang for this text in the body; "" for everything
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

// G11: a stop in the middle of a call to a server that hangs is committed after the
// goodbye to the server, not before.
func TestHostileStopWhileAServerHangs(t *testing.T) {
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
			w.servers = tools.New(map[string]config.ToolServer{"shop": {URL: server.URL}}, true)
			w.model = func(context.Context, completion.Request, func(completion.Piece)) (completion.Answer, error) {
				h.hangs.Store(true)
				return completion.Answer{Finish: "tool_calls", ToolCalls: []completion.ToolCall{{ID: "b", Name: "shop__refund_order", Arguments: `{"order":"1042"}`}}}, nil
			}
			w.say(t, user, "Refund it")
			r := w.last(t)
			done := make(chan error, 1)
			go func() { done <- w.work(context.Background()) }()
			for h.calls.Load() == 0 {
				time.Sleep(time.Millisecond)
			}
			time.Sleep(300 * time.Millisecond)
			began := time.Now()
			if _, err := w.StopRun(t.Context(), r.OrgID, r.ID, user.ID, time.Now()); err != nil {
				t.Fatal(err)
			}
			if err := w.presence.StopQuestion(t.Context(), w.id, chat.MessageID(r.ID), user); err != nil {
				t.Fatal(err)
			}
			if err := <-done; err != nil {
				t.Fatal(err)
			}
			if took := time.Since(began); took > 500*time.Millisecond {
				t.Errorf("it took %v", took)
			}
			t.Log(w.told(t))
		})
	}
}

// G11: POST /runs/{id}/stop (functions/agents/handler/runs.go, end) flags the stream of the
// step, which need not exist: here the tools are still being listed. The run then sees its
// stop with its next look at MongoDB, a second later at worst.
func TestHostileStopOfARunWithoutAStream(t *testing.T) {
	t.Parallel()
	w := newWorld(t, allowing("*"))
	w.tune = func(x *times) { x.look = usual.look }
	h := &hanging{Handler: toolserver.New()}
	h.hangs.Store(true)
	server := httptest.NewServer(h)
	t.Cleanup(func() { server.CloseClientConnections(); server.Close() })
	w.servers = tools.New(map[string]config.ToolServer{"shop": {URL: server.URL}}, true)
	w.say(t, user, "Hello")
	r := w.last(t)
	done := make(chan error, 1)
	go func() { done <- w.work(context.Background()) }()
	for h.calls.Load() == 0 {
		time.Sleep(time.Millisecond)
	}
	time.Sleep(1200 * time.Millisecond) // just after a look at the run
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
	if took := time.Since(began); took > 500*time.Millisecond {
		t.Errorf("it took %v", took)
	}
	t.Log(w.told(t))
}

// recipients notes who gets what is shown.
type recipients struct {
	process
	got func(to []chat.Connection, frame []byte)
}

func (r recipients) Broadcast(ctx context.Context, to []chat.Connection, frame []byte, p delivery.Passes) delivery.Result {
	r.got(to, frame)
	return r.process.Broadcast(ctx, to, frame, p)
}

// G7: who is removed is put out of the room at once, and goes on to read what is written:
// for a second, and where Redis was emptied meanwhile (or the stream ended there) to the end.
func TestHostileDeltasToWhoWasRemoved(t *testing.T) {
	t.Parallel()
	for _, lost := range []bool{false, true} {
		name := "removed"
		if lost {
			name = "Redis emptied, removed"
		}
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, chat.Managed{})
			w.join(t, another)
			c := chat.Connection{ID: "c2", Principal: another, ExpiresAt: time.Now().Add(time.Hour)}
			if _, err := w.presence.Connect(t.Context(), c); err != nil {
				t.Fatal(err)
			}
			e, err := w.presence.Enter(t.Context(), c, w.id, false)
			if err != nil {
				t.Fatal(err)
			}
			if _, _, err := w.presence.Confirm(t.Context(), e, bot); err != nil {
				t.Fatal(err)
			}
			var removed atomic.Bool
			var before, after atomic.Int64
			var late atomic.Int64
			w.model = func(ctx context.Context, _ completion.Request, on func(completion.Piece)) (completion.Answer, error) {
				say := func(n int) {
					for range n {
						on(completion.Piece{Content: "secret "})
						time.Sleep(50 * time.Millisecond)
					}
				}
				say(10)
				if lost {
					w.mini.FlushAll()
				}
				if err := w.expel(ctx, another); err != nil {
					t.Error(err)
				}
				removed.Store(true)
				time.Sleep(20 * time.Millisecond)
				say(80)
				return completion.Answer{Content: strings.Repeat("secret ", 90), Finish: "stop"}, nil
			}
			var at time.Time
			p := recipients{process: process{w}, got: func(to []chat.Connection, frame []byte) {
				for _, one := range to {
					if one.ID != "c2" || !strings.Contains(string(frame), "secret") {
						continue
					}
					if !removed.Load() {
						before.Add(1)
						continue
					}
					if at.IsZero() {
						at = time.Now()
					}
					after.Add(1)
					if time.Since(at) > 2*time.Second {
						late.Add(1)
					}
				}
			}}
			h := New(p, w.presence, w.sender(), p, p, map[string]Model{"p": w}, w.servers)
			q := w.say(t, user, "Hello")
			if err := h.Handle(t.Context(), w.job(q)); err != nil {
				t.Fatal(err)
			}
			if before.Load() == 0 {
				t.Fatal("the test shows nothing")
			}
			if after.Load() > 1 { // one may have been under way
				t.Errorf("%d deltas after the removal, %d of them more than two seconds later", after.Load(), late.Load())
			}
		})
	}
}

// expel removes a participant as functions/conversations does: MongoDB first, then the room.
func (w *world) expel(ctx context.Context, who chat.Principal) error {
	if _, err := w.db.Collection("conversations").UpdateOne(ctx, bson.M{"_id": w.id}, bson.M{"$pull": bson.M{"participants": bson.M{"id": who.ID}}}); err != nil {
		return err
	}
	_, err := w.presence.Evict(ctx, who, w.id)
	return err
}

// Budget: who stops each answer before its last word pays nothing for it.
func TestHostileBudgetOfStoppedAnswers(t *testing.T) {
	t.Parallel()
	w := newWorld(t, chat.Managed{Budget: chat.Budget{TokensPerDay: 1, TokensPerConversation: 1}})
	w.scripted(t, 5*time.Millisecond)
	for range 3 {
		w.say(t, user, "#tokens 3000 Hello")
		r := w.last(t)
		w.mu.Lock()
		w.deltas = nil
		w.mu.Unlock()
		done := make(chan error, 1)
		go func() { done <- w.work(context.Background()) }()
		for w.shown() == "" && !w.last(t).Status.Over() {
			time.Sleep(5 * time.Millisecond)
		}
		if _, err := w.StopRun(t.Context(), r.OrgID, r.ID, user.ID, time.Now()); err != nil {
			t.Fatal(err)
		}
		if err := <-done; err != nil {
			t.Fatal(err)
		}
	}
	if len(w.asked) > 1 {
		t.Errorf("the model was asked %d times with a budget of one token; usage is %+v", len(w.asked), w.last(t).Usage)
	}
}

// Budget: what a run has cost before it waited is counted twice afterwards.
func TestHostileBudgetIsCountedTwice(t *testing.T) {
	t.Parallel()
	m := asking("refund_order")
	m.Budget.TokensPerConversation = 20 // the first question to the model costs 12
	w := newWorld(t, m)
	w.shopping(`refund_order {"order":"1042"}`)
	w.say(t, user, "Refund it")
	if err := w.work(t.Context()); err != nil {
		t.Fatal(err)
	}
	w.decide(t, chat.VerdictApproved, chat.Decision{CallID: w.last(t).WaitsFor})
	if err := w.work(t.Context()); err != nil {
		t.Fatal(err)
	}
	if r := w.last(t); r.Status != chat.RunComplete {
		t.Errorf("12 of 20 tokens are used, and the run is %s %s\n%s", r.Status, r.Error, w.told(t))
	}
}

// A call is made in a conversation that was closed while its approval was under way: nothing
// looks at the conversation before a tool or the model is called.
func TestHostileCallInAClosedConversation(t *testing.T) {
	t.Parallel()
	for _, how := range []string{"closed", "agent removed"} {
		t.Run(how, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, asking("refund_order"))
			w.shopping(`refund_order {"order":"1042"}`)
			w.say(t, user, "Refund it")
			if err := w.work(t.Context()); err != nil {
				t.Fatal(err)
			}
			w.decide(t, chat.VerdictApproved, chat.Decision{CallID: w.last(t).WaitsFor})
			if how == "closed" {
				if _, err := w.db.Collection("conversations").UpdateOne(t.Context(), bson.M{"_id": w.id}, bson.M{"$set": bson.M{"status": "closed"}}); err != nil {
					t.Fatal(err)
				}
			} else if err := w.expel(t.Context(), bot); err != nil {
				t.Fatal(err)
			}
			_ = w.work(t.Context())
			if n := w.shop.Refunds("1042"); n != 0 {
				t.Errorf("refunded %d times; the run is %s %s\n%s", n, w.last(t).Status, w.last(t).Error, w.told(t))
			}
		})
	}
}

// G11: a stop of a run whose function has died puts off the look that would find its lease
// gone, from the end of the lease to a minute later; and nobody enqueues a job.
func TestHostileStopPutsOffTheRecovery(t *testing.T) {
	t.Parallel()
	w := newWorld(t, chat.Managed{})
	w.say(t, user, "Hello")
	now := time.Now()
	r, taken, err := w.TakeRun(t.Context(), w.id, bot.ID, now, now.Add(usual.lease)) // and the function dies
	if err != nil || !taken {
		t.Fatal(taken, err)
	}
	if _, err := w.StopRun(t.Context(), r.OrgID, r.ID, user.ID, now.Add(time.Second)); err != nil {
		t.Fatal(err)
	}
	due, err := w.DueRuns(t.Context(), now.Add(usual.lease+time.Second), 10)
	if err != nil {
		t.Fatal(err)
	}
	if len(due) == 0 {
		t.Errorf("its lease is gone at %v, it is due at %v", r.LeaseUntil, w.last(t).DueAt)
	}
}

// Prompt: what a run has done itself is within no bound.
func TestHostilePromptWithoutABound(t *testing.T) {
	t.Parallel()
	s := scene{agent: chat.AgentProfile{Managed: &chat.Managed{History: chat.History{Messages: 1, Tokens: 100}}}}
	for step := range chat.MaxStepsCap {
		of := runlog.Step{Message: chat.Message{Draft: chat.Draft{Type: chat.TypeToolCall}}}
		for n := range chat.MaxTools {
			of.Calls = append(of.Calls, runlog.Call{
				Ask: runlog.Ask{ID: chat.RunID("r").Call(step, n+1), Name: "x"}, Result: &chat.Message{Draft: chat.Draft{Content: strings.Repeat("x", tools.MaxResult)}},
			})
		}
		s.own.Steps = append(s.own.Steps, of)
	}
	size := 0
	for _, m := range prompt(s) {
		size += len(m.Content)
	}
	if size > 4<<20 {
		t.Errorf("the prompt has %d MB, the function 256 MB", size>>20)
	}
}
