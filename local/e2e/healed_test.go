package e2e_test

import (
	"context"
	"fmt"
	"maps"
	"math/rand/v2"
	"net"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/coder/websocket"
	"github.com/redis/go-redis/v9"
	"go.mongodb.org/mongo-driver/v2/bson"

	"aiwm-chat/local/client"
	"aiwm-chat/local/faults"
	"aiwm-chat/local/server"
	"aiwm-chat/shared/chat"
	"aiwm-chat/shared/protocol"
)

// The keys of Redis, for tests that damage it and look at what is left.
func roomKey(id chat.ConversationID) string { return "conversation:{" + string(id) + "}:connections" }

func principalKey(p chat.Principal) string {
	return "{" + string(p.Type) + ":" + string(p.OrgID) + "/" + string(p.ID) + "}"
}

func roomsKey(id chat.ConnectionID) string { return "connection:{" + string(id) + "}" }

// in returns the connections that Redis has in a room.
func in(t *testing.T, r redis.UniversalClient, id chat.ConversationID) map[string]string {
	t.Helper()
	entries, err := r.HGetAll(t.Context(), roomKey(id)).Result()
	if err != nil {
		t.Fatal(err)
	}
	return entries
}

// connectionID is what the greeting said.
func (a *actor) connectionID() chat.ConnectionID {
	a.t.Helper()
	for _, f := range a.Frames() {
		if f.Event == protocol.EventConnected {
			return data[protocol.Connected](a.t, f).ConnectionID
		}
	}
	a.t.Fatal("not greeted yet")
	return ""
}

func (a *actor) ping() protocol.Pong {
	a.t.Helper()
	return data[protocol.Pong](a.t, a.must("ping", nil))
}

func heads(p protocol.Pong) map[chat.ConversationID]int64 {
	all := map[chat.ConversationID]int64{}
	for _, room := range p.Rooms {
		all[room.ConversationID] = room.LastSeq
	}
	return all
}

// add adds a participant to a conversation of a's.
func (a *actor) add(other *actor, id chat.ConversationID) {
	a.t.Helper()
	a.call(http.MethodPost, "/conversations/"+string(id)+"/participants", fields{"type": other.principal.Type, "id": other.principal.ID}, nil)
}

// G5: whatever Redis loses, the next ping finds it, and joining again heals it.
func TestLossIsFoundByThePing(t *testing.T) {
	emptiesRedis(t)
	t.Parallel()
	for _, tt := range []struct {
		name          string
		lose          func(r redis.UniversalClient, c *actor, a, b chat.ConversationID) error
		sent, ponged  bool // resync
		stillA, stayB bool
	}{
		{"everything", func(r redis.UniversalClient, c *actor, _, _ chat.ConversationID) error {
			return r.FlushAll(t.Context()).Err()
		}, true, true, false, false},
		{"a room", func(r redis.UniversalClient, c *actor, a, _ chat.ConversationID) error {
			return r.Del(t.Context(), roomKey(a)).Err()
		}, false, false, false, true},
		{"the principal", func(r redis.UniversalClient, c *actor, _, _ chat.ConversationID) error {
			return r.Del(t.Context(), principalKey(c.principal)).Err()
		}, true, true, true, true},
		{"the rooms of the connection", func(r redis.UniversalClient, c *actor, _, _ chat.ConversationID) error {
			return r.Del(t.Context(), roomsKey(c.connectionID())).Err()
		}, false, false, false, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			s := start(t, options())
			user, agent := newUser(t, s).connect(), newAgent(t, s)
			a, b := user.open(agent), user.open(agent)
			user.join(a)
			user.join(b)
			if before := user.ping(); before.Resync || len(before.Rooms) != 2 {
				t.Fatalf("before: %+v", before)
			}
			if err := tt.lose(redisOf(t, s), user, a, b); err != nil {
				t.Fatal(err)
			}
			if sent := user.say(a, "after"); sent.Resync != tt.sent || sent.Seq != 1 {
				t.Errorf("message:sent says %+v", sent)
			}
			user.expect(protocol.EventMessageNew) // its own, in the room or not
			pong := user.ping()
			want := map[chat.ConversationID]int64{}
			if tt.stillA {
				want[a] = 1
			}
			if tt.stayB {
				want[b] = 0
			}
			if pong.Resync != tt.ponged || !maps.Equal(heads(pong), want) {
				t.Errorf("the pong says %+v, want resync %t and %v", pong, tt.ponged, want)
			}
			for _, id := range []chat.ConversationID{a, b} {
				if _, there := heads(pong)[id]; !there {
					user.join(id)
				}
			}
			if again := user.ping(); again.Resync || len(again.Rooms) != 2 {
				t.Errorf("healed: %+v", again)
			}
			for _, id := range []chat.ConversationID{a, b} {
				agent.postMessage(string(id), "for both rooms", "")
				if m := data[protocol.Message](t, user.expect(protocol.EventMessageNew)); m.ConversationID != id {
					t.Errorf("got %+v", m)
				}
			}
		})
	}
}

