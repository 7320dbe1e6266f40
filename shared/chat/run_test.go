package chat_test

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"aiwm-chat/shared/chat"
)

func TestRunID(t *testing.T) {
	t.Parallel()
	a := chat.Principal{Type: chat.Agent, ID: "a", OrgID: "o"}
	b := a
	b.OrgID = "o2"
	seen := map[chat.RunID]bool{}
	for _, id := range []chat.RunID{
		chat.NewRunID(a, "m1", 0), chat.NewRunID(a, "m1", 1), chat.NewRunID(a, "m2", 0), chat.NewRunID(b, "m1", 0), chat.NewRunID(a, "m", 10),
	} {
		if seen[id] || !chat.ValidRunID(string(id)) {
			t.Errorf("%s is no id, or twice", id)
		}
		seen[id] = true
		if step := id.Step(25); !chat.ValidID(step) || string(step) != string(id)+":25:0" {
			t.Errorf("step %s", step)
		}
		call := id.Call(2, 3)
		if run, step, n, ok := chat.ParseCallID(string(call)); run != id || step != 2 || n != 3 || !ok || !chat.ValidID(chat.DecisionID(call)) {
			t.Errorf("call %s is %s %d %d %v", call, run, step, n, ok)
		}
	}
	if first, again := chat.NewRunID(a, "m1", 0), chat.NewRunID(a, "m1", 0); first != again {
		t.Error("the same is not the same")
	}
}

func TestParseCallIDRefuses(t *testing.T) {
	t.Parallel()
	id := strings.Repeat("0", 32)
	for _, s := range []string{
		"", ":::", id, id + ":1", id + ":1:0", id + ":-1:1", id + ":01:1", id + ":1:+1", id + ":1:1:1", id + ":x:1", "call_0", id[1:] + ":1:1",
		strings.Repeat("A", 32) + ":1:1", strings.Repeat("g", 32) + ":1:1", id + ":99999999999999999999:1",
	} {
		if _, _, _, ok := chat.ParseCallID(s); ok {
			t.Errorf("%q is a call", s)
		}
	}
}

func FuzzParseCallID(f *testing.F) {
	f.Add(strings.Repeat("0a", 16) + ":1:2")
	f.Fuzz(func(t *testing.T, s string) {
		if run, step, n, ok := chat.ParseCallID(s); ok && string(run.Call(step, n)) != s {
			t.Errorf("%q is %s %d %d", s, run, step, n)
		}
	})
}

