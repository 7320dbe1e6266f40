// Package wiring puts connect together.
package wiring

import (
	"aiwm-chat/functions/connect/handler"
	"aiwm-chat/shared/config"
	"aiwm-chat/shared/delivery/apigateway"
	"aiwm-chat/shared/gateway"
	"aiwm-chat/shared/live"
	"aiwm-chat/shared/mongostore"
	"aiwm-chat/shared/presence"
	"aiwm-chat/shared/queue"
	"aiwm-chat/shared/wire"
)

// Function is wired from what it needs.
var Function = wire.Function{
	Needs: []config.Part{config.Mongo, config.Redis, config.Connections, config.WelcomeQueue, config.ConnectionLimits, config.WebSocket},
	Wire:  wired,
}

func wired(p *wire.Process) any {
	store := mongostore.In(p)
	h := handler.New(presence.In(p), store, queue.In(p), apigateway.In(p), live.Announcements(p, store))
	return gateway.Connect(gateway.ConnectWhileOn(p.Config.WebSocketDisabled, h.Handle))
}
