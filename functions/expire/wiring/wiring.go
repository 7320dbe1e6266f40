// Package wiring puts expire together.
package wiring

import (
	"aiwm-chat/functions/expire/handler"
	send "aiwm-chat/functions/send/wiring"
	signal "aiwm-chat/functions/signal/wiring"
	"aiwm-chat/shared/config"
	"aiwm-chat/shared/gateway"
	"aiwm-chat/shared/live"
	"aiwm-chat/shared/presence"
	"aiwm-chat/shared/queue"
	"aiwm-chat/shared/wire"
)

// Function is wired from what it needs.
var Function = wire.Function{
	Needs: []config.Part{config.Mongo, config.Redis, config.Connections, config.SummaryQueue, config.StreamQueue, config.RunQueue, config.WebhookQueue},
	Wire:  wired,
}

func wired(p *wire.Process) any {
	h := handler.New(presence.In(p), send.Handler(p), queue.In(p), live.Deliverer(p), signal.Handler(p))
	return gateway.Queue(h.Handle)
}
