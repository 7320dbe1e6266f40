//go:build unix

package mongod

import (
	"os"
	"syscall"
)

// lockFile takes the lock of an open file, or fails at once when another
// process (or another server of this one) has it. It ends with the file.
func lockFile(f *os.File) error {
	return syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
}
