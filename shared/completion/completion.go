// Package completion asks language models: any service with OpenAI's chat
// completions, whole answers or streams. It is the one place that knows how these
// services differ, and how they fail.
package completion

import (
	"context"
	"encoding/json"
	"net/http"
	"time"

	"aiwm-chat/shared/chat"
)

// Limits of an answer. What is beyond them is not held.
const (
	MaxContent   = 256 << 10 // bytes; what is longer is cut, with an error of the kind TooLarge
	MaxThinking  = 128 << 10 // bytes; what is longer is cut, and the answer goes on
	MaxArguments = 64 << 10  // bytes of the arguments of all calls together; more is TooLarge
	MaxToolCalls = chat.MaxTools
)

// The roles of messages.
const (
	RoleSystem    = "system"
	RoleUser      = "user"
	RoleAssistant = "assistant"
	RoleTool      = "tool"
)

// Options says which service is asked, and how. BaseURL is required.
type Options struct {
	BaseURL string // such as https://api.openai.com/v1
	Key     string // may be empty, where the service wants none
	// Renew gives another key than the one that was refused, if there is one: the
	// question is asked once more then. config.Renewal's Renew is such a function.
	// Nil: the key does not change.
	Renew    func(ctx context.Context, refused string) (key string, changed bool)
	Settings Settings
	// Timeout is how long one request may take, its answer included; 0 leaves it to
	// the caller's context.
	Timeout time.Duration
	// Silence is how long a stream may have nothing to say, from the question on;
	// 0 leaves it to the caller's context.
	Silence   time.Duration
	Transport http.RoundTripper // nil: http.DefaultTransport
}

// Settings is in what a service differs from others. The zero value follows the
// names of hosts and models, which is right for OpenAI, Azure, and most others.
type Settings struct {
	Limit         Limit // the name by which it knows MaxOutputTokens
	NoTemperature bool  // it allows none: Request.Temperature is left out
}

// A Limit is the name of the bound of an answer.
type Limit string

// The names. OpenAI no longer takes the old one, others do not know the new one.
const (
	ByModel             Limit = "" // the new one at OpenAI and Azure, and for OpenAI's models that think anywhere
	MaxTokens           Limit = "max_tokens"
	MaxCompletionTokens Limit = "max_completion_tokens"
)

// A Request is a question to a model. What is zero is not sent, and the service's
// own default counts.
type Request struct {
	Model           string
	Messages        []Message
	Tools           []Tool
	Temperature     *float32
	ReasoningEffort string // low, medium, high …, as the model knows them
	MaxOutputTokens int    // with what it thinks
}

// A Message is one of a conversation, as models see it.
type Message struct {
	Role       string
	Name       string // of who says it; sent as Name makes it, and left out where nothing remains
	Content    string
	ToolCalls  []ToolCall // an assistant's
	ToolCallID string     // a tool's: of the call that this answers
}

// A ToolCall is what a model wants done.
type ToolCall struct {
	ID        string // the service's own, other than those of the answer's other calls; many services repeat it in the next answer
	Name      string
	Arguments string // as they came: they may be no JSON
}

// A Tool is a tool that the model may call.
type Tool struct {
	Name, Description string
	Schema            json.RawMessage // JSON Schema of the arguments, an object; empty: it takes none
}

// A Piece is what has newly come of an answer. One of the two is empty.
type Piece struct{ Content, Thinking string }

// An Answer is what a model said, as far as it came.
type Answer struct {
	Content   string // without control characters and others that nobody sees
	Thinking  string
	ToolCalls []ToolCall
	Usage     chat.Usage // zero where the service did not tell
	Finish    string     // why it ends, in the service's word: stop, length, tool_calls …; empty where it did not end
}
