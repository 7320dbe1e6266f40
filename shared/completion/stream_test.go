package completion_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"reflect"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"aiwm-chat/shared/chat"
	"aiwm-chat/shared/completion"
)

// event is one event with a delta, and how it ends.
func event(delta string, finish ...string) string {
	reason := "null"
	if len(finish) > 0 {
		reason = `"` + finish[0] + `"`
	}
	return "data: " + `{"choices":[{"index":0,"delta":` + delta + `,"finish_reason":` + reason + "}]}\n\n"
}

func TestStream(t *testing.T) {
	t.Parallel()
	const done = "data: [DONE]\n\n"
	stop := event(`{}`, "stop")
	text := func(s ...string) (out []completion.Piece) {
		for _, s := range s {
			out = append(out, completion.Piece{Content: s})
		}
		return out
	}
	call := func(id, name, arguments string) completion.ToolCall {
		return completion.ToolCall{ID: id, Name: name, Arguments: arguments}
	}
	for name, tt := range map[string]struct {
		body   string
		pieces []completion.Piece
		want   completion.Answer
		kind   completion.Kind
		began  bool
	}{
		"text": {
			body:   event(`{"role":"assistant","content":""}`) + event(`{"content":"They"}`) + event(`{"content":" met."}`) + stop + `data: {"choices":[],"usage":{"prompt_tokens":3,"completion_tokens":2,"total_tokens":5}}` + "\n\n" + done,
			pieces: text("They", " met."), want: completion.Answer{Content: "They met.", Finish: "stop", Usage: chat.Usage{PromptTokens: 3, CompletionTokens: 2, TotalTokens: 5}},
		},
		"comments, other fields and no space": {
			body:   strings.Repeat(": alive\n\n", 1000) + "event: x\r\nid: 7\r\ndata:" + strings.TrimPrefix(event(`{"content":"Yes"}`, "stop"), "data: ") + done,
			pieces: text("Yes"), want: completion.Answer{Content: "Yes", Finish: "stop"},
		},
		"ends without its mark":   {body: event(`{"content":"Yes"}`) + stop, pieces: text("Yes"), want: completion.Answer{Content: "Yes", Finish: "stop"}},
		"a mark without a reason": {body: event(`{"content":"Yes"}`) + done, pieces: text("Yes"), want: completion.Answer{Content: "Yes"}},
		"after the mark":          {body: event(`{"content":"Yes"}`, "stop") + done + event(`{"content":"No"}`), pieces: text("Yes"), want: completion.Answer{Content: "Yes", Finish: "stop"}},
		"what nobody asked for":   {body: strings.Replace(event(`{"content":"No"}`), `"index":0`, `"index":1`, 1) + event(`{"content":"Yes","n":[1]}`, "stop") + done, pieces: text("Yes"), want: completion.Answer{Content: "Yes", Finish: "stop"}},
		"reasoning beside it": {
			body:   event(`{"reasoning_content":"Hm. ","content":null}`) + event(`{"reasoning":"Who?"}`) + event(`{"reasoning_content":"!","reasoning":"!"}`) + event(`{"content":"Yes"}`, "stop") + done,
			pieces: []completion.Piece{{Thinking: "Hm. "}, {Thinking: "Who?"}, {Thinking: "!"}, {Content: "Yes"}}, want: completion.Answer{Content: "Yes", Thinking: "Hm. Who?!", Finish: "stop"},
		},
		"reasoning in parts": {
			body:   event(`{"content":[{"type":"thinking","thinking":[{"type":"text","text":"Hm."}]}]}`) + event(`{"content":[{"type":"text","text":"Yes"},{"type":"image"}]}`, "stop") + done,
			pieces: []completion.Piece{{Thinking: "Hm."}, {Content: "Yes"}}, want: completion.Answer{Content: "Yes", Thinking: "Hm.", Finish: "stop"},
		},
		"thoughts in tags": {
			body:   event(`{"content":"<th"}`) + event(`{"content":"ink>\nHm"}`) + event(`{"content":".</think>\n\nYes"}`, "stop") + done,
			pieces: []completion.Piece{{Thinking: "Hm"}, {Thinking: "."}, {Content: "Yes"}}, want: completion.Answer{Content: "Yes", Thinking: "Hm.", Finish: "stop"},
		},
		"the tag that opens is missing": {
			body:   event(`{"content":"Hm."}`) + event(`{"content":"\n</think>\n\nYes"}`, "stop") + done,
			pieces: text("Hm.", "\n</think>\n\nYes"), want: completion.Answer{Content: "Yes", Thinking: "Hm.", Finish: "stop"},
		},
		"what is no text": {
			body:   event(`{"content":"a`+"\xff"+`\u202eb\u0000\r"}`) + event(`{"content":"\nc\ud83d"}`, "stop") + done,
			pieces: text("a\uFFFDb", "\nc\uFFFD"), want: completion.Answer{Content: "a\uFFFDb\nc\uFFFD", Finish: "stop"},
		},
		"tool calls by index": {
			body: event(`{"content":"Let me see."}`) + event(`{"tool_calls":[{"index":0,"id":"a","type":"function","function":{"name":"f","arguments":""}}]}`) +
				event(`{"tool_calls":[{"index":1,"id":"b","type":"function","function":{"name":"g","arguments":"{\"y\""}}]}`) +
				event(`{"tool_calls":[{"index":0,"function":{"arguments":"{\"x\":"}},{"index":1,"function":{"arguments":":2}"}}]}`) +
				event(`{"tool_calls":[{"index":0,"id":"a","function":{"name":"f","arguments":"1}"}}]}`) + event(`{}`, "tool_calls") + done,
			pieces: text("Let me see."), want: completion.Answer{Content: "Let me see.", ToolCalls: []completion.ToolCall{call("a", "f", `{"x":1}`), call("b", "g", `{"y":2}`)}, Finish: "tool_calls"},
		},
		"tool calls without an index": {
			body: event(`{"tool_calls":[{"id":"a","function":{"name":"f","arguments":"{}"}},{"id":"b","function":{"name":"g","arguments":{"y":2}}}]}`) + event(`{"tool_calls":[{"function":{"arguments":" "}}]}`, "stop") + done,
			want: completion.Answer{ToolCalls: []completion.ToolCall{call("a", "f", "{}"), call("b", "g", `{"y":2} `)}, Finish: "stop"},
		},
		"tool calls all of one index": {
			body: event(`{"tool_calls":[{"index":0,"id":"a","function":{"name":"f","arguments":"{}"}}]}`) + event(`{"tool_calls":[{"index":0,"id":"b","function":{"name":"f","arguments":"{"}}]}`) + event(`{"tool_calls":[{"index":0,"function":{"arguments":"}"}}]}`, "stop") + done,
			want: completion.Answer{ToolCalls: []completion.ToolCall{call("a", "f", "{}"), call("b", "f", "{}")}, Finish: "stop"},
		},
		"tool calls without ids": {
			body: event(`{"tool_calls":[{"index":0,"function":{"name":"f","arguments":"no JSON"}},{"index":1,"id":"call_0","function":{"name":"g"}},{"index":2,"function":{"name":"h"}}]}`, "stop") + done,
			want: completion.Answer{ToolCalls: []completion.ToolCall{call("call_0", "f", "no JSON"), call("call_1", "g", ""), call("call_2", "h", "")}, Finish: "stop"},
		},
		"usage that is none": {body: event(`{"content":"Yes"}`, "stop") + `data: {"choices":[],"usage":{"prompt_tokens":"x"}}` + "\n\n" + done, pieces: text("Yes"), want: completion.Answer{Content: "Yes", Finish: "stop"}},
		"usage in each, some of it absurd": {
			body:   `data: {"choices":[{"delta":{"content":"Yes"}}],"usage":null}` + "\n" + `data: {"choices":[],"usage":{"prompt_tokens":-4,"completion_tokens":9000000000000000}}` + "\n" + done,
			pieces: text("Yes"), want: completion.Answer{Content: "Yes", Usage: chat.Usage{CompletionTokens: chat.MaxTokens, TotalTokens: chat.MaxTokens}},
		},

		"refusal":                {body: event(`{"refusal":"I cannot"}`) + stop + done, want: completion.Answer{Finish: "stop"}, kind: completion.Refused},
		"filtered in the middle": {body: event(`{"content":"They"}`) + event(`{}`, "content_filter") + done, pieces: text("They"), want: completion.Answer{Content: "They", Finish: "content_filter"}, kind: completion.Refused, began: true},
		"nothing said":           {body: event(`{"content":"\n"}`) + stop + done, want: completion.Answer{Finish: "stop"}, kind: completion.Empty},
		"nothing but thoughts":   {body: event(`{"reasoning_content":"Hm"}`, "length") + done, pieces: []completion.Piece{{Thinking: "Hm"}}, want: completion.Answer{Thinking: "Hm", Finish: "length"}, kind: completion.Empty, began: true},
		"no event":               {body: done, kind: completion.Empty},
		"nothing at all":         {body: "", kind: completion.Temporary},
		"no stream":              {body: "<html>\n", kind: completion.Temporary},
		"ends in the middle":     {body: event(`{"content":"They"}`), pieces: text("They"), want: completion.Answer{Content: "They"}, kind: completion.BrokenOff, began: true},
		"ends in a tag":          {body: event(`{"content":"<think"}`), pieces: text("<think"), want: completion.Answer{Content: "<think"}, kind: completion.BrokenOff, began: true},
		"ends in a call": {
			body: event(`{"tool_calls":[{"index":0,"id":"a","function":{"name":"f","arguments":"{"}}]}`), want: completion.Answer{ToolCalls: []completion.ToolCall{call("a", "f", "{")}}, kind: completion.BrokenOff, began: true,
		},
		"garbage in the middle": {body: event(`{"content":"They"}`) + "data: {oops\n\n" + done, pieces: text("They"), want: completion.Answer{Content: "They"}, kind: completion.BrokenOff, began: true},
		"too many calls": {
			body: strings.Repeat(event(`{"tool_calls":[{"index":0,"id":"a","function":{"name":"f","arguments":"`+strings.Repeat("x", 1<<10)+`"}}]}`), 65) + done, want: completion.Answer{ToolCalls: []completion.ToolCall{call("a", "f", strings.Repeat("x", completion.MaxArguments))}}, kind: completion.TooLarge, began: true,
		},

		"an error first":                  {body: `data: {"error":{"message":"` + key + `","code":"server_error"}}` + "\n\n", kind: completion.Temporary},
		"an error that lasts":             {body: `data: {"error":{"message":"m","code":402}}` + "\n\n", kind: completion.Permanent},
		"an error about what is paid for": {body: `data: {"error":{"message":"m","type":"insufficient_quota"}}` + "\n\n", kind: completion.Permanent},
		"an error about content":          {body: `data: {"error":{"message":"m","code":"content_filter"}}` + "\n\n", kind: completion.Refused},
		"an error in words":               {body: `data: {"error":"` + key + `"}` + "\n\n", kind: completion.Temporary},
		"an error in the middle":          {body: event(`{"content":"They"}`) + `data: {"error":{"code":502,"message":"m"},"choices":[{"delta":{"content":""},"finish_reason":"error"}]}` + "\n\n", pieces: text("They"), want: completion.Answer{Content: "They"}, kind: completion.BrokenOff, began: true},
		"no error, and ended with one":    {body: `data: {"error":null,"choices":[{"delta":{"content":"They"},"finish_reason":"error"}]}` + "\n\n" + done, pieces: text("They"), want: completion.Answer{Content: "They", Finish: "error"}, kind: completion.BrokenOff, began: true},
	} {
		var pieces []completion.Piece
		got, err := always(t, 200, map[string]string{"Content-Type": "text/event-stream"}, tt.body).Stream(t.Context(), question("x"), func(p completion.Piece) { pieces = append(pieces, p) })
		var e *completion.Error
		if errors.As(err, &e); (err == nil) != (tt.kind == "") || err != nil && (e.Kind != tt.kind || e.Began != tt.began || strings.Contains(err.Error(), key)) {
			t.Errorf("%s: %+v, want %s", name, err, tt.kind)
		}
		if !reflect.DeepEqual(got, tt.want) || !reflect.DeepEqual(pieces, tt.pieces) {
			t.Errorf("%s: %.300s\nwant %.300s\npieces %q", name, fmt.Sprintf("%+v", got), fmt.Sprintf("%+v", tt.want), pieces)
		}
	}
}

