package filelock_test

import (
	"errors"
	"runtime"
	"testing"

	"aiwm-chat/local/filelock"
)

func TestTake(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("there is no flock")
	}
	dir := t.TempDir()
	first, err := filelock.Take(dir)
	if err != nil {
		t.Fatal(err)
	}
	if second, err := filelock.Take(dir); err == nil {
		_ = second.Close()
		t.Error("two servers have it")
	} else if !errors.Is(err, filelock.ErrTaken) {
		t.Errorf("got %v, want ErrTaken", err)
	}
	if err := first.Close(); err != nil {
		t.Fatal(err)
	}
	again, err := filelock.Take(dir)
	if err != nil {
		t.Fatal("it is not given back:", err)
	}
	_ = again.Close()
	if _, err := filelock.Take(dir + "/nowhere"); err == nil || errors.Is(err, filelock.ErrTaken) {
		t.Errorf("a directory that is not there: %v", err)
	}
}
