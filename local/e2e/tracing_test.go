package e2e_test

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"slices"
	"sync"
	"testing"
)

// What a frame sets off is one trace: its invocation, the posts of that, and the jobs
// that follow with theirs.
func TestTraces(t *testing.T) {
	t.Parallel()
	type span struct{ TraceID, SpanID, ParentSpanID, Name string }
	var mu sync.Mutex
	var all []span
	collector := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		var in struct {
			ResourceSpans []struct{ ScopeSpans []struct{ Spans []span } }
		}
		if err := json.NewDecoder(r.Body).Decode(&in); err != nil {
			t.Error(err)
		}
		mu.Lock()
		defer mu.Unlock()
		for _, rs := range in.ResourceSpans {
			for _, ss := range rs.ScopeSpans {
				all = append(all, ss.Spans...)
			}
		}
	}))
	t.Cleanup(collector.Close)
	o := options()
	o.Getenv = set(map[string]string{"OTEL_EXPORTER_OTLP_ENDPOINT": collector.URL})
	s := startBare(t, o)
	twoTalk(t, s)
	stop(t, s)
	mu.Lock()
	defer mu.Unlock()
	find := func(name, trace string) *span {
		i := slices.IndexFunc(all, func(s span) bool { return s.Name == name && (trace == "" || s.TraceID == trace) })
		if i < 0 {
			t.Fatalf("no span %s of trace %q: %+v", name, trace, all)
		}
		return &all[i]
	}
	const post = "POST @connections"
	connect := find("$connect", "")
	welcome := find("WelcomeQueue", connect.TraceID)
	if welcome.ParentSpanID != connect.SpanID {
		t.Errorf("the welcome is of %s", welcome.ParentSpanID)
	}
	if o.Exec != "" { // a process of its own does not tell of its posts
		return
	}
	if got := find(post, connect.TraceID); got.ParentSpanID != welcome.SpanID {
		t.Errorf("the post of connected is of %s", got.ParentSpanID)
	}
	sent := find("send", "")
	if got := find(post, sent.TraceID); got.ParentSpanID != sent.SpanID {
		t.Errorf("the post of a message is of %s", got.ParentSpanID)
	}
}
