// Package terms makes of a text what it is found by: words without case and marks, and of
// scripts that do not put spaces between words every two characters that follow each other.
package terms

import (
	"slices"
	"unicode/utf8"
)

const (
	// Max is how many terms of a text are found: the first distinct ones.
	Max = 512
	// maxLength is how many characters of a word count.
	maxLength = 64
)

// Of returns the terms of a text, each once, in the order in which they come first.
func Of(text string) []string {
	var all []string
	seen := map[string]bool{}
	add := func(term string) bool {
		if !seen[term] {
			seen[term] = true
			all = append(all, term)
		}
		return len(all) < Max
	}
	for p := range pieces(text) {
		for _, term := range p.terms() {
			if !add(term) {
				return all
			}
		}
		for _, part := range p.parts() { // of "example.com"
			if !add(part) {
				return all
			}
		}
	}
	return all
}

// terms are what a piece is found by as it is: a word, or of a run its pairs and its last
// character, so that each single one begins a term.
func (p *piece) terms() []string {
	if !p.run {
		return []string{string(p.text)}
	}
	return append(pairs(p.text), string(p.text[len(p.text)-1:]))
}

func pairs(run []rune) (all []string) {
	for i := range len(run) - 1 {
		all = append(all, string(run[i:i+2]))
	}
	return all
}

// parts are the words within a word that has something else inside, none where it has not.
func (p *piece) parts() (all []string) {
	if p.run || !slices.ContainsFunc(p.text, isJoint) {
		return nil
	}
	for _, part := range p.split() {
		all = append(all, string(part.text))
	}
	return all
}

func (p *piece) split() (all []piece) {
	from := 0
	for i := 0; i <= len(p.text); i++ {
		if i == len(p.text) || isJoint(p.text[i]) {
			if i > from {
				all = append(all, piece{text: p.text[from:i], at: p.at[from:i]})
			}
			from = i + 1
		}
	}
	return all
}

// hasPrefix reports whether a term begins with something.
func hasPrefix(text, prefix []rune) bool {
	return len(text) >= len(prefix) && slices.Equal(text[:len(prefix)], prefix)
}

// letters counts the characters of a term.
func letters(term string) int { return utf8.RuneCountInString(term) }