func TestNewDecision(t *testing.T) {
	t.Parallel()
	now := time.Now()
	call := chat.NewRunID(chat.Principal{Type: chat.Agent, ID: "a", OrgID: "o"}, "m1", 0).Call(0, 1)
	by := chat.Decision{CallID: call, By: "u1"}
	with := func(change func(*chat.Decision)) chat.Decision {
		d := by
		change(&d)
		return d
	}
	for name, c := range map[string]struct {
		v    chat.Verdict
		d    chat.Decision
		want string
	}{
		"approved":           {chat.VerdictApproved, by, ""},
		"with arguments":     {chat.VerdictApproved, with(func(d *chat.Decision) { d.Arguments = json.RawMessage(`{"a":1}`) }), ""},
		"denied":             {chat.VerdictDenied, with(func(d *chat.Decision) { d.Reason = "no" }), ""},
		"expired":            {chat.VerdictExpired, with(func(d *chat.Decision) { d.By = "" }), ""},
		"superseded":         {chat.VerdictSuperseded, with(func(d *chat.Decision) { d.By = "" }), ""},
		"stopped":            {chat.VerdictStopped, with(func(d *chat.Decision) { d.By = "" }), ""},
		"pending":            {chat.VerdictPending, by, "approved"},
		"nobody's":           {chat.VerdictApproved, with(func(d *chat.Decision) { d.By = "" }), "by"},
		"of no call":         {chat.VerdictApproved, with(func(d *chat.Decision) { d.CallID = "call_0" }), "toolCallId"},
		"long":               {chat.VerdictDenied, with(func(d *chat.Decision) { d.Reason = strings.Repeat("x", 2001) }), "reason"},
		"denied, arguments":  {chat.VerdictDenied, with(func(d *chat.Decision) { d.Arguments = json.RawMessage(`{}`) }), "arguments"},
		"a list":             {chat.VerdictApproved, with(func(d *chat.Decision) { d.Arguments = json.RawMessage(`[]`) }), "arguments"},
		"too many arguments": {chat.VerdictApproved, with(func(d *chat.Decision) { d.Arguments = json.RawMessage(`{"a":"` + strings.Repeat("x", 64<<10) + `"}`) }), "arguments"},
	} {
		m, err := chat.NewDecision("o", "c1", c.v, c.d, now)
		if c.want != "" {
			if err == nil || chat.CodeOf(err) != chat.ValidationFailed || chat.Public(err).Details[c.want] == nil {
				t.Errorf("%s: %v, want %s", name, err, c.want)
			}
			continue
		}
		got, ok := m.Decided()
		if err != nil || !ok || got.Verdict != c.v || got.CallID != call || m.ClientMessageID != "approval:"+chat.ClientMessageID(call) ||
			m.Sender != (chat.Principal{Type: "system", ID: "aiwm", OrgID: "o"}) || m.Sender.Type.Valid() {
			t.Errorf("%s: %+v, %v", name, m, err)
		}
	}
}

// Two devices that decide the same say the same; anything else is a conflict.
func TestDecisionsThatRepeat(t *testing.T) {
	t.Parallel()
	call := chat.NewRunID(chat.Principal{}, "m1", 0).Call(0, 1)
	decide := func(v chat.Verdict, d chat.Decision) chat.Message {
		d.CallID = call
		m, err := chat.NewDecision("o", "c1", v, d, time.Now())
		if err != nil {
			t.Fatal(err)
		}
		return m
	}
	first := decide(chat.VerdictApproved, chat.Decision{By: "u1", Arguments: json.RawMessage(`{"a":1,"b":2}`)})
	for name, c := range map[string]struct {
		m    chat.Message
		want bool
	}{
		"again":           {decide(chat.VerdictApproved, chat.Decision{By: "u1", Arguments: json.RawMessage(`{"b":2, "a":1.0}`)}), true},
		"somebody else":   {decide(chat.VerdictApproved, chat.Decision{By: "u2", Arguments: json.RawMessage(`{"a":1,"b":2}`)}), false},
		"other arguments": {decide(chat.VerdictApproved, chat.Decision{By: "u1"}), false},
		"denied":          {decide(chat.VerdictDenied, chat.Decision{By: "u1"}), false},
	} {
		if got := c.m.Repeats(first); got != c.want {
			t.Errorf("%s: %v", name, got)
		}
	}
}

func TestDecidedIsTheBackendsAlone(t *testing.T) {
	t.Parallel()
	for _, m := range []chat.Message{
		{},
		{Draft: chat.Draft{Approval: &chat.Approval{Verdict: chat.VerdictApproved}}, Sender: chat.Principal{Type: chat.Agent, ID: "aiwm"}},
		{Draft: chat.Draft{Approval: &chat.Approval{Verdict: chat.VerdictPending}}, Sender: chat.Backend("o")},
	} {
		if _, ok := m.Decided(); ok {
			t.Errorf("%+v decides", m)
		}
	}
}

func TestDueCalling(t *testing.T) {
	t.Parallel()
	plain := chat.NewDue(time.Now(), time.Second)
	d := plain.With(chat.EffectCall)
	if !d.Has(chat.EffectCall) || plain.Has(chat.EffectCall) || !d.For(3).Has(chat.EffectCall) || d.Without(chat.EffectCall).Has(chat.EffectCall) {
		t.Errorf("%+v, of %+v", d, plain)
	}
}
