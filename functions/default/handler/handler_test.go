package handler_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/aws/aws-lambda-go/events"

	"aiwm-chat/functions/default/handler"
	"aiwm-chat/shared/chat"
	"aiwm-chat/shared/gateway"
	"aiwm-chat/shared/protocol"
)

// A world keeps what the actions get, and what the caller gets.
type world struct {
	called  string
	frames  []map[string]any
	known   bool
	touched error
}

func (w *world) Touch(context.Context, chat.Connection) (bool, error) { return w.known, w.touched }

func (w *world) Post(_ context.Context, _ chat.Connection, b []byte) error {
	var f map[string]any
	if err := json.Unmarshal(b, &f); err != nil {
		return err
	}
	w.frames = append(w.frames, f)
	return nil
}

func (w *world) Close(context.Context, chat.Connection) {}

// action records what reaches an action, as its handler would see it.
func action[In interface {
	FrameID() string
	Check() error
}](w *world) gateway.FrameHandler {
	return gateway.Decoded(func(_ context.Context, f *gateway.ClientFrame, in In) error {
		b, err := json.Marshal(in)
		w.called = fmt.Sprintf("%s %s", f.FrameID, b)
		return err
	})
}

func (w *world) frame(t testing.TB, body string) {
	t.Helper()
	h := handler.New(w, handler.Actions{
		protocol.ActionJoin: action[protocol.Join](w), protocol.ActionLeave: action[protocol.Leave](w),
		protocol.ActionSend: action[protocol.Send](w), protocol.ActionTyping: action[protocol.Typing](w),
	})
	_, err := gateway.Frames(w, h.Handle)(t.Context(), events.APIGatewayWebsocketProxyRequest{
		Body: body,
		RequestContext: events.APIGatewayWebsocketProxyRequestContext{
			ConnectionID: "A=", RouteKey: "$default",
			Authorizer: gateway.AuthorizerContext(chat.Principal{Type: chat.User, ID: "u1", OrgID: "acme"}, time.Now().Add(time.Hour)),
		},
	})
	if err != nil {
		t.Fatal(err)
	}
}

func TestTranslate(t *testing.T) {
	tests := []struct{ body, want string }{
		// The names of the AIWM clients, as event and as action.
		{`{"event":"conversation:join","data":{"conversationId":"c1"},"id":"f1"}`, `f1 {"action":"join","id":"f1","conversationId":"c1"}`},
		{`{"event":"conversation:join","data":{"conversationId":"c1","afterSeq":3}}`, ` {"action":"join","conversationId":"c1","afterSeq":3}`},
		{`{"event":"conversation:leave","data":{"conversationId":"c1"}}`, ` {"action":"leave","conversationId":"c1"}`},
		{`{"event":"message:send","data":{"conversationId":"c1","content":"hi"},"id":"f1"}`, `f1 {"action":"send","id":"f1","conversationId":"c1","content":"hi"}`},
		{`{"event":"typing:start","data":{"conversationId":"c1"}}`, ` {"action":"typing","conversationId":"c1","state":"start"}`},
		{`{"event":"typing:stop","data":{"conversationId":"c1"}}`, ` {"action":"typing","conversationId":"c1","state":"stop"}`},
		{`{"event":"message:typing","data":{"conversationId":"c1","isTyping":true}}`, ` {"action":"typing","conversationId":"c1","state":"start"}`},
		{`{"event":"message:typing","data":{"conversationId":"c1","isTyping":false}}`, ` {"action":"typing","conversationId":"c1","state":"stop"}`},
		{`{"action":"conversation:join","conversationId":"c1","id":"f1"}`, `f1 {"action":"join","id":"f1","conversationId":"c1"}`},
		{`{"action":"message:send","conversationId":"c1","content":"hi"}`, ` {"action":"send","conversationId":"c1","content":"hi"}`},
		{`{"action":"message:typing","conversationId":"c1","isTyping":true}`, ` {"action":"typing","conversationId":"c1","state":"start"}`},
		// Our own names, as event too.
		{`{"event":"join","data":{"conversationId":"c1"}}`, ` {"action":"join","conversationId":"c1"}`},
		{`{"action":"leave","conversationId":"c1"}`, ` {"action":"leave","conversationId":"c1"}`},
		{`{"event":"typing","data":{"conversationId":"c1","state":"stop"}}`, ` {"action":"typing","conversationId":"c1","state":"stop"}`},
	}
	for _, tt := range tests {
		w := &world{}
		w.frame(t, tt.body)
		if w.called != tt.want || len(w.frames) != 0 {
			t.Errorf("%s\ncalled %s\nwant   %s\nposted %v", tt.body, w.called, tt.want, w.frames)
		}
	}
}

