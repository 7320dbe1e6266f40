// Package scripted is a language model that does as it is told: a service with OpenAI's
// chat completions, streaming and not, for development and tests without a model. The
// same question gets the same tokens. Who asks it plainly gets some sentences; a
// directive in the last message of a user makes it do something else:
//
//	#tokens 500            an answer of so many tokens
//	#slow 500              milliseconds between two tokens
//	#wait 2000             milliseconds before the first
//	#think 20              so many tokens of thoughts first, as reasoning_content
//	#think-tags 20         the same, in <think> in the content
//	#tool name {json}      calls a tool, several in one answer for several of them,
//	                       also one that it was not offered; without a name the first one
//	#then                  what follows is done after the results of the tools before it
//	#loop                  calls the tools again after each result
//	#bad-arguments         the arguments of the tool before it are cut, and no JSON
//	#refuse                refuses, in words of its own
//	#filter 3              a content filter ends it after so many tokens
//	#empty                 says nothing
//	#break 5               the connection breaks after so many tokens
//	#silent 5              says nothing any more after so many tokens, and does not end
//	#garbage 5             what is no JSON comes after so many tokens
//	#big                   3 MB in many events, or #big-event in one
//	#bad-utf8              bytes that are no UTF-8, control characters, and half a pair
//	#429 7                 fails with that status (400 to 599), and asks to wait for so many seconds
//	#quota                 what is paid for is used up
//	#flaky 2               fails with 503 the first times that it is asked, for each question
//
// Numbers may be left out. After results of tools it answers with them. "use clock" in
// a message calls the tool clock, if it was offered.
package scripted

import (
	"encoding/json"
	"fmt"
	"hash/fnv"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"
)

// Path is where a Model answers, below any other path.
const Path = "/v1/chat/completions"

// Options say how fast a model is.
type Options struct {
	Delay time.Duration // before each token; 0: none
}

// A Model is an http.Handler. Its only memory is how often #flaky was asked.
type Model struct {
	options Options
	mu      sync.Mutex
	asked   map[uint64]int
}

// New returns a model.
func New(o Options) *Model { return &Model{options: o, asked: map[uint64]int{}} }

const maxBody = 8 << 20

type request struct {
	Model     string    `json:"model"`
	Stream    bool      `json:"stream"`
	Messages  []message `json:"messages"`
	MaxTokens int       `json:"max_tokens"`
	MaxNew    int       `json:"max_completion_tokens"`
	Tools     []struct {
		Function struct {
			Name string `json:"name"`
		} `json:"function"`
	} `json:"tools"`
	StreamOptions struct {
		IncludeUsage bool `json:"include_usage"`
	} `json:"stream_options"`
}

type message struct {
	Role       string   `json:"role"`
	Content    content  `json:"content"`
	ToolCalls  []called `json:"tool_calls"`
	ToolCallID string   `json:"tool_call_id"`
}

type called struct {
	ID       string `json:"id"`
	Function struct {
		Name string `json:"name"`
	} `json:"function"`
}

// content is text, or parts of it.
type content string

func (c *content) UnmarshalJSON(data []byte) error {
	var text *string
	if json.Unmarshal(data, &text) == nil {
		if text != nil {
			*c = content(*text)
		}
		return nil
	}
	var parts []struct {
		Text string `json:"text"`
	}
	if err := json.Unmarshal(data, &parts); err != nil {
		return fmt.Errorf("content is neither text nor parts")
	}
	for _, p := range parts {
		*c += content(p.Text)
	}
	return nil
}

// ServeHTTP answers a question.
func (m *Model) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	switch {
	case !strings.HasSuffix(r.URL.Path, Path):
		fail(w, http.StatusNotFound, "there is only "+Path, "", 0)
		return
	case r.Method != http.MethodPost:
		w.Header().Set("Allow", http.MethodPost)
		fail(w, http.StatusMethodNotAllowed, "ask with POST", "", 0)
		return
	}
	var in request
	if err := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxBody)).Decode(&in); err != nil || len(in.Messages) == 0 {
		fail(w, http.StatusBadRequest, "that is no request with messages", "invalid_request_error", 0)
		return
	}
	s := read(in)
	switch {
	case s.status != 0:
		fail(w, s.status, "as it was told", s.code, s.retryAfter)
		return
	case s.flaky > 0 && m.again(in) <= s.flaky:
		fail(w, http.StatusServiceUnavailable, "try again", "overloaded", 0)
		return
	}
	o := &output{w: w, ctx: r.Context(), in: in, script: s, delay: m.options.Delay}
	if s.delay != nil {
		o.delay = *s.delay
	}
	o.answer(compose(in, s))
}

// again counts how often a conversation was asked about.
func (m *Model) again(in request) int {
	h := fnv.New64a()
	for _, msg := range in.Messages {
		fmt.Fprintf(h, "%q %q\n", msg.Role, msg.Content)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if len(m.asked) > 10_000 {
		clear(m.asked) // it is for tests, which ask a few
	}
	m.asked[h.Sum64()]++
	return m.asked[h.Sum64()]
}

// fail answers with an error of OpenAI's form.
func fail(w http.ResponseWriter, status int, text, code string, retryAfter int) {
	w.Header().Set("Content-Type", "application/json")
	if retryAfter > 0 {
		w.Header().Set("Retry-After", strconv.Itoa(retryAfter))
	}
	w.WriteHeader(status)
	body := map[string]any{"message": text, "type": "scripted_error", "param": nil, "code": nil}
	if code != "" {
		body["code"] = code
	}
	_ = json.NewEncoder(w).Encode(map[string]any{"error": body})
}
