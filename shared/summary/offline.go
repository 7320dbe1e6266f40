package summary

import (
	"context"
	"strings"

	"aiwm-chat/shared/chat"
)

// Offline summarises by quoting, for development without a model: how the
// conversation began, and what each side said last. The same conversation
// always gets the same summary. The zero value is ready to use.
type Offline struct{}

const (
	offlineModel = "offline"
	began        = "It began with: "
	latest       = " Most recently: "
	maxQuote     = 160 // characters
	maxBeginning = 600
)

// Summarize never fails. Where there is nothing new to summarise, the previous
// summary is returned.
func (Offline) Summarize(_ context.Context, in Input) (Result, error) {
	lines, read := transcript(in.Messages)
	if len(lines) == 0 {
		return Result{Text: cut(in.Previous, MaxText), Model: offlineModel, Read: read}, nil
	}
	beginning, _, _ := strings.Cut(in.Previous, latest)
	if beginning = cut(beginning, maxBeginning); beginning == "" {
		beginning = began + quote(lines[0]) + "."
	}
	var said []string
	for _, from := range []bool{true, false} {
		if l, ok := last(lines, from); ok {
			said = append(said, quote(l))
		}
	}
	return Result{Text: cut(oneLine(beginning+latest+strings.Join(said, "; ")+"."), MaxText), Model: offlineModel, Read: read}, nil
}

// last returns the newest line of a user, or of anyone else.
func last(lines []line, user bool) (line, bool) {
	for i := len(lines) - 1; i >= 0; i-- {
		if (lines[i].From == chat.RoleUser) == user {
			return lines[i], true
		}
	}
	return line{}, false
}

// quote returns the first sentence of what was said, and who said it.
func quote(l line) string {
	text := strings.Join(strings.Fields(l.Content), " ")
	for _, end := range []string{". ", "? ", "! "} {
		if s, _, found := strings.Cut(text, end); found {
			text = s + end[:1]
		}
	}
	return string(l.From) + " “" + cut(text, maxQuote) + "”"
}
