package chat

import "time"

// What writes streams puts pieces together: the first goes out at once, then one in
// StreamEarly for StreamEarlyFor, and then one in StreamLate. Whoever is told to slow down
// doubles that, up to StreamSlowest.
const (
	StreamEarly    = 100 * time.Millisecond
	StreamEarlyFor = 2 * time.Second
	StreamLate     = 250 * time.Millisecond
	StreamSlowest  = 4 * time.Second
	// StreamRepair is how often a whole part goes out instead of a piece, while it is
	// short: it heals what was lost on the way.
	StreamRepair = 5 * time.Second
)

// StreamPace returns how long to wait after a post before the next one, since the first
// piece was posted so long ago, and slowed times in a row somebody asked to slow down.
func StreamPace(since time.Duration, slowed int) time.Duration {
	wait := StreamEarly
	if since >= StreamEarlyFor {
		wait = StreamLate
	}
	for range slowed {
		if wait *= 2; wait >= StreamSlowest {
			return StreamSlowest
		}
	}
	return wait
}
