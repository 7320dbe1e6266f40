package protocol_test

import (
	"strings"
	"testing"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"

	"aiwm-chat/shared/chat"
	"aiwm-chat/shared/protocol"
)

func TestReactionKeys(t *testing.T) {
	for given, want := range map[string]string{
		"👍": "👍", "👍🏽": "👍🏽", "❤️": "❤️", "👨‍👩‍👧‍👦": "👨‍👩‍👧‍👦", "🇻🇳": "🇻🇳", "1️⃣": "1️⃣", "é": "é", "e\u0301": "é", "x": "x", "好": "好", ":": ":",
		":party:": ":party:", ":+1:": ":+1:", ":" + strings.Repeat("x", 62) + ":": ":" + strings.Repeat("x", 62) + ":",
	} {
		if got, err := protocol.ParseReactionKey(given); err != nil || string(got) != want {
			t.Errorf("%q is %q, %v", given, got, err)
		}
	}
	for _, given := range []string{
		"", " ", "\n", "\u0000", "\u200b", "\u202e", "\u0301", "\u00a0", "👍👍", "ok", "::", ":a b:", ":é:", ":" + strings.Repeat("x", 63) + ":", "\xff", "\u200d",
		"👍" + strings.Repeat("\u0301", 40), strings.Repeat("👨‍", 40) + "👨",
	} {
		if got, err := protocol.ParseReactionKey(given); err == nil || got != "" {
			t.Errorf("%q is taken as %q", given, got)
		}
	}
}

func FuzzReactionKey(f *testing.F) {
	for _, s := range []string{"👍", ":party:", "e\u0301", "👨‍👩‍👧‍👦", "\u202e", strings.Repeat("\u0301", 99)} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		key, err := protocol.ParseReactionKey(s)
		if err != nil {
			return
		}
		if len(key) > chat.MaxReactionKey || !utf8.ValidString(string(key)) || !norm.NFC.IsNormalString(string(key)) {
			t.Errorf("%q is %q", s, key)
		}
		if again, err := protocol.ParseReactionKey(string(key)); err != nil || again != key {
			t.Errorf("%q is %q, and that is %q, %v", s, key, again, err)
		}
	})
}
