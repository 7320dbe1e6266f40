package mongostore

import (
	"time"

	"aiwm-chat/shared/chat"
)

// profileDoc is a document of agents as far as it is a chat.AgentProfile. registered is true of
// one that somebody created; any other agent connected once, and that is all that is known.
type profileDoc struct {
	OrgID              chat.OrgID       `bson:"orgId"`
	AgentID            chat.PrincipalID `bson:"agentId"`
	Name               string           `bson:"name"`
	Description        string           `bson:"description"`
	Managed            *managedDoc      `bson:"managed"`
	Version            int64            `bson:"version"`
	CreatedBy          chat.PrincipalID `bson:"createdBy"`
	CreatedAt          *time.Time       `bson:"createdAt"`
	UpdatedAt          *time.Time       `bson:"updatedAt"`
	Status             string           `bson:"status"`
	LastConnectedAt    *time.Time       `bson:"lastConnectedAt"`
	LastDisconnectedAt *time.Time       `bson:"lastDisconnectedAt"`
}

type managedDoc struct {
	Instructions    string             `bson:"instructions"`
	Provider        string             `bson:"provider"`
	Model           string             `bson:"model"`
	Temperature     *float64           `bson:"temperature,omitempty"`
	ReasoningEffort string             `bson:"reasoningEffort,omitempty"`
	MaxOutputTokens int                `bson:"maxOutputTokens"`
	History         historyDoc         `bson:"history"`
	Tools           []toolSelectionDoc `bson:"tools,omitempty"`
	MaxSteps        int                `bson:"maxSteps"`
	MaxSeconds      int                `bson:"maxSeconds"`
	ApprovalSeconds int                `bson:"approvalSeconds"`
	Respond         chat.RespondPolicy `bson:"respond"`
	Busy            chat.BusyPolicy    `bson:"busy"`
	Budget          budgetDoc          `bson:"budget"`
}

type historyDoc struct {
	Messages int  `bson:"messages"`
	Tokens   int  `bson:"tokens"`
	Summary  bool `bson:"summary"`
}

type toolSelectionDoc struct {
	Server string   `bson:"server"`
	Allow  []string `bson:"allow,omitempty"`
	Ask    []string `bson:"ask,omitempty"`
	Deny   []string `bson:"deny,omitempty"`
}

type budgetDoc struct {
	TokensPerConversation int64 `bson:"tokensPerConversation,omitempty"`
	TokensPerDay          int64 `bson:"tokensPerDay,omitempty"`
}

func newManagedDoc(m *chat.Managed) *managedDoc {
	if m == nil {
		return nil
	}
	d := &managedDoc{
		Instructions: m.Instructions, Provider: m.Provider, Model: m.Model, Temperature: m.Temperature,
		ReasoningEffort: m.ReasoningEffort, MaxOutputTokens: m.MaxOutputTokens, History: historyDoc(m.History), MaxSteps: m.MaxSteps,
		MaxSeconds: m.MaxSeconds, ApprovalSeconds: m.ApprovalSeconds, Respond: m.Respond, Busy: m.Busy, Budget: budgetDoc(m.Budget),
	}
	for _, t := range m.Tools {
		d.Tools = append(d.Tools, toolSelectionDoc(t))
	}
	return d
}

func (d *managedDoc) managed() *chat.Managed {
	if d == nil {
		return nil
	}
	m := &chat.Managed{
		Instructions: d.Instructions, Provider: d.Provider, Model: d.Model, Temperature: d.Temperature,
		ReasoningEffort: d.ReasoningEffort, MaxOutputTokens: d.MaxOutputTokens, History: chat.History(d.History), MaxSteps: d.MaxSteps,
		MaxSeconds: d.MaxSeconds, ApprovalSeconds: d.ApprovalSeconds, Respond: d.Respond, Busy: d.Busy, Budget: chat.Budget(d.Budget),
	}
	for _, t := range d.Tools {
		m.Tools = append(m.Tools, chat.ToolSelection(t))
	}
	return m
}

func (d *profileDoc) profile() chat.AgentProfile {
	return chat.AgentProfile{
		OrgID: d.OrgID, ID: d.AgentID, Name: d.Name, Description: d.Description, Managed: d.Managed.managed(), Version: d.Version,
		CreatedBy: d.CreatedBy, CreatedAt: orZero(d.CreatedAt), UpdatedAt: orZero(d.UpdatedAt), Online: d.Status == "online",
		LastConnectedAt: orZero(d.LastConnectedAt), LastDisconnectedAt: orZero(d.LastDisconnectedAt),
	}
}
