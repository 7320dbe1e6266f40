package mongostore_test

import (
	"encoding/base64"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"

	"aiwm-chat/shared/chat"
	"aiwm-chat/shared/protocol"
)

var helper = chat.Principal{Type: chat.Agent, ID: "helper", OrgID: "o1"}

// tell appends messages and projects them: "+x" is bot's, "*x" helper's, any
// other alice's. The newest activity is at. It returns the messages.
func (f fixture) tell(t testing.TB, c chat.Conversation, at time.Time, texts ...string) []chat.Message {
	t.Helper()
	var all []chat.Message
	head := chat.Head{}
	for _, text := range texts {
		sender := alice
		switch text[0] {
		case '+':
			sender = bot
		case '*':
			sender = helper
		}
		m := newMessage(t, c.ID, sender, bson.NewObjectID().Hex(), draftOf(text))
		m.CreatedAt = at
		m, _, err := f.Append(t.Context(), head, m)
		if err == nil {
			err = f.Project(t.Context(), served(bot.ID, helper.ID), m)
		}
		if err != nil {
			t.Fatal(err)
		}
		head = chat.Head{Seq: m.Seq}
		all = append(all, m)
	}
	return all
}

// backlog returns what a page says, and the cursor of the next one.
func (f fixture) backlog(t testing.TB, agent chat.Principal, cursor string, limit int) (string, string) {
	t.Helper()
	messages, next, err := f.Backlog(t.Context(), agent, cursor, limit)
	if err != nil {
		t.Fatal(err)
	}
	return contents(messages), next
}

func contents(messages []chat.Message) string {
	var all []string
	for _, m := range messages {
		all = append(all, m.Content)
	}
	return strings.Join(all, " ")
}

func (f fixture) wantBacklog(t testing.TB, agent chat.Principal, want string) {
	t.Helper()
	if got, next := f.backlog(t, agent, "", 200); got != want || next != "" {
		t.Errorf("the backlog of %s of %s is %q, next %q, want %q", agent, agent.OrgID, got, next, want)
	}
}

func TestBacklogIsWhatUsersSaidSince(t *testing.T) {
	f := open(t)
	now := time.Now()
	ago := func(d time.Duration) time.Time { return now.Add(-d) }
	conversation := func() chat.Conversation { return f.newConversation(t, "t", ago(300*time.Hour)) }

	f.tell(t, conversation(), ago(time.Hour), "late")
	several := conversation()
	f.tell(t, several, ago(3*time.Hour), "old", "+answer", "one", "*aside", "two")
	f.tell(t, conversation(), ago(time.Minute), "question", "+answered")
	f.tell(t, conversation(), ago(8*24*time.Hour), "forgotten")
	conversation() // empty
	erased := conversation()
	log := f.tell(t, erased, ago(2*time.Hour), "before", "erased", "after", "erased-too")
	for _, i := range []int{1, 3} {
		f.erase(t, log[i], now)
	}
	closed, status := conversation(), chat.Closed
	f.tell(t, closed, ago(time.Hour), "closed")
	if _, err := f.UpdateConversation(t.Context(), alice, closed.ID, chat.ConversationChange{Status: &status}, ago(time.Hour)); err != nil {
		t.Fatal(err)
	}
	gone := conversation()
	f.tell(t, gone, ago(time.Hour), "gone")
	if _, err := f.DeleteConversation(t.Context(), alice, gone.ID, ago(time.Hour)); err != nil {
		t.Fatal(err)
	}
	f.wantBacklog(t, bot, "one two before after late")

	f.wantBacklog(t, helper, "") // noted, but no participant
	if _, err := f.AddParticipant(t.Context(), alice, several.ID, helper, ago(3*time.Hour)); err != nil {
		t.Fatal(err)
	}
	f.wantBacklog(t, helper, "") // what was said before that nobody asked it
	f.wantBacklog(t, chat.Principal{Type: chat.Agent, ID: bot.ID, OrgID: "o2"}, "")
	if _, _, err := f.RemoveParticipant(t.Context(), alice, erased.ID, bot, ago(2*time.Hour)); err != nil {
		t.Fatal(err)
	}
	f.wantBacklog(t, bot, "one two late")
}

