// Package wiring puts join together.
package wiring

import (
	"aiwm-chat/functions/join/handler"
	"aiwm-chat/shared/config"
	"aiwm-chat/shared/gateway"
	"aiwm-chat/shared/live"
	"aiwm-chat/shared/mongostore"
	"aiwm-chat/shared/presence"
	"aiwm-chat/shared/wire"
)

// Function is wired from what it needs.
var Function = wire.Function{
	Needs: []config.Part{config.Mongo, config.Redis, config.Connections, config.JoinLimits, config.WebSocket},
	Wire:  wired,
}

func wired(p *wire.Process) any {
	return live.Frames(p, gateway.Decoded(Handler(p).Handle))
}

// Handler returns the handler of join, for default too.
func Handler(p *wire.Process) *handler.Handler {
	store := mongostore.In(p)
	return handler.New(store, presence.In(p), live.Announcements(p, store))
}
