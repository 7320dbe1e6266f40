package handler_test

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"aiwm-chat/shared/chat"
	"aiwm-chat/shared/protocol"
)

type problem struct {
	Code    chat.Code
	Details map[string]any
}

func TestTheLifeOfAnAgent(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	made := want[protocol.Agent](t, w, 201, "alice+admin", "POST /agents", "", "", managedBot)
	if made.Version != 1 || !made.IsManaged || made.CreatedBy != "alice" || made.Managed == nil || made.Managed.MaxSteps != 10 ||
		!*made.Managed.History.Summary || made.Managed.History.Tokens != 8000 || made.Respond != chat.RespondAlways {
		t.Errorf("%+v", made)
	}
	want[problem](t, w, 409, "alice+admin", "POST /agents", "", "", managedBot)

	// What it is told is nobody's who may not write it.
	for token, sees := range map[string]bool{"eve": false, "bot": false, "eve+agents:write": true, "eve+user admin": true} {
		_, body := w.call(t, token, "GET /agents/{id}", "bot", "", "")
		_, list := w.call(t, token, "GET /agents", "", "", "")
		for _, text := range []string{body, list} {
			if !strings.Contains(text, `"name":"Bot"`) || strings.Contains(text, "be kind") != sees {
				t.Errorf("%s sees %s", token, text)
			}
		}
	}
	const put = `{"version":%d,"name":"Other","managed":{"provider":"known","model":"m2","history":{"messages":5,"summary":false}}}`
	changed := want[protocol.Agent](t, w, 200, "eve+agents:write", "PUT /agents/{id}", "bot", "", fmt.Sprintf(put, 1))
	if changed.Version != 2 || changed.Managed.Model != "m2" || *changed.Managed.History.Summary || changed.Managed.History.Tokens != 8000 {
		t.Errorf("%+v", changed)
	}
	if p := want[problem](t, w, 409, "alice+admin", "PUT /agents/{id}", "bot", "", fmt.Sprintf(put, 1)); p.Details["version"] != 2.0 {
		t.Errorf("%+v", p)
	}
	want[struct{}](t, w, 204, "alice+admin", "DELETE /agents/{id}", "bot", "", "")
	want[problem](t, w, 404, "alice+admin", "DELETE /agents/{id}", "bot", "", "")
	want[problem](t, w, 404, "alice", "GET /agents/{id}", "bot", "", "")
	want[problem](t, w, 404, "alice+admin", "PUT /agents/{id}", "bot", "", fmt.Sprintf(put, 3))
}

func TestPagesOfAgents(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for i := range 3 {
		want[protocol.Agent](t, w, 201, "alice+admin", "POST /agents", "", "", fmt.Sprintf(`{"agentId":"a%d","name":"A"}`, i))
	}
	want[protocol.Agent](t, w, 201, "mallory+admin", "POST /agents", "", "", `{"agentId":"a0","name":"A"}`)
	page := want[protocol.AgentPage](t, w, 200, "eve", "GET /agents", "", "limit=2", "")
	if len(page.Data) != 2 || !page.Pagination.HasMore || page.Pagination.Cursor != "a1" || page.Data[0].IsManaged {
		t.Errorf("%+v", page)
	}
	page = want[protocol.AgentPage](t, w, 200, "eve", "GET /agents", "", "limit=2&cursor=a1", "")
	if len(page.Data) != 1 || page.Pagination.HasMore || page.Pagination.Cursor != "" {
		t.Errorf("%+v", page)
	}
}

