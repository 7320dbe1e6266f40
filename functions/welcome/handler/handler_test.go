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

var errDown, errSlow = errors.New("no route to host"), fmt.Errorf("no answer: %w", context.DeadlineExceeded)

// A world is one connection and the messages that wait for an agent.
type world struct {
	waiting []chat.Message
	next    string // where the backlog goes on
	readErr error
	buryErr error
	post    func(n int) error // of the nth attempt, from 0
	posts   int
	hangs   bool // a post does not come back before its time is up
	got     []string
	reads   int
}

func (w *world) Backlog(_ context.Context, agent chat.Principal, cursor string, limit int) ([]chat.Message, string, error) {
	w.reads++
	if agent.Type != chat.Agent || cursor != "" || limit != 200 {
		return nil, "", fmt.Errorf("asked for %d of %v from %q", limit, agent, cursor)
	}
	return w.waiting, w.next, w.readErr
}

func (w *world) Bury(ctx context.Context, c chat.Connection) error {
	w.got = append(w.got, fmt.Sprint("buried ", c.ID, " of ", c.Principal))
	return errors.Join(w.buryErr, ctx.Err())
}

func (w *world) Post(ctx context.Context, c chat.Connection, frame []byte) error {
	n := w.posts
	w.posts++
	if w.hangs { // for as long as the poster has patience
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(3500 * time.Millisecond):
			return errSlow
		}
	}
	if w.post != nil {
		if err := w.post(n); err != nil {
			return err
		}
	}
	var f struct {
		Event string
		Error struct {
			Code      chat.Code
			Retryable bool
		}
		Data struct {
			ConnectionID, UserID, AgentID, Content, Cursor string
			More                                           bool
		}
	}
	if err := json.Unmarshal(frame, &f); err != nil {
		return err
	}
	text := f.Data.ConnectionID + f.Data.UserID + f.Data.AgentID + f.Data.Content
	if f.Data.More {
		text += "more from " + f.Data.Cursor
	}
	if f.Error.Code != "" {
		text += fmt.Sprint(f.Error.Code, " ", f.Error.Retryable)
	}
	w.got = append(w.got, f.Event+" "+text)
	return nil
}

func (w *world) Close(ctx context.Context, c chat.Connection) {
	if ctx.Err() == nil {
		w.got = append(w.got, fmt.Sprint("closed ", c.ID))
	}
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
	const connected, one, two = "connected A=p1", "message:from-user one", "message:from-user two"
	always := func(int) bool { return true }
	tests := []struct {
		name  string
		who   chat.PrincipalType
		world world
		fails bool
		got   []string
		took  time.Duration // at most, by the clock of the test
	}{
		{"a user", chat.User, world{waiting: []chat.Message{first}}, false, []string{connected}, 0},
		{"an agent", chat.Agent, world{waiting: []chat.Message{first, second}}, false, []string{connected, one, two}, 0},
		{"an agent with more", chat.Agent, world{waiting: []chat.Message{first, second}, next: "here"}, false, []string{connected, one, two, "backlog more from here"}, 0},
		{"an agent that has answered all", chat.Agent, world{}, false, []string{connected}, 0},
		{"$connect has not returned yet", chat.User, world{post: failing(gone, func(n int) bool { return n < 5 })}, false, []string{connected}, 310 * time.Millisecond},
		{"closed again", chat.Agent, world{waiting: []chat.Message{first}, post: failing(gone, always)}, false, []string{"buried A= of agent:p1"}, 3 * time.Second},
		{"not to be buried", chat.User, world{post: failing(gone, always), buryErr: errDown}, true, []string{"buried A= of user:p1"}, 3 * time.Second},
		{"closed while it is greeted", chat.Agent, world{waiting: []chat.Message{first, second}, post: failing(gone, func(n int) bool { return n > 0 })}, false, []string{connected}, 0},
		{"closed before there is more", chat.Agent, world{waiting: []chat.Message{first}, next: "here", post: failing(gone, func(n int) bool { return n > 1 })}, false, []string{connected, one}, 0},
		{"throttled", chat.User, world{post: failing(errDown, always)}, true, nil, 0},
		{"throttled later", chat.Agent, world{waiting: []chat.Message{first, second}, post: failing(errDown, func(n int) bool { return n == 2 })}, true, []string{connected, one}, 0},
		{"no messages to be read", chat.Agent, world{readErr: errDown}, true, []string{connected}, 0},
		{"slow", chat.User, world{post: failing(errSlow, func(n int) bool { return n < 3 })}, false, []string{connected}, 70 * time.Millisecond},
		{"a post hangs", chat.User, world{hangs: true}, true, nil, 11 * time.Second},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w, start := tt.world, time.Now()
				err := handler.New(&w, &w, &w).Handle(t.Context(), job(tt.who))
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

// The function's own deadline ends the wait: whether the connection opens is not
// known then, and nobody is buried.
func TestDeadline(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		w := world{post: func(int) error { return delivery.ErrGone }}
		start := time.Now()
		if err := handler.New(&w, &w, &w).Handle(ctx, job(chat.User)); !errors.Is(err, context.DeadlineExceeded) || len(w.got) != 0 {
			t.Errorf("got %v, %v", w.got, err)
		}
		if took := time.Since(start); took != time.Second {
			t.Errorf("took %v", took)
		}
	})
}

