// Package handler serves the REST interface of conversations: their life,
// their participants, their summary, and who of them is online.
package handler

import (
	"context"
	"errors"
	"net/http"
	"time"

	"aiwm-chat/shared/chat"
	"aiwm-chat/shared/delivery"
	"aiwm-chat/shared/gateway"
	"aiwm-chat/shared/profiles"
	"aiwm-chat/shared/protocol"
)

type store interface {
	CreateConversation(ctx context.Context, c chat.Conversation, key chat.IdempotencyKey) (stored chat.Conversation, repeated bool, err error)
	Conversation(ctx context.Context, p chat.Principal, id chat.ConversationID) (chat.Conversation, error)
	Conversations(ctx context.Context, p chat.Principal, q chat.ConversationQuery) (chat.ConversationPage, error)
	UpdateConversation(ctx context.Context, p chat.Principal, id chat.ConversationID, change chat.ConversationChange, now time.Time) (chat.Conversation, error)
	DeleteConversation(ctx context.Context, p chat.Principal, id chat.ConversationID, now time.Time) (chat.Conversation, error)
	DeletedConversation(ctx context.Context, p chat.Principal, id chat.ConversationID) (chat.Conversation, error)
	AddParticipant(ctx context.Context, p chat.Principal, id chat.ConversationID, who chat.Principal, now time.Time) (chat.Conversation, error)
	RemoveParticipant(ctx context.Context, p chat.Principal, id chat.ConversationID, who chat.Principal, now time.Time) (c chat.Conversation, removed bool, err error)
	Agent(ctx context.Context, agent chat.Principal) (chat.AgentProfile, error)
	Readings(ctx context.Context, p chat.Principal, all []chat.Conversation) ([]chat.Reading, error)
	Marks(ctx context.Context, c chat.Conversation) ([]chat.Mark, error)
	Messages(ctx context.Context, id chat.ConversationID, q chat.MessageQuery) (messages []chat.Message, more bool, err error)
	Places(ctx context.Context, id chat.ConversationID, ids []chat.MessageID) (map[chat.MessageID]int64, error)
}

type presence interface {
	Evict(ctx context.Context, p chat.Principal, id chat.ConversationID) ([]chat.Connection, error)
	Clear(ctx context.Context, id chat.ConversationID) error
	DropStreams(ctx context.Context, id chat.ConversationID, of chat.Principal, reason string) (dropped []string, err error)
	Online(ctx context.Context, ps ...chat.Principal) ([]bool, error)
	AllowSummary(ctx context.Context, id chat.ConversationID) error
}

type broadcaster interface {
	Broadcast(ctx context.Context, to []chat.Connection, frame []byte, passes delivery.Passes) delivery.Result
}

type announcer interface {
	Tell(ctx context.Context, c chat.Conversation, frame []byte)
	Everywhere(ctx context.Context, c chat.Conversation, frame []byte)
	Added(ctx context.Context, c chat.Conversation, who ...chat.Principal)
	Left(ctx context.Context, id chat.ConversationID, who chat.Principal, told []chat.Connection)
}

type summariser interface {
	Summarize(ctx context.Context, c chat.Conversation) (string, error)
}

// Handler handles the routes of conversations.
type Handler struct {
	store     store
	presence  presence
	cast      broadcaster
	announce  announcer
	summaries summariser
	profiles  *profiles.Cache
	marks     marker
	servers   Servers
}

// New returns a Handler.
func New(s store, p presence, b broadcaster, a announcer, sum summariser, m marker, v Servers) *Handler {
	return &Handler{store: s, presence: p, cast: b, announce: a, summaries: sum, profiles: profiles.New(s), marks: m, servers: v}
}

