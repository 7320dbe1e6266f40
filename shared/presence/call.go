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

// A call is a hash in its conversation's slot:
//
//	state       r (rings), a (active) or e (ended)
//	by          who rang
//	started, answered, at  in milliseconds; at is when it ended
//	invitees    how many it rings at
//	outcome     of one that has ended
//	p:<party>   when a device gave its last sign of life
//	x:<owner>   who has declined
//
// Beside it is the id of the newest call of the conversation. The rules are those of package
// local/model/calls.

// callLife is how long a call is known after its last sign of life, also one that has ended:
// a late frame must not begin it anew.
const callLife = 2 * time.Hour

// watchedCallsKey is the sorted set of the calls of all conversations whose message is not
// there yet, "<org> <conversation> <call>" by when they were last rung.
const watchedCallsKey = "calls"

func callKey(id chat.ConversationID, call string) string {
	return "conversation:{" + string(id) + "}:call:" + call
}

func newestCallKey(id chat.ConversationID) string { return "conversation:{" + string(id) + "}:call" }

func watchedCall(c chat.WatchedCall) string {
	return string(c.OrgID) + " " + string(c.ConversationID) + " " + string(c.ID)
}

// callScript is one step of a call, decided by whoever comes first.
//
// KEYS: the call, the newest call. ARGV: the kind, or "look"; the call's id; the prefix of all
// calls of the conversation; the party, its owner; now, how long a call rings, how long
// somebody is there after a sign of life, in ms; the time to live in seconds; the invitees.
const callScript = `
local kind, id, prefix, party, owner = ARGV[1], ARGV[2], ARGV[3], 'p:' .. ARGV[4], ARGV[5]
local now, ring, lease, ttl, invitees = tonumber(ARGV[6]), tonumber(ARGV[7]), tonumber(ARGV[8]), ARGV[9], ARGV[10]
local function read(key)
	local c, list = {}, redis.call('HGETALL', key)
	for i = 1, #list, 2 do c[list[i]] = list[i + 1] end
	return c
end
-- signs are the last signs of life of all parties, the newest first, and how many of them
-- are there.
local function signs(c)
	local all, live = {}, 0
	for field, at in pairs(c) do
		if string.sub(field, 1, 2) == 'p:' then
			all[#all + 1] = tonumber(at)
			if tonumber(at) + lease > now then live = live + 1 end
		end
	end
	table.sort(all, function(a, b) return a > b end)
	return all, live
end
-- over is how a call has ended that nobody has ended, and when.
local function over(c)
	if c.state == 'r' and now >= tonumber(c.started) + ring then return 'missed', now end
	if c.state == 'a' then
		local all, live = signs(c)
		if live < 2 then return 'ended', all[2] or all[1] or now end
	end
end
local function set(key, c, ...)
	local f = {...}
	for i = 1, #f, 2 do c[f[i]] = f[i + 1] end
	redis.call('HSET', key, unpack(f))
	redis.call('EXPIRE', key, ttl)
end
local function finish(key, c, outcome, at)
	set(key, c, 'state', 'e', 'outcome', outcome, 'at', string.format('%.0f', at))
end
local function told(verdict, which, c)
	local next, took = 0, 0
	if c.state == 'r' then next = tonumber(c.started) + ring end
	if c.state == 'a' then
		local all = signs(c)
		next = (all[2] or all[1] or now) + lease
	end
	if c.outcome == 'ended' then took = math.max(0, tonumber(c.at) - tonumber(c.answered)) end
	return {verdict, which, c.state or '', c.outcome or '', string.format('%.0f', took), string.format('%.0f', next)}
end
local stamp = string.format('%.0f', now)
local c = read(KEYS[1])
if kind == 'invite' and not c.state then
	local newest = redis.call('GET', KEYS[2])
	if newest and newest ~= id then
		local other = read(prefix .. newest)
		if other.state == 'r' or other.state == 'a' then
			if over(other) then return told('over', newest, other) end
			if other.state == 'a' or newest < id then return told('busy', newest, other) end
			finish(prefix .. newest, other, 'superseded', now)
		end
	end
	set(KEYS[1], c, 'state', 'r', 'by', owner, 'started', stamp, 'invitees', invitees, party, stamp)
	redis.call('SET', KEYS[2], id, 'EX', ttl)
	return told('ok', id, c)
end
if not c.state then return told('lost', id, c) end
if c.state == 'e' then return told('ended', id, c) end
if kind == 'look' then
	local outcome, at = over(c)
	if outcome then finish(KEYS[1], c, outcome, at) end
elseif kind == 'answer' then
	if owner == c.by then return told('own', id, c) end
	set(KEYS[1], c, party, stamp)
	if c.state == 'r' then set(KEYS[1], c, 'state', 'a', 'answered', stamp) end
elseif kind == 'reject' then
	if owner == c.by then return told('own', id, c) end
	if c.state == 'r' then
		set(KEYS[1], c, 'x:' .. owner, '1')
		local n = 0
		for field in pairs(c) do if string.sub(field, 1, 2) == 'x:' then n = n + 1 end end
		if n >= tonumber(c.invitees) then finish(KEYS[1], c, 'declined', now) end
	end
elseif kind ~= 'ringing' then
	if not c[party] then return told(kind == 'invite' and 'taken' or 'stranger', id, c) end
	if kind ~= 'hangup' then
		set(KEYS[1], c, party, stamp)
	else
		redis.call('HDEL', KEYS[1], party)
		c[party] = nil
		local _, live = signs(c)
		if c.state == 'r' then finish(KEYS[1], c, 'missed', now)
		elseif live < 2 then finish(KEYS[1], c, 'ended', now) end
	end
end
return told('ok', id, c)`

