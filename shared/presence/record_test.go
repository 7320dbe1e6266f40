package presence

import (
	"testing"
	"time"

	"aiwm-chat/shared/chat"
)

func TestRecordsRoundTripInEveryDialect(t *testing.T) {
	now := time.UnixMilli(1_700_000_000_123)
	for _, p := range []chat.Principal{
		{Type: chat.User, ID: "u1", OrgID: "o1"},
		{Type: chat.Agent, ID: "a:1@x.y_z-", OrgID: "o:1@x.y_z-"},
		{Type: chat.User, ID: "c ", OrgID: ""},
	} {
		for _, d := range []chat.Dialect{chat.AIWM, chat.Lean} {
			c := chat.Connection{ID: "L0SM9cOFvHcCIhw=", Principal: p, Dialect: d, ExpiresAt: time.Unix(1_700_003_600, 0).UTC()}
			r, ok := parseRegistration(p, string(c.ID), registrationText(c, now))
			if !ok || r.closed || r.Connection != c || !r.since.Equal(now) {
				t.Errorf("%+v came back as %+v, %v", c, r, ok)
			}
			if lost, ok := parseRegistration(p, string(c.ID), lostMark+registrationText(c, now)); !ok || lost != r {
				t.Errorf("with the mark of a loss %+v came back as %+v, %v", c, lost, ok)
			}
			if p.ID == "c " {
				continue // not in the id alphabet, and not kept in an entry
			}
			for i := range 4 {
				confirmedNow, final := i&1 != 0, i&2 != 0
				text := entryText(c, "GEN", now, final)
				if confirmedNow {
					text = confirmed + text[len(provisional):]
				}
				e, ok := parseEntry(string(c.ID), text)
				if !ok || e.confirmed != confirmedNow || e.final != final || e.Connection != c || !e.since.Equal(now) {
					t.Errorf("%q came back as %+v, %v", text, e, ok)
				}
			}
		}
		r, ok := parseRegistration(p, "c1", tombstoneText(now))
		if !ok || !r.closed || r.ID != "c1" || r.Principal != p || !r.since.Equal(now) {
			t.Errorf("a tombstone came back as %+v, %v", r, ok)
		}
	}
}

func TestWhenARecordIsOver(t *testing.T) {
	since := time.UnixMilli(1_700_000_000_123)
	for _, of := range []struct {
		what string
		over func(time.Time) bool
		life time.Duration
	}{
		{"registration", registration{since: since}.over, 2*time.Hour + 10*time.Minute},
		{"tombstone", registration{since: since, closed: true}.over, 2 * time.Minute},
		{"provisional entry", entry{since: since}.over, 30 * time.Second},
		{"confirmed entry", entry{since: since, confirmed: true}.over, 2*time.Hour + 10*time.Minute},
	} {
		if of.over(since.Add(of.life - time.Millisecond)) {
			t.Errorf("a %s is over too early", of.what)
		}
		if !of.over(since.Add(of.life)) {
			t.Errorf("a %s is not over", of.what)
		}
	}
}

func TestBrokenRecordsCountAsNothing(t *testing.T) {
	now, p := time.UnixMilli(1_700_000_000_123), chat.Principal{Type: chat.User, ID: "u1", OrgID: "o1"}
	c := chat.Connection{ID: "good", Principal: p, ExpiresAt: now}
	fields := []string{"good", registrationText(c, now), "closed", tombstoneText(now)}
	for i, broken := range []string{"", " ", "x", "x ", "x y", "1700000000123", "1700000000123 5", "1700000000123 y -", "y 5 -"} {
		fields = append(fields, string(rune('a'+i)), broken)
	}
	open, over := registrations(p, append(fields, "odd"), now)
	if len(open) != 1 || open[0].ID != "good" || len(over) != 9 {
		t.Errorf("%d are open, %d are over", len(open), len(over))
	}
	good := entryText(c, "g", now, false)
	fields = []string{"good", good}
	for _, broken := range []string{"", "p", "p ", "c ", "p g", "p g 1 2 -", good[:len(good)-len("user:u1")], "c g y 2 - o1/user:u1", "c g 1 y - o1/user:u1"} {
		fields = append(fields, "bad", broken)
	}
	if all := entries(append(fields, "odd"), now); len(all) != 1 || all[0].ID != "good" {
		t.Errorf("%+v count", all)
	}
}

func FuzzParseRegistration(f *testing.F) {
	now := time.UnixMilli(1_700_000_000_123)
	for _, d := range []chat.Dialect{chat.AIWM, chat.Lean} {
		f.Add(registrationText(chat.Connection{ExpiresAt: now, Dialect: d}, now))
	}
	f.Add(tombstoneText(now))
	f.Add(undone + "5")
	f.Add(tombstoneText(now) + " A=")
	f.Add(lostMark + registrationText(chat.Connection{ExpiresAt: now}, now))
	f.Add("")
	f.Add("x ")
	f.Add("-1 -1  ")
	p := chat.Principal{Type: chat.User, ID: "u1", OrgID: "o1"}
	f.Fuzz(func(t *testing.T, text string) {
		r, ok := parseRegistration(p, "c1", text)
		if !ok {
			return
		}
		again := registrationText(r.Connection, r.since)
		if r.closed {
			again = tombstoneText(r.since)
			if r.undone {
				again = undone + again[len(tombstone):]
			}
		}
		if r.room != "" {
			again += " " + string(r.room)
		}
		if got, ok := parseRegistration(p, "c1", again); !ok || got != r {
			t.Errorf("%q is %+v, and formatted again (%q) %+v, %v", text, r, again, got, ok)
		}
	})
}

func FuzzParseEntry(f *testing.F) {
	now := time.UnixMilli(1_700_000_000_123)
	c := chat.Connection{ExpiresAt: now, Principal: chat.Principal{Type: chat.Agent, ID: "a:1@x.y_z-", OrgID: "o1"}}
	f.Add(entryText(c, "GEN", now, false))
	f.Add(confirmed + entryText(c, "GEN", now, false)[len(provisional):])
	f.Add("")
	f.Add("p  1 2  /:")
	f.Add(entryText(c, "GEN", now, true))
	f.Fuzz(func(t *testing.T, text string) {
		e, ok := parseEntry("c1", text)
		if !ok {
			return
		}
		again := entryText(e.Connection, e.generation, e.since, e.final)
		if e.confirmed {
			again = confirmed + again[len(provisional):]
		}
		if got, ok := parseEntry("c1", again); !ok || got != e {
			t.Errorf("%q is %+v, and formatted again (%q) %+v, %v", text, e, again, got, ok)
		}
	})
}
