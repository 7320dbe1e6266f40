package mongostore_test

import (
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"

	"go.mongodb.org/mongo-driver/v2/bson"

	"aiwm-chat/shared/chat"
)

func TestCreateConversationReturnsWhatIsStored(t *testing.T) {
	f := open(t)
	c := f.newConversation(t, "title", start, "a", "b")
	if c.ID == "" || !c.CreatedAt.Equal(start.Truncate(time.Millisecond)) || len(c.Participants) != 2 {
		t.Errorf("CreateConversation = %+v", c)
	}
	read, err := f.Conversation(t.Context(), alice, c.ID)
	if err != nil || !reflect.DeepEqual(read, c) {
		t.Errorf("Conversation = %+v, %v\nwant %+v", read, err, c)
	}
	if again := f.newConversation(t, "title", start); again.ID == c.ID {
		t.Error("two conversations have one id")
	}
}

// G7: whoever is no participant meets NotFound in every method, and changes
// nothing.
func TestStrangersFindNoConversation(t *testing.T) {
	f := open(t)
	c := f.newConversation(t, "title", start)
	gone := f.newConversation(t, "gone", start)
	if _, err := f.DeleteConversation(t.Context(), alice, gone.ID, start); err != nil {
		t.Fatal(err)
	}
	title := "taken"
	for name, who := range map[string]struct {
		p  chat.Principal
		id chat.ConversationID
	}{
		"not a participant":    {bob, c.ID},
		"same id, other type":  {chat.Principal{Type: chat.Agent, ID: alice.ID, OrgID: alice.OrgID}, c.ID},
		"another organisation": {mallory, c.ID},
		"deleted":              {alice, gone.ID},
		"does not exist":       {alice, "none"},
	} {
		t.Run(name, func(t *testing.T) {
			ctx := t.Context()
			_, err := f.Conversation(ctx, who.p, who.id)
			wantCode(t, err, chat.NotFound)
			_, err = f.UpdateConversation(ctx, who.p, who.id, chat.ConversationChange{Title: &title}, start)
			wantCode(t, err, chat.NotFound)
			_, err = f.DeleteConversation(ctx, who.p, who.id, start)
			wantCode(t, err, chat.NotFound)
			_, err = f.AddParticipant(ctx, who.p, who.id, who.p, start)
			wantCode(t, err, chat.NotFound)
			_, _, err = f.RemoveParticipant(ctx, who.p, who.id, bot, start)
			wantCode(t, err, chat.NotFound)
		})
	}
	for _, p := range []chat.Principal{bob, mallory} {
		page, err := f.Conversations(t.Context(), p, chat.ConversationQuery{Limit: 10})
		if err != nil || len(page.Conversations) != 0 || page.Total != 0 {
			t.Errorf("%s of %s lists %+v, error %v", p, p.OrgID, page, err)
		}
		if ids, err := f.ConversationsOf(t.Context(), p, 10); err != nil || len(ids) != 0 {
			t.Errorf("ConversationsOf(%s) = %v, %v", p, ids, err)
		}
	}
	if got, err := f.Conversation(t.Context(), alice, c.ID); err != nil || !reflect.DeepEqual(got, c) {
		t.Errorf("the conversation is %+v, %v\nwant %+v", got, err, c)
	}
	// A job sees it, within the organisation.
	if got, err := f.AnyConversation(t.Context(), c.OrgID, c.ID); err != nil || !reflect.DeepEqual(got, c) {
		t.Errorf("AnyConversation = %+v, %v", got, err)
	}
	_, err := f.AnyConversation(t.Context(), mallory.OrgID, c.ID)
	wantCode(t, err, chat.NotFound)
	_, err = f.AnyConversation(t.Context(), c.OrgID, gone.ID)
	wantCode(t, err, chat.NotFound)
}

// Operators and other odd values are text like any other.
func TestInputIsNeverAnOperator(t *testing.T) {
	f := open(t)
	f.newConversation(t, "title", start, "tag")
	for _, s := range []string{`{"$ne":""}`, "$ne", "*", "\x00", strings.Repeat("x", 1000)} {
		_, err := f.Conversation(t.Context(), alice, chat.ConversationID(s))
		wantCode(t, err, chat.NotFound)
		_, err = f.Message(t.Context(), alice.OrgID, chat.MessageID(s))
		wantCode(t, err, chat.NotFound)
		page, err := f.Conversations(t.Context(), alice, chat.ConversationQuery{Tag: s, Limit: 10})
		if err != nil || len(page.Conversations) != 0 || page.Total != 0 {
			t.Errorf("tag %q: %+v, error %v", s, page, err)
		}
	}
	for _, sort := range []chat.ConversationSort{"$natural", "-", "participants", "_id"} {
		_, err := f.Conversations(t.Context(), alice, chat.ConversationQuery{Sort: sort, Limit: 10})
		wantCode(t, err, chat.ValidationFailed)
	}
}

