// Package wiring puts webhook together.
package wiring

import (
	"aiwm-chat/functions/webhook/handler"
	"aiwm-chat/shared/config"
	"aiwm-chat/shared/gateway"
	"aiwm-chat/shared/mongostore"
	"aiwm-chat/shared/outside"
	"aiwm-chat/shared/queue"
	"aiwm-chat/shared/wire"
)

// Function is wired from what it needs.
var Function = wire.Function{
	Needs: []config.Part{config.Mongo, config.WebhookQueue, config.Webhooks},
	Wire:  wired,
}

func wired(p *wire.Process) any {
	h := handler.New(mongostore.In(p), queue.In(p), outside.Transport(p.Config.WebhooksLocal))
	return gateway.Queue(h.Handle)
}
