package handler

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime/debug"
	"slices"

	"golang.org/x/sync/errgroup"

	"aiwm-chat/shared/chat"
	"aiwm-chat/shared/delivery"
	"aiwm-chat/shared/protocol"
)

// Finish does what is due of a message that an earlier send committed and did
// not finish, and says what is left then: sweep calls it. What was done already
// is done again, which clients, who drop what they have by seq, and the stores
// do not mind.
func (h *Handler) Finish(ctx context.Context, c chat.Conversation, m chat.Message) (left *chat.Due, err error) {
	left = h.effects(ctx, chat.Connection{}, c, m, delivery.Patient)
	return left, h.store.Settle(ctx, m, left)
}

// finish answers the sender and does what follows from the message. Problems
// are logged: the message is safe, and what is left stays due.
func (h *Handler) finish(ctx context.Context, caller chat.Connection, c chat.Conversation, m chat.Message, passes delivery.Passes, answer func()) {
	var g errgroup.Group
	g.Go(func() error { answer(); return nil })
	left := h.effects(ctx, caller, c, m, passes)
	g.Wait() //nolint:errcheck // there is none
	if err := h.store.Settle(ctx, m, left); err != nil {
		slog.WarnContext(ctx, "take out what is due", "conversation", m.ConversationID, "seq", m.Seq, "err", err) // sweep does it again
	}
}

// effects does what is due, together, and returns what is left of it: nil where
// nothing is.
func (h *Handler) effects(ctx context.Context, caller chat.Connection, c chat.Conversation, m chat.Message, passes delivery.Passes) *chat.Due {
	var projected, summarised, delivered error
	var unreached []chat.ConnectionID
	var g errgroup.Group // each effect is wanted whatever becomes of the others
	if m.Due.Has(chat.EffectDeliver) {
		g.Go(func() error {
			delivered = guarded(func() (err error) {
				unreached, err = h.post(ctx, caller, c, m, passes)
				return err
			})
			return nil
		})
	}
	if m.Due.Has(chat.EffectSummarise) {
		g.Go(func() error {
			job := protocol.SummaryJob{OrgID: c.OrgID, ConversationID: c.ID, Seq: m.Seq}
			summarised = guarded(func() error { return h.jobs.EnqueueSummary(ctx, job) })
			return nil
		})
	}
	if m.Due.Has(chat.EffectProject) { // here: this stack has grown to what the driver needs
		projected = guarded(func() error { return h.store.Project(ctx, m, agentsOf(&c)) })
	}
	g.Wait() //nolint:errcheck // each error has a name
	left := remaining(m.Due, projected, summarised, delivered, unreached)
	if left != nil {
		slog.WarnContext(ctx, "something of a message is still due", "conversation", m.ConversationID, "seq", m.Seq,
			"left", left.Left, "unreached", len(unreached), "err", errors.Join(projected, summarised, delivered))
	}
	return left
}

// guarded turns a panic in one effect into its error: the others go on.
func guarded(do func() error) (err error) {
	defer func() {
		if v := recover(); v != nil {
			err = fmt.Errorf("panic: %v\n%s", v, debug.Stack())
		}
	}()
	return do()
}

// maxTries is how often everybody is delivered to, where too many were not
// reached to name them. After that the heads in their pongs tell.
const maxTries = 3

// remaining is what is still due. Who was not reached is named, and delivery
// that was done is not done again because something else failed.
func remaining(due *chat.Due, projected, summarised, delivered error, unreached []chat.ConnectionID) *chat.Due {
	left := &chat.Due{At: due.At, Tries: due.Tries}
	if projected != nil {
		left.Left = append(left.Left, chat.EffectProject)
	}
	if summarised != nil {
		left.Left = append(left.Left, chat.EffectSummarise)
	}
	switch {
	case delivered != nil: // the audience is not known
		left.Left, left.To = append(left.Left, chat.EffectDeliver), due.To
	case len(unreached) > chat.MaxDueTo && due.Tries+1 < maxTries:
		left.Left, left.Tries = append(left.Left, chat.EffectDeliver), due.Tries+1
	case len(unreached) > 0 && len(unreached) <= chat.MaxDueTo:
		left.Left, left.To = append(left.Left, chat.EffectDeliver), unreached
	}
	if len(left.Left) == 0 {
		return nil
	}
	return left
}

func agentsOf(c *chat.Conversation) (ids []chat.PrincipalID) {
	for _, p := range c.Participants {
		if p.Type == chat.Agent {
			ids = append(ids, p.ID)
		}
	}
	return ids
}

// post delivers the message to the room and, when a user wrote, to the agent.
// The room is read after the commit, as join enters the room before it reads
// the history: whoever is connected throughout gets the message one way or the
// other. It returns who was not reached and may be later.
func (h *Handler) post(ctx context.Context, caller chat.Connection, c chat.Conversation, m chat.Message, passes delivery.Passes) ([]chat.ConnectionID, error) {
	var agent chat.Principal
	if m.Sender.Type == chat.User && c.HasParticipant(c.Agent()) {
		agent = c.Agent()
	}
	room, agents, err := h.presence.Audience(ctx, c.ID, agent)
	if err != nil {
		return nil, err
	}
	allowed, now, err := h.entitled(ctx, c, room)
	if err != nil {
		return nil, fmt.Errorf("check the audience: %w", err)
	}
	if !now.HasParticipant(agent) {
		agents = nil
	}
	if !now.HasParticipant(caller.Principal) {
		caller = chat.Connection{}
	}
	posts := compose(m, caller, allowed, agents, agent)
	if to := m.Due.To; len(to) > 0 {
		posts = slices.DeleteFunc(posts, func(p delivery.Post) bool { return !slices.Contains(to, p.To.ID) })
	}
	result := h.deliver.Deliver(ctx, posts, passes)
	h.announce.Forget(ctx, result.Gone, c.ID)
	var unreached []chat.ConnectionID
	for _, to := range result.Failed {
		if !slices.Contains(unreached, to.ID) {
			unreached = append(unreached, to.ID)
		}
	}
	return unreached, nil
}

// entitled returns the connections of current participants, and the conversation
// as far as it is known: stale presence leaks nothing. A stranger in the room may
// be a participant who was added after the conversation was read, so then, and
// only then, it is read again; who is a stranger still was removed by somebody
// who died before the room was told, and is put out.
func (h *Handler) entitled(ctx context.Context, c chat.Conversation, room []chat.Connection) ([]chat.Connection, chat.Conversation, error) {
	allowed := c.Entitled(room)
	if len(allowed) == len(room) {
		return allowed, c, nil
	}
	now, err := h.store.AnyConversation(ctx, c.OrgID, c.ID)
	if err != nil && chat.CodeOf(err) == chat.NotFound {
		now = chat.Conversation{} // deleted meanwhile, and nobody is entitled
	} else if err != nil {
		return nil, now, err
	}
	allowed = now.Entitled(room)
	var strangers []chat.Stay
	rest := allowed // in the order of the room
	for _, one := range room {
		if len(rest) > 0 && rest[0].ID == one.ID {
			rest = rest[1:]
			continue
		}
		strangers = append(strangers, chat.Stay{Connection: one, Conversations: []chat.ConversationID{c.ID}})
	}
	if len(strangers) == 0 {
		return allowed, now, nil
	}
	if _, err := h.presence.TakeOut(ctx, strangers); err != nil {
		slog.WarnContext(ctx, "put strangers out of a room", "conversation", c.ID, "err", err) // the next message does
	}
	return allowed, now, nil
}
