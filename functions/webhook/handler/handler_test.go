package handler_test

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"

	"aiwm-chat/functions/webhook/handler"
	"aiwm-chat/shared/chat"
	"aiwm-chat/shared/outside"
	"aiwm-chat/shared/protocol"
)

var down = chat.Unavailablef(errors.New("no route to host"), "the database does not answer; try again")

// A world is a store with one webhook and one message, and a queue.
type world struct {
	mu     sync.Mutex
	hook   *chat.Webhook // nil: it was deleted
	m      chat.Message
	gone   bool // the conversation
	fail   map[string]error
	steps  []string
	lives  int // steps until the process dies; 0: it does not
	queue  []protocol.WebhookJob
	delays []time.Duration
}

func newWorld(url string) *world {
	return &world{
		hook: &chat.Webhook{ID: "w1", OrgID: "acme", URL: url, Events: chat.WebhookEvents(), Secret: []byte("a secret of 24 bytes, sir")},
		m: chat.Message{
			ID: "m1", ConversationID: "c1", Seq: 7, Sender: chat.Principal{Type: chat.User, ID: "u1", OrgID: "acme"}, CreatedAt: time.Unix(1e9, 0),
			Draft: chat.Draft{Content: "hello", Role: chat.RoleUser, Type: chat.TypeText},
		},
		fail: map[string]error{},
	}
}

var errDead = errors.New("the process is dead")

func (w *world) step(name string, do func()) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.lives > 0 && len(w.steps) >= w.lives-1 {
		return errDead
	}
	w.steps = append(w.steps, name)
	if err := w.fail[name]; err != nil {
		return err
	}
	do()
	return nil
}

func (w *world) Webhook(_ context.Context, org chat.OrgID, id chat.WebhookID) (found chat.Webhook, err error) {
	err = w.step("Webhook", func() {
		if w.hook != nil {
			found = *w.hook
		}
	})
	if err == nil && (found.ID != id || found.OrgID != org) {
		err = chat.Errorf(chat.NotFound, "there is no such webhook")
	}
	return found, err
}

func (w *world) TryWebhook(_ context.Context, h chat.Webhook, until time.Time) (mine bool, err error) {
	err = w.step("TryWebhook", func() {
		if mine = w.hook.Failing != nil && w.hook.Failing.Retry.Equal(h.Failing.Retry); mine {
			f := *w.hook.Failing
			f.Retry = until
			w.hook.Failing = &f
		}
	})
	return mine, err
}

func (w *world) WebhookTook(context.Context, chat.Webhook) error {
	return w.step("WebhookTook", func() { w.hook.Failing = nil })
}

func (w *world) WebhookFailed(_ context.Context, h chat.Webhook, why string, now time.Time) (chat.Webhook, error) {
	err := w.step("WebhookFailed", func() {
		f := chat.WebhookFailure{Since: now}
		if w.hook.Failing != nil {
			f = *w.hook.Failing
		}
		f.Count++
		f.Last, f.Why, f.Retry = now, why, now.Add(chat.WebhookWait(f.Count))
		w.hook.Failing = &f
		h = *w.hook
	})
	return h, err
}

func (w *world) DisableWebhook(_ context.Context, _ chat.Webhook, why string, now time.Time) error {
	return w.step("DisableWebhook", func() { w.hook.Disabled = &chat.WebhookEnd{At: now, Why: why} })
}

func (w *world) AnyConversation(_ context.Context, _ chat.OrgID, id chat.ConversationID) (c chat.Conversation, err error) {
	if err = w.step("AnyConversation", func() {}); err == nil && w.gone {
		err = chat.Errorf(chat.NotFound, "there is no such conversation")
	}
	return c, err
}

func (w *world) Message(context.Context, chat.OrgID, chat.MessageID) (m chat.Message, err error) {
	err = w.step("Message", func() { m = w.m })
	return m, err
}

func (w *world) EnqueueWebhook(_ context.Context, job protocol.WebhookJob, delay time.Duration) error {
	return w.step("EnqueueWebhook", func() { w.queue, w.delays = append(w.queue, job), append(w.delays, min(delay, 15*time.Minute)) })
}

func (w *world) count(step string) (n int) {
	for _, s := range w.steps {
		if s == step {
			n++
		}
	}
	return n
}

