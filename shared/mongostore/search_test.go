package mongostore_test

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"

	"aiwm-chat/shared/chat"
	"aiwm-chat/shared/terms"
)

// findable appends a message, and indexes it.
func (f fixture) findable(t testing.TB, c chat.ConversationID, client, content string, at time.Time) chat.Message {
	t.Helper()
	m := newMessage(t, c, alice, client, draftOf(content))
	m.CreatedAt = at
	m = f.append(t, m)
	f.index(t, m)
	return m
}

func (f fixture) index(t testing.TB, m chat.Message) {
	t.Helper()
	if err := f.IndexMessage(t.Context(), m); err != nil {
		t.Fatal(err)
	}
}

// look returns what is found, as the last characters of the client's ids, page by page.
func (f fixture) look(t testing.TB, query string, limit int, q chat.SearchQuery) string {
	t.Helper()
	words := terms.Parse(query)
	q.Whole, q.Begins, q.Limit = words.Whole(), words.Begins(), limit
	var found []string
	for range 100 {
		page, err := f.Search(t.Context(), q)
		if err != nil {
			t.Fatal(err)
		}
		messages, err := f.Found(t.Context(), page.Candidates)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range messages {
			if _, says := words.Find(m.Content); says {
				found = append(found, fmt.Sprint(m.ConversationID[len(m.ConversationID)-1:], m.Seq))
			}
		}
		if !page.More {
			return strings.Join(found, " ")
		}
		if q.After, err = chat.ParseSearchCursor(page.Next.String()); err != nil {
			t.Fatal(err)
		}
	}
	t.Fatal("it does not end")
	return ""
}

func TestSearch(t *testing.T) {
	f := open(t)
	a, b := f.conversation(t, "a"), f.conversation(t, "b")
	texts := []string{"Đường về nhà", "hello world", "北京天气很好", "Hello there, world", "สวัสดีครับ", "hello 👍🏽", "duong pho", "a worldly matter", "سلام دنیا"}
	for i, text := range texts {
		f.findable(t, a, fmt.Sprint("m", i), text, start.Add(time.Duration(i/2)*time.Second)) // pairs at one moment
	}
	f.findable(t, b, "m", "hello from elsewhere", start)
	in := func(ids ...chat.ConversationID) chat.SearchQuery { return chat.SearchQuery{Conversations: ids} }
	only := func(q chat.SearchQuery, change func(*chat.SearchQuery)) chat.SearchQuery { change(&q); return q }
	for _, tt := range []struct {
		query string
		in    chat.SearchQuery
		want  string
	}{
		{"hello", in(a), "a6 a4 a2"},
		{"HELLO ", in(a), "a6 a4 a2"},
		{"hello wor", in(a), "a4 a2"}, // the last word may go on
		{"wor", in(a), "a8 a4 a2"},
		{"wor ", in(a), ""},
		{"wo", in(a), ""},
		{"world", in(a, b), "a8 a4 a2"},
		{"京", in(a, b), "a3"},
		{"hello", in(a, b), "b1 a6 a4 a2"},
		{"duong", in(a), "a7 a1"},
		{"đường phố", in(a), "a7"},
		{"天气", in(a), "a3"},
		{"京", in(a), "a3"},
		{"สวัส", in(a), "a5"},
		{"👍", in(a), "a6"},
		{"سلام", in(a), "a9"},
		{"there hello", in(a), "a4"},
		{"hello", in(), ""},
		{"hello", only(in(a), func(q *chat.SearchQuery) { q.Role = chat.RoleAgent }), ""},
		{"hello", only(in(a), func(q *chat.SearchQuery) { q.Role = chat.RoleUser }), "a6 a4 a2"},
		{"hello", only(in(a), func(q *chat.SearchQuery) { q.From = start.Add(time.Second) }), "a6 a4"},
		{"hello", only(in(a), func(q *chat.SearchQuery) { q.To = start.Add(2 * time.Second).Truncate(time.Millisecond) }), "a4 a2"},
	} {
		for _, limit := range []int{1, 2, 50} {
			got := f.look(t, tt.query, limit, tt.in)
			if sorted(got) != sorted(tt.want) || len(tt.in.Conversations) == 1 && got != tt.want {
				t.Errorf("%q, pages of %d: %q, want %q", tt.query, limit, got, tt.want)
			}
		}
	}
}

// conversation returns the id of a conversation whose last letter is given.
func (f fixture) conversation(_ testing.TB, letter string) chat.ConversationID {
	return chat.ConversationID(bson.NewObjectID().Hex() + letter)
}

func sorted(words string) string {
	all := strings.Fields(words)
	slices.Sort(all)
	return strings.Join(all, " ")
}

