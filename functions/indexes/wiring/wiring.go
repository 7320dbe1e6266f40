// Package wiring puts indexes together.
package wiring

import (
	"aiwm-chat/functions/indexes/handler"
	"aiwm-chat/shared/config"
	"aiwm-chat/shared/gateway"
	"aiwm-chat/shared/mongostore"
	"aiwm-chat/shared/wire"
)

// Function is wired from what it needs. A deployment waits for its answer, so it
// has one also where it cannot be wired.
var Function = wire.Function{
	Needs:  []config.Part{config.Mongo},
	Wire:   wired,
	Refuse: func(err error) any { return gateway.RefuseResource(err) },
}

func wired(p *wire.Process) any {
	return gateway.Resource("indexes", handler.New(mongostore.In(p)).Handle)
}
