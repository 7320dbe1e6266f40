package completion_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"reflect"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"aiwm-chat/shared/chat"
	"aiwm-chat/shared/completion"
)

const key = "sk-hunter2"

// serve starts a service.
func serve(t *testing.T, h http.HandlerFunc) string {
	t.Helper()
	server := httptest.NewServer(h)
	t.Cleanup(server.Close)
	return server.URL
}

// always is a service that answers every request in the same way.
func always(t *testing.T, status int, header map[string]string, body string) *completion.Client {
	t.Helper()
	return completion.New(completion.Options{Key: key, BaseURL: serve(t, func(w http.ResponseWriter, _ *http.Request) {
		for name, value := range header {
			w.Header().Set(name, value)
		}
		w.WriteHeader(status)
		_, _ = io.WriteString(w, body)
	})})
}

// ways are the two ways to ask.
var ways = map[string]func(c *completion.Client, ctx context.Context, r completion.Request) (completion.Answer, error){
	"complete": (*completion.Client).Complete,
	"stream": func(c *completion.Client, ctx context.Context, r completion.Request) (completion.Answer, error) {
		return c.Stream(ctx, r, nil)
	},
}

func question(text string) completion.Request {
	return completion.Request{Model: "m", Messages: []completion.Message{{Role: completion.RoleUser, Content: text}}}
}

// What is sent, to the letter.
func TestRequest(t *testing.T) {
	t.Parallel()
	zero := float32(0)
	full := completion.Request{
		Model: "m", ReasoningEffort: "low", MaxOutputTokens: 7, Temperature: &zero,
		Messages: []completion.Message{
			{Role: completion.RoleSystem, Content: "Be kind."},
			{Role: completion.RoleUser, Name: "José Ñ. <x>", Content: "Weather?"},
			{Role: completion.RoleAssistant, ToolCalls: []completion.ToolCall{{ID: "a", Name: "weather", Arguments: `{"city":"Rome"}`}, {ID: "b", Name: "weather", Arguments: `{"city":`}}},
			{Role: completion.RoleTool, Name: "weather", ToolCallID: "a", Content: ""},
			{Role: completion.RoleTool, ToolCallID: "b", Content: "no JSON"},
			{Role: completion.RoleUser, Name: "王", Content: "Thanks"},
		},
		Tools: []completion.Tool{{Name: "weather", Description: "Tells it.", Schema: json.RawMessage(`{"type":"object","anyOf":[{}]}`)}, {Name: "now"}},
	}
	const messages = `[{"role":"system","content":"Be kind."},{"role":"user","name":"Jose_N_x","content":"Weather?"},
		{"role":"assistant","tool_calls":[{"id":"a","type":"function","function":{"name":"weather","arguments":"{\"city\":\"Rome\"}"}},{"id":"b","type":"function","function":{"name":"weather","arguments":"{}"}}]},
		{"role":"tool","tool_call_id":"a","content":"(nothing)"},{"role":"tool","tool_call_id":"b","content":"no JSON"},{"role":"user","content":"Thanks"}]`
	const tools = `[{"type":"function","function":{"name":"weather","description":"Tells it.","parameters":{"type":"object","anyOf":[{}]}}},{"type":"function","function":{"name":"now","parameters":{"type":"object","properties":{}}}}]`
	for _, tt := range []struct {
		name, way string
		settings  completion.Settings
		request   completion.Request
		want      string
	}{
		{"all", "complete", completion.Settings{}, full, `{"model":"m","stream":false,"reasoning_effort":"low","max_tokens":7,"temperature":1e-45,"messages":` + messages + `,"tools":` + tools + `}`},
		{"streaming, by other settings", "stream", completion.Settings{Limit: completion.MaxCompletionTokens, NoTemperature: true}, full,
			`{"model":"m","stream":true,"stream_options":{"include_usage":true},"reasoning_effort":"low","max_completion_tokens":7,"messages":` + messages + `,"tools":` + tools + `}`},
		{"the old name where it is set", "complete", completion.Settings{Limit: completion.MaxTokens}, completion.Request{Model: "openai/gpt-5", MaxOutputTokens: 7}, `{"model":"openai/gpt-5","stream":false,"max_tokens":7,"messages":[]}`},
		{"the model's name decides", "complete", completion.Settings{}, completion.Request{Model: "openai/gpt-5", MaxOutputTokens: 7}, `{"model":"openai/gpt-5","stream":false,"max_completion_tokens":7,"messages":[]}`},
		{"nothing set", "stream", completion.Settings{}, completion.Request{Model: "m"}, `{"model":"m","stream":true,"stream_options":{"include_usage":true},"messages":[]}`},
	} {
		var path, authorization string
		var got, want any
		url := serve(t, func(w http.ResponseWriter, r *http.Request) {
			path, authorization = r.URL.Path, r.Header.Get("Authorization")
			if err := json.NewDecoder(r.Body).Decode(&got); err != nil {
				t.Error(err)
			}
			w.WriteHeader(http.StatusTeapot)
		})
		c := completion.New(completion.Options{BaseURL: url + "/v1", Key: key, Settings: tt.settings})
		if _, err := ways[tt.way](c, t.Context(), tt.request); completion.KindOf(err) != completion.Permanent {
			t.Errorf("%s: %v", tt.name, err)
		}
		if err := json.Unmarshal([]byte(tt.want), &want); err != nil {
			t.Fatal(err)
		}
		if path != "/v1/chat/completions" || authorization != "Bearer "+key || !reflect.DeepEqual(got, want) {
			t.Errorf("%s: %s with %s\nsent %v\nwant %v", tt.name, path, authorization, got, want)
		}
	}
}

