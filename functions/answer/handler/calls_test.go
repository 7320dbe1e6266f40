package handler

import (
	"context"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"

	"aiwm-chat/functions/answer/runlog"
	"aiwm-chat/shared/chat"
	"aiwm-chat/shared/completion"
)

// A tool that is under ask by the time it is called is not called without an approval,
// whatever the call says of the day when the model wanted it; and the model is told.
func TestToolPutUnderAskWhileTheRunWaits(t *testing.T) {
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
	if told := w.told(t); !strings.Contains(told, "This tool now needs approval; nothing was called.") || w.last(t).Status != chat.RunComplete {
		t.Errorf("the run is %s:\n%s", w.last(t).Status, told)
	}
}

// A call in the log that names no approval, though its tool is under ask, is not made: as
// where a program with the agent's own token has written it.
func TestCallInTheLogThatNamesNoApproval(t *testing.T) {
	t.Parallel()
	w := newWorld(t, asking("refund_order"))
	w.shopping()
	q := w.say(t, user, "Hello")
	run, err := w.Run(t.Context(), bot.OrgID, chat.NewRunID(bot, q.ID, 0))
	if err != nil {
		t.Fatal(err)
	}
	d := chat.Draft{Type: chat.TypeToolCall, ToolCalls: []json.RawMessage{
		json.RawMessage(`{"id":"` + string(run.ID.Call(0, 1)) + `","name":"shop__refund_order","server":"shop","tool":"refund_order","arguments":{"order":"1042"}}`),
	}}
	m, err := runlog.Message(run, run.ID.Step(0), d, chat.StatusSent)
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := w.sender().Place(t.Context(), m); err != nil {
		t.Fatal(err)
	}
	if err := w.work(t.Context()); err != nil {
		t.Fatal(err)
	}
	if n := w.shop.Refunds("1042"); n != 0 {
		t.Errorf("refunded %d times, without approval:\n%s", n, w.told(t))
	}
}

// A conversation that was closed, or that the agent was removed from, while a decision was
// under way: nothing is called, no model is asked, and the run is over.
func TestNoCallInAClosedConversation(t *testing.T) {
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
			asked := len(w.asked)
			if err := w.work(t.Context()); err != nil {
				t.Error(err)
			}
			if n := w.shop.Refunds("1042"); n != 0 || len(w.asked) != asked || w.last(t).Status != chat.RunFailed {
				t.Errorf("refunded %d times; the run is %s %s\n%s", n, w.last(t).Status, w.last(t).Error, w.told(t))
			}
		})
	}
}

// What was begun may have been called, also where by now it would not be: nobody says that
// nothing was called.
func TestBegunCallThatIsNotAllowedAnyMore(t *testing.T) {
	t.Parallel()
	for name, m := range map[string]chat.Managed{"no such tool": allowing("get_order"), "under ask": asking("refund_order")} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, allowing("*"))
			w.shopping(`refund_order {"order":"1042"}`)
			w.before = func(step string) {
				if step == "Append tool_result" {
					w.before = func(string) {}
					w.mu.Lock()
					w.mortal, w.lives = true, 0
					w.mu.Unlock()
				}
			}
			w.say(t, user, "Refund it")
			_ = w.work(t.Context()) // it dies
			a, err := w.Agent(t.Context(), bot)
			if err != nil {
				t.Fatal(err)
			}
			a.Managed.Tools = m.Tools
			if _, err := w.UpdateAgent(t.Context(), a, time.Now()); err != nil {
				t.Fatal(err)
			}
			w.recover(t)
			if n, told := w.shop.Refunds("1042"), w.told(t); n != 1 || !strings.Contains(told, "what came of it is not known") {
				t.Errorf("%d refunds:\n%s", n, told)
			}
		})
	}
}

// What a model gives as arguments may be JSON that the log does not take. The model is told,
// and the run goes on.
func TestArgumentsThatTheLogDoesNotTake(t *testing.T) {
	for name, arguments := range map[string]string{
		"doubled member": `{"order":"1042","order":"1043"}`,
		"too great":      `{"order":1e9999}`,
		"many digits":    `{"order":1234567890123456789012345678901234567890}`,
		"deep":           `{"order":` + strings.Repeat("[", 300) + strings.Repeat("]", 300) + `}`,
		"deeper":         `{"order":` + strings.Repeat("[", 9000) + strings.Repeat("]", 9000) + `}`,
		"zero":           `{"or\u0000der":"1042"}`,
		"lone surrogate": `{"order":"\ud83d"}`,
		"invalid UTF-8":  "{\"order\":\"\xff\"}",
		"dollar":         `{"$order":"1042","a.b":1}`,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, allowing("*"))
			w.shopping("get_order " + arguments)
			w.say(t, user, "Where is it?")
			err := w.work(t.Context())
			if r := w.last(t); err != nil || r.Status != chat.RunComplete {
				t.Errorf("%v, %s %s:\n%s", err, r.Status, r.Error, w.told(t))
			}
		})
	}
}
