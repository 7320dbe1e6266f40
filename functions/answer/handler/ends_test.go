package handler

import (
	"context"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"aiwm-chat/local/scripted"
	"aiwm-chat/shared/chat"
	"aiwm-chat/shared/completion"
	"aiwm-chat/shared/protocol"
)

// scripted has the world's model be a service that does as it is told.
func (w *world) scripted(t testing.TB, delay time.Duration) {
	server := httptest.NewServer(scripted.New(scripted.Options{Delay: delay}))
	t.Cleanup(server.Close)
	client := completion.New(completion.Options{BaseURL: strings.TrimSuffix(server.URL+scripted.Path, "/chat/completions"), Silence: time.Second})
	w.model = client.Stream
}

// However a model fails, the run has its end, which people see.
func TestEnds(t *testing.T) {
	t.Parallel()
	for text, c := range map[string]struct {
		managed chat.Managed
		status  chat.RunStatus
		code    chat.Code
		content string // in the last message
		error   string // in its error
		asked   int
	}{
		"Hello":            {status: chat.RunComplete, content: "You said", asked: 1},
		"#flaky 2 Hello":   {status: chat.RunComplete, content: "You said", asked: 3},
		"#flaky 3 Hello":   {status: chat.RunFailed, code: chat.Unavailable, content: "does not answer at the moment", error: "does not answer", asked: 3},
		"#429 0 Hello":     {status: chat.RunFailed, code: chat.Unavailable, content: "does not answer", asked: 3},
		"#429 600 Hello":   {status: chat.RunFailed, code: chat.Unavailable, content: "does not answer", asked: 1},
		"#quota Hello":     {status: chat.RunFailed, code: chat.Internal, content: "somebody has to look", asked: 1},
		"#refuse Hello":    {status: chat.RunFailed, code: chat.Forbidden, content: "declined", error: "declined", asked: 1},
		"#empty Hello":     {status: chat.RunFailed, code: chat.Unavailable, content: "with nothing", asked: 1},
		"#break 3 Hello":   {status: chat.RunFailed, code: chat.Unavailable, content: "You said", error: "broke off", asked: 1},
		"#silent 3 Hello":  {status: chat.RunFailed, code: chat.Unavailable, content: "You said", error: "broke off", asked: 1},
		"#garbage 3 Hello": {status: chat.RunFailed, code: chat.Unavailable, content: "You said", error: "broke off", asked: 1},
		"#big Hello":       {status: chat.RunFailed, code: chat.PayloadTooLarge, content: "large large", error: "too long", asked: 1},
		"#bad-utf8 Hello":  {status: chat.RunComplete, content: "This is \uFFFD", asked: 1},
		"#loop #tool shop__get_order {\"order\":\"1042\"}": {managed: chat.Managed{Tools: allowing("*").Tools, MaxSteps: 3}, status: chat.RunFailed,
			code: chat.Unavailable, content: "in 3 steps", asked: 3},
		"#tool shop__get_order {\"order\":\"1042\"} #bad-arguments": {managed: allowing("*"), status: chat.RunComplete, content: "not valid JSON", asked: 2},
		"#tool nonsense {}":     {managed: allowing("*"), status: chat.RunComplete, content: "no such tool", asked: 2},
		"a spent budget":        {managed: chat.Managed{Budget: chat.Budget{TokensPerDay: -1}}, status: chat.RunFailed, code: budgetExceeded, content: "used up", asked: 0},
		"no such tool is there": {managed: allowing("fly_to_moon"), status: chat.RunFailed, code: chat.Unavailable, content: "has no tool \"fly_to_moon\"", asked: 0},
		"#slow 400 Hello":       {managed: chat.Managed{MaxSeconds: 1}, status: chat.RunFailed, code: chat.Unavailable, error: "too long", asked: 1},
	} {
		t.Run(text, func(t *testing.T) {
			t.Parallel()
			spent := c.managed.Budget.TokensPerDay < 0
			if spent {
				c.managed.Budget.TokensPerDay = 1
			}
			w := newWorld(t, c.managed)
			w.scripted(t, 0)
			if spent { // by a run before
				w.say(t, user, "Hello")
				if err := w.work(t.Context()); err != nil {
					t.Fatal(err)
				}
				w.asked = nil
			}
			w.say(t, user, text)
			if err := w.work(t.Context()); err != nil {
				t.Fatal(err)
			}
			r := w.last(t)
			all := w.messages(t)
			last := all[len(all)-1]
			if r.Status != c.status || r.Error != c.code || !strings.Contains(last.Content, c.content) || !strings.Contains(last.Error, c.error) || len(w.asked) != c.asked {
				t.Errorf("run %s %q after %d; %s %q, error %q", r.Status, r.Error, len(w.asked), last.Type, chat.Preview(last.Content), last.Error)
			}
			if len(last.Content) > chat.MaxContentStream {
				t.Errorf("%d bytes", len(last.Content))
			}
			w.check(t)
		})
	}
}

