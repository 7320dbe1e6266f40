// Package wiring puts annotate together.
package wiring

import (
	"aiwm-chat/functions/annotate/handler"
	send "aiwm-chat/functions/send/wiring"
	"aiwm-chat/shared/config"
	"aiwm-chat/shared/gateway"
	"aiwm-chat/shared/live"
	"aiwm-chat/shared/mongostore"
	"aiwm-chat/shared/presence"
	"aiwm-chat/shared/protocol"
	"aiwm-chat/shared/wire"
)

// Function is wired from what it needs.
var Function = wire.Function{
	Needs: []config.Part{config.Mongo, config.Redis, config.Connections, config.SummaryQueue, config.RunQueue, config.WebhookQueue, config.SendLimits, config.AnnotateLimits, config.WebSocket},
	Wire:  wired,
}

func wired(p *wire.Process) any {
	h := Handler(p)
	return live.Frames(p, gateway.Routed(map[string]gateway.FrameHandler{
		protocol.ActionReact: gateway.Decoded(h.React),
		protocol.ActionEdit:  gateway.Decoded(h.Edit),
	}))
}

// Handler returns the handler of annotate, for default and REST too.
func Handler(p *wire.Process) *handler.Handler {
	return handler.New(mongostore.In(p), presence.In(p), send.Handler(p))
}
