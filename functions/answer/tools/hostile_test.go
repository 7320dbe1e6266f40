package tools

import (
	"bytes"
	"log/slog"
	"strings"
	"testing"

	"aiwm-chat/shared/chat"
	"aiwm-chat/shared/config"
)

// Secrets: some servers have the key in the name of their host. Where that cannot be
// resolved or reached the log has it.
func TestHostileHostInTheLog(t *testing.T) {
	var log bytes.Buffer
	before := slog.Default()
	slog.SetDefault(slog.New(slog.NewTextHandler(&log, nil)))
	defer slog.SetDefault(before)
	s := New(map[string]config.ToolServer{"shop": {URL: "https://k3y-0123456789.invalid/mcp"}}, false).Open()
	defer s.Close()
	_, err := s.List(t.Context(), []chat.ToolSelection{{Server: "shop", Allow: []string{"*"}}})
	if err == nil {
		t.Fatal("no error")
	}
	if strings.Contains(log.String(), "k3y-0123456789") || strings.Contains(err.Error(), "k3y") {
		t.Errorf("%v\n%s", err, log.String())
	}
}
