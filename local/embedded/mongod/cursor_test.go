package mongod

import "testing"

func TestCursorsAreBounded(t *testing.T) {
	var cs cursors
	for id := range int64(maxCursors + 2) {
		cs.keep(cursor{id: id})
	}
	if len(cs.open) != maxCursors {
		t.Errorf("%d cursors are open, want %d", len(cs.open), maxCursors)
	}
	for id, want := range map[int64]bool{0: false, 1: false, 2: true, maxCursors + 1: true} {
		if _, ok := cs.take(id); ok != want {
			t.Errorf("cursor %d is open: %v; those idle longest give way", id, ok)
		}
	}
}
