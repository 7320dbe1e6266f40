package mongostore_test

import (
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"

	"aiwm-chat/shared/chat"
)

func ptr(n int64) *int64 { return &n }

func TestMessagesPages(t *testing.T) {
	f := open(t)
	c := f.newConversation(t, "t", start)
	other := f.newConversation(t, "other", start)
	f.say(t, c.ID, 10)
	f.say(t, other.ID, 3)
	f.append(t, newMessage(t, c.ID, bot, "b", draftOf("answer"))) // seq 11
	tests := []struct {
		name string
		q    chat.MessageQuery
		want string
		more bool
	}{
		{"the newest", chat.MessageQuery{Limit: 3}, "9 10 11", true},
		{"all", chat.MessageQuery{Limit: 11}, "1 2 3 4 5 6 7 8 9 10 11", false},
		{"before", chat.MessageQuery{BeforeSeq: ptr(5), Limit: 3}, "2 3 4", true},
		{"before, to the beginning", chat.MessageQuery{BeforeSeq: ptr(4), Limit: 3}, "1 2 3", false},
		{"before the first", chat.MessageQuery{BeforeSeq: ptr(1), Limit: 3}, "", false},
		{"after", chat.MessageQuery{AfterSeq: ptr(5), Limit: 3}, "6 7 8", true},
		{"after, to the end", chat.MessageQuery{AfterSeq: ptr(8), Limit: 3}, "9 10 11", false},
		{"after the last", chat.MessageQuery{AfterSeq: ptr(11), Limit: 3}, "", false},
		{"from the beginning", chat.MessageQuery{AfterSeq: ptr(0), Limit: 2}, "1 2", true},
		{"of a role", chat.MessageQuery{Limit: 3, Role: chat.RoleAgent}, "11", false},
		{"of a role, after", chat.MessageQuery{AfterSeq: ptr(8), Limit: 3, Role: chat.RoleUser}, "9 10", false},
		{"without a limit", chat.MessageQuery{}, "11", true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			page, more, err := f.Messages(t.Context(), c.ID, tt.q)
			if err != nil {
				t.Fatal(err)
			}
			if got := seqs(page); got != tt.want || more != tt.more {
				t.Errorf("got %q, more %v; want %q, more %v", got, more, tt.want, tt.more)
			}
		})
	}
}

func seqs(page []chat.Message) string {
	var s []string
	for _, m := range page {
		s = append(s, fmt.Sprint(m.Seq))
	}
	return strings.Join(s, " ")
}

func TestMessagesAreBoundedInBytes(t *testing.T) {
	f := open(t)
	c := f.newConversation(t, "t", start)
	const n = 80 // of 64 KB: 5 MB
	head := chat.Head{}
	for i := range n {
		m, _, err := f.Append(t.Context(), head, newMessage(t, c.ID, alice, fmt.Sprint(i), draftOf(strings.Repeat("x", chat.MaxContentREST))))
		if err != nil {
			t.Fatal(err)
		}
		head.Seq = m.Seq
	}
	var got int
	for after, more := ptr(0), true; more; {
		var page []chat.Message
		var err error
		page, more, err = f.Messages(t.Context(), c.ID, chat.MessageQuery{AfterSeq: after, Limit: n})
		if err != nil || len(page) == 0 || len(page) > 64 {
			t.Fatalf("a page of %d messages, error %v", len(page), err)
		}
		got += len(page)
		after = ptr(page[len(page)-1].Seq)
	}
	if got != n {
		t.Errorf("the pages have %d messages together, want %d", got, n)
	}
}

func TestPlaces(t *testing.T) {
	f := open(t)
	c, other := f.newConversation(t, "t", start), f.newConversation(t, "other", start)
	f.say(t, c.ID, 3)
	f.say(t, other.ID, 1)
	here, _, err := f.Messages(t.Context(), c.ID, chat.MessageQuery{Limit: 3})
	if err != nil {
		t.Fatal(err)
	}
	there, _, err := f.Messages(t.Context(), other.ID, chat.MessageQuery{Limit: 1})
	if err != nil {
		t.Fatal(err)
	}
	got, err := f.Places(t.Context(), c.ID, []chat.MessageID{here[1].ID, there[0].ID, "none"})
	if err != nil || len(got) != 1 || got[here[1].ID] != 2 {
		t.Errorf("%v, %v", got, err)
	}
}

