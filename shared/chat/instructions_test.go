package chat_test

import (
	"testing"
	"time"

	"aiwm-chat/shared/chat"
)

func TestExpand(t *testing.T) {
	t.Parallel()
	v := chat.InstructionValues{UserName: "Ann {{now}}", UserID: "u1", ConversationTitle: "{{user.id}}", Now: time.Date(2026, 3, 1, 13, 0, 0, 5, time.FixedZone("", 3600))}
	for text, want := range map[string]string{
		"":                              "",
		"none":                          "none",
		"{{user.name}}":                 "Ann {{now}}",
		"a {{ user.id }} b":             "a u1 b",
		"{{conversation.title}}{{now}}": "{{user.id}}2026-03-01T12:00:00Z",
		`{"a": {"b": 1}}`:               `{"a": {"b": 1}}`,
		"{{now":                         "{{now",
	} {
		if got := chat.Expand(text, v); got != want {
			t.Errorf("%q: %q, want %q", text, got, want)
		}
	}
	v.UserName = ""
	if got := chat.Expand("{{user.name}}", v); got != "u1" {
		t.Errorf("without a name: %q", got)
	}
}
