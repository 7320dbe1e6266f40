package migrate

import (
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"

	"aiwm-chat/shared/chat"
	"aiwm-chat/shared/mongostore"
)

// there puts something of the product into the chat's database, which nobody may
// touch.
func (w world) there(t testing.TB) {
	t.Helper()
	c, err := chat.NewConversation(chat.Principal{Type: chat.User, ID: "u9", OrgID: chat.DefaultOrg}, "Mine", "", "a1", nil, day)
	if err != nil {
		t.Fatal(err)
	}
	for _, id := range []chat.ConversationID{"mine", "clash"} {
		c.ID = id
		doc, err := mongostore.ConversationDocument(c, nil)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := w.now.Collection("conversations").InsertOne(t.Context(), doc); err != nil {
			t.Fatal(err)
		}
	}
}

// A migration that is killed before any of its writes goes on when it begins again,
// and comes to what it would have come to; and it can be taken back from there, to
// the byte.
func TestKilledBetweenAnyTwoWrites(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.ordinary(t, "c1", 0, 5)
	w.ordinary(t, "c2", 20, 0)
	w.broken(t)
	w.there(t)
	before := dump(t, w.now, everything...)
	source := dump(t, w.old, data...)
	reference, said := w.migrate(t)
	want := dump(t, w.now, andBackup...)
	for n := 0; ; n++ {
		killed := w.another(t)
		killed.there(t)
		m, _ := killed.mover(t, n)
		err := m.bring(t.Context(), "old", false)
		if err == nil {
			if n < 20 {
				t.Errorf("%d writes only: the test is broken", n)
			}
			break
		}
		if !errors.Is(err, errKilled) {
			t.Fatalf("killed before write %d: %v", n, err)
		}
		if n%2 == 1 { // each other one is taken back first, and then made
			killed.rollback(t)
			same(t, "taken back", dump(t, killed.now, everything...), before)
		}
		_, again := killed.migrate(t)
		same(t, "gone on", dump(t, killed.now, andBackup...), want)
		if report := again[strings.Index(again, "conversations: "):]; report != said[strings.Index(said, "conversations: "):] {
			t.Errorf("killed before write %d the report is\n%s\nwant\n%s", n, report, said)
		}
		if t.Failed() {
			t.Fatalf("killed before write %d", n)
		}
	}
	if reference.Conversations == 0 {
		t.Error("nothing was taken")
	}
	same(t, "the old data", dump(t, w.old, data...), source)
}

// A rollback that is killed before any of its writes ends when it begins again.
func TestARollbackIsKilledBetweenAnyTwoWrites(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.ordinary(t, "c1", 0, 5)
	w.ordinary(t, "c2", 20, 1)
	w.there(t)
	before := dump(t, w.now, everything...)
	for n := 0; ; n++ {
		w.migrate(t)
		m, _ := w.mover(t, n)
		err := m.takeBack(t.Context())
		if err != nil && !errors.Is(err, errKilled) {
			t.Fatal(err)
		}
		if err != nil && n > 0 {
			next, _ := w.mover(t, -1)
			if err := next.bring(t.Context(), "old", false); err == nil || !strings.Contains(err.Error(), "-rollback") {
				t.Fatalf("a run after a rollback that was killed: %v", err)
			}
		}
		if err != nil {
			w.rollback(t)
		}
		same(t, "taken back", dump(t, w.now, everything...), before)
		if t.Failed() {
			t.Fatalf("killed before write %d", n)
		}
		if err == nil {
			break
		}
	}
}

// A second run changes nothing where nothing came since, and adds what came behind
// the rest; each run is taken back by itself.
func TestRunsAfterTheFirst(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.ordinary(t, "c1", 0, 3)
	w.ordinary(t, "c2", 20, 3)
	w.migrate(t)
	first := dump(t, w.now, andBackup...)
	if r, _ := w.migrate(t); r.Conversations != 0 || r.There != 2 || r.sum.Taken != 0 || r.sum.There != 6 {
		t.Errorf("the second run: %+v", r)
	}
	same(t, "the second run", dump(t, w.now, andBackup...), first)
	w.say(t, "c1", 40, 3)
	w.ordinary(t, "c3", 60, 1)
	for n := 0; ; n++ {
		m, _ := w.mover(t, n)
		err := m.bring(t.Context(), "old", false)
		if err == nil {
			break
		}
		if !errors.Is(err, errKilled) {
			t.Fatal(err)
		}
	}
	if last := w.conversation(t, "c1"); last.TotalMessages != 6 || last.LastMessage == nil || last.LastMessage.Content != "c1 42" {
		t.Errorf("c1 after the third run: %+v", last)
	}
	w.whole(t, "c1", 6)
	w.whole(t, "c3", 1)
	w.rollback(t)
	same(t, "the third run taken back", dump(t, w.now, andBackup...), first)
	w.rollback(t)
	if left := dump(t, w.now, everything...); len(left) != 0 {
		t.Errorf("all taken back: %d documents are left", len(left))
	}
	m, _ := w.mover(t, -1)
	if err := m.takeBack(t.Context()); err == nil {
		t.Error("a rollback of nothing says nothing")
	}
}