func TestUpdateConversationChangesWhatIsGiven(t *testing.T) {
	f := open(t)
	c := f.newConversation(t, "title", start, "a")
	later := start.Add(time.Hour)
	title, description, status, tags := "new", "text", chat.Archived, []string(nil)
	steps := []struct {
		change chat.ConversationChange
		want   func()
	}{
		{chat.ConversationChange{Title: &title}, func() { c.Title = title }},
		{chat.ConversationChange{Description: &description, Status: &status}, func() { c.Description, c.Status = description, status }},
		{chat.ConversationChange{Tags: &tags}, func() { c.Tags = []string{} }},
		{chat.ConversationChange{}, func() {}},
	}
	for i, step := range steps {
		got, err := f.UpdateConversation(t.Context(), bot, c.ID, step.change, later)
		step.want()
		c.UpdatedAt = later.Truncate(time.Millisecond)
		if err != nil || !reflect.DeepEqual(got, c) {
			t.Errorf("step %d: %+v, %v\nwant %+v", i, got, err, c)
		}
	}
	// The clock of another function is behind: activity does not go back.
	got, err := f.UpdateConversation(t.Context(), bot, c.ID, chat.ConversationChange{Title: &title}, start)
	if err != nil || !got.UpdatedAt.Equal(c.UpdatedAt) {
		t.Errorf("updatedAt = %v, %v, want %v", got.UpdatedAt, err, c.UpdatedAt)
	}
}

func TestDeleteConversationIsSoft(t *testing.T) {
	f := open(t)
	c := f.newConversation(t, "title", start)
	got, err := f.DeleteConversation(t.Context(), alice, c.ID, start.Add(time.Second))
	if err != nil || got.ID != c.ID || len(got.Participants) != 2 {
		t.Errorf("DeleteConversation = %+v, %v", got, err)
	}
	doc, err := f.db.Collection("conversations").FindOne(t.Context(), bson.M{"_id": c.ID}).Raw()
	if err != nil || !doc.Lookup("isDeleted").Boolean() || !doc.Lookup("deletedAt").Time().Equal(start.Add(time.Second).Truncate(time.Millisecond)) {
		t.Errorf("the document is %v, %v", doc, err)
	}
	if page, err := f.Conversations(t.Context(), alice, chat.ConversationQuery{Limit: 10}); err != nil || page.Total != 0 {
		t.Errorf("%d are listed, error %v", page.Total, err)
	}
}

func TestConversationsFiltersAndSorts(t *testing.T) {
	f := open(t)
	ctx := t.Context()
	a := f.newConversation(t, "a", start, "red", "blue")
	b := f.newConversation(t, "b", start.Add(time.Minute), "red")
	c := f.newConversation(t, "c", start.Add(2*time.Minute))
	d, err := chat.NewConversation(alice, "d", "", "other-bot", nil, start.Add(2*time.Minute)) // as new as c
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err = f.CreateConversation(ctx, d, ""); err != nil {
		t.Fatal(err)
	}
	if _, err := f.AddParticipant(ctx, alice, a.ID, bob, start.Add(time.Hour)); err != nil {
		t.Fatal(err)
	}
	closed := chat.Closed
	if _, err := f.UpdateConversation(ctx, alice, b.ID, chat.ConversationChange{Status: &closed}, start); err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		name  string
		p     chat.Principal
		q     chat.ConversationQuery
		want  string
		total int64
	}{
		{"newest activity", alice, chat.ConversationQuery{Limit: 10}, "a d c b", 4},
		{"oldest activity", alice, chat.ConversationQuery{Limit: 10, Sort: chat.OldestActivity}, "b c d a", 4},
		{"newest", alice, chat.ConversationQuery{Limit: 10, Sort: chat.NewestFirst}, "d c b a", 4},
		{"oldest", alice, chat.ConversationQuery{Limit: 10, Sort: chat.OldestFirst}, "a b c d", 4},
		{"title", alice, chat.ConversationQuery{Limit: 10, Sort: chat.TitleAToZ}, "a b c d", 4},
		{"title backwards", alice, chat.ConversationQuery{Limit: 10, Sort: chat.TitleZToA}, "d c b a", 4},
		{"first page", alice, chat.ConversationQuery{Limit: 3, Page: 1}, "a d c", 4},
		{"second page", alice, chat.ConversationQuery{Limit: 3, Page: 2}, "b", 4},
		{"a page too far", alice, chat.ConversationQuery{Limit: 3, Page: 3}, "", 4},
		{"status", alice, chat.ConversationQuery{Limit: 10, Status: chat.Closed}, "b", 1},
		{"agent", alice, chat.ConversationQuery{Limit: 10, AgentID: "other-bot"}, "d", 1},
		{"user", alice, chat.ConversationQuery{Limit: 10, UserID: bob.ID}, "a", 1},
		{"an agent is no user", alice, chat.ConversationQuery{Limit: 10, UserID: bot.ID}, "", 0},
		{"tag", alice, chat.ConversationQuery{Limit: 10, Tag: "red"}, "a b", 2},
		{"several", alice, chat.ConversationQuery{Limit: 10, Tag: "red", Status: chat.Active}, "a", 1},
		{"the agent's own", bot, chat.ConversationQuery{Limit: 10}, "a c b", 3},
		{"bob's own", bob, chat.ConversationQuery{Limit: 10}, "a", 1},
		{"bob's own, of a user", bob, chat.ConversationQuery{Limit: 10, UserID: alice.ID}, "a", 1},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			page, err := f.Conversations(ctx, tt.p, tt.q)
			if err != nil {
				t.Fatal(err)
			}
			if got := titles(page); got != tt.want || page.Total != tt.total || page.TotalIsMore {
				t.Errorf("got %q of %d, want %q of %d", got, page.Total, tt.want, tt.total)
			}
		})
	}
	ids, err := f.ConversationsOf(ctx, bot, 2)
	if err != nil || !slices.Equal(ids, []chat.ConversationID{a.ID, c.ID}) {
		t.Errorf("ConversationsOf = %v, %v, want %s and %s", ids, err, a.ID, c.ID)
	}
}

