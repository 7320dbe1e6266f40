package presence_test

import (
	"testing"
	"time"

	"aiwm-chat/shared/chat"
	"aiwm-chat/shared/presence"
)

func roomsIn(entries []chat.Entry) (ids []chat.ConversationID) {
	for _, e := range entries {
		ids = append(ids, e.ConversationID)
	}
	return ids
}

func checkPing(t *testing.T, s *server, when string, c chat.Connection, known bool, want ...chat.ConversationID) {
	t.Helper()
	rooms, loss, err := s.Ping(t.Context(), c)
	if err != nil || known != (loss == "") {
		t.Errorf("%s: the loss is %q, %v, want known %v", when, loss, err, known)
	}
	checkSame(t, when, roomsIn(rooms), want...)
	checkConnections(t, s, c.Principal, c)
}

func TestPingTellsTheRoomsThatAConnectionIsReallyIn(t *testing.T) {
	eachServer(t, presence.Limits{}, func(t *testing.T, s *server) {
		k1, k2, k3 := s.conversation("k1"), s.conversation("k2"), s.conversation("k3")
		c := s.connection("c1", s.user("u1"))
		checkPing(t, s, "before it was registered", c, false)
		s.told(t, c)
		checkPing(t, s, "registered by that", c, true)
		s.joined(t, c, k1)
		s.joined(t, c, k2)
		e := s.entered(t, c, k3)
		checkPing(t, s, "in two and a half", c, true, k1, k2)
		must(t, s.confirm(t, e))
		checkPing(t, s, "in three", c, true, k1, k2, k3)
		s.takeOut(t, c, k2)
		checkPing(t, s, "left one", c, true, k1, k3)
		_, err := s.Evict(t.Context(), c.Principal, k3)
		must(t, err)
		checkPing(t, s, "evicted from another", c, true, k1)
	})
}

func TestPingFindsEveryLoss(t *testing.T) {
	eachServer(t, presence.Limits{}, func(t *testing.T, s *server) {
		k1, k2 := s.conversation("k1"), s.conversation("k2")
		c := s.member(t, "c1", s.user("u1"), k1)
		s.joined(t, c, k2)
		checkPing(t, s, "nothing is lost", c, true, k1, k2)

		s.lose(t, roomKey(k1))
		checkPing(t, s, "a room", c, true, k2)
		s.joined(t, c, k1)

		s.lose(t, principalKey(c.Principal))
		checkPing(t, s, "the principal", c, false, k1, k2)
		checkPing(t, s, "and nobody has told it", c, false, k1, k2)
		s.told(t, c)
		checkPing(t, s, "after that", c, true, k1, k2)

		s.lose(t, roomsKey(c))
		checkPing(t, s, "its set", c, true)
		checkRoom(t, s, k1, c)
		s.joined(t, c, k1)
		checkPing(t, s, "joined one again", c, true, k1)
		s.joined(t, c, k2)

		s.empty(t)
		checkPing(t, s, "everything", c, false)
		s.told(t, c)
		checkRoom(t, s, k1)
		s.joined(t, c, k1)
		checkPing(t, s, "joined again", c, true, k1)
	})
}

func TestPingHasARate(t *testing.T) {
	eachServer(t, presence.Limits{Pings: rate("60/min burst 2")}, func(t *testing.T, s *server) {
		c := s.connected(t, "c1", s.user("u1"))
		for range 2 {
			_, _, err := s.Ping(t.Context(), c)
			must(t, err)
		}
		_, _, err := s.Ping(t.Context(), c)
		checkLimited(t, "the third of two", err, time.Second)
		s.pass(time.Second)
		checkPing(t, s, "a second later", c, true)
	})
}

func TestARegistrationIsAsOldAsItsConnection(t *testing.T) {
	eachServer(t, presence.Limits{}, func(t *testing.T, s *server) {
		k1 := s.conversation("k1")
		c := s.member(t, "c1", s.user("u1"), k1)
		for range 4 {
			s.pass(30 * time.Minute) // the longest life of a connection, in all
			checkPing(t, s, "later", c, true, k1)
			if ttl := s.raw.TTL(t.Context(), principalKey(c.Principal)).Val(); ttl < longest-time.Minute {
				t.Errorf("the principal's key has %v left after a ping", ttl)
			}
		}
		checkAudience(t, s, k1, c)
	})
}

