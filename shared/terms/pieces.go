package terms

import (
	"iter"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/rivo/uniseg"
	"golang.org/x/text/unicode/norm"
)

// A span is where something is in a text, in bytes.
type span struct{ from, to int }

// A piece is a word, an emoji, or a run of a script without spaces, folded; at says where
// each character of it came from.
type piece struct {
	text []rune
	at   []span
	run  bool
}

// pieces are those of a text, in its order.
func pieces(text string) iter.Seq[*piece] {
	return func(yield func(*piece) bool) {
		c := cutter{yield: yield}
		rest, state, at := text, -1, 0
		for rest != "" && !c.stopped {
			var word string
			word, rest, state = uniseg.FirstWordInString(rest, state)
			c.word(word, at)
			at += len(word)
		}
		c.end()
	}
}

// A cutter puts words together, or apart: characters of a run come as words of their own,
// and Hangul and Latin as one.
type cutter struct {
	yield   func(*piece) bool
	stopped bool
	current *piece
	last    int // where the current piece ends, if it is a run
}

func (c *cutter) word(word string, at int) {
	if !says(word) {
		c.end()
		return
	}
	if plain, ok := ascii(word); ok {
		c.end()
		p := &piece{text: plain}
		for i := range plain {
			p.at = append(p.at, span{at + i, at + i + 1})
		}
		c.current = p
		c.end()
		return
	}
	if !c.goesOn(at) {
		c.end()
	}
	if r, size := utf8.DecodeRuneInString(word); size == len(word) && isCommonRun(r) { // which is quick
		c.add(r, span{at, at + size})
		return
	}
	rest, state := word, -1
	for rest != "" {
		var one string
		one, rest, _, state = uniseg.FirstGraphemeClusterInString(rest, state)
		where := span{at, at + len(one)}
		at += len(one)
		for _, r := range fold(one) {
			c.add(r, where)
		}
	}
	if c.current != nil && !c.current.run {
		c.end()
	}
}

// goesOn reports whether what begins at a place may continue a run.
func (c *cutter) goesOn(at int) bool { return c.current != nil && c.current.run && c.last == at }

func (c *cutter) add(r rune, at span) {
	run := isRun(r)
	if run && unicode.Is(unicode.M, r) && c.current != nil { // it belongs to what it is on
		run = c.current.run
	}
	if c.current != nil && c.current.run != run {
		if unicode.Is(unicode.M, r) { // such as the sound mark of kana
			run = c.current.run
		} else {
			c.end()
		}
	}
	if c.current == nil {
		c.current = &piece{run: run}
	}
	c.current.text, c.current.at, c.last = append(c.current.text, r), append(c.current.at, at), at.to
}

func (c *cutter) end() {
	p := c.current
	if c.current = nil; p == nil || c.stopped {
		return
	}
	if !p.run && len(p.text) > maxLength {
		p.text, p.at = p.text[:maxLength], p.at[:maxLength]
	}
	c.stopped = !c.yield(p)
}

// says reports whether a word is more than space and punctuation.
func says(word string) bool {
	return strings.ContainsFunc(word, func(r rune) bool { return r != utf8.RuneError && unicode.In(r, unicode.L, unicode.N, unicode.So) })
}

// isJoint reports whether a character is inside of a word without being of it: "." of "example.com".
func isJoint(r rune) bool { return !unicode.In(r, unicode.L, unicode.N, unicode.M, unicode.So) }

// ascii folds a word that is nothing else, which is quick.
func ascii(word string) ([]rune, bool) {
	out := make([]rune, len(word))
	for i := range len(word) {
		b := word[i]
		if b >= 0x80 {
			return nil, false
		}
		if 'A' <= b && b <= 'Z' {
			b += 'a' - 'A'
		}
		out[i] = rune(b)
	}
	return out, true
}

// fold makes characters alike that people do not tell apart when they search: NFKC, lower
// case; Latin, Greek and Cyrillic without marks, other scripts with theirs.
func fold(s string) string {
	s = norm.NFKD.String(strings.ToLower(norm.NFKC.String(s)))
	bare := false // the last letter is of a script whose marks do not count
	s = strings.Map(func(r rune) rune {
		switch {
		case r == utf8.RuneError, unicode.In(r, unicode.Cf, unicode.Variation_Selector, unicode.Cc), 0x1F3FB <= r && r <= 0x1F3FF: // joiners, forms and skins of emoji
			return -1
		case unicode.Is(unicode.M, r):
			if bare {
				return -1
			}
			return r
		}
		bare = unicode.In(r, unicode.Latin, unicode.Greek, unicode.Cyrillic)
		switch r {
		case 'đ':
			return 'd'
		case 'ς':
			return 'σ'
		case '’':
			return '\''
		}
		return r
	}, s)
	return norm.NFC.String(s)
}

// isRun reports whether a character is of a script that does not put spaces between words,
// or whose words are long.
func isRun(r rune) bool {
	return isCommonRun(r) || r > 0x7F && (unicode.In(r, unicode.Han, unicode.Hiragana, unicode.Katakana, unicode.Hangul, unicode.Thai, unicode.Lao, unicode.Khmer) || r == 'ー')
}

// isCommonRun reports whether a character is one of the blocks in which nearly all text of such
// a script is, of those that fold leaves as it is.
func isCommonRun(r rune) bool {
	return 0x4E00 <= r && r <= 0x9FFF || 0x3041 <= r && r <= 0x3096 || 0x30A1 <= r && r <= 0x30FA || 0xAC00 <= r && r <= 0xD7A3
}
