package presence

import (
	"context"
	"crypto/rand"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"
	"golang.org/x/sync/errgroup"

	"aiwm-chat/shared/chat"
)

// To be in a room is decided in three steps, because the right to it is known
// to MongoDB and the connection may end at any moment: Enter, then look at
// MongoDB and at Closed, then Confirm; or Withdraw. Package local/model/live
// checks the rules.

// enterScript enters provisionally. A confirmed entry keeps its generation and
// its confirmation, and wants of streams what the last join does; a provisional one
// gets a new generation, so that only the last of several joins can confirm it. It
// returns what is there then.
//
// KEYS: the room. ARGV: the connection, the entry, its time to live in seconds.
const enterScript = `
local v = redis.call('HGET', KEYS[1], ARGV[1])
if not v or string.sub(v, 1, 2) ~= 'c ' then
	v = ARGV[2]
	redis.call('HSET', KEYS[1], ARGV[1], v)
else
	local was, is = string.sub(v, -2) == ' f', string.sub(ARGV[2], -2) == ' f'
	if was ~= is then
		v = is and v .. ' f' or string.sub(v, 1, -3)
		redis.call('HSET', KEYS[1], ARGV[1], v)
	end
end
redis.call('EXPIRE', KEYS[1], ARGV[3])
return v`

// roomScript notes a room in the set of a connection, unless that is full.
//
// KEYS: the set. ARGV: the room, how many it may have (0: any), its time to live
// in seconds.
const roomScript = `
local limit = tonumber(ARGV[2])
if redis.call('SISMEMBER', KEYS[1], ARGV[1]) == 0 then
	if limit > 0 and redis.call('SCARD', KEYS[1]) >= limit then return 0 end
	redis.call('SADD', KEYS[1], ARGV[1])
end
redis.call('EXPIRE', KEYS[1], ARGV[3])
return 1`

// Enter puts a connection provisionally into a room, where it gets messages and
// nothing else, and registers it unless it was closed. With final it is to get of
// streams nothing but the messages that they end with. It is chat.RateLimited or
// chat.TooManyRooms over a limit, and then no confirmed entry has changed (a join
// that is under way beside it may have to be repeated). One round trip, one
// more to take it back, and at the limit of rooms four to look whether it is.
func (s *Store) Enter(ctx context.Context, c chat.Connection, id chat.ConversationID, final bool) (chat.Entry, error) {
	now := s.now()
	var rate, entered, room *redis.Cmd
	mine := rand.Text()
	err := s.pipelined(ctx, func(p redis.Pipeliner) {
		rate = s.queueRate(ctx, p, connectionRateKey(c, "join"), s.limits.Joins)
		entered = p.Eval(ctx, enterScript, []string{roomKey(id)}, string(c.ID), entryText(c, mine, now, final), int(lifetime.Seconds()))
		room = p.Eval(ctx, roomScript, []string{roomsKey(c.ID)}, string(id), s.limits.Rooms, int(lifetime.Seconds()))
		s.queueAgain(ctx, p, c, now)
	})
	if err != nil {
		return chat.Entry{}, failed("enter a room", err)
	}
	text, _ := entered.Text()
	generation, _, _ := strings.Cut(text[min(len(text), len(confirmed)):], " ")
	e := chat.Entry{Connection: c, ConversationID: id, Generation: generation, Own: generation == mine}
	err = refusal(rate)
	if limit := s.limits.Rooms; err == nil && room.Val() == int64(0) && !strings.HasPrefix(text, confirmed) && !s.fits(ctx, c.ID, id) {
		err = chat.Errorf(chat.TooManyRooms, "the connection is in %d conversations, which is the most", limit)
	}
	if err != nil {
		s.Withdraw(ctx, e)
		return chat.Entry{}, err
	}
	return e, nil
}

