package chat_test

import (
	"strings"
	"testing"

	"aiwm-chat/shared/chat"
)

func TestValidID(t *testing.T) {
	for id, want := range map[string]bool{
		"a":                               true,
		"AZaz09._@:|+=~-":                 true,
		"auth0|5f7c8ec7c33c6c004bbafe82":  true,
		"a+b@example.org":                 true,
		"user@example.com":                true,
		"507f1f77bcf86cd799439011":        true,
		strings.Repeat("x", chat.MaxID):   true,
		"":                                false,
		strings.Repeat("x", 129):          false,
		"a b":                             false,
		"a{b}":                            false,
		"a\x00":                           false,
		"a\n":                             false,
		"a\x7f":                           false,
		"a/b":                             false,
		"a*":                              false,
		"$ne":                             false,
		"a%7Cb":                           false,
		"a,b":                             false,
		"a\\b":                            false,
		"é":                               false,
		"a\xff":                           false,
		"ａ":                               false,
		"[a]":                             false,
		strings.Repeat("é", chat.MaxID/2): false,
	} {
		if got := chat.ValidID(id); got != want {
			t.Errorf("ValidID(%q) = %v", id, got)
		}
		var f chat.Faults
		chat.CheckID(&f, "id", chat.ConversationID(id))
		if err := f.Err(); (err == nil) != want {
			t.Errorf("CheckID(%q): %v", id, err)
		}
	}
}

func TestCheckIDTellsMissingFromWrong(t *testing.T) {
	var f chat.Faults
	chat.CheckID(&f, "a", chat.MessageID(""))
	chat.CheckID(&f, "b", chat.MessageID("{"))
	d := chat.Public(f.Err()).Details
	if d["a"] != "is required" || d["b"] == "is required" || len(d) != 2 {
		t.Errorf("details %v", d)
	}
}
