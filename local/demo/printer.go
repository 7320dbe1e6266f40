package demo

import (
	"fmt"
	"io"
	"strings"
	"unicode/utf8"

	"github.com/go-json-experiment/json/jsontext"

	"aiwm-chat/shared/chat"
	"aiwm-chat/shared/protocol"
)

// A printer writes aligned lines: who, which way, what, and its detail, which
// goes on below itself where it is long.
type printer struct {
	out io.Writer
	err error // of the first write that failed
}

const (
	detailWidth  = 68 // characters, after 32 for the rest
	previewWidth = 60
)

func (p *printer) printf(format string, args ...any) {
	if p.err == nil {
		_, p.err = fmt.Fprintf(p.out, format, args...)
	}
}

// heading begins a part of the conversation.
func (p *printer) heading(format string, args ...any) {
	p.printf("\n"+format+"\n", args...)
}

// sent and received print what a side did, and what reached it.
func (p *printer) sent(who, what, format string, args ...any) {
	p.line(who, "->", what, format, args...)
}

func (p *printer) received(who, what, format string, args ...any) {
	p.line(who, "<-", what, format, args...)
}

func (p *printer) more(format string, args ...any) { p.line("", "", "", format, args...) }

func (p *printer) line(who, way, what, format string, args ...any) {
	for _, text := range wrap(fmt.Sprintf(format, args...), detailWidth) {
		p.printf("%s\n", strings.TrimRight(fmt.Sprintf("%-7s%-3s%-22s%s", who, way, what, text), " "))
		who, way, what = "", "", ""
	}
}

// wrap cuts text into lines of at most width characters, between words.
func wrap(text string, width int) []string {
	var lines []string
	current := ""
	for _, word := range strings.Fields(text) {
		switch {
		case current == "":
			current = word
		case utf8.RuneCountInString(current)+1+utf8.RuneCountInString(word) > width:
			lines, current = append(lines, current), word
		default:
			current += " " + word
		}
	}
	return append(lines, current)
}

// parts prints what a message consists of besides its text.
func (p *printer) parts(m protocol.Message) {
	if t := m.Thinking; t != nil {
		visible := "hidden"
		if t.Visible {
			visible = "visible"
		}
		p.more("thinking (%s, %d ms): %s", visible, t.Duration, t.Content)
	}
	for _, call := range m.ToolCalls {
		p.more("tool call: %s", spaced(call))
	}
	for _, result := range m.ToolResults {
		p.more("tool result: %s", spaced(result))
	}
	for _, a := range m.Attachments {
		if a.Type() == chat.AttachmentDocument {
			p.more("attachment: document %s", a.DocumentID())
		} else {
			p.more("attachment: %q at %s", a.FileName(), a)
		}
	}
	if u := m.Usage; u != nil {
		p.more("usage: %d + %d = %d tokens, in %d ms", u.PromptTokens, u.CompletionTokens, u.TotalTokens, m.Latency)
	}
}

// spaced returns JSON in one order of members, with spaces at which to wrap.
func spaced(v jsontext.Value) string {
	v = v.Clone()
	if err := v.Canonicalize(); err != nil {
		return err.Error()
	}
	if err := v.Format(jsontext.SpaceAfterColon(true), jsontext.SpaceAfterComma(true)); err != nil {
		return err.Error()
	}
	return v.String()
}

// preview returns the beginning of a text, on one line.
func preview(text string) string {
	if lines := wrap(text, previewWidth); len(lines) > 1 {
		return lines[0] + " …"
	}
	return text
}
