package e2e_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/coder/websocket"
	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"

	"aiwm-chat/shared/chat"
	"aiwm-chat/shared/protocol"
)

// hasten has what is due of a conversation taken up by the next sweep.
func hasten(t *testing.T, messages *mongo.Collection, id chat.ConversationID) {
	t.Helper()
	past := bson.M{"$set": bson.M{"due.at": time.Now().Add(-time.Second)}}
	if _, err := messages.UpdateMany(t.Context(), bson.M{"conversationId": id, "due.at": bson.M{"$exists": true}}, past); err != nil {
		t.Fatal(err)
	}
}

// G4 where posts to a member answer 429 for longer than anybody is patient: the
// pong tells at once that there is something, and the sweep brings it.
func TestThrottledMemberIsReachedByTheSweep(t *testing.T) {
	t.Parallel()
	o := options()
	o.TimeScale = 30 // a sweep every two seconds
	s, between := startWired(t, o)
	user, agent, id := talk(t, s)
	throttled := string(agent.connectionID())
	between.rule(func(p post) verdict {
		if p.connection == throttled && (p.is(protocol.EventMessageNew) || p.is(protocol.EventMessageFromUser)) {
			return throttle
		}
		return pass
	})
	sent := user.say(id, "can you hear me?")
	overREST := user.postMessage(string(id), "and this?", "")
	if got := heads(agent.ping()); got[id] != overREST.Seq {
		t.Errorf("the pong has %v", got)
	}
	messages := mongoOf(t, s)
	var left struct {
		Due struct {
			Left []string
			To   []string
		}
	}
	eventually(t, "who was not reached is named", func() bool {
		err := messages.FindOne(t.Context(), bson.M{"_id": sent.MessageID}).Decode(&left)
		return err == nil && len(left.Due.To) > 0
	})
	if !slices.Equal(left.Due.To, []string{throttled}) || !slices.Equal(left.Due.Left, []string{"deliver"}) {
		t.Errorf("due is %+v", left.Due)
	}
	if n := agent.count(protocol.EventMessageNew, protocol.EventMessageFromUser); n != 0 {
		t.Errorf("%d frames came through", n)
	}
	own := user.count(protocol.EventMessageNew)
	between.rule(nil)
	hasten(t, messages, id)
	got := map[int64]bool{}
	for range 2 {
		got[data[protocol.Message](t, agent.expect(protocol.EventMessageNew)).Seq] = true
	}
	if !got[1] || !got[2] {
		t.Errorf("the sweep brought %v", got)
	}
	eventually(t, "nothing is due", func() bool { return due(t, messages, id) == 0 })
	if n := user.count(protocol.EventMessageNew); n != own || n != 2 {
		t.Errorf("the user, who was reached, has %d frames of 2 messages", n)
	}
}

// A member whose connections hang holds up nobody else.
func TestHungMemberHoldsUpNobody(t *testing.T) {
	o := crowd(t)
	s, between := startWired(t, o)
	sender, healthy, hung := newUser(t, s).connect(), newUser(t, s).connect(), newUser(t, s)
	id := sender.open(newAgent(t, s))
	sender.add(healthy, id)
	sender.add(hung, id)
	sender.join(id)
	healthy.join(id)
	var mu sync.Mutex
	hangs := map[string]bool{}
	each(96, 16, func(int) {
		device := hung.device()
		device.join(id)
		mu.Lock()
		defer mu.Unlock()
		hangs[string(device.connectionID())] = true
	})
	between.rule(func(p post) verdict {
		if hangs[p.connection] {
			return hang
		}
		return pass
	})
	var late *actor
	luckily(t, func() error { // a post may fail for a machine that is busy as well, and is made good later
		late = newUser(t, s).connect()
		return unhindered(sender, healthy, late, id)
	})
	between.rule(nil)
	for _, a := range []*actor{sender, late} {
		answers := map[string]int{}
		time.Sleep(quiet)
		for _, f := range a.Frames() {
			if f.ID != "" && f.Event != protocol.EventHistory {
				answers[f.ID]++
			}
		}
		for request, n := range answers {
			if n != 1 {
				t.Errorf("the request %s of %s has %d answers", request, a.principal, n)
			}
		}
	}
}