func TestARefusedPingDoesNotHideALoss(t *testing.T) {
	eachServer(t, presence.Limits{Pings: rate("60/min burst 1")}, func(t *testing.T, s *server) {
		c := s.connected(t, "c1", s.agent("a1"))
		checkPing(t, s, "first", c, true)
		s.lose(t, principalKey(c.Principal))
		_, _, err := s.Ping(t.Context(), c)
		checkLimited(t, "the second of one", err, time.Second)
		s.pass(2 * time.Second)
		checkPing(t, s, "after that", c, false)
	})
}

func TestAHalfFailedPingDoesNotHideALoss(t *testing.T) {
	eachServer(t, presence.Limits{}, func(t *testing.T, s *server) {
		k1 := s.conversation("k1")
		c := s.member(t, "c1", s.agent("a1"), k1)
		s.lose(t, principalKey(c.Principal))
		s.breakKey(t, roomKey(k1))
		_, _, err := s.Ping(t.Context(), c)
		checkCode(t, "a room's slot fails", err, chat.Unavailable)
		s.lose(t, roomKey(k1))
		checkPing(t, s, "after that", c, false)
	})
}

// told tells a connection of what is lost.
func (s *server) told(t *testing.T, c chat.Connection) {
	t.Helper()
	_, loss, err := s.Ping(t.Context(), c)
	must(t, err)
	must(t, s.Told(t.Context(), c, loss))
}

// Between the answer to a ping and the note of it the registration is lost again,
// and made again by a join: of that the connection has to hear.
func TestToldOfOneLossOnly(t *testing.T) {
	eachServer(t, presence.Limits{}, func(t *testing.T, s *server) {
		k1 := s.conversation("k1")
		c := s.connected(t, "c1", s.agent("a1"))
		s.lose(t, principalKey(c.Principal))
		_, loss, err := s.Ping(t.Context(), c)
		must(t, err)
		s.lose(t, principalKey(c.Principal))
		time.Sleep(2 * time.Millisecond)
		s.joined(t, c, k1)
		must(t, s.Told(t.Context(), c, loss))
		checkPing(t, s, "lost twice", c, false, k1)
		s.told(t, c)
		checkPing(t, s, "told twice", c, true, k1)
	})
}

func TestAJoinDoesNotHideALoss(t *testing.T) {
	eachServer(t, presence.Limits{}, func(t *testing.T, s *server) {
		k1 := s.conversation("k1")
		c := s.connected(t, "c1", s.agent("a1"))
		s.lose(t, principalKey(c.Principal))
		s.joined(t, c, k1)
		checkPing(t, s, "after a join", c, false, k1)
		s.told(t, c)
		s.joined(t, c, k1)
		checkPing(t, s, "told, and joined again", c, true, k1)
	})
}

func TestToldChangesNothingElse(t *testing.T) {
	eachServer(t, presence.Limits{}, func(t *testing.T, s *server) {
		never, there, closed := s.connection("c1", s.user("u1")), s.connected(t, "c2", s.user("u1")), s.connected(t, "c3", s.user("u1"))
		s.disconnect(t, closed)
		before := s.recorded(t, principalKey(there.Principal), there)
		for _, c := range []chat.Connection{never, there, closed} {
			must(t, s.Told(t.Context(), c, "l of another time"))
		}
		if got := s.recorded(t, principalKey(there.Principal), there); got != before {
			t.Errorf("%q became %q", before, got)
		}
		checkConnections(t, s, there.Principal, there)
		if !s.closed(t, closed) {
			t.Error("it is not closed")
		}
	})
}

// What was not done when a connection came is made up for like a loss, until that
// is told; who is closed, or unknown, does not come back for it.
func TestWhatIsUntoldIsALossUntilItIsTold(t *testing.T) {
	eachServer(t, presence.Limits{}, func(t *testing.T, s *server) {
		c, closed, never := s.connected(t, "c1", s.agent("a1")), s.connected(t, "c2", s.agent("a2")), s.connection("c3", s.agent("a3"))
		s.disconnect(t, closed)
		for _, of := range []chat.Connection{c, c, closed, never} {
			must(t, s.Untold(t.Context(), of))
		}
		for range 2 {
			_, loss, err := s.Ping(t.Context(), c)
			if err != nil || loss == "" {
				t.Errorf("the loss is %q, %v", loss, err)
			}
		}
		_, loss, err := s.Ping(t.Context(), c)
		must(t, err)
		must(t, s.Told(t.Context(), c, loss))
		checkPing(t, s, "once it is told", c, true)
		checkConnections(t, s, closed.Principal)
		if !s.closed(t, closed) {
			t.Error("the tombstone is gone")
		}
		checkConnections(t, s, never.Principal)
	})
}
