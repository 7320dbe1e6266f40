// Package wiring puts agents together.
package wiring

import (
	"aiwm-chat/functions/agents/handler"
	"aiwm-chat/functions/answer/runlog"
	send "aiwm-chat/functions/send/wiring"
	"aiwm-chat/shared/auth"
	"aiwm-chat/shared/config"
	"aiwm-chat/shared/gateway"
	"aiwm-chat/shared/mongostore"
	"aiwm-chat/shared/presence"
	"aiwm-chat/shared/queue"
	"aiwm-chat/shared/wire"
)

// Function is wired from what it needs.
var Function = wire.Function{
	Needs: []config.Part{config.Mongo, config.Redis, config.Connections, config.SummaryQueue, config.RunQueue, config.Providers, config.JWT, config.RESTLimits},
	Wire:  wired,
}

func wired(p *wire.Process) any {
	configured := handler.Configured{Provider: func(name string) bool { _, ok := p.Config.Providers[name]; return ok }}
	store, jobs := mongostore.ForRuns(p), queue.In(p)
	stopper := runlog.NewStopper(store, presence.In(p), jobs, runlog.NewEnder(store, send.Handler(p)))
	h := handler.New(store, stopper, jobs, configured)
	return gateway.HTTP(auth.In(p), presence.In(p), h.Routes())
}
