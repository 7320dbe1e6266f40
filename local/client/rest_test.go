package client_test

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"testing"

	"aiwm-chat/local/client"
	"aiwm-chat/shared/chat"
	"aiwm-chat/shared/protocol"
)

func restStub(t *testing.T, status int, body string) *client.REST {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		got, _ := io.ReadAll(r.Body)
		want := `{"title":"Kettle","agentId":"a1"}`
		if r.URL.RequestURI() != "/conversations?x=1" || r.Header.Get("Authorization") != "Bearer "+token ||
			r.Header.Get("Content-Type") != "application/json" || string(got) != want {
			t.Errorf("got %s with %v and %s", r.URL, r.Header, got)
		}
		w.WriteHeader(status)
		fmt.Fprint(w, body)
	}))
	t.Cleanup(server.Close)
	rest := client.NewREST(server.URL+"/", token)
	t.Cleanup(rest.Close)
	return rest
}

func TestREST(t *testing.T) {
	in := protocol.CreateConversation{Title: "Kettle", AgentID: "a1"}
	var out protocol.Conversation
	rest := restStub(t, http.StatusCreated, `{"id":"c1","totalMessages":3}`)
	if err := rest.Do(t.Context(), http.MethodPost, "/conversations?x=1", in, &out); err != nil {
		t.Fatal(err)
	}
	if out.ID != "c1" || out.TotalMessages != 3 {
		t.Errorf("got %+v", out)
	}
	rest = restStub(t, http.StatusNoContent, "")
	if err := rest.Do(t.Context(), http.MethodPost, "/conversations?x=1", in, nil); err != nil {
		t.Error(err)
	}
}

func TestRESTRefused(t *testing.T) {
	for body, want := range map[string]client.Error{
		`{"type":"about:blank","title":"Service Unavailable","status":503,"detail":"try again","code":"unavailable","retryable":true}`: {Status: 503, Code: chat.Unavailable, Message: "try again", Retryable: true},
		`{"message":"Service Unavailable"}`: {Status: 503, Message: "API Gateway: Service Unavailable"},
		`<html>`:                            {Status: 503, Message: "Service Unavailable"},
	} {
		in := protocol.CreateConversation{Title: "Kettle", AgentID: "a1"}
		err := restStub(t, http.StatusServiceUnavailable, body).Do(t.Context(), http.MethodPost, "/conversations?x=1", in, nil)
		got, ok := errors.AsType[*client.Error](err)
		if !ok || got.Error() != want.Error() || got.Retryable != want.Retryable {
			t.Errorf("%s: got %v, want %v", body, err, &want)
		}
	}
}