// count counts the frames of some events.
func (a *actor) count(events ...string) (n int) {
	for _, f := range a.Frames() {
		if slices.Contains(events, f.Event) {
			n++
		}
	}
	return n
}

// each calls do for 0 to n-1, some at a time.
func each(n, atOnce int, do func(i int)) {
	slots := make(chan struct{}, atOnce)
	var wg sync.WaitGroup
	for i := range n {
		slots <- struct{}{}
		wg.Go(func() { defer func() { <-slots }(); do(i) })
	}
	wg.Wait()
}

// A removal whose function died after MongoDB is repeated: the members who are
// left hear of it.
func TestARepeatedRemovalIsTold(t *testing.T) {
	t.Parallel()
	user, agent, id := talk(t, shared)
	guest := newUser(t, shared)
	user.add(guest, id)
	agent.expect(protocol.EventConversationUpdated)
	pull := bson.M{"$pull": bson.M{"participants": bson.M{"type": "user", "id": guest.principal.ID}}}
	r, err := mongoOf(t, shared).Database().Collection("conversations").UpdateOne(t.Context(), bson.M{"_id": id}, pull)
	if err != nil || r.ModifiedCount != 1 {
		t.Fatal(r, err)
	}
	user.call("DELETE", "/conversations/"+string(id)+"/participants/user/"+string(guest.principal.ID), nil, nil)
	c := data[protocol.Conversation](t, agent.expect(protocol.EventConversationUpdated))
	if slices.ContainsFunc(c.Participants, func(p protocol.Participant) bool { return p.ID == guest.principal.ID }) {
		t.Errorf("told of %+v", c.Participants)
	}
}

