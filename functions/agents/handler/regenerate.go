package handler

import (
	"context"
	"log/slog"
	"net/http"
	"time"

	"aiwm-chat/shared/chat"
	"aiwm-chat/shared/gateway"
	"aiwm-chat/shared/protocol"
)

// regenerate answers 202 with the run that answers a question once more: that of the path, or the
// one that the answer of the path is to. Two who ask at the same time get the same run.
func (h *Handler) regenerate(ctx context.Context, r *gateway.HTTPRequest) (gateway.HTTPResponse, error) {
	question, c, agent, err := h.question(ctx, r)
	if err != nil {
		return gateway.HTTPResponse{}, err
	}
	profile, err := h.store.Agent(ctx, agent)
	if err != nil && chat.CodeOf(err) != chat.NotFound {
		return gateway.HTTPResponse{}, err
	}
	if profile.Managed == nil || !c.HasParticipant(agent) {
		return gateway.HTTPResponse{}, chat.Errorf(chat.Conflict, "nobody here answers for the agent")
	}
	last, found, err := h.store.LatestRun(ctx, agent, question.ID)
	if err != nil {
		return gateway.HTTPResponse{}, err
	}
	n := 0
	if found {
		n = last.N + 1
	}
	switch {
	case found && !last.Status.Over():
		return gateway.HTTPResponse{}, chat.Detailed(chat.Errorf(chat.Conflict, "it is being answered: stop that first"), "runId", last.ID)
	case n > chat.MaxRegenerations:
		return gateway.HTTPResponse{}, chat.Errorf(chat.Conflict, "it was answered again %d times, which is all", chat.MaxRegenerations)
	}
	end, _, err := h.store.Messages(ctx, c.ID, chat.MessageQuery{Limit: 1})
	if err != nil {
		return gateway.HTTPResponse{}, err
	}
	place := question.Seq
	if len(end) > 0 {
		place = end[0].Seq
	}
	run, _, err := h.store.QueueRun(ctx, chat.NewRun(profile, question, n, r.Principal.ID, place, time.Now()))
	if err != nil {
		return gateway.HTTPResponse{}, err
	}
	if err := h.jobs.EnqueueRun(ctx, protocol.RunJobOf(run)); err != nil {
		// It is queued all the same: sweep enqueues it, in a minute.
		slog.WarnContext(ctx, "a run is taken up late", "conversation", run.ConversationID, "run", run.ID, "err", err)
	}
	return gateway.HTTPResponse{Status: http.StatusAccepted, Body: protocol.RunOf(run), Location: "/runs/" + string(run.ID)}, nil
}

// question returns what is to be answered again, its conversation, in which the caller takes part
// and which takes messages, and the agent who answered, or who serves the conversation.
func (h *Handler) question(ctx context.Context, r *gateway.HTTPRequest) (chat.Message, chat.Conversation, chat.Principal, error) {
	refuse := func(err error) (chat.Message, chat.Conversation, chat.Principal, error) {
		return chat.Message{}, chat.Conversation{}, chat.Principal{}, err
	}
	id := chat.MessageID(r.Path("id"))
	if !chat.ValidID(id) {
		return refuse(chat.Invalid("id", "is not a valid id"))
	}
	if r.Principal.Type != chat.User {
		return refuse(chat.Errorf(chat.Forbidden, "only users ask for an answer"))
	}
	m, err := h.store.Message(ctx, r.Principal.OrgID, id)
	const none = "there is no such message"
	c, err := h.right(ctx, r, m.ConversationID, err, none)
	if err != nil {
		return refuse(err)
	}
	if c.Status != chat.Active {
		return refuse(chat.Errorf(chat.ConversationClosed, "the conversation takes no messages: it is %s", c.Status))
	}
	agent := c.Agent()
	if m.Sender.Type == chat.Agent && m.ParentID != "" {
		agent = m.Sender
		if m, err = h.store.Message(ctx, r.Principal.OrgID, m.ParentID); err != nil {
			return refuse(err)
		}
	}
	switch {
	case m.Deleted || m.ConversationID != c.ID:
		return refuse(chat.Errorf(chat.NotFound, none))
	case m.Sender.Type != chat.User:
		return refuse(chat.Errorf(chat.Conflict, "it is no question, and no answer to one"))
	}
	return m, c, agent, nil
}
