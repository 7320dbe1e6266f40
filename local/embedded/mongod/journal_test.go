package mongod

import (
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"go.mongodb.org/mongo-driver/v2/x/bsonx/bsoncore"
)

// TestJournalFails: when the journal cannot be written nothing is acknowledged
// any more, and nothing piles up.
func TestJournalFails(t *testing.T) {
	st, err := openStore(t.TempDir(), slog.New(slog.DiscardHandler))
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
		reply, _ := s.answer(r, nil)
		return string(reply)
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

// FuzzJournal reads whatever a file may hold: it is refused and left alone, or
// what was read once is read again.
func FuzzJournal(f *testing.F) {
	record := appendRecord(nil, opPut, "d.c", bsoncore.BuildDocument(nil, bsoncore.AppendInt32Element(nil, "_id", 1)))
	f.Add([]byte(journalMagic))
	f.Add(append([]byte(journalMagic), record...))
	f.Add(append(append([]byte(journalMagic), record...), make([]byte, 40)...))
	f.Add(append(append([]byte(journalMagic), record[:20]...), record...))
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, content []byte) {
		dir := t.TempDir()
		path := filepath.Join(dir, "journal")
		if err := os.WriteFile(path, content, 0o600); err != nil {
			t.Fatal(err)
		}
		count := func() (n int, err error) {
			j, _, _, err := openJournal(dir, func(byte, string, bsoncore.Document) error { n++; return nil })
			if err != nil {
				return 0, err
			}
			return n, j.close()
		}
		n, err := count()
		after, _ := os.ReadFile(path)
		if err != nil {
			if !bytes.Equal(after, content) {
				t.Errorf("refused (%v) and changed", err)
			}
			return
		}
		if again, err := count(); again != n || err != nil || !bytes.HasPrefix(content, after) {
			t.Errorf("%d records, then %d, %v", n, again, err)
		}
	})
}

// What is full in any way has the code by which clients may try again.
func TestFullInAnyWay(t *testing.T) {
	for err, want := range map[error]code{
		syscall.ENOSPC: codeDiskFull, syscall.EDQUOT: codeDiskFull, syscall.EFBIG: codeDiskFull, syscall.EIO: codeJournalFailed,
	} {
		failure := journalFailed(fmt.Errorf("write the journal: %w", &os.PathError{Op: "write", Err: err}))
		if e, ok := errors.AsType[*commandError](failure); !ok || e.code != want {
			t.Errorf("%v: %v", err, failure)
		}
	}
}
