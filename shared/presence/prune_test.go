package presence_test

import (
	"fmt"
	"testing"
	"time"

	"aiwm-chat/shared/chat"
	"aiwm-chat/shared/presence"
)

func (s *server) prune(t testing.TB, at time.Time, also chat.ConversationID, cs ...chat.Connection) chat.Departure {
	t.Helper()
	var gone []chat.Gone
	for _, c := range cs {
		gone = append(gone, chat.Gone{Connection: c, At: at})
	}
	d, err := s.Prune(t.Context(), gone, also)
	must(t, err)
	return d
}

func checkNoDeparture(t testing.TB, what string, d chat.Departure) {
	t.Helper()
	if len(d.Offline)+len(d.Partings) != 0 {
		t.Errorf("%s: %+v", what, d)
	}
}

func checkOffline(t testing.TB, d chat.Departure, want ...chat.Principal) {
	t.Helper()
	var who []chat.Principal
	for _, one := range d.Offline {
		who = append(who, one.Principal)
	}
	checkSame(t, "offline", who, want...)
}

func TestPruneSparesWhatWasYoungWhenItWasFoundGone(t *testing.T) {
	eachServer(t, presence.Limits{}, func(t *testing.T, s *server) {
		k1 := s.conversation("k1")
		c := s.member(t, "c1", s.user("u1"), k1)
		s.pass(9 * time.Second)
		found := s.now()
		checkNoDeparture(t, "at once", s.prune(t, found, k1, c))
		s.pass(time.Hour)
		checkNoDeparture(t, "much later", s.prune(t, found, k1, c))
		checkConnections(t, s, c.Principal, c)
		checkRoom(t, s, k1, c)
	})
}

func TestPruneRemovesWhatWasOld(t *testing.T) {
	eachServer(t, presence.Limits{}, func(t *testing.T, s *server) {
		k1, k2, k3 := s.conversation("k1"), s.conversation("k2"), s.conversation("k3")
		phone, laptop := s.member(t, "phone", s.user("u1"), k1), s.member(t, "laptop", s.user("u1"), k1)
		s.joined(t, phone, k2)
		other := s.member(t, "other", s.user("u2"), k2)
		s.pass(10 * time.Second)

		d := s.prune(t, s.now(), "", phone)
		if len(d.Offline) != 0 {
			t.Errorf("offline, though the laptop is there: %+v", d)
		}
		checkPartings(t, "of the phone", d.Partings, chat.Parting{ConversationID: k2, Principal: phone.Principal, Left: chat.Room{other}})
		checkConnections(t, s, phone.Principal, laptop)
		checkSame(t, "entered", s.roomsOf(t, phone))

		d = s.prune(t, s.now(), k3, laptop)
		checkOffline(t, d, laptop.Principal)
		checkPartings(t, "of the laptop", d.Partings, chat.Parting{ConversationID: k1, Principal: laptop.Principal})
		checkConnections(t, s, laptop.Principal)
		checkAudience(t, s, k1)
		checkAudience(t, s, k2, other)
		checkNoDeparture(t, "of nobody", s.prune(t, s.now(), k1))
	})
}

func TestSeveralOfOnePrincipalGoOfflineOnce(t *testing.T) {
	eachServer(t, presence.Limits{}, func(t *testing.T, s *server) {
		k1, k2 := s.conversation("k1"), s.conversation("k2")
		phone, laptop := s.member(t, "phone", s.user("u1"), k1), s.member(t, "laptop", s.user("u1"), k2)
		s.pass(10 * time.Second)
		young := s.member(t, "young", s.user("u2"), k1)
		d := s.prune(t, s.now(), "", phone, young, laptop)
		checkOffline(t, d, phone.Principal)
		checkPartings(t, "both", d.Partings,
			chat.Parting{ConversationID: k1, Principal: phone.Principal, Left: chat.Room{young}},
			chat.Parting{ConversationID: k2, Principal: phone.Principal})
		checkRoom(t, s, k1, young)
		checkConnections(t, s, young.Principal, young)
	})
}

func TestSeveralWithoutARecordGoOfflineOnce(t *testing.T) {
	eachServer(t, presence.Limits{}, func(t *testing.T, s *server) {
		k1 := s.conversation("k1")
		phone, laptop := s.member(t, "phone", s.user("u1"), k1), s.member(t, "laptop", s.user("u1"), k1)
		s.lose(t, principalKey(phone.Principal))
		d := s.prune(t, s.now(), k1, phone, laptop)
		checkOffline(t, d, phone.Principal)
		checkPartings(t, "both", d.Partings, chat.Parting{ConversationID: k1, Principal: phone.Principal})
	})
}

