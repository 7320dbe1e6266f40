package e2e_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"os"
	"sync"
	"testing"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	mongooptions "go.mongodb.org/mongo-driver/v2/mongo/options"

	"aiwm-chat/local/checker/evidence"
	"aiwm-chat/local/client"
	"aiwm-chat/local/faults"
	"aiwm-chat/local/server"
	"aiwm-chat/shared/chat"
	"aiwm-chat/shared/protocol"
)

// G1 to G4 and G8 while everything around the functions misbehaves: nothing
// acknowledged is lost or doubled, and everybody gets everything.
func TestPromisesUnderFaults(t *testing.T) {
	tests := []struct {
		name          string
		probabilities map[faults.Kind]float64
	}{
		{"every event comes twice", map[faults.Kind]float64{faults.Duplicate: 1}},
		{"frames overtake each other", map[faults.Kind]float64{faults.Reorder: 0.7}},
		{"everything is slow at times", map[faults.Kind]float64{faults.Latency: 0.2}},
		{"posts are throttled", map[faults.Kind]float64{faults.Throttle: 0.15}},
		{"posts fail, delivered or not", map[faults.Kind]float64{faults.PostError: 0.15}},
		{"all together", map[faults.Kind]float64{
			faults.Duplicate: 0.2, faults.Reorder: 0.2, faults.Latency: 0.05, faults.Throttle: 0.05, faults.PostError: 0.05,
		}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			r := newRoom(t, faulty(t, options(), tt.probabilities))
			written := r.write()
			r.checkLog(written)
			for _, member := range r.members {
				missing := r.missing(member, len(written), 5*time.Second)
				if len(missing) > len(written)/4 {
					t.Errorf("%s received all but %v: faults so rare cannot lose so much", member.principal, missing)
				}
				if len(missing) > 0 {
					r.recover(member, missing[0]-1)
				}
				if missing := r.missing(member, len(written), patience); len(missing) > 0 {
					t.Errorf("%s never got the seqs %v", member.principal, missing)
				}
			}
		})
	}
}

// G4 when a process dies in the middle of its work: what it committed reaches
// every member, although the only ones to know are the log and the sweep.
func TestPromisesWhenProcessesDie(t *testing.T) {
	if os.Getenv("AIWM_EXEC") == "" {
		t.Skip("processes die with AIWM_EXEC only")
	}
	t.Parallel()
	o := options()
	o.TimeScale = 20 // sweeps every three seconds
	r := newRoom(t, faulty(t, o, map[faults.Kind]float64{faults.Kill: 0.3}))
	written := r.write()
	r.checkLog(written)
	messages := mongoOf(t, r.members[0].server)
	left := 0
	eventuallyWithin(t, "nothing is due", time.Minute, func() bool {
		for _, member := range r.members {
			_, _ = member.ask("ping", nil) // or they are idle; its process may die as well
		}
		now := due(t, messages, r.id)
		left = max(left, now)
		return now == 0
	})
	t.Logf("%d messages were due", left)
	for _, member := range r.members {
		if missing := r.missing(member, len(written), patience); len(missing) > 0 {
			t.Errorf("%s never received the seqs %v", member.principal, missing)
		}
	}
}

// A message that was committed and left is finished by the sweep of the clock,
// for the members who are there by then.
func TestSweepDeliversWhatWasLeft(t *testing.T) {
	t.Parallel()
	o := options()
	o.TimeScale = 60
	user, agent, id := talk(t, start(t, o))
	sent := data[protocol.Sent](t, user.must("send", fields{"conversationId": id, "content": "hello?"}))
	agent.expect(protocol.EventMessageNew)
	messages := mongoOf(t, user.server)
	eventually(t, "the send is done", func() bool { return due(t, messages, id) == 0 })

	// As a function leaves it that dies between the commit and the delivery.
	left := bson.M{"$set": bson.M{"due": bson.M{"at": time.Now().Add(-time.Second), "left": []string{"deliver"}}}}
	if _, err := messages.UpdateOne(t.Context(), bson.M{"_id": sent.MessageID}, left); err != nil {
		t.Fatal(err)
	}
	if m := data[protocol.Message](t, agent.expect(protocol.EventMessageNew)); m.Seq != sent.Seq || m.ID != sent.MessageID {
		t.Errorf("the sweep delivered %+v", m)
	}
	eventually(t, "the sweep is done", func() bool { return due(t, messages, id) == 0 })
}

