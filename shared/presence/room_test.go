package presence_test

import (
	"slices"
	"testing"
	"time"

	"aiwm-chat/shared/chat"
	"aiwm-chat/shared/presence"
)

func checkPartings(t testing.TB, what string, got []chat.Parting, want ...chat.Parting) {
	t.Helper()
	if len(got) != len(want) {
		t.Errorf("%s: %+v, want %+v", what, got, want)
		return
	}
	for _, w := range want {
		at := slices.IndexFunc(got, func(g chat.Parting) bool { return g.ConversationID == w.ConversationID && g.Principal == w.Principal })
		if at < 0 {
			t.Errorf("%s: %+v, want %+v", what, got, want)
			return
		}
		checkSame(t, what+": left", got[at].Left, w.Left...)
	}
}

func TestOnlyThePrincipalsLastConnectionParts(t *testing.T) {
	eachServer(t, presence.Limits{}, func(t *testing.T, s *server) {
		ctx, k1 := t.Context(), s.conversation("k1")
		phone, laptop := s.member(t, "phone", s.user("u1"), k1), s.member(t, "laptop", s.user("u1"), k1)
		other := s.member(t, "other", s.agent("u1"), k1) // the same id, another type
		end := chat.Parting{ConversationID: k1, Principal: phone.Principal, Left: chat.Room{other}}
		for i, step := range []struct {
			c    chat.Connection
			want []chat.Parting
		}{
			{phone, nil}, {phone, nil}, {laptop, []chat.Parting{end}}, {laptop, nil},
			{other, []chat.Parting{{ConversationID: k1, Principal: other.Principal}}},
		} {
			got, err := s.Leave(ctx, step.c, k1)
			must(t, err)
			checkPartings(t, "step "+name(i), got, step.want...)
			checkSame(t, "entered", s.roomsOf(t, step.c))
		}
		checkRoom(t, s, k1)
		checkConnections(t, s, phone.Principal, phone, laptop) // leaving is no disconnecting
	})
}

func TestOfConcurrentLeavesAtLeastOneParts(t *testing.T) {
	eachServer(t, presence.Limits{}, func(t *testing.T, s *server) {
		for round := range 5 {
			k1 := s.conversation(name(round))
			var all []chat.Connection
			for i := range 8 {
				all = append(all, s.member(t, name(round)+name(i), s.user("u1"), k1))
			}
			partings := make([][]chat.Parting, len(all))
			together(len(all), func(i int) { partings[i] = s.takeOut(t, all[i], k1) })
			if len(slices.Concat(partings...)) == 0 {
				t.Errorf("round %d: nobody parted", round)
			}
		}
	})
}

func TestSeveralStaysPartTogether(t *testing.T) {
	eachServer(t, presence.Limits{}, func(t *testing.T, s *server) {
		k1, k2 := s.conversation("k1"), s.conversation("k2")
		phone, laptop := s.member(t, "phone", s.user("u1"), k1), s.member(t, "laptop", s.user("u1"), k1)
		s.joined(t, phone, k2)
		other := s.member(t, "other", s.user("u2"), k2)
		got, err := s.TakeOut(t.Context(), []chat.Stay{
			{Connection: phone, Conversations: []chat.ConversationID{k1, k2, s.conversation("never")}},
			{Connection: laptop, Conversations: []chat.ConversationID{k1}},
		})
		must(t, err)
		checkPartings(t, "both", got,
			chat.Parting{ConversationID: k1, Principal: phone.Principal},
			chat.Parting{ConversationID: k2, Principal: phone.Principal, Left: chat.Room{other}})
		got, err = s.TakeOut(t.Context(), nil)
		must(t, err)
		checkPartings(t, "nothing", got)
	})
}

func TestProvisionalEntriesPartSilently(t *testing.T) {
	eachServer(t, presence.Limits{}, func(t *testing.T, s *server) {
		k1 := s.conversation("k1")
		c := s.connected(t, "c1", s.user("u1"))
		s.entered(t, c, k1)
		checkPartings(t, "provisional", s.takeOut(t, c, k1))
		checkAudience(t, s, k1)
		checkSame(t, "entered", s.roomsOf(t, c))

		there := s.member(t, "there", s.user("u2"), k1)
		s.entered(t, c, k1)
		checkPartings(t, "beside a provisional one", s.takeOut(t, there, k1),
			chat.Parting{ConversationID: k1, Principal: there.Principal})
	})
}

func TestEvictTakesOutAPrincipalAndCanBeRepeated(t *testing.T) {
	eachServer(t, presence.Limits{}, func(t *testing.T, s *server) {
		ctx, k1, k2, u1 := t.Context(), s.conversation("k1"), s.conversation("k2"), s.user("u1")
		phone, laptop := s.member(t, "phone", u1, k1), s.connected(t, "laptop", u1)
		s.joined(t, phone, k2)
		e := s.entered(t, laptop, k1) // a join is under way
		other := s.member(t, "other", s.user("u2"), k1)
		out, err := s.Evict(ctx, u1, k1)
		must(t, err)
		checkSame(t, "evicted", out, phone, laptop)
		checkCode(t, "confirm", s.confirm(t, e), chat.Unavailable)
		for range 2 {
			out, err = s.Evict(ctx, u1, k1)
			must(t, err)
			checkSame(t, "evicted again", out)
		}
		checkAudience(t, s, k1, other)
		checkRoom(t, s, k2, phone)
		checkSame(t, "entered", s.roomsOf(t, phone), k2)
		checkConnections(t, s, u1, phone, laptop)
	})
}