func TestPruneRemovesWhatHasNoRecord(t *testing.T) {
	eachServer(t, presence.Limits{}, func(t *testing.T, s *server) {
		k1 := s.conversation("k1")
		c := s.member(t, "c1", s.user("u1"), k1)
		s.lose(t, principalKey(c.Principal), roomsKey(c))
		d := s.prune(t, s.now(), k1, c)
		checkOffline(t, d, c.Principal)
		checkPartings(t, "where it was found", d.Partings, chat.Parting{ConversationID: k1, Principal: c.Principal})
		checkAudience(t, s, k1)
	})
}

func TestPruneLeavesNoTombstone(t *testing.T) {
	eachServer(t, presence.Limits{}, func(t *testing.T, s *server) {
		k1 := s.conversation("k1")
		c := s.member(t, "c1", s.user("u1"), k1)
		s.pass(10 * time.Second)
		s.prune(t, s.now(), k1, c)
		if s.closed(t, c) {
			t.Error("it is closed")
		}
		checkPing(t, s, "it is alive after all", c, false)
		s.joined(t, c, k1)
		checkRoom(t, s, k1, c)
	})
}

func TestPruneMakesUpForADisconnectThatDied(t *testing.T) {
	eachServer(t, presence.Limits{}, func(t *testing.T, s *server) {
		k1 := s.conversation("k1")
		c := s.member(t, "c1", s.user("u1"), k1)
		_, _, err := s.Disconnect(t.Context(), c) // and the function dies
		must(t, err)
		s.pass(9 * time.Second)
		checkNoDeparture(t, "while it may be at work", s.prune(t, s.now(), k1, c))
		s.pass(time.Second)
		d := s.prune(t, s.now(), k1, c)
		checkOffline(t, d, c.Principal)
		checkPartings(t, "the room", d.Partings, chat.Parting{ConversationID: k1, Principal: c.Principal})
		if !s.closed(t, c) {
			t.Error("it is not closed")
		}
		checkNoDeparture(t, "once more", s.prune(t, s.now(), k1, c))
	})
}

func TestADisconnectThatDiedBesideAnotherDeviceEndsNothingButTheRoom(t *testing.T) {
	eachServer(t, presence.Limits{}, func(t *testing.T, s *server) {
		k1 := s.conversation("k1")
		c, other := s.member(t, "c1", s.user("u1"), k1), s.connected(t, "c2", s.user("u1"))
		_, _, err := s.Disconnect(t.Context(), c)
		must(t, err)
		s.pass(10 * time.Second)
		d := s.prune(t, s.now(), k1, c)
		checkOffline(t, d)
		checkPartings(t, "the room", d.Partings, chat.Parting{ConversationID: k1, Principal: c.Principal})
		checkConnections(t, s, c.Principal, other)
	})
}

// Several posts find a connection gone at the same time: one of them tells.
func TestWhatWasPrunedIsToldOnce(t *testing.T) {
	eachServer(t, presence.Limits{}, func(t *testing.T, s *server) {
		k1 := s.conversation("k1")
		c := s.member(t, "c1", s.user("u1"), k1)
		s.pass(10 * time.Second)
		checkOffline(t, s.prune(t, s.now(), k1, c), c.Principal)
		checkNoDeparture(t, "the second", s.prune(t, s.now(), k1, c))
	})
}

func TestPruneReadsARoomOnceInThreeRoundTrips(t *testing.T) {
	s := onMini(t, presence.Limits{})
	for round, n := range []int{1, 6, 60} {
		k1 := s.conversation(name(round))
		var all []chat.Connection
		for i := range n {
			all = append(all, s.member(t, name(round)+name(i), s.user(name(i/2)), k1))
		}
		s.pass(10 * time.Second)
		commands, writes := s.sent(t, func() { s.prune(t, s.now(), k1, all...) })
		if want := 6*n + 2; len(commands) != want { // EVAL and HGETALL of the room
			t.Errorf("%d commands for %d gone, want %d", len(commands), n, want)
		}
		if writes != 3 {
			t.Errorf("%d round trips for %d gone", writes, n)
		}
		checkAudience(t, s, k1)
	}
}

// It was their number squared: each read what the others had left of the room.
func TestWhatPruneReadsOfARoomIsLinear(t *testing.T) {
	s := onMini(t, presence.Limits{})
	perGone := func(n int) int {
		k1 := s.conversation(name(n))
		var all []chat.Connection
		for i := range 2 * n { // half of them stay
			all = append(all, s.member(t, fmt.Sprint(n, "-", i), s.user(fmt.Sprint(n, "-", i)), k1))
		}
		s.pass(10 * time.Second)
		s.sent(t, func() {
			if d := s.prune(t, s.now(), k1, all[:n]...); len(d.Partings) != n || len(d.Partings[0].Left) != n {
				t.Errorf("%d partings of %d", len(d.Partings), n)
			}
		})
		return s.spy.read / n
	}
	if few, many := perGone(20), perGone(200); many > 2*few {
		t.Errorf("each of 200 reads %d bytes, each of 20 %d", many, few)
	}
}

