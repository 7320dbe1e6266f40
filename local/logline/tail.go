package logline

import (
	"context"
	"log/slog"
	"slices"
	"strings"
	"sync"
)

// A Tail keeps the last lines of a log for whoever looks at them later. It is safe for
// concurrent use.
type Tail struct {
	size int

	mu    sync.Mutex
	lines []Line // the oldest first
	n     int64
}

// A Line is one of a Tail.
type Line struct {
	N     int64  `json:"n"` // counts from 1
	Level string `json:"level"`
	Text  string `json:"text"` // with its time, as New writes it
}

// NewTail returns one of so many lines.
func NewTail(size int) *Tail { return &Tail{size: size} }

// Handler returns a handler that keeps what next handles, from info on.
func (t *Tail) Handler(next slog.Handler) slog.Handler {
	return following{next, &handler{out: t, mu: &sync.Mutex{}, level: slog.LevelInfo}}
}

// Write takes one line of a handler.
func (t *Tail) Write(line []byte) (int, error) {
	text := strings.TrimSuffix(string(line), "\n")
	level := "INFO"
	if _, rest, ok := strings.Cut(text, " "); ok {
		for _, l := range []string{"WARN", "ERROR"} {
			if strings.HasPrefix(rest, l+" ") {
				level = l
			}
		}
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.n++
	if t.lines = append(t.lines, Line{t.n, level, text}); len(t.lines) > t.size {
		t.lines = slices.Delete(t.lines, 0, len(t.lines)-t.size)
	}
	return len(line), nil
}

// After returns the lines that are kept and came after the n-th.
func (t *Tail) After(n int64) []Line {
	t.mu.Lock()
	defer t.mu.Unlock()
	for i, l := range t.lines {
		if l.N > n {
			return slices.Clone(t.lines[i:])
		}
	}
	return []Line{}
}

// following hands on what a handler is given to another one too.
type following struct{ next, tail slog.Handler }

func (f following) Enabled(ctx context.Context, level slog.Level) bool {
	return f.next.Enabled(ctx, level) || f.tail.Enabled(ctx, level)
}

func (f following) Handle(ctx context.Context, r slog.Record) error {
	if f.tail.Enabled(ctx, r.Level) {
		_ = f.tail.Handle(ctx, r) // it is in memory
	}
	if !f.next.Enabled(ctx, r.Level) {
		return nil
	}
	return f.next.Handle(ctx, r)
}

func (f following) WithAttrs(attrs []slog.Attr) slog.Handler {
	return following{f.next.WithAttrs(attrs), f.tail.WithAttrs(attrs)}
}

func (f following) WithGroup(name string) slog.Handler {
	return following{f.next.WithGroup(name), f.tail.WithGroup(name)}
}