// A $disconnect that never comes is made up for by a post that finds the
// connection gone.
func TestLostDisconnect(t *testing.T) {
	t.Parallel()
	s := faulty(t, options(), map[faults.Kind]float64{faults.DropDisconnect: 1})
	user, agent, id := talk(t, s)
	open := s.Connections()
	agent.Close()
	eventually(t, "the gateway knows", func() bool { return s.Connections() < open })
	user.expectNot(protocol.EventUserLeft)

	// A connection that registered a moment ago may be about to open: the posts
	// of the first seconds do not count.
	var f client.Frame
	eventually(t, "a post to nobody is heard of", func() bool {
		user.say(id, "still there?")
		ctx, cancel := context.WithTimeout(t.Context(), quiet)
		defer cancel()
		var err error
		f, err = user.Next(ctx, protocol.EventUserLeft)
		return err == nil
	})
	if left := data[protocol.Membership](t, f); left.ID != agent.principal.ID {
		t.Errorf("the post to nobody brought %+v", left)
	}
	var page protocol.PresencePage
	user.call(http.MethodGet, "/presence?conversationId="+string(id), nil, &page)
	for _, p := range page.Data {
		if online := p.ID != agent.principal.ID; online != (p.Status == protocol.Online) {
			t.Errorf("GET /presence says that %s is %s", p.ID, p.Status)
		}
	}
	if sent := user.say(id, "well then"); sent.IsAgentOnline() {
		t.Error("the agent still counts as online")
	}
}

// faulty starts a server with faults; a failure shows how to repeat them.
func faulty(t *testing.T, o server.Options, probabilities map[faults.Kind]float64) *server.Server {
	t.Helper()
	f, err := faults.New(rand.Uint64(), probabilities)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if t.Failed() {
			t.Log("the faults were", f)
		}
	})
	o.Faults = f
	return start(t, o)
}

// A room is a conversation whose members take no error for an answer.
type room struct {
	t       *testing.T
	id      chat.ConversationID
	members []*actor // a user, an agent, and the agent again
}

func newRoom(t *testing.T, s *server.Server) *room {
	t.Helper()
	user, agent := newUser(t, s), newAgent(t, s)
	second := *agent
	r := &room{t: t, members: []*actor{user, agent, &second}}
	var c protocol.Conversation
	persist(t, "create a conversation", func(ctx context.Context) error {
		return user.rest.Do(ctx, http.MethodPost, "/conversations", fields{"title": "t", "agentId": agent.principal.ID}, &c)
	})
	r.id = c.ID
	for _, m := range r.members {
		persist(t, "connect", func(ctx context.Context) (err error) {
			m.Client, err = reach(ctx, s.WebSocketURL(), m.token)
			return err
		})
		t.Cleanup(m.Close)
		m.insist("join", fields{"conversationId": r.id})
	}
	return r
}

