package handler

import (
	"context"
	"math"
	"net/http"

	"golang.org/x/sync/errgroup"

	"aiwm-chat/shared/chat"
	"aiwm-chat/shared/gateway"
	"aiwm-chat/shared/protocol"
)

// The pages of a list.
const (
	defaultLimit = 50
	maxLimit     = 100
)

// list answers a page in ascending order: the messages after afterSeq, or the
// newest, of those before beforeSeq, or those around aroundSeq. A page may be shorter than its limit and
// still have more after it, where the messages are long.
func (h *Handler) list(ctx context.Context, r *gateway.HTTPRequest) (gateway.HTTPResponse, error) {
	id, q, cursor, err := listQuery(r)
	if err != nil {
		return gateway.HTTPResponse{}, err
	}
	if cursor != nil {
		return h.changes(ctx, r, id, *cursor, q.Limit)
	}
	version, err := h.version(ctx, r.Principal, id)
	if err != nil {
		return gateway.HTTPResponse{}, err
	}
	if r.Knows(version) {
		return gateway.HTTPResponse{Status: http.StatusOK, Version: version}, nil
	}
	if q.AroundSeq != nil {
		return h.around(ctx, r, id, q, version)
	}
	found, more, err := h.store.Messages(ctx, id, q)
	if err != nil {
		return gateway.HTTPResponse{}, err
	}
	page := protocol.MessagePage{
		Data:       make([]protocol.Message, 0, len(found)),
		Pagination: protocol.PageCursor{Limit: q.Limit, HasMore: more},
	}
	for _, m := range found {
		page.Data = append(page.Data, protocol.MessageFor(m, r.Principal))
	}
	if n := len(found); more && n > 0 && q.AfterSeq != nil {
		page.Pagination.NextAfterSeq = found[n-1].Seq
	} else if more && n > 0 {
		page.Pagination.NextBeforeSeq = found[0].Seq
	}
	return gateway.HTTPResponse{Status: http.StatusOK, Body: page, Version: version}, nil
}

// around answers the messages around one, with a cursor for each direction in which the log
// goes on.
func (h *Handler) around(ctx context.Context, r *gateway.HTTPRequest, id chat.ConversationID, q chat.MessageQuery, version string) (gateway.HTTPResponse, error) {
	found, older, newer, err := h.store.MessagesAround(ctx, id, *q.AroundSeq, q.Limit)
	if err != nil {
		return gateway.HTTPResponse{}, err
	}
	page := protocol.MessagePage{
		Data:       make([]protocol.Message, 0, len(found)),
		Pagination: protocol.PageCursor{Limit: q.Limit, HasMore: older || newer},
	}
	for _, m := range found {
		page.Data = append(page.Data, protocol.MessageFor(m, r.Principal))
	}
	if n := len(found); n > 0 && older {
		page.Pagination.NextBeforeSeq = found[0].Seq
	}
	if n := len(found); n > 0 && newer {
		page.Pagination.NextAfterSeq = found[n-1].Seq
	}
	return gateway.HTTPResponse{Status: http.StatusOK, Body: page, Version: version}, nil
}

// version tells the state of a log that the caller may read. It is read before
// the messages: a page that is newer than its version is asked for once more, one
// that is older would be believed. The conversation, whose projection may lag,
// does not know it.
func (h *Handler) version(ctx context.Context, p chat.Principal, id chat.ConversationID) (version string, err error) {
	var g errgroup.Group // both are asked, whether the conversation is there or not
	var unread error
	g.Go(func() error { version, unread = h.store.LogVersion(ctx, id); return nil })
	_, err = h.store.Conversation(ctx, p, id)
	g.Wait() //nolint:errcheck // each error has a name
	if err == nil {
		err = unread
	}
	return version + " " + p.String(), err // each sees their own reactions marked
}

// changes answers the messages that changed after a cursor, as they are now.
func (h *Handler) changes(ctx context.Context, r *gateway.HTTPRequest, id chat.ConversationID, after chat.ChangeCursor, limit int) (gateway.HTTPResponse, error) {
	if _, err := h.store.Conversation(ctx, r.Principal, id); err != nil {
		return gateway.HTTPResponse{}, err
	}
	found, next, more, err := h.store.Changes(ctx, id, after, limit)
	if err != nil {
		return gateway.HTTPResponse{}, err
	}
	page := protocol.MessagePage{
		Data:       make([]protocol.Message, 0, len(found)),
		Pagination: protocol.PageCursor{Limit: limit, HasMore: more, ChangedAfter: next.String()},
	}
	for _, m := range found {
		page.Data = append(page.Data, protocol.MessageFor(m, r.Principal))
	}
	return gateway.HTTPResponse{Status: http.StatusOK, Body: page}, nil
}

func listQuery(r *gateway.HTTPRequest) (id chat.ConversationID, q chat.MessageQuery, changedAfter *chat.ChangeCursor, err error) {
	in := r.Query()
	id = chat.ConversationID(in.RequiredID("conversationId"))
	q = chat.MessageQuery{
		AfterSeq:  in.OptionalInt("afterSeq", 0, math.MaxInt64),
		BeforeSeq: in.OptionalInt("beforeSeq", 1, math.MaxInt64),
		AroundSeq: in.OptionalInt("aroundSeq", 1, math.MaxInt64),
		Limit:     int(in.Int("limit", defaultLimit, 1, maxLimit)),
		Role:      chat.Role(in.Text("role")),
		ThreadID:  chat.MessageID(in.ID("threadId")),
	}
	if q.AfterSeq != nil && q.BeforeSeq != nil {
		in.Refuse("beforeSeq", "must not be given together with afterSeq")
	}
	if q.AroundSeq != nil && (q.AfterSeq != nil || q.BeforeSeq != nil || q.Role != "" || q.ThreadID != "") {
		in.Refuse("aroundSeq", "must not be given together with afterSeq, beforeSeq, role or threadId")
	}
	if q.Role != "" && !q.Role.Valid() {
		in.Refuse("role", "must be user, agent, tool or system")
	}
	if q.ThreadID != "" && q.Role != "" {
		in.Refuse("role", "must not be given together with threadId")
	}
	if s := in.Text("changedAfter"); s != "" {
		cursor, err := chat.ParseChangeCursor(s)
		if err != nil {
			in.Refuse("changedAfter", "%v", err)
		}
		if changedAfter = &cursor; q.AfterSeq != nil || q.BeforeSeq != nil || q.AroundSeq != nil || q.Role != "" || q.ThreadID != "" {
			in.Refuse("changedAfter", "must not be given together with afterSeq, beforeSeq, aroundSeq, role or threadId")
		}
	}
	return id, q, changedAfter, in.Err()
}
