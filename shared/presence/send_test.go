package presence_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"aiwm-chat/shared/chat"
	"aiwm-chat/shared/presence"
)

// pending returns the sends of the test that were noted before t.
func pending(t *testing.T, s *server, before time.Time) []chat.PendingSend {
	t.Helper()
	sends, err := s.PendingBefore(t.Context(), before, 1000)
	if err != nil {
		t.Fatal(err)
	}
	return slices.DeleteFunc(sends, func(p chat.PendingSend) bool { return !strings.Contains(string(p.ConversationID), s.token) })
}

func TestPendingSends(t *testing.T) {
	eachServer(t, presence.Options{SendPerMinute: 600}, func(t *testing.T, s *server) {
		ctx := t.Context()
		sender := s.connected(t, "c1", s.principal(chat.Agent, "a:1@x.y_z-"))
		var sends []chat.PendingSend
		for i := range 12 { // over all shards
			sends = append(sends, chat.PendingSend{
				Sender: sender.Principal, ConversationID: s.conversation("k1"), ClientMessageID: chat.ClientMessageID(fmt.Sprint("m:", i)),
				Since: s.now().Truncate(time.Millisecond).UTC(),
			})
			if repeat, _, err := s.BeginSend(ctx, sender, sends[i], chat.Principal{}); err != nil || repeat {
				t.Fatalf("begin: repeat %v, %v", repeat, err)
			}
			s.pass(time.Second)
		}
		if repeat, _, err := s.BeginSend(ctx, sender, sends[3], chat.Principal{}); err != nil || !repeat {
			t.Errorf("begin again: repeat %v, %v", repeat, err)
		}
		got := pending(t, s, s.now())
		if len(got) != len(sends) {
			t.Fatalf("%d pending sends, want %d", len(got), len(sends))
		}
		for i := range got {
			late := got[i].Since.Sub(sends[i].Since) // since the first note, in spite of the repeat
			got[i].Since = sends[i].Since
			if got[i] != sends[i] || late < 0 || late > 900*time.Millisecond {
				t.Errorf("pending send %d is %+v (%v late), want %+v", i, got[i], late, sends[i])
			}
		}
		if early := pending(t, s, sends[6].Since); len(early) != 6 {
			t.Errorf("%d sends were noted before the seventh", len(early))
		}
		if some, err := s.PendingBefore(ctx, s.now(), 5); err != nil || len(some) != 5 {
			t.Errorf("%d sends, %v, want the limit of 5", len(some), err)
		}
		for _, send := range sends {
			for range 2 {
				if err := s.EndSend(ctx, send); err != nil {
					t.Fatal(err)
				}
			}
		}
		if left := pending(t, s, s.now()); len(left) != 0 {
			t.Errorf("%v are left", left)
		}
		if repeat, _, err := s.BeginSend(ctx, chat.Connection{}, sends[0], chat.Principal{}); err != nil || repeat {
			t.Errorf("begin after the end: repeat %v, %v", repeat, err)
		}
		if err := s.EndSend(ctx, sends[0]); err != nil {
			t.Fatal(err)
		}
	})
}

func TestBeginSendTellsOfTheAgent(t *testing.T) {
	eachServer(t, presence.Options{SendPerMinute: 600}, func(t *testing.T, s *server) {
		sender, agent := s.connected(t, "c1", s.user("u1")), s.principal(chat.Agent, "a1")
		online := func(client chat.ClientMessageID) bool {
			send := chat.PendingSend{Sender: sender.Principal, ConversationID: s.conversation("k1"), ClientMessageID: client}
			_, online, err := s.BeginSend(t.Context(), sender, send, agent)
			if err != nil {
				t.Fatal(err)
			}
			return online
		}
		if online("m1") {
			t.Error("an agent without a connection is online")
		}
		s.connected(t, "c2", agent)
		if !online("m2") {
			t.Error("a connected agent is offline")
		}
	})
}

