package presence

import (
	"context"
	"strings"

	"github.com/redis/go-redis/v9"

	"aiwm-chat/shared/chat"
)

// Ping registers a connection again, unless it was closed, and returns the
// rooms that it is really in: those of its set whose own hash has it confirmed.
// A registration that was not there is a loss, until Told of it, and so is one that
// is Untold. Over its limit
// it is chat.RateLimited; of a connection that had to make room for another,
// chat.ErrOneTooMany. Two round trips.
func (s *Store) Ping(ctx context.Context, c chat.Connection) (rooms []chat.Entry, loss chat.Loss, err error) {
	var rate *redis.Cmd
	var set *redis.StringSliceCmd
	var record *redis.StringCmd
	err = s.pipelined(ctx, func(p redis.Pipeliner) {
		rate = s.queueRate(ctx, p, connectionRateKey(c, "ping"), s.limits.Pings)
		s.queueAgain(ctx, p, c, s.now())
		record = p.HGet(ctx, principalKey(c.Principal), string(c.ID))
		set = p.SMembers(ctx, roomsKey(c.ID))
	})
	if err == nil {
		err = refusal(rate)
	} else {
		err = failed("renew a connection", err)
	}
	if err != nil {
		return nil, "", err
	}
	if r, known := parseRegistration(c.Principal, string(c.ID), record.Val()); known && r.room != "" {
		return nil, "", chat.ErrOneTooMany
	}
	states := make([]*redis.StringCmd, len(set.Val()))
	err = s.pipelined(ctx, func(p redis.Pipeliner) {
		for i, id := range set.Val() {
			states[i] = p.HGet(ctx, roomKey(chat.ConversationID(id)), string(c.ID))
		}
	})
	if err != nil {
		return nil, "", failed("look for a connection in its rooms", err)
	}
	for i, id := range set.Val() {
		if rest, in := strings.CutPrefix(states[i].Val(), confirmed); in {
			generation, _, _ := strings.Cut(rest, " ")
			rooms = append(rooms, chat.Entry{Connection: c, ConversationID: chat.ConversationID(id), Generation: generation})
		}
	}
	if strings.HasPrefix(record.Val(), lostMark) {
		loss = chat.Loss(record.Val())
	}
	return rooms, loss, nil
}

// Entered returns the rooms that a connection has entered, in no order: it may
// be out of some again. One round trip.
func (s *Store) Entered(ctx context.Context, c chat.ConnectionID) ([]chat.ConversationID, error) {
	var set *redis.StringSliceCmd
	err := s.pipelined(ctx, func(p redis.Pipeliner) { set = p.SMembers(ctx, roomsKey(c)) })
	if err != nil {
		return nil, failed("find the rooms of a connection", err)
	}
	ids := make([]chat.ConversationID, len(set.Val()))
	for i, id := range set.Val() {
		ids[i] = chat.ConversationID(id)
	}
	return ids, nil
}
