package handler_test

import (
	"context"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"aiwm-chat/functions/connect/handler"
	welcome "aiwm-chat/functions/welcome/handler"
	"aiwm-chat/shared/chat"
	"aiwm-chat/shared/delivery"
	"aiwm-chat/shared/protocol"
)

// A handshake is a $connect under way, with its welcome beside it. Each of what it
// needs takes a while, from when it has had its effect.
type handshake struct {
	queue, redis, mongo time.Duration
	opened              atomic.Bool
	greeted, buried     bool
	done                chan error
}

func lasts(ctx context.Context, d time.Duration) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(d):
		return nil
	}
}

func (h *handshake) EnqueueWelcome(ctx context.Context, job protocol.WelcomeJob) error {
	go func() { h.done <- welcome.New(h, h, h).Handle(context.WithoutCancel(ctx), job) }()
	return lasts(ctx, h.queue)
}

func (h *handshake) Connect(ctx context.Context, _ chat.Connection) (chat.Arrival, error) {
	return chat.Arrival{First: true}, lasts(ctx, h.redis)
}

func (h *handshake) SetAgentStatus(ctx context.Context, _ chat.Principal, _ bool, _ time.Time) error {
	return lasts(ctx, h.mongo)
}

func (h *handshake) Presence(ctx context.Context, _ chat.Principal, _ bool, _ time.Time) error {
	return lasts(ctx, h.mongo)
}

func (*handshake) Backlog(context.Context, chat.Principal, string, int) ([]chat.Message, string, error) {
	return nil, "", nil
}

func (h *handshake) Post(ctx context.Context, _ chat.Connection, _ []byte) error {
	if err := lasts(ctx, 5*time.Millisecond); err != nil {
		return err
	}
	if !h.opened.Load() {
		return delivery.ErrGone
	}
	h.greeted = true
	return nil
}

func (h *handshake) Untold(ctx context.Context, _ chat.Connection) error { return lasts(ctx, h.redis) }

func (*handshake) Gone(context.Context, chat.ConnectionID) (bool, error) { return false, nil }

func (*handshake) Forget(context.Context, []chat.Gone, chat.ConversationID) {}

func (*handshake) Close(context.Context, chat.Connection) {}

func (h *handshake) Bury(context.Context, chat.Connection) error { h.buried = true; return nil }

// Whatever is slow: a connection that opens is greeted, and one that does not is
// buried, and never both.
func TestSlowHandshake(t *testing.T) {
	const never, blink = time.Hour, 50 * time.Millisecond
	for _, tt := range []struct {
		name                string
		queue, redis, mongo time.Duration
		opens               bool
	}{
		{"nothing", 0, 0, 0, true},
		{"MongoDB", 0, 0, never, true},
		{"Redis", 0, 1800 * time.Millisecond, 0, true},
		{"Redis and MongoDB", 0, 1800 * time.Millisecond, never, true},
		{"Redis to the last", 0, 2290 * time.Millisecond, never, true},
		{"Redis for too long", 0, 2400 * time.Millisecond, 0, false},
		{"the queue", time.Second, 0, never, true},
		{"all of it", time.Second, time.Second, never, true},
		{"the queue and Redis", 1500 * time.Millisecond, time.Second, 0, false},
		{"the queue for too long", 2800 * time.Millisecond, 0, 0, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				h := &handshake{queue: tt.queue, redis: tt.redis, mongo: tt.mongo, done: make(chan error, 1)}
				c := chat.Connection{ID: "A=", Principal: chat.Principal{Type: chat.Agent, ID: "p1", OrgID: "acme"}, ExpiresAt: expires}
				err := handler.New(h, h, h, h, h).Handle(t.Context(), c)
				time.Sleep(blink) // which API Gateway takes
				h.opened.Store(err == nil)
				if err := <-h.done; err != nil {
					t.Error(err)
				}
				if h.opened.Load() != tt.opens || h.greeted != tt.opens || h.buried == tt.opens {
					t.Errorf("opened %v (%v), greeted %v, buried %v", h.opened.Load(), err, h.greeted, h.buried)
				}
			})
		})
	}
}

// What took too long in spite of its limits, as in a function that was frozen, is
// refused.
func TestLateHandshakeIsRefused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &world{start: time.Now()}
		err := handler.New(frozen{w}, w, w, w, w).Handle(t.Context(), chat.Connection{
			ID: "A=", Principal: chat.Principal{Type: chat.User, ID: "p1", OrgID: "acme"}, ExpiresAt: expires, Dialect: chat.Lean,
		})
		if chat.CodeOf(err) != chat.Unavailable {
			t.Errorf("got %v", err)
		}
	})
}

type frozen struct{ *world }

func (f frozen) Connect(context.Context, chat.Connection) (chat.Arrival, error) {
	time.Sleep(2700 * time.Millisecond)
	return chat.Arrival{}, nil
}
