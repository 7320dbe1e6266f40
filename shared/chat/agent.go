package chat

import (
	"slices"
	"strings"
	"time"
)

// An AgentProfile is what is kept of an agent of an organisation. Managed is set of one
// that the backend itself answers for; any other is a program that connects.
type AgentProfile struct {
	OrgID       OrgID
	ID          PrincipalID
	Name        string // for people
	Description string
	Managed     *Managed // nil: nobody here answers for it
	Version     int64    // of what somebody set: greater with each change, also after a deletion
	CreatedBy   PrincipalID
	CreatedAt   time.Time
	UpdatedAt   time.Time

	Online             bool // as an agent that connects; who is managed need not
	LastConnectedAt    time.Time
	LastDisconnectedAt time.Time
}

// Principal is the agent as the sender of messages.
func (a *AgentProfile) Principal() Principal {
	return Principal{Type: Agent, ID: a.ID, OrgID: a.OrgID}
}

// Roles that a token may carry to write agents and to see the usage of everybody.
const (
	RoleAdmin       = "admin"
	RoleAgentsWrite = "agents:write"
)

// WritesAgents reports whether roles allow to create, change and delete agents.
func WritesAgents(roles []string) bool {
	return slices.Contains(roles, RoleAdmin) || slices.Contains(roles, RoleAgentsWrite)
}

// Managed says how the backend answers for an agent. WithDefaults fills in what was
// left out, Check says what is wrong with it.
type Managed struct {
	Instructions    string // with the variables of Expand
	Provider        string // a name of the configuration, never a URL
	Model           string
	Temperature     *float64 // sent only where set, as ReasoningEffort
	ReasoningEffort string
	MaxOutputTokens int
	History         History
	Tools           []ToolSelection
	MaxSteps        int
	MaxSeconds      int // of one run, what it waits for approval not counted
	ApprovalSeconds int // how long a call waits for approval
	Respond         RespondPolicy
	Busy            BusyPolicy
	Budget          Budget
}

// History is how much of a conversation the model is shown.
type History struct {
	Messages int
	Tokens   int
	Summary  bool // the conversation's summary stands for what it covers
}

// A Budget bounds the tokens of an agent; 0 is no bound.
type Budget struct {
	TokensPerConversation int64
	TokensPerDay          int64
}

// Spent reports whether a bound is reached: the model is not asked then.
func (b Budget) Spent(inConversation, today int64) bool {
	return b.TokensPerConversation > 0 && inConversation >= b.TokensPerConversation ||
		b.TokensPerDay > 0 && today >= b.TokensPerDay
}

// RespondPolicy says which messages call an agent.
type RespondPolicy string

// The policies: each message of a user, those that mention it, none.
const (
	RespondAlways  RespondPolicy = "always"
	RespondMention RespondPolicy = "mention"
	RespondNever   RespondPolicy = "never"
)

// BusyPolicy says what a message does that calls an agent while it is busy in the
// conversation.
type BusyPolicy string

// The policies: it waits its turn, it stops what is going on, it is not answered.
const (
	BusyEnqueue   BusyPolicy = "enqueue"
	BusyInterrupt BusyPolicy = "interrupt"
	BusyReject    BusyPolicy = "reject"
)

// Limits and defaults of a managed agent.
const (
	MaxAgentName           = 200 // characters
	MaxAgentDescription    = 2000
	MaxInstructions        = 16 << 10 // bytes
	MaxModelName           = 128      // characters
	MaxOutputTokens        = 128_000
	MaxHistoryMessages     = 200
	MaxHistoryTokens       = 1_000_000
	MaxStepsCap            = 25
	MaxRunSeconds          = 3600
	MaxApprovalSeconds     = 7 * 24 * 3600
	DefaultOutputTokens    = 1024
	DefaultHistoryMessages = 30
	DefaultHistoryTokens   = 8000
	DefaultSteps           = 10
	DefaultRunSeconds      = 300
	DefaultApprovalSeconds = 24 * 3600
)

// maxProvider is the longest name of a provider, in bytes.
const maxProvider = 64

