package presence_test

import (
	"testing"
	"time"

	"aiwm-chat/shared/chat"
	"aiwm-chat/shared/presence"
)

// Own devices are told each time; the room of one principal's reading at most once a second.
func TestReaders(t *testing.T) {
	eachServer(t, presence.Limits{}, func(t *testing.T, s *server) {
		ctx, k1, k2 := t.Context(), s.conversation("k1"), s.conversation("k2")
		inside, other := s.member(t, "inside", s.user("u1"), k1), s.member(t, "other", s.user("u2"), k1)
		outside := s.connected(t, "outside", s.user("u1"))
		s.joined(t, inside, k2)
		s.joined(t, other, k2)
		s.entered(t, s.connected(t, "on trial", s.user("u3")), k1)
		ask := func(p chat.Principal, id chat.ConversationID, public bool) chat.Readers {
			t.Helper()
			r, err := s.Readers(ctx, p, id, public)
			must(t, err)
			return r
		}
		told := ask(inside.Principal, k1, true)
		checkSame(t, "own", told.Own, inside, outside)
		checkSame(t, "the room", told.Room, inside, other)
		if told.Wait != 0 {
			t.Errorf("it waits %v", told.Wait)
		}
		again := ask(inside.Principal, k1, true)
		checkSame(t, "own again", again.Own, inside, outside)
		checkSame(t, "the room again", again.Room)
		if again.Wait <= 0 || again.Wait > time.Second {
			t.Errorf("again it waits %v", again.Wait)
		}
		private := ask(inside.Principal, k1, false)
		checkSame(t, "own, privately", private.Own, inside, outside)
		checkSame(t, "the room, privately", private.Room)
		if private.Wait != 0 {
			t.Errorf("privately it waits %v", private.Wait)
		}
		checkSame(t, "another room", ask(inside.Principal, k2, true).Room, inside, other)
		checkSame(t, "somebody else", ask(other.Principal, k1, true).Room, inside, other)
	})
}

func TestReadersOfALargeRoom(t *testing.T) {
	s := onMini(t, presence.Limits{})
	k1 := s.conversation("k1")
	for i := range chat.MaxNoticed + 1 {
		s.member(t, name(i), s.user(name(i)), k1)
	}
	r, err := s.Readers(t.Context(), s.user(name(0)), k1, true)
	must(t, err)
	if len(r.Room) != 0 || len(r.Own) != 1 || r.Wait != 0 {
		t.Errorf("in a large room %d are told, %d own, wait %v", len(r.Room), len(r.Own), r.Wait)
	}
}
