package mongod

import (
	"testing"
	"time"
)

func TestCursorsAreBounded(t *testing.T) {
	var cs cursors
	idle := cs.keep(&cursor{}, 0)
	cs.open[idle].used = time.Now().Add(-time.Second)
	expired := cs.keep(&cursor{}, 0)
	cs.open[expired].used = time.Now().Add(-cursorTimeout - time.Second)
	if cs.take(expired) != nil {
		t.Error("a cursor was usable after its time")
	}
	for range 2 * maxCursors {
		cs.keep(&cursor{}, 0)
	}
	if len(cs.open) != maxCursors {
		t.Errorf("%d cursors are open, want %d", len(cs.open), maxCursors)
	}
	if cs.take(idle) != nil {
		t.Error("the cursor that was idle longest did not give way")
	}
}
