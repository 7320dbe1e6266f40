package handler_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"aiwm-chat/functions/connect/handler"
	"aiwm-chat/shared/chat"
	"aiwm-chat/shared/protocol"
)

var (
	errDown = errors.New("no route to host")
	expires = time.Unix(4102444800, 0)
)

// A world records the steps of a connect and fails those it is told to.
type world struct {
	first bool
	fail  map[string]error
	steps []string
}

func (w *world) step(name string, args ...any) error {
	w.steps = append(w.steps, fmt.Sprint(append([]any{name}, args...)...))
	return w.fail[name]
}

func (w *world) Connect(context.Context, chat.Connection) (bool, error) {
	return w.first, w.step("register")
}

func (w *world) Disconnect(context.Context, chat.Connection) (chat.Departure, error) {
	return chat.Departure{}, w.step("take back")
}

func (w *world) EnqueueWelcome(_ context.Context, job protocol.WelcomeJob) error {
	if job != (protocol.WelcomeJob{ConnectionID: "A=", Type: job.Type, ID: "p1", OrgID: "acme", ExpiresAt: expires.Unix()}) {
		panic(fmt.Sprint("welcome ", job))
	}
	return w.step("welcome")
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

func TestConnect(t *testing.T) {
	tests := []struct {
		name  string
		who   chat.PrincipalType
		first bool
		fail  map[string]error
		code  chat.Code
		want  []string
	}{
		{"a user", chat.User, true, nil, "", []string{"register", "welcome", "conversations", "tell user:p1 true [c1 c2]"}},
		{"an agent", chat.Agent, true, nil, "", []string{"register", "welcome", "status agent:p1 true", "conversations", "tell agent:p1 true [c1 c2]"}},
		{"another device", chat.Agent, false, nil, "", []string{"register", "welcome"}},
		{"not registered", chat.User, true, map[string]error{"register": errDown}, chat.Internal, []string{"register"}},
		{"not to be welcomed", chat.User, true, map[string]error{"welcome": errDown}, chat.Unavailable, []string{"register", "welcome", "take back"}},
		{"not even taken back", chat.User, true, map[string]error{"welcome": errDown, "take back": errDown}, chat.Unavailable, []string{"register", "welcome", "take back"}},
		{"no status", chat.Agent, true, map[string]error{"status": errDown}, "", []string{"register", "welcome", "status agent:p1 true", "conversations", "tell agent:p1 true [c1 c2]"}},
		{"nobody to tell", chat.User, true, map[string]error{"conversations": errDown}, "", []string{"register", "welcome", "conversations"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			w := &world{first: tt.first, fail: tt.fail}
			c := chat.Connection{ID: "A=", Principal: chat.Principal{Type: tt.who, ID: "p1", OrgID: "acme"}, ExpiresAt: expires}
			err := handler.New(w, w, w, w).Handle(t.Context(), c)
			if (err != nil) != (tt.code != "") || err != nil && chat.CodeOf(err) != tt.code {
				t.Errorf("got %v, want %q", err, tt.code)
			}
			if !slices.Equal(w.steps, tt.want) {
				t.Errorf("the steps were %q, want %q", w.steps, tt.want)
			}
		})
	}
}