// Each row is refused, and changes nothing. Of what is not valid the field is named.
func TestRefusals(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	want[protocol.Agent](t, w, 201, "alice+admin", "POST /agents", "", "", managedBot)
	q, run := w.asked(t, "m1")
	id, nobody := string(run.ID), strings.Repeat("0", 32)
	with := func(managed string) string { return `{"agentId":"x","name":"X","managed":{` + managed + `}}` }
	const ok = `"provider":"known","model":"m"`
	for _, c := range []struct {
		token, route, id, query, body string
		status                        int
		field                         string
	}{
		// Who may not.
		{"", "GET /agents", "", "", "", 401, ""},
		{"alice", "POST /agents", "", "", with(ok), 403, ""},
		{"alice+user agents:read", "POST /agents", "", "", with(ok), 403, ""},
		{"bot", "POST /agents", "", "", with(ok), 403, ""},
		{"alice", "PUT /agents/{id}", "bot", "", `{"version":1,"name":"X"}`, 403, ""},
		{"alice", "DELETE /agents/{id}", "bot", "", "", 403, ""},
		{"mallory+admin", "GET /agents/{id}", "bot", "", "", 404, ""},
		{"mallory+admin", "PUT /agents/{id}", "bot", "", `{"version":1,"name":"X"}`, 404, ""},
		{"mallory+admin", "DELETE /agents/{id}", "bot", "", "", 404, ""},
		{"eve+admin", "GET /conversations/{id}/runs", string(w.c.ID), "", "", 404, ""},
		{"bob", "GET /conversations/{id}/runs", string(w.c.ID), "", "", 404, ""},
		{"mallory", "GET /conversations/{id}/runs", string(w.c.ID), "", "", 404, ""},
		{"eve", "GET /runs/{id}", id, "", "", 404, ""},
		{"bob", "GET /runs/{id}", id, "", "", 404, ""},
		{"mallory", "GET /runs/{id}", id, "", "", 404, ""},
		{"eve+admin", "POST /runs/{id}/stop", id, "", "", 404, ""},
		{"bob", "POST /runs/{id}/stop", id, "", "", 404, ""},
		{"mallory", "POST /runs/{id}/stop", id, "", "", 404, ""},
		{"alice", "POST /runs/{id}/stop", nobody, "", "", 404, ""},
		{"alice", "GET /runs/{id}", nobody, "", "", 404, ""},
		{"eve", "POST /messages/{id}/regenerate", string(q.ID), "", "", 404, ""},
		{"bob", "POST /messages/{id}/regenerate", string(q.ID), "", "", 404, ""},
		{"mallory", "POST /messages/{id}/regenerate", string(q.ID), "", "", 404, ""},
		{"bot", "POST /messages/{id}/regenerate", string(q.ID), "", "", 403, ""},
		{"alice", "POST /messages/{id}/regenerate", "none", "", "", 404, ""},
		{"alice", "POST /messages/{id}/regenerate", string(q.ID), "", "", 409, ""}, // it is being answered
		{"bot", "GET /usage", "", "from=2026-01-01&to=2026-01-02&groupBy=day", "", 403, ""},

		// What is not valid.
		{"alice+admin", "POST /agents", "", "", `{`, 400, ""},
		{"alice+admin", "POST /agents", "", "", `{"agentId":"x"}`, 400, "name"},
		{"alice+admin", "POST /agents", "", "", `{"agentId":"x y","name":"X"}`, 400, "agentId"},
		{"alice+admin", "POST /agents", "", "", `{"agentId":"x","name":"X","orgId":"o2"}`, 400, "orgId"},
		{"alice+admin", "POST /agents", "", "", with(`"provider":"other","model":"m"`), 400, "managed.provider"},
		{"alice+admin", "POST /agents", "", "", with(`"provider":"https://evil","model":"m"`), 400, "managed.provider"},
		{"alice+admin", "POST /agents", "", "", with(`"provider":"known"`), 400, "managed.model"},
		{"alice+admin", "POST /agents", "", "", with(ok + `,"instructions":"{{user.email}}"`), 400, "managed.instructions"},
		{"alice+admin", "POST /agents", "", "", with(ok + `,"maxSteps":26`), 400, "managed.maxSteps"},
		{"alice+admin", "POST /agents", "", "", with(ok + `,"maxSteps":-1`), 400, "managed.maxSteps"},
		{"alice+admin", "POST /agents", "", "", with(ok + `,"tools":[{"server":"known","allow":["a"],"deny":["*"]}]`), 400, "managed.tools[0].allow[0]"},
		{"alice+admin", "POST /agents", "", "", with(ok + `,"tools":[{"server":"other","allow":["a"]}]`), 400, "managed.tools[0].server"},
		{"alice+admin", "POST /agents", "", "", with(ok + `,"tools":[{"server":"known","allow":["a"]},{"server":"other","allow":["a"]}]`), 400, "managed.tools[1].server"},
		{"alice+admin", "POST /agents", "", "", with(ok + `,"budget":{"tokensPerDay":-1}`), 400, "managed.budget.tokensPerDay"},
		{"alice+admin", "PUT /agents/{id}", "bot", "", `{"name":"X"}`, 400, "version"},
		{"alice+admin", "PUT /agents/{id}", "bot", "", `{"version":1,"name":"X","managed":{"provider":"other","model":"m"}}`, 400, "managed.provider"},
		{"alice+admin", "PUT /agents/{id}", "bot", "", `{"version":1,"name":"X","managed":{"provider":"known","model":"m","tools":[{"server":"other","allow":["a"]}]}}`, 400, "managed.tools[0].server"},
		{"alice+admin", "PUT /agents/{id}", "b{}", "", `{"version":1,"name":"X"}`, 400, "id"},
		{"alice", "GET /agents/{id}", "b t", "", "", 400, "id"},
		{"alice+admin", "DELETE /agents/{id}", "", "", "", 400, "id"},
		{"alice", "GET /agents", "", "limit=101", "", 400, "limit"},
		{"alice", "GET /agents", "", "cursor=a+b", "", 400, "cursor"},
		{"alice", "GET /agents", "", "page=1", "", 400, "page"},
		{"alice", "GET /conversations/{id}/runs", "c d", "", "", 400, "id"},
		{"alice", "GET /conversations/{id}/runs", string(w.c.ID), "cursor=x", "", 400, "cursor"},
		{"alice", "GET /conversations/{id}/runs", string(w.c.ID), "cursor=" + nobody, "", 400, "cursor"},
		{"alice", "GET /runs/{id}", "call_0", "", "", 400, "id"},
		{"alice", "POST /runs/{id}/stop", id + ":0", "", "", 400, "id"},
		{"alice", "POST /messages/{id}/regenerate", "a b", "", "", 400, "id"},
		{"alice", "GET /usage", "", "", "", 400, "from,groupBy,to"},
		{"alice", "GET /usage", "", "from=2026-01-01&to=2027-01-02&groupBy=day", "", 400, "to"},
		{"alice", "GET /usage", "", "from=2026-01-01&to=2026-01-02&groupBy=week", "", 400, "groupBy"},
		{"alice", "GET /usage", "", "from=2026-01-01&to=2026-01-02&groupBy=day&org=o2", "", 400, "org"},
	} {
		got := want[problem](t, w, c.status, c.token, c.route, c.id, c.query, c.body)
		if fields := strings.Join(slices.Sorted(maps.Keys(got.Details)), ","); c.status == 400 && fields != c.field {
			t.Errorf("%s %s: %s, want %s", c.route, c.body, fields, c.field)
		}
	}
	if got := want[protocol.Run](t, w, 200, "alice", "GET /runs/{id}", id, "", ""); got.Status != chat.RunQueued || got.StoppedBy != "" {
		t.Errorf("%+v", got)
	}
	if a := want[protocol.AgentPage](t, w, 200, "alice", "GET /agents", "", "", ""); len(a.Data) != 1 || a.Data[0].Version != 1 || len(w.jobs) != 0 {
		t.Errorf("%+v, %v", a, w.jobs)
	}
}

