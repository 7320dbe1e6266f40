package handler

import (
	"context"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-json-experiment/json"

	"go.mongodb.org/mongo-driver/v2/bson"

	"aiwm-chat/shared/chat"
	"aiwm-chat/shared/completion"
	"aiwm-chat/shared/delivery"
	"aiwm-chat/shared/protocol"
)

// recipients notes who gets what is shown.
type recipients struct {
	process
	got func(to []chat.Connection, frame []byte)
}

func (r recipients) Broadcast(ctx context.Context, to []chat.Connection, frame []byte, p delivery.Passes) delivery.Result {
	r.got(to, frame)
	return r.process.Broadcast(ctx, to, frame, p)
}

// Who is removed reads nothing more of what is being written, also where Redis was emptied
// meanwhile.
func TestNoDeltasToWhoWasRemoved(t *testing.T) {
	t.Parallel()
	for _, lost := range []bool{false, true} {
		name := "removed"
		if lost {
			name = "Redis emptied, removed"
		}
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, chat.Managed{})
			w.join(t, another)
			c := chat.Connection{ID: "c2", Principal: another, ExpiresAt: time.Now().Add(time.Hour)}
			if _, err := w.presence.Connect(t.Context(), c); err != nil {
				t.Fatal(err)
			}
			e, err := w.presence.Enter(t.Context(), c, w.id, false)
			if err != nil {
				t.Fatal(err)
			}
			if _, _, err := w.presence.Confirm(t.Context(), e, bot); err != nil {
				t.Fatal(err)
			}
			var removed atomic.Bool
			var before, after atomic.Int64
			var late atomic.Int64
			w.model = func(ctx context.Context, _ completion.Request, on func(completion.Piece)) (completion.Answer, error) {
				say := func(n int) {
					for range n {
						on(completion.Piece{Content: "secret "})
						time.Sleep(50 * time.Millisecond)
					}
				}
				say(10)
				if lost {
					w.mini.FlushAll()
				}
				if err := w.expel(ctx, another); err != nil {
					t.Error(err)
				}
				removed.Store(true)
				time.Sleep(20 * time.Millisecond)
				say(80)
				return completion.Answer{Content: strings.Repeat("secret ", 90), Finish: "stop"}, nil
			}
			var at time.Time
			p := recipients{process: process{w}, got: func(to []chat.Connection, frame []byte) {
				for _, one := range to {
					if one.ID != "c2" || !strings.Contains(string(frame), "secret") {
						continue
					}
					if !removed.Load() {
						before.Add(1)
						continue
					}
					if at.IsZero() {
						at = time.Now()
					}
					after.Add(1)
					if time.Since(at) > 2*time.Second {
						late.Add(1)
					}
				}
			}}
			h := New(p, w.presence, w.sender(), p, p, map[string]Model{"p": w}, w.servers)
			q := w.say(t, user, "Hello")
			if err := h.Handle(t.Context(), w.job(q)); err != nil {
				t.Fatal(err)
			}
			if before.Load() == 0 {
				t.Fatal("the test shows nothing")
			}
			if after.Load() > 2 { // one or two may have been under way
				t.Errorf("%d deltas after the removal, %d of them more than two seconds later", after.Load(), late.Load())
			}
		})
	}
}

// expel removes a participant as functions/conversations does: MongoDB first, then the room.
func (w *world) expel(ctx context.Context, who chat.Principal) error {
	if _, err := w.db.Collection("conversations").UpdateOne(ctx, bson.M{"_id": w.id}, bson.M{"$pull": bson.M{"participants": bson.M{"id": who.ID}}}); err != nil {
		return err
	}
	_, err := w.presence.Evict(ctx, who, w.id)
	return err
}

// A stream is taken over from an earlier attempt of the run, and from nobody else.
func TestWhoseStreamIsTakenOver(t *testing.T) {
	t.Parallel()
	r := chat.Run{ID: chat.NewRunID(bot, "q", 0), Attempt: 10}
	at := func(attempt int64) chat.ConnectionID { return writerOf(chat.Run{ID: r.ID, Attempt: attempt}) }
	for writer, want := range map[chat.ConnectionID]bool{
		at(9): true, at(2): true, at(10): false, at(11): false, "": false, "c1": false, "run:": false, at(9) + "x": false,
		writerOf(chat.Run{ID: chat.NewRunID(bot, "other", 0), Attempt: 1}): false,
	} {
		if got := isEarlier(writer, r); got != want {
			t.Errorf("%q: %v", writer, got)
		}
	}
}

// Who joins in the middle has all of it with the next piece: what they were shown is what
// was kept, up to a second ago.
func TestWhoJoinsGetsAllOfIt(t *testing.T) {
	t.Parallel()
	w := newWorld(t, chat.Managed{})
	w.join(t, another)
	joined := make(chan struct{})
	w.model = func(_ context.Context, _ completion.Request, on func(completion.Piece)) (completion.Answer, error) {
		say := func(n int) {
			for range n {
				on(completion.Piece{Content: "word "})
				time.Sleep(20 * time.Millisecond)
			}
		}
		say(10)
		c := chat.Connection{ID: "c2", Principal: another, ExpiresAt: time.Now().Add(time.Hour)}
		if _, err := w.presence.Connect(t.Context(), c); err != nil {
			t.Error(err)
		}
		e, err := w.presence.Enter(t.Context(), c, w.id, false)
		if err == nil {
			_, _, err = w.presence.Confirm(t.Context(), e, bot)
		}
		if err != nil {
			t.Error(err)
		}
		close(joined)
		say(40)
		return completion.Answer{Content: strings.Repeat("word ", 50), Finish: "stop"}, nil
	}
	var offsets []int
	p := recipients{process: process{w}, got: func(to []chat.Connection, frame []byte) {
		f := struct {
			Event string
			Data  protocol.StreamDelta
		}{}
		if err := json.Unmarshal(frame, &f, json.MatchCaseInsensitiveNames(true)); err != nil || f.Event != protocol.EventStreamDelta || f.Data.Part != protocol.PartContent {
			return
		}
		if slices.ContainsFunc(to, func(c chat.Connection) bool { return c.ID == "c2" }) {
			offsets = append(offsets, *f.Data.Offset)
		}
	}}
	h := New(p, w.presence, w.sender(), p, p, map[string]Model{"p": w}, w.servers)
	q := w.say(t, user, "Hello")
	if err := h.Handle(t.Context(), w.job(q)); err != nil {
		t.Fatal(err)
	}
	<-joined
	if len(offsets) < 3 || offsets[0] != 0 || offsets[1] == 0 {
		t.Errorf("the pieces that they got begin at %v", offsets)
	}
}
