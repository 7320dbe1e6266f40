package handler_test

import (
	"context"
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/aws/aws-lambda-go/events"

	"aiwm-chat/functions/leave/handler"
	"aiwm-chat/shared/chat"
	"aiwm-chat/shared/gateway"
	"aiwm-chat/shared/protocol"
)

var user = chat.Principal{Type: chat.User, ID: "u1", OrgID: "acme"}

type room struct {
	left  bool
	err   error
	steps []string
}

func (r *room) Leave(_ context.Context, c chat.Connection, id chat.ConversationID) (bool, error) {
	r.steps = append(r.steps, "leave "+string(c.ID)+" "+string(id))
	return r.left, r.err
}

func (r *room) Left(_ context.Context, p chat.Principal, rooms []chat.ConversationID) {
	r.steps = append(r.steps, "tell of "+p.String()+" in "+string(rooms[0]))
}

func (r *room) Post(_ context.Context, _ chat.Connection, frame []byte) error {
	event, err := protocol.Decode[struct {
		Event string `json:"event"`
		ID    string `json:"id"`
		Data  any    `json:"data"`
		Error struct {
			Code      chat.Code `json:"code"`
			Message   string    `json:"message"`
			Retryable bool      `json:"retryable"`
		} `json:"error"`
		Timestamp string `json:"timestamp"`
	}](frame)
	r.steps = append(r.steps, "reply "+event.Event+string(event.Error.Code)+" "+event.ID)
	return err
}

func (r *room) Close(context.Context, chat.Connection) {}

func TestLeave(t *testing.T) {
	tests := []struct {
		name string
		room room
		want []string
	}{
		{"the last device", room{left: true}, []string{"leave A= c1", "reply conversation:left f1", "tell of user:u1 in c1"}},
		{"another device stays, or never joined", room{}, []string{"leave A= c1", "reply conversation:left f1"}},
		{"not now", room{err: errors.New("no route to host")}, []string{"leave A= c1", "reply errorinternal f1"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r := tt.room
			_, err := gateway.Action(&r, handler.New(&r, &r).Handle)(t.Context(), events.APIGatewayWebsocketProxyRequest{
				Body: `{"action":"leave","id":"f1","conversationId":"c1"}`,
				RequestContext: events.APIGatewayWebsocketProxyRequestContext{
					ConnectionID: "A=", RouteKey: "leave", Authorizer: gateway.AuthorizerContext(user, time.Now().Add(time.Hour)),
				},
			})
			if err != nil || !slices.Equal(r.steps, tt.want) {
				t.Errorf("got %q, %v, want %q", r.steps, err, tt.want)
			}
		})
	}
}
