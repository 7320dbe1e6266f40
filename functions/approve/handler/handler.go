// Package handler decides tool calls that wait for a person. A decision is a message of the
// backend: the first one of a call wins by the log's unique index, and what follows from it
// is due with it.
package handler

import (
	"context"
	"encoding/json"
	"net/http"
	"time"

	"aiwm-chat/functions/answer/runlog"
	"aiwm-chat/shared/chat"
	"aiwm-chat/shared/gateway"
	"aiwm-chat/shared/protocol"
)

type store interface {
	Conversation(ctx context.Context, p chat.Principal, id chat.ConversationID) (chat.Conversation, error)
	Run(ctx context.Context, org chat.OrgID, id chat.RunID) (chat.Run, error)
	Sent(ctx context.Context, id chat.ConversationID, sender chat.Principal, client chat.ClientMessageID) (chat.Message, bool, error)
}

type placer interface {
	Place(ctx context.Context, m chat.Message) (stored chat.Message, mine bool, err error)
}

// Handler handles approve.
type Handler struct {
	store store
	place placer
}

// New returns a Handler.
func New(s store, p placer) *Handler { return &Handler{s, p} }

// Handle decides a call, and answers with the decision. Three round trips to MongoDB, those
// of a message, and one to MongoDB and to SQS for the run.
func (h *Handler) Handle(ctx context.Context, f *gateway.ClientFrame, in protocol.Approve) error {
	m, mine, err := h.decide(ctx, f.Connection.Principal, in)
	if err != nil {
		return err
	}
	sent := protocol.SentOf(m, !mine)
	if f.Connection.Dialect != chat.Lean {
		sent.AgentOnline = new(true) // the backend runs it
	}
	f.Reply(ctx, protocol.EventMessageSent, sent)
	return nil
}

// Routes returns the handler of the route key.
func (h *Handler) Routes() map[string]gateway.HTTPRoute {
	return map[string]gateway.HTTPRoute{"POST /conversations/{id}/approvals/{toolCallId}": h.rest}
}

// rest answers with the decision: 201, or 200 where the caller had decided so before.
func (h *Handler) rest(ctx context.Context, r *gateway.HTTPRequest) (gateway.HTTPResponse, error) {
	body, err := gateway.Body[protocol.Decide](r)
	if err != nil {
		return gateway.HTTPResponse{}, err
	}
	in := protocol.Approve{ConversationID: chat.ConversationID(r.Path("id")), ToolCallID: chat.CallID(r.Path("toolCallId")), Decide: body}
	var f chat.Faults
	chat.CheckID(&f, "id", in.ConversationID)
	if _, _, _, ok := chat.ParseCallID(string(in.ToolCallID)); !ok {
		f.Add("toolCallId", "is not the id of a call")
	}
	if err := f.Err(); err != nil {
		return gateway.HTTPResponse{}, err
	}
	m, mine, err := h.decide(ctx, r.Principal, in)
	if err != nil {
		return gateway.HTTPResponse{}, err
	}
	status := http.StatusCreated
	if !mine {
		status = http.StatusOK
	}
	return gateway.HTTPResponse{Status: status, Body: protocol.MessageOf(m)}, nil
}

// decide decides a call, if it waits: any user who takes part may. Somebody who decides the
// same again is told so; who comes second is a conflict, and learns what the first decided.
func (h *Handler) decide(ctx context.Context, by chat.Principal, in protocol.Approve) (m chat.Message, mine bool, err error) {
	if by.Type != chat.User {
		return m, false, chat.Errorf(chat.Forbidden, "only users approve")
	}
	d := chat.Decision{CallID: in.ToolCallID, By: by.ID, Reason: in.Reason, Arguments: json.RawMessage(in.Arguments)}
	if len(in.Arguments) == 0 {
		d.Arguments = nil
	}
	verdict := chat.VerdictDenied
	if *in.Approved {
		verdict = chat.VerdictApproved
	}
	if m, err = chat.NewDecision(by.OrgID, in.ConversationID, verdict, d, time.Now()); err != nil {
		return m, false, err
	}
	if _, err := h.store.Conversation(ctx, by, in.ConversationID); err != nil {
		return m, false, err
	}
	stored, mine := chat.Message{}, false
	first, err := h.waits(ctx, by.OrgID, in)
	switch {
	case err != nil:
		return m, false, err
	case first != nil:
		stored = *first
	default:
		if stored, mine, err = h.place.Place(ctx, m); err != nil {
			return stored, false, err
		}
	}
	if !mine && !m.Repeats(stored) {
		return stored, false, decided(stored)
	}
	return stored, mine, nil
}

// waits refuses what is no call that waits in the conversation. Of one whose run is over it
// returns the decision, if there is one: who sends theirs again is told so then, too.
func (h *Handler) waits(ctx context.Context, org chat.OrgID, in protocol.Approve) (first *chat.Message, err error) {
	none := chat.Errorf(chat.NotFound, "there is no such call that waits for approval")
	id, step, _, _ := chat.ParseCallID(string(in.ToolCallID))
	run, err := h.store.Run(ctx, org, id)
	if err != nil && chat.CodeOf(err) == chat.NotFound || err == nil && run.ConversationID != in.ConversationID {
		return nil, none
	}
	if err != nil {
		return nil, err
	}
	m, found, err := h.store.Sent(ctx, in.ConversationID, run.Agent(), run.ID.Step(step))
	if err != nil {
		return nil, err
	}
	if !found || m.Approval == nil || !runlog.Asks(m, in.ToolCallID) {
		return nil, none
	}
	late := !time.Now().Before(m.Approval.ExpiresAt)
	if !run.Status.Over() && !late {
		return nil, nil
	}
	decision, found, err := h.store.Sent(ctx, in.ConversationID, chat.Backend(org), chat.DecisionID(in.ToolCallID))
	switch {
	case err != nil:
		return nil, err
	case found:
		return &decision, nil
	case late:
		return nil, chat.Detailed(chat.Errorf(chat.Conflict, "the time to decide is over"), "expiresAt", m.Approval.ExpiresAt.UTC().Format(protocol.Timestamp))
	}
	return nil, chat.Errorf(chat.Conflict, "the run is over")
}

// decided is the conflict with a decision that was first.
func decided(first chat.Message) error {
	a, _ := first.Decided()
	err := chat.Errorf(chat.Conflict, "it is decided already")
	err.Details = map[string]any{"status": a.Verdict, "messageId": first.ID, "seq": first.Seq}
	if a.By != "" {
		err.Details["by"] = a.By
	}
	if a.Reason != "" {
		err.Details["reason"] = a.Reason
	}
	return err
}
