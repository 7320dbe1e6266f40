package presence

import (
	"context"
	"log/slog"
	"strings"

	"github.com/redis/go-redis/v9"

	"aiwm-chat/shared/chat"
)

// Join brings a connection into a room. Joined says that its principal was no
// member before; members are all there are now, the caller included. A
// connection that Redis has lost is registered again. One round trip, and one
// more to register.
func (s *Store) Join(ctx context.Context, c chat.Connection, id chat.ConversationID) (joined bool, members []chat.Principal, err error) {
	var known *redis.BoolCmd
	added, names, err := s.enter(ctx, c, id, func(p redis.Pipeliner) {
		known = p.HExists(ctx, principalKey(c.Principal), string(c.ID))
	})
	if err == nil && !known.Val() {
		_, _, err = s.register(ctx, c)
	}
	if err != nil {
		return false, nil, failed("join a room", err)
	}
	members = make([]chat.Principal, 0, len(names))
	for _, name := range names {
		kind, member, _ := strings.Cut(name, ":")
		members = append(members, chat.Principal{
			Type: chat.PrincipalType(kind), ID: chat.PrincipalID(member), OrgID: c.Principal.OrgID,
		})
	}
	return added, members, nil
}

// enter is a transaction because a connection in the room and its principal's
// membership must come together: between the two the connection may be removed.
// What else is to be done in the same round trip has a transaction of its own.
func (s *Store) enter(ctx context.Context, c chat.Connection, id chat.ConversationID, also ...func(redis.Pipeliner)) (added bool, members []string, err error) {
	var add *redis.IntCmd
	var all *redis.StringSliceCmd
	parts := append(also, func(p redis.Pipeliner) {
		p.HSet(ctx, connectionsKey(id), string(c.ID), record(c, s.now()))
		p.Expire(ctx, connectionsKey(id), lifetime)
		add = p.SAdd(ctx, membersKey(id), c.Principal.String())
		p.Expire(ctx, membersKey(id), lifetime)
		all = p.SMembers(ctx, membersKey(id))
	}, func(p redis.Pipeliner) {
		p.SAdd(ctx, joinedKey(c.ID), string(id))
		p.Expire(ctx, joinedKey(c.ID), lifetime)
	})
	err = s.together(ctx, parts...)
	return add.Val() == 1, all.Val(), err
}

// Leave takes a connection out of a room. Left says that it was its
// principal's last one there. One round trip.
func (s *Store) Leave(ctx context.Context, c chat.Connection, id chat.ConversationID) (left bool, err error) {
	var leave *redis.Cmd
	err = s.pipelined(ctx, func(p redis.Pipeliner) {
		leave = s.remove(ctx, p, id, c.Principal, c.ID)
		p.SRem(ctx, joinedKey(c.ID), string(id))
	})
	left, _ = removal(leave)
	return left, failed("leave a room", err)
}

// Evict takes a principal out of a room and returns its connections that were
// in it. One round trip, and one more if there were any.
func (s *Store) Evict(ctx context.Context, p chat.Principal, id chat.ConversationID) ([]chat.Connection, error) {
	var remove *redis.Cmd
	err := s.pipelined(ctx, func(pipe redis.Pipeliner) { remove = s.remove(ctx, pipe, id, p, everyConnection) })
	if err != nil {
		return nil, failed("evict from a room", err)
	}
	_, removed := removal(remove)
	evicted, stale := connections(removed, s.now())
	return evicted, failed("evict from a room", s.unjoin(ctx, id, append(stale, evicted...)))
}

// Clear takes everyone out of a room. One round trip, and one more if there
// was anyone.
func (s *Store) Clear(ctx context.Context, id chat.ConversationID) error {
	var all *redis.StringSliceCmd
	err := s.together(ctx, func(p redis.Pipeliner) {
		all = hash(ctx, p, connectionsKey(id))
		p.Del(ctx, connectionsKey(id))
		p.Del(ctx, membersKey(id))
	})
	if err == nil {
		live, stale := connections(all.Val(), s.now())
		err = s.unjoin(ctx, id, append(live, stale...))
	}
	return failed("clear a room", err)
}

