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
	if err := h.presence.Allow(ctx, r.Principal, chat.UseAddition); err != nil {
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
// The removed one is out of the room when it is answered, and told so. It may be
// repeated, and evicts again although there is nothing left to change: whoever
// died, or met an error, between the two has left nobody in the room for ever, and
// the others are told again.
func (h *Handler) removeParticipant(ctx context.Context, r *gateway.HTTPRequest) (gateway.HTTPResponse, error) {
	id, err := pathID(r)
	if err != nil {
		return gateway.HTTPResponse{}, err
	}
	who, err := pathPrincipal(r)
	if err != nil {
		return gateway.HTTPResponse{}, err
	}
	c, err := h.remove(ctx, r.Principal, id, who)
	if err != nil {
		return gateway.HTTPResponse{}, err
	}
	evicted, err := h.presence.Evict(ctx, who, id)
	if err != nil {
		return gateway.HTTPResponse{}, err
	}
	h.cast.Broadcast(ctx, evicted, protocol.Frame(protocol.EventLeft, "", protocol.Room{ConversationID: id}, time.Now()), delivery.Once)
	if c != nil {
		h.announce.Tell(ctx, *c, protocol.ConversationFrame(*c, time.Now()))
	}
	return noContent, nil
}

// remove returns the conversation, of which the others are to hear. Who removes
// themselves is never told whether there was anything to leave; they may be a
// stranger, for whom nobody is told anything.
func (h *Handler) remove(ctx context.Context, p chat.Principal, id chat.ConversationID, who chat.Principal) (*chat.Conversation, error) {
	var known *chat.Conversation
	if who != p {
		c, err := h.store.Conversation(ctx, p, id)
		if err != nil {
			return nil, err
		}
		if !createdBy(c, p) {
			return nil, chat.Errorf(chat.Forbidden, "only the creator may remove others")
		}
		known = &c
	}
	c, err := h.store.RemoveParticipant(ctx, p, id, who, time.Now())
	if err != nil && chat.CodeOf(err) == chat.NotFound {
		return known, nil
	}
	return &c, err
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
		page.Data = append(page.Data, protocol.PresenceNow(p, online[i]))
	}
	return gateway.HTTPResponse{Status: http.StatusOK, Body: page}, nil
}
