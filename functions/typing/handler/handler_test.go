package handler_test

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"testing"

	"aiwm-chat/functions/typing/handler"
	"aiwm-chat/shared/chat"
	"aiwm-chat/shared/delivery"
	"aiwm-chat/shared/gateway"
	"aiwm-chat/shared/protocol"
)

var caller = chat.Connection{ID: "A=", Principal: chat.Principal{Type: chat.User, ID: "u1", OrgID: "acme"}}

// A room has the caller with two devices, the agent, and the caller's namesake.
type room struct {
	err   error
	calls []string
	to    []chat.ConnectionID
	frame string
}

func (r *room) members(call string) ([]chat.Connection, error) {
	r.calls = append(r.calls, call)
	device := caller
	device.ID = "A2="
	return []chat.Connection{
		caller, device,
		{ID: "B=", Principal: chat.Principal{Type: chat.Agent, ID: "a1", OrgID: "acme"}},
		{ID: "C=", Principal: chat.Principal{Type: chat.Agent, ID: "u1", OrgID: "acme"}},
	}, r.err
}

func (r *room) StartTyping(_ context.Context, _ chat.Connection, id chat.ConversationID) ([]chat.Connection, error) {
	return r.members("start " + string(id))
}

func (r *room) StopTyping(_ context.Context, _ chat.Connection, id chat.ConversationID) ([]chat.Connection, error) {
	return r.members("stop " + string(id))
}

func (r *room) Broadcast(_ context.Context, to []chat.Connection, frame []byte) delivery.Result {
	for _, c := range to {
		r.to = append(r.to, c.ID)
	}
	var f struct {
		Event string
		Data  json.RawMessage
	}
	if err := json.Unmarshal(frame, &f); err != nil {
		panic(err)
	}
	r.frame = f.Event + " " + string(f.Data)
	return delivery.Result{}
}

func TestTyping(t *testing.T) {
	limited, none := chat.LimitedFor(1), chat.Errorf(chat.NotFound, "join the conversation first")
	tests := []struct {
		state, call, frame string
		err                error
	}{
		{"start", "start c1", `typing:start {"conversationId":"c1","type":"user","id":"u1","expiresIn":3000}`, nil},
		{"stop", "stop c1", `typing:stop {"conversationId":"c1","type":"user","id":"u1"}`, nil},
		{"start", "start c1", "", limited},
		{"stop", "stop c1", "", none},
		{"start", "start c1", "", errors.New("no route to host")},
	}
	for _, tt := range tests {
		r := &room{err: tt.err}
		// No poster: a reply would be a panic.
		err := handler.New(r, r).Handle(t.Context(), &gateway.ClientFrame{Connection: caller}, protocol.Typing{ConversationID: "c1", State: tt.state})
		if !errors.Is(err, tt.err) || !slices.Equal(r.calls, []string{tt.call}) || r.frame != tt.frame {
			t.Errorf("%s: got %v, %v, %s", tt.state, err, r.calls, r.frame)
		}
		if want := []chat.ConnectionID{"B=", "C="}; tt.err == nil && !slices.Equal(r.to, want) {
			t.Errorf("%s: told %v, want %v", tt.state, r.to, want)
		}
	}
}
