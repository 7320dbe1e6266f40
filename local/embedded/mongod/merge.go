package mongod

import (
	"container/heap"

	"github.com/tidwall/btree"
)

// A walk is a place in one of the ranges that are merged.
type walk struct {
	iter btree.IterG[entry]
	keyRange
	at entry
}

// rest is what the order of a merge is by: the key after what its range fixes.
func (w *walk) rest() string { return w.at.key[w.fixed:] }

// next goes on, and reports whether there is something.
func (w *walk) next(reverse, first bool) bool {
	switch {
	case reverse && first: // from the last one below high
		found := w.iter.Seek(entry{key: w.high})
		if found && !w.iter.Prev() || !found && !w.iter.Last() {
			return false
		}
	case reverse:
		if !w.iter.Prev() {
			return false
		}
	case first:
		if !w.iter.Seek(entry{key: w.low}) {
			return false
		}
	default:
		if !w.iter.Next() {
			return false
		}
	}
	w.at = w.iter.Item()
	return w.at.key >= w.low && w.at.key < w.high
}

// walks are a heap, what comes next first.
type walks struct {
	all     []*walk
	reverse bool
}

func (h *walks) Len() int { return len(h.all) }
func (h *walks) Less(i, j int) bool {
	if h.reverse {
		i, j = j, i
	}
	return h.all[i].rest() < h.all[j].rest()
}
func (h *walks) Swap(i, j int) { h.all[i], h.all[j] = h.all[j], h.all[i] }
func (h *walks) Push(x any)    { h.all = append(h.all, x.(*walk)) }
func (h *walks) Pop() any {
	last := h.all[len(h.all)-1]
	h.all = h.all[:len(h.all)-1]
	return last
}

// scanMerged visits the entries of all ranges in one order, until visit returns false, as
// MongoDB's SORT_MERGE: so the newest of many lists are found without reading them.
func (p plan) scanMerged(visit func(entry) bool) {
	h := &walks{reverse: p.reverse}
	for _, r := range p.ranges {
		w := &walk{iter: p.index.tree.Iter(), keyRange: r}
		defer w.iter.Release()
		if w.next(p.reverse, true) {
			h.all = append(h.all, w)
		}
	}
	heap.Init(h)
	for h.Len() > 0 {
		w := h.all[0]
		if !visit(w.at) {
			return
		}
		if w.next(p.reverse, false) {
			heap.Fix(h, 0)
		} else {
			heap.Pop(h)
		}
	}
}
