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
