package e2e_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"aiwm-chat/local/scripted"
	"aiwm-chat/local/server"
	"aiwm-chat/shared/chat"
)

// A heard is what a scripted model is asked.
type heard struct {
	mu   sync.Mutex
	last []heardMessage
}

type heardMessage struct {
	Role       string `json:"role"`
	Content    string `json:"content"`
	ToolCallID string `json:"tool_call_id"`
	ToolCalls  []struct {
		ID string `json:"id"`
	} `json:"tool_calls"`
}

// listening starts a server whose model is heard.
func listening(t *testing.T) (*heard, *server.Server) {
	t.Helper()
	h, model := &heard{}, scripted.New(scripted.Options{})
	listener := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		var in struct{ Messages []heardMessage }
		if err != nil || json.Unmarshal(body, &in) != nil {
			t.Errorf("the model is asked %q, %v", body, err)
		}
		h.mu.Lock()
		h.last = in.Messages
		h.mu.Unlock()
		r.Body = io.NopCloser(bytes.NewReader(body))
		model.ServeHTTP(w, r)
	}))
	t.Cleanup(listener.Close)
	o := options()
	o.Getenv = set(map[string]string{"PROVIDERS": fmt.Sprintf(`{%q: {"url": %q}}`, server.ScriptedProvider, listener.URL+"/v1")})
	return h, start(t, o)
}

// messages is what the model was asked last: the instructions, and the rest, which has
// each call with its results.
func (h *heard) messages(t *testing.T) (system string, rest []heardMessage, tokens int) {
	t.Helper()
	h.mu.Lock()
	defer h.mu.Unlock()
	open := map[string]bool{}
	for i, m := range h.last {
		if m.Role == "system" {
			if i > 0 {
				t.Errorf("instructions in the middle: %+v", m)
			}
			system = m.Content
			continue
		}
		rest = append(rest, m)
		tokens += 4 + (len(m.Content)+3)/4
		for _, c := range m.ToolCalls {
			open[c.ID] = true
		}
		if m.Role == "tool" && !open[m.ToolCallID] {
			t.Errorf("the result of no call: %+v", m)
		}
		delete(open, m.ToolCallID)
	}
	if len(open) > 0 {
		t.Errorf("calls without results: %v", open)
	}
	return system, rest, tokens
}

// In a conversation of two hundred messages the model is asked no more than the agent's
// history has room for; what was before, the summary says, if it may.
func TestRunOfALongConversation(t *testing.T) {
	if testing.Short() {
		t.Skip("many runs at once, which take their time on a slow machine")
	}
	t.Parallel()
	const all, most = 200, 1000
	h, s := listening(t)
	with := fields{"respond": "mention", "instructions": "Be short.", "history": fields{"messages": 40, "tokens": most}}
	a := asks(t, s, with)
	each(all, 8, func(i int) {
		a.postMessage(string(a.id), fmt.Sprintf("Message %d. %s", i, strings.Repeat("Nothing new. ", 12)), "")
	})
	eventually(t, "there is a summary of most of it", func() bool { c := a.conversation(a.id); return c.Summary != nil && c.Summary.ToSeq > all-50 })
	ask := func(text string) {
		t.Helper()
		got, _ := a.over(a.say(a.id, fmt.Sprintf("%s @%s", text, a.agent)), 0)
		if got.Status != chat.RunComplete || got.Usage.PromptTokens == 0 || got.Usage.PromptTokens > 5*most {
			t.Errorf("the run is %+v", got)
		}
	}
	ask(`Where is it? #tool shop__get_order {"order": "1042"}`)
	ask("And now?")
	system, rest, tokens := h.messages(t)
	if !strings.HasPrefix(system, "Be short.") || !strings.Contains(system, "What was said before, in short (messages 1 to ") || len(system) > 4*4000 {
		t.Errorf("the instructions are %q", system)
	}
	if tokens > most || len(rest) > 40 || !strings.Contains(rest[len(rest)-1].Content, "And now?") {
		t.Errorf("the model is asked %d messages of %d tokens", len(rest), tokens)
	}

	with["history"] = fields{"messages": 40, "tokens": most, "summary": false}
	newAdmin(t, s).call(http.MethodPut, "/agents/"+string(a.agent), fields{"version": 1, "name": "An agent", "managed": managed(with)}, nil)
	ask("And without it?")
	system, rest, tokens = h.messages(t)
	if system != "Be short." || tokens > most || tokens < most/2 || len(rest) < 10 {
		t.Errorf("without a summary the model is asked %q and %d messages of %d tokens", system, len(rest), tokens)
	}
	text := fmt.Sprint(rest)
	for _, part := range []string{"Message ", "Where is it?", "Order 1042 is", "And now?", "And without it?"} {
		if !strings.Contains(text, part) {
			t.Errorf("the newest are not among them: %q is missing", part)
		}
	}
}
