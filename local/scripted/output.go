package scripted

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// An output is where an answer goes.
type output struct {
	w      http.ResponseWriter
	ctx    context.Context
	in     request
	script script
	delay  time.Duration
	sent   int // tokens
}

// noText stands for what is none, which noJSON writes.
const (
	noText = "\x00"
	noJSON = "\"\xff\xfe\\u202e\\u0000\\ud83d\""
)

// text is s as JSON.
func text(s string) json.RawMessage {
	if s == noText {
		return json.RawMessage(noJSON)
	}
	b, err := json.Marshal(s)
	if err != nil {
		panic(err) // a string
	}
	return b
}

type object = map[string]any

// answer says a, as it was asked for.
func (o *output) answer(a answer) {
	if o.script.tags && len(a.thinking) > 0 {
		a.content = append(append([]string{"<think>"}, a.thinking...), append([]string{"</think>", "\n\n"}, a.content...)...)
		a.thinking = nil
	}
	if o.pause(o.script.wait) != nil {
		return
	}
	if !o.in.Stream {
		o.whole(a)
		return
	}
	o.w.Header().Set("Content-Type", "text/event-stream")
	o.w.Header().Set("Cache-Control", "no-cache")
	if !o.event(object{"role": "assistant", "content": text("")}, nil) || !o.say(a) {
		return
	}
	if !o.event(object{}, &a.finish) {
		return
	}
	if o.in.StreamOptions.IncludeUsage {
		o.write(o.envelope("chat.completion.chunk", []any{}, o.usage()))
	}
	_, _ = io.WriteString(o.w, "data: [DONE]\n\n")
}

// say sends the tokens of a stream, and reports whether it came to its end.
func (o *output) say(a answer) bool {
	for _, t := range a.thinking {
		if !o.token(object{"reasoning_content": text(t)}) {
			return false
		}
	}
	for _, t := range a.content {
		if !o.token(object{"content": text(t)}) {
			return false
		}
	}
	for _, t := range tokens(a.refusal) {
		if !o.token(object{"refusal": text(t)}) {
			return false
		}
	}
	for i, c := range a.calls {
		if !o.event(object{"tool_calls": []any{object{"index": i, "id": id(i), "type": "function", "function": object{"name": c.name, "arguments": ""}}}}, nil) {
			return false
		}
		for _, t := range tokens(c.arguments) {
			if !o.token(object{"tool_calls": []any{object{"index": i, "function": object{"arguments": t}}}}) {
				return false
			}
		}
	}
	return o.disturb()
}

// id is that of a call. It is the same in each answer, as with many services.
func id(i int) string { return "call_" + strconv.Itoa(i) }

// token sends one after the pause between two.
func (o *output) token(delta object) bool {
	if !o.disturb() || o.pause(o.delay) != nil || !o.event(delta, nil) {
		return false
	}
	o.sent++
	return true
}

// disturb does what was told to happen at this token.
func (o *output) disturb() bool {
	switch o.sent {
	case o.script.brk:
		o.flush()
		panic(http.ErrAbortHandler)
	case o.script.mute:
		o.flush()
		<-o.ctx.Done()
		return false
	case o.script.spoil:
		_, _ = io.WriteString(o.w, "data: {\"choices\":[{oops\n\n")
	}
	return true
}

func (o *output) pause(d time.Duration) error {
	if d <= 0 {
		return o.ctx.Err()
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-o.ctx.Done():
		return o.ctx.Err()
	}
}

func (o *output) event(delta object, finish *string) bool {
	return o.write(o.envelope("chat.completion.chunk", []any{object{"index": 0, "delta": delta, "finish_reason": finish}}, nil))
}

// envelope is what is around choices. It has no time, to be the same each time.
func (o *output) envelope(kind string, choices []any, usage object) object {
	out := object{"id": "chatcmpl-scripted", "object": kind, "created": 0, "model": o.in.Model, "choices": choices}
	if usage != nil {
		out["usage"] = usage
	}
	return out
}

// write reports whether anybody still reads.
func (o *output) write(v object) bool {
	body, err := json.Marshal(v)
	if err != nil {
		panic(err) // of strings and numbers
	}
	if _, err = o.w.Write([]byte("data: " + string(body) + "\n\n")); err != nil {
		return false
	}
	return o.flush()
}

func (o *output) flush() bool { return http.NewResponseController(o.w).Flush() == nil }

func (o *output) usage() object {
	prompt := count(o.in.Messages)
	return object{"prompt_tokens": prompt, "completion_tokens": o.sent, "total_tokens": prompt + o.sent}
}

// whole says all at once, after the time that a stream takes.
func (o *output) whole(a answer) {
	m := object{"role": "assistant", "content": joined(a.content)}
	if len(a.content) == 0 {
		m["content"] = nil
	}
	if len(a.thinking) > 0 {
		m["reasoning_content"] = joined(a.thinking)
	}
	if a.refusal != "" {
		m["refusal"] = a.refusal
	}
	o.sent = len(a.thinking) + len(a.content) + len(tokens(a.refusal))
	var calls []any
	for i, c := range a.calls {
		calls = append(calls, object{"id": id(i), "type": "function", "function": object{"name": c.name, "arguments": c.arguments}})
		o.sent += len(tokens(c.arguments))
	}
	if len(calls) > 0 {
		m["tool_calls"] = calls
	}
	if o.script.mute >= 0 {
		<-o.ctx.Done()
		return
	}
	if o.pause(time.Duration(o.sent)*o.delay) != nil {
		return
	}
	body, err := json.Marshal(o.envelope("chat.completion", []any{object{"index": 0, "message": m, "finish_reason": a.finish}}, o.usage()))
	if err != nil {
		panic(err) // of strings and numbers
	}
	o.w.Header().Set("Content-Type", "application/json")
	if o.script.brk >= 0 || o.script.spoil >= 0 {
		body = body[:len(body)/2]
	}
	if o.script.brk >= 0 {
		o.w.Header().Set("Content-Length", strconv.Itoa(2*len(body)))
	}
	_, _ = o.w.Write(body)
}

// joined are tokens as one text in JSON.
func joined(list []string) json.RawMessage {
	var b strings.Builder
	b.WriteByte('"')
	for _, t := range list {
		b.WriteString(strings.TrimSuffix(strings.TrimPrefix(string(text(t)), `"`), `"`))
	}
	b.WriteByte('"')
	return json.RawMessage(b.String())
}
