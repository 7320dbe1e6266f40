// Package wiring puts stream together.
package wiring

import (
	"aiwm-chat/functions/answer/runlog"
	send "aiwm-chat/functions/send/wiring"
	"aiwm-chat/functions/stream/handler"
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
	Needs: []config.Part{config.Mongo, config.Redis, config.Connections, config.SummaryQueue, config.StreamQueue, config.RunQueue, config.WebhookQueue, config.SendLimits, config.WebSocket},
	Wire:  wired,
}

func wired(p *wire.Process) any {
	h := Handler(p)
	return live.Frames(p, gateway.Routed(map[string]gateway.FrameHandler{
		protocol.ActionStream: gateway.Decoded(h.Handle),
		protocol.ActionStop:   gateway.Decoded(h.Stop),
	}))
}

// Handler returns the handler of stream, for default and REST too.
func Handler(p *wire.Process) *handler.Handler {
	store, flags, sender, jobs := mongostore.In(p), presence.In(p), send.Handler(p), queue.In(p)
	stopper := runlog.NewStopper(store, flags, jobs, runlog.NewEnder(store, sender))
	return handler.New(store, flags, sender, live.Deliverer(p), jobs, stopper)
}
