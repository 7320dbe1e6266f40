package apigateway

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"aiwm-chat/shared/chat"
	"aiwm-chat/shared/config"
	"aiwm-chat/shared/delivery"
)

var testAWS = config.AWS{Region: "us-east-1", AccessKeyID: "AKIDEXAMPLE", SecretAccessKey: "secret", SessionToken: "token"}

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// An answer of the Management API; the last of a script stays.
type answer struct {
	status int
	kind   string // x-amzn-ErrorType
	hang   bool   // until the client gives up
	drop   bool   // the TCP connection, without a response
}

// A management plays the Management API.
type management struct {
	*httptest.Server
	mu      sync.Mutex
	scripts map[string][]answer // by "METHOD /path", escaped
	calls   map[string]int
	opened  int // TCP connections
}

func newManagement(t testing.TB, scripts map[string][]answer) *management {
	m := &management{scripts: scripts, calls: map[string]int{}}
	m.Server = httptest.NewUnstartedServer(m)
	m.Config.ConnState = func(_ net.Conn, state http.ConnState) {
		if state == http.StateNew {
			m.mu.Lock()
			defer m.mu.Unlock()
			m.opened++
		}
	}
	m.Start()
	t.Cleanup(m.Server.Close)
	return m
}

func (m *management) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	io.Copy(io.Discard, r.Body)
	call := r.Method + " " + r.URL.EscapedPath()
	m.mu.Lock()
	script, n := m.scripts[call], m.calls[call]
	m.calls[call]++
	m.mu.Unlock()
	if len(script) == 0 {
		return
	}
	switch a := script[min(n, len(script)-1)]; {
	case a.hang:
		<-r.Context().Done()
	case a.drop:
		panic(http.ErrAbortHandler)
	default:
		w.Header().Set("x-amzn-ErrorType", a.kind)
		w.WriteHeader(a.status)
		if a.status >= http.StatusBadRequest {
			fmt.Fprintf(w, `{"message":"the canonical string should have been x-amz-security-token:%s"}`, r.Header.Get("X-Amz-Security-Token"))
		}
	}
}

// called returns how often the API was called like this.
func (m *management) called(call string) int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.calls[call]
}

func (m *management) poster(t testing.TB) *Poster {
	t.Helper()
	transport := newTransport()
	t.Cleanup(transport.CloseIdleConnections)
	p, err := New(Options{Endpoint: m.URL + "/ws", AWS: testAWS, Transport: transport})
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func connection(id chat.ConnectionID) chat.Connection {
	return chat.Connection{ID: id, ExpiresAt: time.Now().Add(time.Hour)}
}

// counts are a delivery.Result without names.
type counts struct{ posted, expired, refused, gone, failed int }

func count(r delivery.Result) counts {
	return counts{r.Posted, r.Expired, len(r.Refused), len(r.Gone), len(r.Failed)}
}

func TestDelivery(t *testing.T) {
	ok := answer{status: 200}
	gone := answer{status: 410, kind: "GoneException"}
	throttled := answer{status: 429, kind: "LimitExceededException"}
	for _, row := range []struct {
		name   string
		script []answer
		want   counts
		calls  int
	}{
		{"ok", []answer{ok}, counts{posted: 1}, 1},
		{"gone", []answer{gone}, counts{gone: 1}, 1},
		{"throttled", []answer{throttled, ok}, counts{posted: 1}, 2},
		{"server error", []answer{{status: 500}, {status: 503}, ok}, counts{posted: 1}, 3},
		{"dropped", []answer{{drop: true}, ok}, counts{posted: 1}, 2},
		{"hangs", []answer{{hang: true}, ok}, counts{posted: 1}, 2},
		{"throttled, then gone", []answer{throttled, gone}, counts{gone: 1}, 2},
		{"forbidden", []answer{{status: 403, kind: "ForbiddenException"}}, counts{refused: 1}, 1},
		{"too large", []answer{{status: 413, kind: "PayloadTooLargeException"}}, counts{refused: 1}, 1},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			const call = "POST /ws/@connections/bad%3D"
			m := newManagement(t, map[string][]answer{call: row.script})
			to := []chat.Connection{connection("good1="), connection("bad="), connection("good2=")}
			got := count(delivery.New(m.poster(t)).Broadcast(t.Context(), to, []byte("{}"), delivery.Patient))
			got.posted -= 2
			if calls := m.called(call); got != row.want || calls != row.calls {
				t.Errorf("%+v after %d calls, want %+v after %d", got, calls, row.want, row.calls)
			}
		})
	}
}

func TestAnExpiredTokenClosesTheConnection(t *testing.T) {
	m := newManagement(t, map[string][]answer{"DELETE /ws/@connections/old%3D": {{status: 204}}})
	old := connection("old=")
	old.ExpiresAt = time.Now().Add(-time.Minute)
	got := delivery.New(m.poster(t)).Broadcast(t.Context(), []chat.Connection{old, connection("new=")}, []byte("{}"), delivery.Once)
	if count(got) != (counts{posted: 1, expired: 1}) {
		t.Errorf("%+v", got)
	}
	if closed, posted := m.called("DELETE /ws/@connections/old%3D"), m.called("POST /ws/@connections/old%3D"); closed != 1 || posted != 0 {
		t.Errorf("closed %d times, posted to %d times", closed, posted)
	}
}