func TestRuns(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	var ids []chat.RunID
	for i := range 3 {
		_, run := w.asked(t, fmt.Sprint("m", i))
		ids = append(ids, run.ID)
		time.Sleep(2 * time.Millisecond) // they are sorted by the time
	}
	page := want[protocol.RunPage](t, w, 200, "alice", "GET /conversations/{id}/runs", string(w.c.ID), "limit=2", "")
	if len(page.Data) != 2 || page.Data[0].ID != ids[2] || !page.Pagination.HasMore {
		t.Errorf("%+v", page)
	}
	page = want[protocol.RunPage](t, w, 200, "bot", "GET /conversations/{id}/runs", string(w.c.ID), "limit=2&cursor="+page.Pagination.Cursor, "")
	if len(page.Data) != 1 || page.Data[0].ID != ids[0] || page.Pagination.HasMore {
		t.Errorf("%+v", page)
	}
	run := w.active(t)
	expires := time.Now().Add(time.Hour)
	if _, v, err := w.WaitRun(t.Context(), run, run.ID.Call(0, 1), 2, expires, time.Now()); v != chat.RunHeld || err != nil {
		t.Fatal(v, err)
	}
	got := want[protocol.Run](t, w, 200, "alice", "GET /runs/{id}", string(run.ID), "", "")
	if got.Status != chat.RunWaiting || got.ToolCallID != run.ID.Call(0, 1) || got.ExpiresAt != expires.UTC().Format(protocol.Timestamp) || got.UserID != "alice" {
		t.Errorf("%+v", got)
	}
}