func titles(page chat.ConversationPage) string {
	var all []string
	for _, c := range page.Conversations {
		all = append(all, c.Title)
	}
	return strings.Join(all, " ")
}

func TestParticipantsComeAndGo(t *testing.T) {
	f := open(t)
	ctx := t.Context()
	c := f.newConversation(t, "t", start)
	later := start.Add(time.Minute)
	for i := range 2 { // the second time changes nothing
		got, err := f.AddParticipant(ctx, alice, c.ID, bob, later.Add(time.Duration(i)*time.Hour))
		want := chat.Participant{Type: chat.User, ID: bob.ID, Joined: later.Truncate(time.Millisecond), Invited: true}
		if err != nil || len(got.Participants) != 3 || got.Participants[2] != want || !got.UpdatedAt.Equal(want.Joined) {
			t.Fatalf("AddParticipant = %+v, %v", got, err)
		}
	}
	if _, err := f.Conversation(ctx, bob, c.ID); err != nil {
		t.Error(err)
	}
	got, removed, err := f.RemoveParticipant(ctx, alice, c.ID, bob, later)
	if err != nil || !removed || got.HasParticipant(bob) || !got.HasParticipant(alice) || !got.HasParticipant(bot) {
		t.Errorf("RemoveParticipant = %+v, %v", got, err)
	}
	_, err = f.Conversation(ctx, bob, c.ID)
	wantCode(t, err, chat.NotFound)
	if again, removed, err := f.RemoveParticipant(ctx, alice, c.ID, bob, later); err != nil || removed || again.ID != c.ID {
		t.Errorf("the repeat got %+v, %v, %v", again, removed, err)
	}
	// A user with the agent's id is somebody else.
	namesake := chat.Principal{Type: chat.User, ID: bot.ID, OrgID: "o1"}
	if _, removed, err := f.RemoveParticipant(ctx, alice, c.ID, namesake, later); err != nil || removed {
		t.Errorf("a namesake: %v, %v", removed, err)
	}
	if got, err = f.AddParticipant(ctx, alice, c.ID, namesake, later); err != nil || !got.HasParticipant(namesake) {
		t.Errorf("AddParticipant = %+v, %v", got, err)
	}
	if got, _, err = f.RemoveParticipant(ctx, alice, c.ID, namesake, later); err != nil || got.HasParticipant(namesake) || !got.HasParticipant(bot) {
		t.Errorf("RemoveParticipant = %+v, %v", got, err)
	}
}

func TestParticipantsAreBoundedWithConcurrentAdds(t *testing.T) {
	f := open(t)
	c, err := chat.NewConversation(alice, "t", "", bot.ID, nil, start)
	if err != nil {
		t.Fatal(err)
	}
	for i := range chat.MaxParticipants - 4 { // 2 are there already: 2 places are left
		c.Participants = append(c.Participants, chat.Participant{Type: chat.User, ID: chat.PrincipalID(fmt.Sprint("u", i)), Joined: start})
	}
	if c, _, err = f.CreateConversation(t.Context(), c, ""); err != nil {
		t.Fatal(err)
	}
	results := make([]error, 8)
	var g errgroup.Group
	for i := range results {
		g.Go(func() error {
			who := chat.Principal{Type: chat.User, ID: chat.PrincipalID(fmt.Sprint("late", i)), OrgID: "o1"}
			_, results[i] = f.AddParticipant(t.Context(), alice, c.ID, who, start)
			return nil
		})
	}
	if err := g.Wait(); err != nil {
		t.Fatal(err)
	}
	added := 0
	for _, err := range results {
		if err == nil {
			added++
		} else {
			wantCode(t, err, chat.Conflict)
		}
	}
	got, err := f.Conversation(t.Context(), alice, c.ID)
	if err != nil || added != 2 || len(got.Participants) != chat.MaxParticipants {
		t.Errorf("%d were added, %d are there, error %v", added, len(got.Participants), err)
	}
	if _, err := f.AddParticipant(t.Context(), alice, c.ID, bot, start); err != nil {
		t.Errorf("adding somebody who is there already: %v", err)
	}
}

