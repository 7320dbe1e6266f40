package handler

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"golang.org/x/sync/errgroup"

	"aiwm-chat/shared/chat"
	"aiwm-chat/shared/protocol"
)

// summaryEvery is after how many messages a conversation is summarised again.
// The seq is unique, so exactly one send enqueues the job.
const summaryEvery = 10

// Finish does what follows from a message that an earlier send committed and
// did not finish: sweep calls it. What was done already is done again, which
// clients, who drop what they have by seq, and the stores do not mind.
func (h *Handler) Finish(ctx context.Context, c chat.Conversation, m chat.Message, note chat.PendingSend) error {
	if err := h.effects(ctx, chat.Connection{}, c, m, true, nil); err != nil {
		return err
	}
	return h.presence.EndSend(ctx, note)
}

// finish answers the sender and does what follows from the message. Problems
// are logged: the message is safe, and its note stays for sweep.
func (h *Handler) finish(ctx context.Context, caller chat.Connection, c chat.Conversation, m chat.Message, note chat.PendingSend, summarise bool, answer func()) {
	if err := h.effects(ctx, caller, c, m, summarise, answer); err != nil {
		slog.ErrorContext(ctx, "effects of a message are left to sweep", "conversation", m.ConversationID, "seq", m.Seq, "err", err)
		return
	}
	h.end(ctx, note)
}

// effects does, together: the answer to the sender, delivery, the projection,
// and, if the message is one to summarise at, the job.
func (h *Handler) effects(ctx context.Context, caller chat.Connection, c chat.Conversation, m chat.Message, summarise bool, answer func()) error {
	var g errgroup.Group // each effect is wanted whatever becomes of the others
	if answer != nil {
		g.Go(func() error { answer(); return nil })
	}
	g.Go(func() error {
		if err := h.store.Project(ctx, m); err != nil {
			return fmt.Errorf("project the message: %w", err)
		}
		return nil
	})
	if summarise && m.Seq%summaryEvery == 0 {
		g.Go(func() error {
			job := protocol.SummaryJob{OrgID: c.OrgID, ConversationID: c.ID, Seq: m.Seq}
			if err := h.jobs.EnqueueSummary(ctx, job); err != nil {
				return fmt.Errorf("enqueue the summary: %w", err)
			}
			return nil
		})
	}
	delivery := h.deliver(ctx, caller, c, m)
	if err := g.Wait(); err != nil {
		return err
	}
	return delivery
}

// deliver posts the message to the room and, when a user wrote, to the agent.
// The room is read after the commit, as join enters the room before it reads
// the history: whoever is connected throughout gets the message one way or the
// other.
func (h *Handler) deliver(ctx context.Context, caller chat.Connection, c chat.Conversation, m chat.Message) error {
	var agent chat.Principal
	if m.Sender.Type == chat.User && c.HasParticipant(c.Agent()) {
		agent = c.Agent()
	}
	room, agentConnections, err := h.presence.Audience(ctx, caller, c.ID, agent)
	if err != nil {
		return fmt.Errorf("find the audience: %w", err)
	}
	room, err = h.entitled(ctx, c, room)
	if err != nil {
		return fmt.Errorf("check the audience: %w", err)
	}
	now := time.Now()
	var g errgroup.Group
	if len(agentConnections) > 0 {
		g.Go(func() error {
			h.cast.Broadcast(ctx, agentConnections, protocol.MessageFrame(protocol.EventMessageFromUser, m, now))
			return nil
		})
	}
	h.cast.Broadcast(ctx, room, protocol.MessageFrame(protocol.EventMessageNew, m, now))
	return g.Wait()
}

// entitled returns the connections of current participants: stale presence
// leaks nothing. A stranger in the room may be a participant who was added
// after the conversation was read, so then, and only then, it is read again.
func (h *Handler) entitled(ctx context.Context, c chat.Conversation, room []chat.Connection) ([]chat.Connection, error) {
	allowed := c.Entitled(room)
	if len(allowed) == len(room) {
		return allowed, nil
	}
	c, err := h.store.AnyConversation(ctx, c.OrgID, c.ID)
	if err != nil && chat.CodeOf(err) == chat.NotFound {
		return nil, nil // deleted meanwhile
	}
	if err != nil {
		return nil, err
	}
	return c.Entitled(room), nil
}

// end takes out the note of a send. If that fails, sweep finds nothing left to
// do and takes it out.
func (h *Handler) end(ctx context.Context, note chat.PendingSend) {
	if err := h.presence.EndSend(ctx, note); err != nil {
		slog.WarnContext(ctx, "take out a pending send", "conversation", note.ConversationID, "err", err)
	}
}
