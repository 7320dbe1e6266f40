// Package handler finds messages by what they say, in conversations of the caller.
package handler

import (
	"context"
	"net/http"
	"time"
	"unicode/utf8"

	"aiwm-chat/shared/chat"
	"aiwm-chat/shared/gateway"
	"aiwm-chat/shared/protocol"
	"aiwm-chat/shared/terms"
)

type store interface {
	Conversation(ctx context.Context, p chat.Principal, id chat.ConversationID) (chat.Conversation, error)
	Latest(ctx context.Context, p chat.Principal, agent chat.PrincipalID, limit int) (ids []chat.ConversationID, more bool, err error)
	Search(ctx context.Context, q chat.SearchQuery) (chat.CandidatePage, error)
	Found(ctx context.Context, candidates []chat.Candidate) ([]chat.Message, error)
}

// Handler handles search.
type Handler struct{ store store }

// New returns a Handler.
func New(s store) *Handler { return &Handler{s} }

// Routes returns the handler of the one route. Three or four round trips to MongoDB: which
// conversations the caller may read, what was found, with more than one condition how far one
// looks, and the messages as they are now. Where the words seldom come together it is two or
// three more to find that out.
func (h *Handler) Routes() map[string]gateway.HTTPRoute {
	return map[string]gateway.HTTPRoute{"GET /search": h.search}
}

// The pages of a search.
const (
	defaultLimit = 20
	maxLimit     = 50
)

// search answers a page of what is found. Whose conversations they are is looked at for each
// page; and a message is shown only if it says now what was looked for: what the index of
// terms knows may be late.
func (h *Handler) search(ctx context.Context, r *gateway.HTTPRequest) (gateway.HTTPResponse, error) {
	words, id, agent, q, err := searchQuery(r)
	if err != nil {
		return gateway.HTTPResponse{}, err
	}
	if err := r.Allow(ctx, chat.UseSearch); err != nil {
		return gateway.HTTPResponse{}, err
	}
	page := protocol.SearchPage{Data: []protocol.Hit{}, Pagination: protocol.SearchCursor{Limit: q.Limit}}
	if id != "" {
		if _, err := h.store.Conversation(ctx, r.Principal, id); err != nil {
			return gateway.HTTPResponse{}, err
		}
		q.Conversations = []chat.ConversationID{id}
	} else if q.Conversations, page.LatestOnly, err = h.store.Latest(ctx, r.Principal, agent, chat.MaxSearched); err != nil {
		return gateway.HTTPResponse{}, err
	}
	found, err := h.store.Search(ctx, q)
	if err != nil {
		return gateway.HTTPResponse{}, err
	}
	messages, err := h.store.Found(ctx, found.Candidates)
	if err != nil {
		return gateway.HTTPResponse{}, err
	}
	for _, m := range messages {
		if ranges, says := words.Find(m.Content); says {
			page.Data = append(page.Data, protocol.HitOf(m, ranges))
		}
	}
	page.Bounded = found.Bounded
	if page.Pagination.HasMore = found.More; found.More {
		page.Pagination.Cursor = found.Next.String()
	}
	return gateway.HTTPResponse{Status: http.StatusOK, Body: page}, nil
}

func searchQuery(r *gateway.HTTPRequest) (words terms.Query, id chat.ConversationID, agent chat.PrincipalID, q chat.SearchQuery, err error) {
	in := r.Query()
	text := in.Text("q")
	switch words = terms.Parse(text); {
	case utf8.RuneCountInString(text) > terms.MaxQuery:
		in.Refuse("q", "must be at most %d characters", terms.MaxQuery)
	case words.None():
		in.Refuse("q", "must have a word")
	}
	id, agent = chat.ConversationID(in.ID("conversationId")), chat.PrincipalID(in.ID("agentId"))
	if id != "" && agent != "" {
		in.Refuse("agentId", "must not be given together with conversationId")
	}
	q = chat.SearchQuery{
		Whole: words.Whole(), Begins: words.Begins(), Role: chat.Role(in.Text("role")),
		From: instant(in, "from"), To: instant(in, "to"), Limit: int(in.Int("limit", defaultLimit, 1, maxLimit)),
	}
	if q.Role != "" && !q.Role.Valid() {
		in.Refuse("role", "must be user, agent, tool or system")
	}
	if !q.From.IsZero() && !q.To.IsZero() && !q.From.Before(q.To) {
		in.Refuse("to", "must be after from")
	}
	if s := in.Text("cursor"); s != "" {
		if q.After, err = chat.ParseSearchCursor(s); err != nil {
			in.Refuse("cursor", "%v", err)
		}
	}
	return words, id, agent, q, in.Err()
}

// instant reads a time, or a day of UTC: its beginning.
func instant(in *gateway.Query, name string) time.Time {
	s := in.Text(name)
	if s == "" {
		return time.Time{}
	}
	for _, layout := range []string{time.RFC3339, time.DateOnly} {
		if t, err := time.Parse(layout, s); err == nil {
			return t.UTC()
		}
	}
	in.Refuse(name, "must be a time such as 2026-11-29T07:00:00Z, or a day of UTC such as 2026-11-29")
	return time.Time{}
}
