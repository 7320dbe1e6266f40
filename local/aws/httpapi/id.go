package httpapi

import (
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"time"
)

// newID makes a request id of API Gateway's shape, "JKJaXmPLvHcESHA=": 11 bytes
// in base64url with padding, the first of them ordered by time.
func newID(now time.Time) string {
	var b [16]byte
	binary.BigEndian.PutUint64(b[:8], uint64(now.UnixMilli())<<24)
	binary.BigEndian.PutUint64(b[5:13], rand.Uint64())
	return base64.URLEncoding.EncodeToString(b[:11])
}

// newTraceID makes an X-Ray trace header,
// "Root=1-5e9f0c65-1de4d666d4dd26aced652b6c".
func newTraceID(now time.Time) string {
	return fmt.Sprintf("Root=1-%08x-%08x%016x", uint32(now.Unix()), rand.Uint32(), rand.Uint64())
}
