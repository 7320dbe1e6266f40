package handler

import (
	"context"
	"net/http"

	"aiwm-chat/shared/chat"
	"aiwm-chat/shared/gateway"
	"aiwm-chat/shared/protocol"
)

func (h *Handler) runs(ctx context.Context, r *gateway.HTTPRequest) (gateway.HTTPResponse, error) {
	id := chat.ConversationID(r.Path("id"))
	if !chat.ValidID(id) {
		return gateway.HTTPResponse{}, chat.Invalid("id", "is not a valid id")
	}
	q := r.Query()
	limit := int(q.Int("limit", defaultPage, 1, maxPage))
	before := q.Text("cursor")
	if before != "" && !chat.ValidRunID(before) {
		q.Refuse("cursor", "must be that of a page")
	}
	if err := q.Err(); err != nil {
		return gateway.HTTPResponse{}, err
	}
	if _, err := h.store.Conversation(ctx, r.Principal, id); err != nil {
		return gateway.HTTPResponse{}, err
	}
	runs, more, err := h.store.Runs(ctx, r.Principal.OrgID, id, chat.RunID(before), limit)
	if err != nil && chat.CodeOf(err) == chat.NotFound {
		err = chat.Invalid("cursor", "must be that of a page")
	}
	if err != nil {
		return gateway.HTTPResponse{}, err
	}
	page := protocol.RunPage{Data: []protocol.Run{}, Pagination: protocol.CursorPage{Limit: limit, HasMore: more}}
	for _, run := range runs {
		page.Data = append(page.Data, protocol.RunOf(run))
	}
	if more {
		page.Pagination.Cursor = string(runs[len(runs)-1].ID)
	}
	return gateway.HTTPResponse{Status: http.StatusOK, Body: page}, nil
}

func (h *Handler) run(ctx context.Context, r *gateway.HTTPRequest) (gateway.HTTPResponse, error) {
	run, err := h.runIn(ctx, r)
	if err != nil {
		return gateway.HTTPResponse{}, err
	}
	return gateway.HTTPResponse{Status: http.StatusOK, Body: protocol.RunOf(run)}, nil
}

// stop answers with the run as it is then: cancelled where nobody held it, else it ends within
// half a second. Any participant may, as often as they like. An error is the caller's, who tries
// again; what is noted in the run stays, and sweep sees it.
func (h *Handler) stop(ctx context.Context, r *gateway.HTTPRequest) (gateway.HTTPResponse, error) {
	run, err := h.runIn(ctx, r)
	if err == nil && !run.Status.Over() {
		run, err = h.stopper.Stop(ctx, run, r.Principal)
	}
	if err != nil {
		return gateway.HTTPResponse{}, err
	}
	return gateway.HTTPResponse{Status: http.StatusOK, Body: protocol.RunOf(run)}, nil
}

// nowhere is the conversation of what does not exist. It is looked for like that of
// another one: how long a refusal takes does not tell them apart.
const nowhere chat.ConversationID = "nowhere"

// runIn returns the run of the path, if the caller takes part in its conversation.
func (h *Handler) runIn(ctx context.Context, r *gateway.HTTPRequest) (chat.Run, error) {
	id := r.Path("id")
	if !chat.ValidRunID(id) {
		return chat.Run{}, chat.Invalid("id", "is not a valid id")
	}
	run, err := h.store.Run(ctx, r.Principal.OrgID, chat.RunID(id))
	if _, err = h.right(ctx, r, run.ConversationID, err, "there is no such run"); err != nil {
		return chat.Run{}, err
	}
	return run, nil
}

// right returns the conversation of something that was looked for, with an error or none, if the
// caller takes part. A refusal says no more than that there is no such thing.
func (h *Handler) right(ctx context.Context, r *gateway.HTTPRequest, id chat.ConversationID, found error, none string) (chat.Conversation, error) {
	missing := found != nil && chat.CodeOf(found) == chat.NotFound
	if found != nil && !missing {
		return chat.Conversation{}, found
	}
	if missing {
		id = nowhere
	}
	c, err := h.store.Conversation(ctx, r.Principal, id)
	if missing && err == nil || err != nil && chat.CodeOf(err) == chat.NotFound {
		return chat.Conversation{}, chat.Errorf(chat.NotFound, "%s", none)
	}
	return c, err
}

// usage is of everybody for those who may write agents, and of any other user their own.
func (h *Handler) usage(ctx context.Context, r *gateway.HTTPRequest) (gateway.HTTPResponse, error) {
	q := r.Query()
	in := chat.UsageQuery{
		OrgID: r.Principal.OrgID, From: chat.Day(q.Text("from")), To: chat.Day(q.Text("to")), GroupBy: chat.UsageGroup(q.Text("groupBy")),
	}
	var f chat.Faults
	in.Check(&f)
	if err := f.Err(); err != nil {
		for field, fault := range chat.Public(err).Details {
			q.Refuse(field, "%v", fault)
		}
	}
	if err := q.Err(); err != nil {
		return gateway.HTTPResponse{}, err
	}
	if !chat.WritesAgents(r.Roles) {
		if r.Principal.Type != chat.User {
			return gateway.HTTPResponse{}, chat.Errorf(chat.Forbidden, "only users, and who has the role %s or %s, see usage", chat.RoleAdmin, chat.RoleAgentsWrite)
		}
		in.UserID = r.Principal.ID
	}
	sums, err := h.store.UsageSums(ctx, in)
	if err != nil {
		return gateway.HTTPResponse{}, err
	}
	return gateway.HTTPResponse{Status: http.StatusOK, Body: protocol.UsageReportOf(in, sums)}, nil
}
