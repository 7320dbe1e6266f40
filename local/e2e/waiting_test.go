package e2e_test

import (
	"fmt"
	"net/http"
	"net/url"
	"os"
	"testing"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"

	"aiwm-chat/local/faults"
	"aiwm-chat/local/server"
	"aiwm-chat/shared/chat"
	"aiwm-chat/shared/protocol"
)

// status is what MongoDB says of an agent; "" where it knows nothing.
func status(t *testing.T, s *server.Server, p chat.Principal) string {
	t.Helper()
	var doc struct{ Status string }
	agents := mongoOf(t, s).Database().Collection("agents")
	_ = agents.FindOne(t.Context(), bson.M{"_id": string(p.OrgID) + "/" + string(p.ID)}).Decode(&doc)
	return doc.Status
}

// agents.status follows every way in which an agent comes and goes.
func TestStatusOfAgents(t *testing.T) {
	t.Parallel()
	s := start(t, options())
	agent := newAgent(t, s)
	twin := agent.principal
	twin.OrgID = "globex"
	becomes := func(p chat.Principal, s *server.Server, want string) {
		t.Helper()
		eventually(t, fmt.Sprintf("%s is %q", p, want), func() bool { return status(t, s, p) == want })
	}
	first := agent.device()
	becomes(agent.principal, s, protocol.Online)
	second := agent.device()
	first.Close()
	time.Sleep(quiet)
	if got := status(t, s, agent.principal); got != protocol.Online {
		t.Errorf("with one of two connections left the agent is %q", got)
	}
	if got := status(t, s, twin); got != "" {
		t.Errorf("the agent of the same id elsewhere is %q", got)
	}
	other := newActor(t, s, twin).device()
	becomes(twin, s, protocol.Online)
	second.Close()
	becomes(agent.principal, s, protocol.Offline)
	if got := status(t, s, twin); got != protocol.Online {
		t.Errorf("the twin is %q", got)
	}
	other.Close()
	becomes(twin, s, protocol.Offline)
}

func TestStatusOfAgentsWhenSomethingIsLost(t *testing.T) {
	t.Parallel()
	s := faulty(t, options(), map[faults.Kind]float64{faults.DropDisconnect: 1})
	user, agent := newUser(t, s), newAgent(t, s).connect()
	id := user.open(agent)
	agent.Close()
	eventually(t, "the gateway knows", func() bool { return s.Connections() == 0 })
	if got := status(t, s, agent.principal); got != protocol.Online {
		t.Errorf("before it is pruned the agent is %q", got)
	}
	age(t, redisOf(t, s), agent.principal, 11*time.Second)
	user.postMessage(string(id), "there?", "")
	if got := status(t, s, agent.principal); got != protocol.Offline {
		t.Errorf("pruned, the agent is %q", got)
	}
	if os.Getenv("REDIS_ADDR") != "" {
		return // a Redis that is not the test's own is not emptied
	}
	agent.connect()
	phone := agent.device()
	if err := redisOf(t, s).FlushAll(t.Context()).Err(); err != nil {
		t.Fatal(err)
	}
	agents := mongoOf(t, s).Database().Collection("agents")
	if _, err := agents.UpdateMany(t.Context(), bson.M{}, bson.M{"$set": bson.M{"status": protocol.Offline}}); err != nil {
		t.Fatal(err)
	}
	if pong := phone.ping(); !pong.Resync {
		t.Errorf("the pong says %+v", pong)
	}
	eventually(t, "the agent is online again", func() bool { return status(t, s, agent.principal) == protocol.Online })
	phone.expect(protocol.EventMessageFromUser) // what waits for it, once more
}

// Who was told that an agent came is told when it is gone, also where a lost
// $disconnect is made up for, and whether it had joined or not.
func TestLostDisconnectOfWhoHadNotJoinedIsTold(t *testing.T) {
	t.Parallel()
	s := faulty(t, options(), map[faults.Kind]float64{faults.DropDisconnect: 1})
	user, agent := newUser(t, s).connect(), newAgent(t, s)
	id := user.open(agent)
	user.join(id)
	agent.connect()
	user.hears(agent, protocol.Online)
	agent.Close()
	eventually(t, "the gateway knows", func() bool { return s.Connections() == 1 })
	age(t, redisOf(t, s), agent.principal, 11*time.Second)
	user.say(id, "there?") // finds it gone
	user.hears(agent, protocol.Offline)
}

