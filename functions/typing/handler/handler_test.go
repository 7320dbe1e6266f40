package handler_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"

	"aiwm-chat/functions/typing/handler"
	"aiwm-chat/shared/chat"
	"aiwm-chat/shared/delivery"
	"aiwm-chat/shared/gateway"
	"aiwm-chat/shared/protocol"
)

var caller = chat.Connection{ID: "A=", Principal: chat.Principal{Type: chat.User, ID: "u1", OrgID: "acme"}}

// A room has the caller with two devices, the agent, the caller's namesake, and
// some others.
type room struct {
	others  int
	err     error
	noteErr error
	mu      sync.Mutex
	calls   []string
	to      []chat.ConnectionID
	frame   string
}

func (r *room) call(call ...any) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.calls = append(r.calls, fmt.Sprint(call...))
}

func (r *room) Typing(_ context.Context, c chat.Connection, id chat.ConversationID) (chat.Room, error) {
	r.call("room ", id, " for ", c.ID)
	device := caller
	device.ID = "A2="
	members := chat.Room{
		caller, device,
		{ID: "B=", Principal: chat.Principal{Type: chat.Agent, ID: "a1", OrgID: "acme"}},
		{ID: "C=", Principal: chat.Principal{Type: chat.Agent, ID: "u1", OrgID: "acme"}},
	}
	for i := range r.others {
		name := fmt.Sprint("other", i)
		members = append(members, chat.Connection{ID: chat.ConnectionID(name + "="), Principal: chat.Principal{Type: chat.User, ID: chat.PrincipalID(name), OrgID: "acme"}})
	}
	return members, r.err
}

func (r *room) NoteTyping(_ context.Context, p chat.Principal, id chat.ConversationID, typing bool) error {
	r.call("note ", p, " ", id, " ", typing)
	return r.noteErr
}

func (r *room) Broadcast(_ context.Context, to []chat.Connection, frame []byte, passes delivery.Passes) delivery.Result {
	if passes != delivery.Once {
		panic("who types is told with patience")
	}
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
	const (
		asked   = "room c1 for A="
		started = `typing:start {"conversationId":"c1","type":"user","id":"u1","expiresIn":3000}`
		stopped = `typing:stop {"conversationId":"c1","type":"user","id":"u1"}`
	)
	tests := []struct {
		state  string
		others int
		err    error // of the room
		note   error // of noting it
		calls  []string
		frame  string
	}{
		{"start", 0, nil, nil, []string{asked, "note user:u1 c1 true"}, started},
		{"stop", 0, nil, nil, []string{asked, "note user:u1 c1 false"}, stopped},
		{"start", 0, nil, errors.New("no route to host"), []string{asked, "note user:u1 c1 true"}, started},
		{"start", chat.MaxNoticed - 4, nil, nil, []string{asked, "note user:u1 c1 true"}, started},
		{"start", chat.MaxNoticed - 3, nil, nil, []string{asked}, ""}, // a large room
		{"start", 0, limited, nil, []string{asked}, ""},
		{"stop", 0, none, nil, []string{asked}, ""},
		{"start", 0, errors.New("no route to host"), nil, []string{asked}, ""},
	}
	for _, tt := range tests {
		r := &room{others: tt.others, err: tt.err, noteErr: tt.note}
		// No poster: a reply would be a panic.
		err := handler.New(r, r).Handle(t.Context(), &gateway.ClientFrame{Connection: caller}, protocol.Typing{ConversationID: "c1", State: tt.state})
		if !errors.Is(err, tt.err) || !slices.Equal(r.calls, tt.calls) || r.frame != tt.frame {
			t.Errorf("%s, %d others: got %v, %v, %s", tt.state, tt.others, err, r.calls, r.frame)
		}
		if tt.frame == "" {
			if len(r.to) != 0 {
				t.Errorf("%s, %d others: told %v", tt.state, tt.others, r.to)
			}
		} else if len(r.to) != 2+tt.others || r.to[0] != "B=" || r.to[1] != "C=" {
			t.Errorf("%s, %d others: told %v", tt.state, tt.others, r.to)
		}
	}
}