// Routes returns the handler of each route key. Each has one round trip to
// MongoDB (a page of conversations two, with the total, or three by cursor; what is read
// two more, whatever the page; to add or remove somebody two, and what only the creator
// may do one more; a mark those of the read function; a page of an export two and one for each
// 1,000 messages or 0.75 MB of it, as Markdown up to twice as many), and what
// changes a conversation also one to Redis and the fan-out to its members, where
// somebody was added twice; to remove a participant or the conversation takes three
// more to Redis, one of them for devices outside the room. Presence has one to Redis, and one to MongoDB for each agent that
// is offline and was not looked up of late; a summary has those of the
// summarize function.
func (h *Handler) Routes() map[string]gateway.HTTPRoute {
	return map[string]gateway.HTTPRoute{
		"POST /conversations":                                            h.create,
		"GET /conversations":                                             h.list,
		"GET /conversations/{id}":                                        h.get,
		"PUT /conversations/{id}":                                        h.update,
		"DELETE /conversations/{id}":                                     h.delete,
		"POST /conversations/{id}/participants":                          h.addParticipant,
		"DELETE /conversations/{id}/participants/{type}/{participantId}": h.removeParticipant,
		"POST /conversations/{id}/summary":                               h.summarize,
		"PUT /conversations/{id}/read":                                   h.read,
		"PUT /conversations/{id}/unread":                                 h.unread,
		"GET /conversations/{id}/reads":                                  h.reads,
		"GET /conversations/{id}/export":                                 h.export,
		"GET /calls/ice":                                                 h.ice,
		"GET /presence":                                                  h.online,
	}
}

// create answers 201, or 200 with the conversation as it is now where it had been
// created under the same key before.
func (h *Handler) create(ctx context.Context, r *gateway.HTTPRequest) (gateway.HTTPResponse, error) {
	in, err := gateway.Body[protocol.CreateConversation](r)
	if err != nil {
		return gateway.HTTPResponse{}, err
	}
	key := chat.IdempotencyKey(r.IdempotencyKey())
	if key != "" && !chat.ValidID(key) {
		return gateway.HTTPResponse{}, chat.Invalid("Idempotency-Key", "must be 1 to %d characters of those that ids have", chat.MaxID)
	}
	c, err := chat.NewConversation(r.Principal, in.Title, in.Description, in.AgentID, in.Tags, time.Now())
	if err != nil {
		return gateway.HTTPResponse{}, err
	}
	if err := r.Allow(ctx, chat.UseCreation); err != nil {
		return gateway.HTTPResponse{}, err
	}
	c, repeated, err := h.store.CreateConversation(ctx, c, key)
	if err != nil {
		return gateway.HTTPResponse{}, err
	}
	response := gateway.HTTPResponse{Status: http.StatusCreated, Body: protocol.ConversationOf(c), Location: "/conversations/" + string(c.ID)}
	if repeated {
		response.Status = http.StatusOK
	}
	if c.IsNew(time.Now()) {
		h.announce.Added(ctx, c, c.Principals()...) // the creator has other devices
	}
	return response, nil
}

func (h *Handler) get(ctx context.Context, r *gateway.HTTPRequest) (gateway.HTTPResponse, error) {
	id, err := pathID(r)
	if err != nil {
		return gateway.HTTPResponse{}, err
	}
	c, err := h.store.Conversation(ctx, r.Principal, id)
	if err != nil {
		return gateway.HTTPResponse{}, err
	}
	readings, err := h.store.Readings(ctx, r.Principal, []chat.Conversation{c})
	if err != nil {
		return gateway.HTTPResponse{}, err
	}
	return gateway.HTTPResponse{Status: http.StatusOK, Body: protocol.ConversationOf(c).With(readings[0])}, nil
}

