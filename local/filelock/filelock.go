// Package filelock keeps two servers from using one directory.
package filelock

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
)

// ErrTaken is that another server has the directory.
var ErrTaken = errors.New("in use by another server")

// Take takes the lock of a directory, or fails at once with ErrTaken when another
// process, or another server of this one, has it. Closing the file gives it back, and so
// does the end of the process, however it ends. Where there is no flock it does
// nothing: only one server may use a directory, and nothing checks it.
func Take(dir string) (*os.File, error) {
	f, err := os.OpenFile(filepath.Join(dir, "lock"), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, fmt.Errorf("open the lock of the data directory: %w", err)
	}
	if err := lock(f); err != nil {
		_ = f.Close()
		return nil, fmt.Errorf("data directory %s is %w (%w)", dir, ErrTaken, err)
	}
	return f, nil
}
