package presence_test

import (
	"fmt"
	"os"
	"testing"

	"github.com/alicebob/miniredis/v2"

	"aiwm-chat/shared/chat"
	"aiwm-chat/shared/presence"
)

// benchServer is REDIS_ADDR where it is set, else miniredis, whose own work is
// then part of what is measured.
func benchServer(b *testing.B) *server {
	addr := os.Getenv("REDIS_ADDR")
	if addr == "" {
		addr = miniredis.RunT(b).Addr()
	}
	b.ReportAllocs()
	return connect(b, presence.Options{Addr: addr, SendPerMinute: 1e9, TypingPerMinute: 1e9})
}

func check(b *testing.B, err error) {
	if err != nil {
		b.Fatal(err)
	}
}

func BenchmarkConnectDisconnect(b *testing.B) {
	s := benchServer(b)
	c := s.connection("c1", s.user("u1"))
	for b.Loop() {
		_, err := s.Connect(b.Context(), c)
		check(b, err)
		_, err = s.Disconnect(b.Context(), c)
		check(b, err)
	}
}

func BenchmarkJoin(b *testing.B) {
	s := benchServer(b)
	c, id := s.connection("c1", s.user("u1")), s.conversation("k1")
	for b.Loop() {
		_, _, err := s.Join(b.Context(), c, id)
		check(b, err)
	}
}

func benchRoom(b *testing.B, s *server, members int) (chat.Connection, chat.ConversationID) {
	id := s.conversation("k1")
	for i := range members {
		join(b, s, s.connection(fmt.Sprint(i, "-"), s.user(fmt.Sprint("u", i))), id)
	}
	c := s.connection("0-", s.user("u0"))
	_, err := s.Connect(b.Context(), c)
	check(b, err)
	return c, id
}

func BenchmarkLeave(b *testing.B) {
	for _, members := range []int{2, 1000} {
		b.Run(fmt.Sprint(members), func(b *testing.B) {
			s := benchServer(b)
			c, id := benchRoom(b, s, members)
			for b.Loop() {
				_, err := s.Leave(b.Context(), c, id)
				check(b, err)
				join(b, s, c, id)
			}
		})
	}
}

func BenchmarkAudience(b *testing.B) {
	for _, members := range []int{2, 1000} {
		b.Run(fmt.Sprint(members), func(b *testing.B) {
			s := benchServer(b)
			c, id := benchRoom(b, s, members)
			for b.Loop() {
				room, _, err := s.Audience(b.Context(), c, id, s.principal(chat.Agent, "a1"))
				check(b, err)
				if len(room) != members {
					b.Fatalf("%d connections in the room", len(room))
				}
			}
		})
	}
}

func BenchmarkBeginSend(b *testing.B) {
	for _, limit := range []int{0, 1e9} {
		b.Run(fmt.Sprintf("limit=%d", limit), func(b *testing.B) {
			addr := os.Getenv("REDIS_ADDR")
			if addr == "" {
				addr = miniredis.RunT(b).Addr()
			}
			s := connect(b, presence.Options{Addr: addr, SendPerMinute: limit})
			c, id := benchRoom(b, s, 1)
			send := chat.PendingSend{Sender: c.Principal, ConversationID: id, ClientMessageID: "m1"}
			b.ReportAllocs()
			for b.Loop() {
				_, _, err := s.BeginSend(b.Context(), c, send, chat.Principal{})
				check(b, err)
			}
			check(b, s.EndSend(b.Context(), send))
		})
	}
}

func BenchmarkEndSend(b *testing.B) {
	s := benchServer(b)
	send := chat.PendingSend{Sender: s.user("u1"), ConversationID: s.conversation("k1"), ClientMessageID: "m1"}
	for b.Loop() {
		check(b, s.EndSend(b.Context(), send))
	}
}

func BenchmarkTyping(b *testing.B) {
	s := benchServer(b)
	c, id := benchRoom(b, s, 2)
	for b.Loop() {
		_, err := s.StartTyping(b.Context(), c, id)
		check(b, err)
	}
}
