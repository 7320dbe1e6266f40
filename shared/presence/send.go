package presence

import (
	"context"
	"math"
	"time"

	"github.com/redis/go-redis/v9"

	"aiwm-chat/shared/chat"
)

// admitScript is a rate, and whether a connection is registered.
//
// KEYS: the rate, the principal. ARGV: now, step, burst, the connection.
const admitScript = gcra + `
return {rate(KEYS[1], tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3]), 1), redis.call('HGET', KEYS[2], ARGV[4])}`

// Admit counts a message of c, which has no id over REST, against its
// principal's limit, and refuses it with chat.RateLimited over that, or while
// the conversation's fan-out is overdrawn. It registers nobody. Without Redis
// the limit is this process's own. One round trip.
func (s *Store) Admit(ctx context.Context, c chat.Connection, id chat.ConversationID) (chat.Admission, error) {
	rate := s.limits.UserMessages
	if c.Principal.Type == chat.Agent {
		rate = s.limits.AgentMessages
	}
	var admit *redis.Cmd
	var record *redis.StringCmd
	var budget *redis.StringCmd
	err := s.quickly(ctx, func(p redis.Pipeliner) {
		switch key := principalKey(c.Principal); {
		case rate.None() && c.ID != "":
			record = p.HGet(ctx, key, string(c.ID))
		case !rate.None():
			admit = p.Eval(ctx, admitScript, []string{rateKey(c.Principal, "send"), key}, append(s.rateArgs(rate), string(c.ID))...)
		}
		if !s.limits.Fanout.None() {
			budget = p.Get(ctx, budgetKey(id))
		}
		if p.Len() == 0 { // nothing is limited, and it came by REST: whether Redis is there is said all the same
			p.Exists(ctx, budgetKey(id))
		}
	})
	if err != nil {
		return chat.Admission{Known: true, Away: true}, s.buckets.use(rateKey(c.Principal, "send"), rate, s.now())
	}
	known := c.ID == "" || record != nil && record.Err() == nil
	if admit != nil {
		answer, _ := admit.Slice()
		if len(answer) > 0 {
			if err := refusalAfter(answer[0]); err != nil {
				return chat.Admission{}, err
			}
		}
		known = c.ID == "" || len(answer) > 1 && answer[1] != nil // a nil ends a Lua array
	}
	if budget != nil {
		if err := s.overdrawn(budget); err != nil {
			return chat.Admission{}, err
		}
	}
	return chat.Admission{Known: known}, nil
}

// overdrawn refuses while a conversation's fan-out is ahead of its budget.
func (s *Store) overdrawn(budget *redis.StringCmd) error {
	tat, err := budget.Int64()
	if err != nil {
		return nil // no budget is used
	}
	f := s.limits.Fanout
	if ahead := time.UnixMicro(tat).Sub(s.now()) - f.Step()*time.Duration(f.Burst); ahead > 0 {
		return chat.LimitedFor(ahead)
	}
	return nil
}

// AgentOnline reports what Online says of one agent, and false where Redis does
// not answer. One round trip.
func (s *Store) AgentOnline(ctx context.Context, agent chat.Principal) bool {
	var fields *redis.StringSliceCmd
	err := s.quickly(ctx, func(p redis.Pipeliner) { fields = hash(ctx, p, principalKey(agent)) })
	return err == nil && anyOnline(agent, fields.Val(), s.now())
}

// audienceScript returns a room's connections, and whether those outside the room
// may be told, which it notes. The connections are charged to the conversation's
// budget, however far that is overdrawn.
//
// KEYS: the room, the budget, the activity, where it is of a message. ARGV: now, step, how
// long those outside are not told again, in seconds, how many connections are charged at most.
const audienceScript = `
local room = redis.call('HGETALL', KEYS[1])
local now, step = tonumber(ARGV[1]), tonumber(ARGV[2])
local tat = math.max(tonumber(redis.call('GET', KEYS[2]) or 0), now) + step * math.min(#room / 2, tonumber(ARGV[4]))
redis.call('SET', KEYS[2], string.format('%.0f', tat), 'PX', math.min(math.ceil((tat - now) / 1000) + 1, 7200000))
local told = 0
if KEYS[3] and redis.call('SET', KEYS[3], '1', 'NX', 'EX', ARGV[3]) then told = 1 end
return {room, told}`

// outside is how long devices outside a room are not told again of what is said
// there.
const outside = 5 * time.Second

