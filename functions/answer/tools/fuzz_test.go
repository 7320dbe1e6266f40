package tools

import (
	"bytes"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"
	"unicode/utf8"

	"aiwm-chat/shared/config"
)

// Whatever a server writes, a model is told something that it can read, and no tool
// is shown that it could not call.
func FuzzAnswers(f *testing.F) {
	for _, text := range []string{
		`{"jsonrpc":"2.0","id":ID,"result":{"content":[{"type":"text","text":"hello"}]}}`,
		`{"jsonrpc":"2.0","id":ID,"result":{"tools":[null,{"name":"a","inputSchema":{"properties":{"a":{"x-mcp-header":"A"}}},"annotations":{"idempotentHint":true}}],"ttlMs":1,"nextCursor":"a"}}`,
		`{"jsonrpc":"2.0","id":ID,"result":{"content":[null,{"type":"resource","resource":null},{"type":"image","data":"eA=="},{"type":"resource_link"}],"isError":true,"structuredContent":[]}}`,
		`{"jsonrpc":"2.0","id":ID,"result":{"inputRequests":{"a":{"method":"elicitation/create","params":{}}},"resultType":"input_required"}}`,
		`{"jsonrpc":"2.0","id":ID,"error":{"code":-32005,"message":"\ud800"}}`,
		`{"jsonrpc":"2.0","id":ID,"result":null}`,
		`{"jsonrpc":"2.0","id":1,"method":"sampling/createMessage","params":{}}`,
		"id: 1\nretry: 1\n\n",
		`[[[`,
	} {
		f.Add([]byte(text), false)
		f.Add([]byte("data: "+text+"\n\n"), true)
	}
	var mu sync.Mutex
	var body []byte
	var stream bool
	says := func(w http.ResponseWriter, _ *http.Request, id, _ json.RawMessage) {
		mu.Lock()
		text, kind := bytes.ReplaceAll(body, []byte("ID"), id), "application/json"
		if stream {
			kind = "text/event-stream"
		}
		mu.Unlock()
		w.Header().Set("Content-Type", kind)
		_, _ = w.Write(text)
	}
	// The list is what the fuzzing says as well, for the second of two servers.
	one, two := httptest.NewServer(liar{"tools/call": says}), httptest.NewServer(liar{"tools/list": says})
	f.Cleanup(one.Close)
	f.Cleanup(two.Close)
	f.Fuzz(func(t *testing.T, text []byte, event bool) {
		mu.Lock()
		body, stream = text, event
		mu.Unlock()
		servers := New(Options{Configured: map[string]config.ToolServer{"one": {URL: one.URL}, "shop": {URL: two.URL}}, Local: true})
		servers.timeout = 50 * time.Millisecond
		s := servers.Open()
		defer s.Close()
		got, err := s.Call(t.Context(), Tool{Server: "one", Tool: "one"}, "{}")
		if err != nil || got.Text == "" || !utf8.ValidString(got.Text) || len(got.Text) > MaxResult || got.Unknown && !got.IsError {
			t.Errorf("%+v, %v", got, err)
		}
		if bytes.Contains(text, []byte("\n\n")) || !bytes.Contains(text, []byte("tools")) {
			return // a list that never comes is waited for
		}
		all, err := s.List(t.Context(), every)
		if err != nil {
			return
		}
		for _, tool := range all {
			var schema map[string]any
			if !allowed.MatchString(tool.Name) || !utf8.ValidString(tool.Description) || json.Unmarshal(tool.Schema, &schema) != nil || schema["type"] != "object" {
				t.Errorf("%+v", tool)
			}
		}
	})
}