func created() protocol.WebhookJob {
	return protocol.WebhookJob{OrgID: "acme", WebhookID: "w1", Event: chat.MessageCreated, ConversationID: "c1", MessageID: "m1", At: time.Now().UnixMilli()}
}

// A receiver is a server that notes what it gets.
type receiver struct {
	*httptest.Server
	mu     sync.Mutex
	bodies []string
	heads  []http.Header
}

func receive(t *testing.T, answer http.HandlerFunc) *receiver {
	t.Helper()
	r := &receiver{}
	r.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
		body, _ := io.ReadAll(q.Body)
		r.mu.Lock()
		r.bodies, r.heads = append(r.bodies, string(body)), append(r.heads, q.Header)
		r.mu.Unlock()
		if answer != nil {
			answer(w, q)
		}
	}))
	t.Cleanup(r.Close)
	return r
}

func handle(t *testing.T, w *world, job protocol.WebhookJob) error {
	t.Helper()
	transport := outside.Transport(true)
	defer transport.CloseIdleConnections()
	return handler.New(w, w, transport).Handle(t.Context(), job)
}

// What is posted is what a library of Standard Webhooks accepts, and what the message says now.
func TestCalls(t *testing.T) {
	r := receive(t, nil)
	w := newWorld(r.URL + "/hook?x=1")
	verify, err := standardwebhooks.NewWebhook(protocol.WebhookSecret(w.hook.Secret))
	if err != nil {
		t.Fatal(err)
	}
	updated, deleted := created(), created()
	updated.Event, updated.Version = chat.MessageUpdated, 3
	deleted.Event, deleted.Version = chat.MessageDeleted, 4
	for i, tt := range []struct {
		job    protocol.WebhookJob
		change func()
		id     string
		want   []string
	}{
		{created(), func() {}, "msg_m1", []string{`"type":"message.created"`, `"timestamp":"2001-09-09T01:46:40.000Z"`, `"content":"hello"`, `"seq":7`}},
		{updated, func() { w.m.Content, w.m.Version, w.m.ChangedAt = "hi", 3, time.Unix(1e9+1, 0) }, "msg_m1_updated_3", []string{`"type":"message.updated"`, `"timestamp":"2001-09-09T01:46:41.000Z"`, `"content":"hi"`, `"version":3`}},
		{deleted, func() { w.m.Deleted, w.m.Version = true, 4 }, "msg_m1_deleted", []string{`"type":"message.deleted"`, `"isDeleted":true`, `"content":""`}},
		{created(), func() {}, "msg_m1", []string{`"type":"message.created"`, `"isDeleted":true`, `"content":""`}}, // late: nobody learns what was deleted
	} {
		tt.change()
		if err := handle(t, w, tt.job); err != nil || len(r.bodies) != i+1 {
			t.Fatal(err, len(r.bodies))
		}
		body, head := r.bodies[i], r.heads[i]
		if err := verify.Verify([]byte(body), head); err != nil || head.Get("webhook-id") != tt.id || head.Get("content-type") != "application/json" {
			t.Errorf("%s: %v, %v", tt.id, err, head)
		}
		for _, text := range tt.want {
			if !strings.Contains(body, text) {
				t.Errorf("%s: %s is not in %s", tt.id, text, body)
			}
		}
		if verify.Verify([]byte(body+" "), head) == nil {
			t.Error("another body is accepted")
		}
	}
	if len(w.queue) > 0 || w.count("WebhookTook") > 0 {
		t.Errorf("%v", w.steps)
	}
}

