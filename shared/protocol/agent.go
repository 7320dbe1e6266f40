package protocol

import (
	"aiwm-chat/shared/chat"
)

// CreateAgent is the body of POST /agents.
type CreateAgent struct {
	AgentID     chat.PrincipalID `json:"agentId"`              // by which conversations and tokens name it
	Name        string           `json:"name"`                 // what people call it
	Description string           `json:"description,omitzero"` // what it is for
	Managed     *Managed         `json:"managed,omitzero"`     // how the backend answers for it; a program that connects has none
}

// UpdateAgent is the body of PUT /agents/{id}: all that it is to be.
type UpdateAgent struct {
	Version     int64    `json:"version"`              // of what was read: with another one it is a conflict
	Name        string   `json:"name"`                 // what people call it
	Description string   `json:"description,omitzero"` // what it is for
	Managed     *Managed `json:"managed,omitzero"`     // how the backend answers for it; without it nobody here does
}

// Managed says how the backend answers for an agent. What is left out is the default.
type Managed struct {
	Instructions    string             `json:"instructions,omitzero"`    // for the model, with {{user.name}}, {{user.id}}, {{conversation.title}} and {{now}}
	Provider        string             `json:"provider"`                 // a name that the operator has configured
	Model           string             `json:"model"`                    // as the provider calls it
	Temperature     *float64           `json:"temperature,omitzero"`     // from 0 to 2; the model's own
	ReasoningEffort string             `json:"reasoningEffort,omitzero"` // none, minimal, low, medium, high or xhigh; the model's own
	MaxOutputTokens int                `json:"maxOutputTokens,omitzero"` // of one answer of the model; 1024
	History         *AgentHistory      `json:"history,omitzero"`         // what the model is shown of the conversation
	Tools           []ToolSelection    `json:"tools,omitzero"`           // which it may use; none
	MaxSteps        int                `json:"maxSteps,omitzero"`        // of one run, at most 25; 10
	MaxSeconds      int                `json:"maxSeconds,omitzero"`      // of one run, without what it waits; 300
	ApprovalSeconds int                `json:"approvalSeconds,omitzero"` // how long a call waits for approval, at most 7 days; one day
	Respond         chat.RespondPolicy `json:"respond,omitzero"`         // always, mention (the message mentions it) or never; always
	Busy            chat.BusyPolicy    `json:"busy,omitzero"`            // what one more question does: enqueue, interrupt or reject; enqueue
	Budget          *Budget            `json:"budget,omitzero"`          // what it may cost; no bound
}

// AgentHistory is how much of a conversation the model is shown, newest first.
type AgentHistory struct {
	Messages int   `json:"messages,omitzero"` // at most; 30
	Tokens   int   `json:"tokens,omitzero"`   // at most, about; 8000
	Summary  *bool `json:"summary,omitzero"`  // contextSummary stands for what it covers; true
}

// ToolSelection says which tools of a server an agent may use: names, in which * stands for any
// characters and ? for one. What nothing names is denied.
type ToolSelection struct {
	Server string   `json:"server"`         // a name that the operator has configured
	Allow  []string `json:"allow,omitzero"` // are called
	Ask    []string `json:"ask,omitzero"`   // are called when a user has approved; wins over allow
	Deny   []string `json:"deny,omitzero"`  // wins over both
}

// Budget bounds the tokens of an agent; what is left out is not bounded.
type Budget struct {
	TokensPerConversation int64 `json:"tokensPerConversation,omitzero"` // of all that is said there
	TokensPerDay          int64 `json:"tokensPerDay,omitzero"`          // of all its runs of a day of UTC
}

// Agent is an agent as people of its organisation see it.
type Agent struct {
	AgentID     chat.PrincipalID   `json:"agentId"`
	OrgID       chat.OrgID         `json:"orgId"`
	Name        string             `json:"name"`               // what people call it; empty of one that only connected
	Description string             `json:"description"`        // what it is for
	IsManaged   bool               `json:"isManaged"`          // the backend answers for it
	Respond     chat.RespondPolicy `json:"respond,omitzero"`   // of a managed one: which messages call it
	Online      bool               `json:"online"`             // it is connected, or managed
	LastSeen    string             `json:"lastSeen,omitzero"`  // when it came or went last
	Version     int64              `json:"version"`            // for PUT; 0: nobody created it
	CreatedAt   string             `json:"createdAt,omitzero"` // when it was created
	UpdatedAt   string             `json:"updatedAt,omitzero"` // when it was changed
	CreatedBy   chat.PrincipalID   `json:"createdBy,omitzero"` // by whom
	Managed     *Managed           `json:"managed,omitzero"`   // for those who may write agents: with all defaults
}

