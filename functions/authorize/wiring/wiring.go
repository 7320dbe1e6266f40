// Package wiring puts authorize together.
package wiring

import (
	"aiwm-chat/functions/authorize/handler"
	"aiwm-chat/shared/auth"
	"aiwm-chat/shared/config"
	"aiwm-chat/shared/gateway"
	"aiwm-chat/shared/wire"
)

// Function is wired from what it needs.
var Function = wire.Function{
	Needs: []config.Part{config.JWT, config.AllowedOrigins},
	Wire:  wired,
}

func wired(p *wire.Process) any {
	return gateway.Authorizer(handler.New(auth.In(p), p.Config.Origins).Handle)
}
