package chat

import (
	"encoding/json"
	"slices"
	"strings"
	"time"
	"unicode/utf8"
)

// A Role is the part a message plays in the dialogue with a model.
type Role string

// A user sends RoleUser; an agent sends the other three.
const (
	RoleUser   Role = "user"
	RoleAgent  Role = "agent"
	RoleTool   Role = "tool"
	RoleSystem Role = "system"
)

// Valid reports whether r is one of the four.
func (r Role) Valid() bool {
	return r == RoleUser || r == RoleAgent || r == RoleTool || r == RoleSystem
}

// A MessageType is what a message consists of.
type MessageType string

// A user sends TypeText; an agent sends any.
const (
	TypeText       MessageType = "text"
	TypeThinking   MessageType = "thinking"
	TypeToolCall   MessageType = "tool_call"
	TypeToolResult MessageType = "tool_result"
	TypeError      MessageType = "error"
	TypeSystem     MessageType = "system"
)

// Valid reports whether t is one of the six.
func (t MessageType) Valid() bool {
	return slices.Contains([]MessageType{TypeText, TypeThinking, TypeToolCall, TypeToolResult, TypeError, TypeSystem}, t)
}

// A MessageStatus is how far a message has come. Only what is stored has one,
// so it starts as StatusSent.
type MessageStatus string

// The states of a message.
const (
	StatusSending   MessageStatus = "sending"
	StatusSent      MessageStatus = "sent"
	StatusDelivered MessageStatus = "delivered"
	StatusFailed    MessageStatus = "failed"
	StatusCancelled MessageStatus = "cancelled" // its stream was stopped
)

// Limits of a message.
const (
	MaxContentFrame   = 24 << 10  // bytes of content over WebSocket: a frame ends at 32 KB
	MaxContentREST    = 64 << 10  // bytes of content over REST
	MaxContentStream  = 256 << 10 // bytes of content that was appended to a stream
	MaxMessageName    = 128       // characters
	MaxAttachments    = 10
	MaxThinking       = 32 << 10  // bytes
	MaxThinkingStream = 128 << 10 // bytes of thinking that was appended to a stream
	MaxTools          = 32        // tool calls, and tool results, of one message
	MaxToolsBytes     = 64 << 10  // JSON of all tool calls, and of all tool results
	MaxMessageError   = 2000      // characters
	MaxTokens         = 1 << 40   // of one usage field
	previewCharacters = 100
)

// Thinking is an agent's reasoning, shown or not.
type Thinking struct {
	Content  string
	Visible  bool
	Duration time.Duration // millisecond precision
}

// Usage is what a model's answer cost, in tokens.
type Usage struct {
	PromptTokens     int64
	CompletionTokens int64
	TotalTokens      int64
}

// A Draft is all that the sender of a message may set.
type Draft struct {
	Content     string
	Role        Role        // default: the sender's own
	Type        MessageType // default: text
	Name        string
	ParentID    MessageID
	Attachments []Attachment
	Mentions    []Mention
	Voice       *Voice            // its one attachment is speech
	Thinking    *Thinking         // an agent's only, as all below
	ToolCalls   []json.RawMessage // JSON objects, kept as they came
	ToolResults []json.RawMessage
	Usage       *Usage
	Latency     time.Duration // millisecond precision; 0: not given
	Error       string
	// Approval is of a tool_call that waits, or of what decides it. No client sends one.
	Approval *Approval
	// Unfinished is what came of an answer that was broken off: it may be nothing.
	Unfinished bool
}

// A Message is one entry of a conversation's log. Seq is contiguous from 1.
type Message struct {
	Draft
	ID              MessageID
	ConversationID  ConversationID
	Seq             int64
	RunningTokens   int64 // tokens of the log up to and with this message
	Sender          Principal
	Status          MessageStatus
	ClientMessageID ClientMessageID
	Fingerprint     string // of the draft: tells a repeat from a conflict
	CreatedAt       time.Time
	UpdatedAt       time.Time
	Deleted         bool // its content is gone from every read; its seq stays
	Streamed        bool // it was written as a stream, whose id is ClientMessageID
	Due             *Due // nil: all that follows from it is done
	// What changes of it after that. Of what it says, and of its reactions, the larger
	// version is the newer.
	Version         int64
	ReactionVersion int64
	Reactions       []Reaction // in the order in which they came
	Edits           int64      // how often its author has changed what it says
	EditedAt        time.Time  // zero: never
	ChangedAt       time.Time  // by the database's clock, when anything of it did last; zero: never
	DeletedBy       *Principal // who deleted it, where that is not its sender
	ThreadID        MessageID  // the root of what it answers; "" where it answers nothing
	Replies         Replies    // of a root: what is in its thread
	Uploads         []UploadID // all that ever were among its attachments, also where it is deleted
}

// LastChange is when m came to be as it is.
func (m *Message) LastChange() time.Time {
	if m.ChangedAt.After(m.CreatedAt) {
		return m.ChangedAt
	}
	return m.CreatedAt
}

// Head is the end of a conversation's log.
type Head struct {
	Seq           int64
	RunningTokens int64
}