// What was said before an agent was added, or added again, nobody asked it.
func TestTheBacklogBeginsWithTheMembership(t *testing.T) {
	f := open(t)
	c := f.newConversation(t, "t", time.Now())
	f.utter(t, c.ID, alice, 3)
	add := func() {
		t.Helper()
		if _, err := f.AddParticipant(t.Context(), alice, c.ID, helper, time.Now()); err != nil {
			t.Fatal(err)
		}
	}
	count := func(when string, want int) {
		t.Helper()
		said, next, err := f.Backlog(t.Context(), helper, "", 9)
		if err != nil || len(said) != want || next != "" {
			t.Errorf("%s: %d messages wait, next %q, %v, want %d", when, len(said), next, err, want)
		}
	}
	add()
	f.utter(t, c.ID, alice, 1)
	count("added", 1)
	if _, _, err := f.RemoveParticipant(t.Context(), alice, c.ID, helper, time.Now()); err != nil {
		t.Fatal(err)
	}
	f.utter(t, c.ID, alice, 2)
	add()
	count("added again", 0)
	f.utter(t, c.ID, alice, 1)
	count("and asked", 1)
	f.utter(t, c.ID, helper, 1)
	f.markUnread(t, helper, c.ID, 1)
	f.utter(t, c.ID, alice, 2)
	count("since its answer, whatever it has not read", 2)
}

// The projection is behind: it says that the agent is waited for, and is not.
func TestTheLogDecidesTheBacklog(t *testing.T) {
	f := open(t)
	c := f.newConversation(t, "t", time.Now())
	f.tell(t, c, time.Now(), "a", "b")
	f.append(t, newMessage(t, c.ID, bot, "answer", draftOf("+c")))
	f.wantBacklog(t, bot, "")
	f.append(t, newMessage(t, c.ID, alice, "again", draftOf("d")))
	f.wantBacklog(t, bot, "d")
}

func TestBacklogGoesBack1000Messages(t *testing.T) {
	f := open(t)
	c := f.newConversation(t, "t", time.Now())
	var docs []any
	for seq := 1; seq <= 1100; seq++ {
		docs = append(docs, bson.M{
			"_id": fmt.Sprint("m", seq), "conversationId": c.ID, "seq": int64(seq), "orgId": "o1", "content": fmt.Sprint(seq),
			"participantId": "alice", "participantType": "user", "clientMessageId": fmt.Sprint(seq), "role": "user",
		})
	}
	if _, err := f.db.Collection("messages").InsertMany(t.Context(), docs); err != nil {
		t.Fatal(err)
	}
	last := newMessage(t, c.ID, alice, "last", draftOf("1101"))
	last.CreatedAt = time.Now()
	if err := f.Project(t.Context(), served(bot.ID), f.append(t, last)); err != nil {
		t.Fatal(err)
	}
	var all []string
	for cursor, more := "", true; more; more = cursor != "" {
		var page string
		page, cursor = f.backlog(t, bot, cursor, 1000)
		if got := strings.Fields(page); len(got) > 200 || len(got) == 0 {
			t.Fatalf("a page of %d", len(got))
		} else {
			all = append(all, got...)
		}
	}
	if len(all) != 1000 || all[0] != "102" || all[999] != "1101" {
		t.Errorf("%d messages, from %s to %s", len(all), all[0], all[len(all)-1])
	}
}

func TestBacklogPages(t *testing.T) {
	f := open(t)
	now := time.Now()
	var want []string
	for i := range 30 { // three at a time in the same millisecond
		c := f.newConversation(t, "t", now.Add(-300*time.Hour))
		var texts []string
		for j := range i % 5 {
			texts = append(texts, fmt.Sprintf("%02d.%d", i, j))
		}
		if len(texts) > 0 {
			f.tell(t, c, now.Add(time.Duration(i/3-60)*time.Minute), texts...)
		}
		want = append(want, texts...)
	}
	whole, _ := f.backlog(t, bot, "", 200)
	all := strings.Fields(whole)
	if !slices.Equal(slices.Sorted(slices.Values(all)), want) { // _ids of one process ascend, but need not
		t.Fatalf("the backlog is %q, want %q", all, want)
	}
	for _, limit := range []int{-1, 1, 2, 3, 7, 59, 60, 61} {
		var got []string
		cursor, pages := "", 0
		for more := true; more; more = cursor != "" {
			var page string
			page, cursor = f.backlog(t, bot, cursor, limit)
			if n := len(strings.Fields(page)); n > max(limit, 1) || n == 0 {
				t.Fatalf("limit %d: a page of %d", limit, n)
			}
			got = append(got, strings.Fields(page)...)
			pages++
		}
		if !slices.Equal(got, all) || pages != (60+max(limit, 1)-1)/max(limit, 1) {
			t.Errorf("limit %d: %d pages have %q\nwant %q", limit, pages, got, all)
		}
	}
}

