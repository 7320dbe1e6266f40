package presence_test

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"aiwm-chat/shared/chat"
	"aiwm-chat/shared/presence"
)

// benchServer is REDIS_ADDR where it is set, else miniredis, whose own work is
// then part of what is measured.
func benchServer(b *testing.B, limits presence.Limits) *server {
	b.ReportAllocs()
	if addrs := os.Getenv("REDIS_ADDR"); addrs != "" {
		return connect(b, presence.Options{Addrs: strings.Split(addrs, ","), Limits: limits})
	}
	return onMini(b, limits)
}

// wide are limits that are checked and never reached.
func wide() presence.Limits {
	all := rate("1000000/s burst 1000000")
	return presence.Limits{Joins: all, UserMessages: all, AgentMessages: all, Fanout: all, Pings: all, Rooms: 1000}
}

func eachLimits(b *testing.B, bench func(b *testing.B, limits presence.Limits)) {
	b.Run("limits=off", func(b *testing.B) { bench(b, presence.Limits{}) })
	b.Run("limits=on", func(b *testing.B) { bench(b, wide()) })
}

func BenchmarkConnectDisconnect(b *testing.B) {
	s := benchServer(b, presence.Limits{UserConnections: 20})
	for i := 0; b.Loop(); i++ { // a connection's id is its own, for it leaves a tombstone
		c := s.connection(name(i), s.user(name(i)))
		_, err := s.Connect(b.Context(), c)
		must(b, err)
		_, _, err = s.Disconnect(b.Context(), c)
		must(b, err)
	}
}

func BenchmarkEnterConfirm(b *testing.B) {
	eachLimits(b, func(b *testing.B, limits presence.Limits) {
		s := benchServer(b, limits)
		c, id := s.connected(b, "c1", s.user("u1")), s.conversation("k1")
		for b.Loop() {
			e, err := s.Enter(b.Context(), c, id, false)
			must(b, err)
			_, err = s.Confirm(b.Context(), e, s.agent("a1"))
			must(b, err)
		}
	})
}

func BenchmarkAdmit(b *testing.B) {
	eachLimits(b, func(b *testing.B, limits presence.Limits) {
		s := benchServer(b, limits)
		c, id := s.connected(b, "c1", s.user("u1")), s.conversation("k1")
		for b.Loop() {
			_, err := s.Admit(b.Context(), c, id)
			must(b, err)
		}
	})
}

func BenchmarkAudience(b *testing.B) {
	for _, members := range []int{2, 1000} {
		b.Run(fmt.Sprint(members), func(b *testing.B) {
			s := benchServer(b, wide())
			id := s.conversation("k1")
			for i := range members {
				s.joined(b, s.connection(name(i), s.user(name(i))), id)
			}
			agent := s.connected(b, "a1", s.agent("a1"))
			for b.Loop() {
				a, err := s.Audience(b.Context(), id, agent.Principal, 0)
				if err != nil || len(a.Room) != members || len(a.Agents) != 1 {
					b.Fatalf("%d in the room, %d of the agent, %v", len(a.Room), len(a.Agents), err)
				}
			}
		})
	}
}

func BenchmarkPing(b *testing.B) {
	s := benchServer(b, wide())
	c := s.connected(b, "c1", s.user("u1"))
	for i := range 10 {
		s.joined(b, c, s.conversation(name(i)))
	}
	for b.Loop() {
		rooms, _, err := s.Ping(b.Context(), c)
		if err != nil || len(rooms) != 10 {
			b.Fatalf("%v, %v", rooms, err)
		}
	}
}

func BenchmarkParseEntry(b *testing.B) {
	b.ReportAllocs()
	s := onMini(b, presence.Limits{})
	c := s.member(b, "c1", s.user("u1"), s.conversation("k1"))
	text := s.recorded(b, roomKey(s.conversation("k1")), c)
	for b.Loop() {
		if !presence.ParsesEntry(string(c.ID), text) {
			b.Fatal(chat.Internal)
		}
	}
}
