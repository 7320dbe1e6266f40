// Package wiring puts search together.
package wiring

import (
	"aiwm-chat/functions/search/handler"
	"aiwm-chat/shared/auth"
	"aiwm-chat/shared/config"
	"aiwm-chat/shared/gateway"
	"aiwm-chat/shared/mongostore"
	"aiwm-chat/shared/presence"
	"aiwm-chat/shared/wire"
)

// Function is wired from what it needs.
var Function = wire.Function{
	Needs: []config.Part{config.Mongo, config.Redis, config.JWT, config.RESTLimits, config.SearchLimit},
	Wire:  wired,
}

func wired(p *wire.Process) any {
	return gateway.HTTP(auth.In(p), presence.In(p), handler.New(mongostore.In(p)).Routes())
}
