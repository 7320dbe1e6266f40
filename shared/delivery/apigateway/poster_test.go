package apigateway

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
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

// A management plays the Management API and the registry of connections.
type management struct {
	*httptest.Server
	mu      sync.Mutex
	scripts map[string][]answer // by "METHOD /path", escaped
	calls   map[string]int
	pruned  map[chat.ConnectionID]int
}

func newManagement(t testing.TB, scripts map[string][]answer) *management {
	m := &management{scripts: scripts, calls: map[string]int{}, pruned: map[chat.ConnectionID]int{}}
	m.Server = httptest.NewServer(m)
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
	}
}

// called returns how often the API was called like this.
func (m *management) called(call string) int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.calls[call]
}

func (m *management) Prune(_ context.Context, c chat.Connection) (chat.Departure, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.pruned[c.ID]++
	return chat.Departure{}, nil
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

func TestDelivery(t *testing.T) {
	ok := answer{status: 200}
	gone := answer{status: 410, kind: "GoneException"}
	throttled := answer{status: 429, kind: "LimitExceededException"}
	for _, row := range []struct {
		name   string
		script []answer
		want   delivery.Result
		calls  int
	}{
		{"ok", []answer{ok}, delivery.Result{Posted: 1}, 1},
		{"gone", []answer{gone}, delivery.Result{Gone: 1}, 1},
		{"throttled", []answer{throttled, ok}, delivery.Result{Posted: 1}, 2},
		{"server error", []answer{{status: 500}, {status: 503}, ok}, delivery.Result{Posted: 1}, 3},
		{"dropped", []answer{{drop: true}, ok}, delivery.Result{Posted: 1}, 2},
		{"throttled, then gone", []answer{throttled, gone}, delivery.Result{Gone: 1}, 2},
		{"forbidden", []answer{{status: 403, kind: "ForbiddenException"}}, delivery.Result{Failed: 1}, 1},
		{"too large", []answer{{status: 413, kind: "PayloadTooLargeException"}}, delivery.Result{Failed: 1}, 1},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			const call = "POST /ws/@connections/bad%3D"
			m := newManagement(t, map[string][]answer{call: row.script})
			to := []chat.Connection{connection("good1="), connection("bad="), connection("good2=")}
			got := delivery.New(m.poster(t), m).Broadcast(t.Context(), to, []byte("{}"))
			got.Posted -= 2
			if calls := m.called(call); got != row.want || calls != row.calls {
				t.Errorf("%+v after %d calls, want %+v after %d", got, calls, row.want, row.calls)
			}
			if m.pruned["bad="] != row.want.Gone || len(m.pruned) != row.want.Gone {
				t.Errorf("pruned %v", m.pruned)
			}
		})
	}
}

func TestAHangingClientHoldsNobodyUp(t *testing.T) {
	m := newManagement(t, map[string][]answer{"POST /ws/@connections/bad%3D": {{hang: true}}})
	ctx, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	to := []chat.Connection{connection("bad="), connection("good1="), connection("good2=")}
	got := delivery.New(m.poster(t), m).Broadcast(ctx, to, []byte("{}"))
	if got != (delivery.Result{Posted: 2, Failed: 1}) || len(m.pruned) != 0 {
		t.Errorf("%+v, pruned %v", got, m.pruned)
	}
}

func TestAnExpiredTokenClosesTheConnection(t *testing.T) {
	m := newManagement(t, map[string][]answer{"DELETE /ws/@connections/old%3D": {{status: 204}}})
	old := connection("old=")
	old.ExpiresAt = time.Now().Add(-time.Minute)
	got := delivery.New(m.poster(t), m).Broadcast(t.Context(), []chat.Connection{old, connection("new=")}, []byte("{}"))
	if got != (delivery.Result{Posted: 1, Expired: 1}) || len(m.pruned) != 0 { // $disconnect follows
		t.Errorf("%+v, pruned %v", got, m.pruned)
	}
	if closed, posted := m.called("DELETE /ws/@connections/old%3D"), m.called("POST /ws/@connections/old%3D"); closed != 1 || posted != 0 {
		t.Errorf("closed %d times, posted to %d times", closed, posted)
	}
}

