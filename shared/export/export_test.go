package export_test

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"aiwm-chat/shared/chat"
	"aiwm-chat/shared/export"
)

var (
	at    = time.Date(2026, 11, 29, 9, 0, 0, 0, time.UTC)
	alice = chat.Principal{Type: chat.User, ID: "alice", OrgID: "acme"}
	agent = chat.Principal{Type: chat.Agent, ID: "bot", OrgID: "acme"}
)

// A shelf is a log in memory, which gives so many messages at a time.
type shelf struct {
	messages []chat.Message
	most     int
	fails    int // the nth read does; 0: none
	reads    int
}

var errDown = errors.New("down")

func (s *shelf) failing() bool { s.reads++; return s.reads == s.fails }

func (s *shelf) Messages(_ context.Context, _ chat.ConversationID, q chat.MessageQuery) (found []chat.Message, more bool, err error) {
	if s.failing() {
		return nil, false, errDown
	}
	if q.AfterSeq == nil {
		return s.messages[max(0, len(s.messages)-q.Limit):], false, nil
	}
	for _, m := range s.messages {
		if m.Seq > *q.AfterSeq && m.Seq < *q.BeforeSeq && len(found) < min(q.Limit, s.most) {
			found = append(found, m)
		}
	}
	return found, false, nil
}

func (s *shelf) Places(_ context.Context, _ chat.ConversationID, ids []chat.MessageID) (map[chat.MessageID]int64, error) {
	if s.failing() {
		return nil, errDown
	}
	places := map[chat.MessageID]int64{}
	for _, m := range s.messages {
		for _, id := range ids {
			if m.ID == id {
				places[id] = m.Seq
			}
		}
	}
	return places, nil
}

func conversation() chat.Conversation {
	c, err := chat.NewConversation(alice, "Order 4711", "About *it*", agent.ID, []string{"orders"}, at)
	if err != nil {
		panic(err)
	}
	c.ID = "c1"
	return c
}

// say adds messages to the log.
func (s *shelf) say(texts ...string) {
	for _, text := range texts {
		n := int64(len(s.messages) + 1)
		m := chat.Message{ID: chat.MessageID(fmt.Sprint("m", n)), ConversationID: "c1", Seq: n, Sender: alice, Status: chat.StatusSent, CreatedAt: at, UpdatedAt: at, ClientMessageID: "secret-name"}
		m.Content, m.Role, m.Type = text, chat.RoleUser, chat.TypeText
		s.messages = append(s.messages, m)
	}
}

// whole asks for all pages.
func whole(t *testing.T, s *shelf, f export.Format) (all []byte, pages int) {
	t.Helper()
	page, next, err := export.First(t.Context(), s, conversation(), f)
	for {
		if err != nil {
			t.Fatal(err)
		}
		if len(page) > export.MaxPage {
			t.Errorf("a page has %d bytes", len(page))
		}
		if answer, err := json.Marshal(map[string]string{"body": base64.StdEncoding.EncodeToString(page)}); err != nil || len(answer) > 6_291_556-10_000 {
			t.Errorf("Lambda would return %d bytes, %v", len(answer), err)
		}
		all = append(all, page...)
		if pages++; next == nil {
			return all, pages
		}
		again, bad := export.ParseCursor(next.String())
		if bad != nil || again != *next {
			t.Fatalf("the cursor %s is %v, %v", next, again, bad)
		}
		page, next, err = export.Next(t.Context(), s, conversation(), again)
	}
}

// However a log is cut, the pages are the same whole; and the largest message there can be
// is on a page that Lambda returns, whatever is in it.
func TestPages(t *testing.T) {
	worst := strings.Repeat("\x01", chat.MaxContentStream)
	tool := []json.RawMessage{json.RawMessage(`{"a":"` + strings.Repeat(`\u0001`, chat.MaxToolsBytes/6-10) + `"}`)}
	s := &shelf{most: 1000}
	s.say("one", "two", "three")
	for range 7 {
		s.say(worst, strings.Repeat("\"`<", 80_000), "short")
		m := &s.messages[len(s.messages)-3]
		m.Thinking = &chat.Thinking{Content: strings.Repeat("\x1b", chat.MaxThinkingStream), Visible: true}
		m.ToolCalls, m.ToolResults, m.Error, m.ParentID = tool, tool, strings.Repeat("\x02", chat.MaxMessageError), "m1"
	}
	for _, f := range []export.Format{export.NDJSON, export.Markdown} {
		s.most = 1000
		first, pages := whole(t, s, f)
		if pages < 2 {
			t.Errorf("%s has %d pages", f, pages)
		}
		for _, s.most = range []int{1, 2, 5} {
			if again, _ := whole(t, s, f); !bytes.Equal(again, first) {
				t.Errorf("%s is another one when the store gives %d at a time", f, s.most)
			}
		}
	}
}

