package e2e_test

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"aiwm-chat/local/checker"
	"aiwm-chat/local/server"
	"aiwm-chat/shared/chat"
	"aiwm-chat/shared/protocol"
)

func TestTwoTalk(t *testing.T) { twoTalk(t, shared) }

func twoTalk(t *testing.T, s *server.Server) {
	user, agent := newUser(t, s).connect(), newAgent(t, s).connect()
	id := user.open(agent)

	joined := user.join(id)
	if joined.LastSeq != 0 || !joined.AgentOnline || len(joined.Members) != 1 || joined.Members[0].ID != user.principal.ID {
		t.Errorf("the first to join got %+v", joined)
	}
	if h := data[protocol.History](t, user.expect(protocol.EventHistory)); len(h.Messages) != 0 || h.HasMore {
		t.Errorf("the history of a new conversation is %+v", h)
	}
	if joined := agent.join(id); joined.MemberCount != 2 {
		t.Errorf("the second to join got %+v", joined)
	}
	m := data[protocol.Membership](t, user.expect(protocol.EventUserJoined))
	if m.ConversationID != id || m.Type != chat.Agent || m.ID != agent.principal.ID {
		t.Errorf("user:joined is %+v", m)
	}

	sent := user.say(id, "Is the order on its way?")
	if sent.Seq != 1 || !sent.IsAgentOnline() || sent.Duplicate || sent.ClientMessageID == "" {
		t.Errorf("message:sent is %+v", sent)
	}
	for _, a := range []*actor{user, agent} {
		got := data[protocol.Message](t, a.expect(protocol.EventMessageNew))
		if got.ID != sent.MessageID || got.Content != "Is the order on its way?" || got.Role != chat.RoleUser || got.ParticipantID != user.principal.ID {
			t.Errorf("%s received %+v", a.principal, got)
		}
	}
	agent.expect(protocol.EventMessageFromUser)

	agent.say(id, "It left the warehouse this morning.")
	if got := data[protocol.Message](t, user.expect(protocol.EventMessageNew)); got.Seq != 2 || got.Role != chat.RoleAgent {
		t.Errorf("the answer is %+v", got)
	}
	agent.expectNot(protocol.EventMessageFromUser)

	if err := user.Send(t.Context(), fields{"action": "typing", "conversationId": id, "state": "start"}); err != nil {
		t.Fatal(err)
	}
	typing := data[protocol.TypingNotice](t, agent.expect(protocol.EventTypingStart))
	if typing.ID != user.principal.ID || typing.ExpiresIn != 3000 {
		t.Errorf("typing:start is %+v", typing)
	}
	if err := user.Send(t.Context(), fields{"action": "typing", "conversationId": id, "state": "stop"}); err != nil {
		t.Fatal(err)
	}
	agent.expect(protocol.EventTypingStop)
	user.expectNot(protocol.EventTypingStart)

	if _, err := user.ask("leave", fields{"conversationId": id}); err != nil {
		t.Fatal(err)
	}
	if left := data[protocol.Membership](t, agent.expect(protocol.EventUserLeft)); left.ID != user.principal.ID {
		t.Errorf("user:left is %+v", left)
	}
}

func TestFrameWithoutConversationMeansTheOnlyOneJoined(t *testing.T) {
	user, agent := newUser(t, shared).connect(), newAgent(t, shared)
	first, second := user.open(agent), user.open(agent)
	_, err := user.ask("send", fields{"content": "where?"})
	if code(t, err) != chat.ValidationFailed {
		t.Errorf("with none joined: %v", err)
	}
	user.join(first)
	if f, err := user.ask("send", fields{"content": "here"}); err != nil || data[protocol.Sent](t, f).ConversationID != first {
		t.Errorf("with one joined: %v", err)
	}
	user.join(second)
	if _, err = user.ask("send", fields{"content": "where?"}); code(t, err) != chat.ValidationFailed {
		t.Errorf("with two joined: %v", err)
	}
}

func TestSummaryAfterTheTenthMessage(t *testing.T) { summaryAfterTheTenthMessage(t, shared) }

func summaryAfterTheTenthMessage(t *testing.T, s *server.Server) {
	user, agent, id := talk(t, s)
	for i := range 5 {
		user.say(id, fmt.Sprintf("question %d about the invoice", i+1))
		agent.say(id, fmt.Sprintf("answer %d", i+1))
	}
	for _, a := range []*actor{user, agent} {
		c := data[protocol.Conversation](t, a.expect(protocol.EventConversationUpdated))
		if c.ContextSummary == "" || c.Summary == nil || c.Summary.ToSeq != 10 || c.Summary.FromSeq != 1 {
			t.Errorf("%s was told %+v", a.principal, c)
		}
	}
	user.say(id, "one more thing")
	var result protocol.SummaryResult
	user.call(http.MethodPost, "/conversations/"+string(id)+"/summary", nil, &result)
	var c protocol.Conversation
	user.call(http.MethodGet, "/conversations/"+string(id), nil, &c)
	if c.Summary.ToSeq != 11 || c.ContextSummary != result.Summary || result.Summary == "" {
		t.Errorf("after a summary on demand: %q, %+v", result.Summary, c.Summary)
	}
}