// A connection that opens at the last moment of the patience is greeted, one
// that does not is buried, and not before.
func TestPatience(t *testing.T) {
	for _, tt := range []struct {
		opens time.Duration
		want  string
	}{
		{2600 * time.Millisecond, "connected A=p1"},
		{time.Hour, "buried A= of user:p1"},
	} {
		synctest.Test(t, func(t *testing.T) {
			start := time.Now()
			w := world{post: func(int) error {
				if time.Since(start) < tt.opens {
					return delivery.ErrGone
				}
				return nil
			}}
			if err := handler.New(&w, &w, &w).Handle(t.Context(), job(chat.User)); err != nil || !slices.Equal(w.got, []string{tt.want}) {
				t.Errorf("got %v, %v, want %s", w.got, err, tt.want)
			}
			if took := time.Since(start); took < 2600*time.Millisecond || took > 3*time.Second {
				t.Errorf("took %v", took)
			}
		})
	}
}

// Who is one too many is told so and closed, also where it opens only now, cannot
// be told or hangs; where it does not open it is buried.
func TestOneTooMany(t *testing.T) {
	const told, closed = "error too_many_connections false", "closed A="
	start := time.Time{}
	opensAfter := func(d time.Duration) func(int) error {
		return func(int) error {
			if time.Since(start) < d {
				return fmt.Errorf("post: %w", delivery.ErrGone)
			}
			return nil
		}
	}
	for _, tt := range []struct {
		name  string
		world world
		got   []string
		took  time.Duration // at most, by the clock of the test
	}{
		{"an open one", world{}, []string{told, closed}, 0},
		{"one that is opening", world{post: opensAfter(2500 * time.Millisecond)}, []string{told, closed}, 3 * time.Second},
		{"one that does not open", world{post: opensAfter(time.Hour)}, []string{"buried A= of user:p1"}, 3 * time.Second},
		{"one that cannot be told", world{post: func(int) error { return errDown }}, []string{closed}, 0},
		{"one that hangs", world{hangs: true}, []string{closed}, 3 * time.Second},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				start = time.Now()
				w := tt.world
				c := job(chat.User).Connection()
				if err := handler.New(&w, &w, &w).Handle(t.Context(), protocol.ExcessJobOf(c)); err != nil || !slices.Equal(w.got, tt.got) {
					t.Errorf("got %q, %v, want %q", w.got, err, tt.got)
				}
				if took := time.Since(start); took > tt.took {
					t.Errorf("took %v", took)
				}
			})
		})
	}
}
