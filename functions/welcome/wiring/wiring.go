// Package wiring puts welcome together.
package wiring

import (
	"aiwm-chat/functions/welcome/handler"
	"aiwm-chat/shared/config"
	"aiwm-chat/shared/delivery/apigateway"
	"aiwm-chat/shared/gateway"
	"aiwm-chat/shared/mongostore"
	"aiwm-chat/shared/wire"
)

// Function is wired from what it needs.
var Function = wire.Function{
	Needs: []config.Part{config.Mongo, config.Connections},
	Wire:  wired,
}

func wired(p *wire.Process) any {
	return gateway.Queue(handler.New(mongostore.In(p), apigateway.In(p)).Handle)
}
