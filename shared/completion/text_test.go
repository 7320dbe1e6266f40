package completion_test

import (
	"strings"
	"testing"

	"aiwm-chat/shared/completion"
)

func TestClean(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ in, want string }{
		{"They\u202e met\u0007\u2066 in\u200f \ufeffRome\u061c.\r\nAnd\tleft.\u0000\U000E0041\x1b[31m", "They met in Rome.\nAnd\tleft.[31m"},
		{"a\vb\fc\u0085d\u2028e\u2029f", "a b c d\ne\nf"},
		{"می\u200cخواهم 👩\u200d💻", "می\u200cخواهم 👩\u200d💻"},
		{"a\xff\xfeb\xe2\x82", "a\uFFFDb\uFFFD"},
	} {
		if got := completion.Clean(tt.in); got != tt.want {
			t.Errorf("%q: %q, want %q", tt.in, got, tt.want)
		}
	}
}

func TestName(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ in, want string }{
		{"", ""},
		{"ada", "ada"},
		{"Ada Lovelace", "Ada_Lovelace"},
		{"  Ada  (she/her)  ", "Ada_she_her"},
		{"José Ñandú", "Jose_Nandu"},
		{"ada@example.org", "ada_example_org"},
		{"user-7_b", "user-7_b"},
		{"ﬁ ２", "fi_2"},
		{"王小明", ""},
		{"王 Ming", "Ming"},
		{"x\x00\n\u202ey\xff", "x_y"},
		{strings.Repeat("ab ", 40), strings.Repeat("ab_", 21) + "a"},
		{strings.Repeat("a", 63) + " b", strings.Repeat("a", 63) + "_"},
	} {
		if got := completion.Name(tt.in); got != tt.want {
			t.Errorf("%q: %q, want %q", tt.in, got, tt.want)
		}
	}
}
