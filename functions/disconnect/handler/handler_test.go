package handler_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"aiwm-chat/functions/disconnect/handler"
	"aiwm-chat/shared/chat"
)

var errDown = errors.New("no route to host")

// A world records the steps of a disconnect and fails those it is told to.
type world struct {
	last  bool
	rooms []chat.ConversationID
	fail  map[string]error
	steps []string
}

func (w *world) step(name string, args ...any) error {
	w.steps = append(w.steps, fmt.Sprint(append([]any{name}, args...)...))
	return w.fail[name]
}

// decided is when Redis says that it decided, whatever the clock is here.
var decided = time.Date(2000, 1, 2, 3, 4, 5, 0, time.UTC)

// when tells a step that has another date.
func (w *world) when(at time.Time) string {
	if at.Equal(decided) {
		return ""
	}
	return fmt.Sprint(" decided ", at)
}

func (w *world) Disconnect(context.Context, chat.Connection) (bool, time.Time, error) {
	return w.last, decided, w.step("tombstone")
}

func (w *world) Departed(_ context.Context, p chat.Principal, at time.Time) error {
	return w.step("departed", " ", p, w.when(at))
}

func (w *world) Entered(_ context.Context, c chat.ConnectionID) ([]chat.ConversationID, error) {
	if err := w.step("rooms", " ", c); err != nil {
		return nil, err
	}
	return w.rooms, nil
}

func (w *world) TakeOut(_ context.Context, stays []chat.Stay) ([]chat.Parting, error) {
	s := stays[0] // the one that there is
	if err := w.step("take out", " ", s.Connection.ID, " ", s.Conversations); err != nil || len(stays) != 1 {
		return nil, err
	}
	return []chat.Parting{{ConversationID: s.Conversations[0], Principal: s.Connection.Principal}}, nil
}

func (w *world) SetAgentStatus(_ context.Context, p chat.Principal, online bool, at time.Time) error {
	return w.step("status", " ", p, " ", online, w.when(at))
}

func (w *world) Presence(_ context.Context, p chat.Principal, online bool, at time.Time) error {
	return w.step("tell", " ", p, " ", online, w.when(at))
}

func (w *world) Parted(_ context.Context, partings []chat.Parting) {
	for _, p := range partings {
		w.step("left", " ", p.Principal, " ", p.ConversationID)
	}
}

// The order is that of live.md: a join under way sees the tombstone, or its room
// is seen; and what may be long comes last.
func TestDisconnect(t *testing.T) {
	rooms := []chat.ConversationID{"c1", "c2"}
	failing := func(steps ...string) map[string]error {
		fail := map[string]error{}
		for _, s := range steps {
			fail[s] = errDown
		}
		return fail
	}
	tests := []struct {
		name  string
		who   chat.PrincipalType
		last  bool
		rooms []chat.ConversationID
		fail  map[string]error
		fails bool
		want  []string
	}{
		{"a user's last", chat.User, true, rooms, nil, false, []string{"tombstone", "rooms A=", "tell user:p1 false", "departed user:p1", "take out A= [c1 c2]", "left user:p1 c1"}},
		{"an agent's last", chat.Agent, true, rooms, nil, false, []string{"tombstone", "rooms A=", "status agent:p1 false", "tell agent:p1 false", "departed agent:p1", "take out A= [c1 c2]", "left agent:p1 c1"}},
		{"in no room", chat.Agent, true, nil, nil, false, []string{"tombstone", "rooms A=", "status agent:p1 false", "tell agent:p1 false", "departed agent:p1"}},
		{"another device stays", chat.Agent, false, rooms, nil, false, []string{"tombstone", "rooms A=", "take out A= [c1 c2]", "left agent:p1 c1"}},
		{"no tombstone", chat.User, true, rooms, failing("tombstone"), true, []string{"tombstone"}},
		{"no rooms to be read", chat.Agent, true, rooms, failing("rooms"), true, []string{"tombstone", "rooms A=", "status agent:p1 false", "tell agent:p1 false", "departed agent:p1"}},
		{"no status", chat.Agent, true, rooms, failing("status"), true, []string{"tombstone", "rooms A=", "status agent:p1 false", "tell agent:p1 false", "take out A= [c1 c2]", "left agent:p1 c1"}},
		{"nobody to tell", chat.User, true, rooms, failing("tell"), true, []string{"tombstone", "rooms A=", "tell user:p1 false", "take out A= [c1 c2]", "left user:p1 c1"}},
		{"not out of the rooms", chat.User, true, rooms, failing("take out"), true, []string{"tombstone", "rooms A=", "tell user:p1 false", "departed user:p1", "take out A= [c1 c2]"}},
		{"not noted", chat.User, true, rooms, failing("departed"), true, []string{"tombstone", "rooms A=", "tell user:p1 false", "departed user:p1", "take out A= [c1 c2]", "left user:p1 c1"}},
		{"all but the tombstone", chat.Agent, true, rooms, failing("rooms", "status", "tell"), true, []string{"tombstone", "rooms A=", "status agent:p1 false", "tell agent:p1 false"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := &world{last: tt.last, rooms: tt.rooms, fail: tt.fail}
				c := chat.Connection{ID: "A=", Principal: chat.Principal{Type: tt.who, ID: "p1", OrgID: "acme"}}
				if err := handler.New(w, w, w).Handle(t.Context(), c); (err != nil) != tt.fails {
					t.Errorf("got %v", err)
				}
				if !slices.Equal(w.steps, tt.want) {
					t.Errorf("the steps were %q, want %q", w.steps, tt.want)
				}
			})
		})
	}
}
