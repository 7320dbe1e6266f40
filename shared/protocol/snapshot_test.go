package protocol_test

import (
	"fmt"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"aiwm-chat/shared/chat"
	"aiwm-chat/shared/protocol"
)

func part(name, text string, next int) chat.StreamPart {
	return chat.StreamPart{Name: name, Text: text, Next: next, Length: chat.UTF16Len(text)}
}

func TestStreamSnapshot(t *testing.T) {
	const limit = 1000 // some 250 of it is around the texts
	long := func(s string) string { return strings.Repeat(s, 2000) }
	many := make([]chat.StreamPart, 0, 40)
	for i := range 40 {
		many = append(many, part(fmt.Sprint("tool:", i), "x", 1))
	}
	for _, tt := range []struct {
		name   string
		parts  []chat.StreamPart
		cut    bool
		short  []string // the parts that are not whole
		gone   bool     // not all parts are there
		filled int      // at least so much of the room is used, where it is cut
	}{
		{name: "nothing yet"},
		{name: "all of it", parts: []chat.StreamPart{part("content", "h\u00e9 \U0001f600", 3), part("thinking", "hm", 1), part("tool:t1", "12", 2)}},
		{name: "long", parts: []chat.StreamPart{part("content", long("a"), 9)}, cut: true, short: []string{"content"}, filled: 999},
		{name: "of two bytes", parts: []chat.StreamPart{part("content", long("\u00e9"), 9)}, cut: true, short: []string{"content"}, filled: 999},
		{name: "of surrogate pairs", parts: []chat.StreamPart{part("content", long("\U0001f600"), 9)}, cut: true, short: []string{"content"}, filled: 996},
		{name: "shifted by one", parts: []chat.StreamPart{part("content", "x"+long("\U0001f600"), 9)}, cut: true, short: []string{"content"}, filled: 996},
		{name: "of what is escaped", parts: []chat.StreamPart{part("content", long("\x01\"\n"), 9)}, cut: true, short: []string{"content"}, filled: 994},
		{name: "of long thought", parts: []chat.StreamPart{part("thinking", long("t"), 7), part("content", "yes", 1)}, cut: true, short: []string{"thinking"}, filled: 995},
		{name: "of a long tool", parts: []chat.StreamPart{part("tool:1", long("t"), 7), part("thinking", "hm", 1), part("content", "yes", 1)}, cut: true, short: []string{"tool:1"}, filled: 990},
		{
			name: "all are long", parts: []chat.StreamPart{part("thinking", long("t"), 7), part("content", long("c"), 7), part("tool:1", long("r"), 7)},
			cut: true, short: []string{"thinking", "content", "tool:1"}, filled: 990,
		},
		{name: "many parts", parts: many, cut: true, gone: true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			st := chat.Stream{
				ConversationID: "c1", ID: "s1", Principal: chat.Principal{Type: chat.Agent, ID: "a1", OrgID: "acme"}, ParentID: "q1",
				StartedAt: time.UnixMilli(1_700_000_000_000), Epoch: 7, Doing: "tool", Parts: tt.parts,
			}
			got := protocol.StreamSnapshotOf(st, limit)
			b, err := protocol.Marshal(got)
			if err != nil || len(b) > limit || tt.cut && len(b) < tt.filled {
				t.Errorf("%d bytes, %v", len(b), err)
			}
			if got.Truncated != tt.cut || got.StreamID != "s1" || got.Epoch != 7 || got.ParticipantID != "a1" || got.ParentID != "q1" || got.Status != "tool" || got.StartedAt == "" {
				t.Errorf("%+v", got)
			}
			if (len(got.Parts) < len(tt.parts)) != tt.gone {
				t.Errorf("%d parts of %d", len(got.Parts), len(tt.parts))
			}
			var short []string
			for i, p := range got.Parts {
				want := tt.parts[i]
				if p.Part != want.Name || p.Next != want.Next || !strings.HasPrefix(want.Text, p.Text) || !utf8.ValidString(p.Text) || p.Length != chat.UTF16Len(p.Text) {
					t.Errorf("%+v of %+v", p, want)
				}
				if p.Text != want.Text {
					short = append(short, p.Part)
				}
			}
			if !tt.gone && fmt.Sprint(short) != fmt.Sprint(order(tt.parts, tt.short)) {
				t.Errorf("cut are %v, want %v", short, tt.short)
			}
			if whole := protocol.StreamSnapshotOf(st, 1<<30); whole.Truncated || len(whole.Parts) != len(tt.parts) {
				t.Errorf("with room for all of it: %+v", whole)
			}
		})
	}
}

// order returns the names in the order of the parts.
func order(parts []chat.StreamPart, names []string) (out []string) {
	for _, p := range parts {
		for _, n := range names {
			if p.Name == n {
				out = append(out, n)
			}
		}
	}
	return out
}