// A receiver that does not take a call is called again, and it is said why.
func TestRefusals(t *testing.T) {
	elsewhere := receive(t, nil)
	large := strings.Repeat("x", 1<<20)
	for name, tt := range map[string]struct {
		answer http.HandlerFunc
		url    string
		why    string // "": it is taken
	}{
		"taken":               {func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusAccepted) }, "", ""},
		"a megabyte":          {func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, large) }, "", ""},
		"a megabyte of error": {func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(500); io.WriteString(w, large) }, "", "status 500"},
		"a large head":        {func(w http.ResponseWriter, _ *http.Request) { w.Header().Set("x", large) }, "", "protocol"},
		"refuses":             {func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(403) }, "", "status 403"},
		"redirects":           {func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, elsewhere.URL, 307) }, "", "status 307"},
		"breaks off":          {func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }, "", "connection"},
		"nobody there":        {nil, "http://127.0.0.1:1", "dial"},
		"no such name":        {nil, "https://k3y.invalid", "dns"},
	} {
		t.Run(name, func(t *testing.T) {
			r := receive(t, tt.answer)
			w := newWorld(r.URL)
			if tt.url != "" {
				w.hook.URL = tt.url
			}
			began := time.Now()
			if err := handle(t, w, created()); err != nil {
				t.Fatal(err)
			}
			if tt.why == "" {
				if w.hook.Failing != nil || len(w.queue) > 0 {
					t.Errorf("%+v, %v", w.hook.Failing, w.queue)
				}
				return
			}
			if f := w.hook.Failing; f == nil || f.Why != tt.why || len(w.queue) != 1 || w.queue[0].Attempts != 1 || w.delays[0] < 4*time.Second || w.delays[0] > 8*time.Second {
				t.Errorf("%+v, %+v after %v", f, w.queue, w.delays)
			}
			if time.Since(began) > 5*time.Second {
				t.Errorf("it took %v", time.Since(began))
			}
		})
	}
	if len(elsewhere.bodies) > 0 {
		t.Error("a redirect was followed")
	}
}

// Who says 410 is not called any more; nor is who is deleted or switched off, and nobody of
// what is deleted.
func TestNobodyIsCalled(t *testing.T) {
	r := receive(t, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusGone) })
	w := newWorld(r.URL)
	for range 2 {
		if err := handle(t, w, created()); err != nil {
			t.Fatal(err)
		}
	}
	if d := w.hook.Disabled; d == nil || d.Why != "status 410" || len(r.bodies) != 1 || len(w.queue) > 0 {
		t.Errorf("%+v, called %d times", d, len(r.bodies))
	}
	w = newWorld(r.URL)
	w.gone = true
	if err := handle(t, w, created()); err != nil || len(r.bodies) != 1 {
		t.Errorf("of a deleted conversation: %v", err)
	}
	w.hook = nil
	if err := handle(t, w, created()); err != nil || len(r.bodies) != 1 {
		t.Errorf("deleted: %v", err)
	}
	private := newWorld(r.URL) // on Lambda
	transport := outside.Transport(false)
	if err := handler.New(private, private, transport).Handle(t.Context(), created()); err != nil || len(r.bodies) != 1 || private.hook.Failing.Why != "address" {
		t.Errorf("at a private address: %v, %+v", err, private.hook.Failing)
	}
}

// A clockwork lets a queue run by the clock of the test.
func clockwork(t *testing.T, w *world, h *handler.Handler, until time.Duration) {
	t.Helper()
	begun := time.Now()
	for len(w.queue) > 0 && time.Since(begun) < until {
		next := slices.Index(w.delays, slices.Min(w.delays))
		job, wait := w.queue[next], w.delays[next]
		w.queue, w.delays = slices.Delete(w.queue, next, next+1), slices.Delete(w.delays, next, next+1)
		for i := range w.delays {
			w.delays[i] -= wait
		}
		time.Sleep(wait)
		if err := h.Handle(t.Context(), job); err != nil {
			t.Fatal(err)
		}
	}
}

type roundTrip func(*http.Request) (*http.Response, error)

func (f roundTrip) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

func answering(status int) *http.Response {
	return &http.Response{StatusCode: status, Body: io.NopCloser(strings.NewReader("")), Header: http.Header{}}
}

// What takes nothing for a day is switched off, after few calls, however many events there
// are; what takes calls again in time gets all of them.
func TestADayOfFailures(t *testing.T) {
	for _, mended := range []time.Duration{0, 20 * time.Hour} {
		synctest.Test(t, func(t *testing.T) {
			begun := time.Now()
			calls, taken := 0, map[string]bool{}
			w := newWorld("https://example.org")
			h := handler.New(w, w, roundTrip(func(r *http.Request) (*http.Response, error) {
				calls++
				if mended > 0 && time.Since(begun) > mended {
					taken[r.Header.Get("webhook-id")] = true
					return answering(200), nil
				}
				if calls%2 == 0 {
					<-r.Context().Done() // hangs
					return nil, r.Context().Err()
				}
				return answering(500), nil
			}))
			const events = 30
			for i := range events {
				job := created()
				job.MessageID = chat.MessageID(fmt.Sprint("m", i))
				w.EnqueueWebhook(t.Context(), job, time.Second)
			}
			clockwork(t, w, h, 30*time.Hour)
			if len(w.queue) > 0 {
				t.Errorf("%d jobs are left", len(w.queue))
			}
			if mended > 0 {
				if len(taken) != events || w.hook.Failing != nil || w.hook.Disabled != nil {
					t.Errorf("%d of %d were taken; %+v", len(taken), events, w.hook)
				}
				return
			}
			if d := w.hook.Disabled; d == nil || d.At.Sub(begun) < 24*time.Hour || d.At.Sub(begun) > 26*time.Hour || d.Why == "" {
				t.Errorf("switched off %+v, begun %v", d, begun)
			}
			if calls > 60 {
				t.Errorf("it was called %d times", calls)
			}
		})
	}
}