// Conversations that wait for nobody use a page up, not the backlog.
func TestBacklogIsBoundedInConversations(t *testing.T) {
	f := open(t)
	now := time.Now()
	for i := range 120 {
		c := f.newConversation(t, "t", now.Add(-300*time.Hour))
		f.tell(t, c, now.Add(time.Duration(i-200)*time.Second), fmt.Sprint(i))
		if i < 119 { // answered, and not projected yet
			f.append(t, newMessage(t, c.ID, bot, "answer", draftOf("+")))
		}
	}
	page, cursor := f.backlog(t, bot, "", 10)
	if page != "" || cursor == "" {
		t.Fatalf("the first page is %q, next %q", page, cursor)
	}
	if page, cursor = f.backlog(t, bot, cursor, 10); page != "119" || cursor != "" {
		t.Errorf("the second page is %q, next %q", page, cursor)
	}
}

// What Lambda returns is 6 MB at most: 6,291,556 bytes.
func TestAPageOfTheBacklogFitsTheAnswerOfAFunction(t *testing.T) {
	f := open(t)
	now := time.Now()
	const conversations = 20
	for i := range conversations { // each message is 252 KB as JSON, and fits POST /messages
		c := f.newConversation(t, "t", now.Add(-300*time.Hour))
		f.tell(t, c, now.Add(time.Duration(i-60)*time.Minute), fmt.Sprintf("%02d", i)+strings.Repeat("\x01", 42_000))
	}
	var got []string
	for cursor, more := "", true; more; more = cursor != "" {
		var messages []chat.Message
		var err error
		if messages, cursor, err = f.Backlog(t.Context(), bot, cursor, 50); err != nil || len(messages) == 0 {
			t.Fatalf("a page of %d, next %q, %v", len(messages), cursor, err)
		}
		var page protocol.BacklogPage
		for _, m := range messages {
			page.Data = append(page.Data, protocol.MessageOf(m))
			got = append(got, m.Content[:2])
		}
		body, err := protocol.Marshal(page)
		if err != nil {
			t.Fatal(err)
		}
		answer, err := protocol.Marshal(map[string]string{"body": string(body)})
		if err != nil || len(answer) > 6_291_556 {
			t.Errorf("a page of %d messages is %d bytes as Lambda returns it, %v", len(messages), len(answer), err)
		}
	}
	if len(got) != conversations || !slices.IsSorted(got) || got[0] != "00" {
		t.Errorf("the pages have %v", got)
	}
}

// What happens between two pages: an answer, and more to answer. Nothing is
// skipped, and of the conversation that the page ended in nothing repeated.
func TestBacklogBetweenPages(t *testing.T) {
	f := open(t)
	now := time.Now()
	var cs []chat.Conversation
	for i, texts := range [][]string{{"a1", "a2", "a3"}, {"b1"}, {"c1"}, {"d1"}} {
		cs = append(cs, f.newConversation(t, "t", now.Add(-300*time.Hour)))
		f.tell(t, cs[i], now.Add(time.Duration(i-60)*time.Minute), texts...)
	}
	page, cursor := f.backlog(t, bot, "", 2)
	if page != "a1 a2" {
		t.Fatalf("the first page is %q", page)
	}
	f.tell(t, cs[0], now, "a4")
	f.tell(t, cs[1], now, "+b2")
	f.tell(t, cs[2], now.Add(-time.Second), "c2")
	if page, cursor = f.backlog(t, bot, cursor, 10); page != "d1 c1 c2 a3 a4" || cursor != "" {
		t.Errorf("the second page is %q, next %q", page, cursor)
	}
}

func TestBacklogRefusesOtherCursors(t *testing.T) {
	f := open(t)
	b64 := base64.RawURLEncoding.EncodeToString
	for _, cursor := range []string{
		"x", "!", "MS9hLzE=", b64(nil) + "A", b64([]byte("1/a")), b64([]byte("1/a/1/1")), b64([]byte("-1/a/1")), b64([]byte("1/a/-1")),
		b64([]byte("1/$x/1")), b64([]byte("1//1")), b64([]byte("a/a/1")), b64([]byte("1/a/9223372036854775808")),
	} {
		_, _, err := f.Backlog(t.Context(), bot, cursor, 10)
		wantCode(t, err, chat.ValidationFailed)
	}
	for _, cursor := range []string{b64([]byte("1/a/1")), b64([]byte("9223372036854775807/a/9223372036854775807"))} {
		if messages, next, err := f.Backlog(t.Context(), bot, cursor, 10); err != nil || len(messages) != 0 || next != "" {
			t.Errorf("%s: %v, %q, %v", cursor, messages, next, err)
		}
	}
}
