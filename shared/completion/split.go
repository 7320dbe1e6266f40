package completion

import (
	"strings"
	"unicode"
)

// The tags around what a model thinks, where that is in its answer.
var (
	opening = []string{"<think>", "<thinking>"}
	closing = []string{"</think>", "</thinking>"}
)

// A splitter parts thoughts from content while both come, wherever the pieces are
// cut. Thoughts are at the beginning, before any content: a tag further on is what
// somebody wants to read. The zero value is ready to use.
type splitter struct {
	state    splitState
	thoughts int    // how many have been opened
	fresh    bool   // of this one nothing was said yet
	held     string // what may be the beginning of a tag
}

type splitState int

const (
	before splitState = iota // content, or a tag that opens a thought
	within
	after
)

// add takes what came and returns what is known to be content, and thoughts.
func (s *splitter) add(text string) Piece {
	var out Piece
	s.held += text
	for s.step(&out) {
	}
	return out
}

// end returns what was held back.
func (s *splitter) end() Piece {
	held := s.held
	s.held = ""
	if s.state == within {
		return Piece{Thinking: held}
	}
	return Piece{Content: held}
}

// step reports whether there is more to do with what is held.
func (s *splitter) step(out *Piece) (more bool) {
	switch s.state {
	case before:
		s.held = strings.TrimLeftFunc(s.held, unicode.IsSpace)
		if rest, ok := cutPrefix(s.held, opening); ok {
			s.held, s.state, s.fresh = rest, within, true
			return true
		}
		if begins(s.held, opening) {
			return false
		}
		s.state = after
	case within:
		if s.fresh {
			s.held = strings.TrimLeftFunc(s.held, unicode.IsSpace)
		}
		at, size := index(s.held, closing)
		var said, rest string
		if size > 0 {
			said, rest = s.held[:at], s.held[at+size:]
		} else {
			at = len(s.held) - overlap(s.held, closing)
			said, rest = s.held[:at], s.held[at:]
		}
		if said != "" && s.fresh {
			if s.fresh = false; s.thoughts > 0 {
				out.Thinking += "\n\n"
			}
			s.thoughts++
		}
		out.Thinking += said
		if s.held = rest; size > 0 {
			s.state = before
			return true
		}
		return false
	case after:
		out.Content += s.held
		s.held = ""
		return false
	}
	return true
}

// unopened finds the end of thoughts whose opening tag is missing, because it ends
// the model's prompt: ok where there is a closing tag and none that opens before it.
func unopened(content string) (thought, rest string, ok bool) {
	at, size := index(content, closing)
	if size == 0 {
		return "", content, false
	}
	if open, _ := index(content, opening); open >= 0 && open < at {
		return "", content, false
	}
	return content[:at], content[at+size:], true
}

func cutPrefix(s string, prefixes []string) (rest string, ok bool) {
	for _, p := range prefixes {
		if rest, ok = strings.CutPrefix(s, p); ok {
			return rest, true
		}
	}
	return s, false
}

// begins reports whether more text could make s begin with one of the tags.
func begins(s string, tags []string) bool {
	for _, t := range tags {
		if strings.HasPrefix(t, s) {
			return true
		}
	}
	return false
}

// index returns where the first of the tags is, and its size: -1 and 0 where none is.
func index(s string, tags []string) (at, size int) {
	at = -1
	for _, t := range tags {
		if i := strings.Index(s, t); i >= 0 && (at < 0 || i < at) {
			at, size = i, len(t)
		}
	}
	return at, size
}

// overlap returns how much of the end of s may be the beginning of a tag.
func overlap(s string, tags []string) int {
	for n := min(len(s), len("</thinking>")-1); n > 0; n-- {
		if begins(s[len(s)-n:], tags) {
			return n
		}
	}
	return 0
}