// One event that is never taken does not switch off a webhook that takes others, and is given
// up after a day.
func TestOneEventIsNeverTaken(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld("https://example.org")
		bad := 0
		h := handler.New(w, w, roundTrip(func(r *http.Request) (*http.Response, error) {
			if r.Header.Get("webhook-id") == "msg_bad" {
				bad++
				return answering(400), nil
			}
			return answering(200), nil
		}))
		job := created()
		job.MessageID = "bad"
		w.EnqueueWebhook(t.Context(), job, time.Second)
		for i := range 60 { // others, each half hour
			w.EnqueueWebhook(t.Context(), created(), time.Duration(i)*30*time.Minute)
			w.delays[len(w.delays)-1] = time.Duration(i) * 30 * time.Minute
		}
		clockwork(t, w, h, 40*time.Hour)
		if w.hook.Disabled != nil || len(w.queue) > 0 || bad < 10 || bad > 60 {
			t.Errorf("%+v, %d jobs left, %d calls of the bad one", w.hook.Disabled, len(w.queue), bad)
		}
	})
}

// Whoever dies between any two steps: the call is made, once the queue brings the job again.
func TestWhoeverDies(t *testing.T) {
	for _, failing := range []bool{false, true} {
		for lives := 1; ; lives++ {
			taken := false
			w := newWorld("https://example.org")
			if failing {
				w.hook.Failing = &chat.WebhookFailure{Since: time.Now(), Count: 1}
			}
			h := handler.New(w, w, roundTrip(func(*http.Request) (*http.Response, error) {
				taken = true
				return answering(200), nil
			}))
			w.lives = lives
			err := h.Handle(t.Context(), created())
			if err == nil {
				if lives == 1 {
					t.Fatal("nobody died")
				}
				break
			}
			w.lives, w.steps = 0, nil
			if w.hook.Failing != nil {
				w.hook.Failing.Retry = time.Time{} // the reservation is over
			}
			if err := h.Handle(t.Context(), created()); err != nil || !taken || w.hook.Failing != nil {
				t.Errorf("dead after %d steps: %v, taken %v", lives, err, taken)
			}
		}
	}
}

// A database that does not answer loses no call, and a queue that does not either.
func TestWithoutTheDatabase(t *testing.T) {
	for _, step := range []string{"Webhook", "AnyConversation", "Message", "WebhookFailed", "TryWebhook", "WebhookTook"} {
		w := newWorld("https://example.org")
		status := 200
		if step == "WebhookFailed" {
			status = 500
		}
		if step == "TryWebhook" || step == "WebhookTook" {
			w.hook.Failing = &chat.WebhookFailure{Since: time.Now(), Count: 1}
		}
		w.fail[step] = down
		h := handler.New(w, w, roundTrip(func(*http.Request) (*http.Response, error) { return answering(status), nil }))
		if err := h.Handle(t.Context(), created()); err != nil || len(w.queue) != 1 || w.delays[0] < 25*time.Second {
			t.Errorf("without %s: %v, %v", step, err, w.delays)
		}
		w.fail["EnqueueWebhook"] = errors.New("no queue")
		if err := h.Handle(t.Context(), created()); err == nil {
			t.Errorf("without %s and the queue: it is said to be done", step)
		}
	}
}

func TestSecretsAreReadByOthers(t *testing.T) {
	secret := protocol.WebhookSecret([]byte("0123456789abcdef01234567"))
	raw, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(secret, "whsec_"))
	if err != nil || len(raw) != 24 || strconv.Quote(secret) == "" {
		t.Errorf("%s: %v", secret, err)
	}
}