// NewMessage returns the message that sender adds to a conversation, or what
// is wrong with the draft. maxContent is MaxContentFrame, MaxContentREST or MaxContentStream.
// The store gives it its id, seq and running tokens.
func NewMessage(to ConversationID, sender Principal, id ClientMessageID, d Draft, maxContent int, now time.Time) (Message, error) {
	if d.Role == "" {
		d.Role = RoleUser
		if sender.Type == Agent {
			d.Role = RoleAgent
		}
	}
	if d.Type == "" {
		d.Type = TypeText
	}
	var f Faults
	CheckID(&f, "conversationId", to)
	CheckID(&f, "clientMessageId", id)
	d.check(&f, sender.Type, maxContent)
	if err := f.Err(); err != nil {
		return Message{}, err
	}
	return Message{
		Draft: d, ConversationID: to, Sender: sender, Status: StatusSent,
		ClientMessageID: id, Fingerprint: d.fingerprint(), CreatedAt: now, UpdatedAt: now,
	}, nil
}

// Tokens is what the message adds to the conversation's total.
func (m *Message) Tokens() int64 {
	if m.Usage == nil {
		return 0
	}
	return m.Usage.TotalTokens
}

// Last returns the message in short, for the conversation it ends.
func (m *Message) Last() LastMessage {
	return LastMessage{Seq: m.Seq, Content: Preview(m.Content), Role: m.Role, CreatedAt: m.CreatedAt}
}

// Preview returns the first 100 characters of s.
func Preview(s string) string {
	n := 0
	for i := range s {
		if n == previewCharacters {
			return s[:i]
		}
		n++
	}
	return s
}

func (d *Draft) check(f *Faults, sender PrincipalType, maxContent int) {
	d.checkRights(f, sender)
	if strings.TrimSpace(d.Content) == "" && !d.hasParts() && !d.Unfinished {
		f.Add("content", "is required")
	}
	d.CheckParts(f, maxContent)
	mayMention(f, d.Mentions, sender)
}

// CheckParts notes what is too large or not well formed, whoever says it. It is all there
// is to check of what was stored elsewhere before.
func (d *Draft) CheckParts(f *Faults, maxContent int) {
	if len(d.Content) > maxContent {
		f.Add("content", "must be at most %d bytes", maxContent)
	}
	checkText(f, "name", d.Name, MaxMessageName)
	if d.ParentID != "" {
		CheckID(f, "parentId", d.ParentID)
	}
	checkAttachments(f, d.Attachments)
	checkMentions(f, d.Mentions)
	d.Voice.check(f, d.Attachments)
	if most := maxThinking(maxContent); d.Thinking != nil && (len(d.Thinking.Content) > most || d.Thinking.Duration < 0) {
		f.Add("thinking", "must be at most %d bytes and its duration not negative", most)
	}
	checkTools(f, "toolCalls", d.ToolCalls)
	checkTools(f, "toolResults", d.ToolResults)
	if u := d.Usage; u != nil {
		for _, n := range []int64{u.PromptTokens, u.CompletionTokens, u.TotalTokens} {
			if n < 0 || n > MaxTokens {
				f.Add("usage", "must be token counts from 0 to %d", int64(MaxTokens))
			}
		}
	}
	if d.Latency < 0 {
		f.Add("latency", "must not be negative")
	}
	checkText(f, "error", d.Error, MaxMessageError)
}

// maxThinking goes with the limit of content: a stream has room for more of both.
func maxThinking(maxContent int) int {
	if maxContent == MaxContentStream {
		return MaxThinkingStream
	}
	return MaxThinking
}

// checkRights keeps users from speaking as agents and agents from speaking as
// users.
func (d *Draft) checkRights(f *Faults, sender PrincipalType) {
	if !d.Role.Valid() {
		f.Add("role", "must be user, agent, tool or system")
	}
	if !d.Type.Valid() {
		f.Add("type", "must be text, thinking, tool_call, tool_result, error or system")
	}
	if sender == Agent {
		if d.Role == RoleUser {
			f.Add("role", "an agent sends agent, tool or system")
		}
		return
	}
	if d.Role != RoleUser {
		f.Add("role", "a user sends user")
	}
	if d.Type != TypeText {
		f.Add("type", "a user sends text")
	}
	for field, given := range map[string]bool{
		"thinking": d.Thinking != nil, "toolCalls": d.ToolCalls != nil, "toolResults": d.ToolResults != nil,
		"usage": d.Usage != nil, "latency": d.Latency != 0, "error": d.Error != "",
		"approval": d.Approval != nil,
	} {
		if given {
			f.Add(field, "is an agent's to set")
		}
	}
}

// hasParts reports whether the message says something without content.
func (d *Draft) hasParts() bool {
	return len(d.Attachments) > 0 || d.Thinking != nil || len(d.ToolCalls) > 0 || len(d.ToolResults) > 0 || d.Error != ""
}

func checkTools(f *Faults, field string, items []json.RawMessage) {
	if len(items) > MaxTools {
		f.Add(field, "must be at most %d", MaxTools)
	}
	size := 0
	for _, it := range items {
		size += len(it)
		if !isObject(it) {
			f.Add(field, "each must be an object")
		}
	}
	if size > MaxToolsBytes {
		f.Add(field, "must be at most %d bytes together", MaxToolsBytes)
	}
}

func isObject(b json.RawMessage) bool { return len(b) > 0 && b[0] == '{' && json.Valid(b) }

// TruncateUTF8 cuts s to at most n bytes without splitting a character.
func TruncateUTF8(s string, n int) string {
	if len(s) <= n {
		return s
	}
	for n > 0 && !utf8.RuneStart(s[n]) {
		n--
	}
	return s[:n]
}
