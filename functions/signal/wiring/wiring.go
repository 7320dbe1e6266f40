// Package wiring puts signal together.
package wiring

import (
	send "aiwm-chat/functions/send/wiring"
	"aiwm-chat/functions/signal/handler"
	"aiwm-chat/shared/config"
	"aiwm-chat/shared/gateway"
	"aiwm-chat/shared/live"
	"aiwm-chat/shared/mongostore"
	"aiwm-chat/shared/presence"
	"aiwm-chat/shared/protocol"
	"aiwm-chat/shared/queue"
	"aiwm-chat/shared/wire"
)

// Function is wired from what it needs.
var Function = wire.Function{
	Needs: []config.Part{config.Mongo, config.Redis, config.Connections, config.SummaryQueue, config.StreamQueue, config.RunQueue, config.SendLimits, config.SignalLimit, config.WebSocket},
	Wire:  wired,
}

func wired(p *wire.Process) any {
	return live.Frames(p, gateway.Routed(map[string]gateway.FrameHandler{protocol.ActionSignal: gateway.Decoded(Handler(p).Handle)}))
}

// Handler returns the handler of signal, for default and expire too.
func Handler(p *wire.Process) *handler.Handler {
	store := mongostore.In(p)
	return handler.New(store, presence.In(p), send.Handler(p), queue.In(p), live.Deliverer(p), live.Announcements(p, store))
}