// hears expects to be told of a principal's status.
func (a *actor) hears(of *actor, status string) {
	a.t.Helper()
	if p := data[protocol.Presence](a.t, a.expect(protocol.EventPresence)); p.ID != of.principal.ID || p.Status != status {
		a.t.Errorf("told %+v, want that %s is %s", p, of.principal, status)
	}
}

// A $disconnect that dies when its tombstone is written: whoever makes up for it
// tells the members, who saw them come, also of who had joined nothing. Of a user
// that is who speaks next, of an agent also sweep.
func TestADisconnectThatDiedIsTold(t *testing.T) {
	t.Parallel()
	o := options()
	o.TimeScale = 15 // a sweep every four seconds; ten minutes of idle time are forty
	s := faulty(t, o, map[faults.Kind]float64{faults.DropDisconnect: 1})
	user, guest, agent := newUser(t, s).connect(), newUser(t, s), newAgent(t, s)
	id := user.open(agent)
	user.add(guest, id)
	user.join(id)
	guest.postMessage(string(id), "here I am", "") // who was added and said nothing is not announced
	r := redisOf(t, s)
	for round, of := range []*actor{guest, guest, agent} {
		if of.connect(); round > 0 {
			of.join(id)
		}
		user.hears(of, protocol.Online)
		connection := string(of.connectionID())
		of.Close()
		eventually(t, "the gateway knows", func() bool { return s.Connections() == 1 })
		ago := time.Now().Add(-11 * time.Second).UnixMilli()
		if err := r.HSet(t.Context(), principalKey(of.principal), connection, fmt.Sprint("y ", ago)).Err(); err != nil {
			t.Fatal(err)
		}
		if of == guest {
			eventually(t, "who is outside is told again", func() bool { // once in five seconds
				user.say(id, "there?") // finds them gone
				time.Sleep(quiet)
				return user.lastHeard(guest.principal) == protocol.Offline
			})
		} else {
			agents := mongoOf(t, s).Database().Collection("agents")
			long := bson.M{"$set": bson.M{"lastConnectedAt": time.Now().Add(-time.Hour)}}
			if _, err := agents.UpdateOne(t.Context(), bson.M{"agentId": of.principal.ID}, long); err != nil {
				t.Fatal(err)
			}
		}
		user.hears(of, protocol.Offline)
	}
	if got := status(t, s, agent.principal); got != protocol.Offline {
		t.Errorf("the agent is %q", got)
	}
}

// What is said to an agent that is away waits for it, all of it and in order.
func TestBacklogIsComplete(t *testing.T) {
	t.Parallel()
	agent := newAgent(t, shared)
	var want []string
	for u := range 3 {
		user := newUser(t, shared)
		for c := range 2 {
			id := user.open(agent)
			for m := range 3 {
				text := fmt.Sprintf("user %d, conversation %d, message %d", u, c, m)
				sent := user.postMessage(string(id), text, "")
				if u == 1 && m == 2 {
					user.call(http.MethodDelete, "/messages/"+string(sent.MessageID), nil, nil)
					continue
				}
				want = append(want, text)
			}
			time.Sleep(2 * time.Millisecond) // the order is that of the conversations' last activity
		}
	}
	agent.connect()
	for i, text := range want {
		if m := data[protocol.Message](t, agent.expect(protocol.EventMessageFromUser)); m.Content != text {
			t.Errorf("place %d of the backlog has %q, want %q", i, m.Content, text)
		}
	}
	agent.expectNot(protocol.EventMessageFromUser)
	if n := agent.count(protocol.EventBacklog); n != 0 {
		t.Errorf("%d frames say that there is more", n)
	}
}

