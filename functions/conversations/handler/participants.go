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

// addParticipant is every participant's to do, and harmless to repeat. A repeat in
// the first minute tells the added one again: who told them may have died.
func (h *Handler) addParticipant(ctx context.Context, r *gateway.HTTPRequest) (gateway.HTTPResponse, error) {
	id, err := pathID(r)
	if err != nil {
		return gateway.HTTPResponse{}, err
	}
	in, err := gateway.Body[protocol.AddParticipant](r)
	if err != nil {
		return gateway.HTTPResponse{}, err
	}
	if err := r.Allow(ctx, chat.UseAddition); err != nil {
		return gateway.HTTPResponse{}, err
	}
	who := chat.Principal{Type: in.Type, ID: in.ID, OrgID: r.Principal.OrgID}
	c, err := h.store.AddParticipant(ctx, r.Principal, id, who, time.Now())
	if err != nil {
		return gateway.HTTPResponse{}, err
	}
	h.announce.Tell(ctx, c, protocol.ConversationFrame(protocol.EventConversationUpdated, c, time.Now()))
	if c.JustJoined(who, time.Now()) {
		h.announce.Added(ctx, c, who)
	}
	return respond(http.StatusCreated, c, nil)
}

// removeParticipant is the creator's to do, and everybody's with themselves: a
// creator hands over, and the last user closes the conversation. The removed one is
// out of the room when it is answered, and told so.
//
// It is done in two stores. MongoDB decides, and Redis follows: an eviction that
// fails is an error, and the call may be repeated. It evicts again although there is
// nothing left to change, so whoever died between the two has left nobody in the
// room for ever. But it evicts only who is known to be out:
//
//   - Who removes another and is told that there is no such conversation has left it,
//     or handed it to that very one: nobody is evicted.
//   - Who leaves, twice at once, is evicted twice.
//   - What a removed agent was writing is dropped, and with the last user all of it.
//   - Who is added again in between, and joins, may be put out once more, is told so,
//     and may join again: messages are missing nowhere.
func (h *Handler) removeParticipant(ctx context.Context, r *gateway.HTTPRequest) (gateway.HTTPResponse, error) {
	id, err := pathID(r)
	if err != nil {
		return gateway.HTTPResponse{}, err
	}
	who, err := pathPrincipal(r)
	if err != nil {
		return gateway.HTTPResponse{}, err
	}
	c, removed, err := h.store.RemoveParticipant(ctx, r.Principal, id, who, time.Now())
	// Who leaves is never told whether there was anything to leave.
	if err != nil && (who != r.Principal || chat.CodeOf(err) != chat.NotFound) {
		return gateway.HTTPResponse{}, err
	}
	evicted, err := h.presence.Evict(ctx, who, id)
	if err != nil {
		return gateway.HTTPResponse{}, err
	}
	h.cast.Broadcast(ctx, evicted, protocol.Frame(protocol.EventLeft, "", protocol.Room{ConversationID: id}, time.Now()), delivery.Once)
	if removed || who != r.Principal { // whoever died after the removal has told nobody
		h.announce.Left(ctx, id, who, evicted)
		h.announce.Tell(ctx, c, protocol.ConversationFrame(protocol.EventConversationUpdated, c, time.Now()))
	}
	return noContent, h.dropStreamsOf(ctx, id, c, who)
}

// dropStreamsOf ends what somebody was writing who has left, and what anybody was
// where that has closed the conversation. Users write nothing.
func (h *Handler) dropStreamsOf(ctx context.Context, id chat.ConversationID, c chat.Conversation, who chat.Principal) error {
	switch {
	case c.Status == chat.Closed:
		return h.dropStreams(ctx, c, chat.Principal{}, string(c.Status))
	case who.Type == chat.Agent:
		c.ID = id // it is not known of who repeats that they leave
		return h.dropStreams(ctx, c, who, "removed")
	}
	return nil
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

// online says of every participant whether they are connected now, or answered for by the
// backend. Who was added and has neither joined nor written is not to be watched: they are
// always offline.
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
	who := c.Principals()
	online, err := h.presence.Online(ctx, who...)
	if err != nil {
		return gateway.HTTPResponse{}, err
	}
	page := protocol.PresencePage{ConversationID: id}
	for i, p := range who {
		seen := !c.Participants[i].Invited
		there := seen && (online[i] || p.Type == chat.Agent && h.profiles.Answers(ctx, p))
		page.Data = append(page.Data, protocol.PresenceNow(p, there))
	}
	return gateway.HTTPResponse{Status: http.StatusOK, Body: page}, nil
}
