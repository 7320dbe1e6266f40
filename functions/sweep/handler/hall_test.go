package handler_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	send "aiwm-chat/functions/send/handler"
	"aiwm-chat/functions/sweep/handler"
	"aiwm-chat/shared/chat"
	"aiwm-chat/shared/delivery"
)

// A hall is a conversation with one large room, in which some hang. Its store
// answers nobody whose time is up, as MongoDB's driver does.
type hall struct {
	*flood
	size, hung int           // the first ones of the room hang
	takes      time.Duration // that a post to any other takes

	counts sync.Mutex
	got    map[chat.ConnectionID]int
}

func (h *hall) Settle(ctx context.Context, m chat.Message, left *chat.Due) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	return h.flood.Settle(ctx, m, left)
}

func (h *hall) Audience(context.Context, chat.ConversationID, chat.Principal, int) (a chat.Audience, err error) {
	for i := range h.size {
		a.Room = append(a.Room, chat.Connection{
			ID: chat.ConnectionID(fmt.Sprint(i)), Principal: chat.Principal{Type: chat.User, ID: "u1", OrgID: "acme"}, ExpiresAt: time.Now().Add(time.Hour * 48),
		})
	}
	a.Vouched = true
	return a, nil
}

func (h *hall) Post(_ context.Context, id chat.ConnectionID, _ []byte) error {
	var i int
	fmt.Sscan(string(id), &i) //nolint:errcheck // it is one of Audience's
	if i < h.hung {
		time.Sleep(delivery.AttemptTime)
		return context.DeadlineExceeded
	}
	time.Sleep(h.takes)
	h.counts.Lock()
	defer h.counts.Unlock()
	h.got[id]++
	return nil
}

// A room whose one pass takes longer than a message may: what was done is noted
// all the same, so that everybody has the message in the end, nobody for ever, and
// it is given up after as many tries as any.
func TestOnePassOfALargeRoomTakesLongerThanAMessageMay(t *testing.T) {
	if testing.Short() {
		t.Skip("with the race detector it computes for a minute")
	}
	for _, tt := range []struct {
		name       string
		size, hung int
		takes      time.Duration
	}{
		{"1,000 participants with 20 devices, 40 ms a post", 20_000, 0, 40 * time.Millisecond},
		{"1,100 of 1,300 hang", 1_300, 1_100, 10 * time.Millisecond},
	} {
		t.Run(tt.name, inBubble(func(t *testing.T) {
			logged(t)
			f := newFlood()
			h := &hall{flood: f, size: tt.size, hung: tt.hung, takes: tt.takes, got: map[chat.ConnectionID]int{}}
			f.add("m1", "hall", false)
			time.Sleep(20 * time.Second)
			for range 10 {
				next := time.Now().Add(time.Minute)
				ctx, cancel := context.WithTimeout(t.Context(), 49*time.Second)
				if err := handler.New(h, send.New(h, h, delivery.New(h), h, h), h, h, h, h).Handle(ctx); err != nil {
					t.Fatal(err)
				}
				cancel()
				time.Sleep(time.Until(next))
			}
			most := 0
			for _, n := range h.got {
				most = max(most, n)
			}
			if n := f.attempts["m1"]; n > 3 || len(f.due) > 0 || len(h.got) != tt.size-tt.hung || most > 3 {
				t.Errorf("after ten minutes: tried %d times, due %v, %d of %d have it, some %d times", n, len(f.due) > 0, len(h.got), tt.size-tt.hung, most)
			}
		}))
	}
}

// An API that throttles everybody for less than two minutes.
type throttling struct {
	*flood
	until time.Time
}

type errThrottled struct{ error }

func (errThrottled) Retryable() bool { return true }

func (f throttling) Post(ctx context.Context, id chat.ConnectionID, frame []byte) error {
	if time.Now().Before(f.until) {
		return errThrottled{errors.New("429")}
	}
	return f.flood.Post(ctx, id, frame)
}

// G4: a message whose posts fail for less than two minutes is delivered when they
// do not fail any more.
func TestPostsThatFailForLessThanTwoMinutes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		logged(t)
		const lasts = 100 * time.Second
		f := newFlood()
		w := throttling{f, time.Now().Add(lasts)}
		f.add("m1", "victim", true) // send has tried, once
		time.Sleep(20 * time.Second)
		for range 4 {
			next := time.Now().Add(time.Minute)
			ctx, cancel := context.WithTimeout(t.Context(), 49*time.Second)
			if err := handler.New(w, send.New(w, w, delivery.New(w), w, w), w, w, w, w).Handle(ctx); err != nil {
				t.Fatal(err)
			}
			cancel()
			time.Sleep(time.Until(next))
		}
		if _, reached := f.reached["victim"]; !reached {
			t.Errorf("posts failed for %v: never delivered, still due %v", lasts, f.due["m1"] != nil)
		}
	})
}

// shown keeps what was posted to whom, as it was.
type shown struct {
	*flood
	frames map[chat.ConnectionID]string
}

func (s *shown) Post(ctx context.Context, id chat.ConnectionID, frame []byte) error {
	err := s.flood.Post(ctx, id, frame)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.frames[id] = string(frame)
	return err
}

// What is deleted while it waits for its turn in a run is not shown any more.
func TestDeletedWhileItWaitsForItsTurn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		logged(t)
		f := newFlood()
		w := &shown{f, map[chat.ConnectionID]string{}}
		for i := range 64 { // four rounds, before it
			f.add(chat.MessageID(fmt.Sprintf("a%02d", i)), "hung", true)
		}
		f.add("z", "victim", true)
		f.due["z"].Content = "a secret"
		time.Sleep(20 * time.Second)
		time.AfterFunc(time.Second, func() { // DELETE /messages/z is answered 204
			f.mu.Lock()
			defer f.mu.Unlock()
			f.due["z"].Content, f.due["z"].Deleted = "", true
		})
		start := time.Now()
		if err := handler.New(w, send.New(w, w, delivery.New(w), w, w), w, w, w, w).Handle(t.Context()); err != nil {
			t.Fatal(err)
		}
		if frame := w.frames["victim"]; strings.Contains(frame, "a secret") {
			t.Errorf("%v after its deletion was answered came %s", f.reached["victim"].Sub(start)-time.Second, frame)
		}
	})
}