// look is the kind of a signal of nobody's.
const look chat.SignalKind = "look"

// WatchCall has sweep look after a call that is about to ring. One round trip.
func (s *Store) WatchCall(ctx context.Context, c chat.WatchedCall) error {
	return failed("watch a call", s.pipelined(ctx, func(p redis.Pipeliner) {
		p.ZAdd(ctx, watchedCallsKey, redis.Z{Score: float64(s.now().UnixMilli()), Member: watchedCall(c)})
		p.Expire(ctx, watchedCallsKey, callLife)
	}))
}

// UnwatchCall is for a call whose message is there: where it fails, sweep looks once more.
func (s *Store) UnwatchCall(ctx context.Context, c chat.WatchedCall) {
	_ = s.quickly(ctx, func(p redis.Pipeliner) { p.ZRem(ctx, watchedCallsKey, watchedCall(c)) })
}

// Signal takes one step of a call, and returns how far it is then: if that is chat.CallEnded
// its caller sees to the message. A call is chat.NotFound of which nothing is known, and a
// chat.Conflict where it has ended, or another one is under way, which the details name. Only
// who is in a call may do what is theirs: else it is chat.Forbidden. Of a call that the
// conversation has and that nobody has ended in time, over is its id: look at it, and try
// again. One round trip.
func (s *Store) Signal(ctx context.Context, in chat.Signal) (c chat.LiveCall, over chat.LiveCallID, err error) {
	verdict, c, err := s.call(ctx, in)
	if err != nil {
		return c, "", err
	}
	refuse := func(code chat.Code, text string, details map[string]any) (chat.LiveCall, chat.LiveCallID, error) {
		err := chat.Errorf(code, "%s", text)
		err.Details = details
		return c, "", err
	}
	switch verdict {
	case "ok":
		return c, "", nil
	case "over":
		return c, c.ID, nil
	case "busy":
		return refuse(chat.Conflict, "another call is under way", map[string]any{"callId": c.ID})
	case "ended":
		return refuse(chat.Conflict, "the call has ended", map[string]any{"outcome": c.Outcome})
	case "taken":
		return refuse(chat.Conflict, "a call has this id already", nil)
	case "own":
		return refuse(chat.Conflict, "the call is one's own", nil)
	case "stranger":
		return refuse(chat.Forbidden, "only who is in the call may do this", nil)
	}
	return refuse(chat.NotFound, "there is no such call", nil)
}

