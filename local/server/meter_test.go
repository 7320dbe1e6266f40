package server

import (
	"encoding/binary"
	"testing"
	"time"
)

func TestRedisCommandsAreCounted(t *testing.T) {
	t.Parallel()
	const (
		hello = "*2\r\n$5\r\nhello\r\n$1\r\n3\r\n"
		get   = "*2\r\n$3\r\nGET\r\n$9\r\n*1\r\n$4\r\nx\r\n"
		eval  = "*3\r\n$4\r\neval\r\n$0\r\n\r\n$1\r\n0\r\n"
	)
	for text, want := range map[string]int{"": 0, hello: 0, get: 1, get + eval: 2, hello + eval + get + get: 3} {
		for size := 1; size <= max(1, len(text)); size++ { // cut anywhere it is the same
			var r redisCommands
			n := 0
			for at := 0; at < len(text); at += size {
				n += r.in([]byte(text[at:min(at+size, len(text))]))
			}
			if n != want {
				t.Fatalf("%q in pieces of %d: %d commands, want %d", text, size, n, want)
			}
		}
	}
}

func FuzzRedisCommands(f *testing.F) {
	f.Add([]byte("*1\r\n$4\r\nPING\r\n"), 3)
	f.Add([]byte("*1\r\n$-1\r\n$9999999999999999999\r\n"), 1)
	f.Fuzz(func(t *testing.T, b []byte, cut int) {
		var whole, parts redisCommands
		want := whole.in(b)
		if cut < 0 || cut > len(b) {
			return
		}
		if got := parts.in(b[:cut]) + parts.in(b[cut:]); got != want && len(b) < 64 {
			t.Errorf("%q cut at %d: %d commands, whole %d", b, cut, got, want)
		}
	})
}

func TestMongoCommand(t *testing.T) {
	t.Parallel()
	message := func(op uint32, kind byte, name string) []byte {
		b := make([]byte, 26)
		binary.LittleEndian.PutUint32(b[12:], op)
		b[20] = kind
		return append(b, name...)
	}
	for _, tt := range []struct {
		b    []byte
		want string
	}{
		{message(2013, 0, "insert\x00messages"), "insert"}, {message(2013, 1, "insert\x00"), ""}, {message(2004, 0, "hello\x00"), ""},
		{message(2013, 0, "cut"), ""}, {nil, ""},
	} {
		if got := mongoCommand(tt.b); got != tt.want {
			t.Errorf("%q: got %q, want %q", tt.b, got, tt.want)
		}
	}
}

func TestMeterOfFunctions(t *testing.T) {
	t.Parallel()
	s := &Server{meter: newMeter()}
	s.meter.used["F"] = &used{FunctionUsage: FunctionUsage{Name: "f", Memory: 128}}
	for i := range 300 {
		s.meter.ran("F", time.Duration(i+1)*time.Millisecond-time.Microsecond, i == 0)
	}
	s.meter.ran("unknown", time.Second, true)
	got := s.Usage().Functions
	want := FunctionUsage{
		Name: "f", Memory: 128, Invocations: 300, Failed: 1, Billed: 300 * 301 / 2 * time.Millisecond,
		Median: 172*time.Millisecond - time.Microsecond, P95: 287*time.Millisecond - time.Microsecond, Slowest: 300*time.Millisecond - time.Microsecond,
	}
	if len(got) != 1 || got[0] != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
}
