package mongod

import (
	"bytes"
	"slices"
	"strings"

	"go.mongodb.org/mongo-driver/v2/x/bsonx/bsoncore"
)

const (
	// maxPoints bounds the ranges that an $in list makes of one scan.
	maxPoints = 1000
	// onePoint is the score of a scan that finds one record at most.
	onePoint = 1000
)

// A plan is how a filter and a sort are answered: key ranges of one index.
type plan struct {
	index   *index
	ranges  []keyRange
	reverse bool
	merge   bool // sorted within each range: together they are by a merge
	sorted  bool // records come in the order that was asked for
}

// A keyRange is the keys from low up to, not including, high. Where only is there, what is
// found in it matches the whole filter if it matches that: one operand of an $or. Those of a
// merge begin with as many bytes that are the same in all of its keys.
type keyRange struct {
	low, high string
	only      filter
	fixed     int
}

// everything is above any key: no encoding begins with 0xFF.
const everything = "\xFF"

// A predicate is a condition that every matching document meets, as the
// planner sees it: those of an $elemMatch have their whole path.
type predicate struct {
	path, op string
	value    bsoncore.Value
	// group tells predicates that the same array element must meet ($elemMatch)
	// from those that different elements may meet; 0 is no group.
	group int
}

func (f filter) predicates() []predicate {
	all := make([]predicate, 0, len(f)+2)
	for i, c := range f {
		switch {
		case c.not, c.op == "$or":
		case c.op != "$elemMatch":
			all = append(all, predicate{c.path, c.op, c.value, 0})
		default:
			for _, e := range c.elem {
				if !e.not && e.op != "$elemMatch" && e.op != "$or" {
					path := c.path
					if e.path != "" {
						path += "." + e.path
					}
					all = append(all, predicate{path, e.op, e.value, i + 1})
				}
			}
		}
	}
	return all
}

// choose is narrowest, or for each operand of an $or where one index narrows all of them.
func (c *collection) choose(f filter, by []direction) plan {
	i := slices.IndexFunc(f, func(c condition) bool { return c.op == "$or" })
	best, score := c.narrowest(f.predicates(), by)
	if i < 0 || score > 0 {
		return best
	}
	var union plan
	for j, one := range f[i].any {
		p, score := c.narrowest(slices.Concat(f, one).predicates(), nil)
		if score == 0 || j > 0 && p.index != union.index {
			return best
		}
		if !slices.Contains(p.index.multikey, true) { // else a record may be in the ranges of two, and match by the other one
			for k := range p.ranges {
				p.ranges[k].only = slices.Concat(f[:i], f[i+1:], one)
			}
		}
		union.index, union.ranges = p.index, append(union.ranges, p.ranges...)
	}
	union.ranges, union.sorted = merged(union.ranges), len(by) == 0
	return union
}

// merged sorts ranges and joins those that overlap: no record is found twice.
func merged(ranges []keyRange) (apart []keyRange) {
	slices.SortFunc(ranges, func(a, b keyRange) int { return strings.Compare(a.low, b.low) })
	for _, r := range ranges {
		if n := len(apart); n > 0 && r.low < apart[n-1].high {
			apart[n-1] = keyRange{low: apart[n-1].low, high: max(apart[n-1].high, r.high)}
		} else {
			apart = append(apart, r)
		}
	}
	return apart
}

// narrowest picks the index that narrows the scan most: conditions of equality
// count before a sort in index order, and that before a range. Without any it
// is a scan of _id_, and the score is 0.
func (c *collection) narrowest(predicates []predicate, by []direction) (plan, int) {
	best := plan{index: c.indexes[0], ranges: []keyRange{{high: everything}}, sorted: len(by) == 0}
	bestScore := 0
	for _, ix := range c.indexes {
		if p, score := ix.plan(predicates, by); score > bestScore && ix.holds(predicates) {
			best, bestScore = p, score
		}
		if bestScore >= onePoint {
			break
		}
	}
	return best, bestScore
}

// holds says whether a partial index has every document that meets the
// predicates: whether these make its fields exist.
func (ix *index) holds(predicates []predicate) bool {
	for _, path := range ix.partial {
		if !slices.ContainsFunc(predicates, func(p predicate) bool {
			return p.path == path && (p.op == "$exists" || p.op != "$in" && ranks[p.value.Type] != ranks[bsoncore.TypeNull])
		}) {
			return false
		}
	}
	return true
}

