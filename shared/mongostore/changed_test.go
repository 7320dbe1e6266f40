package mongostore_test

import (
	"fmt"
	"testing"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"

	"aiwm-chat/shared/chat"
)

// changes reads all that changed after a cursor, page by page.
func (f fixture) changes(t testing.TB, id chat.ConversationID, after chat.ChangeCursor, limit int) (seqs string, next chat.ChangeCursor) {
	t.Helper()
	for more := true; more; {
		var page []chat.Message
		var err error
		if page, after, more, err = f.Changes(t.Context(), id, after, limit); err != nil {
			t.Fatal(err)
		}
		for _, m := range page {
			seqs += fmt.Sprint(m.Seq, " ")
		}
		if parsed, err := chat.ParseChangeCursor(after.String()); err != nil || parsed != after {
			t.Errorf("the cursor %s is read as %+v, %v", after, parsed, err)
		}
	}
	return seqs, after
}

func TestChanges(t *testing.T) {
	f := open(t)
	c, other := f.newConversation(t, "t", start), f.newConversation(t, "t", start)
	var log []chat.Message
	for i := range 6 {
		log = append(log, f.append(t, newMessage(t, c.ID, alice, fmt.Sprint(i), draftOf("x"))))
	}
	f.react(t, alice, f.append(t, newMessage(t, other.ID, alice, "elsewhere", draftOf("x"))), "👍", true)
	first, err := f.ChangeCursor(t.Context(), c.ID)
	if got, next := f.changes(t, c.ID, first, 10); err != nil || first != (chat.ChangeCursor{}) || got != "" || next != first {
		t.Errorf("nothing changed: %q, %+v, %+v, %v", got, first, next, err)
	}
	for _, i := range []int{4, 0, 2, 0} {
		f.react(t, alice, log[i], chat.ReactionKey(fmt.Sprint(":", time.Now().UnixNano(), ":")), true)
		time.Sleep(2 * time.Millisecond)
	}
	for _, limit := range []int{1, 2, 3, 10} {
		got, next := f.changes(t, c.ID, first, limit)
		if got != "5 3 1 " {
			t.Errorf("pages of %d: %q", limit, got)
		}
		// What the client has it may get again, what comes later it gets.
		if again, same := f.changes(t, c.ID, next, limit); again != "5 3 1 " || same != next {
			t.Errorf("after %s: %q, %s", next, again, same)
		}
	}
}

// Where a client reads page after page, and takes its time, a change that could not be read
// with the first page comes when it asks again, whatever the last page had.
func TestSlowPagesLoseNothing(t *testing.T) {
	f := open(t)
	c := f.newConversation(t, "t", start)
	at := start.Truncate(time.Millisecond)
	changed := func(m chat.Message, after time.Duration) {
		t.Helper()
		update := bson.M{"$set": bson.M{"changedAt": at.Add(after)}}
		if _, err := f.db.Collection("messages").UpdateOne(t.Context(), bson.M{"_id": m.ID}, update); err != nil {
			t.Fatal(err)
		}
	}
	var log []chat.Message
	for i := range 3 {
		log = append(log, f.append(t, newMessage(t, c.ID, alice, fmt.Sprint(i), draftOf("x"))))
	}
	changed(log[1], 10*time.Second)
	changed(log[2], 20*time.Second)
	page, next, more, err := f.Changes(t.Context(), c.ID, chat.ChangeCursor{}, 1)
	if err != nil || !more || page[0].Seq != 2 {
		t.Fatalf("the first page is %+v, %v, %v", page, more, err)
	}
	changed(log[0], 5*time.Second)   // it took that time before, and a majority has it now
	changed(log[2], 200*time.Second) // much later
	if got, end := f.changes(t, c.ID, next, 1); got != "3 " {
		t.Errorf("the rest is %q", got)
	} else if got, _ = f.changes(t, c.ID, end, 1); got != "1 2 3 " {
		t.Errorf("then comes %q", got)
	}
}

// Changes of one moment are told apart by their ids, and one that is a minute older than
// the latest does not come again.
func TestChangesOfOneMoment(t *testing.T) {
	f := open(t)
	c := f.newConversation(t, "t", start)
	at := start.Truncate(time.Millisecond)
	for i := range 7 {
		m := f.append(t, newMessage(t, c.ID, alice, fmt.Sprint(i), draftOf("x")))
		changed := at
		if i == 6 {
			changed = at.Add(chat.ChangesSettle)
		}
		if _, err := f.db.Collection("messages").UpdateOne(t.Context(), bson.M{"_id": m.ID}, bson.M{"$set": bson.M{"changedAt": changed}}); err != nil {
			t.Fatal(err)
		}
	}
	for _, limit := range []int{1, 2, 3, 7} {
		got, next := f.changes(t, c.ID, chat.ChangeCursor{}, limit)
		if got != "1 2 3 4 5 6 7 " || next.Since != at.UnixMilli() {
			t.Errorf("pages of %d: %q, %+v", limit, got, next)
		}
		if got, next = f.changes(t, c.ID, next, limit); got != "7 " || next.Since != at.UnixMilli() {
			t.Errorf("then: %q, %+v", got, next)
		}
	}
	if now, err := f.ChangeCursor(t.Context(), c.ID); err != nil || now.Since != at.UnixMilli() {
		t.Errorf("the cursor is %+v, %v", now, err)
	}
}
