package mongostore_test

import (
	"strings"
	"testing"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"golang.org/x/sync/errgroup"

	"aiwm-chat/shared/chat"
)

func (f fixture) create(t testing.TB, by chat.Principal, title string, key chat.IdempotencyKey) (chat.Conversation, bool, error) {
	t.Helper()
	c, err := chat.NewConversation(by, title, "", bot.ID, []string{"x"}, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	return f.CreateConversation(t.Context(), c, key)
}

// Under one key a creator has one conversation, however often it is asked for.
func TestCreationUnderAKey(t *testing.T) {
	f := open(t)
	ctx := t.Context()
	first, repeated, err := f.create(t, alice, "t", "k")
	if err != nil || repeated {
		t.Fatal(repeated, err)
	}
	title := "changed since"
	if _, err := f.UpdateConversation(ctx, alice, first.ID, chat.ConversationChange{Title: &title}, start); err != nil {
		t.Fatal(err)
	}
	again, repeated, err := f.create(t, alice, "t", "k")
	if err != nil || !repeated || again.ID != first.ID || again.Title != title {
		t.Errorf("the repeat got %+v, %v, %v", again, repeated, err)
	}
	if _, _, err = f.create(t, alice, "another", "k"); chat.CodeOf(err) != chat.Conflict {
		t.Errorf("another one under the same key: %v", err)
	}
	namesake := chat.Principal{Type: chat.Agent, ID: alice.ID, OrgID: alice.OrgID}
	for name, create := range map[string]func() (chat.Conversation, bool, error){
		"another key":          func() (chat.Conversation, bool, error) { return f.create(t, alice, "t", "k2") },
		"no key":               func() (chat.Conversation, bool, error) { return f.create(t, alice, "t", "") },
		"no key again":         func() (chat.Conversation, bool, error) { return f.create(t, alice, "t", "") },
		"somebody else":        func() (chat.Conversation, bool, error) { return f.create(t, bob, "t", "k") },
		"an agent of that id":  func() (chat.Conversation, bool, error) { return f.create(t, namesake, "t", "k") },
		"another organisation": func() (chat.Conversation, bool, error) { return f.create(t, mallory, "t", "k") },
	} {
		if c, repeated, err := create(); err != nil || repeated || c.ID == first.ID {
			t.Errorf("%s: got %+v, %v, %v", name, c, repeated, err)
		}
	}
	// What another release asked for under this key cannot be compared.
	if _, err := f.db.Collection("conversations").UpdateOne(ctx, bson.M{"_id": first.ID}, bson.M{"$set": bson.M{"creation.fingerprint": "9:x"}}); err != nil {
		t.Fatal(err)
	}
	if c, repeated, err := f.create(t, alice, "t", "k"); err != nil || !repeated || c.ID != first.ID {
		t.Errorf("of another release: %+v, %v, %v", c, repeated, err)
	}
	if _, err := f.DeleteConversation(ctx, alice, first.ID, start); err != nil {
		t.Fatal(err)
	}
	if _, _, err = f.create(t, alice, "t", "k"); chat.CodeOf(err) != chat.Conflict || !strings.Contains(err.Error(), "any more") {
		t.Errorf("of a deleted one: %v", err)
	}
}

func TestCreationsAtOnce(t *testing.T) {
	f := open(t)
	ids := make([]chat.ConversationID, 8)
	again := make([]bool, len(ids))
	var g errgroup.Group
	for i := range ids {
		g.Go(func() error {
			c, repeated, err := f.create(t, alice, "t", "k")
			ids[i], again[i] = c.ID, repeated
			return err
		})
	}
	if err := g.Wait(); err != nil {
		t.Fatal(err)
	}
	firsts := 0
	for i := range ids {
		if ids[i] != ids[0] {
			t.Errorf("two conversations: %v", ids)
		}
		if !again[i] {
			firsts++
		}
	}
	page, err := f.Conversations(t.Context(), alice, chat.ConversationQuery{Limit: 10})
	if err != nil || len(page.Conversations) != 1 || firsts != 1 {
		t.Errorf("%d conversations, %d were the first, %v", len(page.Conversations), firsts, err)
	}
}

// Without the unique index a key is none.
func TestCreationNeedsTheIndex(t *testing.T) {
	f := open(t)
	if err := f.db.Collection("conversations").Indexes().DropOne(t.Context(), "orgId_1_creation.key_1"); err != nil {
		t.Fatal(err)
	}
	if err := f.CheckIndexes(t.Context()); err == nil || !strings.Contains(err.Error(), "creation.key") {
		t.Errorf("without the index of keys: %v", err)
	}
	if _, err := forAppends(t, serverURI, f.db.Name()); err == nil {
		t.Error("a function starts without it")
	}
}
