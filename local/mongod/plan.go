package mongod

import (
	"bytes"
	"slices"

	"go.mongodb.org/mongo-driver/v2/x/bsonx/bsoncore"
)

// maxPoints bounds the ranges that $in lists make of one scan.
const maxPoints = 1000

// onePoint is the score of a scan that finds one record at most.
const onePoint = 1000

// A plan is how a filter and a sort are answered: key ranges of one index.
type plan struct {
	index   *index
	ranges  []keyRange
	all     bool // no index helps: every record is examined
	reverse bool
	sorted  bool // records come in the order that was asked for
	dedupe  bool // a record may come more than once
}

// keyRange is the keys from low up to, not including, high.
type keyRange struct{ low, high string }

// everything is above any key: no encoding begins with 0xFF.
const everything = "\xFF"

// choose picks the index that narrows the scan most: conditions of equality
// count before a sort in index order, and that before a range.
func (c *collection) choose(f *filter, by []direction) plan {
	best := plan{index: c.indexes[0], ranges: []keyRange{{"", everything}}, all: true, sorted: len(by) == 0}
	bestScore := 0
	for _, ix := range c.indexes {
		if ix.partial != nil && !implies(f, ix.partial) {
			continue
		}
		if p, score := ix.plan(f, by); score > bestScore {
			best, bestScore = p, score
		}
		if bestScore >= onePoint {
			break
		}
	}
	return best
}

func (ix *index) plan(f *filter, by []direction) (plan, int) {
	score, group := 0, 0 // group: the $elemMatch that bounds the array's fields
	arrayBound := false  // an array's field is bounded by a lone condition
	fixed := 0           // leading fields that have one value
	prefixes := [][]byte{nil}
	p := plan{index: ix}
	usable := func(i int, q predicate) bool {
		if q.path != ix.fields[i].path || slices.ContainsFunc(operands(&q), unindexed) {
			return false
		}
		// Conditions on fields of one array may be met by different elements,
		// unless they come from one $elemMatch.
		return !ix.multikey[i] || !arrayBound || group != 0 && q.group == group
	}
	var low, high []byte
	for i, d := range ix.fields {
		q := pick(f.predicates, func(q predicate) bool { return (q.op == "$eq" || q.op == "$in") && usable(i, q) })
		points := operands(q)
		if q == nil || len(prefixes)*len(points) > maxPoints {
			low, high = ix.bounds(i, f, usable)
			break
		}
		if ix.multikey[i] {
			arrayBound, group = true, q.group
		}
		var next [][]byte
		for _, prefix := range prefixes {
			for _, v := range points {
				next = append(next, appendDirected(bytes.Clone(prefix), v, d.descending))
			}
		}
		prefixes = next
		score += 10
		if len(points) > 1 {
			score--
		}
		fixed++
	}
	if fixed == len(ix.fields) && ix.unique && len(prefixes) == 1 {
		score += onePoint
	}
	if low != nil {
		score += 5
	}
	slices.SortFunc(prefixes, bytes.Compare)
	for _, prefix := range slices.CompactFunc(prefixes, bytes.Equal) {
		r := keyRange{string(prefix), string(prefix) + everything}
		if low != nil {
			r = keyRange{string(prefix) + string(low), string(prefix) + string(high)}
		}
		p.ranges = append(p.ranges, r)
	}
	p.dedupe = slices.Contains(ix.multikey, true)
	if p.sorted, p.reverse = ix.order(by, fixed); p.sorted && len(by) > 0 {
		if len(p.ranges) == 1 {
			return p, score + 7
		}
		p.sorted, p.reverse = false, false
	}
	return p, score
}

// pick returns the first predicate that fits, preferring $eq to $in.
func pick(ps []predicate, fits func(predicate) bool) *predicate {
	var found *predicate
	for i := range ps {
		if fits(ps[i]) && (found == nil || found.op == "$in" && ps[i].op == "$eq") {
			found = &ps[i]
		}
	}
	return found
}