// What people did since is theirs: a rollback leaves it, and says so.
func TestARollbackLosesNothingThatWasDoneSince(t *testing.T) {
	t.Parallel()
	user := chat.Principal{Type: chat.User, ID: "u1", OrgID: chat.DefaultOrg}
	for name, since := range map[string]func(s *mongostore.Store, c chat.Conversation) error{
		"messages were sent in it since": func(s *mongostore.Store, c chat.Conversation) error {
			m, err := chat.NewMessage(c.ID, user, "new", chat.Draft{Content: "hello"}, chat.MaxContentREST, day)
			if err == nil {
				_, _, err = s.Append(t.Context(), c.Head(), m)
			}
			return err
		},
		"it was changed since": func(s *mongostore.Store, c chat.Conversation) error {
			title := "Another title"
			_, err := s.UpdateConversation(t.Context(), user, c.ID, chat.ConversationChange{Title: &title}, time.Now())
			return err
		},
		"a message of it was deleted since": func(s *mongostore.Store, c chat.Conversation) error {
			m, err := s.Message(t.Context(), user.OrgID, chat.MessageID(oid(1).Hex()))
			if err == nil {
				_, err = s.DeleteMessage(t.Context(), m, m.Sender, time.Now())
			}
			return err
		},
	} {
		w := newWorld(t)
		w.ordinary(t, "c1", 0, 3)
		w.ordinary(t, "c2", 20, 3)
		w.migrate(t)
		m, _ := w.mover(t, -1)
		if err := since(m.store, w.conversation(t, "c1")); err != nil {
			t.Fatal(err)
		}
		before := dump(t, w.now, data...)
		for range 2 { // it may be asked again
			r := w.rollback(t)
			if len(r.sum.Problems) != 1 || r.sum.Problems[0].ID != "c1" || r.sum.Problems[0].Reason != name {
				t.Errorf("%s: reported %+v", name, r.sum.Problems)
			}
		}
		after := dump(t, w.now, data...)
		for k, doc := range before {
			if k == `conversations/"c2"` || bson.Raw(doc).Lookup("conversationId").String() == `"c2"` {
				delete(before, k)
			}
		}
		same(t, name, after, before)
	}
}

// A mark is never after the end of the log: what is said next has not been read before.
func TestARollbackTakesMarksBack(t *testing.T) {
	t.Parallel()
	user, agent := chat.Principal{Type: chat.User, ID: "u1", OrgID: chat.DefaultOrg}, chat.Principal{Type: chat.Agent, ID: "a1", OrgID: chat.DefaultOrg}
	w := newWorld(t)
	w.ordinary(t, "c1", 0, 3)
	w.ordinary(t, "c2", 20, 3)
	w.migrate(t)
	w.say(t, "c1", 40, 3)
	w.migrate(t)
	m, _ := w.mover(t, -1)
	read := func(p chat.Principal, c chat.ConversationID, seq int64, private bool) {
		t.Helper()
		if _, err := m.store.Read(t.Context(), p, w.conversation(t, c), seq, private, time.Now()); err != nil {
			t.Fatal(err)
		}
	}
	read(user, "c1", 6, false)
	read(agent, "c1", 5, true)
	read(user, "c2", 3, false)
	elsewhere := dump(t, w.now, "reads")
	for n := 0; ; n++ {
		m, _ := w.mover(t, n)
		err := m.takeBack(t.Context())
		if err == nil {
			break
		}
		if !errors.Is(err, errKilled) {
			t.Fatal(err)
		}
	}
	after, err := m.store.Marks(t.Context(), w.conversation(t, "c1"))
	if err != nil || after[0].Seq != 3 || after[0].PublicSeq != 3 || after[0].Version <= 4 || after[1].Seq != 3 || after[1].PublicSeq != 3 || after[1].Version <= 4 {
		t.Errorf("with 3 messages the marks are %+v, %v", after, err)
	}
	for id, d := range dump(t, w.now, "reads") {
		if bson.Raw(d).Lookup("conversationId").StringValue() == "c2" && d != elsewhere[id] {
			t.Errorf("the mark of another conversation is %v", bson.Raw(d))
		}
	}
	w.rollback(t)
	if left := dump(t, w.now, "reads"); len(left) != 0 {
		t.Errorf("%d marks are left of conversations that are not there", len(left))
	}
}

