// Package wiring puts messages together, and the streams that become some.
package wiring

import (
	"maps"

	annotate "aiwm-chat/functions/annotate/wiring"
	approve "aiwm-chat/functions/approve/wiring"
	"aiwm-chat/functions/messages/handler"
	send "aiwm-chat/functions/send/wiring"
	stream "aiwm-chat/functions/stream/wiring"
	"aiwm-chat/shared/auth"
	"aiwm-chat/shared/config"
	"aiwm-chat/shared/gateway"
	"aiwm-chat/shared/mongostore"
	"aiwm-chat/shared/presence"
	"aiwm-chat/shared/wire"
)

// Function is wired from what it needs.
var Function = wire.Function{
	Needs: []config.Part{config.Mongo, config.Redis, config.Connections, config.SummaryQueue, config.StreamQueue, config.RunQueue, config.WebhookQueue, config.JWT, config.SendLimits, config.AnnotateLimits, config.RESTLimits},
	Wire:  wired,
}

func wired(p *wire.Process) any {
	h := handler.New(mongostore.In(p), send.Handler(p), annotate.Handler(p))
	routes := h.Routes()
	maps.Copy(routes, stream.Handler(p).Routes())
	maps.Copy(routes, approve.Handler(p).Routes())
	return gateway.HTTP(auth.In(p), presence.In(p), routes)
}
