package completion

import (
	"errors"
	"strconv"
	"strings"
	"time"

	openai "github.com/sashabaranov/go-openai"

	"aiwm-chat/shared/chat"
)

// A builder makes an answer of what comes.
type builder struct {
	on      func(Piece) // nil: nobody looks
	silence time.Duration

	answer   Answer
	began    bool // something of the answer came
	refused  bool
	split    splitter
	calls    calls
	content  limited
	thinking limited
}

// whole takes an answer that comes as one.
func (b *builder) whole(r openai.ChatCompletionResponse) error {
	b.answer.Usage = usageOf(r.Usage.PromptTokens, r.Usage.CompletionTokens, r.Usage.TotalTokens)
	if len(r.Choices) == 0 {
		return nil
	}
	m := r.Choices[0].Message
	b.answer.Finish, b.refused = string(r.Choices[0].FinishReason), m.Refusal != ""
	for i, c := range m.ToolCalls {
		if !b.call(callDelta{Index: &i, ID: c.ID, Name: c.Function.Name, Arguments: c.Function.Arguments}) {
			return errTooLarge
		}
	}
	return b.say(m.ReasoningContent, contentOf(m))
}

// contentOf is the text of a message, which may come as one or in parts.
func contentOf(m openai.ChatCompletionMessage) string {
	var b strings.Builder
	b.WriteString(m.Content)
	for _, part := range m.MultiContent {
		if part.Type == openai.ChatMessagePartTypeText || part.Type == "output_text" {
			b.WriteString(part.Text)
		}
	}
	return b.String()
}

// event takes one event of a stream.
func (b *builder) event(data []byte) error {
	e, err := decodeEvent(data)
	if err != nil {
		return err
	}
	if e.Usage != nil {
		b.answer.Usage = *e.Usage
	}
	b.refused = b.refused || e.Refused
	if e.Finish != "" {
		b.answer.Finish = e.Finish
	}
	for _, c := range e.Calls {
		if !b.call(c) {
			return errTooLarge
		}
	}
	return b.say(e.Thinking, e.Content)
}

func (b *builder) call(c callDelta) bool {
	b.began = true
	return b.calls.add(c)
}

// say takes thoughts, and text that may be both.
func (b *builder) say(thinking, content string) error {
	b.tell(Piece{Thinking: Clean(thinking)})
	return b.tell(b.split.add(Clean(content)))
}

// tell adds what is known to be content or thought, and lets it be seen.
func (b *builder) tell(p Piece) error {
	thinking, _ := b.thinking.add(p.Thinking, MaxThinking)
	content, fits := b.content.add(p.Content, MaxContent)
	b.began = b.began || thinking != "" || content != ""
	for _, p := range []Piece{{Thinking: thinking}, {Content: content}} {
		if b.on != nil && p != (Piece{}) {
			b.on(p)
		}
	}
	if !fits {
		return errTooLarge
	}
	return nil
}

// end completes the answer, and says what is wrong with it where err does not.
func (b *builder) end(err error) error {
	if told := b.tell(b.split.end()); err == nil {
		err = told
	}
	content, thinking := b.content.String(), b.thinking.String()
	if thought, rest, missing := unopened(content); missing && b.split.thoughts == 0 {
		var s splitter
		first, last := s.add(rest), s.end()
		thinking += strings.TrimSpace(thought) + first.Thinking + last.Thinking
		content = first.Content + last.Content
	}
	b.answer.Content, b.answer.Thinking, b.answer.ToolCalls = content, thinking, b.calls.complete()
	finish := b.answer.Finish
	_, known := errors.AsType[*Error](err)
	switch {
	case known:
		return err
	case b.refused, finish == string(openai.FinishReasonContentFilter):
		return &Error{Kind: Refused, cause: errors.New("it refused to answer")}
	case err != nil && finish == "":
		return err
	case finish == "error":
		return errors.New("it failed while it answered")
	case strings.TrimSpace(content) == "" && len(b.answer.ToolCalls) == 0:
		return &Error{Kind: Empty, cause: errors.New("it gave an empty answer")}
	}
	// What came after the last word, such as that nobody closed the connection, is of no use to
	// anyone.
	return nil
}

// limited is text up to a limit.
type limited struct {
	strings.Builder
	full bool // something did not fit, and nothing comes after it
}

// add adds what fits, in whole characters, and returns it.
func (l *limited) add(s string, limit int) (added string, fits bool) {
	if !l.full {
		added = chat.TruncateUTF8(s, limit-l.Len())
	}
	l.full = l.full || added != s
	l.WriteString(added)
	return added, !l.full
}

// calls are put together from what comes of each.
type calls struct {
	list []ToolCall
	at   []int // the service's index of each
	size int   // bytes of their arguments
}

// A callDelta is what newly came of a call. Services tell by an index of which; some
// do not, and give each as one; some give all the same.
type callDelta struct {
	Index               *int
	ID, Name, Arguments string
}

// add reports whether there was room.
func (c *calls) add(d callDelta) bool {
	i := len(c.list) - 1
	if d.Index != nil {
		for i >= 0 && c.at[i] != *d.Index {
			i--
		}
	}
	if i < 0 || d.ID != "" && c.list[i].ID != "" && d.ID != c.list[i].ID {
		if len(c.list) == MaxToolCalls {
			return false
		}
		i = len(c.list)
		c.list, c.at = append(c.list, ToolCall{}), append(c.at, 0)
		if d.Index != nil {
			c.at[i] = *d.Index
		}
	}
	call := &c.list[i]
	if call.ID == "" {
		call.ID = chat.TruncateUTF8(d.ID, maxWord)
	}
	if call.Name == "" {
		call.Name = chat.TruncateUTF8(d.Name, maxWord)
	}
	if c.size += len(d.Arguments); c.size > MaxArguments {
		return false
	}
	call.Arguments += d.Arguments
	return true
}

const maxWord = 256 // bytes of a name, or of an id

// complete gives an id to those that have none of their own.
func (c *calls) complete() []ToolCall {
	used := map[string]bool{"": true}
	for i := range c.list {
		for n := i; used[c.list[i].ID]; n++ {
			c.list[i].ID = "call_" + strconv.Itoa(n)
		}
		used[c.list[i].ID] = true
	}
	return c.list
}

// usageOf are a service's numbers, as far as they can be.
func usageOf(prompt, completion, total int) chat.Usage {
	bounded := func(n int) int64 { return min(max(int64(n), 0), chat.MaxTokens) }
	u := chat.Usage{PromptTokens: bounded(prompt), CompletionTokens: bounded(completion), TotalTokens: bounded(total)}
	if u.TotalTokens == 0 {
		u.TotalTokens = min(u.PromptTokens+u.CompletionTokens, chat.MaxTokens)
	}
	return u
}
