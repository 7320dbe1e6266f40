// Package handler serves the REST interface of messages.
package handler

import (
	"context"
	"net/http"
	"time"

	"aiwm-chat/shared/chat"
	"aiwm-chat/shared/delivery"
	"aiwm-chat/shared/gateway"
	"aiwm-chat/shared/protocol"
)

type store interface {
	Conversation(ctx context.Context, p chat.Principal, id chat.ConversationID) (chat.Conversation, error)
	LogVersion(ctx context.Context, id chat.ConversationID) (string, error)
	Messages(ctx context.Context, id chat.ConversationID, q chat.MessageQuery) (messages []chat.Message, more bool, err error)
	MessagesAround(ctx context.Context, id chat.ConversationID, seq int64, limit int) (messages []chat.Message, older, newer bool, err error)
	Message(ctx context.Context, org chat.OrgID, id chat.MessageID) (chat.Message, error)
	Changes(ctx context.Context, id chat.ConversationID, after chat.ChangeCursor, limit int) (messages []chat.Message, next chat.ChangeCursor, more bool, err error)
	DeleteMessage(ctx context.Context, m chat.Message, by chat.Principal, due time.Time) (chat.Message, error)
	Backlog(ctx context.Context, agent chat.Principal, cursor string, limit int) (messages []chat.Message, next string, err error)
}

// sender is the send action: a message by REST takes the same way, and what
// follows from a message is its business.
type sender interface {
	SendREST(ctx context.Context, sender chat.Principal, in protocol.MessageInput, ack func(protocol.Sent)) error
	Changed(ctx context.Context, caller chat.Connection, c chat.Conversation, m chat.Message, passes delivery.Passes, answered chat.Effect, answer func())
}

// Handler handles the routes of messages.
type Handler struct {
	store    store
	sender   sender
	annotate annotator
}

// New returns a Handler.
func New(s store, send sender, a annotator) *Handler {
	return &Handler{store: s, sender: send, annotate: a}
}

// Routes returns the handler of each route key. Reads have two round trips to
// MongoDB: the right (of a list, with the version of the log beside it) and the
// messages, if the caller has not got them. A deletion has five or six more, one
// to SQS where there is a summary to make again, one to Redis and the fan-out. An edit
// and a reaction take one more than over WebSocket, for the message; a message takes the
// round trips of the send action.
func (h *Handler) Routes() map[string]gateway.HTTPRoute {
	return map[string]gateway.HTTPRoute{
		"POST /messages":                        h.send,
		"GET /messages":                         h.list,
		"GET /messages/{id}":                    h.get,
		"PUT /messages/{id}":                    h.edit,
		"DELETE /messages/{id}":                 h.delete,
		"GET /messages/{id}/reactions":          h.reactions,
		"PUT /messages/{id}/reactions/{key}":    h.react(true),
		"DELETE /messages/{id}/reactions/{key}": h.react(false),
		"GET /agents/{id}/backlog":              h.backlog,
	}
}

// send answers 201, or 200 where the message had been stored before.
func (h *Handler) send(ctx context.Context, r *gateway.HTTPRequest) (gateway.HTTPResponse, error) {
	in, err := gateway.Body[protocol.MessageInput](r)
	if err != nil {
		return gateway.HTTPResponse{}, err
	}
	if key := chat.ClientMessageID(r.IdempotencyKey()); key != "" {
		if in.ClientMessageID != "" && in.ClientMessageID != key {
			return gateway.HTTPResponse{}, chat.Invalid("clientMessageId", "must equal the Idempotency-Key")
		}
		in.ClientMessageID = key
	}
	response := gateway.HTTPResponse{Status: http.StatusCreated}
	err = h.sender.SendREST(ctx, r.Principal, in, func(sent protocol.Sent) {
		response.Body, response.Location = sent, "/messages/"+string(sent.MessageID)
		if sent.Duplicate {
			response.Status = http.StatusOK
		}
	})
	return response, err
}

func (h *Handler) get(ctx context.Context, r *gateway.HTTPRequest) (gateway.HTTPResponse, error) {
	m, _, err := h.message(ctx, r)
	if err == nil && m.Deleted {
		err = chat.Errorf(chat.NotFound, "there is no such message")
	}
	return gateway.HTTPResponse{Status: http.StatusOK, Body: protocol.MessageFor(m, r.Principal)}, err
}

// delete is the author's, and of what users and agents say the creator's of the conversation.
// Repeating it finishes what an error left undone, and changes nothing else.
func (h *Handler) delete(ctx context.Context, r *gateway.HTTPRequest) (gateway.HTTPResponse, error) {
	m, c, err := h.message(ctx, r)
	if err != nil {
		return gateway.HTTPResponse{}, err
	}
	if !m.DeletableBy(r.Principal, c) {
		return gateway.HTTPResponse{}, chat.Errorf(chat.Forbidden, "only the author may delete a message, or the conversation's creator a text")
	}
	if !m.Deleted {
		if m, err = h.store.DeleteMessage(ctx, m, r.Principal, time.Now().Add(patience)); err != nil {
			return gateway.HTTPResponse{}, err
		}
	}
	if m.Due != nil {
		h.sender.Changed(ctx, chat.Connection{Principal: r.Principal}, c, m, delivery.Once, "", func() {})
	}
	return gateway.HTTPResponse{Status: http.StatusNoContent}, nil
}

// patience is how long a deletion may be under way before sweep takes it up.
const patience = 20 * time.Second

// nowhere is the conversation of a message that does not exist. It is looked for
// like that of another one: how long a refusal takes does not tell them apart.
const nowhere chat.ConversationID = "nowhere"

// message returns the message of the path and its conversation, if the caller
// may read them.
func (h *Handler) message(ctx context.Context, r *gateway.HTTPRequest) (chat.Message, chat.Conversation, error) {
	id := chat.MessageID(r.Path("id"))
	if !chat.ValidID(id) {
		return chat.Message{}, chat.Conversation{}, chat.Invalid("id", "is not a valid id")
	}
	m, err := h.store.Message(ctx, r.Principal.OrgID, id)
	missing := err != nil && chat.CodeOf(err) == chat.NotFound
	if missing {
		m.ConversationID = nowhere
	} else if err != nil {
		return chat.Message{}, chat.Conversation{}, err
	}
	c, err := h.store.Conversation(ctx, r.Principal, m.ConversationID)
	if missing && err == nil || err != nil && chat.CodeOf(err) == chat.NotFound { // say no more than of a message that never was
		err = chat.Errorf(chat.NotFound, "there is no such message")
	}
	return m, c, err
}