func TestBuryOfWhatWasNeverRegisteredTellsNobody(t *testing.T) {
	eachServer(t, presence.Limits{}, func(t *testing.T, s *server) {
		k1 := s.conversation("k1")
		d, err := s.Bury(t.Context(), s.connection("never", s.user("u1")))
		must(t, err)
		checkNoDeparture(t, "of nobody", d)
		there := s.member(t, "c1", s.user("u1"), k1)
		d, err = s.Bury(t.Context(), s.connection("never", s.user("u1")))
		must(t, err)
		checkNoDeparture(t, "beside another", d)
		if _, err := s.Connect(t.Context(), s.connection("never", s.user("u1"))); chat.CodeOf(err) != chat.Unavailable {
			t.Errorf("a $connect that is so late: %v", err)
		}
		checkConnections(t, s, there.Principal, there)
		checkRoom(t, s, k1, there)
	})
}

func TestBuryRemovesAlsoWhatIsYoung(t *testing.T) {
	eachServer(t, presence.Limits{}, func(t *testing.T, s *server) {
		k1 := s.conversation("k1")
		c := s.member(t, "c1", s.user("u1"), k1)
		other := s.member(t, "c2", s.user("u2"), k1)
		d, err := s.Bury(t.Context(), c)
		must(t, err)
		checkOffline(t, d, c.Principal)
		checkPartings(t, "bury", d.Partings, chat.Parting{ConversationID: k1, Principal: c.Principal, Left: chat.Room{other}})
		checkConnections(t, s, c.Principal)
		checkRoom(t, s, k1, other)
		if s.closed(t, c) {
			t.Error("it is closed")
		}
	})
}

// A $disconnect that died when its tombstone was written, of who is in no room: whoever
// is to post to them finds them gone, once it has had its time, and once.
func TestADisconnectThatDiedIsFoundWhereverItWas(t *testing.T) {
	eachServer(t, presence.Limits{}, func(t *testing.T, s *server) {
		ctx := t.Context()
		for i, who := range []chat.Principal{s.user("u1"), s.agent("a1")} {
			c, other := s.connected(t, name(i), who), s.connected(t, name(i)+"other", who)
			for _, one := range []chat.Connection{c, other} {
				_, _, err := s.Disconnect(ctx, one) // and the function dies
				must(t, err)
				if s.pass(10 * time.Second); one == c {
					checkConnections(t, s, who, other) // there is nothing to make up for
				}
			}
			s.pass(-10 * time.Second)
			checkConnections(t, s, who) // it may be at work
			s.pass(10 * time.Second)
			closed := []chat.Connection{{ID: c.ID, Principal: who}, {ID: other.ID, Principal: who}}
			checkConnections(t, s, who, closed...)
			s.pass(time.Hour) // whenever somebody speaks
			checkConnections(t, s, who, closed...)
			d := s.prune(t, s.now(), "", closed...)
			checkOffline(t, d, who)
			checkConnections(t, s, who)
			checkNoDeparture(t, "again", s.prune(t, s.now(), "", closed...))
		}
		c := s.connected(t, "done", s.user("u2"))
		_, at, err := s.Disconnect(ctx, c)
		must(t, err)
		must(t, s.Departed(ctx, c.Principal, at))
		s.pass(10 * time.Second)
		checkConnections(t, s, c.Principal)
		_, err = s.Connect(ctx, c)
		checkCode(t, "its tombstone stays", err, chat.Unavailable)
	})
}

// A $disconnect that goes on late notes nothing of a later one, which died: between
// the two everybody heard that the user had come.
func TestALateDisconnectNotesOnlyItsOwn(t *testing.T) {
	eachServer(t, presence.Limits{}, func(t *testing.T, s *server) {
		ctx, who := t.Context(), s.user("u1")
		first := s.connected(t, "first", who)
		_, at, err := s.Disconnect(ctx, first)
		must(t, err)
		second := s.connected(t, "second", who)
		_, _, err = s.Disconnect(ctx, second) // and the function dies
		must(t, err)
		must(t, s.Departed(ctx, who, at))
		s.pass(10 * time.Second)
		closed := []chat.Connection{{ID: first.ID, Principal: who}, {ID: second.ID, Principal: who}}
		checkConnections(t, s, who, closed...)
		checkOffline(t, s.prune(t, s.now(), "", closed...), who)
		checkConnections(t, s, who)
	})
}
