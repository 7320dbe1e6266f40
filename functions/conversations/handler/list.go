package handler

import (
	"context"
	"net/http"
	"unicode/utf8"

	"aiwm-chat/shared/chat"
	"aiwm-chat/shared/gateway"
	"aiwm-chat/shared/protocol"
)

// The pages of a list.
const (
	defaultLimit = 20
	maxLimit     = 100
	maxPage      = 10_000
	// maxParticipants of one entry of a page: Lambda returns 6 MB at most. GET
	// /conversations/{id} has them all.
	maxParticipants = 100
)

func (h *Handler) list(ctx context.Context, r *gateway.HTTPRequest) (gateway.HTTPResponse, error) {
	q, err := listQuery(r)
	if err != nil {
		return gateway.HTTPResponse{}, err
	}
	found, err := h.store.Conversations(ctx, r.Principal, q)
	if err != nil {
		return gateway.HTTPResponse{}, err
	}
	readings, err := h.store.Readings(ctx, r.Principal, found.Conversations)
	if err != nil {
		return gateway.HTTPResponse{}, err
	}
	page := protocol.ConversationPage{
		Data: make([]protocol.Conversation, 0, len(found.Conversations)),
		Pagination: protocol.ListPage{
			Page: q.Page, Limit: q.Limit, Total: found.Total, TotalIsMore: found.TotalIsMore,
			HasMore: found.Next != "", Cursor: found.Next,
		},
	}
	for i, c := range found.Conversations {
		entry := protocol.ConversationOf(c).With(readings[i])
		if len(entry.Participants) > maxParticipants {
			entry.Participants, entry.Truncated = entry.Participants[:maxParticipants], true
		}
		page.Data = append(page.Data, entry)
	}
	return gateway.HTTPResponse{Status: http.StatusOK, Body: page}, nil
}

func listQuery(r *gateway.HTTPRequest) (chat.ConversationQuery, error) {
	in := r.Query()
	q := chat.ConversationQuery{
		Status:  chat.ConversationStatus(in.Text("status")),
		AgentID: chat.PrincipalID(in.ID("agentId")),
		UserID:  chat.PrincipalID(in.ID("userId")),
		Tag:     in.Text("tag"),
		Sort:    chat.ConversationSort(in.Text("sort")),
		Cursor:  in.Text("cursor"),
		Page:    int(in.Int("page", 0, 1, maxPage)),
		Limit:   int(in.Int("limit", defaultLimit, 1, maxLimit)),
	}
	if q.Sort == "" {
		q.Sort = chat.NewestActivity
	}
	switch {
	case q.Cursor != "" && q.Page > 0:
		in.Refuse("page", "must not be given together with cursor")
	case q.Cursor == "" && q.Page == 0:
		q.Page = 1
	}
	if !q.Sort.Valid() {
		in.Refuse("sort", "must be updatedAt, createdAt or title, with a leading - for descending")
	}
	if q.Status != "" && !q.Status.Valid() {
		in.Refuse("status", "must be active, archived or closed")
	}
	if utf8.RuneCountInString(q.Tag) > chat.MaxTag || !utf8.ValidString(q.Tag) {
		in.Refuse("tag", "must be at most %d characters", chat.MaxTag)
	}
	return q, in.Err()
}