// unjoin notes that connections are in a room no more.
func (s *Store) unjoin(ctx context.Context, id chat.ConversationID, out []chat.Connection) error {
	if len(out) == 0 {
		return nil
	}
	return s.pipelined(ctx, func(p redis.Pipeliner) {
		for _, c := range out {
			p.SRem(ctx, joinedKey(c.ID), string(id))
		}
	})
}

// Joined returns the conversations that a connection joined, in no order. One
// round trip.
func (s *Store) Joined(ctx context.Context, c chat.ConnectionID) ([]chat.ConversationID, error) {
	names, err := s.client.SMembers(ctx, joinedKey(c)).Result()
	if err != nil {
		return nil, failed("find the rooms of a connection", err)
	}
	ids := make([]chat.ConversationID, len(names))
	for i, name := range names {
		ids[i] = chat.ConversationID(name)
	}
	return ids, nil
}

// Room returns the connections in rooms, each once. They include those whose
// token has expired, which delivery closes. One round trip, and one more when
// there are entries to prune.
func (s *Store) Room(ctx context.Context, ids ...chat.ConversationID) ([]chat.Connection, error) {
	if len(ids) == 0 {
		return nil, nil
	}
	entries := make([]*redis.StringSliceCmd, len(ids))
	err := s.pipelined(ctx, func(p redis.Pipeliner) {
		for i, id := range ids {
			entries[i] = hash(ctx, p, connectionsKey(id))
		}
	})
	if err != nil {
		return nil, failed("read rooms", err)
	}
	if len(ids) == 1 {
		return s.live(ctx, ids[0], entries[0].Val()), nil
	}
	var union []chat.Connection
	seen := map[chat.ConnectionID]bool{}
	for i, id := range ids {
		for _, c := range s.live(ctx, id, entries[i].Val()) {
			if !seen[c.ID] {
				seen[c.ID] = true
				union = append(union, c)
			}
		}
	}
	return union, nil
}

// Audience returns who is to get a message: the connections in the room and,
// unless agent is zero, those of the agent. The sender's connection c enters
// the room if it is not there, because Redis lost it or it never joined; c
// without an id, as over REST, does not. One round trip, and one more for each
// of entering and pruning.
func (s *Store) Audience(ctx context.Context, c chat.Connection, id chat.ConversationID, agent chat.Principal) (room, agentConnections []chat.Connection, err error) {
	var entries, agents *redis.StringSliceCmd
	err = s.pipelined(ctx, func(p redis.Pipeliner) {
		entries = hash(ctx, p, connectionsKey(id))
		if !agent.IsZero() {
			agents = hash(ctx, p, principalKey(agent))
		}
	})
	if err != nil {
		return nil, nil, failed("read an audience", err)
	}
	room = s.live(ctx, id, entries.Val())
	if c.ID != "" && !has(room, c.ID) {
		if _, _, err := s.enter(ctx, c, id); err != nil {
			return nil, nil, failed("enter the room of a message", err)
		}
		room = append(room, c)
	}
	if agents != nil {
		agentConnections, _ = connections(agents.Val(), s.now())
	}
	return room, agentConnections, nil
}

// maxPrune bounds how many stale connections one read removes; the next read
// finds the others.
const maxPrune = 64

// live returns the connections of a room that count, and prunes the others.
func (s *Store) live(ctx context.Context, id chat.ConversationID, entries []string) []chat.Connection {
	live, stale := connections(entries, s.now())
	if len(stale) == 0 {
		return live
	}
	err := s.pipelined(ctx, func(p redis.Pipeliner) {
		for _, c := range stale[:min(len(stale), maxPrune)] {
			s.remove(ctx, p, id, c.Principal, c.ID)
		}
	})
	if err != nil {
		slog.WarnContext(ctx, "prune a room", "conversation", id, "err", err)
	}
	return live
}
