package httpapi

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// A constant is an invoker that does nothing, so that the cost is the
// gateway's.
type constant []byte

func (c constant) Invoke(context.Context, string, []byte) ([]byte, error) { return c, nil }

func benchHandler(b *testing.B) *Handler {
	b.Helper()
	h, err := New(Options{Routes: []Route{{Method: "GET", Path: "/messages", Function: "F"}, {Method: "POST", Path: "/messages", Function: "F"},
		{Method: "GET", Path: "/messages/{id}", Function: "F"}}}, constant(`{"statusCode":200,"headers":{"content-type":"application/json"},"body":"{\"ok\":true}"}`))
	if err != nil {
		b.Fatal(err)
	}
	return h
}

// BenchmarkAdded is what the gateway adds to a request: event, invocation of
// nothing, response; no network.
func BenchmarkAdded(b *testing.B) {
	h := benchHandler(b)
	b.ReportAllocs()
	for b.Loop() {
		r := httptest.NewRequest("POST", "/messages", strings.NewReader(`{"conversationId":"c1","content":"hello"}`))
		r.Header.Set("Content-Type", "application/json")
		r.Header.Set("Authorization", "Bearer x")
		h.ServeHTTP(httptest.NewRecorder(), r)
	}
}

// BenchmarkOverTheWire compares the gateway with a bare net/http server.
func BenchmarkOverTheWire(b *testing.B) {
	bare := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		w.Header().Set("Content-Type", "application/json")
		_, _ = w.Write([]byte(`{"ok":true}`))
	})
	for name, handler := range map[string]http.Handler{"bare": bare, "gateway": benchHandler(b)} {
		b.Run(name, func(b *testing.B) {
			server := httptest.NewServer(handler)
			defer server.Close()
			client := server.Client()
			for b.Loop() {
				resp, err := client.Post(server.URL+"/messages", "application/json", strings.NewReader(`{"content":"hello"}`))
				if err != nil {
					b.Fatal(err)
				}
				if _, err := io.Copy(io.Discard, resp.Body); err != nil {
					b.Fatal(err)
				}
				resp.Body.Close()
			}
		})
	}
}