// What a refusal means for who asks again, whichever way one asked.
func TestRefusals(t *testing.T) {
	t.Parallel()
	inAMinute := time.Now().Add(time.Minute).UTC().Format(http.TimeFormat)
	code := func(code string) string {
		return `{"error":{"message":"` + key + `","type":"x y","code":` + code + `}}`
	}
	after := func(name, value string) map[string]string { return map[string]string{name: value} }
	for _, tt := range []struct {
		status int
		body   string
		header map[string]string
		kind   completion.Kind
		after  time.Duration // at most, and more than two seconds less
		says   string
	}{
		{400, code(`"unsupported_parameter"`), nil, completion.Permanent, 0, "status 400 (unsupported_parameter)"},
		{400, code(`"content_filter"`), nil, completion.Refused, 0, "status 400 (content_filter)"},
		{400, code(`"invalid_prompt"`), nil, completion.Refused, 0, "status 400"},
		{401, code(`"invalid_api_key"`), nil, completion.Permanent, 0, "status 401 (invalid_api_key)"},
		{403, ``, nil, completion.Permanent, 0, "status 403"},
		{404, code(`"` + key + `"`), after("Retry-After", "9"), completion.Permanent, 0, "status 404"},
		{413, strings.Repeat("x", 3<<20), nil, completion.Permanent, 0, "status 413"},
		{429, code(`"insufficient_quota"`), after("Retry-After", "9"), completion.Permanent, 0, "status 429 (insufficient_quota)"},
		{429, `{"error":{"message":"m","type":"insufficient_quota","code":null}}`, nil, completion.Permanent, 0, "(insufficient_quota)"},
		{429, code(`"content_filter"`), nil, completion.Temporary, 0, "status 429"},
		{429, code(`"rate_limit_exceeded"`), after("Retry-After", "7"), completion.Temporary, 7 * time.Second, "status 429 (rate_limit_exceeded)"},
		{429, ``, after("Retry-After", inAMinute), completion.Temporary, time.Minute, "status 429"},
		{429, ``, after("Retry-After-Ms", "2500"), completion.Temporary, 2500 * time.Millisecond, "status 429"},
		{429, ``, after("Retry-After", "-5"), completion.Temporary, 0, "status 429"},
		{408, ``, nil, completion.Temporary, 0, "status 408"},
		{500, code(`7`), nil, completion.Temporary, 0, "status 500"},
		{503, `oops ` + key, after("Retry-After", "120"), completion.Temporary, 2 * time.Minute, "status 503"},
		{302, ``, after("Location", "http://127.0.0.1:1/"), completion.Permanent, 0, "redirects"},
	} {
		c := always(t, tt.status, tt.header, tt.body)
		for way, ask := range ways {
			answer, err := ask(c, t.Context(), question("x"))
			var e *completion.Error
			if !errors.As(err, &e) || e.Kind != tt.kind || e.Began || e.After > tt.after || e.After < tt.after-2*time.Second ||
				!strings.Contains(err.Error(), tt.says) || strings.Contains(err.Error(), key) || !reflect.DeepEqual(answer, completion.Answer{}) {
				t.Errorf("%s: %d %v %.80s: %+v, %+v", way, tt.status, tt.header, tt.body, answer, err)
			}
		}
	}
}