// plan makes the ranges of one index: a point of equality for as many of the
// leading fields as there can be, or several points ($in), then the bounds of the next
// field.
func (ix *index) plan(predicates []predicate, by []direction) (p plan, score int) {
	p.index = ix
	arrayBound, group := false, 0 // an array's field is bounded, within that $elemMatch
	usable := func(i int, q *predicate) bool {
		// Conditions on fields of one array may be met by different elements,
		// unless they come from one $elemMatch.
		return q.path == ix.fields[i].path && (!ix.multikey[i] || !arrayBound || group != 0 && q.group == group)
	}
	prefixes := [][]byte{nil}
	var low, high []byte
	fixed, several := 0, false // leading fields that have one value, or each of several
	for i, d := range ix.fields {
		equal, points := equality(predicates, i, ix.multikey[i], usable)
		if points == nil {
			if low, high = ix.bounds(i, predicates, usable); low != nil {
				score += 5
			}
			break
		}
		if len(prefixes)*len(points) > maxPoints {
			break
		}
		before := prefixes
		prefixes = nil
		for _, prefix := range before {
			for _, v := range points {
				prefixes = append(prefixes, appendDirected(bytes.Clone(prefix), v, d.descending))
			}
		}
		if len(points) > 1 {
			several = true
			score--
		}
		if ix.multikey[i] {
			arrayBound, group = true, equal.group
		}
		score += 10
		fixed++
	}
	switch {
	case fixed < len(ix.fields) || !ix.unique:
	case several: // as many records as there are points
		score += onePoint / 2
	default:
		score += onePoint
	}
	if low == nil {
		high = []byte(everything)
	}
	slices.SortFunc(prefixes, bytes.Compare)
	for _, prefix := range slices.CompactFunc(prefixes, bytes.Equal) {
		p.ranges = append(p.ranges, keyRange{low: string(prefix) + string(low), high: string(prefix) + string(high), fixed: len(prefix)})
	}
	if p.sorted, p.reverse = ix.order(by, fixed, several); p.sorted && len(by) > 0 {
		p.merge = len(p.ranges) > 1
		return p, score + 7
	}
	return p, score
}

// equality returns the predicate, preferably an $eq, that gives field i one
// value or a list of them. An array is no point: its elements are indexed, and as different
// elements may meet each predicate, the first one counts: where MongoDB tries all of them, the
// query says here which one has few.
func equality(predicates []predicate, i int, array bool, usable func(int, *predicate) bool) (found *predicate, points []bsoncore.Value) {
	for j := range predicates {
		q := &predicates[j]
		switch {
		case q.op == "$eq" && usable(i, q) && !isArray(q.value):
			return q, []bsoncore.Value{q.value}
		case q.op == "$in" && found == nil && usable(i, q):
			values := elements(q.value.Data)
			if len(values) > 0 && len(values) <= maxPoints && !slices.ContainsFunc(values, isArray) {
				found, points = q, values
			}
		case found == nil && array && mirrored[q.op] != "" && usable(i, q):
			return nil, nil
		}
	}
	return found, points
}

// bounds narrows field i by ordering predicates, relative to its prefix; nil
// when there is none. An array's field takes one only: its elements may meet
// each of several, unless they come from one $elemMatch.
func (ix *index) bounds(i int, predicates []predicate, usable func(int, *predicate) bool) (low, high []byte) {
	of := 0 // the $elemMatch that bounds it
	for j := range predicates {
		q := &predicates[j]
		op, descending := q.op, ix.fields[i].descending
		if mirrored[op] == "" || !usable(i, q) || isArray(q.value) || low != nil && ix.multikey[i] && (q.group == 0 || q.group != of) {
			continue
		}
		class := ranks[q.value.Type]
		if descending {
			class, op = ^class, mirrored[op]
		}
		from, to := []byte{class}, []byte{class + 1} // only values of that type
		switch key := appendDirected(nil, q.value, descending); op {
		case "$gt":
			from = append(key, everything...)
		case "$gte":
			from = key
		case "$lt":
			to = key
		case "$lte":
			to = append(key, everything...)
		}
		if low == nil {
			of = q.group
		}
		if low == nil || bytes.Compare(from, low) > 0 {
			low = from
		}
		if high == nil || bytes.Compare(to, high) < 0 {
			high = to
		}
	}
	return low, high
}

// mirrored is what an ordering is in a descending field.
var mirrored = map[string]string{"$gt": "$lt", "$gte": "$lte", "$lt": "$gt", "$lte": "$gte"}

// order says whether a scan of the index, whose first fields have one value
// each, yields the order asked for, and whether it must run backwards.
func (ix *index) order(by []direction, fixed int, several bool) (sorted, reverse bool) {
	at := fixed
	for _, d := range by {
		if i := slices.IndexFunc(ix.fields[:fixed], func(f direction) bool { return f.path == d.path }); i >= 0 && !ix.multikey[i] && !several {
			continue // all have the same value
		}
		if at == len(ix.fields) || ix.fields[at].path != d.path || ix.multikey[at] {
			return false, false
		}
		backwards := ix.fields[at].descending != d.descending
		if at > fixed && backwards != reverse {
			return false, false
		}
		reverse = backwards
		at++
	}
	return true, reverse
}

// scan visits the records that match, each once and in the plan's order, until
// visit returns false.
func (p plan) scan(f filter, visit func(*record) bool) {
	var seen map[*record]bool
	if slices.Contains(p.index.multikey, true) { // a record may have several keys
		seen = make(map[*record]bool)
	}
	more := true
	step := func(e entry, f filter) bool {
		if seen != nil {
			if seen[e.record] {
				return true
			}
			seen[e.record] = true
		}
		more = !f.match(e.record.doc) || visit(e.record)
		return more
	}
	if p.merge {
		p.scanMerged(func(e entry) bool { return step(e, f) })
		return
	}
	for _, r := range p.ranges {
		f := f
		if r.only != nil && f != nil {
			f = r.only
		}
		if p.reverse {
			p.index.tree.Descend(entry{key: r.high}, func(e entry) bool {
				return e.key >= r.low && (e.key == r.high || step(e, f))
			})
		} else {
			p.index.tree.Ascend(entry{key: r.low}, func(e entry) bool {
				return e.key < r.high && step(e, f)
			})
		}
		if !more {
			return
		}
	}
}
