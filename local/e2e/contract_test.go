package e2e_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"hash/maphash"
	"io"
	"maps"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"aiwm-chat/local/client"
	documents "aiwm-chat/local/contract"
	"aiwm-chat/local/contract/verify"
	"aiwm-chat/shared/chat"
)

// contract is what everything that any test of this package gets is held against.
// What is not as it says fails the run.
var contract held

type held struct {
	*verify.Contract
	seen   sync.Map // hashes of frames: what went to a whole room is looked at once
	mu     sync.Mutex
	faults map[string]string // by what is wrong: where there is one, there are often thousands
}

func readContract() (*verify.Contract, error) {
	d, err := documents.New(documents.Local)
	if err != nil {
		return nil, err
	}
	return verify.New(d.OpenAPI, d.AsyncAPI)
}

func (h *held) note(err error) {
	if err == nil {
		return
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	what, _, _ := strings.Cut(err.Error(), "\n")
	if h.faults == nil {
		h.faults = map[string]string{}
	}
	h.faults[what] = err.Error()
}

func (h *held) broken() []string {
	h.mu.Lock()
	defer h.mu.Unlock()
	return slices.Sorted(maps.Values(h.faults))
}

func holdFrame(dialect string, text []byte) {
	hash := maphash.String(seed, dialect) ^ maphash.Bytes(seed, text)
	if _, before := contract.seen.LoadOrStore(hash, true); !before {
		contract.note(contract.Frame(dialect, text))
	}
}

var seed = maphash.MakeSeed()

// holdCode holds the refusal of an action against those that it may get.
func holdCode(action string, err error) {
	if refusal, ok := errors.AsType[*client.Error](err); ok && refusal.Code != "" {
		contract.note(contract.Code(action, string(refusal.Code)))
	}
}

// reach connects as every test does.
func reach(ctx context.Context, address, token string) (*client.Client, error) {
	dialect := "aiwm"
	if strings.HasSuffix(address, "?v=2") {
		dialect = "lean"
	}
	return client.Dial(ctx, address, token, func(text []byte) { holdFrame(dialect, text) })
}

// callerOf is the REST interface as every test calls it.
func callerOf(address, token string) *client.REST {
	return client.NewREST(address, token).Through(&holding{})
}

// web is for the calls that a client.REST cannot make.
var web = &http.Client{Transport: &holding{}}

// holding holds every answer against the contract. The zero value is ready to use.
type holding struct{ http.Transport }

func (w *holding) RoundTrip(r *http.Request) (*http.Response, error) {
	response, err := w.Transport.RoundTrip(r)
	if err != nil {
		return nil, err
	}
	body, err := io.ReadAll(response.Body)
	if err != nil { // as the caller sees it
		response.Body = io.NopCloser(io.MultiReader(bytes.NewReader(body), failing{err}))
		return response, nil
	}
	_ = response.Body.Close()
	contract.note(contract.Answer(r.Method, r.URL.EscapedPath(), response.StatusCode, response.Header, body))
	response.Body = io.NopCloser(bytes.NewReader(body))
	return response, nil
}

type failing struct{ err error }

func (f failing) Read([]byte) (int, error) { return 0, f.err }

// No test has a client of its own that nobody watches.
func TestEveryClientIsWatched(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("*_test.go")
	if err != nil || len(files) < 20 {
		t.Fatalf("%d files: %v", len(files), err)
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if file == "contract_test.go" || strings.HasSuffix(file, "_bench_test.go") { // these measure the server, not what holds it to account
			continue
		}
		for _, own := range []string{"client" + ".Dial(", "client.NewREST(", "http.Get(", "http.Post(", "http.DefaultClient"} {
			if strings.Contains(string(text), own) {
				t.Errorf("%s has %s: use reach, callerOf or web, which hold what comes against the contract", file, own)
			}
		}
		if strings.Contains(string(text), "websocket.Dial(") && strings.Contains(string(text), ".Read(c") && !strings.Contains(string(text), "holdFrame(") {
			t.Errorf("%s reads frames of its own and does not hold them against the contract", file)
		}
	}
}

// Each parameter that is documented is understood, to its limits and no further, and
// a query has no other.
func TestDocumentedParameters(t *testing.T) {
	t.Parallel()
	user, agent, id := talk(t, shared)
	sent := user.say(id, "one")
	paths := map[string]string{
		"GET /conversations": "/conversations", "GET /conversations/{id}": "/conversations/" + string(id), "GET /messages": "/messages",
		"GET /messages/{id}": "/messages/" + string(sent.MessageID), "GET /presence": "/presence",
		"GET /agents/{id}/backlog": "/agents/" + string(agent.principal.ID) + "/backlog",
		"GET /agents":              "/agents", "GET /conversations/{id}/runs": "/conversations/" + string(id) + "/runs", "GET /usage": "/usage",
		"GET /conversations/{id}/export": "/conversations/" + string(id) + "/export", "GET /search": "/search",
	}
	tried := 0
	for _, route := range contract.Routes() {
		if !strings.HasPrefix(route, "GET ") || route == "GET /health" {
			continue
		}
		caller, path := user, paths[route]
		if strings.Contains(route, "backlog") {
			caller = agent
		}
		try := func(name string, value any) chat.Code {
			tried++
			q := url.Values{}
			for _, p := range contract.Parameters(route) {
				if p.In == "query" && p.Required {
					q.Set(p.Name, fmt.Sprint(p.Example))
				}
				if p.Name == "conversationId" && name != "agentId" { // one or the other
					q.Set(p.Name, string(id))
				}
			}
			q.Set(name, fmt.Sprint(value))
			return code(t, caller.try(http.MethodGet, path+"?"+q.Encode(), nil, nil))
		}
		queries := 0
		for _, p := range contract.Parameters(route) {
			if p.In != "query" {
				continue
			}
			queries++
			good, bad := p.Enum, []any{}
			if p.Example != nil && !p.Required && p.Name != "conversationId" { // which is there already
				good = append(good, p.Example)
			}
			if p.Enum == nil && p.Required && p.Name != "q" { // what one looks for may be anything
				bad = append(bad, "{x}")
			}
			if p.Enum != nil {
				bad = append(bad, "boss")
			}
			for _, limit := range []*float64{p.Minimum, p.Maximum} {
				if limit != nil {
					good = append(good, int64(*limit))
				}
			}
			if p.Minimum != nil {
				bad = append(bad, int64(*p.Minimum)-1)
			}
			if p.Maximum != nil {
				bad = append(bad, int64(*p.Maximum)+1)
			}
			for _, v := range good {
				if got := try(p.Name, v); got != "" {
					t.Errorf("%s with %s=%v is refused: %s", route, p.Name, v, got)
				}
			}
			for _, v := range bad {
				if got := try(p.Name, v); got != chat.ValidationFailed {
					t.Errorf("%s with %s=%v: %q", route, p.Name, v, got)
				}
			}
		}
		if got := try("unknown", 1); queries > 0 && got != chat.ValidationFailed {
			t.Errorf("%s with an unknown parameter: %q", route, got)
		}
	}
	if tried < 40 {
		t.Errorf("only %d were tried", tried)
	}
}
