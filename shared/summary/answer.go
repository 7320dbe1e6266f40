package summary

import (
	"errors"
	"strings"
	"unicode"

	openai "github.com/sashabaranov/go-openai"
)

// answer returns what the model wrote. A text that was cut at the token limit
// is still a summary; a refusal is none, and neither is what it thought.
func answer(r openai.ChatCompletionResponse) (string, error) {
	if len(r.Choices) == 0 {
		return "", errors.New("it gave no answer")
	}
	choice := r.Choices[0]
	if choice.Message.Refusal != "" || choice.FinishReason == openai.FinishReasonContentFilter {
		return "", &failure{error: errors.New("it refused to answer"), refused: true}
	}
	text := cut(withoutThoughts(clean(content(choice.Message))), MaxText)
	if text == "" {
		return "", errors.New("it gave an empty answer")
	}
	return text, nil
}

// content is the text of a message, which may come as one or in parts.
func content(m openai.ChatCompletionMessage) string {
	if len(m.MultiContent) == 0 {
		return m.Content
	}
	var b strings.Builder
	for _, part := range m.MultiContent {
		if part.Type == openai.ChatMessagePartTypeText || part.Type == "output_text" {
			b.WriteString(part.Text)
		}
	}
	return b.String()
}

// withoutThoughts returns what follows a model's thoughts, where those are in
// its answer. Some leave the first tag out, because it ends their prompt; one
// whose end is missing was cut before there was an answer.
func withoutThoughts(s string) string {
	names := []string{"think>", "thinking>"}
	rest := s
	for _, name := range names {
		if i := strings.LastIndex(s, "</"+name); i >= 0 && len(s)-i-len("</"+name) < len(rest) {
			rest = s[i+len("</"+name):]
		}
	}
	rest = strings.TrimSpace(rest)
	for _, name := range names {
		if strings.HasPrefix(rest, "<"+name) {
			return ""
		}
	}
	return rest
}

// clean takes out what is no text but changes how it looks: control characters,
// those that turn the direction of what follows, and tags that nobody sees. White
// space becomes spaces, for a summary is one paragraph.
func clean(s string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case unicode.IsSpace(r):
			return ' '
		case unicode.IsControl(r), unicode.Is(unicode.Bidi_Control, r), 0xE0000 <= r && r <= 0xE007F, r == 0xFEFF:
			return -1
		}
		return r
	}, strings.ToValidUTF8(s, "\uFFFD"))
}
