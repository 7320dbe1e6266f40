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
	Needs: []config.Part{
		config.Mongo, config.Redis, config.Connections, config.SummaryQueue, config.RunQueue, config.WebhookQueue, config.Webhooks,
		config.Providers, config.ToolServers, config.JWT, config.RESTLimits,
	},
	Wire: wired,
}

func wired(p *wire.Process) any {
	store, jobs := mongostore.ForRuns(p), queue.In(p)
	stopper := runlog.NewStopper(store, presence.In(p), jobs, runlog.NewEnder(store, send.Handler(p)))
	h := handler.New(store, stopper, jobs, configured(p.Config))
	return gateway.HTTP(auth.In(p), presence.In(p), h.Routes())
}

// configured are the names that agents may use. Of the servers of tools, whose headers are
// secrets, nothing else is looked at.
func configured(c config.Config) handler.Configured {
	return handler.Configured{Provider: in(c.Providers), ToolServer: in(c.ToolServers.Servers), LocalWebhooks: c.WebhooksLocal}
}

func in[V any](all map[string]V) func(name string) bool {
	return func(name string) bool { _, ok := all[name]; return ok }
}