// A run that never began is over at once; who holds one sees the stop in Redis under the run's id,
// whether a stream is open or not, and without Redis in the run; what waits ends here and now. What
// is over is left as it is.
func TestStop(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	const stop = "POST /runs/{id}/stop"
	_, first := w.asked(t, "m1")
	_, second := w.asked(t, "m2")
	if got := want[protocol.Run](t, w, 200, "alice", stop, string(second.ID), "", ""); got.Status != chat.RunCancelled || got.StoppedBy != "alice" || len(w.jobs) != 0 {
		t.Errorf("%+v, %v", got, w.jobs)
	}
	run := w.active(t)
	for _, w.fail = range []error{nil, errors.New("no route to host")} {
		if got := want[protocol.Run](t, w, 200, "alice", stop, string(first.ID), "", ""); got.Status != chat.RunActive || got.StoppedBy != "alice" {
			t.Errorf("%+v", got)
		}
	}
	if flag := chat.MessageID(first.ID); !slices.Equal(w.stopped, []chat.MessageID{flag, flag}) || len(w.jobs) != 0 {
		t.Errorf("told %v, jobs %v", w.stopped, w.jobs)
	}
	w.end(t, run, chat.RunCancelled)
	if got := want[protocol.Run](t, w, 200, "alice", stop, string(first.ID), "", ""); got.Status != chat.RunCancelled || len(w.jobs) != 0 {
		t.Errorf("%+v, %v", got, w.jobs)
	}

	_, third := w.asked(t, "m3")
	run, _, err := w.WaitRun(t.Context(), w.active(t), third.ID.Call(0, 1), 1, time.Now().Add(time.Hour), time.Now())
	if err != nil {
		t.Fatal(err)
	}
	if p := want[problem](t, w, 503, "alice", stop, string(run.ID), "", ""); p.Code != chat.Unavailable {
		t.Errorf("%+v", p)
	}
	if now, err := w.Run(t.Context(), "o1", run.ID); err != nil || now.Stop == nil {
		t.Errorf("%+v, %v", now, err)
	}
	w.fail, w.jobs = nil, nil
	if got := want[protocol.Run](t, w, 200, "alice", stop, string(run.ID), "", ""); got.Status != chat.RunCancelled || len(w.jobs) != 1 {
		t.Errorf("%+v, %v", got, w.jobs)
	}
}

