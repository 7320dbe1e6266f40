package config

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// A Rate is how often something may be done, and how much of it at once. The
// zero Rate is no limit.
type Rate struct {
	Count int // in each Per
	Per   time.Duration
	Burst int // at once, where nothing was done before
}

// None reports whether there is no limit.
func (r Rate) None() bool { return r.Count == 0 }

// Step is the time after which one more may be done.
func (r Rate) Step() time.Duration { return r.Per / time.Duration(r.Count) }

// String is the form that a variable has: "60/min burst 20".
func (r Rate) String() string {
	if r.None() {
		return "0"
	}
	unit := "min"
	if r.Per == time.Second {
		unit = "s"
	}
	return fmt.Sprintf("%d/%s burst %d", r.Count, unit, r.Burst)
}

// highest bounds a count, so that a step is at least a microsecond.
const highest = 1_000_000

// parseRate reads "60/min burst 20", "20/s", or "0". Without a burst it is the
// count.
func parseRate(s string) (r Rate, ok bool) {
	if s == "0" {
		return Rate{}, true
	}
	rate, burst, bursts := strings.Cut(s, " burst ")
	count, unit, _ := strings.Cut(rate, "/")
	switch unit {
	case "s":
		r.Per = time.Second
	case "min":
		r.Per = time.Minute
	default:
		return Rate{}, false
	}
	r.Count, ok = positive(count)
	r.Burst = r.Count
	if ok && bursts {
		r.Burst, ok = positive(burst)
	}
	return r, ok
}

func positive(s string) (int, bool) {
	n, err := strconv.Atoi(s)
	return n, err == nil && n > 0 && n <= highest
}

// Limits are what is allowed: the defaults of each are in the table of parts.
type Limits struct {
	UserConnections  int  // LIMIT_USER_CONNECTIONS, of one user at a time, default 20; over it the oldest is closed; 0: no limit, as for all
	AgentConnections int  // LIMIT_AGENT_CONNECTIONS, of one agent, default 100; over it the new one is refused
	Rooms            int  // LIMIT_ROOMS, of one connection, default 100
	Joins            Rate // LIMIT_JOINS, joins and leaves of one connection, default 120/min burst 200
	UserMessages     Rate // LIMIT_USER_MESSAGES, of one user, default 60/min burst 20
	AgentMessages    Rate // LIMIT_AGENT_MESSAGES, of one agent, default 20/s burst 40
	Fanout           Rate // LIMIT_FANOUT, posts of one conversation's messages, default 1000/s burst 10000
	Typing           Rate // LIMIT_TYPING, typing actions of one connection, default 60/min burst 30
	Pings            Rate // LIMIT_PINGS, of one connection, default 60/min burst 30
	Reads            Rate // LIMIT_READS, GET requests of one principal, default 600/min burst 600
	Writes           Rate // LIMIT_WRITES, other requests of one principal, default 120/min burst 120
	Creations        Rate // LIMIT_CREATIONS, conversations that one principal creates, default 30/min burst 30
	Additions        Rate // LIMIT_ADDITIONS, people that one principal adds, default 60/min burst 60
	Reactions        Rate // LIMIT_REACTIONS, that one principal sets and takes back, default 120/min burst 120
	Edits            Rate // LIMIT_EDITS, of messages, by one principal, default 30/min burst 30
	Marks            Rate // LIMIT_MARKS, of what one principal has read or not, that are moved, default 120/min burst 120
	Exports          Rate // LIMIT_EXPORTS, pages of exports of one principal, default 60/min burst 60
	Searches         Rate // LIMIT_SEARCHES, of one principal, default 60/min burst 60
	Uploads          Rate // LIMIT_UPLOADS, that one principal begins, default 30/min burst 30
	UploadMegabytes  int  // LIMIT_UPLOAD_MEGABYTES, that one principal uploads a day, default 1000
	Signals          Rate // LIMIT_SIGNALS, in calls, of one principal, default 300/min burst 300
	Summaries        Rate // LIMIT_SUMMARIES, of one conversation on demand, default 6/min burst 6
}
