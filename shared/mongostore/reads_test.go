package mongostore_test

import (
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"sync"
	"testing"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"

	"aiwm-chat/shared/chat"
	"aiwm-chat/shared/mongostore"
)

// current is c as it is.
func (f fixture) current(t testing.TB, id chat.ConversationID) chat.Conversation {
	t.Helper()
	c, err := f.AnyConversation(t.Context(), "o1", id)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// reading is what p has not read of a conversation as it is now.
func (f fixture) reading(t testing.TB, p chat.Principal, id chat.ConversationID) chat.Reading {
	t.Helper()
	got, err := f.Readings(t.Context(), p, []chat.Conversation{f.current(t, id)})
	if err != nil || len(got) != 1 {
		t.Fatalf("Readings = %v, %v", got, err)
	}
	return got[0]
}

// wantReading checks p's mark, and what is unread after it.
func (f fixture) wantReading(t testing.TB, when string, p chat.Principal, id chat.ConversationID, seq, public int64, count int, more bool) {
	t.Helper()
	r := f.reading(t, p, id)
	if r.Seq != seq || r.PublicSeq != public || r.Count != count || r.More != more {
		t.Errorf("%s: %s has the mark %d, in public %d, and %d unread (more: %v), want %d, %d, %d, %v", when, p.ID, r.Seq, r.PublicSeq, r.Count, r.More, seq, public, count, more)
	}
}

func (f fixture) readTo(t testing.TB, p chat.Principal, id chat.ConversationID, seq int64, private bool) chat.Mark {
	t.Helper()
	m, err := f.Read(t.Context(), p, f.current(t, id), seq, private, start)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func (f fixture) markUnread(t testing.TB, p chat.Principal, id chat.ConversationID, from int64) chat.Mark {
	t.Helper()
	m, err := f.MarkUnread(t.Context(), p, f.current(t, id), from)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// utter appends n messages of somebody, and projects them.
func (f fixture) utter(t testing.TB, id chat.ConversationID, by chat.Principal, n int, more ...func(*chat.Draft)) (last chat.Message) {
	t.Helper()
	for range n {
		d := draftOf("x")
		for _, change := range more {
			change(&d)
		}
		c := f.current(t, id)
		m, _, err := f.Append(t.Context(), c.Head(), newMessage(t, id, by, bson.NewObjectID().Hex(), d))
		if err == nil {
			err = f.Project(t.Context(), c, m)
		}
		if err != nil {
			t.Fatal(err)
		}
		last = m
	}
	return last
}

func as(kind chat.MessageType) func(*chat.Draft) { return func(d *chat.Draft) { d.Type = kind } }

func TestMarksMove(t *testing.T) {
	f := open(t)
	c := f.newConversation(t, "t", start)
	f.wantReading(t, "new", alice, c.ID, 0, 0, 0, false)
	f.utter(t, c.ID, bot, 5)
	f.utter(t, c.ID, alice, 2)
	f.wantReading(t, "said", alice, c.ID, 0, 0, 5, false)
	f.wantReading(t, "said", bot, c.ID, 0, 0, 2, false)
	steps := []struct {
		name        string
		do          func() chat.Mark
		seq, public int64
		version     int64
		unread      int
	}{
		{"read", func() chat.Mark { return f.readTo(t, alice, c.ID, 2, false) }, 2, 2, 1, 3},
		{"not back", func() chat.Mark { return f.readTo(t, alice, c.ID, 1, false) }, 2, 2, 1, 3},
		{"again", func() chat.Mark { return f.readTo(t, alice, c.ID, 2, false) }, 2, 2, 1, 3},
		{"private", func() chat.Mark { return f.readTo(t, alice, c.ID, 4, true) }, 4, 2, 2, 1},
		{"private again", func() chat.Mark { return f.readTo(t, alice, c.ID, 4, true) }, 4, 2, 2, 1},
		{"then public", func() chat.Mark { return f.readTo(t, alice, c.ID, 4, false) }, 4, 4, 3, 1},
		{"unread", func() chat.Mark { return f.markUnread(t, alice, c.ID, 2) }, 1, 4, 4, 4},
		{"unread again", func() chat.Mark { return f.markUnread(t, alice, c.ID, 2) }, 1, 4, 4, 4},
		{"unread is never forward", func() chat.Mark { return f.markUnread(t, alice, c.ID, 4) }, 1, 4, 4, 4},
		{"read after that", func() chat.Mark { return f.readTo(t, alice, c.ID, 3, false) }, 3, 4, 5, 2},
		{"beyond the end", func() chat.Mark { return f.readTo(t, alice, c.ID, 1<<40, false) }, 7, 7, 6, 0},
		{"all unread", func() chat.Mark { return f.markUnread(t, alice, c.ID, 1) }, 0, 7, 7, 5},
	}
	for _, s := range steps {
		if m := s.do(); m.Seq != s.seq || m.PublicSeq != s.public || m.Version != s.version || m.By != alice || m.ConversationID != c.ID || m.At.IsZero() {
			t.Errorf("%s: the mark is %+v, want %d, %d, version %d", s.name, m, s.seq, s.public, s.version)
		}
		f.wantReading(t, s.name, alice, c.ID, s.seq, s.public, s.unread, false)
	}
	f.wantReading(t, "another one's", bot, c.ID, 0, 0, 2, false)
	if m := f.readTo(t, bot, c.ID, 3, true); m.Seq != 3 || m.PublicSeq != 0 || !m.At.IsZero() {
		t.Errorf("a first private mark is %+v", m)
	}
	f.utter(t, c.ID, alice, 1)
	f.readTo(t, alice, c.ID, 8, false)
	if m := f.markUnread(t, bob, c.ID, 3); m.Seq != 2 { // whether somebody may is the caller's to check
		t.Errorf("a first mark that is unread is %+v", m)
	}
}

// What is said and not projected yet may be read, and what is not said may not.
func TestMarksEndWithTheLog(t *testing.T) {
	f := open(t)
	c := f.newConversation(t, "t", start)
	f.append(t, newMessage(t, c.ID, bot, "m1", draftOf("x")))
	f.append(t, newMessage(t, c.ID, bot, "m2", draftOf("x")))
	if m := f.readTo(t, alice, c.ID, 9, false); m.Seq != 2 {
		t.Errorf("the mark is %d, want 2: the end of the log", m.Seq)
	}
	f.wantReading(t, "before the projection", alice, c.ID, 2, 2, 0, false)
	f.utter(t, c.ID, bot, 1)
	f.wantReading(t, "after it", alice, c.ID, 2, 2, 1, false)
}

func TestUnreadIsWhatPeopleSee(t *testing.T) {
	f := open(t)
	c := f.newConversation(t, "t", start)
	for i, kind := range []chat.MessageType{chat.TypeText, chat.TypeThinking, chat.TypeToolCall, chat.TypeToolResult, chat.TypeError, chat.TypeSystem} {
		f.utter(t, c.ID, bot, 1, as(kind))
		f.wantReading(t, string(kind), alice, c.ID, 0, 0, []int{1, 1, 1, 1, 2, 3}[i], false)
	}
	m := f.utter(t, c.ID, bot, 1)
	f.wantReading(t, "another one", alice, c.ID, 0, 0, 4, false)
	if _, _, err := f.React(t.Context(), alice, chat.ReactionChange{ConversationID: c.ID, MessageID: m.ID, Key: "👍", On: true}, start, start); err != nil {
		t.Fatal(err)
	}
	f.wantReading(t, "with a reaction", alice, c.ID, 0, 0, 4, false)
	if _, _, err := f.EditMessage(t.Context(), bot, chat.Edit{ConversationID: c.ID, MessageID: m.ID, Content: "y"}, start); err != nil {
		t.Fatal(err)
	}
	f.wantReading(t, "edited", alice, c.ID, 0, 0, 4, false)
	f.readTo(t, alice, c.ID, m.Seq, false)
	if _, _, err := f.EditMessage(t.Context(), bot, chat.Edit{ConversationID: c.ID, MessageID: m.ID, Content: "z", Edits: 1}, start); err != nil {
		t.Fatal(err)
	}
	f.wantReading(t, "edited when it was read", alice, c.ID, 7, 7, 0, false)
	f.markUnread(t, alice, c.ID, 1)
	for range 2 {
		if _, err := f.DeleteMessage(t.Context(), m, bot, start); err != nil {
			t.Fatal(err)
		}
		f.wantReading(t, "deleted", alice, c.ID, 0, 7, 3, false)
	}
}

func TestUnreadIsCountedToAHundred(t *testing.T) {
	f := open(t)
	c := f.newConversation(t, "t", start)
	f.utter(t, c.ID, bot, 100)
	f.wantReading(t, "100", alice, c.ID, 0, 0, 100, false)
	f.utter(t, c.ID, bot, 1)
	f.wantReading(t, "101", alice, c.ID, 0, 0, 100, true)
	f.readTo(t, alice, c.ID, 1, false)
	f.wantReading(t, "one read", alice, c.ID, 1, 1, 100, false)
	f.markUnread(t, alice, c.ID, 1)
	f.utter(t, c.ID, alice, 150)
	f.readTo(t, alice, c.ID, 101, false)
	f.wantReading(t, "one's own", alice, c.ID, 101, 101, 0, true)
}

// Who is added has nothing to read of what was said before, also who was here before.
func TestMembershipsAndMarks(t *testing.T) {
	f := open(t)
	c := f.newConversation(t, "t", start)
	f.utter(t, c.ID, bot, 3)
	add := func() {
		t.Helper()
		if _, err := f.AddParticipant(t.Context(), alice, c.ID, bob, start); err != nil {
			t.Fatal(err)
		}
	}
	remove := func() {
		t.Helper()
		if _, removed, err := f.RemoveParticipant(t.Context(), alice, c.ID, bob, start); err != nil || !removed {
			t.Fatal(removed, err)
		}
	}
	add()
	f.wantReading(t, "added", bob, c.ID, 3, 3, 0, false)
	f.utter(t, c.ID, bot, 2)
	f.wantReading(t, "said since", bob, c.ID, 3, 3, 2, false)
	add() // they stay as they are
	f.wantReading(t, "added twice", bob, c.ID, 3, 3, 2, false)
	f.markUnread(t, bob, c.ID, 2)
	f.wantReading(t, "what was said before", bob, c.ID, 1, 3, 4, false)
	before := f.current(t, c.ID)
	remove()
	add()
	f.append(t, newMessage(t, c.ID, bot, "late", draftOf("x"))) // not projected yet
	remove()
	add()
	f.wantReading(t, "added again", bob, c.ID, 6, 6, 0, false)
	// A read that began in the first membership comes now.
	if _, err := f.Read(t.Context(), bob, before, 4, false, start); err != nil {
		t.Fatal(err)
	}
	f.wantReading(t, "a read of before", bob, c.ID, 6, 6, 0, false)
	f.utter(t, c.ID, bot, 2)
	m := f.readTo(t, bob, c.ID, 7, true)
	if m.Seq != 7 || m.PublicSeq != 6 || !m.At.IsZero() || m.Version < 3 {
		t.Errorf("the first mark of another membership is %+v", m)
	}
	for _, late := range []func() error{
		func() error { _, err := f.Read(t.Context(), bob, before, 5, false, start); return err },
		func() error { _, err := f.MarkUnread(t.Context(), bob, before, 99); return err },
	} {
		if err := late(); err != nil {
			t.Fatal(err)
		}
		f.wantReading(t, "what began before", bob, c.ID, 7, 6, 1, false)
	}
	marks, err := f.Marks(t.Context(), f.current(t, c.ID))
	if err != nil || len(marks) != 3 || marks[2].By != bob || marks[2].PublicSeq != 6 || marks[0].By != alice || marks[0].PublicSeq != 0 {
		t.Errorf("the marks are %+v, %v", marks, err)
	}
	remove()
	if marks, err = f.Marks(t.Context(), f.current(t, c.ID)); err != nil || len(marks) != 2 {
		t.Errorf("without bob the marks are %+v, %v", marks, err)
	}
}

// Of two marks of somebody the one with the larger version is the newer, also where they
// were removed in between and added again.
func TestVersionsGoOnInAnotherMembership(t *testing.T) {
	f := open(t)
	c := f.newConversation(t, "t", start)
	var last chat.Mark
	newer := func(when string, m chat.Mark, moved bool) {
		t.Helper()
		if moved != (m.Version > last.Version) || moved != (m.Seq != last.Seq) {
			t.Errorf("%s: the mark was %d in version %d, and is %d in %d", when, last.Seq, last.Version, m.Seq, m.Version)
		}
		last = m
	}
	seen := func(when string, moved bool) { t.Helper(); newer(when, f.reading(t, bob, c.ID).Mark, moved) }
	for i := range 5 {
		f.utter(t, c.ID, bot, 3)
		if _, err := f.AddParticipant(t.Context(), alice, c.ID, bob, start); err != nil {
			t.Fatal(err)
		}
		seen(fmt.Sprint("membership ", i), true)
		f.utter(t, c.ID, bot, 2)
		if i == 1 || i == 2 || i == 4 { // of the others there is no mark
			newer("the first mark", f.readTo(t, bob, c.ID, last.Seq+1, i == 1), true)
			newer("unread", f.markUnread(t, bob, c.ID, last.Seq), true)
			seen("as it was answered", false)
		}
		if _, _, err := f.RemoveParticipant(t.Context(), alice, c.ID, bob, start); err != nil {
			t.Fatal(err)
		}
	}
}

// Of an earlier version participants have no beginning: nothing is unread until they are
// given one, which is the end of the log then.
func TestParticipantsOfAnEarlierVersion(t *testing.T) {
	f := open(t)
	ctx := t.Context()
	old := f.db.Collection("conversations")
	var ids []chat.ConversationID
	for i := range 3 {
		c := f.newConversation(t, fmt.Sprint(i), start)
		f.utter(t, c.ID, bot, i+2)
		var d struct {
			Participants []bson.M `bson:"participants"`
		}
		if err := old.FindOne(ctx, bson.M{"_id": c.ID}).Decode(&d); err != nil {
			t.Fatal(err)
		}
		for j, p := range d.Participants {
			if i < 2 || j == 0 { // of the third one only the first
				delete(p, "fromSeq")
			}
		}
		if _, err := old.UpdateOne(ctx, bson.M{"_id": c.ID}, bson.M{"$set": bson.M{"participants": d.Participants}}); err != nil {
			t.Fatal(err)
		}
		ids = append(ids, c.ID)
	}
	f.wantReading(t, "before", alice, ids[0], 2, 2, 0, false)
	f.utter(t, ids[0], bot, 1)
	f.wantReading(t, "before, and more was said", alice, ids[0], 3, 3, 0, false)
	for range 2 {
		if err := f.CreateIndexes(ctx); err != nil {
			t.Fatal(err)
		}
	}
	f.wantReading(t, "after", alice, ids[0], 3, 3, 0, false)
	f.utter(t, ids[0], bot, 1)
	f.wantReading(t, "after, and more was said", alice, ids[0], 3, 3, 1, false)
	f.wantReading(t, "another one", bot, ids[1], 3, 3, 0, false)
	f.utter(t, ids[2], alice, 1)
	f.wantReading(t, "only who lacked it", bot, ids[2], 0, 0, 1, false)
	f.wantReading(t, "only who lacked it", alice, ids[2], 4, 4, 0, false)
}

// What waits for an agent goes on to wait where it is given a beginning.
func TestTheBacklogOfAnEarlierVersion(t *testing.T) {
	f := open(t)
	c := f.newConversation(t, "t", time.Now())
	f.utter(t, c.ID, alice, 2)
	f.utter(t, c.ID, bot, 1)
	f.utter(t, c.ID, alice, 2)
	if _, err := f.AddParticipant(t.Context(), alice, c.ID, helper, time.Now()); err != nil {
		t.Fatal(err)
	}
	c = f.current(t, c.ID)
	var without bson.A
	for _, p := range c.Participants {
		without = append(without, bson.M{"type": p.Type, "id": p.ID, "joined": p.Joined})
	}
	if _, err := f.db.Collection("conversations").UpdateOne(t.Context(), bson.M{"_id": c.ID}, bson.M{"$set": bson.M{"participants": without}}); err != nil {
		t.Fatal(err)
	}
	for _, when := range []string{"before", "after"} {
		if said, _, err := f.Backlog(t.Context(), bot, "", 9); err != nil || len(said) != 2 {
			t.Errorf("%s: %d messages wait, %v, want 2", when, len(said), err)
		}
		if err := f.CreateIndexes(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	f.wantReading(t, "after", bot, c.ID, 3, 3, 2, false)
	f.wantReading(t, "nothing waits for it", helper, c.ID, 5, 5, 0, false)
	f.wantReading(t, "a user", alice, c.ID, 5, 5, 0, false)
}

// An agent that has read all has nothing to answer, until somebody says more.
func TestMarksEndABacklog(t *testing.T) {
	f := open(t)
	c := f.newConversation(t, "t", time.Now())
	backlog := func() (n int) {
		t.Helper()
		said, _, err := f.Backlog(t.Context(), bot, "", 9)
		if err != nil {
			t.Fatal(err)
		}
		return len(said)
	}
	f.utter(t, c.ID, alice, 2)
	for _, s := range []struct {
		name string
		do   func()
		want int
	}{
		{"nothing read", func() {}, 2},
		{"something newer waits", func() { f.readTo(t, bot, c.ID, 1, false) }, 1},
		{"a user's mark", func() { f.readTo(t, alice, c.ID, 2, false) }, 1},
		{"all read", func() { f.readTo(t, bot, c.ID, 2, true) }, 0},
		{"unread again", func() { f.markUnread(t, bot, c.ID, 1) }, 0},
		{"something new", func() { f.utter(t, c.ID, alice, 1) }, 3},
		{"all but that", func() { f.readTo(t, bot, c.ID, 2, false) }, 1},
		{"read twice", func() { f.readTo(t, bot, c.ID, 3, false); f.readTo(t, bot, c.ID, 3, false) }, 0},
	} {
		if s.do(); backlog() != s.want {
			t.Errorf("%s: %d messages wait, want %d", s.name, backlog(), s.want)
		}
	}
	// The mark is there and the function died: a repeat ends the backlog.
	f.utter(t, c.ID, alice, 1)
	if _, err := f.db.Collection("reads").UpdateOne(t.Context(), bson.M{"conversationId": c.ID, "id": bot.ID}, bson.M{"$set": bson.M{"seq": int64(4), "publicSeq": int64(4)}}); err != nil {
		t.Fatal(err)
	}
	if f.readTo(t, bot, c.ID, 4, false); backlog() != 0 {
		t.Error("a repeat does not end the backlog")
	}
	// What was not projected when it was read, or was not read, is not lost.
	for i, late := range []struct {
		mark int64
		want int
	}{{5, 0}, {5, 1}} {
		m := f.append(t, newMessage(t, c.ID, alice, fmt.Sprint("late", i), draftOf("x")))
		f.readTo(t, bot, c.ID, late.mark, false)
		if err := f.Project(t.Context(), f.current(t, c.ID), m); err != nil {
			t.Fatal(err)
		}
		if backlog() != late.want {
			t.Errorf("%d was read before %d was projected: %d messages wait, want %d", late.mark, m.Seq, backlog(), late.want)
		}
	}
}

// Whatever devices do at once, the largest read stays, there is one mark, and each change has
// a version of its own.
func TestMarksAtOnce(t *testing.T) {
	f := open(t)
	c := f.newConversation(t, "t", start)
	f.utter(t, c.ID, bot, 40)
	c = f.current(t, c.ID)
	var g sync.WaitGroup
	versions := make([]int64, 8)
	for i := range 8 {
		g.Go(func() {
			for j := range 5 {
				m, err := f.Read(t.Context(), alice, c, int64(j*8+i+1), i%2 == 0, start)
				if err != nil {
					t.Error(err)
				}
				versions[i] = max(versions[i], m.Version)
			}
		})
	}
	g.Wait()
	f.wantReading(t, "read at once", alice, c.ID, 40, 40, 0, false)
	if n, err := f.db.Collection("reads").CountDocuments(t.Context(), bson.M{}); n != 1 || err != nil {
		t.Errorf("there are %d marks, %v", n, err)
	}
	if last := f.reading(t, alice, c.ID).Version; last != slices.Max(versions) || last > 40 {
		t.Errorf("the version is %d, those that were answered %v", last, versions)
	}
}

// What is counted by the entries of an index alone names nothing that is not in it.
func TestUnreadIsCovered(t *testing.T) {
	in := map[string]bool{}
	for _, e := range mongostore.UnreadKeys() {
		in[e.Key] = true
	}
	pipeline := mongostore.UnreadPipeline([]chat.Mark{{ConversationID: "c1"}, {ConversationID: "c2", Seq: 7}})
	var named []string
	for _, one := range pipeline[0]["$match"].(bson.M)["$or"].(bson.A) {
		for field := range one.(bson.M) {
			named = append(named, field)
		}
	}
	for _, e := range pipeline[1]["$group"].(bson.M)["_id"].(bson.D) {
		named = append(named, e.Value.(string)[1:])
	}
	for _, field := range named {
		if !in[field] {
			t.Errorf("%s is not in the index", field)
		}
	}
	if len(named) != 2*4+3 {
		t.Errorf("the fields are %v", named)
	}
}

// recount is what is unread of a log, by its messages.
func recount(log []chat.Message, p chat.Principal, mark int64) (u chat.Unread) {
	for i := range log {
		switch m := &log[i]; {
		case m.Seq > mark+chat.UnreadSpan:
			u.More = true
		case m.Seq > mark && m.CountsFor(p):
			u.Count++
		}
	}
	return u
}

// After each of many operations of several principals, what is unread is what a recount of
// the log says, and the marks are those of a model that does one thing after the other. With
// AIWM_MODEL there are 100,000, which takes half a minute.
func TestUnreadNeverDrifts(t *testing.T) {
	operations, seed := 15_000, uint64(12)
	switch {
	case os.Getenv("AIWM_MODEL") != "":
		operations = 100_000
	case os.Getenv("MONGODB_URI") != "": // where each write waits for others
		operations = 500
	}
	f, r := open(t), rand.New(rand.NewPCG(seed, 0))
	type model struct{ seq, public int64 }
	everybody := []chat.Principal{alice, bob, bot, {Type: chat.Agent, ID: "alice", OrgID: "o1"}, {Type: chat.User, ID: "bot", OrgID: "o1"}}
	type room struct {
		c     chat.Conversation
		log   []chat.Message
		marks map[chat.Principal]*model
	}
	var rooms []*room
	for i := range 8 {
		c := f.newConversation(t, fmt.Sprint(i), start)
		for _, p := range everybody {
			if _, err := f.AddParticipant(t.Context(), alice, c.ID, p, start); err != nil {
				t.Fatal(err)
			}
		}
		in := &room{c: f.current(t, c.ID), marks: map[chat.Principal]*model{}}
		for _, p := range everybody {
			in.marks[p] = &model{}
		}
		rooms = append(rooms, in)
	}
	types := []chat.MessageType{chat.TypeText, chat.TypeText, chat.TypeText, chat.TypeError, chat.TypeThinking, chat.TypeToolCall, chat.TypeSystem}
	differences := 0
	for i := range operations {
		in, p := rooms[r.IntN(len(rooms))], everybody[r.IntN(len(everybody))]
		end, mark := int64(len(in.log)), in.marks[p]
		var err error
		switch n := r.IntN(100); {
		case n < 8 && end < 400:
			d := draftOf("x")
			if p.Type == chat.Agent {
				d.Type = types[r.IntN(len(types))]
			}
			m, _, failed := f.Append(t.Context(), in.c.Head(), newMessage(t, in.c.ID, p, fmt.Sprint(i), d))
			err = failed
			in.log, in.c.TotalMessages = append(in.log, m), m.Seq // as Project has it
		case n < 12 && end > 0:
			m := &in.log[r.IntN(len(in.log))]
			_, err = f.DeleteMessage(t.Context(), *m, m.Sender, start)
			m.Deleted = true
		case n < 60:
			seq, private := r.Int64N(end+3)+1, r.IntN(4) == 0
			_, err = f.Read(t.Context(), p, in.c, seq, private, start)
			seq = min(seq, end)
			if mark.seq = max(mark.seq, seq); !private {
				mark.public = max(mark.public, seq)
			}
		case n < 90:
			from := r.Int64N(end+3) + 1
			_, err = f.MarkUnread(t.Context(), p, in.c, from)
			mark.seq = min(mark.seq, from-1)
		default: // everybody else looks too
			all := make([]chat.Conversation, len(rooms))
			for j := range rooms {
				all[j] = rooms[j].c
			}
			var got []chat.Reading
			got, err = f.Readings(t.Context(), p, all)
			for j, g := range got {
				want := rooms[j].marks[p]
				if g.Seq != want.seq || g.PublicSeq != want.public || g.Unread != recount(rooms[j].log, p, want.seq) {
					if differences++; differences < 5 {
						t.Errorf("operation %d: %+v, want %+v and %+v", i, g, *want, recount(rooms[j].log, p, want.seq))
					}
				}
			}
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if differences > 0 {
		t.Errorf("%d differences after %d operations", differences, operations)
	}
}
