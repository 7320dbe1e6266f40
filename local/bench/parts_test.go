package bench

import (
	"bytes"
	"testing"
	"time"

	"github.com/gobwas/ws"

	"aiwm-chat/shared/chat"
	"aiwm-chat/shared/protocol"
)

func TestPercentile(t *testing.T) {
	var hundred []time.Duration
	for i := range 100 {
		hundred = append(hundred, time.Duration(i+1))
	}
	for _, c := range []struct {
		values []time.Duration
		p      float64
		want   time.Duration
	}{
		{nil, 50, 0},
		{hundred[:1], 0, 1},
		{hundred[:1], 99, 1},
		{hundred[:2], 50, 1},
		{hundred[:2], 51, 2},
		{hundred[:3], 50, 2},
		{hundred, 50, 50},
		{hundred, 95, 95},
		{hundred, 99, 99},
		{hundred, 99.5, 100},
		{hundred, 100, 100},
	} {
		if got := percentile(c.values, c.p); got != c.want {
			t.Errorf("p%v of %d values: got %d, want %d", c.p, len(c.values), got, c.want)
		}
	}
}

// What is written in place must be what a server reads, and what a server
// answers must be found again.
func TestSendFrame(t *testing.T) {
	prepared, err := newSendFrame("run", "c1")
	if err != nil {
		t.Fatal(err)
	}
	scan := newScanner("run")
	for _, n := range []int64{1, 42, 1234567890} {
		prepared.set(n)
		r := bytes.NewReader(prepared.bytes)
		header, err := ws.ReadHeader(r)
		if err != nil {
			t.Fatal(err)
		}
		if !header.Masked || header.Length != int64(r.Len()) {
			t.Fatalf("%d bytes follow the header %+v; a client's frame must be masked", r.Len(), header)
		}
		payload := prepared.bytes[len(prepared.bytes)-r.Len():]
		payload = append([]byte(nil), payload...) // unmasked in place
		ws.Cipher(payload, header.Mask, 0)
		in, err := protocol.Decode[protocol.Send](payload)
		if err != nil {
			t.Fatal(err)
		}
		if err := in.Check(); err != nil || !chat.ValidID(in.ClientMessageID) {
			t.Fatalf("%v in %+v", err, in)
		}
		m := chat.Message{Draft: chat.Draft{Content: in.Content}, Seq: n, ClientMessageID: in.ClientMessageID}
		for event, prefix := range map[string][]byte{protocol.EventMessageNew: prefixNew, protocol.EventMessageFromUser: nil} {
			text := protocol.MessageFrame(event, m, time.Now())
			if got := scan.number(text); got != n {
				t.Errorf("%s: found %d, want %d", event, got, n)
			}
			if bytes.HasPrefix(text, prefixNew) != (prefix != nil) {
				t.Errorf("%s: told apart wrongly", event)
			}
		}
		ack := protocol.Frame(protocol.EventMessageSent, "", protocol.SentOf(m, false), time.Now())
		if !bytes.HasPrefix(ack, prefixSent) || scan.number(ack) != n {
			t.Errorf("the ack is not recognised: %s", ack)
		}
		if got := newScanner("other").number(ack); got != 0 {
			t.Errorf("found message %d of another run", got)
		}
	}
}

func TestParseStat(t *testing.T) {
	for stat, want := range map[string]time.Duration{
		"42 (a b) c) S 1 2 3 4 5 6 7 8 9 10 250 50 13 14": 3 * time.Second,
		"42 (x) S 1 2 3":                       -1,
		"42 (x) S 1 2 3 4 5 6 7 8 9 10 a b 13": -1,
		"":                                     -1,
	} {
		got, ok := parseStat([]byte(stat))
		if ok != (want >= 0) || ok && got != want {
			t.Errorf("%q: got %v, %t", stat, got, ok)
		}
	}
}
