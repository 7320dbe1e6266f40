package presence

import (
	"context"
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

// chargeScript charges a room's connections to the conversation's budget,
// however far that is overdrawn, and returns them.
//
// KEYS: the room, the budget. ARGV: now, step.
const chargeScript = `
local room = redis.call('HGETALL', KEYS[1])
local now = tonumber(ARGV[1])
local tat = math.max(tonumber(redis.call('GET', KEYS[2]) or 0), now) + tonumber(ARGV[2]) * (#room / 2)
redis.call('SET', KEYS[2], string.format('%.0f', tat), 'PX', math.min(math.ceil((tat - now) / 1000) + 1, 7200000))
return room`

// Audience returns who may get a message: the connections in the room, also
// provisional ones, and, unless agent is zero, those of the agent. Vouched says
// that everyone in the room is confirmed: who was removed has been put out. The
// fan-out is charged to the conversation's budget. Whether they are participants
// is the caller's to check. With an error there may be a part of it, of the slot
// that answered. One round trip.
func (s *Store) Audience(ctx context.Context, id chat.ConversationID, agent chat.Principal) (a chat.Audience, err error) {
	now := s.now()
	var all, agents *redis.StringSliceCmd
	var charge *redis.Cmd
	err = s.calmly(ctx, func(p redis.Pipeliner) {
		if f := s.limits.Fanout; f.None() {
			all = hash(ctx, p, roomKey(id))
		} else {
			charge = p.Eval(ctx, chargeScript, []string{roomKey(id), budgetKey(id)}, now.UnixMicro(), f.Step().Microseconds())
		}
		if !agent.IsZero() {
			agents = hash(ctx, p, principalKey(agent))
		}
	})
	var fields []string
	switch {
	case charge != nil:
		fields, _ = charge.StringSlice()
	case all != nil:
		fields = all.Val()
	}
	a.Vouched = true
	for _, e := range entries(fields, now) {
		a.Room = append(a.Room, e.Connection)
		a.Generations = append(a.Generations, e.generation)
		a.Vouched = a.Vouched && e.confirmed
	}
	if agents != nil {
		a.Agents = connectionsOf(agent, agents.Val(), now)
	}
	return a, failed("read an audience", err)
}
