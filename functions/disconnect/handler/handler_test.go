package handler_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"aiwm-chat/functions/disconnect/handler"
	"aiwm-chat/shared/chat"
)

var errDown = errors.New("no route to host")

// A world records the steps of a disconnect and fails those it is told to.
type world struct {
	departure chat.Departure
	fail      map[string]error
	steps     []string
}

func (w *world) step(name string, args ...any) error {
	w.steps = append(w.steps, fmt.Sprint(append([]any{name}, args...)...))
	return w.fail[name]
}

func (w *world) Disconnect(context.Context, chat.Connection) (chat.Departure, error) {
	return w.departure, w.step("remove")
}

func (w *world) SetAgentStatus(_ context.Context, p chat.Principal, online bool, _ time.Time) error {
	return w.step("status", " ", p, " ", online)
}

func (w *world) ConversationsOf(context.Context, chat.Principal, int) ([]chat.ConversationID, error) {
	return []chat.ConversationID{"c1", "c2"}, w.step("conversations")
}

func (w *world) Presence(_ context.Context, p chat.Principal, online bool, in []chat.ConversationID) {
	w.step("tell", " ", p, " ", online, " ", in)
}

func (w *world) Left(_ context.Context, p chat.Principal, rooms []chat.ConversationID) {
	w.step("left", " ", p, " ", rooms)
}

func TestDisconnect(t *testing.T) {
	rooms := []chat.ConversationID{"c1"}
	tests := []struct {
		name      string
		who       chat.PrincipalType
		departure chat.Departure
		fail      map[string]error
		fails     bool
		want      []string
	}{
		{"a user's last", chat.User, chat.Departure{Last: true, Rooms: rooms}, nil, false, []string{"remove", "left user:p1 [c1]", "conversations", "tell user:p1 false [c1 c2]"}},
		{"an agent's last", chat.Agent, chat.Departure{Last: true}, nil, false, []string{"remove", "left agent:p1 []", "status agent:p1 false", "conversations", "tell agent:p1 false [c1 c2]"}},
		{"another device stays", chat.Agent, chat.Departure{Rooms: rooms}, nil, false, []string{"remove", "left agent:p1 [c1]"}},
		{"not removed", chat.User, chat.Departure{}, map[string]error{"remove": errDown}, true, []string{"remove"}},
		{"no status", chat.Agent, chat.Departure{Last: true}, map[string]error{"status": errDown}, false, []string{"remove", "left agent:p1 []", "status agent:p1 false", "conversations", "tell agent:p1 false [c1 c2]"}},
		{"nobody to tell", chat.User, chat.Departure{Last: true}, map[string]error{"conversations": errDown}, true, []string{"remove", "left user:p1 []", "conversations"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			w := &world{departure: tt.departure, fail: tt.fail}
			c := chat.Connection{ID: "A=", Principal: chat.Principal{Type: tt.who, ID: "p1", OrgID: "acme"}}
			if err := handler.New(w, w, w).Handle(t.Context(), c); (err != nil) != tt.fails {
				t.Errorf("got %v", err)
			}
			if !slices.Equal(w.steps, tt.want) {
				t.Errorf("the steps were %q, want %q", w.steps, tt.want)
			}
		})
	}
}
