package presence_test

import (
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"aiwm-chat/shared/chat"
	"aiwm-chat/shared/presence"
)

func TestManyDevices(t *testing.T) {
	eachServer(t, presence.Options{}, func(t *testing.T, s *server) {
		ctx, u1 := t.Context(), s.user("u1")
		phone, laptop := s.connection("phone", u1), s.connection("laptop", u1)
		for _, step := range []struct {
			c     chat.Connection
			first bool
		}{{phone, true}, {laptop, false}, {phone, false}} {
			if first, err := s.Connect(ctx, step.c); err != nil || first != step.first {
				t.Fatalf("connect %s: first %v, %v", step.c.ID, first, err)
			}
		}
		got, err := s.ConnectionsOf(ctx, u1)
		if err != nil {
			t.Fatal(err)
		}
		checkConnections(t, "devices", got, phone, laptop)
		if !slices.Contains(got, phone) {
			t.Errorf("%+v came back as %+v", phone, got)
		}
		for _, step := range []struct {
			c    chat.Connection
			last bool
		}{{phone, false}, {phone, false}, {laptop, true}, {laptop, false}} {
			if d, err := s.Disconnect(ctx, step.c); err != nil || d.Last != step.last {
				t.Fatalf("disconnect %s: %+v, %v", step.c.ID, d, err)
			}
		}
	})
}

func TestFirstAndLastAreDecidedOnce(t *testing.T) {
	eachServer(t, presence.Options{}, func(t *testing.T, s *server) {
		const devices = 24
		u1 := s.user("u1")
		for round := range 5 {
			var firsts, lasts atomic.Int32
			together(devices, func(i int) {
				first, err := s.Connect(t.Context(), s.connection(fmt.Sprint(i, "-"), u1))
				if err != nil {
					t.Error(err)
				}
				if first {
					firsts.Add(1)
				}
			})
			together(devices, func(i int) {
				d, err := s.Disconnect(t.Context(), s.connection(fmt.Sprint(i, "-"), u1))
				if err != nil {
					t.Error(err)
				}
				if d.Last {
					lasts.Add(1)
				}
			})
			if firsts.Load() != 1 || lasts.Load() != 1 {
				t.Fatalf("round %d: %d firsts, %d lasts", round, firsts.Load(), lasts.Load())
			}
		}
	})
}

// Whatever the order, each first is followed by a last, and they alternate.
func TestComingAndGoing(t *testing.T) {
	eachServer(t, presence.Options{}, func(t *testing.T, s *server) {
		u1 := s.user("u1")
		var open atomic.Int32 // firsts without lasts
		together(16, func(i int) {
			c := s.connection(fmt.Sprint(i, "-"), u1)
			for range 10 {
				first, err := s.Connect(t.Context(), c)
				if err != nil {
					t.Error(err)
				}
				if first {
					open.Add(1)
				}
				d, err := s.Disconnect(t.Context(), c)
				if err != nil {
					t.Error(err)
				}
				if d.Last {
					open.Add(-1)
				}
			}
		})
		if open.Load() != 0 {
			t.Errorf("%d firsts more than lasts", open.Load())
		}
		if online, err := s.Online(t.Context(), u1); err != nil || online[0] {
			t.Errorf("online %v, %v with no connection", online, err)
		}
	})
}

func together(n int, do func(i int)) {
	var wg sync.WaitGroup
	for i := range n {
		wg.Go(func() { do(i) })
	}
	wg.Wait()
}

func TestOnline(t *testing.T) {
	eachServer(t, presence.Options{}, func(t *testing.T, s *server) {
		ctx := t.Context()
		u1, a1, nobody := s.user("u1"), s.principal(chat.Agent, "a1"), s.user("u9")
		s.connected(t, "c1", u1)
		expiring := s.connection("c2", a1)
		expiring.ExpiresAt = s.now().Add(time.Hour)
		if _, err := s.Connect(ctx, expiring); err != nil {
			t.Fatal(err)
		}
		check := func(when string, want ...bool) {
			t.Helper()
			if got, err := s.Online(ctx, u1, nobody, a1); err != nil || !slices.Equal(got, want) {
				t.Errorf("%s: online %v, %v, want %v", when, got, err, want)
			}
		}
		check("now", true, false, true)
		for key, member := range map[string]string{"users:online": string(u1.OrgID) + "/u1", "agents:online": string(a1.OrgID) + "/a1"} {
			if lease, err := s.raw.ZScore(ctx, key, member).Result(); err != nil || int64(lease) <= s.now().Unix() {
				t.Errorf("%s in %s: lease until %v, %v", member, key, lease, err)
			}
		}
		s.pass(time.Hour + time.Second)
		check("when the token of a1 has expired", true, false, false)
		s.pass(70*time.Minute + time.Second)
		check("when no connection can be left", false, false, false)
	})
}

func TestTouchRenewsALease(t *testing.T) {
	eachServer(t, presence.Options{}, func(t *testing.T, s *server) {
		c := s.connected(t, "c1", s.user("u1"))
		s.pass(2 * time.Hour)
		if known, err := s.Touch(t.Context(), c); err != nil || !known {
			t.Fatalf("touch: known %v, %v", known, err)
		}
		s.pass(2 * time.Hour)
		if online, err := s.Online(t.Context(), c.Principal); err != nil || !online[0] {
			t.Errorf("online %v, %v after a touch", online, err)
		}
	})
}