// fits notes a room in the set of a connection that is full, if it is so only of what
// a removal or a join that died half-way has left there: rooms of whose hash the
// connection is out, also a moment later, for a join beside this one may have reached
// one slot of a cluster before the other. Four round trips.
func (s *Store) fits(ctx context.Context, c chat.ConnectionID, id chat.ConversationID) bool {
	noted, err := s.Entered(ctx, c)
	if err != nil {
		return false
	}
	left := s.out(ctx, c, noted)
	if len(left) > 0 {
		time.Sleep(beside)
		left = s.out(ctx, c, left)
	}
	if len(left) == 0 {
		return false
	}
	gone := make([]any, len(left))
	for i, in := range left {
		gone[i] = string(in)
	}
	var room *redis.Cmd
	err = s.pipelined(ctx, func(p redis.Pipeliner) {
		p.SRem(ctx, roomsKey(c), gone...)
		room = p.Eval(ctx, roomScript, []string{roomsKey(c)}, string(id), s.limits.Rooms, int(lifetime.Seconds()))
	})
	return err == nil && room.Val() == int64(1)
}

// beside is how far the steps of one call may lie apart on the nodes of a cluster.
const beside = 100 * time.Millisecond

// out returns the rooms of whose hash a connection is out: none where that is not known.
// One round trip.
func (s *Store) out(ctx context.Context, c chat.ConnectionID, rooms []chat.ConversationID) (out []chat.ConversationID) {
	states := make([]*redis.StringCmd, len(rooms))
	if err := s.pipelined(ctx, func(p redis.Pipeliner) {
		for i, in := range rooms {
			states[i] = p.HGet(ctx, roomKey(in), string(c))
		}
	}); err != nil {
		return nil
	}
	for i, in := range rooms {
		if e, ok := parseEntry(string(c), states[i].Val()); !ok || e.over(s.now()) {
			out = append(out, in)
		}
	}
	return out
}

// Standing reports how the connection is registered, or that it has been closed
// meanwhile. It is asked when Enter is done: a disconnect leaves its tombstone
// before it looks for the rooms. One round trip.
func (s *Store) Standing(ctx context.Context, c chat.Connection) (chat.Standing, error) {
	var record *redis.StringCmd
	err := s.pipelined(ctx, func(p redis.Pipeliner) { record = p.HGet(ctx, principalKey(c.Principal), string(c.ID)) })
	if err != nil {
		return "", failed("look for a tombstone", err)
	}
	switch r, known := parseRegistration(c.Principal, string(c.ID), record.Val()); {
	case !known:
		return chat.StandingUnknown, nil
	case r.closed:
		return chat.StandingClosed, nil
	}
	return chat.StandingOpen, nil
}

// withdrawScript takes an entry out only if it is provisional and of one's
// own generation.
//
// KEYS: the room. ARGV: the connection, "<generation> ".
const withdrawScript = `
local v = redis.call('HGET', KEYS[1], ARGV[1])
if v and string.find(v, 'p ' .. ARGV[2], 1, true) == 1 then return redis.call('HDEL', KEYS[1], ARGV[1]) end
return 0`

// Withdraw takes an entry out again if it is still the one that Enter made: a
// confirmed one, or that of a later join, stays. If it fails, the entry counts
// as nothing half a minute after it was made. Two round trips.
func (s *Store) Withdraw(ctx context.Context, e chat.Entry) {
	var out *redis.Cmd
	err := s.pipelined(ctx, func(p redis.Pipeliner) {
		out = p.Eval(ctx, withdrawScript, []string{roomKey(e.ConversationID)}, string(e.Connection.ID), e.Generation+" ")
	})
	if err == nil && out.Val() == int64(1) {
		_ = s.pipelined(ctx, func(p redis.Pipeliner) { p.SRem(ctx, roomsKey(e.Connection.ID), string(e.ConversationID)) })
	}
}

// putOutScript takes an entry out only if it is of a generation.
//
// KEYS: the room. ARGV: the connection, "<generation> ".
const putOutScript = `
local v = redis.call('HGET', KEYS[1], ARGV[1])
if v and (string.find(v, 'p ' .. ARGV[2], 1, true) == 1 or string.find(v, 'c ' .. ARGV[2], 1, true) == 1) then
	return redis.call('HDEL', KEYS[1], ARGV[1])
end
return 0`

