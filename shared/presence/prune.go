package presence

import (
	"context"
	"crypto/rand"
	"slices"
	"time"

	"github.com/redis/go-redis/v9"

	"aiwm-chat/shared/chat"
)

// Prune makes up for a $disconnect that never came. A connection that had been
// registered for less than ten seconds when it was found gone stays: until
// $connect has returned, API Gateway answers a post to it with 410 as well. Also
// names a room that they were found in, which their own sets may lack. No
// tombstone is left: it would deafen a connection that opens after all. Three
// round trips, however many there are.
func (s *Store) Prune(ctx context.Context, gone []chat.Gone, also chat.ConversationID) (chat.Departure, error) {
	return s.prune(ctx, gone, also, opening)
}

// Bury is Prune for a connection that is known not to open any more. Where it is
// not registered yet it leaves a tombstone: a $connect that is so late is refused,
// and does not leave a registration that nobody would ever find gone. One round
// trip more.
func (s *Store) Bury(ctx context.Context, c chat.Connection) (chat.Departure, error) {
	var buried *redis.BoolCmd
	key := principalKey(c.Principal)
	err := s.pipelined(ctx, func(p redis.Pipeliner) {
		buried = p.HSetNX(ctx, key, string(c.ID), tombstoneText(s.now()))
		p.Expire(ctx, key, lifetime)
	})
	if err != nil || buried.Val() {
		return chat.Departure{}, failed("bury a connection", err)
	}
	return s.prune(ctx, []chat.Gone{{Connection: c, At: s.now()}}, "", 0)
}

func (s *Store) prune(ctx context.Context, gone []chat.Gone, also chat.ConversationID, age time.Duration) (chat.Departure, error) {
	if len(gone) == 0 {
		return chat.Departure{}, nil
	}
	records := make([]*redis.StringCmd, len(gone))
	sets := make([]*redis.StringSliceCmd, len(gone))
	err := s.pipelined(ctx, func(p redis.Pipeliner) {
		for i, g := range gone {
			records[i] = p.HGet(ctx, principalKey(g.Connection.Principal), string(g.Connection.ID))
			sets[i] = p.SMembers(ctx, roomsKey(g.Connection.ID))
		}
	})
	if err != nil {
		return chat.Departure{}, failed("look at connections that are gone", err)
	}
	var all []*lost
	var stays []chat.Stay
	for i, g := range gone {
		c, text := g.Connection, records[i].Val()
		r, known := parseRegistration(c.Principal, string(c.ID), text)
		if known && g.At.Sub(r.since) < age { // it opens, or its $disconnect is at work
			continue
		}
		stay := chat.Stay{Connection: c}
		for _, id := range sets[i].Val() {
			stay.Conversations = append(stay.Conversations, chat.ConversationID(id))
		}
		if also != "" && !slices.Contains(stay.Conversations, also) {
			stay.Conversations = append(stay.Conversations, also)
		}
		stays = append(stays, stay)
		if r.closed && !r.undone {
			text = "" // its tombstone stays
		}
		all = append(all, &lost{principal: c.Principal, id: string(c.ID), text: text})
	}
	if err := s.unregister(ctx, all); err != nil {
		return chat.Departure{}, err
	}
	var d chat.Departure
	d.Partings, err = s.TakeOut(ctx, stays)
	d.Offline = s.offline(all, d.Partings)
	return d, err
}

// A lost connection is one whose registration is taken out, if it has one.
type lost struct {
	principal chat.Principal
	id, text  string
	out       *redis.Cmd
	decided   *redis.Cmd
	rest      *redis.StringSliceCmd
}

// unregisterScript takes out a registration that is still the one that was read,
// and not the tombstone that a $disconnect has put in its place. Of a tombstone whose
// $disconnect died it notes that what follows is done. Done twice, because the first
// answer was lost, it returns the same.
//
// KEYS: the principal, whether this call did it. ARGV: the connection, the
// registration, how long the second is kept, in seconds.
const unregisterScript = `
if redis.call('HGET', KEYS[1], ARGV[1]) ~= ARGV[2] then return redis.call('EXISTS', KEYS[2]) end
redis.call('SET', KEYS[2], '1', 'EX', ARGV[3])
if string.sub(ARGV[2], 1, 2) ~= 'y ' then return redis.call('HDEL', KEYS[1], ARGV[1]) end
redis.call('HSET', KEYS[1], ARGV[1], 'x' .. string.sub(ARGV[2], 2))
return 1`

// unregister removes registrations, and reads what is left beside them.
func (s *Store) unregister(ctx context.Context, all []*lost) error {
	now, call := s.now(), rand.Text()
	err := s.pipelined(ctx, func(p redis.Pipeliner) {
		for _, l := range all {
			if l.text != "" {
				keys := []string{principalKey(l.principal), principalDoneKey(l.principal, call+":"+l.id)}
				l.out = p.Eval(ctx, unregisterScript, keys, l.id, l.text, int(twice.Seconds()))
			}
			l.decided = queueStamp(ctx, p, l.principal, now)
			l.rest = hash(ctx, p, principalKey(l.principal))
		}
	})
	return failed("remove connections that are gone", err)
}

// offline returns who has no connection left, of those with whom this call ended
// something: who has been pruned, or has left, is told of by whoever did that. Of
// a $disconnect that died only rooms are left to end.
func (s *Store) offline(all []*lost, partings []chat.Parting) (offline []chat.Absence) {
	ended := map[chat.Principal]bool{}
	for _, p := range partings {
		ended[p.Principal] = true
	}
	told := map[chat.Principal]bool{}
	for _, l := range all {
		removed := l.out != nil && l.out.Val() == int64(1)
		open, _ := registrations(l.principal, l.rest.Val(), s.now())
		if len(open) == 0 && (removed || ended[l.principal]) && !told[l.principal] {
			told[l.principal] = true
			offline = append(offline, chat.Absence{Principal: l.principal, At: stampOf(l.decided)})
		}
	}
	return offline
}