// LookAtCall ends a call that has rung for long enough, or in which there are not two who
// give signs of life. known is false of one of which nothing is known. One round trip.
func (s *Store) LookAtCall(ctx context.Context, id chat.ConversationID, call chat.LiveCallID) (c chat.LiveCall, known bool, err error) {
	verdict, c, err := s.call(ctx, chat.Signal{ConversationID: id, CallID: call, Kind: look})
	return c, verdict != "lost", err
}

func (s *Store) call(ctx context.Context, in chat.Signal) (verdict string, c chat.LiveCall, err error) {
	var answer *redis.Cmd
	by := owner(in.By)
	err = s.pipelined(ctx, func(p redis.Pipeliner) {
		answer = p.Eval(ctx, callScript, []string{callKey(in.ConversationID, string(in.CallID)), newestCallKey(in.ConversationID)},
			string(in.Kind), string(in.CallID), callKey(in.ConversationID, ""), by+"/"+string(in.PartyID), by,
			s.now().UnixMilli(), chat.RingTime.Milliseconds(), chat.AliveTime.Milliseconds(), int(callLife.Seconds()), in.Invitees)
	})
	if err != nil {
		return "", c, failed("signal in a call", err)
	}
	fields, err := answer.StringSlice()
	if err != nil || len(fields) != 6 {
		return "", c, failed("signal in a call", err)
	}
	number := func(i int) int64 {
		n, _ := strconv.ParseInt(fields[i], 10, 64)
		return n
	}
	c = chat.LiveCall{
		ID: chat.LiveCallID(fields[1]), State: map[string]chat.LiveCallState{"r": chat.CallRinging, "a": chat.CallActive, "e": chat.CallEnded}[fields[2]],
		Outcome: chat.LiveCallOutcome(fields[3]), Duration: time.Duration(number(4)) * time.Millisecond,
	}
	if ms := number(5); ms > 0 {
		c.Next = time.UnixMilli(ms).UTC()
	}
	return fields[0], c, nil
}

// OverdueCalls returns calls that were rung before a time and that nobody looks after; those of
// which nothing is known it forgets. At most limit are looked at. Two round trips, and one
// more where there is something to forget.
func (s *Store) OverdueCalls(ctx context.Context, before time.Time, limit int) (all []chat.WatchedCall, err error) {
	var list *redis.StringSliceCmd
	err = s.pipelined(ctx, func(p redis.Pipeliner) {
		list = p.ZRangeByScore(ctx, watchedCallsKey, &redis.ZRangeBy{Min: "-inf", Max: strconv.FormatInt(before.UnixMilli(), 10), Count: int64(limit)})
	})
	if err != nil || len(list.Val()) == 0 {
		return nil, failed("list calls", err)
	}
	var found []chat.WatchedCall
	for _, text := range list.Val() {
		if f := strings.Split(text, " "); len(f) == 3 {
			found = append(found, chat.WatchedCall{OrgID: chat.OrgID(f[0]), ConversationID: chat.ConversationID(f[1]), ID: chat.LiveCallID(f[2])})
		}
	}
	states := make([]*redis.MapStringStringCmd, len(found))
	err = s.pipelined(ctx, func(p redis.Pipeliner) {
		for i, c := range found {
			states[i] = p.HGetAll(ctx, callKey(c.ConversationID, string(c.ID)))
		}
	})
	if err != nil {
		return nil, failed("read calls", err)
	}
	for i, c := range found {
		switch f := states[i].Val(); {
		case f["state"] == "":
			s.UnwatchCall(ctx, c)
		case f["state"] == "e" || !s.now().Before(endOf(f)):
			all = append(all, c)
		}
	}
	return all, nil
}

// endOf is when a call is over, unless somebody gives a sign of life.
func endOf(call map[string]string) time.Time {
	at := func(ms string) time.Time {
		n, _ := strconv.ParseInt(ms, 10, 64)
		return time.UnixMilli(n)
	}
	if call["state"] == "r" {
		return at(call["started"]).Add(chat.RingTime)
	}
	var signs []time.Time
	for field, value := range call {
		if strings.HasPrefix(field, "p:") {
			signs = append(signs, at(value))
		}
	}
	if len(signs) < 2 {
		return time.Time{}
	}
	slices.SortFunc(signs, time.Time.Compare)
	return signs[len(signs)-2].Add(chat.AliveTime)
}