// G7: who is removed is out of the room, whatever they do at that moment.
func TestRemovedWhileSendingAndJoining(t *testing.T) {
	s := start(t, crowd(t))
	creator, witness := newUser(t, s).connect(), newUser(t, s).connect()
	id := creator.open(newAgent(t, s))
	creator.add(witness, id)
	const senders, joiners = 40, 30
	removed := make([]*actor, senders+joiners)
	for i := range removed {
		removed[i] = newUser(t, s)
	}
	each(len(removed), 16, func(i int) { creator.add(removed[i], id) }) // while nobody is there to be told
	each(len(removed), 16, func(i int) {
		removed[i].connect()
		if i < senders {
			removed[i].join(id)
		}
	})
	witness.join(id)
	var burst sync.WaitGroup
	for i, user := range removed {
		burst.Go(func() {
			ctx, cancel := context.WithTimeout(t.Context(), patience)
			defer cancel()
			for n := range 3 {
				if i >= senders {
					_, _ = user.Request(ctx, "join", fields{"conversationId": id}) // or it is too late
				} else if err := user.Send(ctx, fields{"action": "send", "conversationId": id, "content": fmt.Sprint("from ", i, " ", n)}); err != nil {
					t.Error(err)
				}
			}
		})
		burst.Go(func() {
			time.Sleep(time.Duration(rand.IntN(20)) * time.Millisecond)
			persist(t, "remove a participant", func(ctx context.Context) error {
				return creator.rest.Do(ctx, http.MethodDelete, fmt.Sprintf("/conversations/%s/participants/user/%s", id, user.principal.ID), nil, nil)
			})
		})
	}
	burst.Wait()
	r := redisOf(t, s)
	eventually(t, "nobody but the witness is in the room", func() bool { return len(in(t, r, id)) == 1 })

	// Not one hears anything any more.
	joined := newUser(t, s).connect()
	creator.add(joined, id)
	before := make([]int, len(removed))
	for i, user := range removed[:senders] {
		eventually(t, fmt.Sprint("each send of ", i, " has one answer"), func() bool { return user.count(protocol.EventMessageSent, protocol.EventError) == 3 })
	}
	time.Sleep(quiet) // what was under way has come
	for i, user := range removed {
		before[i] = len(user.Frames())
	}
	joined.join(id)
	if err := joined.Send(t.Context(), fields{"action": "typing", "conversationId": id, "state": "start"}); err != nil {
		t.Fatal(err)
	}
	witness.expect(protocol.EventTypingStart)
	joined.say(id, "among us")
	joined.Close()
	eventually(t, "the witness hears that one left", func() bool {
		return slices.ContainsFunc(witness.Frames(), func(f client.Frame) bool {
			return f.Event == protocol.EventUserLeft && data[protocol.Membership](t, f).ID == joined.principal.ID
		})
	})
	time.Sleep(quiet)
	for i, user := range removed {
		for _, f := range user.Frames()[before[i]:] {
			t.Errorf("%s still hears %s %s", user.principal, f.Event, f.Data)
		}
	}
	each(len(removed), 16, func(i int) {
		if _, err := removed[i].ask("typing", fields{"conversationId": id, "state": "start"}); code(t, err) != chat.NotFound {
			t.Errorf("who is removed types: %v", err)
		}
		if _, err := removed[i].ask("send", fields{"conversationId": id, "content": "still"}); code(t, err) != chat.NotFound {
			t.Errorf("who is removed writes: %v", err)
		}
	})
	if left := in(t, r, id); len(left) != 1 {
		t.Errorf("in the room are %v", left)
	}
}

// A removal that died between MongoDB and Redis is finished by its repeat, or by
// the next message.
func TestRemovalThatDied(t *testing.T) {
	t.Parallel()
	s := start(t, options())
	creator, removed := newUser(t, s).connect(), newUser(t, s).connect()
	id := creator.open(newAgent(t, s))
	creator.add(removed, id)
	creator.join(id)
	removed.join(id)
	r, member := redisOf(t, s), string(removed.connectionID())
	entry := in(t, r, id)[member]
	path := fmt.Sprintf("/conversations/%s/participants/user/%s", id, removed.principal.ID)
	for _, repeat := range []struct {
		name string
		do   func()
	}{
		{"by the creator", func() { creator.call(http.MethodDelete, path, nil, nil) }},
		{"by the creator, again", func() { creator.call(http.MethodDelete, path, nil, nil) }},
		{"by oneself", func() { removed.call(http.MethodDelete, path, nil, nil) }},
		{"the next message", func() { creator.say(id, "not for the removed") }},
		{"the next message over REST", func() { creator.postMessage(string(id), "nor this", "") }},
	} {
		if err := r.HSet(t.Context(), roomKey(id), member, entry).Err(); err != nil {
			t.Fatal(err)
		}
		repeat.do()
		eventually(t, repeat.name+" puts the removed out", func() bool { return len(in(t, r, id)) == 1 })
		if _, err := removed.ask("typing", fields{"conversationId": id, "state": "start"}); code(t, err) != chat.NotFound {
			t.Errorf("%s: the removed types: %v", repeat.name, err)
		}
		removed.expectNot(protocol.EventMessageNew)
	}
	creator.call(http.MethodDelete, "/conversations/"+string(id), nil, nil)
	if err := r.HSet(t.Context(), roomKey(id), member, entry).Err(); err != nil {
		t.Fatal(err)
	}
	creator.call(http.MethodDelete, "/conversations/"+string(id), nil, nil)
	if left := in(t, r, id); len(left) != 0 {
		t.Errorf("in the deleted conversation are %v", left)
	}
}

