package handler_test

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/alicebob/miniredis/v2"

	"aiwm-chat/functions/stream/handler"
	"aiwm-chat/shared/chat"
	"aiwm-chat/shared/presence"
)

// wires counts what is written to Redis, and how often.
type wires struct {
	mu     sync.Mutex
	writes [][]byte
}

type wiretapped struct {
	net.Conn
	to *wires
}

func (c wiretapped) Write(b []byte) (int, error) {
	c.to.mu.Lock()
	c.to.writes = append(c.to.writes, bytes.Clone(b))
	c.to.mu.Unlock()
	return c.Conn.Write(b)
}

func (w *wires) dial(ctx context.Context, network, addr string) (net.Conn, error) {
	c, err := (&net.Dialer{}).DialContext(ctx, network, addr)
	return wiretapped{c, w}, err
}

// nothing is a store, sender and queue that is not to be asked.
type nothing struct{ *world }

func (n nothing) forbidden() { panic("an append needs Redis alone") }

func (n nothing) Conversation(context.Context, chat.Principal, chat.ConversationID) (c chat.Conversation, err error) {
	n.forbidden()
	return c, err
}

func (n nothing) Sent(context.Context, chat.ConversationID, chat.Principal, chat.ClientMessageID) (m chat.Message, found bool, err error) {
	n.forbidden()
	return m, found, err
}

func (n nothing) Message(context.Context, chat.OrgID, chat.MessageID) (m chat.Message, err error) {
	n.forbidden()
	return m, err
}

// counting returns a world whose stream is open, and what goes over the wire.
func counting(t testing.TB) (*world, *wires) {
	t.Helper()
	var tap wires
	r := &redis{mini: miniredis.RunT(t)}
	store, err := presence.Open(presence.Options{Addrs: []string{r.mini.Addr()}, Dial: tap.dial})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { store.Close() })
	r.Store = store
	w := newWorld(r)
	if f := w.stream(t.Context(), first, "start", ""); f.Error != nil {
		t.Fatal(f.Error)
	}
	return w, &tap
}

// An append is one round trip to Redis, with two commands (and those that a script
// runs are on the conversation's slot), and none to MongoDB; whatever it brings.
func TestWhatAnAppendCosts(t *testing.T) {
	w, tap := counting(t)
	h := handler.New(nothing{w}, w.Store, w.sender(), w, nil, nil)
	for _, fields := range []string{
		`,"index":0,"text":"a"`, `,"index":2,"text":"c"`, `,"index":1,"text":"b"`, `,"index":1,"text":"b"`, `,"index":3,"text":"abcd","whole":true`,
		`,"index":0,"part":"thinking","text":"a"`, `,"status":"tool"`,
	} {
		tap.mu.Lock()
		tap.writes = nil
		tap.mu.Unlock()
		if f := w.frameTo(t.Context(), h, first, "stream", `,"streamId":"s1","state":"append"`+fields); f.Event != "" {
			t.Fatalf("%s: %+v %+v", fields, f, f.Error)
		}
		var commands []string
		for _, write := range tap.writes {
			for _, line := range strings.Split(strings.ToLower(string(write)), "\r\n") {
				if slices.Contains([]string{"eval", "hgetall"}, line) {
					commands = append(commands, line)
				}
			}
		}
		if len(tap.writes) != 1 || !slices.Equal(commands, []string{"eval", "hgetall"}) || bytes.Count(tap.writes[0], []byte("\r\n*")) != 1 {
			t.Errorf("%s: %v in %d writes", fields, commands, len(tap.writes))
		}
	}
}

// BenchmarkAppend is one piece of an answer through the handler and presence, with
// miniredis, whose own work is then part of what is measured, and two devices in the room.
func BenchmarkAppend(b *testing.B) {
	b.ReportAllocs()
	w, _ := counting(b)
	room := []chat.Connection{reader, connectionOf(other, "C=")}
	for _, c := range room {
		if _, err := w.Connect(b.Context(), c); err != nil {
			b.Fatal(err)
		}
		e, err := w.Enter(b.Context(), c, w.id, false)
		if err != nil {
			b.Fatal(err)
		}
		if _, in, err := w.Confirm(b.Context(), e, agent); !in || err != nil {
			b.Fatal(in, err)
		}
	}
	h := handler.New(nothing{w}, w.Store, w.sender(), w, nil, nil)
	stream := 0
	for i := 0; b.Loop(); i++ {
		if i%30 == 0 { // the rate of one stream, of which these are the first
			stream++
			w.frame(b.Context(), first, "stream", fmt.Sprintf(`,"streamId":"b%d","state":"start"`, stream))
			w.frames = nil
		}
		f := w.frameTo(b.Context(), h, first, "stream", fmt.Sprintf(`,"streamId":"b%d","state":"append","index":%d,"text":"a piece of an answer, some "`, stream, i%30))
		if f.Error != nil {
			b.Fatal(f.Error)
		}
	}
}
