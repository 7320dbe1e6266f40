package mongostore_test

import (
	"context"
	"fmt"
	"maps"
	"os"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"

	"aiwm-chat/local/embedded/mongod"
	"aiwm-chat/shared/chat"
	"aiwm-chat/shared/mongostore"
)

// rows returns the cells of the table below a heading of README.md.
func rows(t *testing.T, heading string) (all [][]string) {
	t.Helper()
	readme, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	_, section, _ := strings.Cut(string(readme), "\n## "+heading+"\n")
	section, _, _ = strings.Cut(section, "\n## ")
	for line := range strings.Lines(section) {
		if line = strings.TrimSpace(line); strings.HasPrefix(line, "|") {
			var cells []string
			for cell := range strings.SplitSeq(strings.Trim(line, "|"), "|") {
				cells = append(cells, strings.TrimSpace(cell))
			}
			all = append(all, cells)
		}
	}
	if len(all) < 3 {
		t.Fatalf("README.md has no table under %q", heading)
	}
	return all[2:] // after the head and the line below it
}

func TestReferenceOfIndexes(t *testing.T) {
	f := open(t)
	var got, want []string
	for _, name := range []string{"messages", "conversations", "agents", "runs", "reads", "search", "uploads", "webhooks"} {
		cursor, err := f.db.Collection(name).Indexes().List(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		var specs []struct {
			Key     bson.D
			Unique  bool
			Partial bson.D `bson:"partialFilterExpression"`
		}
		if err := cursor.All(t.Context(), &specs); err != nil {
			t.Fatal(err)
		}
		for _, s := range specs[1:] { // not _id
			var fields []string
			for _, e := range s.Key {
				if fmt.Sprint(e.Value) == "-1" {
					e.Key = "-" + e.Key
				}
				fields = append(fields, e.Key)
			}
			got = append(got, fmt.Sprint(name, ": ", strings.Join(fields, ", "), " unique ", s.Unique, " partial ", s.Partial != nil))
		}
	}
	for _, r := range rows(t, "Indexes") {
		kind, _, _ := strings.Cut(r[2], ":")
		want = append(want, fmt.Sprint(r[0], ": ", r[1], " unique ", strings.Contains(kind, "unique"), " partial ", strings.Contains(kind, "partial")))
	}
	slices.Sort(got)
	if slices.Sort(want); !slices.Equal(got, want) {
		t.Errorf("README.md says\n%s\nthere are\n%s", strings.Join(want, "\n"), strings.Join(got, "\n"))
	}
}

// shardKeys are those that README.md names.
var shardKeys = map[string]string{"messages": "conversationId", "conversations": "_id"}

// The table of shards is what the operations send, and has all of them.
func TestReferenceOfShards(t *testing.T) {
	f := open(t)
	l := &listener{}
	s, err := mongostore.Open(serverURI, f.db.Name(), mongostore.Options{Dial: l})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close(context.Background())
	c := f.newConversation(t, "t", time.Now()) // or it is too old for a backlog
	m := f.appendDue(t, c.ID, "m", start)
	if err := f.Project(t.Context(), served(bot.ID), m); err != nil {
		t.Fatal(err)
	}
	other := f.append(t, newMessage(t, c.ID, alice, "other", draftOf("x")))
	ctx := t.Context()
	operations := map[string]func() error{
		"Conversation":    func() error { _, err := s.Conversation(ctx, alice, c.ID); return err },
		"AnyConversation": func() error { _, err := s.AnyConversation(ctx, "o1", c.ID); return err },
		"Append": func() error {
			_, _, err := s.Append(ctx, chat.Head{}, newMessage(t, c.ID, alice, "m2", draftOf("x")))
			return err
		},
		"Claim":         func() error { _, _, err := s.Claim(ctx, m, start.Add(time.Hour)); return err },
		"Settle":        func() error { return s.Settle(ctx, m, nil) },
		"Project":       func() error { return s.Project(ctx, c, m) },
		"Accept":        func() error { return s.Accept(ctx, bob, c.ID) },
		"LogVersion":    func() error { _, err := s.LogVersion(ctx, c.ID); return err },
		"Messages":      func() error { _, _, err := s.Messages(ctx, c.ID, chat.MessageQuery{}); return err },
		"Sent":          func() error { _, _, err := s.Sent(ctx, c.ID, alice, "m"); return err },
		"Heads":         func() error { _, err := s.Heads(ctx, alice, []chat.ConversationID{c.ID}); return err },
		"DueBefore":     func() error { _, err := s.DueBefore(ctx, start, 1); return err },
		"Message":       func() error { _, err := s.Message(ctx, "o1", m.ID); return err },
		"DeleteMessage": func() error { _, err := s.DeleteMessage(ctx, m, m.Sender, start); return err },
		"EditMessage": func() error {
			_, _, err := s.EditMessage(ctx, alice, chat.Edit{ConversationID: c.ID, MessageID: other.ID, Content: "y"}, start)
			return err
		},
		"React": func() error {
			_, _, err := s.React(ctx, alice, chat.ReactionChange{ConversationID: c.ID, MessageID: other.ID, Key: "👍", On: true}, start, start)
			return err
		},
		"Changes":       func() error { _, _, _, err := s.Changes(ctx, c.ID, chat.ChangeCursor{At: 1, ID: "m"}, 9); return err },
		"ChangeCursor":  func() error { _, err := s.ChangeCursor(ctx, c.ID); return err },
		"ForgetMessage": func() error { _, _, err := s.ForgetMessage(ctx, c, m); return err },
		"CountReplies": func() error {
			m := other
			m.ThreadID = m.ID
			_, err := s.CountReplies(ctx, m, start)
			return err
		},
		"IndexMessage": func() error { return s.IndexMessage(ctx, other) },
		"Search": func() error {
			_, err := s.Search(ctx, chat.SearchQuery{Conversations: []chat.ConversationID{c.ID}, Whole: []string{"x"}, Limit: 1})
			return err
		},
		"Found": func() error {
			_, err := s.Found(ctx, []chat.Candidate{{MessageID: other.ID, ConversationID: c.ID}})
			return err
		},
		"Latest":             func() error { _, _, err := s.Latest(ctx, alice, "", 9); return err },
		"MessagesAround":     func() error { _, _, _, err := s.MessagesAround(ctx, c.ID, 1, 9); return err },
		"Reindex":            func() error { _, _, err := s.Reindex(ctx, "", 9); return err },
		"IndexMessages":      func() error { return s.IndexMessages(ctx, []chat.Message{m}) },
		"Conversations":      func() error { _, err := s.Conversations(ctx, alice, chat.ConversationQuery{}); return err },
		"ConversationsOf":    func() error { _, err := s.ConversationsOf(ctx, alice, 9); return err },
		"Backlog":            func() error { _, _, err := s.Backlog(ctx, bot, "", 9); return err },
		"CreateConversation": func() error { _, _, err := s.CreateConversation(ctx, c, ""); return err },
		"UpdateConversation": func() error {
			_, err := s.UpdateConversation(ctx, alice, c.ID, chat.ConversationChange{}, start)
			return err
		},
		"SaveSummary": func() error {
			_, _, err := s.SaveSummary(ctx, c, "s", chat.Summary{ToSeq: 1, At: start})
			return err
		},
		"AddParticipant":      func() error { _, err := s.AddParticipant(ctx, alice, c.ID, bob, start); return err },
		"RemoveParticipant":   func() error { _, _, err := s.RemoveParticipant(ctx, alice, c.ID, bob, start); return err },
		"DeleteConversation":  func() error { _, err := s.DeleteConversation(ctx, alice, c.ID, start); return err },
		"DeletedConversation": func() error { _, err := s.DeletedConversation(ctx, alice, c.ID); return err },
		"Read": func() error {
			_, err := s.Read(ctx, bot, c, 99, false, start)
			return err
		},
		"MarkUnread": func() error { _, err := s.MarkUnread(ctx, alice, c, 1); return err },
		"Places":     func() error { _, err := s.Places(ctx, c.ID, []chat.MessageID{"m1", "m2"}); return err },
		"Marks":      func() error { _, err := s.Marks(ctx, c); return err },
		"Readings": func() error {
			c.TotalMessages = 1
			_, err := s.Readings(ctx, alice, []chat.Conversation{c, c})
			return err
		},
		"CheckMarkIndexes": nil,
		"CreateUpload":     nil, // uploads is not sharded
		"Upload":           nil,
		"Attachable":       nil,
		"AttachUploads":    nil,
		"EraseUploads":     nil,
		"CreateWebhook":    nil, // nor are webhooks
		"Webhooks":         nil,
		"Webhook":          nil,
		"DeleteWebhook":    nil,
		"TryWebhook":       nil,
		"WebhookTook":      nil,
		"WebhookFailed":    nil,
		"DisableWebhook":   nil,
		"SetAgentStatus":   nil, // agents is not sharded
		"UncheckedAgents":  nil,
		"CreateAgent":      nil,
		"Agent":            nil,
		"Agents":           nil,
		"UpdateAgent":      nil,
		"DeleteAgent":      nil,
		"QueueRun":         nil, // nor are runs
		"Run":              nil,
		"Runs":             nil,
		"OpenRuns":         nil,
		"RunsBeside":       nil,
		"LatestRun":        nil,
		"DueRuns":          nil,
		"PutOffRun":        nil,
		"RunDecided":       nil,
		"TakeRun":          nil,
		"TakeOverRun":      nil,
		"RenewRun":         nil,
		"HandOverRun":      nil,
		"BeginCall":        nil,
		"WaitRun":          nil,
		"RequeueRun":       nil,
		"EndRun":           nil,
		"StopRun":          nil,
		"UsageSums":        nil,
		"TokensOfDay":      nil,
		"CheckRunIndexes":  nil,
		"Ping":             nil,
		"Close":            nil,
		"CreateIndexes":    nil,
		"CheckIndexes":     nil,
	}
	for method := range reflect.TypeFor[*mongostore.Store]().Methods() {
		if _, ok := operations[method.Name]; !ok {
			t.Errorf("the test does not know %s", method.Name)
		}
	}
	table := map[string]map[string]string{}
	for _, r := range rows(t, "Sharding") {
		asked := map[string]string{}
		if r[1] != "" {
			asked["messages"] = r[1]
		}
		if r[2] != "" {
			asked["conversations"] = r[2]
		}
		table[strings.Trim(r[0], "`")] = asked
	}
	last := []string{"AddParticipant", "RemoveParticipant", "DeleteConversation", "DeletedConversation"} // they end what others need
	order := slices.Sorted(maps.Keys(operations))
	order = append(slices.DeleteFunc(order, func(name string) bool { return slices.Contains(last, name) }), last...)
	for _, name := range order {
		if operations[name] == nil {
			continue
		}
		l.asked.Store(&sync.Map{})
		if err := operations[name](); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		got := map[string]string{}
		l.asked.Load().Range(func(collection, shards any) bool { got[collection.(string)] = shards.(string); return true })
		if !maps.Equal(got, table[name]) {
			t.Errorf("%s asks %v, README.md says %v", name, got, table[name])
		}
		delete(table, name)
	}
	for name := range table {
		t.Errorf("README.md knows %s", name)
	}
}

// An instance has no more connections than README.md says, whatever an
// invocation does, and one to each secondary.
func TestReferenceOfConnections(t *testing.T) {
	t.Parallel()
	readme, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	if !regexp.MustCompile(`at most 8 for an agent's backlog`).Match(readme) {
		t.Fatal("README.md says another bound than the test")
	}
	server := replicaSet(t, mongod.Replica{})
	f, l := on(t, server), &listener{}
	s, err := mongostore.Open(server.URI(), f.db.Name(), mongostore.Options{Dial: l})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close(context.Background())
	for i := range 20 {
		c := f.newConversation(t, fmt.Sprint(i), time.Now())
		m := f.appendDue(t, c.ID, fmt.Sprint("m", i), start)
		if err := f.Project(t.Context(), served(bot.ID), m); err != nil {
			t.Fatal(err)
		}
	}
	for range 3 {
		if _, _, err := s.Backlog(t.Context(), bot, "", 200); err != nil {
			t.Fatal(err)
		}
		if _, err := s.Conversations(t.Context(), alice, chat.ConversationQuery{Limit: 100}); err != nil {
			t.Fatal(err)
		}
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if most := slices.Sorted(maps.Values(l.most)); len(most) != 3 || most[0] != 1 || most[1] != 1 || most[2] > 1+10 || most[2] < 1+4 {
		t.Errorf("connections by member: %v, want 1, 1 and at most 11", most)
	}
}
