package handler_test

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-lambda-go/events"

	"aiwm-chat/shared/chat"
	"aiwm-chat/shared/gateway"
	"aiwm-chat/shared/protocol"
)

// bearer says who calls, and that nobody calls too often.
type bearer chat.Principal

func (b bearer) Verify(context.Context, string) (chat.Bearer, error) {
	return chat.Bearer{Principal: chat.Principal(b), ExpiresAt: time.Now().Add(time.Hour)}, nil
}

func (b bearer) Allow(context.Context, chat.Principal, chat.Use) (*chat.Quota, error) {
	return nil, nil
}

func (w *world) rest(t *testing.T, by chat.Principal, route, id, stream string) (int, string) {
	t.Helper()
	event := events.APIGatewayV2HTTPRequest{
		RouteKey: route, PathParameters: map[string]string{"id": id, "streamId": stream}, Headers: map[string]string{"authorization": "Bearer x"},
	}
	event.RequestContext.HTTP.Method, _, _ = strings.Cut(route, " ")
	got, err := gateway.HTTP(bearer(by), bearer(by), w.handler().Routes())(t.Context(), event)
	if err != nil {
		t.Fatal(err)
	}
	return got.StatusCode, got.Body
}

func TestREST(t *testing.T) {
	t.Parallel()
	const list, get, stop = "GET /conversations/{id}/streams", "GET /conversations/{id}/streams/{streamId}", "POST /conversations/{id}/streams/{streamId}/stop"
	w := newWorld(newRedis(t, 0))
	id := string(w.id)
	w.begin(t)
	long := strings.Repeat("x", 10_000)
	for i := range 3 {
		w.append(t.Context(), first, i, long)
	}
	w.frame(t.Context(), first, "stream", `,"streamId":"s|2","state":"start"`)
	w.frame(t.Context(), first, "stream", `,"streamId":"over","state":"start"`)
	w.frame(t.Context(), first, "stream", `,"streamId":"over","state":"abort"`)
	w.fail["ConfirmStream"] = errDead
	w.frame(t.Context(), first, "stream", `,"streamId":"trial","state":"start"`)
	clear(w.fail)
	jobs := len(w.queue)
	for _, tt := range []struct {
		name, route string
		by          chat.Principal
		id, stream  string
		status      int
		body        string // part of it
	}{
		{"list", list, user, id, "", 200, `"streamId":"s|2"`},
		{"list, an agent", list, other, id, "", 200, `"streamId":"s1"`},
		{"list, a stranger", list, stranger, id, "", 404, `not_found`},
		{"list, no id", list, user, "c{1}", "", 400, `id`},
		{"list elsewhere", list, user, "c999", "", 404, `not_found`},
		{"get", get, user, id, "s1", 200, long + long + long},
		{"get, encoded", get, user, id, "s%7C2", 200, `"streamId":"s|2"`},
		{"get, a stranger", get, stranger, id, "s1", 404, `no such conversation`},
		{"get none", get, user, id, "s9", 404, `no such stream`},
		{"get what is over", get, user, id, "over", 404, `no such stream`},
		{"get what is on trial", get, user, id, "trial", 404, `no such stream`},
		{"get no id", get, user, id, "a/b", 400, `streamId`},
		{"stop, a stranger", stop, stranger, id, "s1", 404, `no such conversation`},
		{"stop none", stop, user, id, "s9", 200, `"streamIds":[]`},
		{"stop what is over", stop, user, id, "over", 200, `"streamIds":[]`},
		{"stop no id", stop, user, id, "", 400, `streamId`},
		{"stop in no conversation", stop, user, "c{1}", "s1", 400, `conversationId`},
	} {
		status, body := w.rest(t, tt.by, tt.route, tt.id, tt.stream)
		if status != tt.status || !strings.Contains(body, tt.body) || !json.Valid([]byte(body)) {
			t.Errorf("%s: %d %.300s", tt.name, status, body)
		}
	}
	if _, body := w.rest(t, user, list, id, ""); strings.Count(body, `"streamId"`) != 2 || strings.Count(body, `"truncated":true`) != 1 || len(body) > 2*protocol.MaxSnapshot {
		t.Errorf("the list has %d bytes: %.200s", len(body), body)
	}
	if len(w.queue) != jobs {
		t.Errorf("%d jobs of nothing", len(w.queue)-jobs)
	}
	if status, body := w.rest(t, user, stop, id, "s1"); status != 200 || body != fmt.Sprintf(`{"conversationId":%q,"streamIds":["s1"],"runIds":[]}`, id) || len(w.queue) != jobs+1 || !w.queue[jobs].Stop {
		t.Errorf("stop: %d %s, jobs %+v", status, body, w.queue[jobs:])
	}
}
