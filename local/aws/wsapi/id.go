package wsapi

import (
	"encoding/base64"
	"encoding/binary"
	"math/rand/v2"
	"sync/atomic"
	"time"
)

// idCounter keeps ids of one millisecond apart, across all APIs of the process.
var idCounter atomic.Uint32

// A tail is the end of an id: a messageId shares its connection's.
type tail [4]byte

func newTail() (t tail) {
	binary.NativeEndian.PutUint32(t[:], rand.Uint32())
	return t
}

// newID returns an id as API Gateway makes them: 11 bytes in padded base64url,
// that is 16 characters of which the last is '=', with a prefix that grows with
// time.
func newID(at time.Time, end tail) string {
	var b [11]byte
	binary.BigEndian.PutUint64(b[:8], uint64(at.UnixMilli())<<24) // 40 bits: wraps in 2039
	binary.BigEndian.PutUint16(b[5:7], uint16(idCounter.Add(1)))
	copy(b[7:], end[:])
	return base64.URLEncoding.EncodeToString(b[:])
}

// possibleID reports whether id could have come from newID.
func possibleID(id string) bool {
	b, err := base64.URLEncoding.DecodeString(id)
	return err == nil && len(b) == 11 && len(id) == 16 // the decoder skips line ends
}
