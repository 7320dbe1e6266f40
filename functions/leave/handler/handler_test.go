package handler_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
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
	partings []chat.Parting
	err      error
	steps    []string
}

func (r *room) Leave(_ context.Context, c chat.Connection, ids ...chat.ConversationID) ([]chat.Parting, error) {
	r.steps = append(r.steps, fmt.Sprint("leave ", c.ID, " ", ids))
	return r.partings, r.err
}

func (r *room) Parted(_ context.Context, partings []chat.Parting) {
	for _, p := range partings {
		r.steps = append(r.steps, fmt.Sprint("tell ", p.Left[0].ID, " of ", p.Principal, " in ", p.ConversationID))
	}
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
			Details   any       `json:"details"`
		} `json:"error"`
		Timestamp string `json:"timestamp"`
	}](frame)
	r.steps = append(r.steps, strings.Join(strings.Fields(fmt.Sprint("reply ", event.Event, " ", event.Error.Code, " ", event.ID)), " "))
	return err
}

func (r *room) Close(context.Context, chat.Connection) {}

func TestLeave(t *testing.T) {
	last := []chat.Parting{{ConversationID: "c1", Principal: user, Left: chat.Room{{ID: "B="}}}}
	tests := []struct {
		name string
		room room
		want []string
	}{
		{"the last device", room{partings: last}, []string{"leave A= [c1]", "reply conversation:left f1", "tell B= of user:u1 in c1"}},
		{"another device stays, or never joined", room{}, []string{"leave A= [c1]", "reply conversation:left f1"}},
		{"over the limit", room{err: chat.LimitedFor(time.Second)}, []string{"leave A= [c1]", "reply error rate_limited f1"}},
		{"not now", room{err: errors.New("no route to host")}, []string{"leave A= [c1]", "reply error internal f1"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r := tt.room
			_, err := gateway.Frames(&r, gateway.Decoded(handler.New(&r, &r).Handle))(t.Context(), events.APIGatewayWebsocketProxyRequest{
				Body: `{"action":"leave","id":"f1","conversationId":"c1"}`,
				RequestContext: events.APIGatewayWebsocketProxyRequestContext{
					ConnectionID: "A=", RouteKey: "leave", Authorizer: gateway.AuthorizerContext(user, time.Now().Add(time.Hour), chat.AIWM),
				},
			})
			if err != nil || !slices.Equal(r.steps, tt.want) {
				t.Errorf("got %q, %v, want %q", r.steps, err, tt.want)
			}
		})
	}
}
