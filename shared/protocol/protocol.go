// Package protocol is the JSON contract with clients: the actions they send,
// the frames they receive, and the bodies of the REST interface. Everything
// untrusted is decoded here, strictly; every frame is encoded here, bounded.
//
// An action has a file: its name, which is also its route key in the WebSocket
// API (SAM wants those alphanumeric; ping is left to $default), the frame that
// asks for it and the events that follow from it.
package protocol

import "time"

// MaxFrame is the most bytes of one posted frame. API Gateway closes a
// connection that is sent a frame over 32 KB, so a frame stays well below it.
const MaxFrame = 30_000

// Timestamp is the form of every time in the protocol: RFC 3339, UTC, with
// milliseconds, which is as precise as MongoDB keeps it.
const Timestamp = "2006-01-02T15:04:05.000Z07:00"

func stamp(t time.Time) string { return t.UTC().Format(Timestamp) }
