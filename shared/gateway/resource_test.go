package gateway_test

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"aiwm-chat/shared/gateway"
)

// CloudFormation gets its answer whatever becomes of the work.
func TestResource(t *testing.T) {
	for name, tt := range map[string]struct {
		request string
		broken  int64 // answers that get lost
		do      func(ctx context.Context) error
		status  string
		reason  string
	}{
		"created":         {"Create", 0, func(context.Context) error { return nil }, "SUCCESS", ""},
		"at second try":   {"Update", 1, func(context.Context) error { return nil }, "SUCCESS", ""},
		"failed":          {"Update", 0, func(context.Context) error { return errors.New("MONGODB_URI is required\nREDIS_ADDR too") }, "FAILED", "MONGODB_URI is required; REDIS_ADDR too"},
		"much to say":     {"Create", 0, func(context.Context) error { return errors.New(strings.Repeat("é", 3000)) }, "FAILED", strings.Repeat("é", 500) + "…"},
		"deleted":         {"Delete", 0, func(context.Context) error { t.Error("something is done"); return nil }, "SUCCESS", ""},
		"out of time":     {"Create", 0, func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() }, "FAILED", "unavailable: this took too long; try again: context deadline exceeded"},
		"a panic":         {"Create", 0, func(context.Context) error { panic("!") }, "FAILED", "panic: !"},
		"without answers": {"Create", 9, func(context.Context) error { return nil }, "", ""},
	} {
		t.Run(name, func(t *testing.T) {
			logged(t)
			var asked atomic.Int64
			var got map[string]any
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if asked.Add(1) <= tt.broken {
					w.WriteHeader(http.StatusInternalServerError)
					return
				}
				b, _ := io.ReadAll(r.Body)
				if r.Method != http.MethodPut || r.Header.Get("Content-Type") != "" || json.Unmarshal(b, &got) != nil {
					t.Errorf("%s %v %s", r.Method, r.Header, b)
				}
			}))
			defer server.Close()
			ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second+200*time.Millisecond) // of which ten are kept for the answer
			defer cancel()
			event, err := json.Marshal(map[string]any{
				"RequestType": tt.request, "ResponseURL": server.URL, "StackId": "stack", "RequestId": "request", "LogicalResourceId": "Indexes",
				"ResourceProperties": map[string]any{"ServiceToken": "arn"},
			})
			if err != nil {
				t.Fatal(err)
			}
			_, err = invoke[any](t, ctx, gateway.Resource("indexes", tt.do), event)
			if (err != nil) != (tt.status == "") {
				t.Errorf("the function returns %v", err)
			}
			if tt.status == "" {
				return
			}
			if reason, _ := got["Reason"].(string); got["Status"] != tt.status || reason != tt.reason || got["PhysicalResourceId"] != "indexes" ||
				got["StackId"] != "stack" || got["RequestId"] != "request" || got["LogicalResourceId"] != "Indexes" {
				t.Errorf("answered %v", got)
			}
		})
	}
}

// A resource keeps the id that it has, also where its function cannot be wired:
// with another one a deletion is not taken, and an update is a replacement.
func TestResourceKeepsItsID(t *testing.T) {
	for request, tt := range map[string]struct{ had, want string }{
		"Create": {"", "none"}, "Update": {"indexes", "indexes"}, "Delete": {"indexes", "indexes"},
	} {
		logged(t)
		var got map[string]any
		server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
			if err := json.NewDecoder(r.Body).Decode(&got); err != nil {
				t.Error(err)
			}
		}))
		event, err := json.Marshal(map[string]any{"RequestType": request, "ResponseURL": server.URL, "PhysicalResourceId": tt.had})
		if err != nil {
			t.Fatal(err)
		}
		_, err = invoke[any](t, t.Context(), gateway.RefuseResource(errors.New("MONGODB_URI is required")), event)
		server.Close()
		if err != nil || got["PhysicalResourceId"] != tt.want || (got["Status"] == "SUCCESS") != (request == "Delete") {
			t.Errorf("%s: %v, %v", request, got, err)
		}
	}
}