func TestClearEmptiesARoomAndCanBeRepeated(t *testing.T) {
	eachServer(t, presence.Limits{}, func(t *testing.T, s *server) {
		ctx, k1, k2 := t.Context(), s.conversation("k1"), s.conversation("k2")
		one, two := s.member(t, "c1", s.user("u1"), k1), s.connected(t, "c2", s.agent("a1"))
		s.joined(t, one, k2)
		s.entered(t, two, k1)
		for range 2 {
			must(t, s.Clear(ctx, k1))
			checkAudience(t, s, k1)
			checkSame(t, "entered", s.roomsOf(t, one), k2)
			checkSame(t, "entered", s.roomsOf(t, two))
		}
		checkRoom(t, s, k2, one)
	})
}

func TestRoomsAreReadTogether(t *testing.T) {
	eachServer(t, presence.Limits{}, func(t *testing.T, s *server) {
		k1, k2 := s.conversation("k1"), s.conversation("k2")
		one := s.member(t, "c1", s.user("u1"), k1)
		s.joined(t, one, k2)
		two := s.member(t, "c2", s.user("u2"), k2)
		two.Dialect = chat.Lean
		rooms, err := s.Rooms(t.Context(), k1, s.conversation("k3"), k2)
		if err != nil || len(rooms) != 3 {
			t.Fatalf("%v, %v", rooms, err)
		}
		checkSame(t, "k1", rooms[0], one)
		checkSame(t, "k3", rooms[1])
		two.Dialect = chat.AIWM
		checkSame(t, "k2", rooms[2], one, two)
		rooms, err = s.Rooms(t.Context())
		if err != nil || len(rooms) != 0 {
			t.Errorf("%v, %v", rooms, err)
		}
		s.pass(longest + time.Second)
		checkRoom(t, s, k2)
	})
}

func TestTypingIsForConfirmedConnections(t *testing.T) {
	eachServer(t, presence.Limits{Typing: rate("60/min burst 3")}, func(t *testing.T, s *server) {
		ctx, k1 := t.Context(), s.conversation("k1")
		c, other := s.member(t, "c1", s.user("u1"), k1), s.member(t, "c2", s.user("u2"), k1)
		room, err := s.Typing(ctx, c, k1)
		must(t, err)
		checkSame(t, "who is told", room, c, other)

		stranger := s.connected(t, "c3", s.user("u3"))
		_, err = s.Typing(ctx, stranger, k1)
		checkCode(t, "a stranger", err, chat.NotFound)
		second := s.connected(t, "c4", c.Principal)
		_, err = s.Typing(ctx, second, k1)
		checkCode(t, "another device that is not in the room", err, chat.NotFound)
		forged := s.connection("c1", s.user("u3"))
		_, err = s.Typing(ctx, forged, k1)
		checkCode(t, "with the id of somebody else's connection", err, chat.NotFound)
		checkRoom(t, s, k1, c, other) // nobody came in by that
		checkSame(t, "entered", s.roomsOf(t, stranger))

		for range 2 {
			_, err = s.Typing(ctx, c, k1)
			must(t, err)
		}
		_, err = s.Typing(ctx, c, k1)
		checkLimited(t, "the fourth of three", err, time.Second)
		_, err = s.Typing(ctx, other, k1)
		must(t, err)
	})
}

func TestWhoTypesIsKnownToThoseWhoJoinWithinThreeSeconds(t *testing.T) {
	eachServer(t, presence.Limits{}, func(t *testing.T, s *server) {
		ctx, k1, u1, a1 := t.Context(), s.conversation("k1"), s.user("u1"), s.agent("u1")
		c := s.connected(t, "c9", s.user("u9"))
		typing := func(when string, want ...chat.Principal) {
			t.Helper()
			checkSame(t, when, s.joined(t, c, k1).Typing, want...)
		}
		typing("before")
		must(t, s.NoteTyping(ctx, u1, k1, true))
		must(t, s.NoteTyping(ctx, c.Principal, k1, true))
		typing("besides oneself", u1)
		s.pass(2 * time.Second)
		must(t, s.NoteTyping(ctx, a1, k1, true))
		typing("after 2 s", u1, a1)
		s.pass(time.Second)
		typing("after 3 s", a1)
		must(t, s.NoteTyping(ctx, a1, k1, false))
		must(t, s.NoteTyping(ctx, u1, k1, false)) // who does not type
		typing("at the end")
		must(t, s.NoteTyping(ctx, s.abroad(u1), s.conversation("k2"), true))
		typing("elsewhere")
	})
}