// operands returns the values that a predicate admits.
func operands(q *predicate) []bsoncore.Value {
	switch {
	case q == nil:
		return nil
	case q.op == "$in":
		return elements(q.value.Data)
	}
	return []bsoncore.Value{q.value}
}

// unindexed says whether an index may miss what a condition with this operand
// matches: an array is indexed by its elements, and a regex matches strings.
func unindexed(v bsoncore.Value) bool {
	switch v.Type {
	case bsoncore.TypeRegex, bsoncore.TypeMinKey, bsoncore.TypeMaxKey, bsoncore.TypeArray:
		return true
	}
	return false
}

// bounds narrows field i by ordering predicates, relative to its prefix; nil
// when there is none. An array's field takes one only: its elements may meet
// each of several.
func (ix *index) bounds(i int, f *filter, usable func(int, predicate) bool) (low, high []byte) {
	for _, q := range f.predicates {
		if q.op == "$eq" || q.op == "$in" || q.op == "$exists" || !usable(i, q) || low != nil && ix.multikey[i] {
			continue
		}
		d := ix.fields[i]
		class, op := rank(q.value.Type), q.op
		if d.descending {
			class, op = ^class, mirrored[op]
		}
		from, to := []byte{class}, []byte{class + 1} // only values of that class
		switch key := appendDirected(nil, q.value, d.descending); op {
		case "$gt":
			from = append(key, everything...)
		case "$gte":
			from = key
		case "$lt":
			to = key
		case "$lte":
			to = append(key, everything...)
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
func (ix *index) order(by []direction, fixed int) (sorted, reverse bool) {
	at, started := fixed, false
	for _, d := range by {
		if i := slices.IndexFunc(ix.fields[:fixed], func(f direction) bool { return f.path == d.path }); i >= 0 && !ix.multikey[i] {
			continue // all have the same value
		}
		if at == len(ix.fields) || ix.fields[at].path != d.path || ix.multikey[at] {
			return false, false
		}
		backwards := ix.fields[at].descending != d.descending
		if started && backwards != reverse {
			return false, false
		}
		started, reverse = true, backwards
		at++
	}
	return true, reverse
}

// implies says whether every document that f matches is one that the partial
// index holds.
func implies(f, partial *filter) bool {
	if len(partial.predicates) == 0 {
		return false
	}
	for _, want := range partial.predicates {
		if !slices.ContainsFunc(f.predicates, func(have predicate) bool { return have.path == want.path && have.implies(want) }) {
			return false
		}
	}
	return true
}

func (p predicate) implies(want predicate) bool {
	switch {
	case p.op == want.op && equalValues(p.value, want.value):
		return true
	case p.op == "$in" || p.op == "$exists" || isArray(p.value):
		return false
	case want.op == "$exists":
		return rank(p.value.Type) != rank(bsoncore.TypeNull)
	}
	holds, err := comparison(want.op, want.value)
	if err != nil || !holds(p.value) {
		return false
	}
	switch want.op {
	case "$gt", "$gte":
		return p.op == "$eq" || p.op == "$gt" || p.op == "$gte"
	case "$lt", "$lte":
		return p.op == "$eq" || p.op == "$lt" || p.op == "$lte"
	}
	return p.op == "$eq"
}

// scan visits the records that match, in the plan's order, until visit returns
// false, and returns how many it examined.
func (p plan) scan(f *filter, visit func(*record) bool) (examined int) {
	var seen map[*record]bool
	if p.dedupe {
		seen = make(map[*record]bool)
	}
	for _, r := range p.ranges {
		more := true
		step := func(e entry) bool {
			if seen != nil {
				if seen[e.record] {
					return true
				}
				seen[e.record] = true
			}
			examined++
			more = !f.match(docValue(e.record.doc)) || visit(e.record)
			return more
		}
		if p.reverse {
			p.index.tree.Descend(entry{key: r.high}, func(e entry) bool {
				return e.key >= r.low && (e.key == r.high || step(e))
			})
		} else {
			p.index.tree.Ascend(entry{key: r.low}, func(e entry) bool {
				return e.key < r.high && step(e)
			})
		}
		if !more {
			break
		}
	}
	return examined
}
