package wsapi

// billedUnit is what API Gateway bills as one message: each begun 32 KB of a frame.
const billedUnit = 32 << 10

// billed is how many messages a frame of so many bytes is on the bill. A frame of
// nothing is one.
func billed(size int) int64 { return int64(max(1, (size+billedUnit-1)/billedUnit)) }

// Billed returns how many messages API Gateway would have billed so far: what clients
// sent, and what was posted to them and reached their connection.
func (a *API) Billed() (in, out int64) { return a.in.Load(), a.out.Load() }