func TestSendLimit(t *testing.T) {
	eachServer(t, presence.Options{SendPerMinute: 2}, func(t *testing.T, s *server) {
		ctx, c := t.Context(), s.connected(t, "c1", s.user("u1"))
		begin := func(p chat.Principal, id chat.ClientMessageID) error {
			_, _, err := s.BeginSend(ctx, c, chat.PendingSend{Sender: p, ConversationID: s.conversation("k1"), ClientMessageID: id}, chat.Principal{})
			return err
		}
		for _, id := range []chat.ClientMessageID{"m1", "m2"} {
			if err := begin(c.Principal, id); err != nil {
				t.Fatal(err)
			}
		}
		err := begin(c.Principal, "m3")
		if chat.CodeOf(err) != chat.RateLimited {
			t.Fatalf("the third send of two: %v", err)
		}
		if wait := chat.Public(err).Details["retryAfterMs"].(int64); wait < 1 || wait > 30_000 {
			t.Errorf("wait for %d ms, want up to 30 s", wait)
		}
		if err := begin(c.Principal, "m1"); chat.CodeOf(err) != chat.RateLimited {
			t.Errorf("a repeat is a send: %v", err)
		}
		noted := pending(t, s, s.now().Add(time.Hour))
		if len(noted) != 2 {
			t.Errorf("%v are noted, want m1 and m2 alone", noted)
		}
		if err := begin(s.user("u2"), "m1"); err != nil {
			t.Errorf("another sender: %v", err)
		}
	})
}

func TestTyping(t *testing.T) {
	eachServer(t, presence.Options{TypingPerMinute: 4}, func(t *testing.T, s *server) {
		ctx, k1, u1 := t.Context(), s.conversation("k1"), s.user("u1")
		c, other, stranger := s.connection("c1", u1), s.connection("c2", s.user("u2")), s.connection("c3", s.user("u3"))
		join(t, s, c, k1)
		join(t, s, other, k1)
		key := "conversation:{" + string(k1) + "}:typing:" + string(u1.OrgID) + "/user:u1"

		room, err := s.StartTyping(ctx, c, k1)
		if err != nil {
			t.Fatal(err)
		}
		checkConnections(t, "who is told", room, c, other)
		if left := s.raw.PTTL(ctx, key).Val(); left <= 0 || left > chat.TypingExpiry {
			t.Errorf("typing for %v", left)
		}
		second := s.connection("c4", u1) // of a member, though not in the room itself
		if _, err := s.StartTyping(ctx, second, k1); err != nil {
			t.Errorf("another device: %v", err)
		}
		room, err = s.StopTyping(ctx, c, k1)
		if err != nil {
			t.Fatal(err)
		}
		checkConnections(t, "who is told", room, c, other)
		if n := s.raw.Exists(ctx, key).Val(); n != 0 {
			t.Error("still typing")
		}
		for name, act := range map[string]func() error{
			"start": func() error { _, err := s.StartTyping(ctx, stranger, k1); return err },
			"stop":  func() error { _, err := s.StopTyping(ctx, stranger, k1); return err },
		} {
			if err := act(); chat.CodeOf(err) != chat.NotFound {
				t.Errorf("%s by a stranger: %v", name, err)
			}
		}
		for _, k := range s.keys(t) {
			if strings.Contains(k, ":typing:") {
				t.Errorf("%s was left by a stranger", k)
			}
		}
		if _, err := s.StartTyping(ctx, c, k1); err != nil {
			t.Fatal(err)
		}
		if _, err := s.StartTyping(ctx, c, k1); chat.CodeOf(err) != chat.RateLimited {
			t.Errorf("the fifth of four: %v", err)
		}
	})
}

// What a crash leaves behind goes away by itself.
func TestEverythingExpires(t *testing.T) {
	eachServer(t, presence.Options{SendPerMinute: 60, TypingPerMinute: 60}, func(t *testing.T, s *server) {
		if s.mini == nil {
			t.Skip("needs a clock that can be driven")
		}
		c := s.connected(t, "c1", s.user("u1"))
		join(t, s, c, s.conversation("k1"))
		if _, err := s.StartTyping(t.Context(), c, s.conversation("k1")); err != nil {
			t.Fatal(err)
		}
		if _, _, err := s.BeginSend(t.Context(), c, chat.PendingSend{Sender: c.Principal, ConversationID: s.conversation("k1"), ClientMessageID: "m"}, chat.Principal{}); err != nil {
			t.Fatal(err)
		}
		s.mini.FastForward(chat.TypingExpiry)
		for _, key := range s.keys(t) {
			if strings.Contains(key, ":typing:") {
				t.Errorf("%s is left", key)
			}
		}
		s.mini.FastForward(2*time.Hour + 10*time.Minute)
		if left := s.keys(t); len(left) != 0 {
			t.Errorf("%v are left", left)
		}
	})
}
