package completion

import (
	"strings"
	"unicode"

	"golang.org/x/text/unicode/norm"
)

// Clean takes out what is no text but changes how it looks: control characters but
// for tabs and the ends of lines, those that turn the direction of what follows, and
// tags that nobody sees. What is no UTF-8 becomes U+FFFD.
func Clean(s string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r == '\n', r == '\t':
			return r
		case r == '\u2028', r == '\u2029':
			return '\n'
		case r == '\v', r == '\f', r == '\u0085':
			return ' '
		case unicode.IsControl(r), unicode.Is(unicode.Bidi_Control, r), 0xE0000 <= r && r <= 0xE007F, r == 0xFEFF:
			return -1
		}
		return r
	}, strings.ToValidUTF8(s, "\uFFFD"))
}

// maxName is how long OpenAI allows a name to be.
const maxName = 64

// Name makes of somebody's name what services allow: at most 64 letters, digits,
// hyphens and underscores of ASCII. It is empty where nothing of that remains, as of
// a name in another script: whoever must be told apart needs to be named in the text.
func Name(s string) string {
	var b strings.Builder
	gap := false
	for _, r := range norm.NFKD.String(s) {
		switch {
		case r == '-', 'a' <= r && r <= 'z', 'A' <= r && r <= 'Z', '0' <= r && r <= '9':
			if gap && b.Len() > 0 {
				b.WriteByte('_')
			}
			gap = false
			if b.Len() < maxName {
				b.WriteRune(r)
			}
		case !unicode.Is(unicode.Mn, r):
			gap = true
		}
		if b.Len() >= maxName {
			break
		}
	}
	return b.String()
}
