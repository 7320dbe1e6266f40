package runlog_test

import (
	"context"
	"encoding/json"
	"testing"
	"time"

	"aiwm-chat/functions/answer/runlog"
	"aiwm-chat/shared/chat"
)

var bot = chat.Principal{Type: chat.Agent, ID: "bot", OrgID: "acme"}

// A log is one in memory.
type log map[string]chat.Message

func (l log) Sent(_ context.Context, _ chat.ConversationID, by chat.Principal, id chat.ClientMessageID) (chat.Message, bool, error) {
	m, ok := l[string(by.Type)+"/"+string(id)]
	return m, ok, nil
}

func (l log) add(m chat.Message) { l[string(m.Sender.Type)+"/"+string(m.ClientMessageID)] = m }

// How far a run is, by what is in the log.
func TestRead(t *testing.T) {
	t.Parallel()
	run := chat.NewRun(chat.AgentProfile{OrgID: "acme", ID: bot.ID}, chat.Message{ID: "65a1b2c3d4e5f60718293a4b", ConversationID: "c1"}, 0, "u1", 1, time.Now())
	message := func(id chat.ClientMessageID, d chat.Draft, status chat.MessageStatus) chat.Message {
		m, err := runlog.Message(run, id, d, status)
		if err != nil {
			t.Fatal(err)
		}
		m.Seq = 7
		return m
	}
	calls := func(step int, approval ...bool) chat.Message {
		d := chat.Draft{Content: "I look.", Type: chat.TypeToolCall, Usage: &chat.Usage{TotalTokens: 5}}
		for i, a := range approval {
			raw, err := json.Marshal(runlog.Ask{ID: run.ID.Call(step, i+1), Name: "refund", Arguments: json.RawMessage(`{}`), Approval: a})
			if err != nil {
				t.Fatal(err)
			}
			d.ToolCalls = append(d.ToolCalls, raw)
		}
		return message(run.ID.Step(step), d, chat.StatusSent)
	}
	result := func(step, n int) chat.Message {
		return message(chat.ClientMessageID(run.ID.Call(step, n)), chat.Draft{Type: chat.TypeToolResult, Role: chat.RoleTool, Content: "done"}, chat.StatusSent)
	}
	decision := func(step, n int, v chat.Verdict) chat.Message {
		m, err := chat.NewDecision("acme", "c1", v, chat.Decision{CallID: run.ID.Call(step, n), By: "u1"}, time.Now())
		if err != nil {
			t.Fatal(err)
		}
		return m
	}
	end := func(step int, status chat.MessageStatus) chat.Message {
		return message(run.ID.Step(step), chat.Draft{Content: "x", Usage: &chat.Usage{TotalTokens: 3}}, status)
	}
	for name, c := range map[string]struct {
		log       []chat.Message
		next      int
		open      chat.CallID
		undecided int
		over      bool
		status    chat.RunStatus
		tokens    int64
	}{
		"nothing":               {nil, 0, "", 0, false, "", 0},
		"a call":                {[]chat.Message{calls(0, false)}, 1, run.ID.Call(0, 1), 0, false, "", 5},
		"a call with a result":  {[]chat.Message{calls(0, false), result(0, 1)}, 1, "", 0, false, "", 5},
		"two calls":             {[]chat.Message{calls(0, false, true), result(0, 1)}, 1, run.ID.Call(0, 2), 1, false, "", 5},
		"approved":              {[]chat.Message{calls(0, true), decision(0, 1, chat.VerdictApproved)}, 1, run.ID.Call(0, 1), 0, false, "", 5},
		"superseded":            {[]chat.Message{calls(0, true), decision(0, 1, chat.VerdictSuperseded)}, 1, run.ID.Call(0, 1), 0, true, chat.RunCancelled, 5},
		"an answer":             {[]chat.Message{end(0, chat.StatusSent)}, 0, "", 0, true, chat.RunComplete, 3},
		"two steps, an answer":  {[]chat.Message{calls(0, false), result(0, 1), calls(1, false), result(1, 1), end(2, chat.StatusSent)}, 2, "", 0, true, chat.RunComplete, 13},
		"failed":                {[]chat.Message{calls(0, false), end(1, chat.StatusFailed)}, 1, run.ID.Call(0, 1), 0, true, chat.RunFailed, 8},
		"cancelled":             {[]chat.Message{end(0, chat.StatusCancelled)}, 0, "", 0, true, chat.RunCancelled, 3},
		"a gap is not bridged":  {[]chat.Message{end(1, chat.StatusSent)}, 0, "", 0, false, "", 0},
		"a message without any": {[]chat.Message{calls(0)}, 1, "", 0, false, "", 5},
	} {
		l := log{}
		for _, m := range c.log {
			l.add(m)
		}
		got, err := runlog.Read(t.Context(), l, run)
		if err != nil {
			t.Fatal(err)
		}
		var open chat.CallID
		if o := got.Open(); o != nil {
			open = o.ID
		}
		if got.Next() != c.next || open != c.open || len(got.Undecided()) != c.undecided || got.Over() != c.over || got.Usage().TotalTokens != c.tokens {
			t.Errorf("%s: next %d, open %q, undecided %v, over %v, %+v", name, got.Next(), open, got.Undecided(), got.Over(), got.Usage())
		}
		if c.over && got.Status() != c.status {
			t.Errorf("%s: %s", name, got.Status())
		}
	}
}

func TestArguments(t *testing.T) {
	t.Parallel()
	for _, text := range []string{`{"a":1}`, "", `{"a":`, `[1]`, "\"", "größe"} {
		a := runlog.Ask{Arguments: runlog.ArgumentsOf(text)}
		if !json.Valid(a.Arguments) || a.Text() != text {
			t.Errorf("%q: %s, %q", text, a.Arguments, a.Text())
		}
	}
}

// Whatever a message has as calls, nothing but whole ones is read of it.
func FuzzAsks(f *testing.F) {
	run := chat.NewRunID(bot, "m1", 0)
	f.Add(`{"id":"` + string(run.Call(0, 1)) + `","name":"x","arguments":{},"approval":true}`)
	f.Add(`{"id":1}`)
	f.Fuzz(func(t *testing.T, raw string) {
		m := chat.Message{Draft: chat.Draft{Type: chat.TypeToolCall, ToolCalls: []json.RawMessage{json.RawMessage(raw)}}, Status: chat.StatusSent}
		if runlog.Asks(m, "") {
			t.Errorf("%q has a call without an id", raw)
		}
		l := runlog.Log{}.With(m)
		for _, s := range l.Steps {
			for _, c := range s.Calls {
				if c.ID == "" {
					t.Errorf("%q", raw)
				}
				c.Text()
			}
		}
	})
}
