// Package wiring puts approve together.
package wiring

import (
	"aiwm-chat/functions/approve/handler"
	send "aiwm-chat/functions/send/wiring"
	"aiwm-chat/shared/config"
	"aiwm-chat/shared/gateway"
	"aiwm-chat/shared/live"
	"aiwm-chat/shared/mongostore"
	"aiwm-chat/shared/wire"
)

// Function is wired from what it needs.
var Function = wire.Function{
	Needs: []config.Part{config.Mongo, config.Redis, config.Connections, config.SummaryQueue, config.RunQueue, config.WebhookQueue, config.WebSocket},
	Wire:  wired,
}

func wired(p *wire.Process) any { return live.Frames(p, gateway.Decoded(Handler(p).Handle)) }

// Handler returns the handler of approve, for default and REST too.
func Handler(p *wire.Process) *handler.Handler {
	return handler.New(mongostore.In(p), send.Handler(p))
}
