package protocol

import (
	"time"

	"github.com/go-json-experiment/json"

	"aiwm-chat/shared/chat"
)

// EventError answers a frame that was refused; or it tells a connection why it ends,
// and then has no id.
const EventError = "error"

type frame struct {
	Event     string     `json:"event"`
	ID        string     `json:"id,omitzero"`
	Data      any        `json:"data,omitzero"`
	Error     *ErrorBody `json:"error,omitzero"`
	Timestamp string     `json:"timestamp"`
}

// ErrorBody is the error of a frame.
type ErrorBody struct {
	Code      chat.Code      `json:"code"`
	Message   string         `json:"message"`          // a sentence for people; programs go by the code
	Retryable bool           `json:"retryable"`        // the same may be sent again, as it was
	Details   map[string]any `json:"details,omitzero"` // of validation_failed a text for each field, of rate_limited retryAfterMs; of a message its clientMessageId, of a stream its streamId, and of a piece its part and index
}

// Frame encodes an event for posting. id is that of the client frame it
// answers, "" where it answers none.
func Frame(event, id string, data any, now time.Time) []byte {
	return encode(frame{Event: event, ID: id, Data: data, Timestamp: stamp(now)})
}

// ErrorFrame encodes what a client may see of err.
func ErrorFrame(id string, err error, now time.Time) []byte {
	e := chat.Public(err)
	body := &ErrorBody{Code: e.Code, Message: e.Message, Retryable: e.Code.Retryable(), Details: e.Details}
	return encode(frame{Event: EventError, ID: id, Error: body, Timestamp: stamp(now)})
}

func encode(v any) []byte {
	b, err := json.Marshal(v, json.Deterministic(true))
	if err != nil {
		panic("protocol: encode a frame: " + err.Error()) // the types here always encode
	}
	return b
}

// Marshal encodes a REST body or an event for a function. It fails only on a
// type that has no JSON form, which is a mistake in the program.
func Marshal(v any) ([]byte, error) { return json.Marshal(v, json.Deterministic(true)) }

// Identity is a principal in a frame: {"type": "user", "id": "u1"}.
type Identity struct {
	Type chat.PrincipalType `json:"type"`
	ID   chat.PrincipalID   `json:"id"`
}

// IdentityOf returns p as frames show it.
func IdentityOf(p chat.Principal) Identity { return Identity{Type: p.Type, ID: p.ID} }

// identities returns the first of some principals, nil of none.
func identities(ps []chat.Principal, most int) (out []Identity) {
	for _, p := range ps[:min(len(ps), most)] {
		out = append(out, IdentityOf(p))
	}
	return out
}