// Who is not there, and what cannot be asked.
func TestNobodyIsAsked(t *testing.T) {
	t.Parallel()
	gone := httptest.NewServer(http.NotFoundHandler())
	gone.Close()
	warm := float32(0.7)
	tool := []completion.Tool{{Name: "x"}}
	for name, tt := range map[string]struct {
		request completion.Request
		kind    completion.Kind
	}{
		"nobody there":                      {question("x"), completion.Temporary},
		"a temperature for a model without": {completion.Request{Model: "gpt-5-mini", Temperature: &warm}, completion.Permanent},
		"tools for a model without":         {completion.Request{Model: "gpt-6-luna", Tools: tool}, completion.Permanent},
		"an effort that it does not know":   {completion.Request{Model: "gpt-6-luna", ReasoningEffort: "huge"}, completion.Permanent},
		"a schema that is no JSON":          {completion.Request{Model: "m", Tools: []completion.Tool{{Name: "x", Schema: json.RawMessage(`{`)}}}, completion.Permanent},
	} {
		for way, ask := range ways {
			if _, err := ask(completion.New(completion.Options{BaseURL: gone.URL}), t.Context(), tt.request); completion.KindOf(err) != tt.kind {
				t.Errorf("%s, %s: %v, %s", name, way, err, completion.KindOf(err))
			}
		}
	}
}

// Whole answers.
func TestComplete(t *testing.T) {
	t.Parallel()
	const choice = `{"choices":[{"finish_reason":"%s","message":%s}],"usage":{"prompt_tokens":3,"completion_tokens":2,"total_tokens":5}}`
	usage := chat.Usage{PromptTokens: 3, CompletionTokens: 2, TotalTokens: 5}
	for name, tt := range map[string]struct {
		body string
		want completion.Answer
		kind completion.Kind
	}{
		"text":            {fmt.Sprintf(choice, "stop", `{"content":"They\u202e\tmet.\r\n\ud800"}`), completion.Answer{Content: "They\tmet.\n\uFFFD", Finish: "stop", Usage: usage}, ""},
		"thoughts":        {fmt.Sprintf(choice, "stop", `{"content":"<think>Hm.</think>\nYes.","reasoning_content":"Who? "}`), completion.Answer{Content: "Yes.", Thinking: "Who? Hm.", Finish: "stop", Usage: usage}, ""},
		"missing tag":     {fmt.Sprintf(choice, "stop", `{"content":"Hm.\n</think>\n\nYes."}`), completion.Answer{Content: "Yes.", Thinking: "Hm.", Finish: "stop", Usage: usage}, ""},
		"parts":           {fmt.Sprintf(choice, "stop", `{"content":[{"type":"text","text":"a"},{"type":"text","text":"b"}]}`), completion.Answer{Content: "ab", Finish: "stop", Usage: usage}, ""},
		"cut":             {fmt.Sprintf(choice, "length", `{"content":"They"}`), completion.Answer{Content: "They", Finish: "length", Usage: usage}, ""},
		"calls":           {fmt.Sprintf(choice, "tool_calls", `{"content":null,"tool_calls":[{"id":"a","type":"function","function":{"name":"f","arguments":"{}"}},{"id":"a","type":"function","function":{"name":"g","arguments":"{"}}]}`), completion.Answer{ToolCalls: []completion.ToolCall{{ID: "a", Name: "f", Arguments: "{}"}, {ID: "call_1", Name: "g", Arguments: "{"}}, Finish: "tool_calls", Usage: usage}, ""},
		"refusal":         {fmt.Sprintf(choice, "stop", `{"content":"","refusal":"I cannot"}`), completion.Answer{Finish: "stop", Usage: usage}, completion.Refused},
		"content filter":  {fmt.Sprintf(choice, "content_filter", `{"content":"They"}`), completion.Answer{Content: "They", Finish: "content_filter", Usage: usage}, completion.Refused},
		"empty":           {fmt.Sprintf(choice, "stop", `{"content":" \n"}`), completion.Answer{Finish: "stop", Usage: usage}, completion.Empty},
		"only thoughts":   {fmt.Sprintf(choice, "length", `{"content":"<think>Hm, and"}`), completion.Answer{Thinking: "Hm, and", Finish: "length", Usage: usage}, completion.Empty},
		"no choice":       {`{"choices":[]}`, completion.Answer{}, completion.Empty},
		"an error in 200": {`{"error":{"message":"x"}}`, completion.Answer{}, completion.Empty},
		"garbage":         {`<html>`, completion.Answer{}, completion.Temporary},
		"nothing":         {``, completion.Answer{}, completion.Temporary},
		"too large":       {fmt.Sprintf(choice, "stop", `{"content":"`+strings.Repeat("ab", 150<<10)+`"}`), completion.Answer{Content: strings.Repeat("ab", 128<<10), Finish: "stop", Usage: usage}, completion.TooLarge},
		"3 MB":            {fmt.Sprintf(choice, "stop", `{"content":"`+strings.Repeat("ab", 3<<19)+`"}`), completion.Answer{}, completion.TooLarge},
	} {
		got, err := always(t, 200, nil, tt.body).Complete(t.Context(), question("x"))
		if completion.KindOf(err) != tt.kind || (err == nil) != (tt.kind == "") || !reflect.DeepEqual(got, tt.want) {
			t.Errorf("%s: %.300s\nwant %.300s\n%v", name, fmt.Sprintf("%+v", got), fmt.Sprintf("%+v", tt.want), err)
		}
	}
}

