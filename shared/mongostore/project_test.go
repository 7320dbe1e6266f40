package mongostore_test

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"

	"aiwm-chat/shared/chat"
)

func (f fixture) unanswered(t testing.TB, id chat.ConversationID) []string {
	t.Helper()
	var d struct {
		Unanswered []string `bson:"unanswered"`
	}
	if err := f.db.Collection("conversations").FindOne(t.Context(), bson.M{"_id": id}).Decode(&d); err != nil {
		t.Fatal(err)
	}
	return d.Unanswered
}

// served is a conversation with agents.
func served(agents ...chat.PrincipalID) (c chat.Conversation) {
	for _, id := range agents {
		c.Participants = append(c.Participants, chat.Participant{Type: chat.Agent, ID: id})
	}
	return c
}

// In whatever order four messages are projected, in the end the conversation is
// as if they came in their own. With one agent the last message alone decides.
func TestProjectInAnyOrder(t *testing.T) {
	f := open(t)
	for senders := range 1 << 4 {
		for _, order := range permutations(4) {
			c := f.newConversation(t, "t", start)
			var log []chat.Message
			var want []string
			for i := range 4 {
				m := newMessage(t, c.ID, alice, fmt.Sprint(i), draftOf(fmt.Sprint(i)))
				want = []string{"bot"}
				if senders&(1<<i) != 0 {
					m = newMessage(t, c.ID, bot, fmt.Sprint(i), chat.Draft{Content: fmt.Sprint(i), Usage: &chat.Usage{TotalTokens: 5}})
					want = nil
				}
				m.ID, m.Seq = chat.MessageID(fmt.Sprint(c.ID, i)), int64(i+1)
				m.RunningTokens, m.CreatedAt = 5*m.Seq, start.Add(time.Duration(i)*time.Hour)
				log = append(log, m)
			}
			for _, i := range order {
				if err := f.Project(t.Context(), served("bot"), log[i]); err != nil {
					t.Fatal(err)
				}
			}
			got, err := f.Conversation(t.Context(), alice, c.ID)
			if err != nil || got.Head() != (chat.Head{Seq: 4, RunningTokens: 20}) || got.LastMessage.Content != "3" ||
				!got.UpdatedAt.Equal(log[3].CreatedAt.Truncate(time.Millisecond)) {
				t.Fatalf("senders %04b, order %v: %+v, %v", senders, order, got, err)
			}
			if got := f.unanswered(t, c.ID); !slices.Equal(got, want) {
				t.Fatalf("senders %04b, order %v: unanswered %v, want %v", senders, order, got, want)
			}
		}
	}
}

func permutations(n int) [][]int {
	if n == 0 {
		return [][]int{nil}
	}
	var all [][]int
	for _, p := range permutations(n - 1) {
		for at := range n {
			all = append(all, slices.Insert(slices.Clone(p), at, n-1))
		}
	}
	return all
}

func TestProjectNotesWhoseAnswerIsAwaited(t *testing.T) {
	f := open(t)
	c := f.newConversation(t, "t", start)
	other := chat.Principal{Type: chat.Agent, ID: "other", OrgID: "o1"}
	var last chat.Message
	for i, step := range []struct {
		sender chat.Principal
		agents []chat.PrincipalID
		want   string
	}{
		{bot, []chat.PrincipalID{"bot"}, ""}, // nobody waits
		{alice, []chat.PrincipalID{"bot", "other"}, "bot other"},
		{bot, []chat.PrincipalID{"bot", "other"}, "other"},
		{bot, nil, "other"},
		{alice, []chat.PrincipalID{"bot", "other"}, "bot other"},
		{other, nil, "bot"},
		{alice, nil, ""},
		{alice, []chat.PrincipalID{"bot"}, "bot"},
	} {
		last = f.append(t, newMessage(t, c.ID, step.sender, fmt.Sprint(i), draftOf("x")))
		for range 2 { // again changes nothing
			if err := f.Project(t.Context(), served(step.agents...), last); err != nil {
				t.Fatal(err)
			}
		}
		if got := strings.Join(f.unanswered(t, c.ID), " "); got != step.want {
			t.Errorf("step %d: unanswered %q, want %q", i, got, step.want)
		}
	}
	f.erase(t, last, start)
	if got := f.unanswered(t, c.ID); !slices.Equal(got, []string{"bot"}) {
		t.Errorf("after the deletion: unanswered %v, want as before", got)
	}
}

// The partial indexes are there and have only what is open.
func TestOutboxIndexesArePartial(t *testing.T) {
	f := open(t)
	want := map[string]string{"conversationId_1_changedAt_1__id_1": "changedAt", "due.tries_1_due.at_1": "due.at", "orgId_1_unanswered_1_updatedAt_1__id_1": "unanswered"}
	for _, name := range []string{"messages", "conversations"} {
		raw, err := f.db.Collection(name).Indexes().List(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		var docs []bson.Raw
		if err := raw.All(t.Context(), &docs); err != nil {
			t.Fatal(err)
		}
		for _, d := range docs {
			if field := want[d.Lookup("name").StringValue()]; field != "" && d.Lookup("partialFilterExpression", field, "$exists").Boolean() {
				delete(want, d.Lookup("name").StringValue())
			}
		}
	}
	if len(want) > 0 {
		t.Errorf("missing: %v", slices.Collect(maps.Keys(want)))
	}
}

// An index that only an earlier version needs goes with an upgrade.
func TestSupersededIndexesAreDropped(t *testing.T) {
	f := open(t)
	messages := f.db.Collection("messages")
	if _, err := messages.Indexes().CreateOne(t.Context(), mongo.IndexModel{Keys: bson.D{{Key: "due.at", Value: 1}}}); err != nil {
		t.Fatal(err)
	}
	if err := f.CreateIndexes(t.Context()); err != nil {
		t.Fatal(err)
	}
	specs, err := messages.Indexes().ListSpecifications(t.Context())
	if err != nil || len(specs) < 3 {
		t.Fatalf("%d indexes, %v", len(specs), err)
	}
	for _, s := range specs {
		if s.Name == "due.at_1" {
			t.Error("due.at_1 is still there")
		}
	}
}
