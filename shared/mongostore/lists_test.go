package mongostore_test

import (
	"encoding/base64"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"

	"aiwm-chat/shared/chat"
	"aiwm-chat/shared/mongostore"
)

// walk follows the cursors of a list, and does something between two pages.
func (f fixture) walk(t *testing.T, q chat.ConversationQuery, between func(page int)) (pages []string) {
	t.Helper()
	for n := 1; ; n++ {
		page, err := f.Conversations(t.Context(), alice, q)
		if err != nil {
			t.Fatal(err)
		}
		pages = append(pages, titles(page))
		if q.Cursor = page.Next; q.Cursor == "" || n > 20 {
			return pages
		}
		if between != nil {
			between(n)
		}
	}
}

// Whatever the order, and however many share a place in it, the pages of a
// cursor have each conversation once.
func TestCursorPages(t *testing.T) {
	f := open(t)
	for i, title := range []string{"e", "d", "c", "b", "a", "a", "a"} {
		f.newConversation(t, title, start.Add(time.Duration(i/3)*time.Minute)) // three at each time
	}
	f.newConversation(t, "none of these", start, "tag")
	want := map[chat.ConversationSort]string{
		chat.TitleAToZ: "a a|a b|c d|e none of these", chat.TitleZToA: "none of these e|d c|b a|a a",
		chat.NewestActivity: "a a|a b|none of these c|d e", chat.OldestActivity: "e d|c none of these|b a|a a",
		chat.NewestFirst: "a a|a b|none of these c|d e", chat.OldestFirst: "e d|c none of these|b a|a a",
	}
	for sort, pages := range want {
		if got := strings.Join(f.walk(t, chat.ConversationQuery{Sort: sort, Limit: 2}, nil), "|"); got != pages {
			t.Errorf("%s: %q, want %q", sort, got, pages)
		}
	}
	if got := f.walk(t, chat.ConversationQuery{Limit: 8}, nil); len(got) != 1 {
		t.Errorf("a page that has all of them is followed by another: %q", got)
	}
	if got := f.walk(t, chat.ConversationQuery{Limit: 1, Tag: "tag"}, nil); !slices.Equal(got, []string{"none of these"}) {
		t.Errorf("of a tag: %q", got)
	}
}

// What happens between two pages neither skips nor repeats what has nothing to
// do with it.
func TestChangesBetweenPages(t *testing.T) {
	f := open(t)
	all := map[string]chat.Conversation{}
	for i, title := range strings.Fields("a b c d e f") {
		all[title] = f.newConversation(t, title, start.Add(-time.Duration(i)*time.Minute))
	}
	say := func(title string) {
		m := newMessage(t, all[title].ID, alice, "m", draftOf("x"))
		m.CreatedAt = start.Add(time.Hour)
		if err := f.Project(t.Context(), all[title], f.append(t, m)); err != nil {
			t.Fatal(err)
		}
	}
	got := f.walk(t, chat.ConversationQuery{Limit: 2}, func(page int) {
		switch page {
		case 1: // what was shown moves to the front, and a new one comes
			say("b")
			f.newConversation(t, "new", start.Add(time.Hour))
		case 2: // and one is deleted
			if _, err := f.DeleteConversation(t.Context(), alice, all["c"].ID, start); err != nil {
				t.Fatal(err)
			}
		}
	})
	if want := []string{"a b", "c d", "e f"}; !slices.Equal(got, want) {
		t.Errorf("the pages are %q, want %q", got, want)
	}
}

func TestBadListCursors(t *testing.T) {
	f := open(t)
	f.newConversation(t, "a", start)
	f.newConversation(t, "b", start)
	page, err := f.Conversations(t.Context(), alice, chat.ConversationQuery{Limit: 1, Sort: chat.TitleAToZ})
	if err != nil || page.Next == "" {
		t.Fatalf("got %+v, %v", page, err)
	}
	text := func(s string) string { return base64.RawURLEncoding.EncodeToString([]byte(s)) }
	for _, cursor := range []string{"x", page.Next + "=", text("title/zz/id"), text("title/00"), text("title/00/{}"), text("-updatedAt/1/id")} {
		_, err := f.Conversations(t.Context(), alice, chat.ConversationQuery{Sort: chat.TitleAToZ, Cursor: cursor})
		wantCode(t, err, chat.ValidationFailed)
	}
	for _, cursor := range []string{page.Next, text("-updatedAt/now/id")} { // of another order, of no time
		_, err := f.Conversations(t.Context(), alice, chat.ConversationQuery{Sort: chat.NewestActivity, Cursor: cursor})
		wantCode(t, err, chat.ValidationFailed)
	}
}

