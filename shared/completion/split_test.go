package completion

import (
	"slices"
	"strings"
	"testing"

	"aiwm-chat/shared/chat"
)

// What is content and what is thought does not depend on where the pieces are cut.
func TestSplit(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ text, content, thinking string }{
		{"", "", ""},
		{" \n", "", ""},
		{"They met.", "They met.", ""},
		{"\n They met. ", "They met. ", ""},
		{"<think>Who?</think>They met.", "They met.", "Who?"},
		{"\n<think>\nWho?\n</think>\n\nThey met.", "They met.", "Who?\n"},
		{"<thinking>Who?</thinking> They met.", "They met.", "Who?"},
		{"<thinking>Who?</think> They met.", "They met.", "Who?"},
		{"<think></think>They met.", "They met.", ""},
		{"<think>\n\n</think>\n\nThey met.", "They met.", ""},
		{"<think>a</think>\n<think>b</think>c", "c", "a\n\nb"},
		{"<think></think><think>b</think>c", "c", "b"},
		{"<think>a < b, and </b> is no end</think>c", "c", "a < b, and </b> is no end"},
		{"<think>a</think>b</think>c", "b</think>c", "a"},
		{"<think>cut while it", "", "cut while it"},
		{"<think>cut in its end</thin", "", "cut in its end</thin"},
		{"<think", "<think", ""},
		{"<thinker> is no tag", "<thinker> is no tag", ""},
		{"<b>bold</b>", "<b>bold</b>", ""},
		{"The tag <think> opens, </think> ends.", "The tag <think> opens, </think> ends.", ""},
		{"<think>日本</think>語<think>", "語<think>", "日本"},
	} {
		for size := 1; size <= max(len(tt.text), 1); size++ {
			var s splitter
			var content, thinking strings.Builder
			take := func(p Piece) { content.WriteString(p.Content); thinking.WriteString(p.Thinking) }
			for rest := tt.text; rest != ""; {
				n := min(size, len(rest))
				take(s.add(rest[:n]))
				rest = rest[n:]
			}
			take(s.end())
			if content.String() != tt.content || thinking.String() != tt.thinking {
				t.Errorf("%q in pieces of %d: content %q, thinking %q", tt.text, size, content.String(), thinking.String())
			}
		}
	}
}

// What is known is said at once, but for what may be the beginning of a tag.
func TestSplitHoldsNothingBack(t *testing.T) {
	t.Parallel()
	var s splitter
	for _, step := range []struct {
		in   string
		want Piece
	}{
		{" <", Piece{}}, {"think", Piece{}}, {">", Piece{}}, {" H", Piece{Thinking: "H"}}, {"m </", Piece{Thinking: "m "}}, {"b>", Piece{Thinking: "</b>"}},
		{"</think", Piece{}}, {">\n", Piece{}}, {"<b", Piece{Content: "<b"}}, {"> <think>", Piece{Content: "> <think>"}},
	} {
		if got := s.add(step.in); got != step.want {
			t.Errorf("%q: got %+v, want %+v", step.in, got, step.want)
		}
	}
}

func TestUnopened(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		content, thought, rest string
		ok                     bool
	}{
		{"They met.", "", "They met.", false},
		{"Hm.\n</think>\nThey met.", "Hm.\n", "\nThey met.", true},
		{"Hm.</thinking>They met.", "Hm.", "They met.", true},
		{"<think> opens, </think> ends.", "", "<think> opens, </think> ends.", false},
		{"a</think>b<think>", "a", "b<think>", true},
	} {
		if thought, rest, ok := unopened(tt.content); thought != tt.thought || rest != tt.rest || ok != tt.ok {
			t.Errorf("%q: %q, %q, %t", tt.content, thought, rest, ok)
		}
	}
}

// FuzzSplit: wherever the text is cut, what is content and what is thought is the
// same, and nothing but tags and white space is lost.
func FuzzSplit(f *testing.F) {
	for _, seed := range []string{"", "<think>a</think>b", "<thinking>a</think><think>b</thinking>c", "<thi", "a<think>", "<think></think", "<think>\n</think>\n"} {
		f.Add(seed, uint8(3), uint8(9))
	}
	f.Fuzz(func(t *testing.T, text string, one, two uint8) {
		text = strings.ToValidUTF8(text, "") // whole characters come out of JSON
		cuts := []int{0, len(chat.TruncateUTF8(text, int(one))), len(chat.TruncateUTF8(text, int(two))), len(text)}
		slices.Sort(cuts)
		var whole, cut splitter
		first, last := whole.add(text), whole.end()
		var content, thinking string
		for i := range 3 {
			p := cut.add(text[cuts[i]:cuts[i+1]])
			content, thinking = content+p.Content, thinking+p.Thinking
		}
		p := cut.end()
		content, thinking = content+p.Content, thinking+p.Thinking
		if content != first.Content+last.Content || thinking != first.Thinking+last.Thinking {
			t.Errorf("%q: %q and %q; cut at %d: %q and %q", text, first.Content+last.Content, first.Thinking+last.Thinking, cuts, content, thinking)
		}
		if cut.state == after && !strings.HasSuffix(text, content) || len(content)+len(thinking) > len(text)+2 {
			t.Errorf("%q: %q and %q", text, content, thinking)
		}
	})
}
