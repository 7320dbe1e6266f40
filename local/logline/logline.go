// Package logline is the log of the local server: one line per event for
// people to read, or JSON for programs.
package logline

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"strconv"
	"strings"
	"sync"
	"time"
)

// New returns a handler that writes lines such as
//
//	12:30:59.123 event route=send principal=user:u1 took=1.2ms
//
// Levels other than info stand before the message.
func New(w io.Writer, level slog.Leveler) slog.Handler {
	return &handler{out: w, mu: &sync.Mutex{}, level: level}
}

type handler struct {
	out    io.Writer
	mu     *sync.Mutex
	level  slog.Leveler
	prefix string // of attribute names: the open groups
	attrs  string // written already by WithAttrs
}

// Enabled implements slog.Handler.
func (h *handler) Enabled(_ context.Context, level slog.Level) bool { return level >= h.level.Level() }

// Handle implements slog.Handler.
func (h *handler) Handle(_ context.Context, r slog.Record) error {
	var b strings.Builder
	b.WriteString(r.Time.Format("15:04:05.000 "))
	if r.Level != slog.LevelInfo {
		b.WriteString(r.Level.String() + " ")
	}
	b.WriteString(r.Message)
	b.WriteString(h.attrs)
	r.Attrs(func(a slog.Attr) bool {
		appendAttr(&b, h.prefix, a)
		return true
	})
	b.WriteByte('\n')
	h.mu.Lock()
	defer h.mu.Unlock()
	_, err := io.WriteString(h.out, b.String())
	return err
}

// WithAttrs implements slog.Handler.
func (h *handler) WithAttrs(attrs []slog.Attr) slog.Handler {
	var b strings.Builder
	for _, a := range attrs {
		appendAttr(&b, h.prefix, a)
	}
	with := *h
	with.attrs += b.String()
	return &with
}

// WithGroup implements slog.Handler.
func (h *handler) WithGroup(name string) slog.Handler {
	with := *h
	with.prefix += name + "."
	return &with
}

func appendAttr(b *strings.Builder, prefix string, a slog.Attr) {
	if a.Equal(slog.Attr{}) { // slog's handlers leave it out
		return
	}
	v := a.Value.Resolve()
	if v.Kind() == slog.KindGroup {
		for _, inner := range v.Group() {
			appendAttr(b, prefix+a.Key+".", inner)
		}
		return
	}
	text := fmt.Sprint(v.Any())
	switch {
	case text == "":
		return
	case v.Kind() == slog.KindDuration:
		text = v.Duration().Round(10 * time.Microsecond).String()
	case strings.ContainsFunc(text, func(r rune) bool { return r == '"' || r == '=' || r == ' ' || !strconv.IsPrint(r) }):
		text = strconv.Quote(text) // whatever it holds, an event stays one line, and a terminal obeys none of it
	}
	b.WriteString(" " + prefix + a.Key + "=" + text)
}