// AgentPage is the body of GET /agents, in the order of their ids.
type AgentPage struct {
	Data       []Agent    `json:"data"` // in the order of their ids
	Pagination CursorPage `json:"pagination"`
}

// CursorPage is the pagination of a list that is read from its beginning.
type CursorPage struct {
	Limit   int    `json:"limit"`           // the most entries of a page
	HasMore bool   `json:"hasMore"`         // another page follows
	Cursor  string `json:"cursor,omitzero"` // of the page that follows
}

// Agent returns what is asked for, with its defaults, by somebody of an organisation.
func (c CreateAgent) Agent(by chat.Principal) chat.AgentProfile {
	return chat.AgentProfile{OrgID: by.OrgID, ID: c.AgentID, Name: c.Name, Description: c.Description, Managed: c.Managed.chat(), CreatedBy: by.ID}
}

// Check reports what is wrong with the fields.
func (c CreateAgent) Check() error {
	var f chat.Faults
	a := c.Agent(chat.Principal{})
	a.Check(&f)
	return f.Err()
}

// Agent returns what an agent is to be, with its defaults.
func (u UpdateAgent) Agent(agent chat.Principal) chat.AgentProfile {
	return chat.AgentProfile{
		OrgID: agent.OrgID, ID: agent.ID, Name: u.Name, Description: u.Description, Managed: u.Managed.chat(), Version: u.Version,
	}
}

// Check reports what is wrong with the fields.
func (u UpdateAgent) Check() error {
	var f chat.Faults
	if u.Version < 1 {
		f.Add("version", "must be the version that was read")
	}
	a := u.Agent(chat.Principal{ID: "a"})
	a.Check(&f)
	return f.Err()
}

func (m *Managed) chat() *chat.Managed {
	if m == nil {
		return nil
	}
	out := chat.Managed{
		Instructions: m.Instructions, Provider: m.Provider, Model: m.Model, Temperature: m.Temperature, ReasoningEffort: m.ReasoningEffort,
		MaxOutputTokens: m.MaxOutputTokens, History: chat.History{Summary: true}, MaxSteps: m.MaxSteps, MaxSeconds: m.MaxSeconds,
		ApprovalSeconds: m.ApprovalSeconds, Respond: m.Respond, Busy: m.Busy,
	}
	if h := m.History; h != nil {
		out.History = chat.History{Messages: h.Messages, Tokens: h.Tokens, Summary: h.Summary == nil || *h.Summary}
	}
	for _, t := range m.Tools {
		out.Tools = append(out.Tools, chat.ToolSelection(t))
	}
	if b := m.Budget; b != nil {
		out.Budget = chat.Budget(*b)
	}
	out = out.WithDefaults()
	return &out
}

func managedOf(m *chat.Managed) *Managed {
	if m == nil {
		return nil
	}
	out := &Managed{
		Instructions: m.Instructions, Provider: m.Provider, Model: m.Model, Temperature: m.Temperature, ReasoningEffort: m.ReasoningEffort,
		MaxOutputTokens: m.MaxOutputTokens, History: &AgentHistory{Messages: m.History.Messages, Tokens: m.History.Tokens, Summary: &m.History.Summary},
		MaxSteps: m.MaxSteps, MaxSeconds: m.MaxSeconds, ApprovalSeconds: m.ApprovalSeconds, Respond: m.Respond, Busy: m.Busy,
	}
	for _, t := range m.Tools {
		out.Tools = append(out.Tools, ToolSelection(t))
	}
	if m.Budget != (chat.Budget{}) {
		b := Budget(m.Budget)
		out.Budget = &b
	}
	return out
}

// AgentOf returns a as people see it, and all of it where they may write agents: what it is told is
// nobody else's business.
func AgentOf(a chat.AgentProfile, writes bool) Agent {
	out := Agent{
		AgentID: a.ID, OrgID: a.OrgID, Name: a.Name, Description: a.Description, IsManaged: a.Managed != nil, Online: a.Online || a.Managed != nil,
		Version: a.Version, CreatedBy: a.CreatedBy, CreatedAt: stampOrNone(a.CreatedAt), UpdatedAt: stampOrNone(a.UpdatedAt),
		LastSeen: stampOrNone(later(a.LastConnectedAt, a.LastDisconnectedAt)),
	}
	if a.Managed != nil {
		out.Respond = a.Managed.Respond
	}
	if writes {
		out.Managed = managedOf(a.Managed)
	}
	return out
}