// unhindered does what the hung may not hold up, and says what took too long.
func unhindered(sender, healthy, late *actor, id chat.ConversationID) (err error) {
	const soon = 4 * time.Second // two attempts of 500 ms, on a busy machine
	within := func(what string, do func()) {
		begun := time.Now()
		do()
		if took := time.Since(begun); took > soon {
			err = errors.Join(err, fmt.Errorf("%s took %v", what, took))
		}
	}
	hears := func(seq int64) {
		for data[protocol.Message](healthy.t, healthy.expect(protocol.EventMessageNew)).Seq != seq { // an earlier one, made good
		}
	}
	var sent protocol.Sent
	within("message:sent", func() { sent = sender.say(id, "everybody") })
	within("message:new", func() { hears(sent.Seq) })
	within("POST /messages", func() { sender.postMessage(string(id), "over REST", "") })
	within("its message:new", func() { hears(sent.Seq + 1) })
	within("adding a participant", func() { sender.add(late, id) })
	within("conversation:joined", func() { late.join(id) })
	within("conversation:left", func() { late.must("leave", fields{"conversationId": id}) })
	return err
}

// One message makes one post for each connection, also where many are gone, and
// their departure one notice for each who is left.
func TestPostsOfAMessageAreLinear(t *testing.T) {
	s, between := startWired(t, crowd(t))
	owner := newUser(t, s)
	id := owner.open(newAgent(t, s))
	const goneOnes, live = 60, 61
	gone, stay := make([]*actor, goneOnes), make([]*actor, live)
	for i := range gone {
		gone[i] = newUser(t, s)
	}
	for i := range stay {
		stay[i] = newUser(t, s)
	}
	all := append(slices.Clone(gone), stay...)
	each(len(all), 16, func(i int) { owner.add(all[i], id) })
	each(len(stay), 16, func(i int) { stay[i].connect() })
	each(len(stay), 16, func(i int) { stay[i].join(id) })
	// As lost $disconnects leave them: their entries are still there.
	r, example := redisOf(t, s), stay[0]
	entry := in(t, r, id)[string(example.connectionID())]
	for i, user := range gone {
		connection := fmt.Sprintf("%s%02dA=", string(example.connectionID())[:12], i)
		record := fmt.Sprint(time.Now().Add(-time.Minute).UnixMilli(), " ", time.Now().Add(time.Hour).Unix(), " -")
		if err := r.HSet(t.Context(), principalKey(user.principal), connection, record).Err(); err != nil {
			t.Fatal(err)
		}
		if err := r.HSet(t.Context(), roomKey(id), connection, strings.Replace(entry, string(example.principal.ID), string(user.principal.ID), 1)).Err(); err != nil {
			t.Fatal(err)
		}
	}
	eventually(t, "all joins are told", func() bool {
		time.Sleep(quiet)
		return len(between.take()) == 0
	})
	owner.postMessage(string(id), "to those who are left", "")
	eventually(t, "everybody has it", func() bool {
		return !slices.ContainsFunc(stay, func(a *actor) bool { return a.count(protocol.EventMessageNew) == 0 })
	})
	time.Sleep(2 * quiet)
	posted := map[string]int{}
	for _, p := range between.take() {
		switch {
		case p.is(protocol.EventMessageNew):
			posted["message"]++
		case p.is(protocol.EventPresence):
			posted["presence"]++
		case p.is(protocol.EventUserLeft):
			posted["left"]++
		default:
			posted[p.frame]++
		}
	}
	if posted["message"] != goneOnes+live || posted["presence"] > live || posted["left"] > live || len(posted) > 3 {
		t.Errorf("the posts were %v", posted)
	}
	if left := in(t, r, id); len(left) != live {
		t.Errorf("%d are in the room", len(left))
	}
	told := map[chat.PrincipalID]int{}
	for _, f := range stay[0].Frames() {
		if f.Event == protocol.EventPresence {
			if p := data[protocol.Presence](t, f); p.Status == protocol.Offline {
				for _, one := range append(p.More, p.Identity) {
					told[one.ID]++
				}
			}
		}
	}
	for _, user := range gone {
		if told[user.principal.ID] == 0 {
			t.Errorf("nobody hears that %s is offline", user.principal)
		}
	}
	between.take()
	owner.postMessage(string(id), "again", "")
	if n := len(between.take()); n != live {
		t.Errorf("the next message made %d posts", n)
	}
}