// online counts who GET /presence says is there.
func (a *actor) online(id chat.ConversationID) (n int) {
	a.t.Helper()
	var page protocol.PresencePage
	a.call(http.MethodGet, "/presence?conversationId="+string(id), nil, &page)
	for _, p := range page.Data {
		if p.Status == protocol.Online {
			n++
		}
	}
	return n
}

// Clients that send a frame and are gone leave nothing behind.
func TestHitAndRun(t *testing.T) {
	s := start(t, crowd(t))
	owner := newUser(t, s)
	id := owner.open(newAgent(t, s))
	users := make([]*actor, 10)
	for i := range users {
		users[i] = newUser(t, s)
		owner.add(users[i], id)
	}
	frames := []string{
		`{"action":"ping"}`, fmt.Sprintf(`{"action":"join","conversationId":"%s"}`, id), fmt.Sprintf(`{"action":"send","conversationId":"%s","content":"x"}`, id),
	}
	each(300, 24, func(i int) { hitAndRun(t, s, users[i%len(users)].token, frames[i%3]) })
	each(60, 24, func(i int) { abort(t, s, users[i%len(users)].token) })
	r := redisOf(t, s)
	eventually(t, "nobody is connected", func() bool { return s.Connections() == 0 })
	eventually(t, "nobody is online or in the room", func() bool { return owner.online(id) == 0 && len(in(t, r, id)) == 0 })
	time.Sleep(2 * quiet) // nothing late brings them back
	if n, left := owner.online(id), in(t, r, id); n != 0 || len(left) != 0 {
		t.Errorf("%d are online, in the room are %v", n, left)
	}
}

func hitAndRun(t *testing.T, s *server.Server, token, frame string) {
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	c, r, err := websocket.Dial(ctx, s.WebSocketURL(), &websocket.DialOptions{ //nolint:bodyclose // of a handshake
		HTTPClient:   &http.Client{Transport: &http.Transport{DisableKeepAlives: true}},
		Subprotocols: []string{"bearer", token},
	})
	if r != nil && r.StatusCode == http.StatusServiceUnavailable {
		return // the machine is busy, and this one was never open
	}
	if err != nil {
		t.Error(err)
		return
	}
	if err := c.Write(ctx, websocket.MessageText, []byte(frame)); err != nil {
		t.Error(err)
	}
	_ = c.CloseNow()
}

// abort asks for a connection and does not wait for it.
func abort(t *testing.T, s *server.Server, token string) {
	address := strings.TrimPrefix(s.URL(), "http://")
	c, err := net.Dial("tcp", address)
	if err != nil {
		t.Error(err)
		return
	}
	fmt.Fprintf(c, "GET /ws HTTP/1.1\r\nHost: %s\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"+
		"Sec-WebSocket-Key: MTIzNDU2Nzg5MDEyMzQ1Ng==\r\nSec-WebSocket-Protocol: bearer, %s\r\n\r\n", address, token)
	_ = c.(*net.TCPConn).SetLinger(0)
	_ = c.Close()
}

