package mongostore_test

import (
	"fmt"
	"testing"

	"go.mongodb.org/mongo-driver/v2/bson"

	"aiwm-chat/shared/chat"
)

// What was said before there was an index is found after it, and what a later version says, or
// no longer says, stays.
func TestReindex(t *testing.T) {
	f := open(t)
	c := f.conversation(t, "c")
	var all []chat.Message
	for i := range 7 {
		all = append(all, f.append(t, newMessage(t, c, alice, fmt.Sprint(i), draftOf("an old word"))))
	}
	f.index(t, f.edit(t, all[1], "a new one"))
	gone, err := f.DeleteMessage(t.Context(), all[2], alice, start)
	if err != nil {
		t.Fatal(err)
	}
	later := all[3]
	later.Version, later.Content = 5, "from later"
	f.index(t, later)
	if _, err := f.db.Collection("search").InsertOne(t.Context(), bson.M{"_id": all[4].ID, "conversationId": c, "at": all[4].CreatedAt, "version": 0, "terms": bson.A{"by", "other", "rules"}}); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		var last chat.MessageID
		for total := 0; ; {
			next, n, err := f.Reindex(t.Context(), last, 3)
			if err != nil {
				t.Fatal(err)
			}
			if total += n; n == 0 {
				if total != 7 {
					t.Errorf("%d messages are read", total)
				}
				break
			}
			last = next
		}
		q := chat.SearchQuery{Conversations: []chat.ConversationID{c}}
		if got := f.look(t, "old ", 10, q) + "; " + f.look(t, "one", 10, q); sorted(got) != sorted("c7 c6 c5 c1; c2") {
			t.Errorf("found is %s", got)
		}
	}
	f.index(t, all[2]) // late
	for _, m := range []chat.Message{gone, later} {
		var entry struct{ Terms []string }
		if err := f.db.Collection("search").FindOne(t.Context(), bson.M{"_id": m.ID}).Decode(&entry); err != nil || fmt.Sprint(entry.Terms) == "[an old word]" {
			t.Errorf("the entry of %d is %v, %v", m.Seq, entry.Terms, err)
		}
	}
}

func TestMessagesAround(t *testing.T) {
	f := open(t)
	c := f.conversation(t, "c")
	for i := range 9 {
		f.append(t, newMessage(t, c, alice, fmt.Sprint(i), draftOf("x")))
	}
	for _, tt := range []struct {
		seq          int64
		limit        int
		want         string
		older, newer bool
	}{
		{5, 5, "3 4 5 6 7 ", true, true}, {5, 4, "3 4 5 6 ", true, true}, {5, 1, "5 ", true, true}, {1, 4, "1 2 ", false, true}, {9, 4, "7 8 9 ", true, false},
		{100, 4, "7 8 9 ", true, false}, {5, 100, "1 2 3 4 5 6 7 8 9 ", false, false},
	} {
		page, older, newer, err := f.MessagesAround(t.Context(), c, tt.seq, tt.limit)
		got := ""
		for _, m := range page {
			got += fmt.Sprint(m.Seq, " ")
		}
		if got != tt.want || older != tt.older || newer != tt.newer || err != nil {
			t.Errorf("%d of %d: %s %v %v, %v", tt.limit, tt.seq, got, older, newer, err)
		}
	}
}
