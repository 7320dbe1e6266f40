package handler_test

import (
	"context"
	"encoding/json"
	"testing"

	"github.com/aws/aws-lambda-go/events"

	"aiwm-chat/shared/chat"
	"aiwm-chat/shared/gateway"
	"aiwm-chat/shared/protocol"
)

// replies is the caller's connection: it keeps the frames it gets.
type replies []map[string]any

func (r *replies) Post(_ context.Context, _ chat.Connection, frame []byte) error {
	var f map[string]any
	if err := json.Unmarshal(frame, &f); err != nil {
		return err
	}
	*r = append(*r, f)
	return nil
}

func (r *replies) Close(context.Context, chat.Connection) {}

// An event that Lambda gets twice is one message, also where the client gave it
// no id of its own.
func TestEventThatComesTwice(t *testing.T) {
	w := newWorld()
	var got replies
	send := func(messageID string) {
		t.Helper()
		_, err := gateway.Frames(&got, gateway.Decoded(w.handler().Handle))(t.Context(), events.APIGatewayWebsocketProxyRequest{
			Body: `{"action":"send","conversationId":"c1","content":"hello"}`,
			RequestContext: events.APIGatewayWebsocketProxyRequestContext{
				ConnectionID: string(userConnection.ID), RouteKey: protocol.ActionSend, MessageID: messageID,
				Authorizer: gateway.AuthorizerContext(user, userConnection.ExpiresAt, chat.AIWM),
			},
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	send("PJqCFfHyKRcCHlw=")
	send("PJqCFfHyKRcCHlw=")
	if len(w.log) != 1 || len(got) != 2 {
		t.Fatalf("%d messages, replies %v", len(w.log), got)
	}
	if second, _ := got[1]["data"].(map[string]any); second["duplicate"] != true || second["clientMessageId"] != "PJqCFfHyKRcCHlw" {
		t.Errorf("the second got %v", second)
	}
	send("QJqCFfHyKRcCHlw=")
	if len(w.log) != 2 {
		t.Errorf("another event made %d messages of 2", len(w.log))
	}
}

// A frame that names no conversation means the only joined one.
func TestConversationOfAFrame(t *testing.T) {
	tests := []struct {
		name, body string
		joined     []chat.ConversationID
		fail       error
		want       chat.Code // "": sent
	}{
		{"named", `{"action":"send","id":"f1","conversationId":"c1","content":"hello"}`, nil, nil, ""},
		{"the only one", `{"action":"send","id":"f1","content":"hello"}`, []chat.ConversationID{"c1"}, nil, ""},
		{"none", `{"action":"send","id":"f1","content":"hello"}`, nil, nil, chat.ValidationFailed},
		{"two", `{"action":"send","id":"f1","content":"hello"}`, []chat.ConversationID{"c1", "c2"}, nil, chat.ValidationFailed},
		{"not known", `{"action":"send","id":"f1","content":"hello"}`, nil, errDown, chat.Internal},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld()
			w.joined = tt.joined
			if tt.fail != nil {
				w.fail["Entered"] = tt.fail
			}
			var got replies
			_, err := gateway.Frames(&got, gateway.Decoded(w.handler().Handle))(t.Context(), events.APIGatewayWebsocketProxyRequest{
				Body: tt.body,
				RequestContext: events.APIGatewayWebsocketProxyRequestContext{
					ConnectionID: string(userConnection.ID), RouteKey: protocol.ActionSend,
					Authorizer: gateway.AuthorizerContext(user, userConnection.ExpiresAt, chat.AIWM),
				},
			})
			if err != nil || len(got) != 1 || got[0]["id"] != "f1" {
				t.Fatalf("got %v, %v", got, err)
			}
			if tt.want == "" {
				if got[0]["event"] != protocol.EventMessageSent || len(w.log) != 1 {
					t.Errorf("got %v, %d messages", got, len(w.log))
				}
				return
			}
			if e, _ := got[0]["error"].(map[string]any); e["code"] != string(tt.want) || len(w.log) != 0 {
				t.Errorf("got %v, %d messages", got, len(w.log))
			}
		})
	}
}