func TestNDJSON(t *testing.T) {
	s := &shelf{most: 1000}
	s.say("one", "two", "three")
	s.messages[1].Deleted, s.messages[1].DeletedBy, s.messages[1].Version = true, &agent, 3
	s.messages[2].Thinking = &chat.Thinking{Content: "hidden-thought"}
	s.messages[2].Reactions = []chat.Reaction{{Key: "👍", By: agent, At: at}}
	s.messages[2].Streamed = true
	got, _ := whole(t, s, export.NDJSON)
	want := `{"format":"aiwm-chat/1","conversation":{"id":"c1","orgId":"acme","title":"Order 4711","description":"About *it*","agentId":"bot","status":"active","tags":["orders"],"participants":[{"type":"user","id":"alice","joined":"2026-11-29T09:00:00.000Z"},{"type":"agent","id":"bot","joined":"2026-11-29T09:00:00.000Z"}],"createdBy":{"type":"user","id":"alice"},"createdAt":"2026-11-29T09:00:00.000Z","updatedAt":"2026-11-29T09:00:00.000Z"},"lastSeq":3}
{"seq":1,"id":"m1","participantType":"user","participantId":"alice","role":"user","type":"text","content":"one","status":"sent","createdAt":"2026-11-29T09:00:00.000Z","updatedAt":"2026-11-29T09:00:00.000Z"}
{"seq":2,"id":"m2","participantType":"user","participantId":"alice","role":"user","type":"text","status":"sent","createdAt":"2026-11-29T09:00:00.000Z","updatedAt":"2026-11-29T09:00:00.000Z","isDeleted":true,"deletedBy":{"type":"agent","id":"bot"},"version":3}
{"seq":3,"id":"m3","participantType":"user","participantId":"alice","role":"user","type":"text","content":"three","status":"sent","createdAt":"2026-11-29T09:00:00.000Z","updatedAt":"2026-11-29T09:00:00.000Z","reactions":[{"key":"👍","type":"agent","id":"bot","at":"2026-11-29T09:00:00.000Z"}]}
`
	if string(got) != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

// What is said while the pages are asked for is not in them; a read that fails leaves no page.
func TestTheHeadStays(t *testing.T) {
	s := &shelf{most: 1000}
	for range 40 {
		s.say(strings.Repeat("x", chat.MaxContentStream))
	}
	page, next, err := export.First(t.Context(), s, conversation(), export.NDJSON)
	if err != nil || next == nil || next.Head != 40 {
		t.Fatalf("%v, %v", next, err)
	}
	s.say("late")
	for next != nil {
		var more []byte
		if more, next, err = export.Next(t.Context(), s, conversation(), *next); err != nil {
			t.Fatal(err)
		}
		page = append(page, more...)
	}
	if n := bytes.Count(page, []byte("\n")); n != 41 || bytes.Contains(page, []byte("late")) {
		t.Errorf("there are %d lines", n)
	}
	for s.fails = 1; s.fails <= 2; s.fails++ {
		s.reads = 0
		if page, next, err := export.First(t.Context(), s, conversation(), export.NDJSON); !errors.Is(err, errDown) || next != nil {
			t.Errorf("read %d failed: %d bytes, %v, %v", s.fails, len(page), next, err)
		}
	}
	s.messages[0].ParentID = "elsewhere"
	s.reads, s.fails = 0, 3
	if page, _, err := export.First(t.Context(), s, conversation(), export.Markdown); !errors.Is(err, errDown) || page != nil {
		t.Errorf("the look-up failed: %d bytes, %v", len(page), err)
	}
	if page, next, err := export.Next(t.Context(), &shelf{}, conversation(), export.Cursor{Format: export.NDJSON, After: 5, Head: 9}); err != nil || next != nil || len(page) > 0 {
		t.Errorf("a head that was made up gave %q, %v, %v", page, next, err)
	}
}

func TestCursor(t *testing.T) {
	for _, s := range []string{"", "x", "ndjson", "ndjson-1", "ndjson-2-1", "ndjson-1-1", "ndjson-0-1", "ndjson--1-2", "ndjson-+1-2", "ndjson-01-2", "html-1-2", "ndjson-1-2-3", "ndjson-1-9223372036854775808", "NDJSON-1-2"} {
		if c, err := export.ParseCursor(s); err == nil {
			t.Errorf("%q is %v", s, c)
		}
	}
	if c, err := export.ParseCursor("markdown-1-2"); err != nil || c != (export.Cursor{Format: export.Markdown, After: 1, Head: 2}) {
		t.Errorf("%v, %v", c, err)
	}
}

func TestMarkdown(t *testing.T) {
	s := &shelf{most: 1}
	s.say("Hello\r\n**world**", "two", "three", "four")
	s.messages[1].Deleted, s.messages[1].DeletedBy = true, &agent
	m := &s.messages[2]
	m.Sender, m.ParentID, m.Edits, m.EditedAt = agent, "m1", 1, at
	m.Thinking = &chat.Thinking{Content: "hm", Visible: true}
	m.Attachments = []chat.Attachment{"https://example.org/a_b"}
	m.ToolCalls = []json.RawMessage{json.RawMessage(`{"name":"x"}`)}
	m.Reactions = []chat.Reaction{{Key: ":party:", By: alice}}
	s.messages[3].Thinking, s.messages[3].Name = &chat.Thinking{Content: "hidden-thought"}, "A*"
	got, _ := whole(t, s, export.Markdown)
	want := "# Order 4711\n\n```\nAbout *it*\n```\n\n- With: alice, bot (agent)\n- Begun: 2026-11-29 09:00:00 UTC\n\n" +
		"## 1 · alice · 2026-11-29 09:00:00 UTC\n\n```\nHello\n**world**\n```\n\n" +
		"## 2 · alice · 2026-11-29 09:00:00 UTC\n\n*This message was deleted by bot (agent).*\n\n" +
		"## 3 · bot (agent) · 2026-11-29 09:00:00 UTC\n\nIn reply to 1\n\nThinking:\n\n```\nhm\n```\n\n```\nthree\n```\n\nCalls:\n\n```json\n{\"name\":\"x\"}\n```\n\n" +
		"- Attachment: https://example.org/a\\_b\n- Edited: 2026-11-29 09:00:00 UTC\n- :party: alice\n\n" +
		"## 4 · alice · 2026-11-29 09:00:00 UTC\n\nName: A\\*\n\n```\nfour\n```\n\n"
	if string(got) != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

// outside returns the lines that are in no fence, as CommonMark reads fences of backticks.
func outside(document string) (lines []string) {
	open := 0
	for line := range strings.SplitSeq(strings.TrimSuffix(document, "\n"), "\n") {
		if indent := len(line) - len(strings.TrimLeft(line, " ")); indent < 4 {
			line = line[indent:]
		}
		run := len(line) - len(strings.TrimLeft(line, "`"))
		switch {
		case open == 0 && run >= 3 && !strings.Contains(line[run:], "`"):
			open = run
		case open > 0 && run >= open && strings.Trim(line[run:], " \t") == "":
			open = 0
		case open == 0:
			lines = append(lines, line)
		}
	}
	if open > 0 {
		lines = append(lines, "a fence is not closed")
	}
	return lines
}

// Nothing that somebody wrote is outside of a fence but what is escaped in its one line:
// nobody can put words into another's mouth.
func FuzzNobodyPretends(f *testing.F) {
	for _, text := range []string{
		"## 2 · bob · 2026-11-29 09:00:00 UTC\n\nI owe alice 100", "```\n## 2 · bob\n```", "`````\n```` \n## 2", "~~~\n# x", "\r## 2 · bob", "\r\n## x",
		"</pre><h2>2 · bob</h2>", "> x\n\n## y", "[a]: javascript:x", "   ```\n## x", "\x1b[2J## 2", "\u2028## 2", "\u202e## 2", "-->", "a\n---", "`", "\\", "\x00", "\xff", "\n", "",
	} {
		f.Add(text)
	}
	skeleton := func(text string) []string {
		s := &shelf{most: 1000}
		s.say(text, "after")
		m := &s.messages[0]
		m.Error, m.Thinking, m.Approval = text, &chat.Thinking{Content: text, Visible: true}, &chat.Approval{Verdict: chat.VerdictDenied, Decision: chat.Decision{Reason: text, By: "bob"}}
		m.Name, m.Reactions = "n", []chat.Reaction{{Key: ":a:", By: alice}}
		c := conversation()
		c.Description = text
		page, _, err := export.First(context.Background(), s, c, export.Markdown)
		if err != nil {
			panic(err)
		}
		return outside(string(page))
	}
	want := skeleton("hello")
	f.Fuzz(func(t *testing.T, text string) {
		if text == "" {
			return // what is not said has no fence, and no line
		}
		if got := skeleton(text); strings.Join(got, "\n") != strings.Join(want, "\n") {
			t.Errorf("%q is seen as\n%s\nwant\n%s", text, strings.Join(got, "\n"), strings.Join(want, "\n"))
		}
		// In one line: a title, and a name.
		s := &shelf{most: 1000}
		s.say("x")
		s.messages[0].Name = text
		c := conversation()
		c.Title = text
		page, _, err := export.First(t.Context(), s, c, export.Markdown)
		if err != nil {
			t.Fatal(err)
		}
		if lines := outside(string(page)); len(lines) != 11 {
			t.Errorf("%q makes %d lines: %q", text, len(lines), lines)
		} else if lines[0][:2] != "# " || !unmarked(lines[0][2:]) || !unmarked(lines[8]) {
			t.Errorf("%q is %q, and %q", text, lines[0], lines[8])
		}
	})
}

// unmarked reports whether each mark of a line is escaped.
func unmarked(s string) bool {
	for i := 0; i < len(s); i++ {
		if s[i] == '\\' {
			i++
		} else if strings.IndexByte("`*_[]<>&~|#!$", s[i]) >= 0 || s[i] < ' ' {
			return false
		}
	}
	return true
}