// A key that is refused is asked for once, and the question asked once more.
func TestRenew(t *testing.T) {
	t.Parallel()
	for way, ask := range ways {
		var shown []string
		url := serve(t, func(w http.ResponseWriter, r *http.Request) {
			shown = append(shown, strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer "))
			if r.Header.Get("Authorization") != "Bearer three" {
				w.WriteHeader(http.StatusUnauthorized)
				return
			}
			_, _ = io.WriteString(w, map[string]string{
				"complete": `{"choices":[{"message":{"content":"Yes."}}]}`, "stream": event(`{"content":"Yes."}`) + "data: [DONE]\n\n",
			}[way])
		})
		keys := []string{"two", "three"}
		c := completion.New(completion.Options{BaseURL: url, Key: "one", Renew: func(_ context.Context, refused string) (string, bool) {
			next := keys[0]
			keys = keys[1:]
			return next, next != refused
		}})
		if _, err := ask(c, t.Context(), question("x")); completion.KindOf(err) != completion.Permanent {
			t.Errorf("%s: another wrong key: %v", way, err)
		}
		for range 2 {
			if got, err := ask(c, t.Context(), question("x")); err != nil || got.Content != "Yes." {
				t.Errorf("%s: %+v, %v", way, got, err)
			}
		}
		if want := []string{"one", "two", "two", "three", "three"}; !slices.Equal(shown, want) {
			t.Errorf("%s: shown %q, want %q", way, shown, want)
		}
	}
}

// A service that does not answer is not waited for, and who no longer wants an
// answer does not wait either.
func TestSilentService(t *testing.T) {
	t.Parallel()
	over := make(chan struct{})
	defer close(over)
	var asked atomic.Int64
	url := serve(t, func(http.ResponseWriter, *http.Request) { asked.Add(1); <-over })
	gone, leave := context.WithCancel(t.Context())
	time.AfterFunc(20*time.Millisecond, leave)
	late, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	for name, tt := range map[string]struct {
		options completion.Options
		ctx     context.Context
		ways    []string
		kind    completion.Kind
		cause   error
	}{
		"timeout":  {completion.Options{Timeout: 20 * time.Millisecond}, t.Context(), []string{"complete", "stream"}, completion.Temporary, nil},
		"silence":  {completion.Options{Silence: 20 * time.Millisecond}, t.Context(), []string{"stream"}, completion.Temporary, nil},
		"left":     {completion.Options{}, gone, []string{"complete", "stream"}, completion.Cancelled, context.Canceled},
		"deadline": {completion.Options{Timeout: time.Minute}, late, []string{"complete", "stream"}, completion.Cancelled, context.DeadlineExceeded},
	} {
		tt.options.BaseURL = url
		for _, way := range tt.ways {
			_, err := ways[way](completion.New(tt.options), tt.ctx, question("x"))
			if completion.KindOf(err) != tt.kind || tt.cause != nil && !errors.Is(err, tt.cause) {
				t.Errorf("%s, %s: %v, %s", name, way, err, completion.KindOf(err))
			}
		}
	}
	if asked.Load() == 0 {
		t.Error("the service was never asked")
	}
}