// The frames of one message, in both dialects: what API Gateway bills.
func TestFramesOfAMessage(t *testing.T) {
	t.Parallel()
	s, between := startWired(t, options())
	for _, tt := range []struct {
		name    string
		connect func(*actor) *actor
		posts   int
	}{{"aiwm", (*actor).connect, 4}, {"lean", (*actor).connectLean, 2}} {
		user, agent := tt.connect(newUser(t, s)), tt.connect(newAgent(t, s))
		id := user.open(agent)
		user.join(id)
		agent.join(id)
		user.expect(protocol.EventUserJoined)
		time.Sleep(quiet)
		between.take()
		sent := user.say(id, "one message")
		m := data[protocol.Message](t, agent.expect(protocol.EventMessageNew))
		if m.Seq != sent.Seq || m.ForYou != (tt.name == "lean") {
			t.Errorf("%s: the agent got %+v", tt.name, m)
		}
		if (sent.AgentOnline == nil) != (tt.name == "lean") {
			t.Errorf("%s: message:sent is %+v", tt.name, sent)
		}
		time.Sleep(quiet)
		if made := between.take(); len(made) != tt.posts {
			t.Errorf("%s: %d posts beside the one frame in: %v", tt.name, len(made), made)
		}
		agent.say(id, "an answer")
		if m := data[protocol.Message](t, user.expect(protocol.EventMessageNew)); tt.name == "lean" && m.ForYou {
			t.Errorf("an answer is for the agent: %+v", m)
		}
	}
}

// Who gets what in lean.
func TestLean(t *testing.T) {
	t.Parallel()
	user, agent := newUser(t, shared).connectLean(), newAgent(t, shared).connectLean()
	id := user.open(agent)
	other, elsewhere, plain := user.leanDevice(), agent.leanDevice(), user.device()
	for _, a := range []*actor{user, agent, other, plain} {
		a.join(id)
	}
	sent := user.say(id, "hello")
	for _, a := range []*actor{other, plain} {
		if m := data[protocol.Message](t, a.expect(protocol.EventMessageNew)); m.ClientMessageID != sent.ClientMessageID || m.ForYou {
			t.Errorf("the other device got %+v", m)
		}
	}
	if m := data[protocol.Message](t, agent.expect(protocol.EventMessageNew)); !m.ForYou {
		t.Errorf("the agent got %+v", m)
	}
	if m := data[protocol.Message](t, elsewhere.expect(protocol.EventMessageFromUser)); m.Seq != sent.Seq {
		t.Errorf("the agent's other connection got %+v", m)
	}
	time.Sleep(quiet)
	for _, tt := range []struct {
		who   *actor
		event string
		want  int
	}{
		{user, protocol.EventMessageNew, 0}, {user, protocol.EventMessageSent, 1}, {other, protocol.EventMessageSent, 0},
		{other, protocol.EventMessageNew, 1}, {agent, protocol.EventMessageNew, 1}, {agent, protocol.EventMessageFromUser, 0},
		{elsewhere, protocol.EventMessageNew, 0}, {elsewhere, protocol.EventMessageFromUser, 1},
	} {
		if got := tt.who.count(tt.event); got != tt.want {
			t.Errorf("%s: %d of %s, want %d", tt.who.principal, got, tt.event, tt.want)
		}
	}
	// What is written over REST comes to all connections.
	user.postMessage(string(id), "over REST", "")
	user.expect(protocol.EventMessageNew)

	// The other way to ask for it.
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	c, _, err := websocket.Dial(ctx, shared.WebSocketURL(), &websocket.DialOptions{ //nolint:bodyclose // of a handshake
		Subprotocols: []string{"bearer", user.token, "aiwm.v2"},
	})
	if err != nil {
		t.Fatal(err)
	}
	defer c.CloseNow() //nolint:errcheck // it is over
	if got := c.Subprotocol(); got != "bearer" {
		t.Errorf("the subprotocol %q is selected", got)
	}
	if err := c.Write(ctx, websocket.MessageText, fmt.Appendf(nil, `{"action":"send","conversationId":"%s","content":"x"}`, id)); err != nil {
		t.Fatal(err)
	}
	for answered := false; !answered; {
		_, frame, err := c.Read(ctx)
		if err != nil {
			t.Fatal(err)
		}
		holdFrame("lean", frame)
		answered = (post{frame: string(frame)}).is(protocol.EventMessageSent)
		if strings.Contains(string(frame), "agentOnline") || (post{frame: string(frame)}).is(protocol.EventMessageNew) {
			t.Errorf("got %s", frame)
		}
	}
}