// A $disconnect that never came costs nothing once it is older than any
// connection can be: it hides neither a first nor a last, and is pruned.
func TestStaleConnectionsOfAPrincipal(t *testing.T) {
	eachServer(t, presence.Options{}, func(t *testing.T, s *server) {
		ctx, u1 := t.Context(), s.user("u1")
		s.connected(t, "lost", u1)
		s.pass(2*time.Hour + 11*time.Minute)
		if all, err := s.ConnectionsOf(ctx, u1); err != nil || len(all) != 0 {
			t.Errorf("%v, %v are still connected", all, err)
		}
		c := s.connection("new", u1)
		if first, err := s.Connect(ctx, c); err != nil || !first {
			t.Errorf("first %v, %v beside a stale connection", first, err)
		}
		if n := s.raw.HLen(ctx, "user:{"+string(u1.OrgID)+"/u1}").Val(); n != 1 {
			t.Errorf("%d entries, want the stale one pruned", n)
		}
		if d, err := s.Disconnect(ctx, c); err != nil || !d.Last {
			t.Errorf("%+v, %v", d, err)
		}
	})
}

func TestDisconnectLeavesRooms(t *testing.T) {
	eachServer(t, presence.Options{}, func(t *testing.T, s *server) {
		ctx, u1, u2 := t.Context(), s.user("u1"), s.user("u2")
		phone, laptop, other := s.connected(t, "phone", u1), s.connected(t, "laptop", u1), s.connected(t, "other", u2)
		both, alone := s.conversation("both"), s.conversation("alone")
		join(t, s, phone, both)
		join(t, s, laptop, both)
		join(t, s, other, both)
		join(t, s, phone, alone)
		d, err := s.Disconnect(ctx, phone)
		if err != nil || d.Last || !slices.Equal(d.Rooms, []chat.ConversationID{alone}) {
			t.Errorf("departure of the phone: %+v, %v", d, err)
		}
		if d, err = s.Disconnect(ctx, phone); err != nil || d.Last || len(d.Rooms) != 0 {
			t.Errorf("repeated: %+v, %v", d, err)
		}
		room, err := s.Room(ctx, both, alone)
		if err != nil {
			t.Fatal(err)
		}
		checkConnections(t, "rooms", room, laptop, other)
		d, err = s.Disconnect(ctx, laptop)
		if err != nil || !d.Last || !slices.Equal(d.Rooms, []chat.ConversationID{both}) {
			t.Errorf("departure of the laptop: %+v, %v", d, err)
		}
		if in, err := s.Joined(ctx, phone.ID); err != nil || len(in) != 0 {
			t.Errorf("the phone is still in %v, %v", in, err)
		}
	})
}

func TestPrune(t *testing.T) {
	eachServer(t, presence.Options{}, func(t *testing.T, s *server) {
		ctx, k1 := t.Context(), s.conversation("k1")
		c := s.connected(t, "c1", s.user("u1"))
		join(t, s, c, k1)
		if d, err := s.Prune(ctx, c); err != nil || d.Last || len(d.Rooms) != 0 {
			t.Errorf("while it opens: %+v, %v", d, err)
		}
		checkRoom(t, s, k1, c)
		s.pass(10 * time.Second)
		if d, err := s.Prune(ctx, c); err != nil || !d.Last || !slices.Equal(d.Rooms, []chat.ConversationID{k1}) {
			t.Errorf("later: %+v, %v", d, err)
		}
		checkRoom(t, s, k1)
		if d, err := s.Prune(ctx, c); err != nil || d.Last || len(d.Rooms) != 0 {
			t.Errorf("again: %+v, %v", d, err)
		}
	})
}

func TestNobodyAnswers(t *testing.T) {
	s := connect(t, presence.Options{Addr: "127.0.0.1:1", SendPerMinute: 1, TypingPerMinute: 1})
	c := s.connection("c1", s.user("u1"))
	_, connectErr := s.Connect(t.Context(), c)
	_, departErr := s.Disconnect(t.Context(), c)
	_, _, joinErr := s.Join(t.Context(), c, s.conversation("k1"))
	_, roomErr := s.Room(t.Context(), s.conversation("k1"))
	_, _, sendErr := s.BeginSend(t.Context(), c, chat.PendingSend{Sender: c.Principal}, chat.Principal{})
	_, typingErr := s.StartTyping(t.Context(), c, s.conversation("k1"))
	for name, err := range map[string]error{
		"connect": connectErr, "disconnect": departErr, "join": joinErr, "room": roomErr,
		"send": sendErr, "typing": typingErr, "ping": s.Ping(t.Context()),
	} {
		if err == nil || chat.CodeOf(err) != chat.Unavailable {
			t.Errorf("%s: %v, want unavailable", name, err)
		}
	}
}

func TestOpenNeedsAnAddress(t *testing.T) {
	if _, err := presence.Open(presence.Options{}); err == nil {
		t.Error("opened without an address")
	}
}