// Pieces are seen when they come, and not when all is said.
func TestPiecesComeAtOnce(t *testing.T) {
	t.Parallel()
	seen := make(chan string)
	url := serve(t, func(w http.ResponseWriter, _ *http.Request) {
		for i := range 5 {
			_, _ = io.WriteString(w, event(fmt.Sprintf(`{"content":"%d"}`, i)))
			if err := http.NewResponseController(w).Flush(); err != nil {
				t.Error(err)
			}
			if got := <-seen; got != fmt.Sprint(i) { // it waits for nobody to have seen it
				t.Errorf("seen %q, want %d", got, i)
			}
		}
		_, _ = io.WriteString(w, event(`{}`, "stop")+"data: [DONE]\n\n")
	})
	got, err := completion.New(completion.Options{BaseURL: url}).Stream(t.Context(), question("x"), func(p completion.Piece) { seen <- p.Content })
	if err != nil || got.Content != "01234" {
		t.Errorf("%+v, %v", got, err)
	}
}

// A connection that breaks, a service that falls silent, and a caller who stops it
// leave what had come.
func TestWhatCameStays(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		options completion.Options
		then    func(ctx context.Context) // after two pieces; the connection is cut behind it
		stop    bool
		kind    completion.Kind
	}{
		"cut":     {completion.Options{}, func(context.Context) {}, false, completion.BrokenOff},
		"silent":  {completion.Options{Silence: 200 * time.Millisecond}, func(ctx context.Context) { <-ctx.Done() }, false, completion.BrokenOff},
		"endless": {completion.Options{Timeout: 200 * time.Millisecond}, func(ctx context.Context) { <-ctx.Done() }, false, completion.BrokenOff},
		"stopped": {completion.Options{}, func(ctx context.Context) { <-ctx.Done() }, true, completion.Cancelled},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			tt.options.BaseURL = serve(t, func(w http.ResponseWriter, r *http.Request) {
				_, _ = io.Copy(io.Discard, r.Body)
				_, _ = io.WriteString(w, event(`{"content":"They"}`)+event(`{"content":" met"}`)+`data: {"choices":[{"del`)
				if err := http.NewResponseController(w).Flush(); err != nil {
					t.Error(err)
				}
				tt.then(r.Context())
				panic(http.ErrAbortHandler)
			})
			ctx, stop := context.WithCancel(t.Context())
			defer stop()
			got, err := completion.New(tt.options).Stream(ctx, question("x"), func(p completion.Piece) {
				if tt.stop && p.Content == " met" {
					stop()
				}
			})
			var e *completion.Error
			if !errors.As(err, &e) || e.Kind != tt.kind || !e.Began || got.Content != "They met" || got.Finish != "" {
				t.Errorf("%+v, %+v", got, err)
			}
			if name == "cut" && !errors.Is(err, io.ErrUnexpectedEOF) { // and not that half an event is no JSON
				t.Errorf("%v", err)
			}
		})
	}
}

