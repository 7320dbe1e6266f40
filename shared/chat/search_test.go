package chat

import (
	"regexp"
	"testing"
	"time"
)

// FuzzSearchCursor: what is read is written as it was, and what is written is read.
func FuzzSearchCursor(f *testing.F) {
	for _, s := range []string{"", "1/m", "-1/m", "1795582259024/6b066934df8108959405013e", "1/", "/m", "01/m", "+1/m", "9223372036854775807/m", "1/m/n", "1/{}"} {
		f.Add(s)
	}
	pattern := regexp.MustCompile(SearchCursorPattern)
	f.Fuzz(func(t *testing.T, s string) {
		c, err := ParseSearchCursor(s)
		if err != nil {
			return
		}
		if c.String() != s || !pattern.MatchString(s) || c.At.Location() != time.UTC {
			t.Fatalf("%q is %+v", s, c)
		}
	})
}

func TestSearchCursor(t *testing.T) {
	c := SearchCursor{At: time.UnixMilli(1795582259024).UTC(), ID: "m1"}
	if got, err := ParseSearchCursor(c.String()); err != nil || got != c {
		t.Errorf("%+v, %v", got, err)
	}
	for _, s := range []string{"", "1", "x/m", "1/", "1/{}", "01/m", "9223372036854775807/m"} {
		if _, err := ParseSearchCursor(s); err == nil {
			t.Errorf("%q is accepted", s)
		}
	}
}