// efforts are what providers know of reasoningEffort.
var efforts = []string{"", "none", "minimal", "low", "medium", "high", "xhigh"}

// WithDefaults returns m with what was left out. Of History.Summary nothing can be told:
// who decodes m knows.
func (m Managed) WithDefaults() Managed {
	or := func(n *int, otherwise int) {
		if *n == 0 {
			*n = otherwise
		}
	}
	or(&m.MaxOutputTokens, DefaultOutputTokens)
	or(&m.History.Messages, DefaultHistoryMessages)
	or(&m.History.Tokens, DefaultHistoryTokens)
	or(&m.MaxSteps, DefaultSteps)
	or(&m.MaxSeconds, DefaultRunSeconds)
	or(&m.ApprovalSeconds, DefaultApprovalSeconds)
	if m.Respond == "" {
		m.Respond = RespondAlways
	}
	if m.Busy == "" {
		m.Busy = BusyEnqueue
	}
	return m
}

// Check notes what is wrong with m, each under the name of its field. Whether the
// provider and the servers of the tools are configured is asked where they are known.
func (m *Managed) Check(f *Faults) {
	m.checkModel(f)
	between(f, "history.messages", m.History.Messages, 1, MaxHistoryMessages)
	between(f, "history.tokens", m.History.Tokens, 1, MaxHistoryTokens)
	between(f, "maxSteps", m.MaxSteps, 1, MaxStepsCap)
	between(f, "maxSeconds", m.MaxSeconds, 1, MaxRunSeconds)
	between(f, "approvalSeconds", m.ApprovalSeconds, 1, MaxApprovalSeconds)
	if !slices.Contains([]RespondPolicy{RespondAlways, RespondMention, RespondNever}, m.Respond) {
		f.Add("respond", "must be always, mention or never")
	}
	if !slices.Contains([]BusyPolicy{BusyEnqueue, BusyInterrupt, BusyReject}, m.Busy) {
		f.Add("busy", "must be enqueue, interrupt or reject")
	}
	between(f, "budget.tokensPerConversation", m.Budget.TokensPerConversation, 0, MaxTokens)
	between(f, "budget.tokensPerDay", m.Budget.TokensPerDay, 0, MaxTokens)
	CheckTools(f, m.Tools)
}

func (m *Managed) checkModel(f *Faults) {
	if len(m.Instructions) > MaxInstructions {
		f.Add("instructions", "must be at most %d bytes", MaxInstructions)
	}
	checkVariables(f, "instructions", m.Instructions)
	if !ValidProvider(m.Provider) {
		f.Add("provider", "must be the name of a provider that is configured")
	}
	if strings.TrimSpace(m.Model) == "" {
		f.Add("model", "is required")
	}
	checkText(f, "model", m.Model, MaxModelName)
	if t := m.Temperature; t != nil && !(*t >= 0 && *t <= 2) {
		f.Add("temperature", "must be a number from 0 to 2")
	}
	if !slices.Contains(efforts, m.ReasoningEffort) {
		f.Add("reasoningEffort", "must be none, minimal, low, medium, high or xhigh")
	}
	between(f, "maxOutputTokens", m.MaxOutputTokens, 1, MaxOutputTokens)
}

// between notes a number that is out of its bounds.
func between[T int | int64](f *Faults, field string, n, least, most T) {
	if n < least || n > most {
		f.Add(field, "must be a whole number from %d to %d", least, most)
	}
}

// Check notes what is wrong with the profile as somebody wants it.
func (a *AgentProfile) Check(f *Faults) {
	CheckID(f, "agentId", a.ID)
	checkText(f, "name", a.Name, MaxAgentName)
	if strings.TrimSpace(a.Name) == "" {
		f.Add("name", "is required")
	}
	checkText(f, "description", a.Description, MaxAgentDescription)
	if a.Managed != nil {
		var in Faults
		a.Managed.Check(&in)
		f.within("managed", in)
	}
}

// ValidProvider reports whether s may be the name of a provider in the configuration.
func ValidProvider(s string) bool { return len(s) <= maxProvider && madeOf(s, "_-") }