// FuzzListCursor: whatever a client calls a cursor is refused, or is the cursor
// of some page.
func FuzzListCursor(f *testing.F) {
	f.Add("-updatedAt/1764316800000/665f")
	f.Add("title/2NNG0001/665f")
	f.Add("createdAt/-1/a/b")
	f.Fuzz(func(t *testing.T, s string) {
		cursor := base64.RawURLEncoding.EncodeToString([]byte(s))
		for _, sort := range []chat.ConversationSort{chat.NewestActivity, chat.TitleAToZ, chat.OldestFirst} {
			if again, ok := mongostore.ReadListCursor(sort, cursor); ok {
				if _, ok := mongostore.ReadListCursor(sort, again); !ok {
					t.Errorf("%q is a cursor of %s, and %q is none", s, sort, again)
				}
			}
		}
	})
}

func TestTotalIsCapped(t *testing.T) {
	f := open(t)
	docs := make([]any, chat.MaxTotal+1)
	for i := range docs {
		docs[i] = bson.M{
			"_id": fmt.Sprint("c", i), "orgId": alice.OrgID, "title": "t", "isDeleted": false, "createdAt": start, "activity": start,
			"participants": bson.A{bson.M{"type": alice.Type, "id": alice.ID, "joined": start}},
		}
	}
	if _, err := f.db.Collection("conversations").InsertMany(t.Context(), docs[1:]); err != nil {
		t.Fatal(err)
	}
	for _, more := range []bool{false, true} {
		page, err := f.Conversations(t.Context(), alice, chat.ConversationQuery{Limit: 1})
		if err != nil || page.Total != chat.MaxTotal || page.TotalIsMore != more {
			t.Errorf("%d in all, more %v, want more %v; %v", page.Total, page.TotalIsMore, more, err)
		}
		if _, err := f.db.Collection("conversations").InsertOne(t.Context(), docs[0]); !more && err != nil {
			t.Fatal(err)
		}
	}
}

// Titles are sorted as people sort them.
func TestTitlesAreCollated(t *testing.T) {
	f := open(t)
	want := []string{"2 cats", "10 cats", "Äpfel", "apple", "Apple", "banana", "Éclair", "eclairs", "Zebra", "яблоко", "中文"}
	shuffled := slices.Clone(want)
	slices.Sort(shuffled)
	long := strings.Repeat("a", chat.MaxTitle)
	for _, title := range append(shuffled, long) {
		f.newConversation(t, title, start)
	}
	want = slices.Insert(want, 2, long)
	page, err := f.Conversations(t.Context(), alice, chat.ConversationQuery{Limit: 100, Sort: chat.TitleAToZ})
	if got := titles(page); err != nil || got != strings.Join(want, " ") {
		t.Errorf("got %q, %v", got, err)
	}
	// Another title, another place.
	title := "zz"
	if _, err := f.UpdateConversation(t.Context(), alice, page.Conversations[0].ID, chat.ConversationChange{Title: &title}, start); err != nil {
		t.Fatal(err)
	}
	page, err = f.Conversations(t.Context(), alice, chat.ConversationQuery{Limit: 1, Sort: chat.TitleAToZ})
	if err != nil || titles(page) != "10 cats" {
		t.Errorf("got %+v, %v", page, err)
	}
}

// crowd makes a conversation of alice with as many participants.
func (f fixture) crowd(t testing.TB, participants int) chat.Conversation {
	t.Helper()
	c, err := chat.NewConversation(alice, "crowd", "", bot.ID, nil, start)
	if err != nil {
		t.Fatal(err)
	}
	for i := len(c.Participants); i < participants; i++ {
		c.Participants = append(c.Participants, chat.Participant{Type: chat.User, ID: chat.PrincipalID(fmt.Sprint("u", i)), Joined: start})
	}
	if c, _, err = f.CreateConversation(t.Context(), c, ""); err != nil {
		t.Fatal(err)
	}
	return c
}

// In a large room lists move at most once a minute, whatever happens there; what
// clients are shown is exact all the same.
func TestActivityOfACrowd(t *testing.T) {
	f := open(t)
	ctx := t.Context()
	minute := start.Truncate(time.Minute)
	title := "t"
	for name, change := range map[string]func(c chat.Conversation, i int, now time.Time) error{
		"messages": func(c chat.Conversation, i int, now time.Time) error {
			m := newMessage(t, c.ID, alice, fmt.Sprint(i), draftOf("x"))
			m.CreatedAt = now
			return f.Project(ctx, c, f.append(t, m))
		},
		"deleted before it was projected": func(c chat.Conversation, i int, now time.Time) error {
			m := newMessage(t, c.ID, alice, fmt.Sprint(i), draftOf("x"))
			m.CreatedAt = now
			m, err := f.DeleteMessage(ctx, f.append(t, m), m.Sender, now)
			if err == nil {
				_, _, err = f.ForgetMessage(ctx, c, m)
			}
			return err
		},
		"changes": func(c chat.Conversation, _ int, now time.Time) error {
			_, err := f.UpdateConversation(ctx, alice, c.ID, chat.ConversationChange{Title: &title}, now)
			return err
		},
		"removals": func(c chat.Conversation, i int, now time.Time) error {
			who := chat.Principal{Type: chat.User, ID: chat.PrincipalID(fmt.Sprint("u", 10+i)), OrgID: "o1"}
			_, _, err := f.RemoveParticipant(ctx, alice, c.ID, who, now)
			return err
		},
		"additions": func(c chat.Conversation, i int, now time.Time) error {
			who := chat.Principal{Type: chat.User, ID: chat.PrincipalID(fmt.Sprint("late", i)), OrgID: "o1"}
			_, err := f.AddParticipant(ctx, alice, c.ID, who, now)
			return err
		},
	} {
		for _, large := range []bool{false, true} {
			c := f.crowd(t, 30)
			if large {
				c = f.crowd(t, chat.MaxLively+20)
			}
			moved := map[time.Time]bool{}
			var now time.Time
			for i := range 7 { // over a minute and a half
				now = minute.Add(time.Duration(i) * 15 * time.Second)
				if err := change(c, i, now); err != nil {
					t.Fatalf("%s: %v", name, err)
				}
				moved[f.activity(t, c.ID)] = true
			}
			got, err := f.Conversation(ctx, alice, c.ID)
			if err != nil || !got.UpdatedAt.Equal(now) {
				t.Errorf("%s: updatedAt %v, %v, want %v", name, got.UpdatedAt, err, now)
			}
			if large && !maps.Equal(moved, map[time.Time]bool{minute: true, minute.Add(time.Minute): true}) || !large && len(moved) != 7 {
				t.Errorf("%s, large %v: moved to %v", name, large, moved)
			}
		}
	}
}