func TestErrors(t *testing.T) {
	retryable := func(err error) bool {
		r, ok := errors.AsType[interface {
			error
			Retryable() bool
		}](err)
		return ok && r.Retryable()
	}
	for _, row := range []struct {
		answer          answer
		gone, retryable bool
	}{
		{answer{status: 410, kind: "GoneException"}, true, false},
		{answer{status: 429, kind: "LimitExceededException"}, false, true},
		{answer{status: 502}, false, true},
		{answer{drop: true}, false, true},
		{answer{status: 403, kind: "ForbiddenException"}, false, false},
		{answer{status: 413, kind: "PayloadTooLargeException"}, false, false},
		{answer{status: 400, kind: "BadRequestException"}, false, false},
	} {
		m := newManagement(t, map[string][]answer{"POST /ws/@connections/c": {row.answer}, "DELETE /ws/@connections/c": {row.answer}})
		p := m.poster(t)
		for step, err := range map[string]error{"post": p.Post(t.Context(), "c", []byte("{}")), "close": p.Close(t.Context(), "c")} {
			if errors.Is(err, delivery.ErrGone) != row.gone || retryable(err) != row.retryable {
				t.Errorf("%s answered by %+v: %v (gone %v, retryable %v)", step, row.answer, err, errors.Is(err, delivery.ErrGone), retryable(err))
			}
			if err != nil && !strings.HasPrefix(err.Error(), step+": ") {
				t.Errorf("%v does not name %s", err, step)
			}
		}
		if attempts := m.called("POST /ws/@connections/c"); attempts != 1 {
			t.Errorf("%d attempts at %+v", attempts, row.answer)
		}
	}

	m := newManagement(t, map[string][]answer{"POST /ws/@connections/c": {{hang: true}}})
	p := m.poster(t)
	late, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if err := p.Post(late, "c", []byte("{}")); !retryable(err) {
		t.Errorf("a timeout: %v, want it retryable", err)
	}
	ended, end := context.WithCancel(t.Context())
	end()
	if err := p.Post(ended, "c", []byte("{}")); err == nil || retryable(err) {
		t.Errorf("a cancelled call: %v, want it final", err)
	}
}

// The requests are signed as SigV4 wants it: signing what arrived with the
// SDK's signer gives the same signature. Stacks are used again and at the same
// time, so each request must be its own.
func TestRequestsAreSigned(t *testing.T) {
	var mu sync.Mutex
	seen := map[string]string{}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		mu.Lock()
		seen[r.URL.EscapedPath()] = string(body)
		mu.Unlock()
		if err := checkSignature(r, body); err != nil {
			t.Error(err)
		}
	}))
	defer server.Close()
	transport := newTransport()
	defer transport.CloseIdleConnections()
	p, err := New(Options{Endpoint: server.URL + "/prod", AWS: testAWS, Transport: transport})
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			for j := range 10 {
				id := fmt.Sprintf("c%d-%d_=", i, j)
				if err := p.Post(t.Context(), chat.ConnectionID(id), []byte("frame of "+id)); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	if len(seen) != 80 {
		t.Errorf("%d connections were posted to, want 80", len(seen))
	}
	for path, body := range seen {
		if want := "/prod/@connections/" + strings.TrimPrefix(strings.TrimSuffix(body, "="), "frame of ") + "%3D"; path != want {
			t.Errorf("%q was posted to %s, want %s", body, path, want)
		}
	}
}

func checkSignature(r *http.Request, body []byte) error {
	signed, err := time.Parse("20060102T150405Z", r.Header.Get("X-Amz-Date"))
	if err != nil {
		return err
	}
	again := r.Clone(context.Background())
	again.URL.Host = r.Host
	for name := range again.Header {
		if name != "Content-Type" {
			again.Header.Del(name)
		}
	}
	hash := sha256.Sum256(body)
	credentials := aws.Credentials{AccessKeyID: testAWS.AccessKeyID, SecretAccessKey: testAWS.SecretAccessKey, SessionToken: testAWS.SessionToken}
	if err := v4.NewSigner().SignHTTP(context.Background(), credentials, again, hex.EncodeToString(hash[:]), "execute-api", testAWS.Region, signed); err != nil {
		return err
	}
	if got, want := r.Header.Get("Authorization"), again.Header.Get("Authorization"); got != want {
		return fmt.Errorf("signature %s, want %s", got, want)
	}
	if got := r.Header.Get("X-Amz-Security-Token"); got != testAWS.SessionToken {
		return fmt.Errorf("session token %q", got)
	}
	return nil
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
	d, frame := delivery.New(m.poster(b), m), make([]byte, 400)
	b.ReportAllocs()
	for b.Loop() {
		if got := d.Broadcast(b.Context(), to, frame); got.Posted != room {
			b.Fatalf("%+v", got)
		}
	}
}
