// Package wiring puts summarize together.
package wiring

import (
	"aiwm-chat/functions/summarize/handler"
	"aiwm-chat/shared/config"
	"aiwm-chat/shared/gateway"
	"aiwm-chat/shared/live"
	"aiwm-chat/shared/mongostore"
	"aiwm-chat/shared/presence"
	"aiwm-chat/shared/queue"
	"aiwm-chat/shared/summary"
	"aiwm-chat/shared/wire"
)

// Function is wired from what it needs.
var Function = wire.Function{
	Needs: []config.Part{config.Mongo, config.Redis, config.Connections, config.SummaryQueue, config.OpenAI},
	Wire:  wired,
}

func wired(p *wire.Process) any {
	store := mongostore.In(p)
	w := handler.NewWriter(store, presence.In(p), summary.In(p), live.Announcements(p, store))
	return gateway.Queue(handler.New(w, queue.In(p)).Handle)
}