// What has no end is not read to its end, nor held, however it is cut into pieces.
func TestTooLarge(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		event   string
		content int
		most    int64 // bytes that are written before nobody reads any more, buffers included
	}{
		"many pieces":  {event(`{"content":"` + strings.Repeat("ä", 500) + `"}`), completion.MaxContent, 20 << 20},
		"one event":    {"data: " + strings.Repeat("x", 30<<20), 0, 20 << 20},
		"long comment": {": " + strings.Repeat("x", 30<<20), 0, 20 << 20},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var written atomic.Int64
			over := make(chan struct{})
			url := serve(t, func(w http.ResponseWriter, r *http.Request) {
				defer close(over)
				for r.Context().Err() == nil {
					for rest := tt.event; rest != ""; {
						n, err := io.WriteString(w, rest[:min(len(rest), 4<<10)])
						written.Add(int64(n))
						if rest = rest[n:]; err != nil {
							return
						}
					}
				}
			})
			shown := 0
			got, err := completion.New(completion.Options{BaseURL: url}).Stream(t.Context(), question("x"), func(p completion.Piece) { shown += len(p.Content) })
			<-over
			if completion.KindOf(err) != completion.TooLarge || len(got.Content) != tt.content || shown != tt.content {
				t.Errorf("%d bytes, %d shown, %v", len(got.Content), shown, err)
			}
			if n := written.Load(); n > tt.most {
				t.Errorf("%d bytes were written", n)
			}
		})
	}
}

