// Package wiring puts typing together.
package wiring

import (
	"aiwm-chat/functions/typing/handler"
	"aiwm-chat/shared/config"
	"aiwm-chat/shared/gateway"
	"aiwm-chat/shared/live"
	"aiwm-chat/shared/presence"
	"aiwm-chat/shared/wire"
)

// Function is wired from what it needs.
var Function = wire.Function{
	Needs: []config.Part{config.Redis, config.Connections, config.TypingLimit, config.WebSocket},
	Wire:  wired,
}

func wired(p *wire.Process) any {
	return live.Frames(p, gateway.Decoded(Handler(p).Handle))
}

// Handler returns the handler of typing, for default too.
func Handler(p *wire.Process) *handler.Handler {
	return handler.New(presence.In(p), live.Deliverer(p))
}