func (h *Handler) update(ctx context.Context, r *gateway.HTTPRequest) (gateway.HTTPResponse, error) {
	id, err := pathID(r)
	if err != nil {
		return gateway.HTTPResponse{}, err
	}
	in, err := gateway.Body[protocol.UpdateConversation](r)
	if err != nil {
		return gateway.HTTPResponse{}, err
	}
	change := chat.ConversationChange{Title: in.Title, Description: in.Description, Status: in.Status, Tags: in.Tags}
	if change == (chat.ConversationChange{}) {
		return gateway.HTTPResponse{}, chat.Errorf(chat.ValidationFailed, "nothing to change: give a title, description, status or tags")
	}
	c, err := h.store.UpdateConversation(ctx, r.Principal, id, change, time.Now())
	if err != nil {
		return gateway.HTTPResponse{}, err
	}
	h.announce.Tell(ctx, c, protocol.ConversationFrame(protocol.EventConversationUpdated, c, time.Now()))
	if c.Status != chat.Active {
		err = h.dropStreams(ctx, c, chat.Principal{}, string(c.Status))
	}
	return respond(http.StatusOK, c, err)
}

// dropStreams ends what is being written in a conversation that takes it no more: by
// of, or with the zero principal by anybody. It follows what MongoDB decided, as an
// eviction does, and may be repeated. A stream that begins meanwhile finds that
// decision, or itself ended: it looks after it entered, and is confirmed after that.
func (h *Handler) dropStreams(ctx context.Context, c chat.Conversation, of chat.Principal, reason string) error {
	dropped, err := h.presence.DropStreams(ctx, c.ID, of, reason)
	for _, stream := range dropped {
		data := protocol.StreamDropped{ConversationID: c.ID, StreamID: stream, Reason: reason}
		h.announce.Tell(ctx, c, protocol.Frame(protocol.EventStreamDropped, "", data, time.Now()))
	}
	return err
}

// delete is the creator's: it takes the conversation from everybody. It may be
// repeated, and then empties the room again: whoever died, or met an error,
// between the two has left nobody in the room for ever.
func (h *Handler) delete(ctx context.Context, r *gateway.HTTPRequest) (gateway.HTTPResponse, error) {
	id, err := pathID(r)
	if err != nil {
		return gateway.HTTPResponse{}, err
	}
	c, err := h.store.Conversation(ctx, r.Principal, id)
	if err == nil && !c.IsCreator(r.Principal) {
		err = chat.Errorf(chat.Forbidden, "only the creator may delete a conversation")
	}
	if err == nil {
		c, err = h.store.DeleteConversation(ctx, r.Principal, id, time.Now())
	}
	if err != nil && chat.CodeOf(err) == chat.NotFound { // maybe just now, by a repeat beside this one
		c, err = h.store.DeletedConversation(ctx, r.Principal, id)
	}
	if err != nil {
		return gateway.HTTPResponse{}, err
	}
	h.announce.Everywhere(ctx, c, protocol.Frame(protocol.EventConversationDeleted, "", protocol.Room{ConversationID: id}, time.Now()))
	_, streamsErr := h.presence.DropStreams(ctx, id, chat.Principal{}, "deleted")
	return noContent, errors.Join(streamsErr, h.presence.Clear(ctx, id))
}

var noContent = gateway.HTTPResponse{Status: http.StatusNoContent}

func (h *Handler) summarize(ctx context.Context, r *gateway.HTTPRequest) (gateway.HTTPResponse, error) {
	id, err := pathID(r)
	if err != nil {
		return gateway.HTTPResponse{}, err
	}
	c, err := h.store.Conversation(ctx, r.Principal, id)
	if err != nil {
		return gateway.HTTPResponse{}, err
	}
	if err := h.presence.AllowSummary(ctx, id); err != nil {
		return gateway.HTTPResponse{}, err
	}
	text, err := h.summaries.Summarize(ctx, c)
	return gateway.HTTPResponse{Status: http.StatusOK, Body: protocol.SummaryResult{Summary: text}}, err
}

func respond(status int, c chat.Conversation, err error) (gateway.HTTPResponse, error) {
	if err != nil {
		return gateway.HTTPResponse{}, err
	}
	return gateway.HTTPResponse{Status: status, Body: protocol.ConversationOf(c)}, nil
}

func pathID(r *gateway.HTTPRequest) (chat.ConversationID, error) {
	id := chat.ConversationID(r.Path("id"))
	if !chat.ValidID(id) {
		return "", chat.Invalid("id", "is not a valid id")
	}
	return id, nil
}