// Thoughts beyond their limit are dropped, and the answer comes all the same.
func TestLongThoughts(t *testing.T) {
	t.Parallel()
	body := strings.Repeat(event(`{"reasoning_content":"`+strings.Repeat("€", 1000)+`"}`), 50) + event(`{"reasoning_content":"what would still fit"}`) + event(`{"reasoning_content":"a"}`) + event(`{"content":"Yes"}`, "stop") + "data: [DONE]\n\n"
	thought := 0
	got, err := always(t, 200, nil, body).Stream(t.Context(), question("x"), func(p completion.Piece) { thought += len(p.Thinking) })
	if err != nil || got.Content != "Yes" || got.Thinking != strings.Repeat("€", completion.MaxThinking/3) || thought != len(got.Thinking) {
		t.Errorf("%d bytes of thoughts, %d shown, %q, %v", len(got.Thinking), thought, got.Content, err)
	}
}

// Whoever takes long for a piece has not heard a silence.
func TestSlowReader(t *testing.T) {
	t.Parallel()
	const silence = 300 * time.Millisecond
	reading := make(chan bool)
	url := serve(t, func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, event(`{"content":"They"}`))
		if err := http.NewResponseController(w).Flush(); err != nil {
			t.Error(err)
		}
		<-reading
		_, _ = io.WriteString(w, event(`{"content":" met"}`, "stop")+"data: [DONE]\n\n")
	})
	got, err := completion.New(completion.Options{BaseURL: url, Silence: silence}).Stream(t.Context(), question("x"), func(p completion.Piece) {
		if p.Content == "They" {
			close(reading)
			time.Sleep(2 * silence)
		}
	})
	if err != nil || got.Content != "They met" {
		t.Errorf("%+v, %v", got, err)
	}
}
