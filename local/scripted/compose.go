package scripted

import (
	"fmt"
	"hash/fnv"
	"regexp"
	"strings"
	"unicode/utf8"
)

// maxTokens is the longest answer that can be asked for.
const maxTokens = 100_000

// An answer is what will be said.
type answer struct {
	thinking, content []string // tokens
	calls             []call
	refusal           string
	finish            string
}

const refusal = "I cannot help with that, because I was told not to."

var (
	sentences = []string{
		"That is a good question.", "There are three things to think of.", "The first is what it costs, and the second is how long it takes.",
		"The third is who has to agree before anybody begins.", "I would start with the smallest part, and look at what it shows.",
		"If it works, the rest follows from it.", "If it does not, little is lost, and something is known.",
		"Somebody should write down what was decided, and why.", "In a week we will know more than today.", "Ask me again when there is something new.",
	}
	thoughts = []string{"What is asked here?", "It may be meant in two ways.", "The simpler one is likelier.", "So the answer is short."}
)

// compose decides what to say.
func compose(in request, s script) answer {
	step, results := sinceUser(in.Messages)
	var a answer
	a.finish = "stop"
	if s.think > 0 {
		a.thinking = fill(thoughts, 0, s.think)
		a.thinking[0] = strings.TrimSpace(a.thinking[0])
	}
	if s.loop {
		step = 0
	}
	if step < len(s.steps) && len(s.steps[step]) > 0 {
		a.calls, a.finish = s.steps[step], "tool_calls"
		return a
	}
	text, chosen := reply(s, results)
	a.content = tokens(text)
	if s.tokens > 0 {
		if a.content = a.content[:min(len(a.content), s.tokens)]; len(a.content) < s.tokens {
			a.content = append(a.content, fill(sentences, chosen, s.tokens-len(a.content))...)
		}
	}
	switch s.end {
	case "refuse":
		a.content, a.refusal = nil, refusal
	case "empty":
		a.content = nil
	case "filter":
		a.content, a.finish = a.content[:min(s.filter, len(a.content))], "content_filter"
	case "big":
		a.content = repeat(strings.Repeat("large ", 170), 3<<10)
	case "big-event":
		a.content = []string{strings.Repeat("large ", 3<<20/6)}
	case "bad-utf8":
		a.content = []string{"This is ", noText, " and goes on."}
	}
	if limit := max(in.MaxTokens, in.MaxNew); limit > 0 && len(a.thinking)+len(a.content) > limit {
		a.thinking = a.thinking[:min(len(a.thinking), limit)]
		a.content, a.finish = a.content[:limit-len(a.thinking)], "length"
	}
	return a
}

// reply is the text, and with which sentence more would begin.
func reply(s script, results []result) (text string, chosen int) {
	h := fnv.New32a()
	_, _ = h.Write([]byte(s.plain))
	chosen = int(h.Sum32() % uint32(len(sentences)))
	if len(results) > 0 {
		var said []string
		for _, r := range results {
			said = append(said, fmt.Sprintf("The tool %s said: %s", r.tool, short(r.text, 2000)))
		}
		return strings.Join(said, "\n"), chosen
	}
	text = "You said: “" + short(s.plain, 120) + "”."
	if s.plain == "" {
		text = "You said nothing."
	}
	for i := range 3 {
		text += " " + sentences[(chosen+i)%len(sentences)]
	}
	return text, (chosen + 3) % len(sentences)
}

func short(s string, n int) string {
	if utf8.RuneCountInString(s) <= n {
		return s
	}
	return string([]rune(s)[:n-1]) + "…"
}

// fill are n tokens of sentences, beginning with one of them.
func fill(from []string, first, n int) []string {
	var out []string
	for i := first; len(out) < n; i++ {
		out = append(out, tokens(" "+from[i%len(from)])...)
	}
	return out[:n]
}

func repeat(token string, n int) []string {
	out := make([]string, n)
	for i := range out {
		out[i] = token
	}
	return out
}

// word is a token: white space and some characters, about as models cut them.
var word = regexp.MustCompile(`\s*\S{1,8}|\s+$`)

// tokens cuts a text, which they are together.
func tokens(s string) []string { return word.FindAllString(s, -1) }

func count(messages []message) (n int) {
	for _, m := range messages {
		n += 4 + len(tokens(string(m.Content))) // what is around a message
	}
	return n
}
