package presence

import (
	"cmp"
	"context"
	"math/rand/v2"
	"slices"
	"strconv"
	"time"

	"github.com/redis/go-redis/v9"
	"golang.org/x/sync/errgroup"

	"aiwm-chat/shared/chat"
)

// fitScript registers a connection where neither it nor its tombstone is there,
// unless its principal has as many as it may: of several at once as many get in
// as fit. The result is 0 if it does not.
//
// KEYS: the principal. ARGV: the connection, the registration, how many may be,
// since when one counts in milliseconds, the time to live in seconds.
const fitScript = `
if redis.call('HEXISTS', KEYS[1], ARGV[1]) == 0 then
	local open = 0
	for _, v in ipairs(redis.call('HVALS', KEYS[1])) do
		local since = tonumber(string.match(v, '^(%d+) ') or string.match(v, '^l (%d+) '))
		if since and since > tonumber(ARGV[4]) then open = open + 1 end
	end
	if open >= tonumber(ARGV[3]) then return 0 end
	redis.call('HSET', KEYS[1], ARGV[1], ARGV[2])
end
redis.call('EXPIRE', KEYS[1], ARGV[5])
return 1`

// roomyScript registers a connection where neither it nor its tombstone is there,
// and makes room for it: the oldest over the limit get a tombstone that says for
// whom. So of several at once each has its own to close, and to be done twice
// changes nothing.
//
// KEYS: the principal. ARGV: the connection, the registration, how many may be (1
// or more), since when one counts in milliseconds, the tombstone, the time to live
// in seconds.
const roomyScript = `
redis.call('HSETNX', KEYS[1], ARGV[1], ARGV[2])
redis.call('EXPIRE', KEYS[1], ARGV[6])
local all, others, open = redis.call('HGETALL', KEYS[1]), {}, false
for i = 1, #all, 2 do
	local since = tonumber(string.match(all[i + 1], '^(%d+) ') or string.match(all[i + 1], '^l (%d+) '))
	if all[i] == ARGV[1] then
		open = since ~= nil
	elseif since and since > tonumber(ARGV[4]) then
		table.insert(others, {since, all[i]})
	end
end
if not open then return 0 end
table.sort(others, function(a, b) return a[1] < b[1] or a[1] == b[1] and a[2] < b[2] end)
for i = 1, #others + 1 - tonumber(ARGV[3]) do redis.call('HSET', KEYS[1], others[i][2], ARGV[5]) end
return 1`

// Connect registers a connection. Of any number of concurrent calls at least
// one is told that it is the principal's first. An agent over its limit is
// refused with chat.TooManyConnections, and the connection is not registered; with
// the error come some others, by chance: who is gone among them, and old enough for
// Prune, must not count against who comes. Of a user the oldest over the limit are
// registered no more, and each is the excess of one call: it is to be closed, also
// where there is an error. One round trip, and one more to prune.
func (s *Store) Connect(ctx context.Context, c chat.Connection) (chat.Arrival, error) {
	now := s.now()
	key, since, ttl := principalKey(c.Principal), now.Add(-lifetime).UnixMilli(), int(lifetime.Seconds())
	limit := s.connectionLimit(c.Principal)
	var fits, decided *redis.Cmd
	var fields *redis.StringSliceCmd
	var g errgroup.Group
	g.Go(func() error { s.noteOnline(ctx, c.Principal, now); return nil })
	err := s.pipelined(ctx, func(p redis.Pipeliner) {
		switch text := registrationText(c, now); {
		case limit <= 0:
			s.queueRegister(ctx, p, c, text)
		case c.Principal.Type == chat.Agent:
			fits = p.Eval(ctx, fitScript, []string{key}, string(c.ID), text, limit, since, ttl)
		default:
			p.Eval(ctx, roomyScript, []string{key}, string(c.ID), text, limit, since, tombstoneText(now)+" "+string(c.ID), ttl)
		}
		fields = hash(ctx, p, key) // after it: of two at once, at least one sees the other
		decided = queueStamp(ctx, p, c.Principal, now)
	})
	g.Wait() //nolint:errcheck // there is none
	if err != nil {
		return chat.Arrival{}, failed("register a connection", err)
	}
	open, over := registrations(c.Principal, fields.Val(), now)
	s.forget(ctx, c.Principal, append(over, s.surplus(c.Principal, fields.Val())...))
	if fits != nil && fits.Val() == int64(0) {
		return chat.Arrival{Others: someOf(open, now)}, chat.Errorf(chat.TooManyConnections, "the agent has %d connections, which is the most", limit)
	}
	slices.SortFunc(open, older)
	at := slices.IndexFunc(open, func(r registration) bool { return r.ID == c.ID })
	arrival := chat.Arrival{First: at == 0, At: stampOf(decided), Excess: excess(c, fields.Val())}
	if at < 0 { // perhaps it made room, and then had to itself
		return arrival, chat.Errorf(chat.Unavailable, "the connection was closed before it was open")
	}
	return arrival, nil
}

