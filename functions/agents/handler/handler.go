// Package handler serves the REST interface of agents, of their runs, and of what they
// cost.
package handler

import (
	"context"
	"fmt"
	"net/http"
	"time"

	"aiwm-chat/shared/chat"
	"aiwm-chat/shared/gateway"
	"aiwm-chat/shared/protocol"
)

type store interface {
	webhooks
	CreateAgent(ctx context.Context, a chat.AgentProfile) (chat.AgentProfile, error)
	Agent(ctx context.Context, agent chat.Principal) (chat.AgentProfile, error)
	Agents(ctx context.Context, org chat.OrgID, after chat.PrincipalID, limit int) (agents []chat.AgentProfile, more bool, err error)
	UpdateAgent(ctx context.Context, a chat.AgentProfile, now time.Time) (chat.AgentProfile, error)
	DeleteAgent(ctx context.Context, agent chat.Principal, now time.Time) error

	Conversation(ctx context.Context, p chat.Principal, id chat.ConversationID) (chat.Conversation, error)
	Message(ctx context.Context, org chat.OrgID, id chat.MessageID) (chat.Message, error)
	Messages(ctx context.Context, id chat.ConversationID, q chat.MessageQuery) (messages []chat.Message, more bool, err error)

	QueueRun(ctx context.Context, r chat.Run) (now chat.Run, inserted bool, err error)
	Run(ctx context.Context, org chat.OrgID, id chat.RunID) (chat.Run, error)
	Runs(ctx context.Context, org chat.OrgID, id chat.ConversationID, before chat.RunID, limit int) (runs []chat.Run, more bool, err error)
	LatestRun(ctx context.Context, agent chat.Principal, question chat.MessageID) (chat.Run, bool, error)
	UsageSums(ctx context.Context, q chat.UsageQuery) ([]chat.UsageSum, error)
}

// stopper stops runs, as the action stop does.
type stopper interface {
	Stop(ctx context.Context, r chat.Run, by chat.Principal) (chat.Run, error)
}

type jobs interface {
	EnqueueRun(ctx context.Context, job protocol.RunJob) error
}

// Configured is what agents may name: each function says whether there is one of that name.
type Configured struct {
	Provider   func(name string) bool
	ToolServer func(name string) bool
	// LocalWebhooks says that webhooks may be reached without TLS.
	LocalWebhooks bool
}

// Handler handles the routes of agents.
type Handler struct {
	store      store
	stopper    stopper
	jobs       jobs
	configured Configured
}

// New returns a Handler.
func New(s store, r stopper, j jobs, c Configured) *Handler { return &Handler{s, r, j, c} }

// Routes returns the handler of each route key. What reads or writes an agent has one round trip
// to MongoDB, two where it is created. Runs have the right beside what is asked for: two round
// trips; to stop one three to six, one to SQS, and one to Redis or, where nobody holds it, those
// of its end; to regenerate an answer six or seven and one to SQS. Usage has one, and webhooks: two where one is created.
func (h *Handler) Routes() map[string]gateway.HTTPRoute {
	return map[string]gateway.HTTPRoute{
		"POST /agents":                   h.create,
		"GET /agents":                    h.list,
		"GET /agents/{id}":               h.get,
		"PUT /agents/{id}":               h.update,
		"DELETE /agents/{id}":            h.delete,
		"GET /conversations/{id}/runs":   h.runs,
		"GET /runs/{id}":                 h.run,
		"POST /runs/{id}/stop":           h.stop,
		"POST /messages/{id}/regenerate": h.regenerate,
		"GET /usage":                     h.usage,
		"POST /webhooks":                 h.createWebhook,
		"GET /webhooks":                  h.listWebhooks,
		"DELETE /webhooks/{id}":          h.deleteWebhook,
	}
}

// mayWrite refuses who may not write agents.
func mayWrite(r *gateway.HTTPRequest) error {
	if !chat.WritesAgents(r.Roles) {
		return chat.Errorf(chat.Forbidden, "only who has the role %s or %s may write agents", chat.RoleAdmin, chat.RoleAgentsWrite)
	}
	return nil
}