// Stop stops the model in the middle of a word, and what had come is committed.
func TestStopWhileItWrites(t *testing.T) {
	t.Parallel()
	for _, way := range []string{"flag", "run alone"} {
		t.Run(way, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, chat.Managed{})
			w.scripted(t, 20*time.Millisecond)
			if way == "flag" {
				w.tune = func(x *times) { x.read, x.renew = time.Hour, time.Hour }
			}
			w.say(t, user, "#tokens 5000 Hello")
			r := w.last(t)
			done := w.working()
			w.until(t, "a piece of the content is told", done, w.telling)
			if _, err := w.StopRun(t.Context(), r.OrgID, r.ID, user.ID, time.Now()); err != nil {
				t.Fatal(err)
			}
			if way == "flag" {
				if err := w.presence.StopQuestion(t.Context(), w.id, chat.MessageID(r.ID), user); err != nil {
					t.Fatal(err)
				}
			}
			began := time.Now()
			if err := <-done; err != nil {
				t.Fatal(err)
			}
			took := time.Since(began)
			t.Log("stopped after", took)
			if took > 10*time.Second {
				t.Errorf("it took %v", took)
			}
			all := w.messages(t)
			last := all[len(all)-1]
			if r = w.last(t); r.Status != chat.RunCancelled || last.Status != chat.StatusCancelled || !strings.HasPrefix(last.Content, "You") || len(all) != 2 {
				t.Errorf("%s\n%s", r.Status, w.told(t))
			}
			if !strings.HasPrefix(last.Content, w.shown()) {
				t.Errorf("shown %q, committed %q", w.shown(), last.Content)
			}
			w.check(t)
		})
	}
}

// telling reports whether a piece of the content was told. It need not be shown: of the first
// pieces on a busy machine one may be lacking.
func (w *world) telling() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.ContainsFunc(w.deltas, func(d protocol.StreamDelta) bool { return d.Part == protocol.PartContent })
}

// shown is what a client shows of the content, by the rules of the protocol.
func (w *world) shown() (text string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, d := range w.deltas {
		if d.Part != "content" {
			continue
		}
		if have := chat.UTF16Len(text); *d.Offset <= have && *d.Offset+d.Length > have {
			text += string([]rune(d.Text)[have-*d.Offset:]) // of the basic plane, here
		}
	}
	return text
}

// Stop stops a tool that takes its time.
func TestStopWhileAToolWorks(t *testing.T) {
	t.Parallel()
	w := newWorld(t, allowing("*"))
	w.shopping(`slow_report {"seconds":60}`)
	w.say(t, user, "A report")
	r := w.last(t)
	began := make(chan bool)
	w.before = func(step string) {
		if step == "BeginCall" {
			close(began)
		}
	}
	done := w.working()
	select {
	case <-began:
	case err := <-done:
		t.Fatalf("no tool was called: %v\n%s", err, w.told(t))
	}
	if _, err := w.StopRun(t.Context(), r.OrgID, r.ID, user.ID, time.Now()); err != nil {
		t.Fatal(err)
	}
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	if r = w.last(t); r.Status != chat.RunCancelled {
		t.Errorf("%s\n%s", r.Status, w.told(t))
	}
	w.check(t)
}

// A run that waits ends by its stop, and so does its call: nobody approves it any more.
func TestStopWhileItWaits(t *testing.T) {
	t.Parallel()
	w := newWorld(t, asking("refund_order"))
	w.shopping(`refund_order {"order":"1042"}`)
	w.say(t, user, "Refund 1042")
	if err := w.work(t.Context()); err != nil {
		t.Fatal(err)
	}
	r := w.last(t)
	if r.Status != chat.RunWaiting || r.WaitsFor != r.ID.Call(0, 1) || r.Usage.TotalTokens != 12 {
		t.Fatalf("%+v", r)
	}
	if _, err := w.StopRun(t.Context(), r.OrgID, r.ID, user.ID, time.Now()); err != nil {
		t.Fatal(err)
	}
	if err := w.handler().Handle(t.Context(), w.job(w.messages(t)[0])); err != nil {
		t.Fatal(err)
	}
	w.check(t)
	d, found, err := w.Sent(t.Context(), w.id, chat.Backend("acme"), chat.DecisionID(r.WaitsFor))
	if a, _ := d.Decided(); err != nil || !found || a.Verdict != chat.VerdictStopped || w.last(t).Status != chat.RunCancelled {
		t.Errorf("%+v, %v\n%s", a, err, w.told(t))
	}
	w.decide(t, chat.VerdictApproved, chat.Decision{CallID: r.WaitsFor})
	if err := w.work(t.Context()); err != nil || w.shop.Refunds("1042") != 0 {
		t.Errorf("%v, %d refunds", err, w.shop.Refunds("1042"))
	}
}