// doubted is how many others come with a refusal.
const doubted = 16

func someOf(open []registration, now time.Time) (some []chat.Connection) {
	for _, i := range rand.Perm(len(open)) {
		if now.Sub(open[i].since) >= opening && len(some) < doubted {
			some = append(some, open[i].Connection)
		}
	}
	return some
}

// excess returns the connections that had to make room for c.
func excess(c chat.Connection, fields []string) (old []chat.Connection) {
	for i := 0; i+1 < len(fields); i += 2 {
		if r, ok := parseRegistration(c.Principal, fields[i], fields[i+1]); ok && r.closed && r.room == c.ID {
			old = append(old, r.Connection)
		}
	}
	return old
}

func older(a, b registration) int { return cmp.Or(a.since.Compare(b.since), cmp.Compare(a.ID, b.ID)) }

// queueRegister registers a connection where neither it nor its tombstone is
// there: who has been closed does not come back.
func (s *Store) queueRegister(ctx context.Context, p redis.Pipeliner, c chat.Connection, text string) {
	key := principalKey(c.Principal)
	p.HSetNX(ctx, key, string(c.ID), text)
	p.Expire(ctx, key, lifetime)
}

// queueAgain registers a connection that Redis may have lost, and marks it until
// somebody has told it so: see Told.
func (s *Store) queueAgain(ctx context.Context, p redis.Pipeliner, c chat.Connection, now time.Time) {
	s.queueRegister(ctx, p, c, lostMark+registrationText(c, now))
}

// toldScript takes the mark from a registration, if it is still the same.
//
// KEYS: the principal. ARGV: the connection, the registration.
const toldScript = `
local v = redis.call('HGET', KEYS[1], ARGV[1])
if v and v == ARGV[2] then redis.call('HSET', KEYS[1], ARGV[1], string.sub(v, 3)) end
return 0`

// Told notes that a connection knows of a loss that Ping returned, and has what
// it missed; of one that came after that it has to hear yet. If it fails, the
// next ping tells again. One round trip.
func (s *Store) Told(ctx context.Context, c chat.Connection, of chat.Loss) error {
	err := s.pipelined(ctx, func(p redis.Pipeliner) {
		p.Eval(ctx, toldScript, []string{principalKey(c.Principal)}, string(c.ID), string(of))
	})
	return failed("note who was told of a loss", err)
}

// untoldScript marks a registration as Told takes the mark from it.
//
// KEYS: the principal. ARGV: the connection.
const untoldScript = `
local v = redis.call('HGET', KEYS[1], ARGV[1])
if v and string.match(v, '^%d') then redis.call('HSET', KEYS[1], ARGV[1], 'l ' .. v) end
return 0`

// Untold notes that what follows from the coming of a connection was not done, or
// not all of it: its next ping finds that as it finds a loss, and makes up for it.
// One round trip.
func (s *Store) Untold(ctx context.Context, c chat.Connection) error {
	err := s.pipelined(ctx, func(p redis.Pipeliner) {
		p.Eval(ctx, untoldScript, []string{principalKey(c.Principal)}, string(c.ID))
	})
	return failed("note who was not told", err)
}

