package mongostore_test

import (
	"fmt"
	"reflect"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo/options"
	"go.mongodb.org/mongo-driver/v2/mongo/writeconcern"
	"golang.org/x/sync/errgroup"

	"aiwm-chat/shared/chat"
)

// appendDue commits a message of alice with what is due of it.
func (f fixture) appendDue(t testing.TB, to chat.ConversationID, id string, at time.Time) chat.Message {
	t.Helper()
	m := newMessage(t, to, alice, id, draftOf(id))
	m.Due = chat.NewDue(at, 0)
	return f.append(t, m)
}

func (f fixture) message(t testing.TB, id chat.MessageID) chat.Message {
	t.Helper()
	m, err := f.Message(t.Context(), alice.OrgID, id)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func (f fixture) claim(t testing.TB, m chat.Message, until time.Time, want bool) {
	t.Helper()
	if _, claimed, err := f.Claim(t.Context(), m, until); err != nil || claimed != want {
		t.Errorf("Claim = %v, %v, want %v", claimed, err, want)
	}
}

func (f fixture) settle(t testing.TB, m chat.Message, left *chat.Due) {
	t.Helper()
	if err := f.Settle(t.Context(), m, left); err != nil {
		t.Error(err)
	}
	f.untilMajority(t)
}

// untilMajority returns when the majority has all that one server had
// acknowledged: what is written later it has later.
func (f fixture) untilMajority(t testing.TB) {
	t.Helper()
	after := f.db.Collection("after", options.Collection().SetWriteConcern(writeconcern.Majority()))
	if _, err := after.InsertOne(t.Context(), bson.M{}); err != nil {
		t.Error(err)
	}
}

func TestWhatIsDueIsStoredWithTheMessage(t *testing.T) {
	f := open(t)
	c := f.newConversation(t, "t", start)
	f.say(t, c.ID, 8)
	at := start.Truncate(time.Millisecond)
	for i, want := range [][]chat.Effect{
		{chat.EffectDeliver, chat.EffectProject, chat.EffectSearch},
		{chat.EffectDeliver, chat.EffectProject, chat.EffectSearch, chat.EffectSummarise}, // seq 10
	} {
		id := fmt.Sprint("due", i)
		stored := f.appendDue(t, c.ID, id, start)
		if stored.Due == nil || !reflect.DeepEqual(*stored.Due, chat.Due{At: at, Left: want}) {
			t.Errorf("seq %d: due %+v", stored.Seq, stored.Due)
		}
		if read := f.message(t, stored.ID); !reflect.DeepEqual(read, stored) {
			t.Errorf("Message = %+v\nwant %+v", read, stored)
		}
		left := &chat.Due{At: at.Add(time.Second), Left: []chat.Effect{chat.EffectDeliver}, To: []chat.ConnectionID{"c1", "c2="}, Tries: 3}
		f.settle(t, stored, left)
		// A duplicate has what is left by now, whatever the repeat says.
		m := newMessage(t, c.ID, alice, id, draftOf(id))
		m.Due = chat.NewDue(start, time.Hour)
		again, duplicate, err := f.Append(t.Context(), chat.Head{}, m)
		if err != nil || !duplicate || !reflect.DeepEqual(again.Due, left) {
			t.Errorf("the repeat: duplicate %v, %v, due %+v, want %+v", duplicate, err, again.Due, left)
		}
		f.settle(t, again, nil)
		if read := f.message(t, stored.ID); read.Due != nil {
			t.Errorf("due after all is done: %+v", read.Due)
		}
	}
	doc, err := f.db.Collection("messages").FindOne(t.Context(), bson.M{"seq": 9}).Raw()
	if err != nil || doc.Lookup("due").Type != 0 {
		t.Errorf("the document is %v, %v", doc, err)
	}
}

func TestDueBeforeIsOldestFirst(t *testing.T) {
	f := open(t)
	c := f.newConversation(t, "t", start)
	f.say(t, c.ID, 2) // nothing is due
	b := f.appendDue(t, c.ID, "b", start.Add(time.Minute))
	f.appendDue(t, c.ID, "a", start)
	f.appendDue(t, c.ID, "c", start.Add(2*time.Minute))
	f.erase(t, b, start)
	for _, tt := range []struct {
		after time.Duration
		limit int
		want  string
	}{{-time.Second, 9, ""}, {0, 9, "a"}, {2 * time.Minute, 9, "a b c"}, {time.Hour, 2, "a b"}, {time.Hour, 0, "a"}} {
		due, err := f.DueBefore(t.Context(), start.Add(tt.after), tt.limit)
		var got []string
		for _, m := range due {
			got = append(got, string(m.ClientMessageID))
			if m.Due == nil || m.Deleted != (m.ID == b.ID) {
				t.Errorf("%s: due %+v, deleted %v", m.ClientMessageID, m.Due, m.Deleted)
			}
		}
		if err != nil || strings.Join(got, " ") != tt.want {
			t.Errorf("DueBefore(%v, %d) = %q, %v, want %q", tt.after, tt.limit, got, err, tt.want)
		}
	}
}

func TestOfClaimsAtOnceOneWins(t *testing.T) {
	f := open(t)
	m := f.appendDue(t, f.newConversation(t, "t", start).ID, "m", start)
	var claimed atomic.Int32
	var g errgroup.Group
	for range 10 {
		g.Go(func() error {
			_, ok, err := f.Claim(t.Context(), m, start.Add(time.Minute)) // to the same time
			if ok {
				claimed.Add(1)
			}
			return err
		})
	}
	if err := g.Wait(); err != nil || claimed.Load() != 1 {
		t.Errorf("%d have it, error %v", claimed.Load(), err)
	}
	if due, err := f.DueBefore(t.Context(), start.Add(time.Second), 9); err != nil || len(due) != 0 {
		t.Errorf("due before the claim ends: %v, %v", due, err)
	}
	f.claim(t, m, start.Add(time.Hour), false)
	due, err := f.DueBefore(t.Context(), start.Add(time.Minute), 9)
	if err != nil || len(due) != 1 {
		t.Fatalf("due after the claim ended: %v, %v", due, err)
	}
	f.claim(t, due[0], start.Add(time.Hour), true)
}

// The one that was too slow neither takes from the one that took it up nor
// brings back what that one has done.
func TestSettleDoesNotResurrect(t *testing.T) {
	f := open(t)
	slow := f.appendDue(t, f.newConversation(t, "t", start).ID, "m", start)
	left := &chat.Due{At: start.Add(time.Second).Truncate(time.Millisecond), Left: []chat.Effect{chat.EffectProject}}

	f.claim(t, slow, start.Add(time.Minute), true) // by another
	f.settle(t, slow, left)
	other := f.message(t, slow.ID)
	if want := start.Add(time.Minute).Truncate(time.Millisecond); !other.Due.At.Equal(want) || len(other.Due.Left) != 3 {
		t.Errorf("due is %+v, want what was claimed", other.Due)
	}
	f.settle(t, other, left)
	if got := f.message(t, slow.ID); !reflect.DeepEqual(got.Due, left) {
		t.Errorf("due is %+v, want %+v", got.Due, left)
	}
	f.settle(t, other, nil) // whoever has it
	f.settle(t, slow, left)
	f.claim(t, slow, start, false)
	done := f.message(t, slow.ID)
	if done.Due != nil {
		t.Errorf("due is %+v, want nothing", done.Due)
	}
	f.settle(t, done, left)
	f.claim(t, done, start, false)
	if got := f.message(t, slow.ID); got.Due != nil {
		t.Errorf("due is %+v, want nothing", got.Due)
	}
}

// Who sent a message and who changes it while it is delivered each take out what they did,
// in whatever order: nothing is done again, and what a later change left stays.
func TestSettlesAtOnce(t *testing.T) {
	f := open(t)
	c := f.newConversation(t, "t", start)
	const deliver, project, reactions = chat.EffectDeliver, chat.EffectProject, chat.EffectTellReactions
	react := func(m chat.Message, key chat.ReactionKey) chat.Message {
		t.Helper()
		now, _, err := f.React(t.Context(), alice, chat.ReactionChange{ConversationID: c.ID, MessageID: m.ID, Key: key, On: true}, start, start.Add(time.Minute))
		if err != nil {
			t.Fatal(err)
		}
		return now
	}
	leaves := func(m chat.Message, effects ...chat.Effect) *chat.Due { return &chat.Due{At: m.Due.At, Left: effects} }
	for name, tt := range map[string]struct {
		do   func(sent chat.Message)
		want []chat.Effect
	}{
		"the send first": {func(sent chat.Message) {
			changed := react(sent, "1")
			f.settle(t, sent, nil)
			f.settle(t, changed, leaves(changed, deliver, project))
		}, nil},
		"the change first": {func(sent chat.Message) {
			changed := react(sent, "1")
			f.settle(t, changed, leaves(changed, deliver, project))
			f.settle(t, sent, nil)
		}, nil},
		"a part of the send fails": {func(sent chat.Message) {
			changed := react(sent, "1")
			left := leaves(sent, chat.EffectDeliverRoom)
			left.To = []chat.ConnectionID{"c1"}
			f.settle(t, sent, left)
			f.settle(t, changed, leaves(changed, deliver, project))
		}, []chat.Effect{deliver}},
		"the change fails": {func(sent chat.Message) {
			changed := react(sent, "1")
			f.settle(t, sent, nil)
			f.settle(t, changed, leaves(changed, deliver, project, reactions))
		}, []chat.Effect{reactions}},
		"a second change": {func(sent chat.Message) {
			first := react(sent, "1")
			react(sent, "2")
			f.settle(t, sent, nil)
			f.settle(t, first, leaves(first, deliver, project))
		}, []chat.Effect{reactions}},
		"two changes": {func(sent chat.Message) {
			first := react(sent, "1")
			f.settle(t, first, leaves(first, deliver, project))
			second := react(sent, "2")
			f.settle(t, sent, nil)
			f.settle(t, second, leaves(second, deliver, project))
			f.settle(t, first, leaves(first, deliver, project)) // its answer was lost
		}, nil},
		"sweep has it": {func(sent chat.Message) {
			changed := react(sent, "1")
			claimed, _, err := f.Claim(t.Context(), changed, start.Add(time.Hour))
			if err != nil {
				t.Fatal(err)
			}
			f.settle(t, sent, nil)
			f.settle(t, changed, leaves(changed, deliver, project))
			f.settle(t, claimed, leaves(claimed, deliver))
		}, nil},
		"sweep has it, and fails": {func(sent chat.Message) {
			changed := react(sent, "1")
			claimed, _, err := f.Claim(t.Context(), changed, start.Add(time.Hour))
			if err != nil {
				t.Fatal(err)
			}
			f.settle(t, sent, nil)
			left := leaves(claimed, chat.EffectDeliverRoom, reactions)
			left.To = []chat.ConnectionID{"c1"}
			f.settle(t, claimed, left)
		}, []chat.Effect{reactions}},
	} {
		sent := f.appendDue(t, c.ID, strings.NewReplacer(" ", "-", ",", "").Replace(name), start)
		tt.do(sent)
		now := f.message(t, sent.ID)
		var left []chat.Effect
		if now.Due != nil {
			left = now.Due.Left
		}
		if !reflect.DeepEqual(left, tt.want) || now.Due != nil && len(now.Due.To) > 0 {
			t.Errorf("%s: due is %+v, want %v", name, now.Due, tt.want)
		}
	}
}
