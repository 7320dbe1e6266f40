package protocol

import (
	"aiwm-chat/shared/chat"
)

// MaxFrameID is the most characters of a frame's id.
const MaxFrameID = 64

// Envelope is what every client frame has: the action, and the client's own id
// of the frame, which the reply repeats.
type Envelope struct {
	Action string `json:"action"`      // what is asked for
	ID     string `json:"id,omitzero"` // the client's own id of the frame, which the reply repeats
}

// FrameID returns the client's id of the frame.
func (e Envelope) FrameID() string { return e.ID }

// Check reports what is wrong with the envelope.
func (e Envelope) Check() error {
	if len([]rune(e.ID)) > MaxFrameID {
		return chat.Invalid("id", "must be at most %d characters", MaxFrameID)
	}
	return nil
}

func first(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}