func TestBacklogGoesOnOverREST(t *testing.T) {
	s := start(t, crowd(t))
	user, agent := newUser(t, s), newAgent(t, s)
	id := user.open(agent)
	const n = 210
	for i := range n {
		user.postMessage(string(id), fmt.Sprint(i+1), "")
	}
	agent.connect()
	more := data[protocol.Backlog](t, agent.expect(protocol.EventBacklog))
	if !more.More || more.Cursor == "" {
		t.Errorf("backlog says %+v", more)
	}
	seen := int64(0)
	for range 200 {
		if m := data[protocol.Message](t, agent.expect(protocol.EventMessageFromUser)); m.Seq != seen+1 {
			t.Fatalf("got seq %d after %d", m.Seq, seen)
		}
		seen++
	}
	agent.expectNot(protocol.EventMessageFromUser)
	base := "/agents/" + string(agent.principal.ID) + "/backlog?"
	for cursor := more.Cursor; cursor != ""; {
		var page protocol.BacklogPage
		agent.call(http.MethodGet, base+url.Values{"cursor": {cursor}, "limit": {"4"}}.Encode(), nil, &page)
		for _, m := range page.Data {
			if seen++; m.Seq != seen {
				t.Fatalf("over REST seq %d comes, want %d", m.Seq, seen)
			}
		}
		if page.Pagination.HasMore != (page.Pagination.Cursor != "") {
			t.Errorf("the page says %+v", page.Pagination)
		}
		cursor = page.Pagination.Cursor
	}
	if seen != n {
		t.Errorf("the backlog ended at %d", seen)
	}
	twin := agent.principal
	twin.Type = chat.User
	for _, other := range []*actor{user, newAgent(t, s), newActor(t, s, twin)} {
		if err := other.try(http.MethodGet, base, nil, nil); code(t, err) != chat.Forbidden {
			t.Errorf("%s reads it: %v", other.principal, err)
		}
	}
}

// An agent that was removed is not there for the conversation, though connected.
func TestRemovedAgentIsNotOnline(t *testing.T) {
	t.Parallel()
	user, agent, id := talk(t, shared)
	if sent := user.say(id, "there?"); !sent.IsAgentOnline() {
		t.Error("the agent is not online")
	}
	agent.expect(protocol.EventMessageFromUser)
	user.call(http.MethodDelete, fmt.Sprintf("/conversations/%s/participants/agent/%s", id, agent.principal.ID), nil, nil)
	agent.expect(protocol.EventLeft)
	if sent := user.say(id, "and now?"); sent.IsAgentOnline() {
		t.Error("the removed agent is online")
	}
	if joined := user.device().join(id); joined.AgentOnline {
		t.Errorf("joined with %+v", joined)
	}
	agent.expectNot(protocol.EventMessageFromUser)
	if pong := agent.ping(); len(pong.Rooms) != 0 {
		t.Errorf("the agent's pong has %+v", pong)
	}
	again := agent.device()
	again.expectNot(protocol.EventMessageFromUser) // nor does anything wait for it
}

// What was said to an agent that was away reaches it, also where the projection of
// the message failed and is made good after the agent has connected.
func TestWhatIsProjectedLateReachesTheAgent(t *testing.T) {
	t.Parallel()
	o := options()
	o.TimeScale = 60 // a sweep each second
	s := start(t, o)
	user, agent := newUser(t, s), newAgent(t, s)
	id := user.open(agent)
	sent := user.postMessage(string(id), "there?", "")
	messages := mongoOf(t, s)
	eventually(t, "the send is done", func() bool { return due(t, messages, id) == 0 })

	// As a send leaves it to which MongoDB did not answer after the commit: nobody
	// was there to be delivered to, and the projection is due, so the agent's part too.
	behind := bson.M{"$set": bson.M{"totalMessages": 0}, "$unset": bson.M{"unanswered": "", "lastMessage": ""}}
	if _, err := messages.Database().Collection("conversations").UpdateOne(t.Context(), bson.M{"_id": id}, behind); err != nil {
		t.Fatal(err)
	}
	left := bson.M{"$set": bson.M{"due": bson.M{"at": time.Now().Add(3 * time.Second), "left": []string{"project", "deliver-agent"}}}}
	if _, err := messages.UpdateOne(t.Context(), bson.M{"_id": sent.MessageID}, left); err != nil {
		t.Fatal(err)
	}
	agent.connect()
	eventually(t, "the sweep is done", func() bool { return due(t, messages, id) == 0 })
	agent.expect(protocol.EventMessageFromUser)
}
