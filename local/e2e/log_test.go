package e2e_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"unicode/utf8"

	"aiwm-chat/shared/chat"
	"aiwm-chat/shared/protocol"
)

// watched is the log of all tests of this package. Whatever they do, no token, no
// key and nothing that somebody wrote may be in it.
var watched = &watch{secrets: map[string]bool{
	string(options().Secret): true,
	"eyJhbGciOi":             true, "eyJ0eXAiOi": true, "eyJraWQiOi": true, // so begin JWTs; an id may have "eyJ" in it
}}

type watch struct {
	level slog.LevelVar
	mu    sync.Mutex
	also  io.Writer

	secrets map[string]bool
	found   []string
	kept    map[*[]map[string]any]bool // of those who follow it
}

// Write takes one line.
func (w *watch) Write(line []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for secret := range w.secrets {
		if bytes.Contains(line, []byte(secret)) && len(w.found) < 10 {
			w.found = append(w.found, fmt.Sprintf("%q in %s", secret, line))
		}
	}
	if len(w.kept) > 0 {
		var entry map[string]any
		_ = json.Unmarshal(line, &entry) // nil, if it is none, and nobody's
		for lines := range w.kept {
			*lines = append(*lines, entry)
		}
	}
	if w.also != nil {
		_, _ = w.also.Write(line)
	}
	return len(line), nil
}

func (w *watch) secret(s string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.secrets[s] = true
}

// written notes what a client writes, as far as it is unlike anything that a log
// has to say.
func (w *watch) written(in any) {
	b, err := json.Marshal(in)
	if err != nil {
		return
	}
	var says struct{ Content string }
	_ = json.Unmarshal(b, &says) // some are to be refused
	const unlike = 200           // a long one is known by its beginning
	if s := says.Content; strings.Contains(s, " ") && utf8.ValidString(s) && !strings.ContainsAny(s, "\"\\\n\t<>&") {
		w.secret(chat.TruncateUTF8(s, unlike))
	}
}

func (w *watch) leaks() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return strings.Join(w.found, "")
}

// follow returns what finds lines that are logged from here on, also those of level
// debug.
func (w *watch) follow(t *testing.T) func(is func(line map[string]any) bool) []map[string]any {
	t.Helper()
	lines := &[]map[string]any{}
	w.mu.Lock()
	if w.kept == nil {
		w.kept = map[*[]map[string]any]bool{}
	}
	w.kept[lines] = true
	w.level.Set(slog.LevelDebug)
	w.mu.Unlock()
	t.Cleanup(func() {
		w.mu.Lock()
		defer w.mu.Unlock()
		delete(w.kept, lines)
		if len(w.kept) == 0 {
			w.level.Set(slog.LevelInfo)
		}
	})
	return func(is func(map[string]any) bool) (found []map[string]any) {
		w.mu.Lock()
		defer w.mu.Unlock()
		for _, line := range *lines {
			if line != nil && is(line) {
				found = append(found, line)
			}
		}
		return found
	}
}

// One frame of a client is one line, which says everything of it but what was
// written; and each frame that it makes others get, and each job that follows, can
// be found by the client's own id of it.
func TestLogOfAMessage(t *testing.T) {
	t.Parallel()
	if options().Exec != "" {
		t.Skip("the log of binaries is their own")
	}
	find := watched.follow(t)
	user, agent, id := talk(t, shared)
	const often = 10 // then there is a summary
	var sent answered
	for range often {
		f, err := user.ask("send", fields{"conversationId": id, "content": "this is nobody else's to read"})
		if err != nil {
			t.Fatal(err)
		}
		sent = answered{f.ID, data[protocol.Sent](t, f)}
	}
	agent.expect(protocol.EventMessageNew)
	var event map[string]any
	eventually(t, "the message has its line", func() bool {
		events := find(func(l map[string]any) bool {
			return l["msg"] == "event" && l["route"] == "send" && l["correlation"] == sent.frame && l["conversation"] == string(id)
		})
		if len(events) > 0 {
			event = events[0]
		}
		return len(events) == 1
	})
	for key, want := range map[string]any{
		"principal": user.principal.String(), "outcome": "ok", "level": "INFO", "messages": 1.0, "fanOut": 3.0, "posted": 4.0, "code": nil,
	} {
		if event[key] != want {
			t.Errorf("%s is %v, want %v", key, event[key], want)
		}
	}
	for _, key := range []string{"requestId", "connection", "took", "deliveryMs"} {
		if event[key] == nil {
			t.Errorf("there is no %s: %v", key, event)
		}
	}
	posts := find(func(l map[string]any) bool { return l["msg"] == "post" && l["requestId"] == event["requestId"] })
	if len(posts) != 4 || slices.ContainsFunc(posts, func(l map[string]any) bool { return l["correlation"] != sent.frame || l["connection"] == nil }) {
		t.Errorf("the posts are %v", posts)
	}
	eventually(t, "its summary has a line", func() bool {
		return len(find(func(l map[string]any) bool {
			return l["route"] == "queue SummaryQueue" && l["correlation"] == sent.frame && l["conversation"] == string(id) && l["requestId"] != event["requestId"] && l["outcome"] == "ok"
		})) == 1
	})
}

type answered struct {
	frame string
	protocol.Sent
}

// A log that tells a secret makes the tests fail.
func TestTheWatchSees(t *testing.T) {
	t.Parallel()
	w := &watch{secrets: map[string]bool{}}
	w.secret("a token")
	w.written(fields{"content": "two words"})
	w.written(protocol.MessageInput{Content: "three words more"})
	log := slog.New(slog.NewJSONHandler(w, nil))
	log.Info("fine", "x", "a tok")
	if w.leaks() != "" {
		t.Error(w.leaks())
	}
	log.Info("not fine", "err", "a token")
	log.Info("not fine", "body", `{"content":"two words"}`)
	log.Info("three words more")
	if len(w.found) != 3 {
		t.Errorf("found %v", w.found)
	}
}