func TestMessageIsOfTheOrganisation(t *testing.T) {
	f := open(t)
	c := f.newConversation(t, "t", start)
	m := f.append(t, newMessage(t, c.ID, alice, "m1", draftOf("one")))
	_, err := f.Message(t.Context(), mallory.OrgID, m.ID)
	wantCode(t, err, chat.NotFound)
	_, err = f.Message(t.Context(), alice.OrgID, "none")
	wantCode(t, err, chat.NotFound)
}

func TestProjectHealsAndNeverGoesBack(t *testing.T) {
	f := open(t)
	c := f.newConversation(t, "t", start)
	log := make([]chat.Message, 4)
	for i := 1; i < 4; i++ {
		m := newMessage(t, c.ID, bot, fmt.Sprint(i), chat.Draft{Content: strings.Repeat("é", 150), Usage: &chat.Usage{TotalTokens: 10}})
		m.CreatedAt = start.Add(time.Duration(i) * time.Hour)
		log[i] = f.append(t, m)
	}
	for _, seq := range []int{1, 3, 3, 2} { // 2 comes late
		if err := f.Project(t.Context(), chat.Conversation{}, log[seq]); err != nil {
			t.Fatal(err)
		}
	}
	got, err := f.Conversation(t.Context(), alice, c.ID)
	if err != nil {
		t.Fatal(err)
	}
	want := c
	want.TotalMessages, want.TotalTokens, want.UpdatedAt = 3, 30, log[3].CreatedAt
	want.LastMessage = &chat.LastMessage{Seq: 3, Content: strings.Repeat("é", 100), Role: chat.RoleAgent, CreatedAt: log[3].CreatedAt}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("the conversation is %+v\nwant %+v", got, want)
	}
	if got.Head() != (chat.Head{Seq: 3, RunningTokens: 30}) {
		t.Errorf("head = %+v", got.Head())
	}
}

func TestDeleteMessageErasesItsContent(t *testing.T) {
	for name, projected := range map[string]bool{"after the projection": true, "before the projection": false} {
		t.Run(name, func(t *testing.T) {
			f := open(t)
			c := f.newConversation(t, "t", start)
			m := f.append(t, newMessage(t, c.ID, bot, "m1", chat.Draft{
				Content: "sEcret", Name: "sEcret", Attachments: []chat.Attachment{"https://sEcret.example"}, Error: "sEcret",
				Thinking: &chat.Thinking{Content: "sEcret"}, ToolCalls: rawObjects(`{"a":"sEcret"}`), ToolResults: rawObjects(`{"a":"sEcret"}`),
				Usage: &chat.Usage{TotalTokens: 3},
			}))
			if projected {
				if err := f.Project(t.Context(), chat.Conversation{}, m); err != nil {
					t.Fatal(err)
				}
			}
			for range 2 {
				f.erase(t, m, start.Add(time.Minute))
			}
			if err := f.Project(t.Context(), chat.Conversation{}, m); err != nil { // late
				t.Fatal(err)
			}
			f.wantNoTrace(t, "sEcret")
			got, err := f.Message(t.Context(), bot.OrgID, m.ID)
			if err != nil || !got.Deleted || got.Seq != 1 || got.RunningTokens != 3 || !got.UpdatedAt.Equal(got.ChangedAt) || time.Since(got.ChangedAt).Abs() > time.Minute {
				t.Errorf("Message = %+v, %v", got, err)
			}
			page, _, err := f.Messages(t.Context(), c.ID, chat.MessageQuery{Limit: 5})
			if err != nil || len(page) != 1 || !page[0].Deleted {
				t.Errorf("Messages = %+v, %v", page, err)
			}
			conversation, err := f.Conversation(t.Context(), alice, c.ID)
			if err != nil || conversation.TotalMessages != 1 || conversation.LastMessage == nil || conversation.LastMessage.Content != "" {
				t.Errorf("Conversation = %+v, %v", conversation, err)
			}
		})
	}
}

func TestDeletingAnOlderMessageLeavesTheLastOne(t *testing.T) {
	f := open(t)
	c := f.newConversation(t, "t", start)
	first := f.append(t, newMessage(t, c.ID, alice, "m1", draftOf("one")))
	second := f.append(t, newMessage(t, c.ID, alice, "m2", draftOf("two")))
	if err := f.Project(t.Context(), chat.Conversation{}, second); err != nil {
		t.Fatal(err)
	}
	f.erase(t, first, start)
	got, err := f.Conversation(t.Context(), alice, c.ID)
	if err != nil || got.LastMessage == nil || got.LastMessage.Content != "two" || got.TotalMessages != 2 {
		t.Errorf("Conversation = %+v, %v", got, err)
	}
	first.ID = "none"
	_, err = f.DeleteMessage(t.Context(), first, alice, start)
	wantCode(t, err, chat.NotFound)
}

