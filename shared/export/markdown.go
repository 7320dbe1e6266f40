package export

import (
	"encoding/json"
	"fmt"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"aiwm-chat/shared/chat"
)

// Whatever somebody wrote stands in a fence that is longer than any in it, so that nothing of
// it is read as Markdown, or as HTML: no text can end its place and begin a message of
// somebody else. What stands outside is escaped, mark by mark.

// appendTitle begins a conversation.
func appendTitle(page []byte, c chat.Conversation) []byte {
	page = fmt.Appendf(page, "# %s\n\n", escaped(c.Title))
	if c.Description != "" {
		page = appendFence(page, "", c.Description)
	}
	var who []string
	for _, p := range c.Participants {
		who = append(who, name(chat.Principal{Type: p.Type, ID: p.ID}))
	}
	return fmt.Appendf(page, "- With: %s\n- Begun: %s\n\n", strings.Join(who, ", "), at(c.CreatedAt))
}

// appendMessage writes a message, which may answer the one at another place.
func appendMessage(page []byte, m chat.Message, parent int64) []byte {
	page = fmt.Appendf(page, "## %d · %s · %s\n\n", m.Seq, name(m.Sender), at(m.CreatedAt))
	if m.Deleted {
		by := ""
		if m.DeletedBy != nil {
			by = " by " + name(*m.DeletedBy)
		}
		return fmt.Appendf(page, "*This message was deleted%s.*\n\n", by)
	}
	if m.Name != "" {
		page = fmt.Appendf(page, "Name: %s\n\n", escaped(m.Name))
	}
	if parent > 0 {
		page = fmt.Appendf(page, "In reply to %d\n\n", parent)
	}
	if t := m.Thinking; t != nil && t.Visible {
		page = appendFence(append(page, "Thinking:\n\n"...), "", t.Content)
	}
	if m.Content != "" {
		page = appendFence(page, "", m.Content)
	}
	page = appendTools(page, "Calls", m.ToolCalls)
	page = appendTools(page, "Results", m.ToolResults)
	if a := m.Approval; a != nil {
		page = appendApproval(page, a)
	}
	if m.Error != "" {
		page = appendFence(append(page, "Error:\n\n"...), "", m.Error)
	}
	return appendNotes(page, m)
}

func appendTools(page []byte, what string, items []json.RawMessage) []byte {
	for _, it := range items {
		page = appendFence(fmt.Appendf(page, "%s:\n\n", what), "json", string(it))
	}
	return page
}

func appendApproval(page []byte, a *chat.Approval) []byte {
	page = fmt.Appendf(page, "Approval: %s", escaped(string(a.Verdict)))
	if a.By != "" {
		page = fmt.Appendf(page, " by %s", escaped(string(a.By)))
	}
	page = append(page, "\n\n"...)
	if a.Reason != "" {
		page = appendFence(page, "", a.Reason)
	}
	return page
}

// appendNotes writes what belongs to a message and is not said in it.
func appendNotes(page []byte, m chat.Message) []byte {
	before := len(page)
	for _, a := range m.Attachments {
		page = fmt.Appendf(page, "- Attachment: %s\n", escaped(string(a)))
	}
	if m.Edits > 0 {
		page = fmt.Appendf(page, "- Edited: %s\n", at(m.EditedAt))
	}
	for _, r := range m.Reactions {
		page = fmt.Appendf(page, "- %s %s\n", escaped(string(r.Key)), name(r.By))
	}
	if len(page) > before {
		page = append(page, '\n')
	}
	return page
}

func at(t time.Time) string { return t.UTC().Format("2006-01-02 15:04:05 UTC") }

// name is what people call somebody: agents and the backend are told from users.
func name(p chat.Principal) string {
	if p.Type == chat.User {
		return escaped(string(p.ID))
	}
	return fmt.Sprintf("%s (%s)", escaped(string(p.ID)), p.Type)
}

// appendFence writes a text as it is.
func appendFence(page []byte, language, text string) []byte {
	fence := strings.Repeat("`", max(3, longestRun(text, '`')+1))
	page = fmt.Appendf(page, "%s%s\n", fence, language)
	text = strings.ReplaceAll(strings.ReplaceAll(text, "\r\n", "\n"), "\r", "\n")
	page = appendShown(page, text, false)
	return fmt.Appendf(page, "\n%s\n\n", fence)
}

func longestRun(s string, of rune) (longest int) {
	run := 0
	for _, r := range s {
		if run++; r != of {
			run = 0
		}
		longest = max(longest, run)
	}
	return longest
}

// escaped is a text in a line of Markdown: all its marks are meant as they are.
func escaped(s string) string { return string(appendShown(nil, s, true)) }

// marks are those that mean something within a line of Markdown, or in HTML.
const marks = "\\`*_[]<>&~|#!$^"

// appendShown writes what can be seen. A character that moves the cursor of a terminal is
// shown as a sign that stands for it: a file that is printed is as safe as one that is
// rendered. What turns text around ends with its line, so it is left in texts alone.
func appendShown(b []byte, s string, inLine bool) []byte {
	for _, r := range s {
		switch {
		case inLine && (r == '\n' || r == '\t'):
			b = append(b, ' ')
		case r == '\n', r == '\t':
			b = append(b, byte(r))
		case r < ' ':
			b = utf8.AppendRune(b, '\u2400'+r) // the picture of a control character
		case r == 0x7f:
			b = utf8.AppendRune(b, '\u2421')
		case unicode.IsControl(r), inLine && turns(r):
			b = utf8.AppendRune(b, utf8.RuneError)
		case inLine && strings.ContainsRune(marks, r):
			b = append(b, '\\', byte(r))
		default:
			b = utf8.AppendRune(b, r)
		}
	}
	return b
}

// turns reports whether a character turns around what comes after it, or ends the line.
func turns(r rune) bool {
	return '\u202a' <= r && r <= '\u202e' || '\u2066' <= r && r <= '\u2069' || r == '\u2028' || r == '\u2029'
}