func TestTotalsAreThoseOfTheLog(t *testing.T) {
	user, agent, id := talk(t, shared)
	user.say(id, "how much?")
	for _, tokens := range []int{120, 30} {
		usage := fields{"promptTokens": tokens - 10, "completionTokens": 10, "totalTokens": tokens}
		if _, err := agent.ask("send", fields{"conversationId": id, "content": "this much", "usage": usage, "latency": 250}); err != nil {
			t.Fatal(err)
		}
	}
	var c protocol.Conversation
	eventually(t, "the projection reaches the last message", func() bool {
		user.call(http.MethodGet, "/conversations/"+string(id), nil, &c)
		return c.TotalMessages == 3
	})
	if c.TotalTokens != 150 || c.LastMessage == nil || c.LastMessage.Seq != 3 || c.LastMessage.Content != "this much" {
		t.Errorf("the conversation is %+v, its last message %+v", c, c.LastMessage)
	}
}

func TestEverythingIsThereAfterARestart(t *testing.T) {
	if os.Getenv("MONGODB_URI") != "" {
		t.Skip("a real MongoDB is not restarted by this test")
	}
	o := options()
	o.Dir = t.TempDir()
	s := startBare(t, o)
	user, agent, id := talk(t, s)
	user.say(id, "remember this")
	agent.say(id, "I will")
	stop(t, s)

	s = start(t, o)
	again := newActor(t, s, user.principal).connect()
	if joined := again.join(id); joined.LastSeq != 2 {
		t.Errorf("after the restart: %+v", joined)
	}
	h := data[protocol.History](t, again.expect(protocol.EventHistory))
	if len(h.Messages) != 2 || !strings.Contains(string(h.Messages[0]), "remember this") {
		t.Errorf("after the restart the history is %s", h.Messages)
	}
}

// G2, G3 and G4 where a hundred write at once, with equal ids among them, half of
// those over REST.
func TestAHundredWriteAtOnce(t *testing.T) {
	o := crowd(t)
	o.TimeScale = 15 // a sweep every four seconds, for posts that a busy machine could not make
	s := start(t, o)
	users, devices, rounds := 10, 10, 3
	if testing.Short() {
		devices = 3
	}
	owner, agent := &member{actor: newUser(t, s)}, &member{actor: newAgent(t, s)}
	members := []*member{owner, agent}
	for range users {
		user := newUser(t, s)
		for range devices {
			again := *user
			members = append(members, &member{actor: &again})
		}
	}
	k := newScene(t, s, owner.open(agent.actor), members...)
	k.bounds = checker.Bounds{Delivery: 2 * time.Minute, Presence: 30 * time.Second}
	writers := members[2:]
	each(len(members), 16, func(i int) { k.open(members[i]) })
	each(len(members), 16, func(i int) { k.join(members[i]) })
	for range rounds {
		// Half of them write what nobody else does; of the others all devices of a
		// user write the same, half of those over REST.
		said := make([]*utterance, len(writers))
		for i, by := range writers {
			switch first := i / devices * devices; {
			case i/devices%2 == 0:
				said[i] = k.utter(by, i%2 == 0)
			case i == first:
				said[i] = k.utter(by, false)
			default:
				same := *said[first]
				same.by, same.rest = by, i%2 == 0
				said[i] = &same
			}
		}
		each(len(writers), len(writers), func(i int) {
			persist(t, "send", func(context.Context) error { return k.try(said[i]) })
		})
	}
	k.settle()
	k.reached()
	want := int64(rounds * (users/2*devices + users/2))
	if n := writers[0].has(); n != want {
		t.Errorf("%d messages are in the log, want %d", n, want)
	}
	k.judge()
}

// G3, with G4 as long as nobody fails: whoever writes at once, everybody gets
// every message, in one order without gaps.
func TestManyWriteAtOnce(t *testing.T) {
	user, agent, id := talk(t, shared)
	const writers, each = 8, 5
	var wg sync.WaitGroup
	for w := range writers {
		a := user
		if w%2 == 1 {
			a = agent
		}
		wg.Go(func() {
			for i := range each {
				if _, err := a.ask("send", fields{"conversationId": id, "content": fmt.Sprint(w, i)}); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	for _, a := range []*actor{user, agent} {
		byContent := map[string]int64{}
		var seqs []int64
		for range writers * each {
			m := data[protocol.Message](t, a.expect(protocol.EventMessageNew))
			if seq, seen := byContent[m.Content]; seen && seq != m.Seq {
				t.Errorf("%q has the seqs %d and %d", m.Content, seq, m.Seq)
			}
			byContent[m.Content] = m.Seq
			seqs = append(seqs, m.Seq)
		}
		slices.Sort(seqs)
		for i, seq := range seqs {
			if seq != int64(i+1) {
				t.Fatalf("%s received the seqs %v", a.principal, seqs)
			}
		}
	}
}