func (f fixture) activity(t testing.TB, id chat.ConversationID) time.Time {
	t.Helper()
	var d struct {
		Activity time.Time `bson:"activity"`
	}
	if err := f.db.Collection("conversations").FindOne(t.Context(), bson.M{"_id": id}).Decode(&d); err != nil {
		t.Fatal(err)
	}
	return d.Activity.UTC()
}

// Every list is read along an index that has its filter, and no index that has an
// entry for each participant has what each message changes.
func TestListsHaveIndexes(t *testing.T) {
	f := open(t)
	indexes := map[string][]string{}
	for _, name := range []string{"conversations", "messages"} {
		specs, err := f.db.Collection(name).Indexes().ListSpecifications(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		for _, s := range specs {
			elements, err := s.KeysDocument.Elements()
			if err != nil {
				t.Fatal(err)
			}
			var fields []string
			for _, e := range elements {
				fields = append(fields, e.Key())
			}
			indexes[name] = append(indexes[name], strings.Join(fields, " "))
		}
	}
	const own = "orgId participants.id participants.type "
	for _, want := range []string{
		own + "activity _id status agentId", own + "createdAt _id status agentId", own + "titleKey _id status agentId",
		"orgId tags activity _id",
	} {
		if !slices.Contains(indexes["conversations"], want) {
			t.Errorf("there is no index on %s", want)
		}
	}
	if !slices.Contains(indexes["messages"], "conversationId role seq") {
		t.Error("there is no index on the role of messages")
	}
	for _, index := range indexes["conversations"] {
		if strings.HasPrefix(index, own) && strings.Contains(index, "updatedAt") {
			t.Errorf("the index on %s moves with each message", index)
		}
	}
}

// What an earlier version left: its index goes, and its documents get what lists
// are sorted by.
func TestConversationsOfAnEarlierVersion(t *testing.T) {
	f := openWithoutIndexes(t)
	ctx := t.Context()
	old := f.db.Collection("conversations")
	key := bson.D{{Key: "orgId", Value: 1}, {Key: "participants.id", Value: 1}, {Key: "participants.type", Value: 1}, {Key: "updatedAt", Value: -1}, {Key: "_id", Value: -1}}
	if _, err := old.Indexes().CreateOne(ctx, mongo.IndexModel{Keys: key}); err != nil {
		t.Fatal(err)
	}
	for i, title := range []string{"b", "a"} {
		c := f.newConversation(t, title, start.Add(time.Duration(i)*time.Hour))
		if _, err := old.UpdateOne(ctx, bson.M{"_id": c.ID}, bson.M{"$unset": bson.M{"activity": "", "titleKey": ""}}); err != nil {
			t.Fatal(err)
		}
	}
	for range 2 { // the second time changes nothing
		if err := f.CreateIndexes(ctx); err != nil {
			t.Fatal(err)
		}
	}
	f.newConversation(t, "c", start.Add(time.Minute))
	for sort, want := range map[chat.ConversationSort]string{chat.NewestActivity: "a|c|b", chat.TitleZToA: "c|b|a"} {
		if got := strings.Join(f.walk(t, chat.ConversationQuery{Sort: sort, Limit: 1}, nil), "|"); got != want {
			t.Errorf("%s: %q, want %q", sort, got, want)
		}
	}
	specs, err := old.Indexes().ListSpecifications(ctx)
	if err != nil || slices.ContainsFunc(specs, func(s mongo.IndexSpecification) bool {
		return strings.Contains(s.Name, "participants.type_1_updatedAt")
	}) {
		t.Errorf("the old index is there still: %v, %v", specs, err)
	}
}