func retryable(err error) bool {
	r, ok := errors.AsType[interface {
		error
		Retryable() bool
	}](err)
	return ok && r.Retryable()
}

func TestErrors(t *testing.T) {
	const frame = "the frame"
	for _, row := range []struct {
		answer          answer
		gone, retryable bool
	}{
		{answer{status: 410, kind: "GoneException"}, true, false},
		{answer{status: 429, kind: "LimitExceededException"}, false, true},
		{answer{status: 502}, false, true},
		{answer{drop: true}, false, true},
		{answer{hang: true}, false, true},
		{answer{status: 403, kind: "ForbiddenException:http://internal.amazon.com/"}, false, false},
		{answer{status: 403, kind: "InvalidSignatureException"}, false, false},
		{answer{status: 413, kind: "PayloadTooLargeException"}, false, false},
		{answer{status: 400, kind: "BadRequestException"}, false, false},
		{answer{status: 302}, false, false},
	} {
		m := newManagement(t, map[string][]answer{
			"POST /ws/@connections/c": {row.answer}, "DELETE /ws/@connections/c": {row.answer}, "GET /ws/@connections/c": {row.answer},
		})
		p := m.poster(t)
		gone, ask := p.Gone(t.Context(), "c")
		if gone != row.gone || gone && ask != nil {
			t.Errorf("asked about by %+v: gone %v, %v", row.answer, gone, ask)
		}
		if gone {
			ask = fmt.Errorf("ask: %w", delivery.ErrGone)
		}
		for step, err := range map[string]error{"post": p.Post(t.Context(), "c", []byte(frame)), "close": p.Close(t.Context(), "c"), "ask": ask} {
			if err == nil || errors.Is(err, delivery.ErrGone) != row.gone || retryable(err) != row.retryable {
				t.Errorf("%s answered by %+v: %v (gone %v, retryable %v)", step, row.answer, err, errors.Is(err, delivery.ErrGone), retryable(err))
				continue
			}
			if !strings.HasPrefix(err.Error(), step+": ") {
				t.Errorf("%v does not name %s", err, step)
			}
			for _, secret := range []string{frame, testAWS.AccessKeyID, testAWS.SecretAccessKey, testAWS.SessionToken} {
				if strings.Contains(err.Error(), secret) {
					t.Errorf("%v tells of %s", err, secret)
				}
			}
		}
		if attempts := m.called("POST /ws/@connections/c"); attempts != 1 {
			t.Errorf("%d attempts at %+v", attempts, row.answer)
		}
	}
	p := newManagement(t, map[string][]answer{"GET /ws/@connections/c": {{status: 200}}}).poster(t)
	if gone, err := p.Gone(t.Context(), "c"); gone || err != nil {
		t.Errorf("of one that is there: gone %v, %v", gone, err)
	}
	if err := p.Post(t.Context(), "", []byte(frame)); err == nil || retryable(err) {
		t.Errorf("without an id: %v", err)
	}
}

// delivery knows that its own call has ended: what it ended got no answer.
func TestEndedCalls(t *testing.T) {
	m := newManagement(t, map[string][]answer{"POST /ws/@connections/c": {{hang: true}}, "DELETE /ws/@connections/c": {{hang: true}}})
	p := m.poster(t)
	for name, end := range map[string]time.Duration{"late": 50 * time.Millisecond, "ended": 0} {
		ctx, cancel := context.WithTimeout(t.Context(), end)
		defer cancel()
		if err := p.Post(ctx, "c", []byte("{}")); !retryable(err) || !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("%s: post: %v", name, err)
		}
		if err := p.Close(ctx, "c"); !retryable(err) {
			t.Errorf("%s: close: %v", name, err)
		}
	}
}

// Bodies are read to their end, whatever the answer.
func TestConnectionsAreUsedAgain(t *testing.T) {
	m := newManagement(t, map[string][]answer{
		"POST /ws/@connections/c":   {{status: 200}, {status: 403}, {status: 410}, {status: 429}, {status: 500}},
		"DELETE /ws/@connections/c": {{status: 204}, {status: 410}},
	})
	p := m.poster(t)
	for range 10 {
		p.Post(t.Context(), "c", []byte("{}"))
		p.Close(t.Context(), "c")
	}
	if m.opened != 1 {
		t.Errorf("%d connections for one call at a time", m.opened)
	}
}

func TestOptions(t *testing.T) {
	for name, o := range map[string]Options{
		"no endpoint":  {AWS: testAWS},
		"bad endpoint": {Endpoint: "example.com/ws", AWS: testAWS},
		"no region":    {Endpoint: "https://example.com/ws", AWS: config.AWS{AccessKeyID: "k", SecretAccessKey: "s"}},
	} {
		if _, err := New(o); err == nil {
			t.Errorf("%s was accepted", name)
		}
	}
}

func BenchmarkFanOut(b *testing.B) {
	const room = 1000
	m := newManagement(b, nil)
	to := make([]chat.Connection, room)
	for i := range to {
		to[i] = connection(chat.ConnectionID(fmt.Sprint("c", i, "=")))
	}
	d, frame := delivery.New(m.poster(b)), make([]byte, 400)
	b.ReportAllocs()
	for b.Loop() {
		if got := d.Broadcast(b.Context(), to, frame, delivery.Patient); got.Posted != room {
			b.Fatalf("%+v", got)
		}
	}
}
