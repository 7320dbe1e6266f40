package scripted_test

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"reflect"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"aiwm-chat/local/scripted"
	"aiwm-chat/shared/completion"
)

// model is a client of a scripted model that takes no time.
func model(t *testing.T) *completion.Client {
	t.Helper()
	server := httptest.NewServer(scripted.New(scripted.Options{}))
	t.Cleanup(server.Close)
	return completion.New(completion.Options{BaseURL: server.URL + "/v1"})
}

func user(text string) completion.Message {
	return completion.Message{Role: completion.RoleUser, Content: text}
}

func ask(messages ...completion.Message) completion.Request {
	return completion.Request{Model: "scripted", Messages: messages, Tools: []completion.Tool{{Name: "clock"}, {Name: "weather"}}}
}

// What each directive does, as the client of completions sees it.
func TestDirectives(t *testing.T) {
	t.Parallel()
	call := func(i int, name, arguments string) completion.ToolCall {
		return completion.ToolCall{ID: "call_" + string(rune('0'+i)), Name: name, Arguments: arguments}
	}
	for _, tt := range []struct {
		message  string
		begins   string // the content
		tokens   int    // completion tokens; 0: whatever
		thinking string // it begins so
		calls    []completion.ToolCall
		finish   string
		stream   completion.Kind
		whole    completion.Kind
		began    bool
	}{
		{message: "What do we do?", begins: "You said: “What do we do?”. ", finish: "stop"},
		{message: "", begins: "You said: “(nothing)”. ", finish: "stop"},
		{message: "Look at issue #general and #7", begins: "You said: “Look at issue #general and #7”. ", finish: "stop"},
		{message: "#tokens 500", begins: "You said nothing.", tokens: 500, finish: "stop"},
		{message: "Go on #tokens 2 please", begins: "You said:", tokens: 2, finish: "stop"},
		{message: "#slow 1 #wait 1 #tokens 3", tokens: 3, begins: "You said nothing.", finish: "stop"},
		{message: "#think 5 Why?", begins: "You said: “Why?”.", thinking: "What is asked here? It", finish: "stop"},
		{message: "#think-tags 5 Why?", begins: "You said: “Why?”.", thinking: "What is asked here? It", finish: "stop"},
		{message: `What is it? #tool weather {"city": "Rome #1"}`, calls: []completion.ToolCall{call(0, "weather", `{"city": "Rome #1"}`)}, finish: "tool_calls"},
		{message: `#tool weather {"city": "Rome"} #tool clock #tool lamp.on {}`, calls: []completion.ToolCall{call(0, "weather", `{"city": "Rome"}`), call(1, "clock", "{}"), call(2, "lamp.on", "{}")}, finish: "tool_calls"},
		{message: "#tool", calls: []completion.ToolCall{call(0, "clock", "{}")}, finish: "tool_calls"},
		{message: "Please use the weather.", calls: []completion.ToolCall{call(0, "weather", "{}")}, finish: "tool_calls"},
		{message: "Please use the brain.", begins: "You said: “Please use the brain.”.", finish: "stop"},
		{message: `#tool weather {"city": "Rome"} #bad-arguments`, calls: []completion.ToolCall{call(0, "weather", `{"cut": [{"city":`)}, finish: "tool_calls"},
		{message: "#refuse", finish: "stop", stream: completion.Refused, whole: completion.Refused},
		{message: "Hello #filter 2", begins: "You said:", finish: "content_filter", stream: completion.Refused, whole: completion.Refused, began: true},
		{message: "#empty", finish: "stop", stream: completion.Empty, whole: completion.Empty},
		{message: "#break", stream: completion.Temporary, whole: completion.Temporary},
		{message: "Hello #break 2", begins: "You said:", stream: completion.BrokenOff, whole: completion.Temporary, began: true},
		{message: "Hello #garbage 2", begins: "You said:", stream: completion.BrokenOff, whole: completion.Temporary, began: true},
		{message: "#big", begins: "large large", stream: completion.TooLarge, whole: completion.TooLarge, began: true},
		{message: "#big-event", stream: completion.TooLarge, whole: completion.TooLarge},
		{message: "#bad-utf8", begins: "This is \uFFFD\uFFFD\uFFFD and goes on.", tokens: 3, finish: "stop"},
		{message: "#400", stream: completion.Permanent, whole: completion.Permanent},
		{message: "#401", stream: completion.Permanent, whole: completion.Permanent},
		{message: "#429 7", stream: completion.Temporary, whole: completion.Temporary},
		{message: "#500", stream: completion.Temporary, whole: completion.Temporary},
		{message: "#quota", stream: completion.Permanent, whole: completion.Permanent},
	} {
		c := model(t)
		var pieces strings.Builder
		streamed, err := c.Stream(t.Context(), ask(user(tt.message)), func(p completion.Piece) { pieces.WriteString(p.Content) })
		var e *completion.Error
		if errors.As(err, &e); completion.KindOf(err) != tt.stream || e != nil && e.Began != tt.began {
			t.Errorf("%s: %v, %s, want %s", tt.message, err, completion.KindOf(err), tt.stream)
		}
		if strings.HasPrefix(tt.message, "#429") && e.After != 7*time.Second {
			t.Errorf("%s: after %v", tt.message, e.After)
		}
		if !strings.HasPrefix(streamed.Content, tt.begins) || (streamed.Content != "") != (tt.begins != "") || pieces.String() != streamed.Content ||
			!strings.HasPrefix(streamed.Thinking, tt.thinking) || (streamed.Thinking != "") != (tt.thinking != "") ||
			!reflect.DeepEqual(streamed.ToolCalls, tt.calls) || streamed.Finish != tt.finish || !utf8.ValidString(streamed.Content) {
			t.Errorf("%s: %.300q, %.100q, %+v, %s", tt.message, streamed.Content, streamed.Thinking, streamed.ToolCalls, streamed.Finish)
		}
		if u := streamed.Usage; tt.finish != "" && (tt.tokens > 0 && u.CompletionTokens != int64(tt.tokens) || tt.begins+tt.finish != "stop" && u.CompletionTokens == 0 || u.PromptTokens < 4 || u.TotalTokens != u.PromptTokens+u.CompletionTokens) {
			t.Errorf("%s: usage %+v", tt.message, u)
		}
		// The same question gets the same answer, streamed or not.
		whole, err := c.Complete(t.Context(), ask(user(tt.message)))
		if completion.KindOf(err) != tt.whole || err == nil && !reflect.DeepEqual(whole, streamed) {
			t.Errorf("%s: not streamed: %v\n%+v\nstreamed: %+v", tt.message, err, whole, streamed)
		}
	}
}