// PutOut takes entries out, confirmed or not, of whom it turned out that they have
// no right to them. Those of a later join, which may have it by now, stay. Two
// round trips.
func (s *Store) PutOut(ctx context.Context, entries []chat.Entry) error {
	outs := make([]*redis.Cmd, len(entries))
	err := s.pipelined(ctx, func(p redis.Pipeliner) {
		for i, e := range entries {
			outs[i] = p.Eval(ctx, putOutScript, []string{roomKey(e.ConversationID)}, string(e.Connection.ID), e.Generation+" ")
		}
	})
	if err == nil {
		err = s.pipelined(ctx, func(p redis.Pipeliner) {
			for i, e := range entries {
				if outs[i].Val() == int64(1) {
					p.SRem(ctx, roomsKey(e.Connection.ID), string(e.ConversationID))
				}
			}
		})
	}
	return failed("put connections out of rooms", err)
}

// confirmScript confirms an entry that is still there, of the generation that
// the join saw. The result is 0 if it is not, 2 if it was confirmed before.
//
// KEYS: the room. ARGV: the connection, "<generation> ".
const confirmScript = `
local v = redis.call('HGET', KEYS[1], ARGV[1])
if not v then return 0 end
if string.find(v, 'c ' .. ARGV[2], 1, true) == 1 then return 2 end
if string.find(v, 'p ' .. ARGV[2], 1, true) ~= 1 then return 0 end
redis.call('HSET', KEYS[1], ARGV[1], 'c' .. string.sub(v, 2))
return 1`

// Confirm makes the entry one that counts, if it is there and of the generation
// that this join saw; otherwise in is false: evicted, disconnected, lost, or
// another join's meanwhile. One round trip, and one more to delete joins
// that died.
func (s *Store) Confirm(ctx context.Context, e chat.Entry, agent chat.Principal) (with chat.Company, in bool, err error) {
	now, c := s.now(), e.Connection
	var done *redis.Cmd
	var room, typing, streams *redis.StringSliceCmd
	var online bool
	var g errgroup.Group // another slot: that it does not answer is no reason to refuse
	g.Go(func() error { online = s.AgentOnline(ctx, agent); return nil })
	err = s.pipelined(ctx, func(p redis.Pipeliner) {
		done = p.Eval(ctx, confirmScript, []string{roomKey(e.ConversationID)}, string(c.ID), e.Generation+" ")
		room = hash(ctx, p, roomKey(e.ConversationID))
		typing = queueTyping(ctx, p, e.ConversationID, now)
		streams = p.ZRange(ctx, streamsKey(e.ConversationID), 0, -1)
		p.SAdd(ctx, roomsKey(c.ID), string(e.ConversationID)) // a leave beside this may have taken it out
		p.Expire(ctx, roomsKey(c.ID), lifetime)
	})
	g.Wait() //nolint:errcheck // there is none
	if err != nil {
		return chat.Company{}, false, failed("confirm an entry", err)
	}
	s.sweepRoom(ctx, e.ConversationID, room.Val(), now)
	result, _ := done.Val().(int64)
	if result == 0 {
		return chat.Company{}, false, nil
	}
	// Of one's own it was this call that confirmed it, also where that was done twice.
	company := chat.Company{New: result == 1 || e.Own, Typing: whoTypes(typing.Val(), c.Principal), AgentOnline: online, Streams: streams.Val()}
	seen := map[chat.Principal]bool{}
	company.Room = s.confirmedIn(room.Val())
	for _, other := range company.Room {
		if other.Principal == c.Principal && other.ID != c.ID {
			company.New = false
		}
		if !seen[other.Principal] {
			seen[other.Principal] = true
			company.Members = append(company.Members, other.Principal)
		}
	}
	return company, true, nil
}
