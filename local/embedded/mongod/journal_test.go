package mongod

import (
	"strings"
	"testing"
)

// TestJournalFails: when the journal cannot be written nothing is acknowledged
// any more, and nothing piles up.
func TestJournalFails(t *testing.T) {
	st, err := openStore(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	s := &Server{store: st}
	run := func(msg []byte) string {
		r, err := parseMessage(msg)
		if err != nil {
			t.Fatal(err)
		}
		r.peer = &peer{}
		return string(s.answer(r, nil))
	}
	write := message(0, insert2, sequence("documents", emptyDocument))
	if reply := run(write); strings.Contains(reply, "errmsg") {
		t.Fatalf("a write before: %q", reply)
	}
	if err := st.journal.file.Close(); err != nil { // as good as a full disk
		t.Fatal(err)
	}
	for range 3 {
		if reply := run(write); !strings.Contains(reply, "write the journal") {
			t.Errorf("a write that cannot be journaled: %q", reply)
		}
	}
	if n := len(st.journal.pending); n != 0 {
		t.Errorf("%d bytes wait that will never be written", n)
	}
	if err := st.close(); err == nil {
		t.Error("close does not tell of the failure")
	}
}