// A repeat after the deletion is still the same message.
func TestADeletedMessageKeepsItsClientID(t *testing.T) {
	f := open(t)
	c := f.newConversation(t, "t", start)
	m := newMessage(t, c.ID, alice, "m1", draftOf("one"))
	f.erase(t, f.append(t, m), start)
	again, duplicate, err := f.Append(t.Context(), chat.Head{Seq: 1}, m)
	if err != nil || !duplicate || !again.Deleted || again.Content != "" {
		t.Errorf("Append = %+v, duplicate %v, error %v", again, duplicate, err)
	}
}

// wantNoTrace looks for s in every document of the database.
func (f fixture) wantNoTrace(t *testing.T, s string) {
	t.Helper()
	for _, name := range []string{"messages", "conversations"} {
		cursor, err := f.db.Collection(name).Find(t.Context(), bson.M{})
		if err != nil {
			t.Fatal(err)
		}
		var docs []bson.Raw
		if err := cursor.All(t.Context(), &docs); err != nil || len(docs) == 0 {
			t.Fatalf("%s: %d documents, %v", name, len(docs), err)
		}
		for _, d := range docs {
			if strings.Contains(string(d), s) {
				t.Errorf("%s still contains %q: %s", name, s, d)
			}
		}
	}
}

// Whatever happens in a log changes its version, whatever the clocks say; and
// what does not happen there does not.
func TestLogVersion(t *testing.T) {
	f := open(t)
	ctx := t.Context()
	c, other := f.newConversation(t, "t", start), f.newConversation(t, "t", start)
	seen := map[string]string{}
	version := func(step string, changed bool) {
		t.Helper()
		v, err := f.LogVersion(ctx, c.ID)
		if before, known := seen[v]; err != nil || known == changed {
			t.Errorf("%s: %q, seen %q, %v", step, v, before, err)
		}
		seen[v] = step
	}
	version("empty", true)
	var log []chat.Message
	for i := range 5 {
		log = append(log, f.append(t, newMessage(t, c.ID, alice, fmt.Sprint(i), draftOf("x"))))
		version(fmt.Sprint("message ", i), true) // which nobody has projected
	}
	f.say(t, other.ID, 3)
	if err := f.Project(ctx, c, log[4]); err != nil {
		t.Fatal(err)
	}
	version("elsewhere", false)
	for i := range 4 {
		if _, err := f.DeleteMessage(ctx, log[i], alice, start); err != nil {
			t.Fatal(err)
		}
		version(fmt.Sprint("deletion ", i), true)
	}
	if a, err := f.LogVersion(ctx, "none"); err != nil || a == "" {
		t.Errorf("of nothing: %q, %v", a, err)
	}
}

// A change shows in the version also where many others have a later time: they were made by
// a server whose clock is ahead, or a majority has them sooner.
func TestLogVersionOfManyChanges(t *testing.T) {
	f := open(t)
	c := f.newConversation(t, "t", start)
	version := func() string {
		t.Helper()
		v, err := f.LogVersion(t.Context(), c.ID)
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
	for _, many := range []int{30, 1100} { // with the second number nobody can say that nothing has changed
		var docs []any
		for i := range many {
			docs = append(docs, bson.M{
				"_id": fmt.Sprint("m", many, "-", i), "conversationId": c.ID, "seq": int64(many*10 + i), "orgId": "o1", "participantId": "alice", "participantType": "user",
				"clientMessageId": fmt.Sprint(many, i), "changedAt": time.Now().Add(chat.ChangesSettle / 2), "version": int64(1),
			})
		}
		if _, err := f.db.Collection("messages").InsertMany(t.Context(), docs); err != nil {
			t.Fatal(err)
		}
		m := f.append(t, newMessage(t, c.ID, alice, fmt.Sprint(many), draftOf("x")))
		before := version()
		if again := version(); (again == before) != (many == 30) {
			t.Errorf("%d changes: %q after %q", many, again, before)
		}
		f.react(t, alice, m, "👍", true)
		if version() == before {
			t.Errorf("a change behind %d others does not show", many)
		}
	}
}
