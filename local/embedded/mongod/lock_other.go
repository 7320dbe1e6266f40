//go:build !unix

package mongod

import "os"

// lockFile does nothing where there is no flock: only one server may use a
// directory, and here nothing checks it.
func lockFile(*os.File) error { return nil }