// Given the results of its tools the model answers with them, or goes on to the next.
func TestToolResults(t *testing.T) {
	t.Parallel()
	c := model(t)
	for name, tt := range map[string]struct {
		question string
		results  []string // what the tools say, one question of the model after the other
		calls    []string // of the model's answers
		want     string
	}{
		"one":      {`#tool weather {"city":"Rome"}`, []string{"18 degrees"}, []string{"weather", ""}, "The tool weather said: 18 degrees"},
		"two":      {"#tool weather #tool clock", []string{"fine"}, []string{"weather,clock", ""}, "The tool weather said: fine\nThe tool clock said: fine"},
		"in a row": {"#tool weather #then #tool clock", []string{"fine", "noon"}, []string{"weather", "clock", ""}, "The tool clock said: noon"},
		"a loop":   {"#loop #tool weather", []string{"a", "b", "c"}, []string{"weather", "weather", "weather", "weather"}, ""},
		"an error": {"use clock", []string{"error: no clock here"}, []string{"clock", ""}, "The tool clock said: error: no clock here"},
	} {
		messages := []completion.Message{user("#tool clock"), {Role: completion.RoleAssistant, Content: "an older answer"}, user(tt.question)}
		var last completion.Answer
		for i, want := range tt.calls {
			var err error
			if last, err = c.Stream(t.Context(), ask(messages...), nil); err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			var names []string
			for _, call := range last.ToolCalls {
				names = append(names, call.Name)
			}
			if got := strings.Join(names, ","); got != want {
				t.Fatalf("%s: step %d calls %q, want %q", name, i, got, want)
			}
			messages = append(messages, completion.Message{Role: completion.RoleAssistant, ToolCalls: last.ToolCalls})
			for _, call := range last.ToolCalls {
				if i < len(tt.results) {
					messages = append(messages, completion.Message{Role: completion.RoleTool, ToolCallID: call.ID, Content: tt.results[i]})
				}
			}
		}
		if last.Content != tt.want {
			t.Errorf("%s: %q, want %q", name, last.Content, tt.want)
		}
	}
}