// What was edited out or deleted is not found, in whatever order the effects come.
func TestSearchForgets(t *testing.T) {
	f := open(t)
	for name, order := range map[string][]int{"in order": {0, 1, 2}, "reversed": {2, 1, 0}, "the first last": {1, 2, 0}, "the last alone": {2}, "twice": {0, 1, 2, 0, 1, 2}} {
		c := f.conversation(t, "c")
		m := f.append(t, newMessage(t, c, alice, "m", draftOf("my password is hunter2")))
		edited := f.edit(t, m, "never mind, friend")
		gone, err := f.DeleteMessage(t.Context(), edited, alice, start)
		if err != nil || !gone.Due.Has(chat.EffectSearch) || !edited.Due.Has(chat.EffectSearch) {
			t.Fatalf("due are %+v and %+v, %v", edited.Due, gone.Due, err)
		}
		for _, i := range order {
			f.index(t, []chat.Message{m, edited, gone}[i])
		}
		var entry struct {
			Terms  []string
			GoneAt *time.Time `bson:"goneAt"`
		}
		if err := f.db.Collection("search").FindOne(t.Context(), bson.M{"_id": m.ID}).Decode(&entry); err != nil || len(entry.Terms) != 0 || entry.GoneAt == nil {
			t.Errorf("%s: the entry is %+v, %v", name, entry, err)
		}
	}
	c := f.conversation(t, "c")
	m := f.append(t, newMessage(t, c, alice, "m", draftOf("my password is hunter2")))
	edited := f.edit(t, m, "never mind")
	var all sync.WaitGroup
	for range 4 {
		for _, m := range []chat.Message{m, edited} {
			all.Go(func() { f.index(t, m) })
		}
	}
	all.Wait()
	if got := f.look(t, "password", 10, chat.SearchQuery{Conversations: []chat.ConversationID{c}}) + f.look(t, "mind", 10, chat.SearchQuery{Conversations: []chat.ConversationID{c}}); got != "c1" {
		t.Errorf("found is %q", got)
	}
	// Tools and thoughts are not found, and who never said a word has no entry.
	for _, d := range []chat.Draft{{Content: "?!"}, {Content: "secret", Role: chat.RoleTool, Type: chat.TypeToolCall}} {
		if d.Role == "" {
			d.Role, d.Type = chat.RoleUser, chat.TypeText
		}
		f.index(t, chat.Message{ID: "none", ConversationID: c, Draft: d})
	}
	if n, err := f.db.Collection("search").CountDocuments(t.Context(), bson.M{"_id": "none"}); n != 0 || err != nil {
		t.Errorf("%d entries, %v", n, err)
	}
}

// A page looks at so many messages at most, and goes on after the last one of these; where one
// of the words is rare it looks at those that have it, wherever they are.
func TestSearchIsBounded(t *testing.T) {
	f := open(t)
	c := f.conversation(t, "c")
	var docs []any
	for i := range 2*chat.MaxCandidates + 10 {
		words := []string{"common", ""}
		if i%4000 == 0 {
			words = append(words, "rare")
		}
		if i%4000 == 0 || i < 1500 {
			words = append(words, "early")
		}
		docs = append(docs, bson.M{"_id": fmt.Sprintf("m%06d", i), "conversationId": c, "at": start.Add(time.Duration(i/3) * time.Millisecond).UTC(), "role": "user", "version": 0, "terms": words})
	}
	if _, err := f.db.Collection("search").InsertMany(t.Context(), docs); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		whole, begins []string
		want          string
	}{
		{[]string{"common", "rare"}, nil, "[m008000 m004000 m000000] [false]"},
		{[]string{"common"}, []string{"rar"}, "[m008000 m004000 m000000] [false]"},
		{nil, []string{"rar"}, "[m008000 m004000 m000000] [false]"},
		{[]string{"common", "early"}, nil, "[m008000 m004000 m001499 m001498] [true false false false]"},
		{[]string{"common"}, []string{"ear"}, "[m008000 m004000 m001499 m001498] [true false false false]"},
		{nil, []string{"ear", "com"}, "[m008000 m004000 m001499 m001498] [true false false false]"},
		{[]string{"common"}, []string{"com", "none"}, "[] [false]"},
	} {
		q := chat.SearchQuery{Conversations: []chat.ConversationID{c}, Whole: tt.whole, Begins: tt.begins, Limit: 3}
		var found []chat.MessageID
		var bounded []bool
		for range 4 {
			page, err := f.Search(t.Context(), q)
			if err != nil {
				t.Fatal(err)
			}
			for _, one := range page.Candidates {
				found = append(found, one.MessageID)
			}
			if bounded = append(bounded, page.Bounded); !page.More {
				break
			}
			q.After = page.Next
		}
		if got := fmt.Sprint(found[:min(len(found), 4)], bounded); got != tt.want {
			t.Errorf("%q and what begins with %q: %s, want %s", tt.whole, tt.begins, got, tt.want)
		}
	}
}
