package terms

import (
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"
)

func TestOf(t *testing.T) {
	for _, tt := range []struct{ text, want string }{
		{"", ""},
		{" -- ,.!? \n", ""},
		{"Hello, HELLO world", "hello world"},
		{"Đường phố Hà Nội", "duong pho ha noi"},
		{"Đường phố", "duong pho"}, // decomposed
		{"duong pho", "duong pho"},
		{"Ёлка и йод", "елка и иод"},
		{"Ἀθήνα ΣΊΣΥΦΟΣ", "αθηνα σισυφοσ"},
		{"Ａｂｃ ﬁne", "abc fine"},
		{"北京天气", "北京 京天 天气 气"},
		{"我 爱", "我 爱"},
		{"東京タワー", "東京 京タ タワ ワー ー"},
		{"ﾀﾜｰ", "タワ ワー ー"},
		{"한국어 말", "한국 국어 어 말"},
		{"LG전자", "lg 전자 자"},
		{"iPhone手机", "iphone 手机 机"},
		{"سلام دنیا", "سلام دنیا"},
		{"هٰذَا", "هٰذَا"}, // marks of other scripts stay
		{"हिन्दी में", "हिन्दी में"},
		{"👍🏽 👨‍👩‍👧", "👍 👨👩👧"},
		{"❤️", "❤"},
		{"see example.com, 3.14", "see example.com example com 3.14 3 14"},
		{"can’t can't", "can't can t"},
		{"a\x00b\xff c", "a b c"},
	} {
		if got := strings.Join(Of(tt.text), " "); got != tt.want {
			t.Errorf("%q: %q, want %q", tt.text, got, tt.want)
		}
	}
	// Thai is found by every two characters, its marks among them.
	if got := Of("สวัสดี"); len(got) < 5 || got[0] != "สว" {
		t.Errorf("%q", got)
	}
}

func TestOfIsBounded(t *testing.T) {
	var b strings.Builder
	for i := range 2000 {
		fmt.Fprint(&b, "w", i, " ")
	}
	if got := Of(b.String()); len(got) != Max || got[Max-1] != "w511" {
		t.Errorf("%d terms, the last is %q", len(got), got[len(got)-1])
	}
	if got := Of(strings.Repeat("x", 1000)); len(got) != 1 || len(got[0]) != maxLength {
		t.Errorf("%q", got)
	}
	if got := Parse(strings.Repeat("a b c ", 30)); len(got.pieces) != maxPieces {
		t.Errorf("%d pieces", len(got.pieces))
	}
}

func TestFind(t *testing.T) {
	for _, tt := range []struct{ query, text, want string }{
		{"hello", "Oh, Hello there", "Oh, [Hello] there"},
		{"hel", "Oh, Hello there", "Oh, [Hel]lo there"},
		{"he", "Oh, Hello there", ""}, // too short to go on
		{"hel ", "Oh, Hello there", ""},
		{"there hello", "Hello there", "[Hello] [there]"},
		{"hello you", "Hello there", ""},
		{"duong", "trên đường, Đường", "trên [đường], [Đường]"},
		{"đường ", "duong", "[duong]"},
		{"天气", "北京天气很好", "北京[天气]很好"},
		{"北京好", "北京很好 京好", ""}, // its pairs alone do not do
		{"京", "北京", "北[京]"},
		{"ー", "タワー", "タワ[ー]"},
		{"국어", "한국어", "한[국어]"},
		{"전자", "LG전자는", "LG[전자]는"},
		{"สวัส", "ครับสวัสดี", "ครับ[สวัส]ดี"},
		{"سلام", "سلام دنیا", "[سلام] دنیا"},
		{"👍", "good 👍🏽!", "good [👍🏽]!"},
		{"com", "see example.com", "see example.[com]"},
		{"example.com", "see EXAMPLE.com", "see [EXAMPLE.com]"},
		{"", "x", ""},
	} {
		ranges, found := Parse(tt.query).Find(tt.text)
		got := ""
		if found {
			got = tt.text
			for _, r := range slices.Backward(ranges) {
				got = got[:r.From] + "[" + got[r.From:r.To] + "]" + got[r.To:]
			}
		}
		if got != tt.want {
			t.Errorf("%q in %q: %q, want %q", tt.query, tt.text, got, tt.want)
		}
	}
}

func TestQueryTerms(t *testing.T) {
	for _, tt := range []struct{ query, whole, begins string }{
		{"hello", "", "hello"},
		{"hello ", "hello", ""},
		{"an elephant is here", "elephant an is", "here"},
		{"to be", "to be", ""},
		{"北京", "北京", ""},
		{"北京天", "北京 京天", ""},
		{"京", "", "京"},
		{"京 hello", "", "京 hello"},
	} {
		q := Parse(tt.query)
		if w, b := strings.Join(q.Whole(), " "), strings.Join(q.Begins(), " "); w != tt.whole || b != tt.begins {
			t.Errorf("%q: whole %q, begins %q", tt.query, w, b)
		}
	}
}

// Whatever a text is: its terms are bounded valid text, are the same whenever they are made,
// and each word or run of a text finds it.
func FuzzTerms(f *testing.F) {
	for _, s := range []string{"Hello wörld", "Đường phố 北京天气 タワー 한국어 สวัสดี ພາສາ ភាសា", "👍🏽 👨‍👩‍👧 🇻🇳", "can't example.com", "e\u0301\u0301", "\xff\x00", "ｶﾞ゙", "LG전자 iPhone手机"} {
		f.Add(s, s)
	}
	f.Fuzz(func(t *testing.T, text, query string) {
		if len(text) > 4000 || len(query) > 800 {
			t.Skip()
		}
		all := Of(text)
		if len(all) > Max || !reflect.DeepEqual(all, Of(text)) {
			t.Fatalf("%d terms", len(all))
		}
		for _, term := range all {
			if term == "" || !utf8.ValidString(term) && utf8.ValidString(text) || letters(term) > maxLength {
				t.Fatalf("the term %q", term)
			}
		}
		for p := range pieces(text) {
			own := Query{pieces: []*piece{p}}
			if _, found := own.Find(text); !found {
				t.Fatalf("%q does not find its text", string(p.text))
			}
			if len(all) < Max {
				for _, term := range own.Whole() {
					if !slices.Contains(all, term) {
						t.Fatalf("the query's term %q is none of the text's", term)
					}
				}
			}
		}
		q := Parse(query)
		ranges, _ := q.Find(text)
		at := 0
		for _, r := range ranges {
			if r.From < at || r.To <= r.From || r.To > len(text) || utf8.ValidString(text) && !utf8.RuneStart(text[r.From]) {
				t.Fatalf("%q in %q: %v", query, text, ranges)
			}
			at = r.To
		}
	})
}

func BenchmarkOf(b *testing.B) {
	for name, text := range map[string]string{
		"English": strings.Repeat("an ordinary message as people write them ", 3), "Vietnamese": strings.Repeat("một tin nhắn bình thường như mọi người viết ", 3),
		"Chinese": strings.Repeat("人们平常写的一条消息", 6),
	} {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				Of(text)
			}
		})
	}
}