// Where no $disconnect comes, the next message finds who is gone, once they were
// registered for ten seconds.
func TestLostDisconnectsOfMany(t *testing.T) {
	s := faulty(t, crowd(t), map[faults.Kind]float64{faults.DropDisconnect: 1})
	owner, agent := newUser(t, s), newAgent(t, s).connect()
	id := owner.open(agent)
	users := make([]*actor, 12)
	begun := time.Now()
	for i := range users {
		users[i] = newUser(t, s)
		owner.add(users[i], id)
		users[i].connect()
		users[i].join(id)
	}
	stays := owner.device()
	stays.join(id)
	for _, user := range append(users, agent) { // the agent has joined nothing
		user.Close()
	}
	eventually(t, "the gateway knows", func() bool { return s.Connections() == 1 })
	owner.postMessage(string(id), "too early", "")
	if n := owner.online(id); n != len(users)+2 && time.Since(begun) < 10*time.Second {
		t.Errorf("%d are online a moment after they registered", n)
	}
	r := redisOf(t, s)
	for _, user := range append(users, agent) {
		age(t, r, user.principal, 11*time.Second)
	}
	owner.postMessage(string(id), "anybody there?", "")
	if n, left := owner.online(id), in(t, r, id); n != 1 || len(left) != 1 {
		t.Errorf("%d are online, in the room are %v", n, left)
	}
}

// age makes what Redis has of a principal's connections older, as time would: the
// clock is the server's.
func age(t *testing.T, r redis.UniversalClient, p chat.Principal, by time.Duration) {
	t.Helper()
	records, err := r.HGetAll(t.Context(), principalKey(p)).Result()
	if err != nil {
		t.Fatal(err)
	}
	for connection, record := range records {
		mark := "" // of a tombstone, and of one that was lost
		if len(record) > 2 && record[1] == ' ' {
			mark, record = record[:2], record[2:]
		}
		since, rest, more := strings.Cut(record, " ")
		ms, err := strconv.ParseInt(since, 10, 64)
		if err != nil {
			t.Fatal(err)
		}
		record = mark + strconv.FormatInt(ms-by.Milliseconds(), 10)
		if more {
			record += " " + rest
		}
		if err := r.HSet(t.Context(), principalKey(p), connection, record).Err(); err != nil {
			t.Fatal(err)
		}
	}
}

