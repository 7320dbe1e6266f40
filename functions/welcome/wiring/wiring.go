// Package wiring puts welcome together.
package wiring

import (
	"aiwm-chat/functions/welcome/handler"
	"aiwm-chat/shared/config"
	"aiwm-chat/shared/gateway"
	"aiwm-chat/shared/live"
	"aiwm-chat/shared/mongostore"
	"aiwm-chat/shared/wire"
)

// Function is wired from what it needs.
var Function = wire.Function{
	Needs: []config.Part{config.Mongo, config.Redis, config.Connections},
	Wire:  wired,
}

func wired(p *wire.Process) any {
	return gateway.Queue(Handler(p).Handle)
}

// Handler returns the handler of welcome, for default too.
func Handler(p *wire.Process) *handler.Handler {
	store := mongostore.In(p)
	return handler.New(store, live.Deliverer(p), live.Announcements(p, store))
}
