package handler_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"aiwm-chat/functions/welcome/handler"
	"aiwm-chat/shared/chat"
	"aiwm-chat/shared/delivery"
	"aiwm-chat/shared/protocol"
)

var errDown = errors.New("no route to host")

// A world is one connection and the messages that wait for an agent.
type world struct {
	waiting []chat.Message
	readErr error
	post    func(n int) error // of the nth attempt, from 0
	posts   int
	hangs   bool // a post does not come back before its time is up
	got     []string
	reads   int
}

func (w *world) Unanswered(_ context.Context, agent chat.Principal, limit int) ([]chat.Message, error) {
	w.reads++
	if agent.Type != chat.Agent || limit != 50 {
		return nil, fmt.Errorf("asked for %d of %v", limit, agent)
	}
	return w.waiting, w.readErr
}

func (w *world) Post(ctx context.Context, id chat.ConnectionID, frame []byte) error {
	n := w.posts
	w.posts++
	if w.hangs {
		<-ctx.Done()
		return ctx.Err()
	}
	if w.post != nil {
		if err := w.post(n); err != nil {
			return err
		}
	}
	var f struct {
		Event string
		Data  struct{ ConnectionID, UserID, AgentID, Content string }
	}
	if err := json.Unmarshal(frame, &f); err != nil {
		return err
	}
	w.got = append(w.got, f.Event+" "+f.Data.ConnectionID+f.Data.UserID+f.Data.AgentID+f.Data.Content)
	return nil
}

func job(kind chat.PrincipalType) protocol.WelcomeJob {
	return protocol.WelcomeJob{ConnectionID: "A=", Type: kind, ID: "p1", OrgID: "acme", ExpiresAt: 4102444800}
}

func TestWelcome(t *testing.T) {
	gone := fmt.Errorf("post: %w", delivery.ErrGone)
	first, second := chat.Message{Draft: chat.Draft{Content: "one"}}, chat.Message{Draft: chat.Draft{Content: "two"}}
	failing := func(err error, when func(n int) bool) func(int) error {
		return func(n int) error {
			if when(n) {
				return err
			}
			return nil
		}
	}
	tests := []struct {
		name  string
		who   chat.PrincipalType
		world world
		fails bool
		got   []string
		took  time.Duration // at most, by the clock of the test
	}{
		{"a user", chat.User, world{waiting: []chat.Message{first}}, false, []string{"connected A=p1"}, 0},
		{"an agent", chat.Agent, world{waiting: []chat.Message{first, second}}, false, []string{"connected A=p1", "message:from-user one", "message:from-user two"}, 0},
		{"an agent that has answered all", chat.Agent, world{}, false, []string{"connected A=p1"}, 0},
		{"$connect has not returned yet", chat.User, world{post: failing(gone, func(n int) bool { return n < 5 })}, false, []string{"connected A=p1"}, 310 * time.Millisecond},
		{"closed again", chat.Agent, world{waiting: []chat.Message{first}, post: failing(gone, func(int) bool { return true })}, false, nil, 3 * time.Second},
		{"closed while it is greeted", chat.Agent, world{waiting: []chat.Message{first, second}, post: failing(gone, func(n int) bool { return n > 0 })}, false, []string{"connected A=p1"}, 0},
		{"throttled", chat.User, world{post: failing(errDown, func(int) bool { return true })}, true, nil, 0},
		{"throttled later", chat.Agent, world{waiting: []chat.Message{first, second}, post: failing(errDown, func(n int) bool { return n == 2 })}, true, []string{"connected A=p1", "message:from-user one"}, 0},
		{"no messages to be read", chat.Agent, world{readErr: errDown}, true, []string{"connected A=p1"}, 0},
		{"a post hangs", chat.User, world{hangs: true}, true, nil, 2 * time.Second},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w, start := tt.world, time.Now()
				err := handler.New(&w, &w).Handle(t.Context(), job(tt.who))
				if (err != nil) != tt.fails {
					t.Errorf("got %v", err)
				}
				if !slices.Equal(w.got, tt.got) {
					t.Errorf("posted %q, want %q", w.got, tt.got)
				}
				if took := time.Since(start); took > tt.took {
					t.Errorf("took %v, want at most %v", took, tt.took)
				}
				if tt.who == chat.User && w.reads != 0 {
					t.Error("messages were read for a user")
				}
			})
		})
	}
}

// The function's own deadline ends the wait.
func TestDeadline(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		w := world{post: func(int) error { return delivery.ErrGone }}
		start := time.Now()
		if err := handler.New(&w, &w).Handle(ctx, job(chat.User)); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("got %v", err)
		}
		if took := time.Since(start); took != time.Second {
			t.Errorf("took %v", took)
		}
	})
}