// Audience returns who may get a message: the connections in the room, also
// provisional ones, and, unless agent is zero, those of the agent. Vouched says
// that everyone in the room is confirmed: who was removed has been put out. Outside
// says that those who are not in the room may be told that something was said; it
// is true once in five seconds. The fan-out is charged to the conversation's budget, to
// so many connections at most as the message is still for; 0 is everybody.
// Whether they are participants is the caller's to check. With an error there may be
// a part of it, of the slot that answered. One round trip.
func (s *Store) Audience(ctx context.Context, id chat.ConversationID, agent chat.Principal, to int) (a chat.Audience, err error) {
	if to <= 0 {
		to = math.MaxInt32
	}
	now := s.now()
	var charged *redis.Cmd
	var room, agents *redis.StringSliceCmd
	var told *redis.BoolCmd
	err = s.calmly(ctx, func(p redis.Pipeliner) {
		if f := s.limits.Fanout; f.None() { // nothing to compute: no script
			room = hash(ctx, p, roomKey(id))
			told = p.SetNX(ctx, activityKey(id), "1", outside)
		} else {
			charged = p.Eval(ctx, audienceScript, []string{roomKey(id), budgetKey(id), activityKey(id)},
				now.UnixMicro(), f.Step().Microseconds(), int(outside.Seconds()), to)
		}
		if !agent.IsZero() {
			agents = hash(ctx, p, principalKey(agent))
		}
	})
	var fields []string
	switch a.NoRoom = true; {
	case charged != nil:
		fields, a.Outside = audienceOf(charged)
		a.NoRoom = charged.Err() != nil
	case room != nil:
		fields, a.Outside = room.Val(), told.Val()
		a.NoRoom = room.Err() != nil
	}
	seat(&a, fields, now)
	a.NoAgents = !agent.IsZero() && (agents == nil || agents.Err() != nil)
	if agents != nil {
		a.Agents = connectionsOf(agent, agents.Val(), now)
	}
	return a, failed("read an audience", err)
}

// seat puts those whom the hash of a room names into an audience.
func seat(a *chat.Audience, fields []string, now time.Time) {
	a.Vouched = true
	for _, e := range entries(fields, now) {
		a.Room = append(a.Room, e.Connection)
		a.Generations = append(a.Generations, e.generation)
		a.Vouched = a.Vouched && e.confirmed
	}
}

// audienceOf reads what audienceScript returns.
func audienceOf(cmd *redis.Cmd) (fields []string, outside bool) {
	answer, _ := cmd.Slice()
	if len(answer) != 2 {
		return nil, false
	}
	room, _ := answer[0].([]any)
	for _, v := range room {
		text, _ := v.(string)
		fields = append(fields, text)
	}
	return fields, answer[1] == int64(1)
}

// RoomAudience is Audience of what is told to the whole room alone: nobody outside hears of
// it. One round trip.
func (s *Store) RoomAudience(ctx context.Context, id chat.ConversationID) (a chat.Audience, err error) {
	now := s.now()
	var charged *redis.Cmd
	var room *redis.StringSliceCmd
	err = s.calmly(ctx, func(p redis.Pipeliner) {
		if f := s.limits.Fanout; f.None() {
			room = hash(ctx, p, roomKey(id))
		} else {
			charged = p.Eval(ctx, audienceScript, []string{roomKey(id), budgetKey(id)}, now.UnixMicro(), f.Step().Microseconds(), 0, math.MaxInt32)
		}
	})
	if err != nil {
		return a, failed("read an audience", err)
	}
	var fields []string
	if charged != nil {
		fields, _ = audienceOf(charged)
	} else {
		fields = room.Val()
	}
	seat(&a, fields, now)
	return a, nil
}

// chargeScript charges so many posts to a budget, and returns a room's connections.
//
// KEYS: the room, the budget. ARGV: now, step, how many posts.
const chargeScript = `
local now, step = tonumber(ARGV[1]), tonumber(ARGV[2])
local tat = math.max(tonumber(redis.call('GET', KEYS[2]) or 0), now) + step * tonumber(ARGV[3])
redis.call('SET', KEYS[2], string.format('%.0f', tat), 'PX', math.min(math.ceil((tat - now) / 1000) + 1, 7200000))
return redis.call('HGETALL', KEYS[1])`

// Mentioned returns who is in a room, also on trial, and the devices of those who are mentioned
// there, in the room or not. One post to each of them is charged to the conversation's budget.
// Whether they are participants is the caller's to check. One round trip.
func (s *Store) Mentioned(ctx context.Context, id chat.ConversationID, who ...chat.Principal) (m chat.Mentioned, err error) {
	now := s.now()
	var charged *redis.Cmd
	var room *redis.StringSliceCmd
	hashes := make([]*redis.StringSliceCmd, len(who))
	err = s.calmly(ctx, func(p redis.Pipeliner) {
		if f := s.limits.Fanout; f.None() {
			room = hash(ctx, p, roomKey(id))
		} else {
			charged = p.Eval(ctx, chargeScript, []string{roomKey(id), budgetKey(id)}, now.UnixMicro(), f.Step().Microseconds(), len(who))
		}
		for i, one := range who {
			hashes[i] = hash(ctx, p, principalKey(one))
		}
	})
	if err != nil {
		return m, failed("find who is mentioned", err)
	}
	var fields []string
	if charged != nil {
		fields, _ = charged.StringSlice()
	} else {
		fields = room.Val()
	}
	for _, e := range entries(fields, now) {
		m.Room = append(m.Room, e.Connection)
	}
	for i, one := range who {
		m.Devices = append(m.Devices, connectionsOf(one, hashes[i].Val(), now)...)
	}
	return m, nil
}

// Connections returns the connections of principals. One round trip.
func (s *Store) Connections(ctx context.Context, ps ...chat.Principal) ([]chat.Connection, error) {
	now := s.now()
	hashes := make([]*redis.StringSliceCmd, len(ps))
	err := s.calmly(ctx, func(pipe redis.Pipeliner) {
		for i, p := range ps {
			hashes[i] = hash(ctx, pipe, principalKey(p))
		}
	})
	if err != nil {
		return nil, failed("find connections", err)
	}
	var all []chat.Connection
	for i, p := range ps {
		all = append(all, connectionsOf(p, hashes[i].Val(), now)...)
	}
	return all, nil
}