// write has all members write at once, and returns what was acknowledged.
func (r *room) write() map[chat.ClientMessageID]protocol.Sent {
	const each = 8
	acked := map[chat.ClientMessageID]protocol.Sent{}
	var mu sync.Mutex
	var wg sync.WaitGroup
	for w, m := range r.members {
		wg.Go(func() {
			for i := range each {
				id := chat.ClientMessageID(fmt.Sprintf("w%d-%d", w, i))
				f := m.insist("send", fields{"conversationId": r.id, "content": "I am " + string(id), "clientMessageId": id})
				sent, err := client.Data[protocol.Sent](f)
				if err != nil {
					r.t.Error(err)
				}
				mu.Lock()
				acked[id] = sent
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	if len(acked) != each*len(r.members) {
		r.t.Fatalf("%d messages were acknowledged", len(acked))
	}
	return acked
}

// checkLog compares the log with what was acknowledged: G1, G2, G3.
func (r *room) checkLog(acked map[chat.ClientMessageID]protocol.Sent) {
	r.t.Helper()
	var page protocol.MessagePage
	persist(r.t, "read the log", func(ctx context.Context) error {
		return r.members[0].rest.Do(ctx, http.MethodGet, "/messages?limit=100&afterSeq=0&conversationId="+string(r.id), nil, &page)
	})
	if len(page.Data) != len(acked) {
		r.t.Errorf("the log has %d messages, %d were acknowledged", len(page.Data), len(acked))
	}
	for i, m := range page.Data {
		sent := acked[m.ClientMessageID]
		if m.Seq != int64(i+1) || sent.Seq != m.Seq || sent.MessageID != m.ID || m.Content != "I am "+string(m.ClientMessageID) {
			r.t.Errorf("place %d of the log has %+v, acknowledged as %+v", i+1, m, sent)
		}
	}
}

// missing waits until a member has all seqs from 1 to n, live or from the
// history, and returns those that did not come.
func (r *room) missing(a *actor, n int, wait time.Duration) (seqs []int64) {
	r.t.Helper()
	for deadline := time.Now().Add(wait); ; time.Sleep(10 * time.Millisecond) {
		got := map[int64]chat.MessageID{}
		for _, f := range a.Frames() {
			for _, m := range messagesOf(r.t, f) {
				if other, ok := got[m.Seq]; ok && other != m.ID {
					r.t.Fatalf("seq %d is both %s and %s", m.Seq, other, m.ID)
				}
				got[m.Seq] = m.ID
			}
		}
		seqs = seqs[:0]
		for seq := range int64(n) {
			if _, ok := got[seq+1]; !ok {
				seqs = append(seqs, seq+1)
			}
		}
		if len(seqs) == 0 || time.Now().After(deadline) {
			return seqs
		}
	}
}

// recover does what a client does that finds a gap.
func (r *room) recover(a *actor, afterSeq int64) {
	r.t.Helper()
	r.t.Logf("%s asks for what is after seq %d", a.principal, afterSeq)
	a.insist("join", fields{"conversationId": r.id, "afterSeq": afterSeq})
}

func messagesOf(t *testing.T, f client.Frame) []protocol.Message {
	switch f.Event {
	case protocol.EventMessageNew:
		return []protocol.Message{data[protocol.Message](t, f)}
	case protocol.EventHistory:
		var all []protocol.Message
		for _, raw := range data[protocol.History](t, f).Messages {
			all = append(all, decode[protocol.Message](t, raw))
		}
		return all
	}
	return nil
}

// insist sends an action until it is accepted, as G8 says that a client may.
func (a *actor) insist(action string, in fields) (reply client.Frame) {
	persist(a.t, action, func(ctx context.Context) (err error) {
		reply, err = a.Request(ctx, action, in)
		return err
	})
	return reply
}

// persist repeats what may be repeated: all but what was refused for good.
func persist(t *testing.T, what string, do func(context.Context) error) {
	t.Helper()
	for deadline := time.Now().Add(2 * patience); ; time.Sleep(10 * time.Millisecond) {
		ctx, cancel := context.WithTimeout(t.Context(), 4*time.Second)
		err := do(ctx)
		cancel()
		if err == nil {
			return
		}
		refusal, refused := errors.AsType[*client.Error](err)
		if refused && refusal.Code != "" && !refusal.Retryable || time.Now().After(deadline) {
			t.Errorf("%s: %v", what, err)
			return
		}
	}
}

// due counts the messages of a conversation of which something is left to do.
func due(t *testing.T, messages *mongo.Collection, id chat.ConversationID) int {
	t.Helper()
	n, err := evidence.Due(t.Context(), messages, id)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// mongoOf returns the messages in the server's MongoDB.
func mongoOf(t *testing.T, s *server.Server) *mongo.Collection {
	t.Helper()
	m, err := mongo.Connect(mongooptions.Client().ApplyURI(s.MongoURI()))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = m.Disconnect(context.Background()) })
	return m.Database("aiwm_chat").Collection("messages")
}
