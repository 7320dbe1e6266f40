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

// addParticipant is every participant's to do, and harmless to repeat.
func (h *Handler) addParticipant(ctx context.Context, r *gateway.HTTPRequest) (gateway.HTTPResponse, error) {
	id, err := pathID(r)
	if err != nil {
		return gateway.HTTPResponse{}, err
	}
	in, err := gateway.Body[protocol.AddParticipant](r)
	if err != nil {
		return gateway.HTTPResponse{}, err
	}
	who := chat.Principal{Type: in.Type, ID: in.ID, OrgID: r.Principal.OrgID}
	c, err := h.store.AddParticipant(ctx, r.Principal, id, who, time.Now())
	if err != nil {
		return gateway.HTTPResponse{}, err
	}
	h.announce.Tell(ctx, c, protocol.ConversationFrame(c, time.Now()))
	return respond(http.StatusCreated, c, nil)
}

// removeParticipant is the creator's to do, and everybody's with themselves.
// The removed one is out of the room at once, and told so.
func (h *Handler) removeParticipant(ctx context.Context, r *gateway.HTTPRequest) (gateway.HTTPResponse, error) {
	id, err := pathID(r)
	if err != nil {
		return gateway.HTTPResponse{}, err
	}
	who, err := pathPrincipal(r)
	if err != nil {
		return gateway.HTTPResponse{}, err
	}
	c, err := h.store.Conversation(ctx, r.Principal, id)
	if err != nil {
		return gateway.HTTPResponse{}, err
	}
	if who != r.Principal && !createdBy(c, r.Principal) {
		return gateway.HTTPResponse{}, chat.Errorf(chat.Forbidden, "only the creator may remove others")
	}
	if c, err = h.store.RemoveParticipant(ctx, r.Principal, id, who, time.Now()); err != nil {
		return gateway.HTTPResponse{}, err
	}
	evicted, err := h.presence.Evict(ctx, who, id)
	if err != nil { // every delivery checks participants again, so nothing leaks
		warn(ctx, "put a removed participant out of the room", id, err)
	}
	h.cast.Broadcast(ctx, evicted, protocol.Frame(protocol.EventLeft, "", protocol.Room{ConversationID: id}, time.Now()))
	h.announce.Tell(ctx, c, protocol.ConversationFrame(c, time.Now()))
	return gateway.HTTPResponse{Status: http.StatusNoContent}, nil
}

func pathPrincipal(r *gateway.HTTPRequest) (chat.Principal, error) {
	p := chat.Principal{
		Type: chat.PrincipalType(r.Path("type")), ID: chat.PrincipalID(r.Path("participantId")), OrgID: r.Principal.OrgID,
	}
	var f chat.Faults
	if !p.Type.Valid() {
		f.Add("type", "must be user or agent")
	}
	chat.CheckID(&f, "participantId", p.ID)
	return p, f.Err()
}

// online says of every participant whether they are connected now.
func (h *Handler) online(ctx context.Context, r *gateway.HTTPRequest) (gateway.HTTPResponse, error) {
	q := r.Query()
	id := chat.ConversationID(q.RequiredID("conversationId"))
	if err := q.Err(); err != nil {
		return gateway.HTTPResponse{}, err
	}
	c, err := h.store.Conversation(ctx, r.Principal, id)
	if err != nil {
		return gateway.HTTPResponse{}, err
	}
	who := make([]chat.Principal, len(c.Participants))
	for i, p := range c.Participants {
		who[i] = chat.Principal{Type: p.Type, ID: p.ID, OrgID: c.OrgID}
	}
	online, err := h.presence.Online(ctx, who...)
	if err != nil {
		return gateway.HTTPResponse{}, err
	}
	page := protocol.PresencePage{ConversationID: id}
	for i, p := range who {
		page.Data = append(page.Data, protocol.PresenceOf(p, online[i]))
	}
	return gateway.HTTPResponse{Status: http.StatusOK, Body: page}, nil
}

func warn(ctx context.Context, step string, id chat.ConversationID, err error) {
	slog.WarnContext(ctx, step, "conversation", id, "err", err)
}