// G4 for those who come again and again: the last connection of each, joined as
// the rules say, is deaf in no room.
func TestStormOfReconnects(t *testing.T) {
	o := crowd(t)
	o.TimeScale = 5 // a sweep every twelve seconds, for posts that a busy machine could not make
	s := start(t, o)
	const rooms, agents = 10, 40
	rounds := 25 // a thousand reconnects
	if testing.Short() {
		rounds = 5
	}
	owner := newUser(t, s)
	ids := make([]chat.ConversationID, rooms)
	all := make([]*actor, agents)
	for i := range all {
		all[i] = newAgent(t, s)
	}
	for i := range ids {
		ids[i] = owner.open(all[i])
		for j := i; j < agents; j += rooms {
			owner.add(all[j], ids[i])
			owner.add(all[(j+1)%agents], ids[i])
		}
	}
	mine := func(i int) []chat.ConversationID { return []chat.ConversationID{ids[i%rooms], ids[(i+rooms-1)%rooms]} }
	ended := make(chan struct{})
	var writer, storm sync.WaitGroup
	writer.Go(func() {
		for n := 0; ; n++ {
			select {
			case <-ended:
				return
			default:
				owner.postMessage(string(ids[n%rooms]), fmt.Sprint("in the storm ", n), "")
				time.Sleep(10 * time.Millisecond)
			}
		}
	})
	for i, a := range all {
		seen := map[chat.ConversationID]int64{}
		storm.Go(func() {
			for range rounds {
				old := a.Client
				if old != nil && rand.IntN(2) == 0 {
					old.Close() // before the next one comes; or after
					old = nil
				}
				a.connect()
				for _, id := range mine(i) {
					seen[id] = data[protocol.Joined](t, a.insist("join", fields{"conversationId": id, "afterSeq": seen[id]})).LastSeq
				}
				if old != nil {
					old.Close()
				}
			}
		})
	}
	storm.Wait()
	close(ended)
	writer.Wait()
	each(agents, 8, func(i int) {
		pong := all[i].ping()
		for _, id := range mine(i) {
			if _, in := heads(pong)[id]; !in {
				t.Errorf("%s is not in %s: %+v", all[i].principal, id, pong)
			}
		}
	})
	for _, id := range ids {
		owner.postMessage(string(id), "after the storm", "")
	}
	messages := mongoOf(t, s)
	hears := func(a *actor, id chat.ConversationID) bool {
		return slices.ContainsFunc(a.Frames(), func(f client.Frame) bool {
			return f.Event == protocol.EventMessageNew && strings.Contains(string(f.Data), "after the storm") && strings.Contains(string(f.Data), string(id))
		})
	}
	for i, a := range all {
		for _, id := range mine(i) {
			for deadline := time.Now().Add(patience); !hears(a, id); time.Sleep(quiet) {
				hasten(t, messages, id) // a sweep may have met seconds in which Redis is not asked
				if time.Now().After(deadline) {
					t.Fatalf("%s is deaf in %s: its pong is %+v, %d messages are due", a.principal, id, a.ping(), due(t, messages, id))
				}
			}
		}
	}

	// Nor is anybody left that is not there.
	for _, a := range all {
		a.Close()
	}
	r := redisOf(t, s)
	for _, id := range ids {
		eventually(t, "nobody is online or in the room", func() bool { return owner.online(id) == 0 && len(in(t, r, id)) == 0 })
	}
	time.Sleep(2 * quiet) // nothing late brings them back
	for _, id := range ids {
		if n, left := owner.online(id), in(t, r, id); n != 0 || len(left) != 0 {
			t.Errorf("%d are online, in the room are %v", n, left)
		}
	}
}

// Who comes back is online for everybody who drops, by at, what is older.
func TestPresenceOfReconnectsEndsOnline(t *testing.T) {
	s := start(t, crowd(t))
	owner := newUser(t, s).connect()
	id := owner.open(newAgent(t, s))
	owner.join(id)
	users := make([]*actor, 25)
	for i := range users {
		users[i] = newUser(t, s)
		owner.add(users[i], id)
		users[i].postMessage(string(id), "here I am", "") // who was only added is not seen
	}
	for range 4 {
		var wg sync.WaitGroup
		for _, user := range users {
			wg.Go(func() {
				for range 3 {
					if old := user.Client; old != nil {
						wg.Go(old.Close) // as the next one comes
					}
					user.connect()
				}
			})
		}
		wg.Wait()
		eventually(t, "only the last connections are left", func() bool { return s.Connections() == len(users)+1 })
		time.Sleep(quiet) // what is told has come
		type status struct{ at, status string }
		known := map[chat.PrincipalID]status{}
		for _, f := range owner.Frames() {
			if f.Event != protocol.EventPresence {
				continue
			}
			p := data[protocol.Presence](t, f)
			if _, err := time.Parse(time.RFC3339, p.At); err != nil {
				t.Fatalf("presence:update without a time: %s", f.Data)
			}
			for _, one := range append(p.More, p.Identity) {
				if p.At >= known[one.ID].at {
					known[one.ID] = status{p.At, p.Status}
				}
			}
		}
		for _, user := range users {
			if got := known[user.principal.ID]; got.status != protocol.Online {
				t.Errorf("%s ends %+v", user.principal, got)
				for _, f := range owner.Frames() {
					if f.Event == protocol.EventPresence && data[protocol.Presence](t, f).ID == user.principal.ID {
						t.Log(string(f.Data), f.Timestamp)
					}
				}
			}
		}
		if n := owner.online(id); n != len(users)+1 {
			t.Errorf("GET /presence has %d online", n)
		}
		if t.Failed() {
			return
		}
	}
}
