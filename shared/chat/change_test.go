package chat_test

import (
	"regexp"
	"testing"
	"time"

	"aiwm-chat/shared/chat"
)

func TestChangeCursors(t *testing.T) {
	shape := regexp.MustCompile(chat.ChangeCursorPattern)
	for _, c := range []chat.ChangeCursor{{}, {Since: 17}, {Since: 0, At: 5, ID: "m-1"}, {Since: 17, At: 18, ID: "a.b|c"}} {
		s := c.String()
		if got, err := chat.ParseChangeCursor(s); err != nil || got != c || !shape.MatchString(s) {
			t.Errorf("%+v is %q is %+v, %v", c, s, got, err)
		}
	}
	for _, s := range []string{"", "x", "-1", "1.5", "1-", "1-2", "1-2-", "1-x-m", "1--2-m", "1-2-m{1}", "99999999999999999999"} {
		if got, err := chat.ParseChangeCursor(s); err == nil {
			t.Errorf("%q is %+v", s, got)
		}
	}
	if got := chat.Settled(time.Time{}); got != (chat.ChangeCursor{}) {
		t.Errorf("where nothing changed it is %+v", got)
	}
}

func FuzzChangeCursor(f *testing.F) {
	for _, s := range []string{"", "17", "17-18-m", "1-2-3-4", "00-0-m", "-1"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		c, err := chat.ParseChangeCursor(s)
		if err != nil {
			return
		}
		if again, err := chat.ParseChangeCursor(c.String()); err != nil || again != c {
			t.Errorf("%q is %+v, and that is %+v, %v", s, c, again, err)
		}
	})
}
