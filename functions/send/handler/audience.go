package handler

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"time"

	"aiwm-chat/shared/chat"
	"aiwm-chat/shared/delivery"
	"aiwm-chat/shared/observe"
)

// post delivers the message to the room and, when a user wrote, to the agent.
// The room is read after the commit, as join enters the room before it reads
// the history: whoever is connected throughout gets the message one way or the
// other. What Redis does not tell of is left out, and posted by itself later. The
// devices outside the room are told, now and then, that something was said: what
// they miss of that they find with the next message, or with their list.
func (h *Handler) post(ctx context.Context, caller chat.Connection, c chat.Conversation, m chat.Message, passes delivery.Passes) (outcome, error) {
	var agent chat.Principal
	if asksAgent(c, m) && m.Due.ToAgent() {
		agent = c.Agent()
	}
	audience, partly := h.presence.Audience(ctx, c.ID, agent, addressees(m.Due))
	if partly != nil && len(audience.Room)+len(audience.Agents) == 0 {
		return unposted, partly
	}
	allowed, now, err := h.entitled(ctx, c, audience, vouched(caller, audience))
	if err != nil {
		return unposted, fmt.Errorf("check the audience: %w", err)
	}
	if !now.HasParticipant(agent) {
		audience.Agents = nil
	}
	if !now.HasParticipant(caller.Principal) {
		caller = chat.Connection{}
	}
	toRoom, toAgent := compose(m, caller, allowed, audience.Agents, agent)
	if !m.Due.ToRoom() {
		toRoom = nil
	}
	toRoom, toAgent = named(toRoom, m.Due, false), named(toAgent, m.Due, true)
	posts := append(toRoom, toAgent...) // there is room for them
	result := h.deliver.Deliver(ctx, turned(posts, m.Due.Tries), passes)
	seen := observe.Of(ctx)
	seen.Record(observe.FanOut, float64(len(posts)))
	if result.Posted > 0 {
		seen.Record(observe.DeliveryLatency, observe.Milliseconds(time.Since(m.CreatedAt)))
	}
	h.announce.Forget(ctx, result.Gone, c.ID)
	if audience.Outside {
		h.announce.Activity(ctx, now, m.Seq, slices.Concat(audience.Room, audience.Agents, []chat.Connection{caller}))
	}
	if partly == nil && len(result.Failed)+len(result.Refused) == 0 {
		return outcome{}, nil
	}
	others := slices.DeleteFunc(slices.Clone(audience.Room), func(c chat.Connection) bool { return c.Principal == agent })
	return outcome{
		noRoom: audience.NoRoom, noAgents: audience.NoAgents, room: addressed(toRoom), agents: addressed(toAgent), others: idsOf(others),
		unreached: idsOf(append(result.Failed, result.Refused...)),
	}, partly
}

// addressed returns whom posts are to.
func addressed(posts []delivery.Post) (ids []chat.ConnectionID) {
	for _, p := range posts {
		ids = append(ids, p.To.ID)
	}
	return ids
}

// asksAgent reports whether the agent of the conversation gets the message, in the
// room or not.
func asksAgent(c chat.Conversation, m chat.Message) bool {
	return m.Sender.Type == chat.User && c.HasParticipant(c.Agent())
}

// addressees is how many connections of the room get the message at most; 0 is all.
func addressees(due *chat.Due) int {
	if !due.ToRoom() {
		return 1 // none: it is the agent's part
	}
	return len(due.To)
}

// named keeps the posts to those to whom delivery is due.
func named(posts []delivery.Post, due *chat.Due, agent bool) []delivery.Post {
	return slices.DeleteFunc(posts, func(p delivery.Post) bool { return !due.Names(p.To.ID, agent) })
}

// turned begins with another third of the posts in each try: where one try has no
// time for all of them, those whom it leaves out are the first of another.
func turned(posts []delivery.Post, try int) []delivery.Post {
	at := len(posts) * (try % chat.MaxDueTries) / chat.MaxDueTries
	if at == 0 {
		return posts
	}
	return slices.Concat(posts[at:], posts[:at])
}

// vouched reports whether all who are to get a message are confirmed in the
// room: who was removed has been put out of it. Of anybody else the conversation
// must say what it is now, and not what it was before the commit.
func vouched(caller chat.Connection, a chat.Audience) bool {
	in := make(map[chat.ConnectionID]bool, len(a.Room))
	for _, c := range a.Room {
		in[c.ID] = true
	}
	outside := func(c chat.Connection) bool { return !in[c.ID] }
	return a.Vouched && (caller.ID == "" || in[caller.ID]) && !slices.ContainsFunc(a.Agents, outside)
}

// idsOf returns the ids of connections, each once.
func idsOf(connections []chat.Connection) (ids []chat.ConnectionID) {
	seen := make(map[chat.ConnectionID]bool, len(connections))
	for _, c := range connections {
		if !seen[c.ID] {
			seen[c.ID] = true
			ids = append(ids, c.ID)
		}
	}
	return ids
}

// entitled returns the connections of current participants, and the conversation
// as far as it is known: stale presence leaks nothing. A stranger in the room may
// be a participant who was added after the conversation was read, so then, or
// where not everybody is vouched for, it is read again; who is a stranger still
// was removed by somebody who died before the room was told, and is put out.
func (h *Handler) entitled(ctx context.Context, c chat.Conversation, a chat.Audience, vouched bool) ([]chat.Connection, chat.Conversation, error) {
	room := a.Room
	allowed := c.Entitled(room)
	if vouched && len(allowed) == len(room) {
		return allowed, c, nil
	}
	now, err := h.store.AnyConversation(ctx, c.OrgID, c.ID)
	if err != nil && chat.CodeOf(err) == chat.NotFound {
		now = chat.Conversation{} // deleted meanwhile, and nobody is entitled
	} else if err != nil {
		return nil, now, err
	}
	allowed = now.Entitled(room)
	var strangers []chat.Entry
	rest := allowed // in the order of the room
	for i, one := range room {
		if len(rest) > 0 && rest[0].ID == one.ID {
			rest = rest[1:]
			continue
		}
		strangers = append(strangers, chat.Entry{Connection: one, ConversationID: c.ID, Generation: a.Generations[i]})
	}
	if len(strangers) == 0 {
		return allowed, now, nil
	}
	if err := h.presence.PutOut(ctx, strangers); err != nil {
		slog.WarnContext(ctx, "put strangers out of a room", "conversation", c.ID, "err", err) // the next message does
	}
	return allowed, now, nil
}