func TestSaveSummaryOnlyIfNewer(t *testing.T) {
	f := open(t)
	c := f.newConversation(t, "t", start)
	for _, step := range []struct {
		to    int64
		saved bool
		now   int64
	}{{10, true, 10}, {10, false, 10}, {5, false, 10}, {20, true, 20}} {
		sum := chat.Summary{FromSeq: 1, ToSeq: step.to, Model: "m", At: start}
		got, saved, err := f.SaveSummary(t.Context(), c, fmt.Sprint("to ", step.to), sum)
		if err != nil || saved != step.saved {
			t.Fatalf("to %d: saved %v, error %v", step.to, saved, err)
		}
		want := chat.Summary{FromSeq: 1, ToSeq: step.now, Model: "m", At: start.Truncate(time.Millisecond)}
		if got.ContextSummary != fmt.Sprint("to ", step.now) || got.Summary == nil || *got.Summary != want || !got.UpdatedAt.Equal(c.UpdatedAt) {
			t.Errorf("to %d: the conversation is %+v with %+v", step.to, got, got.Summary)
		}
	}
	_, _, err := f.SaveSummary(t.Context(), chat.Conversation{ID: "none"}, "x", chat.Summary{ToSeq: 1})
	wantCode(t, err, chat.NotFound)
}

func TestHeadsAreOfTheParticipantsOwn(t *testing.T) {
	f := open(t)
	spoken, empty, gone := f.newConversation(t, "spoken", start), f.newConversation(t, "empty", start), f.newConversation(t, "gone", start)
	for _, c := range []chat.Conversation{spoken, gone} {
		for i := range 3 {
			if err := f.Project(t.Context(), c, f.append(t, newMessage(t, c.ID, alice, fmt.Sprint(i), draftOf("x")))); err != nil {
				t.Fatal(err)
			}
		}
	}
	if _, err := f.DeleteConversation(t.Context(), alice, gone.ID, start); err != nil {
		t.Fatal(err)
	}
	ids := []chat.ConversationID{spoken.ID, empty.ID, gone.ID, "none", `{"$ne":""}`}
	for p, want := range map[chat.Principal]map[chat.ConversationID]int64{
		alice: {spoken.ID: 3, empty.ID: 0}, bot: {spoken.ID: 3, empty.ID: 0}, bob: {}, mallory: {},
	} {
		got, err := f.Heads(t.Context(), p, ids)
		if err != nil || !maps.Equal(got, want) {
			t.Errorf("Heads of %s of %s = %v, %v, want %v", p, p.OrgID, got, err, want)
		}
	}
	if got, err := f.Heads(t.Context(), alice, nil); err != nil || len(got) != 0 {
		t.Errorf("Heads of nothing = %v, %v", got, err)
	}
}

func TestDeletedConversationIsTheCreatorsOwn(t *testing.T) {
	f := open(t)
	c := f.newConversation(t, "t", start)
	_, err := f.DeletedConversation(t.Context(), alice, c.ID)
	wantCode(t, err, chat.NotFound) // not yet
	deleted, err := f.DeleteConversation(t.Context(), alice, c.ID, start)
	if err != nil {
		t.Fatal(err)
	}
	_, err = f.DeleteConversation(t.Context(), alice, c.ID, start)
	wantCode(t, err, chat.NotFound)
	got, err := f.DeletedConversation(t.Context(), alice, c.ID)
	if err != nil || !reflect.DeepEqual(got, deleted) {
		t.Errorf("DeletedConversation = %+v, %v\nwant %+v", got, err, deleted)
	}
	namesake := chat.Principal{Type: chat.Agent, ID: alice.ID, OrgID: alice.OrgID}
	for _, p := range []chat.Principal{bot, bob, mallory, namesake} {
		_, err := f.DeletedConversation(t.Context(), p, c.ID)
		wantCode(t, err, chat.NotFound)
	}
	_, err = f.DeletedConversation(t.Context(), alice, "none")
	wantCode(t, err, chat.NotFound)
}
