package client

import (
	"fmt"
	"maps"
	"slices"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"aiwm-chat/shared/chat"
	"aiwm-chat/shared/protocol"
)

// A Frame is what the server sent: an event with its data, or an error.
type Frame struct {
	Event     string              `json:"event"`
	ID        string              `json:"id"` // of the request it answers, "" for none
	Data      jsontext.Value      `json:"data"`
	Error     *protocol.ErrorBody `json:"error"`
	Timestamp string              `json:"timestamp"`

	// Message is set in frames of API Gateway itself, and nothing else is:
	// there was no route, or the function failed.
	Message string `json:"message"`
}

// parseFrame does not mind members it does not know: servers grow.
func parseFrame(text []byte) (f Frame, err error) {
	err = json.Unmarshal(text, &f)
	return f, err
}

// gatewayError reports whether API Gateway itself sent the frame. It names no
// request; whoever waits for a reply must take it for theirs.
func (f Frame) gatewayError() bool { return f.Event == "" && f.Message != "" }

// Err returns the *Error of an error frame, and nil for every other.
func (f Frame) Err() error {
	switch {
	case f.Error != nil:
		return &Error{Code: f.Error.Code, Message: f.Error.Message, Retryable: f.Error.Retryable, Details: f.Error.Details}
	case f.gatewayError():
		return &Error{Message: "API Gateway: " + f.Message}
	}
	return nil
}

// Data returns the data of a frame as a T of package protocol.
func Data[T any](f Frame) (T, error) {
	var v T
	if err := json.Unmarshal(f.Data, &v); err != nil {
		return v, fmt.Errorf("parse the data of %s: %w", f.Event, err)
	}
	return v, nil
}

// An Error is a refusal: an error frame, a REST problem, or a handshake that
// was not completed. One that is Retryable may be sent again as it was, with
// the same clientMessageId, and stores nothing twice.
type Error struct {
	Status    int       // of HTTP, 0 over WebSocket
	Code      chat.Code // "" where API Gateway itself refused
	Message   string
	Retryable bool
	Details   map[string]any
}

func (e *Error) Error() string {
	text := e.Message
	if e.Code != "" {
		text = fmt.Sprintf("%s: %s", e.Code, e.Message)
	}
	if len(e.Details) > 0 {
		for i, name := range slices.Sorted(maps.Keys(e.Details)) {
			text += fmt.Sprintf("%s%s %v", [...]string{" (", ", "}[min(i, 1)], name, e.Details[name])
		}
		text += ")"
	}
	if e.Status != 0 {
		text = fmt.Sprintf("status %d: %s", e.Status, text)
	}
	return text
}