// What a decision gives as arguments is what is called, and what the model sees.
func TestApprovedWithOtherArguments(t *testing.T) {
	t.Parallel()
	w := newWorld(t, asking("refund_order"))
	w.shopping(`refund_order {"order":"1042"}`)
	w.say(t, user, "Refund 1042")
	if err := w.work(t.Context()); err != nil {
		t.Fatal(err)
	}
	w.decide(t, chat.VerdictApproved, chat.Decision{CallID: w.last(t).WaitsFor, Arguments: []byte(`{"order":"1043"}`)})
	if err := w.work(t.Context()); err != nil {
		t.Fatal(err)
	}
	if w.shop.Refunds("1042") != 0 || w.shop.Refunds("1043") != 1 {
		t.Errorf("refunds: %d of 1042, %d of 1043", w.shop.Refunds("1042"), w.shop.Refunds("1043"))
	}
	prompt := w.asked[len(w.asked)-1].Messages
	if call := prompt[len(prompt)-2].ToolCalls[0]; !strings.Contains(call.Arguments, "1043") || strings.Contains(call.ID, ":") {
		t.Errorf("%+v", prompt)
	}
	w.check(t)
}

// Nobody decides in time: that is a decision, the model hears of it, and the run goes on.
func TestExpiry(t *testing.T) {
	t.Parallel()
	m := asking("refund_order")
	m.ApprovalSeconds = 1
	w := newWorld(t, m)
	w.shopping(`refund_order {"order":"1042"}`)
	q := w.say(t, user, "Refund 1042")
	if err := w.work(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := w.handler().Handle(t.Context(), w.job(q)); err != nil || w.last(t).Status != chat.RunWaiting {
		t.Fatalf("%v, %s before its time", err, w.last(t).Status)
	}
	time.Sleep(time.Until(w.last(t).ExpiresAt))
	if err := w.handler().Handle(t.Context(), w.job(q)); err != nil {
		t.Fatal(err)
	}
	w.check(t)
	prompt := w.asked[len(w.asked)-1].Messages
	if r := w.last(t); r.Status != chat.RunComplete || w.shop.Refunds("1042") != 0 || !strings.Contains(prompt[len(prompt)-1].Content, "in time") {
		t.Errorf("%s, %+v\n%s", r.Status, prompt, w.told(t))
	}
}

// A run that lost three leases fails, one that lost two does not; a hand-over is no loss.
func TestLostLeases(t *testing.T) {
	t.Parallel()
	w := newWorld(t, chat.Managed{})
	q := w.say(t, user, "Hi")
	ctx := t.Context()
	if _, taken, err := w.TakeRun(ctx, w.id, bot.ID, time.Now(), time.Now().Add(-time.Second)); err != nil || !taken {
		t.Fatal(taken, err)
	}
	for range 2 {
		r := w.last(t)
		if _, taken, err := w.TakeOverRun(ctx, r, time.Now(), time.Now().Add(-time.Second)); err != nil || !taken {
			t.Fatal(taken, err)
		}
	}
	if err := w.handler().Handle(ctx, w.job(q)); err != nil {
		t.Fatal(err)
	}
	if r := w.last(t); r.Status != chat.RunFailed || r.Failures != 3 || len(w.asked) != 0 || !strings.Contains(w.told(t), "interrupted three times") {
		t.Errorf("%+v\n%s", r, w.told(t))
	}
	w.check(t)
}

// Near the end of an invocation's time the run goes to another one, between two steps.
func TestHandOver(t *testing.T) {
	t.Parallel()
	w := newWorld(t, allowing("*"))
	w.shopping(`get_order {"order":"1042"}`, `get_order {"order":"1043"}`)
	w.say(t, user, "Orders")
	ctx, cancel := context.WithTimeout(t.Context(), usual.handing-time.Second)
	defer cancel()
	if err := w.work(ctx); err != nil {
		t.Fatal(err)
	}
	r := w.last(t)
	if r.Status != chat.RunComplete || r.Failures != 0 || r.Attempt < 2 || r.Usage.TotalTokens != 36 {
		t.Errorf("%+v\n%q", r, w.steps)
	}
	w.check(t)
}

// An attempt that died while it wrote is the end: nobody glues another answer to it.
func TestInterruptedWhileItWrote(t *testing.T) {
	t.Parallel()
	w := newWorld(t, chat.Managed{})
	q := w.say(t, user, "Hi")
	ctx := t.Context()
	r, _, err := w.TakeRun(ctx, w.id, bot.ID, time.Now(), time.Now().Add(-time.Second))
	if err != nil {
		t.Fatal(err)
	}
	s, _ := w.handler().begin(ctx, r, 0, thinking, func() {})
	s.add("content", "Half an ans")
	for { // within a second it is kept
		if st, err := w.presence.Stream(ctx, w.id, s.st.ID); err != nil || len(st.Parts) > 0 && st.Parts[0].Length > 0 {
			break
		}
		time.Sleep(10 * time.Millisecond)
	}
	s.close()
	if err := w.handler().Handle(ctx, w.job(q)); err != nil {
		t.Fatal(err)
	}
	all := w.messages(t)
	if r := w.last(t); len(all) != 2 || all[1].Content != "Half an ans" || all[1].Status != chat.StatusFailed || r.Status != chat.RunFailed || len(w.asked) != 0 {
		t.Errorf("%s\n%s", r.Status, w.told(t))
	}
	w.check(t)
}
