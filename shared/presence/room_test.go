package presence_test

import (
	"fmt"
	"reflect"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"aiwm-chat/shared/chat"
	"aiwm-chat/shared/presence"
)

func join(t testing.TB, s *server, c chat.Connection, id chat.ConversationID) {
	t.Helper()
	if _, _, err := s.Join(t.Context(), c, id); err != nil {
		t.Fatal(err)
	}
}

func checkRoom(t *testing.T, s *server, id chat.ConversationID, want ...chat.Connection) {
	t.Helper()
	room, err := s.Room(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	checkConnections(t, "room "+string(id), room, want...)
}

func TestJoinAndLeave(t *testing.T) {
	eachServer(t, presence.Options{}, func(t *testing.T, s *server) {
		ctx, k1 := t.Context(), s.conversation("k1")
		u1, a1 := s.user("u1"), s.principal(chat.Agent, "u1") // the same id, another type
		phone, laptop, agent := s.connection("phone", u1), s.connection("laptop", u1), s.connection("agent", a1)
		for _, step := range []struct {
			c       chat.Connection
			joined  bool
			members []chat.Principal
		}{
			{phone, true, []chat.Principal{u1}},
			{laptop, false, []chat.Principal{u1}},
			{agent, true, []chat.Principal{u1, a1}},
			{phone, false, []chat.Principal{u1, a1}},
		} {
			joined, members, err := s.Join(ctx, step.c, k1)
			if err != nil || joined != step.joined || len(members) != len(step.members) {
				t.Fatalf("join %s: %v, %v, %v", step.c.ID, joined, members, err)
			}
			for _, p := range step.members {
				if !slices.Contains(members, p) {
					t.Errorf("join %s: members %v, want %v", step.c.ID, members, step.members)
				}
			}
		}
		checkRoom(t, s, k1, phone, laptop, agent)
		if in, err := s.Joined(ctx, phone.ID); err != nil || !slices.Equal(in, []chat.ConversationID{k1}) {
			t.Errorf("the phone joined %v, %v", in, err)
		}
		for _, step := range []struct {
			c    chat.Connection
			left bool
		}{{phone, false}, {phone, false}, {laptop, true}, {laptop, false}, {agent, true}} {
			if left, err := s.Leave(ctx, step.c, k1); err != nil || left != step.left {
				t.Errorf("leave %s: %v, %v", step.c.ID, left, err)
			}
		}
		checkRoom(t, s, k1)
		if in, err := s.Joined(ctx, phone.ID); err != nil || len(in) != 0 {
			t.Errorf("the phone is still in %v, %v", in, err)
		}
	})
}

func TestMembershipBeginsAndEndsOnce(t *testing.T) {
	eachServer(t, presence.Options{}, func(t *testing.T, s *server) {
		k1, u1 := s.conversation("k1"), s.user("u1")
		var open atomic.Int32 // memberships begun and not ended
		together(16, func(i int) {
			c := s.connection(fmt.Sprint(i, "-"), u1)
			for range 5 {
				joined, _, err := s.Join(t.Context(), c, k1)
				if err != nil {
					t.Error(err)
				}
				if joined {
					open.Add(1)
				}
				left, err := s.Leave(t.Context(), c, k1)
				if err != nil {
					t.Error(err)
				}
				if left {
					open.Add(-1)
				}
			}
		})
		if open.Load() != 0 {
			t.Errorf("%d memberships more were begun than ended", open.Load())
		}
		checkRoom(t, s, k1)
		if joined, members, err := s.Join(t.Context(), s.connection("z", s.user("u2")), k1); err != nil || !joined || len(members) != 1 {
			t.Errorf("someone is left behind: %v, %v, %v", joined, members, err)
		}
	})
}

func TestRoomsAreUnited(t *testing.T) {
	eachServer(t, presence.Options{}, func(t *testing.T, s *server) {
		one, two := s.connection("c1", s.user("u1")), s.connection("c2", s.user("u2"))
		k1, k2 := s.conversation("k1"), s.conversation("k2")
		join(t, s, one, k1)
		join(t, s, one, k2)
		join(t, s, two, k2)
		room, err := s.Room(t.Context(), k1, k2, s.conversation("k3"))
		if err != nil {
			t.Fatal(err)
		}
		checkConnections(t, "both rooms", room, one, two)
		if room, err := s.Room(t.Context()); err != nil || len(room) != 0 {
			t.Errorf("no room has %v, %v", room, err)
		}
	})
}

func TestEvict(t *testing.T) {
	eachServer(t, presence.Options{}, func(t *testing.T, s *server) {
		ctx, k1, u1 := t.Context(), s.conversation("k1"), s.user("u1")
		phone, laptop, other := s.connection("phone", u1), s.connection("laptop", u1), s.connection("other", s.user("u2"))
		for _, c := range []chat.Connection{phone, laptop, other} {
			join(t, s, c, k1)
		}
		evicted, err := s.Evict(ctx, u1, k1)
		if err != nil {
			t.Fatal(err)
		}
		checkConnections(t, "evicted", evicted, phone, laptop)
		checkRoom(t, s, k1, other)
		if in, err := s.Joined(ctx, phone.ID); err != nil || len(in) != 0 {
			t.Errorf("the phone is still in %v, %v", in, err)
		}
		if joined, _, err := s.Join(ctx, phone, k1); err != nil || !joined {
			t.Errorf("coming back: joined %v, %v", joined, err)
		}
		if again, err := s.Evict(ctx, s.user("stranger"), k1); err != nil || len(again) != 0 {
			t.Errorf("evicting a stranger: %v, %v", again, err)
		}
	})
}

func TestClear(t *testing.T) {
	eachServer(t, presence.Options{}, func(t *testing.T, s *server) {
		ctx, k1 := t.Context(), s.conversation("k1")
		c := s.connection("c1", s.user("u1"))
		join(t, s, c, k1)
		for range 2 {
			if err := s.Clear(ctx, k1); err != nil {
				t.Fatal(err)
			}
		}
		checkRoom(t, s, k1)
		if in, err := s.Joined(ctx, c.ID); err != nil || len(in) != 0 {
			t.Errorf("still in %v, %v", in, err)
		}
		if joined, members, err := s.Join(ctx, c, k1); err != nil || !joined || len(members) != 1 {
			t.Errorf("joined again: %v, %v, %v", joined, members, err)
		}
	})
}

func TestAudience(t *testing.T) {
	eachServer(t, presence.Options{}, func(t *testing.T, s *server) {
		ctx, k1, a1 := t.Context(), s.conversation("k1"), s.principal(chat.Agent, "a1")
		sender, reader, agent := s.connection("c1", s.user("u1")), s.connection("c2", s.user("u2")), s.connected(t, "c3", a1)
		join(t, s, reader, k1)

		room, agents, err := s.Audience(ctx, chat.Connection{Principal: sender.Principal}, k1, chat.Principal{})
		if err != nil {
			t.Fatal(err)
		}
		checkConnections(t, "audience over REST", room, reader)
		checkConnections(t, "no agent", agents)

		room, agents, err = s.Audience(ctx, sender, k1, a1)
		if err != nil {
			t.Fatal(err)
		}
		checkConnections(t, "audience", room, reader, sender)
		checkConnections(t, "agent", agents, agent)
		checkRoom(t, s, k1, reader, sender)
		if in, err := s.Joined(ctx, sender.ID); err != nil || !slices.Equal(in, []chat.ConversationID{k1}) {
			t.Errorf("the sender joined %v, %v", in, err)
		}
	})
}

func TestStaleConnectionsOfARoom(t *testing.T) {
	eachServer(t, presence.Options{TypingPerMinute: 60}, func(t *testing.T, s *server) {
		ctx, k1, lost := t.Context(), s.conversation("k1"), s.user("lost")
		join(t, s, s.connection("c1", lost), k1)
		s.pass(2*time.Hour + 11*time.Minute)
		here := s.connection("c2", s.user("here"))
		join(t, s, here, k1)
		checkRoom(t, s, k1, here)
		if n := s.raw.HLen(ctx, "conversation:{"+string(k1)+"}:connections").Val(); n != 1 {
			t.Errorf("%d entries, want the stale one pruned", n)
		}
		if _, members, err := s.Join(ctx, here, k1); err != nil || !slices.Equal(members, []chat.Principal{here.Principal}) {
			t.Errorf("members %v, %v", members, err)
		}
	})
}

// Equal ids of two organisations never meet.
func TestForeignOrganisation(t *testing.T) {
	eachServer(t, presence.Options{TypingPerMinute: 60, SendPerMinute: 1}, func(t *testing.T, s *server) {
		ctx, k1 := t.Context(), s.conversation("k1")
		ours := s.user("u1")
		theirs := chat.Principal{Type: chat.User, ID: "u1", OrgID: chat.OrgID("o2." + s.token)}
		c, foreign := s.connected(t, "c1", ours), s.connection("c2", theirs)
		join(t, s, c, k1)

		if online, err := s.Online(ctx, ours, theirs); err != nil || !slices.Equal(online, []bool{true, false}) {
			t.Errorf("online %v, %v", online, err)
		}
		if _, err := s.StartTyping(ctx, foreign, k1); chat.CodeOf(err) != chat.NotFound {
			t.Errorf("a foreigner types: %v", err)
		}
		if left, err := s.Leave(ctx, foreign, k1); err != nil || left {
			t.Errorf("a foreigner leaves: %v, %v", left, err)
		}
		if evicted, err := s.Evict(ctx, theirs, k1); err != nil || len(evicted) != 0 {
			t.Errorf("a foreigner is evicted: %v, %v", evicted, err)
		}
		if joined, _, err := s.Join(ctx, c, k1); err != nil || joined {
			t.Errorf("joined %v, %v: our membership was ended by a foreigner", joined, err)
		}
		if first, err := s.Connect(ctx, foreign); err != nil || !first {
			t.Errorf("the foreigner's first connection: %v, %v", first, err)
		}
		if _, err := s.Disconnect(ctx, foreign); err != nil {
			t.Fatal(err)
		}
		if all, err := s.ConnectionsOf(ctx, ours); err != nil || len(all) != 1 {
			t.Errorf("our connections: %v, %v", all, err)
		}
		for _, p := range []chat.Principal{ours, theirs} { // one send each: limits are apart as well
			if repeat, _, err := s.BeginSend(ctx, chat.Connection{}, chat.PendingSend{Sender: p, ConversationID: k1, ClientMessageID: "m1"}, chat.Principal{}); err != nil || repeat {
				t.Errorf("send of %s/%s: repeat %v, %v", p.OrgID, p.ID, repeat, err)
			}
		}
	})
}

// Redis may be emptied at any moment: the next frame registers again.
func TestEmptied(t *testing.T) {
	eachServer(t, presence.Options{SendPerMinute: 60}, func(t *testing.T, s *server) {
		ctx, k1 := t.Context(), s.conversation("k1")
		c := s.connected(t, "c1", s.user("u1"))
		join(t, s, c, k1)
		send := chat.PendingSend{Sender: c.Principal, ConversationID: k1, ClientMessageID: "m1"}
		online := func(when string) {
			t.Helper()
			if got, err := s.Online(ctx, c.Principal); err != nil || !got[0] {
				t.Errorf("%s: online %v, %v", when, got, err)
			}
			if err := s.raw.ZScore(ctx, "users:online", string(c.Principal.OrgID)+"/u1").Err(); err != nil {
				t.Errorf("%s: users:online: %v", when, err)
			}
		}

		s.empty(t)
		if known, err := s.Touch(ctx, c); err != nil || known {
			t.Errorf("touch: known %v, %v", known, err)
		}
		online("after a ping")

		s.empty(t)
		join(t, s, c, k1)
		online("after a join")

		s.empty(t)
		if _, _, err := s.BeginSend(ctx, c, send, chat.Principal{}); err != nil {
			t.Fatal(err)
		}
		online("after a send")
		room, _, err := s.Audience(ctx, c, k1, chat.Principal{})
		if err != nil {
			t.Fatal(err)
		}
		checkConnections(t, "audience", room, c)

		s.empty(t)
		if d, err := s.Disconnect(ctx, c); err != nil || d.Last || len(d.Rooms) != 0 {
			t.Errorf("disconnect of what is lost: %+v, %v", d, err)
		}
		if err := s.EndSend(ctx, send); err != nil {
			t.Error(err)
		}
	})
}

// Whoever hears that the last connection went must be told by the call that
// removed it, whichever call ended the membership.
func TestDepartureNamesWhatWasJoined(t *testing.T) {
	eachServer(t, presence.Options{}, func(t *testing.T, s *server) {
		user, room := s.user("u1"), s.conversation("k1")
		first, second := s.connected(t, "c1", user), s.connected(t, "c2", user)
		join(t, s, first, room)
		join(t, s, second, room)
		for _, step := range []struct {
			c    chat.Connection
			want chat.Departure
		}{
			{first, chat.Departure{Joined: []chat.ConversationID{room}}},
			{second, chat.Departure{Last: true, Joined: []chat.ConversationID{room}, Rooms: []chat.ConversationID{room}}},
			{second, chat.Departure{}},
		} {
			got, err := s.Disconnect(t.Context(), step.c)
			if err != nil || !reflect.DeepEqual(got, step.want) {
				t.Errorf("%s: got %+v, %v, want %+v", step.c.ID, got, err, step.want)
			}
		}
	})
}