// Two at a time do each other no harm.
func TestTwoAtATime(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for i := range 4 {
		w.ordinary(t, "c"+string(rune('1'+i)), 20*i, 9)
	}
	var wg sync.WaitGroup
	for range 2 {
		m, _ := w.mover(t, -1)
		wg.Go(func() {
			if err := m.bring(t.Context(), "old", false); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	for i := range 4 {
		w.whole(t, chat.ConversationID("c"+string(rune('1'+i))), 9)
	}
}

// Rows that name no organisation go to one: a run that goes on has the -org that it
// began with, and a later one adds nothing to what is another's.
func TestAnotherOrganisation(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.ordinary(t, "c1", 0, 3)
	w.ordinary(t, "c2", 20, 3)
	m, _ := w.mover(t, 9)
	if err := m.bring(t.Context(), "old", false); !errors.Is(err, errKilled) {
		t.Fatal(err)
	}
	before := dump(t, w.now, everything...)
	for _, dry := range []bool{true, false} {
		m, _ := w.mover(t, -1)
		m.org = "another"
		if err := m.bring(t.Context(), "old", dry); err == nil || !strings.Contains(err.Error(), "-org "+string(chat.DefaultOrg)) {
			t.Errorf("dry %t: gone on with another -org: %v", dry, err)
		}
	}
	same(t, "with another -org", dump(t, w.now, everything...), before)
	w.migrate(t)
	w.say(t, "c1", 40, 1)
	before = dump(t, w.now, andBackup...)
	m, out := w.mover(t, -1)
	m.org = "another"
	if err := m.bring(t.Context(), "old", false); err != nil || !strings.Contains(out.String(), "it is there already, in the organisation "+string(chat.DefaultOrg)) {
		t.Errorf("a second run with another -org: error %v, said %s", err, out)
	}
	same(t, "a second run with another -org", dump(t, w.now, andBackup...), before)
	w.migrate(t)
	w.whole(t, "c1", 4)
}

// A run whose journal is taken back while it works ends with an error, and revives
// nothing of it.
func TestTakenBackMeanwhile(t *testing.T) {
	t.Parallel()
	for write := 3; write <= 12; write++ { // before which it is
		w := newWorld(t)
		w.ordinary(t, "c1", 0, 3)
		w.ordinary(t, "c2", 20, 3)
		m, _ := w.mover(t, -1)
		n := 0
		m.journal.step = func() error {
			if n++; n == write {
				w.rollback(t)
			}
			return nil
		}
		if err := m.bring(t.Context(), "old", false); !errors.Is(err, errTaken) {
			t.Errorf("taken back before write %d: %v", write, err)
		}
		if left := dump(t, w.now, runsName); len(left) != 0 {
			t.Errorf("%d runs are left", len(left))
		}
		w.migrate(t)
		w.whole(t, "c1", 3)
		w.whole(t, "c2", 3)
	}
}

// A dry run says the same and writes nothing.
func TestDryRun(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.ordinary(t, "c1", 0, 3)
	w.broken(t)
	w.there(t)
	before := dump(t, w.now, everything...)
	m, out := w.mover(t, 0)
	if err := m.bring(t.Context(), "old", true); err != nil {
		t.Fatal(err)
	}
	same(t, "a dry run", dump(t, w.now, everything...), before)
	_, said := w.migrate(t)
	if got := strings.ReplaceAll(out.String(), "would be taken", "taken"); got != said {
		t.Errorf("a dry run says\n%s\nthe run says\n%s", got, said)
	}
}

// conversation reads one as the product does.
func (w world) conversation(t testing.TB, id chat.ConversationID) chat.Conversation {
	t.Helper()
	m, _ := w.mover(t, -1)
	c, err := m.store.Conversation(t.Context(), chat.Principal{Type: chat.User, ID: "u1", OrgID: chat.DefaultOrg}, id)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// whole holds that a log is contiguous from 1 to n, in the order of time.
func (w world) whole(t testing.TB, id chat.ConversationID, n int) {
	t.Helper()
	m, _ := w.mover(t, -1)
	zero := int64(0)
	messages, _, err := m.store.Messages(t.Context(), id, chat.MessageQuery{AfterSeq: &zero, Limit: 1000})
	if err != nil || len(messages) != n {
		t.Fatalf("%s has %d messages, error %v, want %d", id, len(messages), err, n)
	}
	tokens := int64(0)
	for i, m := range messages {
		tokens += m.Tokens()
		if m.Seq != int64(i+1) || m.RunningTokens != tokens || i > 0 && m.CreatedAt.Before(messages[i-1].CreatedAt) {
			t.Errorf("%s: message %d has seq %d, %d running tokens, of %v", id, i+1, m.Seq, m.RunningTokens, m.CreatedAt)
		}
	}
}

func TestNothingToMove(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.put(t, w.old, "messages", bson.D{{Key: "_id", Value: 1}})
	m, _ := w.mover(t, -1)
	if err := m.bring(t.Context(), "old", false); !errors.Is(err, errNothing) {
		t.Errorf("error %v, want %v", err, errNothing)
	}
}