// The bound of the answer counts thoughts too, by either name.
func TestMaxOutputTokens(t *testing.T) {
	t.Parallel()
	server := httptest.NewServer(scripted.New(scripted.Options{}))
	defer server.Close()
	for _, limit := range []completion.Limit{completion.MaxTokens, completion.MaxCompletionTokens} {
		c := completion.New(completion.Options{BaseURL: server.URL + "/v1", Settings: completion.Settings{Limit: limit}})
		r := ask(user("#think 4 #tokens 100"))
		r.MaxOutputTokens = 10
		got, err := c.Stream(t.Context(), r, nil)
		if err != nil || got.Finish != "length" || got.Usage.CompletionTokens != 10 || got.Thinking == "" || got.Content == "" {
			t.Errorf("%s: %+v, %v", limit, got, err)
		}
	}
}

// What was told to fail at first answers then, each question for itself.
func TestFlaky(t *testing.T) {
	t.Parallel()
	c := model(t)
	for i, want := range []completion.Kind{completion.Temporary, completion.Temporary, "", ""} {
		if _, err := c.Stream(t.Context(), ask(user("#flaky 2")), nil); completion.KindOf(err) != want {
			t.Errorf("the question %d: %v", i+1, err)
		}
	}
	if _, err := c.Stream(t.Context(), ask(user("Hello"), user("#flaky 2")), nil); completion.KindOf(err) != completion.Temporary {
		t.Errorf("another question: %v", err)
	}
}

// A model that falls silent does so until nobody waits any more, with what it said seen.
func TestSilent(t *testing.T) {
	t.Parallel()
	c := model(t)
	for question, want := range map[string]string{"#silent": "", "Hello #silent 2": "You said:"} {
		ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
		got, err := c.Stream(ctx, ask(user(question)), nil)
		if completion.KindOf(err) != completion.Cancelled || got.Content != want {
			t.Errorf("%s: %q, %v", question, got.Content, err)
		}
		if _, err := c.Complete(ctx, ask(user(question))); completion.KindOf(err) != completion.Cancelled {
			t.Errorf("%s, not streamed: %v", question, err)
		}
		cancel()
	}
}

// Tokens come one by one, with a pause before each.
func TestDelay(t *testing.T) {
	t.Parallel()
	server := httptest.NewServer(scripted.New(scripted.Options{Delay: 10 * time.Millisecond}))
	defer server.Close()
	c := completion.New(completion.Options{BaseURL: server.URL + "/v1"})
	for question, least := range map[string]time.Duration{"#tokens 10": 100 * time.Millisecond, "#tokens 2 #slow 60": 120 * time.Millisecond, "#slow 0 #wait 50": 50 * time.Millisecond} {
		var came []time.Time
		begun := time.Now()
		if _, err := c.Stream(t.Context(), ask(user(question)), func(completion.Piece) { came = append(came, time.Now()) }); err != nil {
			t.Fatal(err)
		}
		if took := time.Since(begun); took < least || len(came) < 2 || strings.Contains(question, "tokens") && came[len(came)-1].Sub(came[0]) < least/4 {
			t.Errorf("%s: %d pieces in %v", question, len(came), took)
		}
	}
}

// What is no question is refused in the form of OpenAI's errors.
func TestBadRequests(t *testing.T) {
	t.Parallel()
	server := httptest.NewServer(scripted.New(scripted.Options{}))
	defer server.Close()
	for _, tt := range []struct {
		method, path, body string
		status             int
	}{
		{"POST", "/v1/completions", "{}", 404},
		{"GET", "/v1/chat/completions", "", 405},
		{"POST", "/v1/chat/completions", "{", 400},
		{"POST", "/v1/chat/completions", "{}", 400},
		{"POST", "/v1/chat/completions", `{"messages":[{"role":"user","content":7}]}`, 400},
		{"POST", "/v1/chat/completions", `{"messages":"` + strings.Repeat("x", 9<<20) + `"}`, 400},
		{"POST", "/below/v1/chat/completions", `{"messages":[{"role":"user","content":[{"type":"text","text":"Hi"}]},{"role":"assistant","content":null}]}`, 200},
	} {
		r, err := http.NewRequestWithContext(t.Context(), tt.method, server.URL+tt.path, strings.NewReader(tt.body))
		if err != nil {
			t.Fatal(err)
		}
		response, err := server.Client().Do(r)
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(response.Body)
		response.Body.Close()
		var told struct {
			Error   *struct{ Message string }
			Choices []struct{ Message struct{ Content string } }
		}
		if err != nil || response.StatusCode != tt.status || json.Unmarshal(body, &told) != nil || (told.Error == nil) != (tt.status == 200) {
			t.Errorf("%s %s %.80s: %d, %s, %v", tt.method, tt.path, tt.body, response.StatusCode, body, err)
		}
		if tt.status == 200 && !strings.HasPrefix(told.Choices[0].Message.Content, "You said: “Hi”.") {
			t.Errorf("%s", body)
		}
	}
}
