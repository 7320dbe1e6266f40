package presence

import (
	"context"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"

	"aiwm-chat/shared/chat"
)

// A registration is the value under a connection in the hash of its principal:
//
//	"<since> <token expiry> <dialect>"    a connection that is open, or about to be
//	"l <since> <token expiry> <dialect>"  the same, lost before and not told so yet, or come and not announced
//	"x <since>"                           the tombstone of one that was closed
//	"y <since>"                           the same, and what follows from that is not done yet
//	"x <since> <connection>"              of one that has to make room for another, and is to be closed
//
// since is in milliseconds, the expiry in seconds.
type registration struct {
	chat.Connection
	since  time.Time
	closed bool
	undone bool              // of a tombstone: its $disconnect may have died
	room   chat.ConnectionID // of a tombstone: for whom room was made, if it was
}

const (
	tombstone = "x "
	undone    = "y "
	lostMark  = "l "
)

func registrationText(c chat.Connection, now time.Time) string {
	return strconv.FormatInt(now.UnixMilli(), 10) + " " + strconv.FormatInt(c.ExpiresAt.Unix(), 10) + " " + dialectText(c.Dialect)
}

func tombstoneText(now time.Time) string { return tombstone + strconv.FormatInt(now.UnixMilli(), 10) }

func parseRegistration(p chat.Principal, id, text string) (r registration, ok bool) {
	rest, closed := strings.CutPrefix(text, tombstone)
	open, isUndone := strings.CutPrefix(text, undone)
	if isUndone {
		rest, closed = open, true
	}
	if !closed {
		rest = strings.TrimPrefix(rest, lostMark)
	}
	since, rest, _ := strings.Cut(rest, " ")
	ms, err := strconv.ParseInt(since, 10, 64)
	r = registration{
		Connection: chat.Connection{ID: chat.ConnectionID(id), Principal: p}, since: time.UnixMilli(ms), closed: closed, undone: isUndone,
	}
	if err != nil || closed {
		r.room = chat.ConnectionID(rest)
		return r, err == nil && (!isUndone || rest == "")
	}
	r.ExpiresAt, r.Dialect, ok = parseRest(rest)
	return r, ok
}

// parseRest reads "<token expiry> <dialect>".
func parseRest(text string) (expires time.Time, d chat.Dialect, ok bool) {
	seconds, dialect, ok := strings.Cut(text, " ")
	n, err := strconv.ParseInt(seconds, 10, 64)
	if dialect != noDialect {
		d = chat.Dialect(dialect)
	}
	return time.Unix(n, 0).UTC(), d, ok && err == nil
}

const noDialect = "-" // so that no field of a record is empty

func dialectText(d chat.Dialect) string {
	if d == chat.AIWM {
		return noDialect
	}
	return string(d)
}

// over reports whether a registration counts no more: one that no $disconnect
// has removed in a connection's longest life, or a tombstone that has done its
// work.
func (r registration) over(now time.Time) bool {
	if r.closed {
		return now.Sub(r.since) >= mourning
	}
	return now.Sub(r.since) >= lifetime
}

// How many tombstones of one principal are kept: of who comes and goes without
// end the oldest go early. All that may be open may end together, when a server is
// deployed, and soon after that again.
const (
	minTombstones = 64
	maxTombstones = 1024 // of a principal that may have any number open
)

// connectionLimit is how many connections a principal may have; 0 is any number.
func (s *Store) connectionLimit(p chat.Principal) int {
	if p.Type == chat.Agent {
		return s.limits.AgentConnections
	}
	return s.limits.UserConnections
}

// surplus returns the oldest tombstones of a principal that are too many.
func (s *Store) surplus(p chat.Principal, fields []string) (over []registration) {
	limit := s.connectionLimit(p)
	most := max(2*limit, minTombstones)
	if limit <= 0 {
		most = maxTombstones
	}
	now := s.now()
	for i := 0; i+1 < len(fields); i += 2 {
		if r, ok := parseRegistration(p, fields[i], fields[i+1]); ok && r.closed && !r.over(now) {
			over = append(over, r)
		}
	}
	slices.SortFunc(over, older)
	return over[:max(len(over)-most, 0)]
}

// registrations sorts the entries of a principal's hash into those that are
// open and those that are over. Tombstones at work are neither.
func registrations(p chat.Principal, fields []string, now time.Time) (open, over []registration) {
	for i := 0; i+1 < len(fields); i += 2 {
		switch r, ok := parseRegistration(p, fields[i], fields[i+1]); {
		case !ok, r.over(now):
			r.ID = chat.ConnectionID(fields[i])
			over = append(over, r)
		case r.closed:
		default:
			open = append(open, r)
		}
	}
	return open, over
}

// An entry is the value under a connection in the hash of a room:
//
//	"<state> <generation> <since> <token expiry> <dialect> <org>/<type>:<id>[ f]"
//
// The state is p, provisional, or c, confirmed. The scripts read the state and
// the generation, which are its beginning, and whether it ends with f: of streams
// only their ends are wanted.
type entry struct {
	chat.Connection
	generation string
	since      time.Time
	confirmed  bool
	final      bool
}

const (
	provisional = "p "
	confirmed   = "c "
	onlyEnds    = " f"
)

func entryText(c chat.Connection, generation string, now time.Time, final bool) string {
	text := provisional + generation + " " + registrationText(c, now) + " " + owner(c.Principal)
	if final {
		text += onlyEnds
	}
	return text
}

func parseEntry(id, text string) (e entry, ok bool) {
	text, final := strings.CutSuffix(text, onlyEnds)
	if len(text) < len(confirmed) {
		return entry{}, false
	}
	generation, rest, _ := strings.Cut(text[len(confirmed):], " ")
	since, rest, _ := strings.Cut(rest, " ")
	last := strings.LastIndexByte(rest, ' ')
	if last < 0 {
		return entry{}, false
	}
	org, whose, _ := strings.Cut(rest[last+1:], "/")
	kind, name, named := strings.Cut(whose, ":")
	ms, err := strconv.ParseInt(since, 10, 64)
	expires, dialect, dated := parseRest(rest[:last])
	return entry{
		Connection: chat.Connection{
			ID:        chat.ConnectionID(id),
			Principal: chat.Principal{Type: chat.PrincipalType(kind), ID: chat.PrincipalID(name), OrgID: chat.OrgID(org)},
			ExpiresAt: expires, Dialect: dialect,
		},
		generation: generation, since: time.UnixMilli(ms), confirmed: strings.HasPrefix(text, confirmed),
		final: final,
	}, named && dated && err == nil
}

// over reports whether an entry counts as nothing: see registration.over, and
// one that nobody has confirmed.
func (e entry) over(now time.Time) bool {
	if !e.confirmed && now.Sub(e.since) >= trial {
		return true
	}
	return now.Sub(e.since) >= lifetime
}

// entries returns those of a room's hash that count.
func entries(fields []string, now time.Time) []entry {
	all := make([]entry, 0, len(fields)/2)
	for i := 0; i+1 < len(fields); i += 2 {
		if e, ok := parseEntry(fields[i], fields[i+1]); ok && !e.over(now) {
			all = append(all, e)
		}
	}
	return all
}

// hash reads a hash as a list of fields and values: RESP2's own form, and half
// the cost of a map for a large room.
func hash(ctx context.Context, p redis.Pipeliner, key string) *redis.StringSliceCmd {
	cmd := redis.NewStringSliceCmd(ctx, "hgetall", key)
	p.Process(ctx, cmd) //nolint:errcheck // a pipeline reports when it is sent
	return cmd
}
