package presence_test

import (
	"slices"
	"testing"
	"time"

	"aiwm-chat/shared/chat"
	"aiwm-chat/shared/config"
	"aiwm-chat/shared/presence"
)

// Sweep finds the streams whose writers give no sign of life, once they are old
// enough, and forgets those that have ended or are lost.
func TestOverdue(t *testing.T) {
	eachServer(t, presence.Limits{}, func(t *testing.T, s *server) {
		watch := func(name string) chat.Stream {
			st := streamOf(s, "A")
			st.ConversationID = s.conversation(name)
			if err := s.WatchStream(t.Context(), st.Principal, st.ConversationID, st.ID); err != nil {
				t.Fatal(err)
			}
			return st
		}
		overdue := func() (names []string) {
			t.Helper()
			all, err := s.Overdue(t.Context(), s.now(), 1000)
			if err != nil {
				t.Fatal(err)
			}
			for _, st := range all {
				for _, name := range []string{"lost", "trial", "dead", "alive", "ended"} {
					if st.ConversationID == s.conversation(name) {
						names = append(names, name)
						if st.Principal.ID != "a1" || st.ID != "s1" {
							t.Errorf("%s: got %+v", name, st)
						}
					}
				}
			}
			slices.Sort(names)
			return names
		}
		watch("lost")
		if v, _, err := s.EnterStream(t.Context(), watch("trial"), ""); v != chat.StreamEntered {
			t.Fatal(v, err)
		}
		open(t, s, watch("dead"))
		ended := open(t, s, watch("ended"))
		if v, err := s.EndStream(t.Context(), ended.ConversationID, ended.ID, chat.StreamEnd{MessageID: "m1", Seq: 1, Status: "sent"}, true); v != chat.StreamIsOpen {
			t.Fatal(v, err)
		}
		if got, err := s.Overdue(t.Context(), s.now().Add(-time.Minute), 1000); err != nil || slices.ContainsFunc(got, func(st chat.Stream) bool { return st.ConversationID == s.conversation("dead") }) {
			t.Errorf("before they are old: %v, %v", got, err)
		}
		if got := overdue(); !slices.Equal(got, []string{"trial"}) {
			t.Errorf("at first %v are overdue", got)
		}
		s.pass(lease + time.Second)
		alive := watch("alive")
		open(t, s, alive)
		if got := overdue(); !slices.Equal(got, []string{"dead", "trial"}) {
			t.Errorf("after the lease %v are overdue", got)
		}
		if v, _ := s.append(t, func() chat.Stream { st := alive; st.ConversationID = s.conversation("dead"); return st }(), 0, "x"); v != chat.StreamIsOpen {
			t.Fatal(v)
		}
		if got := overdue(); !slices.Equal(got, []string{"trial"}) {
			t.Errorf("after a sign of life %v are overdue", got)
		}
	})
}

// Who wants only the ends is told of no piece; the last join counts, also of who was
// confirmed before.
func TestOnlyEnds(t *testing.T) {
	eachServer(t, presence.Limits{}, func(t *testing.T, s *server) {
		st := streamOf(s, "A")
		phone, tab := s.connected(t, "P", s.user("u1")), s.connected(t, "T", s.user("u1"))
		join := func(c chat.Connection, final bool) {
			t.Helper()
			e, err := s.Enter(t.Context(), c, st.ConversationID, final)
			if err != nil {
				t.Fatal(err)
			}
			if err := s.confirm(t, e); err != nil {
				t.Fatal(err)
			}
		}
		join(phone, true)
		join(tab, false)
		open(t, s, st)
		index := 0
		watchers := func() (all []chat.ConnectionID) {
			t.Helper()
			_, _, _, room, err := s.AppendStream(t.Context(), st, chat.StreamPiece{Part: "content", Index: index, Text: "x"}, lease)
			if err != nil {
				t.Fatal(err)
			}
			index++
			for _, c := range room {
				all = append(all, c.ID)
			}
			slices.Sort(all)
			return all
		}
		for _, step := range []struct {
			who   chat.Connection
			final bool
			want  []chat.ConnectionID
		}{
			{phone, true, []chat.ConnectionID{tab.ID}},
			{phone, false, []chat.ConnectionID{phone.ID, tab.ID}},
			{tab, true, []chat.ConnectionID{phone.ID}},
			{phone, true, nil},
		} {
			join(step.who, step.final)
			if got := watchers(); !slices.Equal(got, step.want) {
				t.Errorf("after %s joins, final %v: %v watch, want %v", step.who.ID, step.final, got, step.want)
			}
		}
		rooms, err := s.Rooms(t.Context(), st.ConversationID)
		if err != nil || len(rooms[0]) != 2 {
			t.Errorf("in the room are %v, %v", rooms, err)
		}
	})
}

// An agent begins as many streams as it may write messages.
func TestStreamsBegunAtOnce(t *testing.T) {
	eachServer(t, presence.Limits{AgentMessages: config.Rate{Count: 1, Per: time.Minute, Burst: 2}}, func(t *testing.T, s *server) {
		for i := range 3 {
			err := s.WatchStream(t.Context(), s.agent("a1"), s.conversation("k1"), "s1")
			if limited := err != nil && chat.CodeOf(err) == chat.RateLimited; limited != (i == 2) {
				t.Errorf("start %d: %v", i, err)
			}
		}
		if err := s.WatchStream(t.Context(), s.agent("a2"), s.conversation("k1"), "s2"); err != nil {
			t.Errorf("another agent: %v", err)
		}
	})
}

// A text that is lost alone is as if the stream were: nothing is added to a beginning
// that is gone, and who starts again appends from 0, under a greater epoch.
func TestLostText(t *testing.T) {
	eachServer(t, presence.Limits{}, func(t *testing.T, s *server) {
		st := open(t, s, streamOf(s, "A"))
		s.append(t, st, 0, "Hello, ")
		s.lose(t, "conversation:{"+string(st.ConversationID)+"}:stream:s1/content")
		if v, _ := s.append(t, st, 1, "world"); v != chat.StreamIsLost {
			t.Errorf("append: %s", v)
		}
		if is, err := s.Stream(t.Context(), st.ConversationID, "s1"); err != nil || is.State != chat.StreamNone {
			t.Errorf("read: %+v, %v", is, err)
		}
		again := open(t, s, streamOf(s, "A"))
		if again.Epoch <= st.Epoch {
			t.Errorf("the epoch is %d after %d", again.Epoch, st.Epoch)
		}
		s.append(t, again, 0, "Hello, ")
		s.append(t, again, 1, "world")
		if is, err := s.Stream(t.Context(), st.ConversationID, "s1"); err != nil || len(is.Parts) != 1 || is.Parts[0].Text != "Hello, world" {
			t.Errorf("read again: %+v, %v", is, err)
		}
	})
}
