package gateway

import (
	"context"

	"aiwm-chat/shared/chat"
)

// WhileOn returns the handler of a client's frames, or where the operator has
// switched the WebSocket side off one that refuses them all: that ends the
// connections which are left.
func WhileOn(off bool, handle FrameHandler) FrameHandler {
	if !off {
		return handle
	}
	return func(context.Context, *ClientFrame, []byte) error { return chat.ErrSwitchedOff }
}

// ConnectWhileOn is the same for new connections.
func ConnectWhileOn(off bool, handle func(context.Context, chat.Connection) error) func(context.Context, chat.Connection) error {
	if !off {
		return handle
	}
	return func(context.Context, chat.Connection) error { return chat.ErrSwitchedOff }
}