func TestRegenerate(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	const again = "POST /messages/{id}/regenerate"
	q, first := w.asked(t, "m1")
	want[problem](t, w, 409, "alice", again, string(q.ID), "", "") // nobody answers for bot
	want[protocol.Agent](t, w, 201, "alice+admin", "POST /agents", "", "", managedBot)
	if p := want[problem](t, w, 409, "alice", again, string(q.ID), "", ""); p.Details["runId"] != string(first.ID) {
		t.Errorf("%+v", p)
	}
	w.end(t, w.active(t), chat.RunComplete)
	answer := w.say(t, "bot", "a1", q.ID)
	later := w.say(t, "alice", "m2", "")
	got := want[protocol.Run](t, w, 202, "alice", again, string(answer.ID), "", "")
	if got.N != 1 || got.MessageID != q.ID || got.Status != chat.RunQueued || got.ID != chat.NewRunID(cast["bot"], q.ID, 1) {
		t.Errorf("%+v", got)
	}
	run, err := w.Run(t.Context(), "o1", got.ID)
	if err != nil || run.Place != later.Seq || run.AgentVersion != 1 || len(w.jobs) != 1 || w.jobs[0] != protocol.RunJobOf(run) {
		t.Errorf("%+v, %v, jobs %v", run, err, w.jobs)
	}
	w.end(t, w.active(t), chat.RunCancelled)
	w.fail = errors.New("no route to host") // it is queued all the same
	if got := want[protocol.Run](t, w, 202, "alice", again, string(q.ID), "", ""); got.N != 2 {
		t.Errorf("%+v", got)
	}
	// What was never asked for, as it was sent before the agent was managed.
	if got := want[protocol.Run](t, w, 202, "alice", again, string(later.ID), "", ""); got.N != 0 || got.MessageID != later.ID {
		t.Errorf("%+v", got)
	}
	said := w.say(t, "bot", "a2", "")
	want[problem](t, w, 409, "alice", again, string(said.ID), "", "") // no answer to a question
	if _, err := w.DeleteMessage(t.Context(), later, later.Sender, time.Now()); err != nil {
		t.Fatal(err)
	}
	want[problem](t, w, 404, "alice", again, string(later.ID), "", "")
	archived := chat.Archived
	if _, err := w.UpdateConversation(t.Context(), cast["alice"], w.c.ID, chat.ConversationChange{Status: &archived}, time.Now()); err != nil {
		t.Fatal(err)
	}
	if p := want[problem](t, w, 409, "alice", again, string(q.ID), "", ""); p.Code != chat.ConversationClosed {
		t.Errorf("%+v", p)
	}
}

// Who may write agents sees what all cost, anybody else their own.
func TestUsage(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for i, user := range []chat.PrincipalID{"alice", "bob", "alice"} {
		m := chat.Message{ID: chat.MessageID(fmt.Sprint("m", i)), ConversationID: chat.ConversationID(fmt.Sprint("c", i))}
		run, _, err := w.QueueRun(t.Context(), chat.NewRun(chat.AgentProfile{OrgID: "o1", ID: "bot"}, m, 0, user, 1, time.Date(2026, 1, 1+i, 23, 59, 0, 0, time.UTC)))
		if err != nil {
			t.Fatal(err)
		}
		run.Usage = chat.Usage{PromptTokens: 1, CompletionTokens: 2, TotalTokens: 3}
		w.end(t, run, chat.RunComplete)
	}
	for token, wanted := range map[string]string{"alice": "alice:1", "alice+admin": "alice:1 bob:1", "eve": "", "mallory+admin": ""} {
		got := want[protocol.UsageReport](t, w, 200, token, "GET /usage", "", "from=2026-01-01&to=2026-01-02&groupBy=user", "")
		text := ""
		for _, s := range got.Data {
			text += fmt.Sprint(s.Key, ":", s.Runs, " ")
		}
		if strings.TrimSpace(text) != wanted || got.Total.Usage.TotalTokens != 3*got.Total.Runs || got.From != "2026-01-01" {
			t.Errorf("%s: %+v", token, got)
		}
	}
}
