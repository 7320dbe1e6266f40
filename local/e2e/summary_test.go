package e2e_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"aiwm-chat/local/server"
	"aiwm-chat/shared/chat"
	"aiwm-chat/shared/protocol"
)

// A model is a service with chat completions that repeats what it is asked, and
// fails when it is told to.
type model struct {
	url    string
	mu     sync.Mutex
	status int
	slow   time.Duration
	asked  []string // the conversation, as it came
}

func newModel(t *testing.T) *model {
	t.Helper()
	m := &model{status: http.StatusOK}
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var in struct{ Messages []struct{ Content string } }
		if err := json.NewDecoder(r.Body).Decode(&in); err != nil || len(in.Messages) != 2 {
			t.Errorf("the model got %+v, %v", in, err)
			return
		}
		m.mu.Lock()
		m.asked = append(m.asked, in.Messages[1].Content)
		status, slow := m.status, m.slow
		m.mu.Unlock()
		time.Sleep(slow)
		w.WriteHeader(status)
		answer, err := protocol.Marshal(fields{"choices": []any{fields{"message": fields{"role": "assistant", "content": "<think>Hm.</think>Said: " + in.Messages[1].Content}}}})
		if err != nil {
			t.Error(err)
		}
		_, _ = w.Write(answer)
	}))
	t.Cleanup(s.Close)
	m.url = s.URL
	return m
}

func (m *model) set(status int, slow time.Duration) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.status, m.slow, m.asked = status, slow, nil
}

func (m *model) calls() []string {
	m.mu.Lock()
	defer m.mu.Unlock()
	return append([]string{}, m.asked...)
}

func withModel(t *testing.T) (*model, *server.Server) {
	t.Helper()
	m := newModel(t)
	o := options()
	o.Getenv = set(map[string]string{"OPENAI_API_KEY": "sk-test", "OPENAI_BASE_URL": m.url})
	return m, start(t, o)
}

func (a *actor) conversation(id chat.ConversationID) (c protocol.Conversation) {
	a.t.Helper()
	a.call(http.MethodGet, "/conversations/"+string(id), nil, &c)
	return c
}

// What is deleted goes from the summary and from the last message as well, and the
// summary is made again without it.
func TestADeletedSecretLeavesTheSummary(t *testing.T) {
	const secret = "4111 1111 1111 1111"
	m, s := withModel(t)
	user, agent := newUser(t, s), newAgent(t, s)
	id := user.open(agent)
	first := user.postMessage(string(id), "my card is "+secret, "")
	for i := range 9 {
		user.postMessage(string(id), fmt.Sprint("message ", i+2), "")
	}
	eventually(t, "the summary knows the secret", func() bool { return strings.Contains(user.conversation(id).ContextSummary, secret) })
	if text := user.conversation(id).ContextSummary; !strings.HasPrefix(text, "Said: ") {
		t.Errorf("thoughts are part of it: %s", text)
	}
	m.set(http.StatusOK, 0)
	user.call(http.MethodDelete, "/messages/"+string(first.MessageID), nil, nil)
	if text := user.conversation(id).ContextSummary; strings.Contains(text, secret) {
		t.Errorf("after the deletion it says %s", text)
	}
	eventually(t, "it is made again", func() bool { c := user.conversation(id); return c.Summary != nil && c.Summary.ToSeq >= 10 })
	if c := user.conversation(id); strings.Contains(c.ContextSummary, secret) || !strings.Contains(c.ContextSummary, "message 10") {
		t.Errorf("it is made again as %s", c.ContextSummary)
	}
	for _, asked := range m.calls() {
		if strings.Contains(asked, secret) {
			t.Errorf("the model was told again: %s", asked)
		}
	}
	last := user.postMessage(string(id), "and its code is "+secret, "")
	user.call(http.MethodDelete, "/messages/"+string(last.MessageID), nil, nil)
	if c := user.conversation(id); c.LastMessage == nil || c.LastMessage.Content != "" || c.LastMessage.Seq != 11 {
		t.Errorf("the last message is %+v", c.LastMessage)
	}
}

// Fifty who ask at once make one call; a key that is refused is no reason to try
// again, and is asked no more either.
func TestOneModelCallForMany(t *testing.T) {
	m, s := withModel(t)
	user, agent := newUser(t, s), newAgent(t, s)
	crowd := func(id chat.ConversationID) map[chat.Code]int {
		var mu sync.Mutex
		codes := map[chat.Code]int{}
		var wg sync.WaitGroup
		for range 50 {
			wg.Go(func() {
				err := user.try(http.MethodPost, "/conversations/"+string(id)+"/summary", nil, nil)
				mu.Lock()
				defer mu.Unlock()
				codes[code(t, err)]++
			})
		}
		wg.Wait()
		return codes
	}
	id := user.open(agent)
	user.postMessage(string(id), "hello", "")
	m.set(http.StatusOK, 200*time.Millisecond)
	if codes := crowd(id); len(m.calls()) != 1 || codes[""] == 0 || codes[""]+codes[chat.RateLimited] != 50 {
		t.Errorf("%d calls, answers %v", len(m.calls()), codes)
	}
	id = user.open(agent)
	user.postMessage(string(id), "hello", "")
	m.set(http.StatusUnauthorized, 200*time.Millisecond)
	if codes := crowd(id); len(m.calls()) != 1 || codes[chat.Internal] == 0 || codes[chat.Internal]+codes[chat.RateLimited] != 50 {
		t.Errorf("with a wrong key: %d calls, answers %v", len(m.calls()), codes)
	}
}
