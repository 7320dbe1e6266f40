package handler

import (
	"context"
	"encoding/json"
	"testing"

	"aiwm-chat/functions/answer/runlog"
	"aiwm-chat/shared/chat"
)

// Whoever finds the first message of a step taken adopts it: what their own model said is
// done by nobody.
func TestTheFirstMessageOfAStepCounts(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		calls   bool // the one that is there has a call; else it is the end of an attempt that died
		status  chat.RunStatus
		refunds int
	}{
		"a call":  {true, chat.RunComplete, 0},
		"the end": {false, chat.RunFailed, 0},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, allowing("*"))
			w.shopping(`refund_order {"order":"1042"}`)
			q := w.say(t, user, "Refund 1042")
			r := w.last(t)
			w.once("Append tool_call", func() {
				d, status := chat.Draft{Content: "Half an ans"}, chat.StatusFailed
				if c.calls {
					raw, err := json.Marshal(runlog.Ask{ID: r.ID.Call(0, 1), Name: "shop__get_order", Arguments: json.RawMessage(`{"order":"1042"}`)})
					if err != nil {
						t.Error(err)
					}
					d, status = chat.Draft{Type: chat.TypeToolCall, ToolCalls: []json.RawMessage{raw}}, chat.StatusSent
				}
				m, err := runlog.Message(r, r.ID.Step(0), d, status)
				if err == nil {
					_, _, err = w.Store.Append(context.Background(), chat.Head{Seq: q.Seq}, m) // by another process
				}
				if err != nil {
					t.Error(err)
				}
			})
			if err := w.work(t.Context()); err != nil {
				t.Fatal(err)
			}
			w.check(t)
			if got := w.last(t); got.Status != c.status || w.shop.Refunds("1042") != c.refunds || got.Trigger != q.ID {
				t.Errorf("%s, %d refunds\n%s", got.Status, w.shop.Refunds("1042"), w.told(t))
			}
		})
	}
}
