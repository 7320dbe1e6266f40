package bench

import (
	"bytes"
	"context"
	"fmt"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"
	"golang.org/x/sync/semaphore"

	"aiwm-chat/shared/chat"
)

const (
	roomUsers  = 100 // participants at most; each may have many connections
	roomWarmUp = 5   // messages
	roomRounds = 100 // messages that are measured
)

// A hall is one conversation with many connections in it.
type hall struct {
	scan    scanner
	current atomic.Int64   // the number of the message that is on its way
	missing atomic.Int64   // connections that do not have it yet
	full    chan time.Time // when the last one had it
}

// room measures the time from the sending of a message until every connection
// in a conversation, the sender's included, has it.
func (b *bench) room(ctx context.Context) (fmt.Stringer, error) {
	var l lines
	defer l.hangUp()
	ctx, cancel := context.WithTimeoutCause(ctx, setupTime+patience, errStalled)
	defer cancel()
	users := make([]chat.Principal, min(b.Room, roomUsers))
	for i := range users {
		users[i] = b.principal(chat.User, "r", i)
	}
	id, err := b.create(ctx, users[0], b.principal(chat.Agent, "ra", 0), users[1:]...)
	if err != nil {
		return nil, err
	}
	h := &hall{scan: newScanner(b.run), full: make(chan time.Time, 1)}
	g, gctx := errgroup.WithContext(ctx)
	defer context.AfterFunc(gctx, l.hangUp)()
	over := make(chan struct{})
	joined := make(chan *conn, b.Room)
	width := semaphore.NewWeighted(setupWidth)
	for i := range b.Room {
		g.Go(func() error {
			if err := width.Acquire(gctx, 1); err != nil {
				return err
			}
			c, err := b.join(gctx, &l, users[i%len(users)], id)
			width.Release(1)
			if err != nil {
				return err
			}
			joined <- c
			err = h.listen(c)
			select {
			case <-over:
				return nil
			default:
				return err
			}
		})
	}
	r := &roomReport{connections: b.Room, users: len(users), own: b.ServerPID == 0 && !b.Elsewhere}
	g.Go(func() error {
		defer l.hangUp() // ends those who listen
		defer close(over)
		var sender *conn
		for range b.Room {
			select {
			case sender = <-joined:
			case <-gctx.Done():
				return gctx.Err()
			}
		}
		return b.rounds(gctx, h, sender, id, r)
	})
	if err := g.Wait(); err != nil {
		return nil, causeOf(ctx, err)
	}
	return r, nil
}

// listen notes the first arrival of every message at a connection.
func (h *hall) listen(c *conn) error {
	last := int64(0)
	for {
		frame, err := c.next()
		if err == nil {
			err = fault(frame)
		}
		if err != nil {
			return err
		}
		if !bytes.HasPrefix(frame, prefixNew) {
			continue
		}
		if n := h.scan.number(frame); n > last && n == h.current.Load() {
			last = n
			if h.missing.Add(-1) == 0 {
				h.full <- time.Now()
			}
		}
	}
}

// rounds sends one message after the other, each when everybody has the last.
func (b *bench) rounds(ctx context.Context, h *hall, sender *conn, id chat.ConversationID, r *roomReport) error {
	frame, err := newSendFrame(b.run, id)
	if err != nil {
		return err
	}
	b.progress.step("room, messages", roomWarmUp+roomRounds)
	var before time.Duration
	for n := int64(1); n <= roomWarmUp+roomRounds; n++ {
		if n == roomWarmUp+1 {
			before, _ = b.process.cpu()
		}
		b.progress.done.Store(n - 1)
		h.missing.Store(int64(b.Room))
		h.current.Store(n)
		frame.set(n)
		start := time.Now()
		if _, err := sender.Write(frame.bytes); err != nil {
			return fmt.Errorf("send: %w", err)
		}
		select {
		case at := <-h.full:
			if n > roomWarmUp {
				r.took = append(r.took, at.Sub(start))
			}
		case <-time.After(patience):
			return fmt.Errorf("message %d: %d connections do not have it: %w", n, h.missing.Load(), errStalled)
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	after, _ := b.process.cpu()
	r.cpu = after - before
	return nil
}
