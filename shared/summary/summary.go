// Package summary puts a conversation into two or three sentences: its topics,
// decisions and outcomes. OpenAI does it well, Offline without a network.
package summary

import (
	"strings"
	"unicode/utf8"

	"aiwm-chat/shared/chat"
)

// Limits of what is summarised, and of the result.
const (
	MaxMessages = 20   // in one round
	MaxTokens   = 3000 // of the messages together, estimated
	MaxText     = 2000 // characters of a summary

	bytesPerToken = 4             // of English text; other scripts take more bytes, so the estimate holds for them
	maxShare      = MaxTokens / 4 // the most that one message gets, so that a long one leaves room for others
)

// Input is what to summarise: the summary so far, and the messages since then
// in ascending order, of which the first are read, as far as there is room.
// Where both are empty, so is the summary.
type Input struct {
	Previous string
	Messages []chat.Message
}

// Result is a summary and what wrote it.
type Result struct {
	Text   string // at most MaxText characters
	Model  string
	Tokens int // that the model counted, of the question and the answer; 0 where it did not
	Read   int // how many of the messages it covers, from the first on
}

// line is a message as a summariser sees it.
type line struct {
	From    chat.Role        `json:"from"`
	Type    chat.MessageType `json:"type,omitzero"` // where it is not text
	Name    string           `json:"name,omitzero"`
	Content string           `json:"content"`
}

// transcript returns the first messages that say something, and how many were
// read to find them: as many as there is room for, and one at least. A long one
// is cut to its share. What was deleted or only thought is no part of the
// conversation.
func transcript(messages []chat.Message) (lines []line, read int) {
	room := MaxTokens * bytesPerToken
	for i := range messages {
		m := &messages[i]
		content := strings.TrimSpace(m.Content)
		if content == "" {
			content = m.Error
		}
		if m.Deleted || m.Type == chat.TypeThinking || content == "" {
			continue
		}
		content = chat.TruncateUTF8(content, maxShare*bytesPerToken)
		if len(lines) == MaxMessages || len(content) > room {
			return lines, i
		}
		room -= len(content)
		l := line{From: m.Role, Name: m.Name, Content: content}
		if m.Type != chat.TypeText {
			l.Type = m.Type
		}
		lines = append(lines, l)
	}
	return lines, len(messages)
}

// cut returns s without white space around it, and at most n characters of it.
func cut(s string, n int) string {
	s = strings.TrimSpace(s)
	if utf8.RuneCountInString(s) <= n {
		return s
	}
	r := []rune(s)
	return strings.TrimSpace(string(r[:n-1])) + "…"
}
