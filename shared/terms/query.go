package terms

import (
	"slices"
	"strings"

	"aiwm-chat/shared/chat"
)

// The bounds of a query.
const (
	MaxQuery  = 200 // characters
	maxPieces = 16
	minPrefix = 3 // letters of a last word that is also looked for as the beginning of one
)

// A Query is what is looked for: texts that have all of its words and runs.
type Query struct {
	pieces []*piece
	open   bool // the last piece is a word that may go on
}

// Parse reads a query. Where it ends within a word, as while one is typing, that word may go
// on.
func Parse(text string) Query {
	var q Query
	for p := range pieces(text) {
		if len(q.pieces) == maxPieces {
			return q
		}
		q.pieces = append(q.pieces, p)
	}
	if n := len(q.pieces); n > 0 {
		last := q.pieces[n-1]
		q.open = !last.run && len(last.text) >= minPrefix && last.at[len(last.at)-1].to == len(text)
	}
	return q
}

// None reports whether there is nothing to look for.
func (q Query) None() bool { return len(q.pieces) == 0 }

// Whole are the terms that a text must have, the longest first: that is the rarest, mostly.
// What may go on is not among them, unless it is all there is.
func (q Query) Whole() (all []string) {
	for i, p := range q.pieces {
		switch {
		case q.open && i == len(q.pieces)-1 || p.run && len(p.text) == 1:
		case p.run:
			all = append(all, pairs(p.text)...)
		default:
			all = append(all, string(p.text))
		}
	}
	slices.SortStableFunc(all, func(a, b string) int { return letters(b) - letters(a) })
	all = slices.CompactFunc(all, func(a, b string) bool { return a == b })
	return all[:min(len(all), maxPieces)]
}

// Begins are the beginnings of terms that a text must have: a last word that may go on, and
// single characters of a run.
func (q Query) Begins() (all []string) {
	for i, p := range q.pieces {
		if q.open && i == len(q.pieces)-1 || p.run && len(p.text) == 1 {
			all = append(all, string(p.text))
		}
	}
	return all
}

// Find returns where a text has what is looked for, in its order and apart from each other;
// found is false where it does not have all of it.
func (q Query) Find(text string) (ranges []chat.Range, found bool) {
	had := make([]bool, len(q.pieces))
	for p := range pieces(text) {
		for i, want := range q.pieces {
			for _, at := range p.matches(want, q.open && i == len(q.pieces)-1) {
				had[i] = true
				ranges = append(ranges, at)
			}
		}
	}
	slices.SortFunc(ranges, func(a, b chat.Range) int { return a.From - b.From })
	return joined(ranges), !q.None() && !slices.Contains(had, false)
}

// matches are the places of what is wanted in a piece.
func (p *piece) matches(want *piece, open bool) (all []chat.Range) {
	if p.run != want.run {
		return nil
	}
	if p.run {
		for i := 0; i+len(want.text) <= len(p.text); i++ {
			if hasPrefix(p.text[i:], want.text) {
				all = append(all, chat.Range{From: p.at[i].from, To: p.at[i+len(want.text)-1].to})
			}
		}
		return all
	}
	for _, word := range append([]piece{*p}, p.split()...) {
		if n := len(want.text); hasPrefix(word.text, want.text) && (open || len(word.text) == n) {
			all = append(all, chat.Range{From: word.at[0].from, To: word.at[n-1].to})
		}
	}
	return all
}

// joined makes one of ranges that touch.
func joined(ranges []chat.Range) (apart []chat.Range) {
	for _, r := range ranges {
		if n := len(apart); n > 0 && r.From <= apart[n-1].To {
			apart[n-1].To = max(apart[n-1].To, r.To)
		} else {
			apart = append(apart, r)
		}
	}
	return apart
}

// String is the query as it is understood.
func (q Query) String() string {
	var words []string
	for _, p := range q.pieces {
		words = append(words, string(p.text))
	}
	return strings.Join(words, " ")
}
