package protocol

// The action, and the event that answers it.
const (
	ActionPing = "ping"
	EventPong  = "pong"
)

// Ping keeps a connection open and registered; API Gateway ends one that is
// idle for 10 minutes, whatever protocol pings say.
type Ping struct{ Envelope }

// Pong answers Ping. Resync is true when the connection was not registered
// any more: it is again, but must join its conversations anew, with afterSeq.
type Pong struct {
	Resync bool `json:"resync,omitzero"`
}
