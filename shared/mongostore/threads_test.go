package mongostore_test

import (
	"fmt"
	"sync"
	"testing"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"

	"aiwm-chat/shared/chat"
)

// reply appends a message that is in the thread of another one.
func (f fixture) reply(t testing.TB, to chat.Message, client string) chat.Message {
	t.Helper()
	m := newMessage(t, to.ConversationID, alice, client, chat.Draft{Content: client, ParentID: to.ID})
	m.ThreadID = to.ThreadOf(alice.Type)
	return f.append(t, m)
}

// counted is what the root says after a count for a reply, and whether it changed.
func (f fixture) counted(t testing.TB, reply chat.Message) (r chat.Replies, changed bool) {
	t.Helper()
	root, err := f.CountReplies(t.Context(), reply, start)
	if err != nil {
		t.Fatal(err)
	}
	now, err := f.Message(t.Context(), alice.OrgID, reply.ThreadID)
	if err != nil {
		t.Fatal(err)
	}
	if root != nil && (root.Replies != now.Replies || root.Version != now.Version || !root.Due.Has(chat.EffectTell)) {
		t.Errorf("returned is %+v, stored %+v", root, now)
	}
	return now.Replies, root != nil
}

func TestThreads(t *testing.T) {
	f := open(t)
	c := f.newConversation(t, "t", start)
	root := f.append(t, newMessage(t, c.ID, alice, "root", draftOf("x")))
	other := f.append(t, newMessage(t, c.ID, alice, "other", draftOf("x")))
	first := f.reply(t, root, "r1")
	f.reply(t, other, "o1")
	nested := f.reply(t, first, "r2") // an answer to an answer
	if nested.ThreadID != root.ID || nested.ParentID != first.ID {
		t.Fatalf("it is in the thread %q", nested.ThreadID)
	}
	want := func(what string, reply chat.Message, count, last int64, changed bool) {
		t.Helper()
		if got, did := f.counted(t, reply); got != (chat.Replies{Count: count, LastSeq: last}) || did != changed {
			t.Errorf("%s: %+v, changed %v", what, got, did)
		}
	}
	want("two", nested, 2, nested.Seq, true)
	want("again", first, 2, nested.Seq, false)
	gone, err := f.DeleteMessage(t.Context(), nested, alice, start)
	if err != nil || !gone.Due.Has(chat.EffectReplies) || gone.ThreadID != root.ID {
		t.Fatalf("deleted: %+v, %v", gone, err)
	}
	want("the newer is deleted", gone, 1, first.Seq, true)
	if root, err = f.DeleteMessage(t.Context(), root, alice, start); err != nil || root.Due.Has(chat.EffectReplies) {
		t.Fatalf("the root is deleted: %+v, %v", root.Due, err)
	}
	third := f.reply(t, gone, "r3") // to a tombstone, in the thread of one
	want("of a tombstone", third, 2, third.Seq, true)
	for _, tt := range []struct {
		q    chat.MessageQuery
		want string
		more bool
	}{
		{chat.MessageQuery{}, "3 5 6 ", false},
		{chat.MessageQuery{Limit: 2}, "5 6 ", true},
		{chat.MessageQuery{Limit: 2, BeforeSeq: new(int64(6))}, "3 5 ", false},
		{chat.MessageQuery{Limit: 1, AfterSeq: new(int64(3))}, "5 ", true},
	} {
		if tt.q.ThreadID = root.ID; tt.q.Limit == 0 {
			tt.q.Limit = 10
		}
		page, more, err := f.Messages(t.Context(), c.ID, tt.q)
		got := ""
		for _, m := range page {
			got += fmt.Sprint(m.Seq, " ")
		}
		if got != tt.want || more != tt.more || err != nil {
			t.Errorf("%+v: %s, more %v, %v", tt.q, got, more, err)
		}
	}
	nowhere := third
	nowhere.ThreadID = "gone"
	if root, err := f.CountReplies(t.Context(), nowhere, start); root != nil || err != nil {
		t.Errorf("without a root: %+v, %v", root, err)
	}
}

// However replies, edits and deletions come together, each counts for itself at its end and
// the last one leaves what is true.
func TestRepliesAtOnce(t *testing.T) {
	f := open(t)
	c := f.newConversation(t, "t", start)
	root := f.append(t, newMessage(t, c.ID, alice, "root", draftOf("x")))
	var all sync.WaitGroup
	const n = 24
	for i := range n {
		all.Go(func() {
			m := f.reply(t, root, fmt.Sprint("r", i))
			if i%4 == 0 {
				if _, err := f.DeleteMessage(t.Context(), m, alice, start); err != nil {
					t.Error(err)
				}
			}
			if _, err := f.CountReplies(t.Context(), m, start); err != nil {
				t.Error(err)
			}
		})
	}
	all.Go(func() {
		for i := range int64(6) {
			if _, done, err := f.EditMessage(t.Context(), alice, chat.Edit{ConversationID: c.ID, MessageID: root.ID, Content: fmt.Sprint(i), Edits: i}, start); err != nil || !done {
				t.Errorf("a count made an edit fail: %v", err)
			}
		}
	})
	all.Wait()
	page, _, err := f.Messages(t.Context(), c.ID, chat.MessageQuery{ThreadID: root.ID, Limit: 100})
	if err != nil {
		t.Fatal(err)
	}
	var want chat.Replies
	for _, m := range page {
		if !m.Deleted {
			want = chat.Replies{Count: want.Count + 1, LastSeq: m.Seq}
		}
	}
	now, err := f.Message(t.Context(), alice.OrgID, root.ID)
	if err != nil || now.Replies != want || want.Count != n-n/4 || now.Edits != 6 {
		t.Errorf("the root says %+v, it is %+v; %d edits, %v", now.Replies, want, now.Edits, err)
	}
}

// A long thread is counted as far as the bound, and its newest is known all the same.
func TestRepliesOfALongThread(t *testing.T) {
	f := open(t)
	c := f.newConversation(t, "t", start)
	root := f.append(t, newMessage(t, c.ID, alice, "root", draftOf("x")))
	var docs []any
	for i := range chat.MaxReplies + 5 {
		docs = append(docs, bson.M{"_id": fmt.Sprint("m", i), "conversationId": c.ID, "orgId": alice.OrgID, "seq": int64(i + 2), "threadId": root.ID, "isDeleted": false,
			"participantId": "alice", "participantType": "user", "clientMessageId": fmt.Sprint("m", i), "createdAt": time.Now()})
	}
	if _, err := f.db.Collection("messages").InsertMany(t.Context(), docs); err != nil {
		t.Fatal(err)
	}
	if got, _ := f.counted(t, f.reply(t, root, "last")); got != (chat.Replies{Count: chat.MaxReplies, LastSeq: chat.MaxReplies + 7}) {
		t.Errorf("%+v", got)
	}
}
