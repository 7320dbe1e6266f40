// Package runlog reads out of a conversation's log how far a run of an agent is, and
// closes runs there. The log is the checkpoint: whoever takes a run over goes on from
// what it says. The rules are those of package local/model/runs.
package runlog

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"strconv"
	"strings"

	"github.com/go-json-experiment/json/jsontext"

	"aiwm-chat/shared/chat"
)

// A Log is what a run has written so far.
type Log struct {
	Steps []Step        // calls
	End   *chat.Message // the answer, or why there is none; nil while it goes on
	// First is the seq of its first message, 0 where there is none.
	First int64
}

// A Step is a message with the tool calls that the model wants.
type Step struct {
	Message chat.Message
	Calls   []Call
}

// A Call is a tool call, what was decided about it, and what came of it.
type Call struct {
	Ask
	Decision *chat.Approval // nil: there is none
	Result   *chat.Message  // nil: there is none
}

// An Ask is a tool call as it is in a message's toolCalls.
type Ask struct {
	ID        chat.CallID     `json:"id"`
	ModelID   string          `json:"modelId,omitempty"` // the model's own name of it, which is of this step alone
	Name      string          `json:"name"`              // as the model calls it
	Server    string          `json:"server,omitempty"`
	Tool      string          `json:"tool,omitempty"`     // as its server calls it
	Arguments json.RawMessage `json:"arguments"`          // an object, or a text where the model wrote none
	Approval  bool            `json:"approval,omitempty"` // a user has to approve it
}

// Text is the arguments as the model wrote them.
func (a *Ask) Text() string {
	var s string
	if json.Unmarshal(a.Arguments, &s) == nil {
		return s
	}
	return string(a.Arguments)
}

// ArgumentsOf keeps what a model wrote: an object where it is one that the log takes, else
// a text.
func ArgumentsOf(text string) json.RawMessage {
	if len(text) > 0 && text[0] == '{' && isKept(text) {
		return json.RawMessage(text)
	}
	b, _ := json.Marshal(text) // a string always can
	return b
}

// What the log keeps of JSON as it is.
const (
	maxDepth  = 64
	maxDigits = 34 // of a number, as it is written
)

// isKept reports whether a text is JSON that is in the log what it is here: of whole
// characters, with no member twice, none with a zero in its name, no number that has no
// room, and not deeper than documents go.
func isKept(text string) bool {
	if !jsontext.Value(text).IsValid() {
		return false
	}
	for d := jsontext.NewDecoder(strings.NewReader(text)); ; {
		t, err := d.ReadToken()
		if err != nil {
			return errors.Is(err, io.EOF)
		}
		switch text := t.String(); {
		case d.StackDepth() > maxDepth, t.Kind() == '"' && strings.ContainsRune(text, 0):
			return false
		case t.Kind() == '0':
			if _, err := strconv.ParseFloat(text, 64); err != nil || len(text) > maxDigits {
				return false
			}
		}
	}
}

// isCall reports whether the first message of a step has calls: any other is the end.
func isCall(m chat.Message) bool { return m.Type == chat.TypeToolCall && m.Status == chat.StatusSent }

// CallsOf returns the tool calls of a message, without what came of them. What no run has
// written is left out.
func CallsOf(m chat.Message) (calls []Call) {
	for _, raw := range m.ToolCalls {
		var a Ask
		if json.Unmarshal(raw, &a) == nil && a.ID != "" {
			calls = append(calls, Call{Ask: a})
		}
	}
	return calls
}

// Open returns the first call that lacks a result, nil where there is none.
func (l *Log) Open() *Call {
	if len(l.Steps) == 0 {
		return nil
	}
	last := &l.Steps[len(l.Steps)-1]
	for i := range last.Calls {
		if last.Calls[i].Result == nil {
			return &last.Calls[i]
		}
	}
	return nil
}

// Undecided returns the calls that still may be approved.
func (l *Log) Undecided() (ids []chat.CallID) {
	if len(l.Steps) == 0 {
		return nil
	}
	for _, c := range l.Steps[len(l.Steps)-1].Calls {
		if c.Approval && c.Decision == nil && c.Result == nil {
			ids = append(ids, c.ID)
		}
	}
	return ids
}

// Next is the step whose first message is not there yet.
func (l *Log) Next() int { return len(l.Steps) }

// Over reports whether nobody asks the model again: the run has its end, or a decision
// ends it.
func (l *Log) Over() bool {
	if l.End != nil {
		return true
	}
	for _, s := range l.Steps {
		for _, c := range s.Calls {
			if c.Decision != nil && c.Decision.Verdict.Ends() {
				return true
			}
		}
	}
	return false
}

// Status is that of a run which is over.
func (l *Log) Status() chat.RunStatus {
	if l.End == nil {
		return chat.RunCancelled
	}
	return statusOf(*l.End)
}

func statusOf(end chat.Message) chat.RunStatus {
	switch end.Status {
	case chat.StatusFailed:
		return chat.RunFailed
	case chat.StatusCancelled:
		return chat.RunCancelled
	}
	return chat.RunComplete
}

// Usage is what all of it has cost: the sum of its messages.
func (l *Log) Usage() (sum chat.Usage) {
	add := func(m *chat.Message) {
		if m != nil && m.Usage != nil {
			sum.PromptTokens += m.Usage.PromptTokens
			sum.CompletionTokens += m.Usage.CompletionTokens
			sum.TotalTokens += m.Usage.TotalTokens
		}
	}
	for i := range l.Steps {
		add(&l.Steps[i].Message)
	}
	add(l.End)
	return sum
}

// Store is the log.
type Store interface {
	Sent(ctx context.Context, id chat.ConversationID, sender chat.Principal, client chat.ClientMessageID) (chat.Message, bool, error)
}

// Read reads how far a run is: a round trip for each message of it, and one more.
func Read(ctx context.Context, s Store, r chat.Run) (l Log, err error) {
	sent := func(by chat.Principal, id chat.ClientMessageID) (*chat.Message, error) {
		m, found, err := s.Sent(ctx, r.ConversationID, by, id)
		if err != nil || !found {
			return nil, err
		}
		return &m, nil
	}
	for {
		m, err := sent(r.Agent(), r.ID.Step(l.Next()))
		if err != nil || m == nil {
			return l, err
		}
		if l.First == 0 {
			l.First = m.Seq
		}
		if !isCall(*m) {
			l.End = m
			return l, nil
		}
		step := Step{Message: *m, Calls: CallsOf(*m)}
		for i := range step.Calls {
			c := &step.Calls[i]
			if c.Result, err = sent(r.Agent(), chat.ClientMessageID(c.ID)); err != nil {
				return l, err
			}
			if !c.Approval {
				continue
			}
			decision, err := sent(chat.Backend(r.OrgID), chat.DecisionID(c.ID))
			if err != nil {
				return l, err
			}
			if decision != nil {
				if a, ok := decision.Decided(); ok {
					c.Decision = &a
				}
			}
		}
		l.Steps = append(l.Steps, step)
	}
}

// With returns the log with the first message of its next step.
func (l Log) With(m chat.Message) Log {
	if l.First == 0 {
		l.First = m.Seq
	}
	if !isCall(m) {
		l.End = &m
		return l
	}
	l.Steps = append(l.Steps[:len(l.Steps):len(l.Steps)], Step{Message: m, Calls: CallsOf(m)})
	return l
}

// Asks reports whether a message has a call that a user has to approve.
func Asks(m chat.Message, id chat.CallID) bool {
	if !isCall(m) {
		return false
	}
	for _, c := range CallsOf(m) {
		if c.ID == id {
			return c.Approval
		}
	}
	return false
}
