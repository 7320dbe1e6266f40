package presence_test

import (
	"fmt"
	"net"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"
	redisserver "github.com/alicebob/miniredis/v2/server"

	"aiwm-chat/shared/chat"
	"aiwm-chat/shared/config"
	"aiwm-chat/shared/presence"
)

// half is the slot with which the second of two nodes begins.
const half = 8192

// onHalf is a Store on a cluster of which one node answers, and the one of the upper
// slots does not.
func onHalf(t *testing.T) *server {
	t.Helper()
	mini := miniredis.RunT(t)
	nodes := []string{mini.Addr(), blackHole(t)}
	mini.Server().SetPreHook(func(p *redisserver.Peer, command string, args ...string) bool {
		if command != "CLUSTER" || !strings.EqualFold(args[0], "SLOTS") {
			return false
		}
		p.WriteLen(len(nodes))
		for i, addr := range nodes {
			host, port, _ := net.SplitHostPort(addr)
			n, _ := strconv.Atoi(port)
			p.WriteLen(3)
			p.WriteInt(i * half)
			p.WriteInt((i+1)*half - 1)
			p.WriteLen(3)
			p.WriteBulk(host)
			p.WriteInt(n)
			p.WriteBulk(fmt.Sprintf("%040d", i))
		}
		return true
	})
	return connect(t, presence.Options{Addrs: nodes[:1], Mode: config.RedisCluster, Limits: presence.Limits{Fanout: rate("1000/s")}})
}

// slotOf is the slot of a key, as the specification of clusters has it.
func slotOf(key string) (slot int) {
	if _, rest, ok := strings.Cut(key, "{"); ok {
		key, _, _ = strings.Cut(rest, "}")
	}
	for _, b := range []byte(key) {
		slot ^= int(b) << 8
		for range 8 {
			if slot <<= 1; slot&0x10000 != 0 {
				slot ^= 0x11021
			}
		}
	}
	return slot % 16384
}

// lying is the first name whose key is on a node that answers, or on the other.
func lying(answers bool, key func(name string) string) string {
	for i := 0; ; i++ {
		if (slotOf(key(name(i))) < half) == answers {
			return name(i)
		}
	}
}

// A node that does not answer costs those of whom it knows something, and nobody else.
func TestASilentNodeSilencesNoOther(t *testing.T) {
	t.Parallel()
	s := onHalf(t)
	ctx := t.Context()
	room := func(answers bool) chat.ConversationID {
		return s.conversation(lying(answers, func(n string) string { return roomKey(s.conversation(n)) }))
	}
	user := func(answers bool) chat.Principal {
		return s.user(lying(answers, func(n string) string { return principalKey(s.user(n)) }))
	}
	there, away := room(true), room(false)
	id := lying(true, func(n string) string { return roomsKey(s.connection(n, s.user("u"))) })
	c := s.connection(id, user(true))
	s.joined(t, c, there)
	lost := s.connection("c2", user(false))
	agent := s.agent(lying(false, func(n string) string { return principalKey(s.agent(n)) }))

	for range 3 {
		if a, err := s.Admit(ctx, lost, there); err != nil || !a.Away {
			t.Errorf("whose node is silent: %+v, %v", a, err)
		}
	}
	if s.SilentFor() <= 0 {
		t.Error("the node is asked on and on")
	}
	if a, err := s.Admit(ctx, c, there); err != nil || a != (chat.Admission{Known: true}) {
		t.Errorf("whose node answers: %+v, %v", a, err)
	}

	for range 2 {
		_, err := s.Audience(ctx, away, chat.Principal{}, 0)
		checkCode(t, "a room whose node is silent", err, chat.Unavailable)
	}
	began := time.Now()
	a, err := s.Audience(ctx, there, agent, 0)
	checkCode(t, "an agent whose node is silent", err, chat.Unavailable)
	checkSame(t, "the room", a.Room, c)
	if a.NoRoom || !a.NoAgents {
		t.Errorf("%+v", a)
	}
	if took := time.Since(began); took > time.Second {
		t.Errorf("it took %v to ask who answers", took)
	}
	a, err = s.Audience(ctx, there, chat.Principal{}, 0)
	must(t, err)
	checkSame(t, "the room", a.Room, c)
}