// create answers 201. A repeat is a conflict: the agent is there.
func (h *Handler) create(ctx context.Context, r *gateway.HTTPRequest) (gateway.HTTPResponse, error) {
	if err := mayWrite(r); err != nil {
		return gateway.HTTPResponse{}, err
	}
	in, err := gateway.Body[protocol.CreateAgent](r)
	if err != nil {
		return gateway.HTTPResponse{}, err
	}
	a := in.Agent(r.Principal)
	a.CreatedAt = time.Now()
	if err := h.check(a); err != nil {
		return gateway.HTTPResponse{}, err
	}
	if err := r.Allow(ctx, chat.UseCreation); err != nil {
		return gateway.HTTPResponse{}, err
	}
	if a, err = h.store.CreateAgent(ctx, a); err != nil {
		return gateway.HTTPResponse{}, err
	}
	return gateway.HTTPResponse{Status: http.StatusCreated, Body: protocol.AgentOf(a, true), Location: "/agents/" + string(a.ID)}, nil
}

// check refuses what is not configured, when the agent is written and not when it runs.
func (h *Handler) check(a chat.AgentProfile) error {
	if a.Managed == nil {
		return nil
	}
	var f chat.Faults
	if !h.configured.Provider(a.Managed.Provider) {
		f.Add("managed.provider", "is not the name of a provider that is configured")
	}
	for i, t := range a.Managed.Tools {
		if !h.configured.ToolServer(t.Server) {
			f.Add(fmt.Sprintf("managed.tools[%d].server", i), "is not the name of a tool server that is configured")
		}
	}
	return f.Err()
}

// The pages of lists that are read from their beginning.
const (
	defaultPage = 50
	maxPage     = 100
)

func (h *Handler) list(ctx context.Context, r *gateway.HTTPRequest) (gateway.HTTPResponse, error) {
	q := r.Query()
	limit := int(q.Int("limit", defaultPage, 1, maxPage))
	after := chat.PrincipalID(q.ID("cursor"))
	if err := q.Err(); err != nil {
		return gateway.HTTPResponse{}, err
	}
	agents, more, err := h.store.Agents(ctx, r.Principal.OrgID, after, limit)
	if err != nil {
		return gateway.HTTPResponse{}, err
	}
	page := protocol.AgentPage{Data: []protocol.Agent{}, Pagination: protocol.CursorPage{Limit: limit, HasMore: more}}
	writes := chat.WritesAgents(r.Roles)
	for _, a := range agents {
		page.Data = append(page.Data, protocol.AgentOf(a, writes))
	}
	if more {
		page.Pagination.Cursor = string(agents[len(agents)-1].ID)
	}
	return gateway.HTTPResponse{Status: http.StatusOK, Body: page}, nil
}

func (h *Handler) get(ctx context.Context, r *gateway.HTTPRequest) (gateway.HTTPResponse, error) {
	agent, err := agentIn(r)
	if err != nil {
		return gateway.HTTPResponse{}, err
	}
	a, err := h.store.Agent(ctx, agent)
	if err != nil {
		return gateway.HTTPResponse{}, err
	}
	return gateway.HTTPResponse{Status: http.StatusOK, Body: protocol.AgentOf(a, chat.WritesAgents(r.Roles))}, nil
}

func (h *Handler) update(ctx context.Context, r *gateway.HTTPRequest) (gateway.HTTPResponse, error) {
	if err := mayWrite(r); err != nil {
		return gateway.HTTPResponse{}, err
	}
	agent, err := agentIn(r)
	if err != nil {
		return gateway.HTTPResponse{}, err
	}
	in, err := gateway.Body[protocol.UpdateAgent](r)
	if err != nil {
		return gateway.HTTPResponse{}, err
	}
	a := in.Agent(agent)
	if err := h.check(a); err != nil {
		return gateway.HTTPResponse{}, err
	}
	if a, err = h.store.UpdateAgent(ctx, a, time.Now()); err != nil {
		return gateway.HTTPResponse{}, err
	}
	return gateway.HTTPResponse{Status: http.StatusOK, Body: protocol.AgentOf(a, true)}, nil
}

// delete answers 204. A run that goes on meanwhile ends as it began; none begins any more.
func (h *Handler) delete(ctx context.Context, r *gateway.HTTPRequest) (gateway.HTTPResponse, error) {
	if err := mayWrite(r); err != nil {
		return gateway.HTTPResponse{}, err
	}
	agent, err := agentIn(r)
	if err != nil {
		return gateway.HTTPResponse{}, err
	}
	return gateway.HTTPResponse{Status: http.StatusNoContent}, h.store.DeleteAgent(ctx, agent, time.Now())
}

// agentIn is the agent of the path, in the caller's organisation.
func agentIn(r *gateway.HTTPRequest) (chat.Principal, error) {
	id := chat.PrincipalID(r.Path("id"))
	if !chat.ValidID(id) {
		return chat.Principal{}, chat.Invalid("id", "is not a valid id")
	}
	return chat.Principal{Type: chat.Agent, ID: id, OrgID: r.Principal.OrgID}, nil
}
