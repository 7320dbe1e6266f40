package protocol_test

import (
	"strings"
	"testing"
	"unicode/utf16"

	"aiwm-chat/shared/chat"
	"aiwm-chat/shared/protocol"
	"aiwm-chat/shared/terms"
)

// The ranges of a hit are in the units of JavaScript, and within its part of the text.
func TestHit(t *testing.T) {
	long := strings.Repeat("👍 đ ", 100)
	for _, tt := range []struct{ text, found string }{
		{"hello", "hello"}, {"👍 say hello 👍", "hello"}, {long + "hello" + long, "hello"}, {long + "Đường phố" + long + " duong", "Đường"}, {"x hello" + strings.Repeat("y", 1000), "hello"},
		{strings.Repeat("天", 300) + "hello", "hello"},
	} {
		query := "hello"
		if strings.Contains(tt.text, "Đ") {
			query = "duong "
		}
		ranges, found := terms.Parse(query).Find(tt.text)
		if !found {
			t.Fatalf("%.20q is not found", tt.text)
		}
		hit := protocol.HitOf(chat.Message{Draft: chat.Draft{Content: tt.text}}, ranges)
		units, whole := utf16.Encode([]rune(hit.Text)), utf16.Encode([]rune(tt.text))
		first := hit.Ranges[0]
		if got := string(utf16.Decode(units[first.Start:first.End])); got != tt.found {
			t.Errorf("%.20q: found is %q", tt.text, got)
		}
		if got := string(utf16.Decode(whole[hit.Offset : hit.Offset+len(units)])); got != hit.Text || hit.Cut != (hit.Offset+len(units) < len(whole)) {
			t.Errorf("%.20q: the part is %q, cut %v", tt.text, hit.Text, hit.Cut)
		}
		for _, r := range hit.Ranges {
			if r.Start >= r.End || r.End > len(units) {
				t.Errorf("%.20q: %+v", tt.text, hit.Ranges)
			}
		}
	}
}
