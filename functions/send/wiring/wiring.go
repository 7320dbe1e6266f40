// Package wiring puts send together.
package wiring

import (
	"aiwm-chat/functions/send/handler"
	"aiwm-chat/shared/config"
	"aiwm-chat/shared/gateway"
	"aiwm-chat/shared/live"
	"aiwm-chat/shared/mongostore"
	"aiwm-chat/shared/presence"
	"aiwm-chat/shared/queue"
	"aiwm-chat/shared/wire"
)

// Function is wired from what it needs.
var Function = wire.Function{
	Needs: []config.Part{config.Mongo, config.Redis, config.Connections, config.SummaryQueue, config.RunQueue, config.WebhookQueue, config.SendLimits, config.WebSocket},
	Wire:  wired,
}

func wired(p *wire.Process) any {
	return live.Frames(p, gateway.Decoded(Handler(p).Handle))
}

// Handler returns the handler of send, for everybody who writes messages.
func Handler(p *wire.Process) *handler.Handler {
	store := mongostore.ForWrites(p)
	return handler.New(store, presence.In(p), live.Deliverer(p), live.Announcements(p, store), queue.In(p))
}
