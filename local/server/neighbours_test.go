package server_test

import (
	"context"
	"log/slog"
	"strings"
	"testing"
	"time"

	"aiwm-chat/local/scripted"
	"aiwm-chat/local/server"
	"aiwm-chat/shared/completion"
)

// The local server has a model, as slow as it is told, and closes while it is silent.
func TestScriptedModel(t *testing.T) {
	t.Parallel()
	silent := make(chan error, 1)
	closing := time.Now()
	err := server.With(t.Context(), server.Options{Template: "../../template.yaml", Logger: slog.New(slog.DiscardHandler), Model: scripted.Options{Delay: time.Millisecond}}, func(s *server.Server) error {
		c := completion.New(completion.Options{BaseURL: s.ModelURL()})
		ask := func(ctx context.Context, text string, on func(completion.Piece)) (completion.Answer, error) {
			return c.Stream(ctx, completion.Request{Model: "scripted", Messages: []completion.Message{{Role: completion.RoleUser, Content: text}}}, on)
		}
		begun := time.Now()
		if got, err := ask(t.Context(), "Hello #tokens 20", nil); err != nil || !strings.HasPrefix(got.Content, "You said: “Hello”.") || time.Since(begun) < 20*time.Millisecond {
			t.Errorf("%+v, %v", got, err)
		}
		heard := make(chan bool)
		go func() {
			_, err := ask(context.WithoutCancel(t.Context()), "#silent 1", func(completion.Piece) { close(heard) })
			silent <- err
		}()
		<-heard
		closing = time.Now()
		return nil
	})
	if err != nil || time.Since(closing) > 9*time.Second {
		t.Errorf("closed in %v: %v", time.Since(closing), err)
	}
	if err := <-silent; completion.KindOf(err) != completion.BrokenOff {
		t.Errorf("the one that listened: %v", err)
	}
}
