package logline_test

import (
	"errors"
	"io"
	"log/slog"
	"strings"
	"testing"
	"time"

	"aiwm-chat/local/logline"
)

func TestOneLinePerEvent(t *testing.T) {
	tests := []struct {
		name string
		log  func(*slog.Logger)
		want string
	}{
		{"attributes", func(l *slog.Logger) { l.Info("event", "route", "send", "took", 1234567*time.Nanosecond) }, " event route=send took=1.23ms\n"},
		{"a level", func(l *slog.Logger) { l.Error("event", "err", errors.New("no such thing")) }, " ERROR event err=\"no such thing\"\n"},
		{"a line break stays inside", func(l *slog.Logger) { l.Info("event", "err", "a\nb") }, " event err=\"a\\nb\"\n"},
		{"an equals sign is quoted", func(l *slog.Logger) { l.Info("event", "connection", "abc=") }, " event connection=\"abc=\"\n"},
		{"nothing reaches the terminal raw", func(l *slog.Logger) { l.Info("http", "path", "/\x1b[2J\x07\u009b\u202e") }, ` http path="/\x1b[2J\a\u009b\u202e"` + "\n"},
		{"empty values are left out", func(l *slog.Logger) { l.Info("event", "code", "") }, " event\n"},
		{"no attribute is left out", func(l *slog.Logger) { l.Info("event", slog.Attr{}, "route", "send") }, " event route=send\n"},
		{"groups and given attributes", func(l *slog.Logger) { l.With("a", 1).WithGroup("g").Info("m", "b", 2, slog.Group("h", "c", 3)) }, " m a=1 g.b=2 g.h.c=3\n"},
		{"below the level", func(l *slog.Logger) { l.Debug("event") }, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var out strings.Builder
			tt.log(slog.New(logline.New(&out, slog.LevelInfo)))
			got := out.String()
			if tt.want == "" && got == "" {
				return
			}
			if _, rest, _ := strings.Cut(got, " "); " "+rest != tt.want {
				t.Errorf("got %q, want it to end with %q", got, tt.want)
			}
		})
	}
}

func BenchmarkHandle(b *testing.B) {
	l := slog.New(logline.New(io.Discard, slog.LevelInfo))
	for b.Loop() {
		l.Info("event", "route", "send", "connection", "abc=", "principal", "user:u1", "took", time.Millisecond)
	}
}

func TestQuieter(t *testing.T) {
	var out strings.Builder
	l := slog.New(logline.Quieter(logline.New(&out, slog.LevelInfo))).With("function", "send").WithGroup("g")
	l.Info("invoked")
	l.Warn("dead letter", "n", 1)
	if got := out.String(); strings.Contains(got, "invoked") || !strings.Contains(got, " WARN dead letter function=send g.n=1\n") {
		t.Errorf("got %q", got)
	}
}

// A tail keeps the last lines, whatever the log itself shows.
func TestTail(t *testing.T) {
	t.Parallel()
	var out strings.Builder
	tail := logline.NewTail(2)
	l := slog.New(tail.Handler(logline.New(&out, slog.LevelWarn))).With("function", "send").WithGroup("g")
	l.Info("first")
	l.Info("second", "n", 1)
	l.Debug("not this")
	l.Warn("third")
	if got := out.String(); strings.Contains(got, "second") || !strings.HasSuffix(got, " WARN third function=send\n") {
		t.Errorf("the log is %q", got)
	}
	lines := tail.After(0)
	if len(lines) != 2 || lines[0].N != 2 || lines[0].Level != "INFO" || !strings.HasSuffix(lines[0].Text, " second function=send g.n=1") || lines[1].Level != "WARN" {
		t.Errorf("the tail is %+v", lines)
	}
	if after := tail.After(2); len(after) != 1 || after[0] != lines[1] || len(tail.After(3)) != 0 {
		t.Errorf("after the second: %+v", after)
	}
}