func TestRefusals(t *testing.T) {
	tests := []struct {
		body, id string
		code     chat.Code
		field    string
	}{
		{``, "", chat.BadRequest, ""},
		{`hello`, "", chat.BadRequest, ""},
		{`[]`, "", chat.BadRequest, ""},
		{`{}`, "", chat.ValidationFailed, "action"},
		{`{"id":"f1"}`, "f1", chat.ValidationFailed, "action"},
		{`{"id":"f1","action":7}`, "f1", chat.ValidationFailed, "action"},
		{`{"id":"f1","action":null}`, "f1", chat.ValidationFailed, "action"},
		{`{"id":"f1","event":null}`, "f1", chat.ValidationFailed, "action"},
		{`{"id":"f1","event":"message:typing","data":{"conversationId":"c1","isTyping":null}}`, "f1", chat.ValidationFailed, "isTyping"},
		{`{"id":"f1","action":"dance"}`, "f1", chat.BadRequest, ""},
		{`{"id":"f1","action":"$connect"}`, "f1", chat.BadRequest, ""},
		{`{"id":"f1","action":"$disconnect"}`, "f1", chat.BadRequest, ""},
		{`{"id":"f1","action":"JOIN","conversationId":"c1"}`, "f1", chat.BadRequest, ""},
		{`{"id":"f1","event":"message:new","data":{}}`, "f1", chat.BadRequest, ""},
		{`{"id":"f1","event":"join"}`, "f1", chat.ValidationFailed, "conversationId"},
		{`{"id":"f1","event":"join","data":null}`, "f1", chat.ValidationFailed, "data"},
		{`{"id":"f1","event":"join","data":"c1"}`, "f1", chat.ValidationFailed, "data"},
		{`{"id":"f1","event":"join","data":{"conversationId":"c1"},"conversationId":"c2"}`, "f1", chat.ValidationFailed, "conversationId"},
		{`{"id":"f1","event":"join","action":"leave","data":{"conversationId":"c1"}}`, "f1", chat.ValidationFailed, "action"},
		{`{"id":"f1","event":"join","data":{"conversationId":"c1","action":"leave"}}`, "f1", chat.ValidationFailed, "data.action"},
		{`{"id":"f1","event":"join","data":{"conversationId":"c1","id":"f2"}}`, "f1", chat.ValidationFailed, "data.id"},
		{`{"id":"f1","event":"message:typing","data":{"conversationId":"c1"}}`, "f1", chat.ValidationFailed, "isTyping"},
		{`{"id":"f1","event":"message:typing","data":{"conversationId":"c1","isTyping":"yes"}}`, "f1", chat.ValidationFailed, "isTyping"},
		{`{"id":"f1","event":"message:typing","data":{"conversationId":"c1","isTyping":true,"state":"stop"}}`, "f1", chat.ValidationFailed, "state"},
		{`{"id":"f1","event":"typing:start","data":{"conversationId":"c1","state":"stop"}}`, "f1", chat.ValidationFailed, "state"},
		{`{"id":"f1","event":"typing:start","data":{"conversationId":"c1","isTyping":true}}`, "f1", chat.ValidationFailed, "isTyping"},
		{`{"id":"f1","action":"typing","conversationId":"c1","isTyping":true}`, "f1", chat.ValidationFailed, "isTyping"},
		{`{"id":"f1","event":"message:send","data":{"content":"hi","seq":4}}`, "f1", chat.ValidationFailed, "seq"},
		{`{"id":"f1","event":"join","event":"leave","data":{}}`, "f1", chat.BadRequest, ""},
	}
	for _, tt := range tests {
		w := &world{}
		w.frame(t, tt.body)
		if w.called != "" || len(w.frames) != 1 {
			t.Errorf("%s: called %q, posted %v", tt.body, w.called, w.frames)
			continue
		}
		f := w.frames[0]
		e, _ := f["error"].(map[string]any)
		details, _ := e["details"].(map[string]any)
		if id, _ := f["id"].(string); id != tt.id || e["code"] != string(tt.code) {
			t.Errorf("%s: got %v", tt.body, f)
		}
		if _, named := details[tt.field]; tt.field != "" && !named {
			t.Errorf("%s: the details %v do not name %s", tt.body, details, tt.field)
		}
	}
}

func TestPing(t *testing.T) {
	for _, body := range []string{`{"action":"ping","id":"f1"}`, `{"event":"ping","id":"f1"}`} {
		for _, known := range []bool{true, false} {
			w := &world{known: known}
			w.frame(t, body)
			if len(w.frames) != 1 || w.frames[0]["event"] != "pong" || w.frames[0]["id"] != "f1" {
				t.Fatalf("got %v", w.frames)
			}
			if data, _ := w.frames[0]["data"].(map[string]any); (data["resync"] == true) == known {
				t.Errorf("known: %t, got %v", known, data)
			}
		}
	}
	w := &world{touched: errors.New("no route to host")}
	w.frame(t, `{"action":"ping","id":"f1"}`)
	if len(w.frames) != 1 || w.frames[0]["event"] != "error" {
		t.Errorf("without Redis: %v", w.frames)
	}
}