// forget removes registrations. What this misses the next Connect finds.
func (s *Store) forget(ctx context.Context, who chat.Principal, rs []registration) {
	if len(rs) == 0 {
		return
	}
	ids := make([]string, len(rs))
	for i, r := range rs {
		ids[i] = string(r.ID)
	}
	_ = s.pipelined(ctx, func(p redis.Pipeliner) { p.HDel(ctx, principalKey(who), ids...) })
}

// Disconnect removes the registration of a connection that was closed, and
// leaves a tombstone so that a function that still runs for it does not bring it
// back. Until Departed is called, which is for the last, somebody else may make up
// for what follows: see connectionsOf. Last says that its principal has no
// connection left, whoever removed it: a repeat says so again. At is when that was
// decided. One round trip, two for the last.
func (s *Store) Disconnect(ctx context.Context, c chat.Connection) (last bool, at time.Time, err error) {
	now, key := s.now(), principalKey(c.Principal)
	var decided *redis.Cmd
	var fields *redis.StringSliceCmd
	err = s.pipelined(ctx, func(p redis.Pipeliner) {
		p.HSet(ctx, key, string(c.ID), undone+strconv.FormatInt(now.UnixMilli(), 10))
		p.Expire(ctx, key, lifetime)
		decided = queueStamp(ctx, p, c.Principal, now)
		fields = hash(ctx, p, key)
	})
	if err != nil {
		return false, time.Time{}, failed("remove a connection", err)
	}
	open, _ := registrations(c.Principal, fields.Val(), now)
	if len(open) == 0 {
		_ = s.quickly(ctx, func(p redis.Pipeliner) { p.ZRem(ctx, onlineKey(c.Principal.Type), qualifiedID(c.Principal)) })
	}
	return len(open) == 0, stampOf(decided), nil
}

// departedScript notes of all tombstones of a principal that what follows is done,
// unless something else was decided meanwhile: that is for whoever did, also where
// it died.
//
// KEYS: the principal, the last decision. ARGV: the decision that this is of.
const departedScript = `
if redis.call('GET', KEYS[2]) ~= ARGV[1] then return 0 end
local all = redis.call('HGETALL', KEYS[1])
for i = 1, #all, 2 do
	if string.sub(all[i + 1], 1, 2) == 'y ' then redis.call('HSET', KEYS[1], all[i], 'x' .. string.sub(all[i + 1], 2)) end
end
return 0`

// Departed notes that what follows from the end of a principal's last connection is
// done, as that was decided at a time. One round trip.
func (s *Store) Departed(ctx context.Context, who chat.Principal, at time.Time) error {
	err := s.pipelined(ctx, func(p redis.Pipeliner) {
		p.Eval(ctx, departedScript, []string{principalKey(who), decidedKey(who)}, at.UnixMilli())
	})
	return failed("note that somebody has departed", err)
}

// connectionsOf returns the connections of a principal's hash that are open. Where
// none is, it returns those whose $disconnect has not done what follows, and had the
// time for it: whoever posts to them finds them gone, and does it.
func connectionsOf(p chat.Principal, fields []string, now time.Time) []chat.Connection {
	open, _ := registrations(p, fields, now)
	if len(open) == 0 {
		open = unfinished(p, fields, now)
	}
	all := make([]chat.Connection, len(open))
	for i, r := range open {
		all[i] = r.Connection
	}
	return all
}

// unfinished returns those of a principal whose $disconnect has not done what follows, if
// none of them may be at work.
func unfinished(p chat.Principal, fields []string, now time.Time) (rs []registration) {
	for i := 0; i+1 < len(fields); i += 2 {
		r, ok := parseRegistration(p, fields[i], fields[i+1])
		switch {
		case !ok || !r.undone:
		case now.Sub(r.since) < opening:
			return nil
		default:
			rs = append(rs, r)
		}
	}
	return rs
}
