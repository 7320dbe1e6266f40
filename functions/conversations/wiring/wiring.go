// Package wiring puts conversations together.
package wiring

import (
	"aiwm-chat/functions/conversations/handler"
	read "aiwm-chat/functions/read/wiring"
	summarize "aiwm-chat/functions/summarize/handler"
	"aiwm-chat/shared/auth"
	"aiwm-chat/shared/config"
	"aiwm-chat/shared/gateway"
	"aiwm-chat/shared/live"
	"aiwm-chat/shared/mongostore"
	"aiwm-chat/shared/presence"
	"aiwm-chat/shared/summary"
	"aiwm-chat/shared/wire"
)

// Function is wired from what it needs.
var Function = wire.Function{
	Needs: []config.Part{config.Mongo, config.Redis, config.Connections, config.JWT, config.OpenAI, config.RESTLimits, config.MarkLimit, config.ExportLimit, config.SummaryLimit},
	Wire:  wired,
}

func wired(p *wire.Process) any {
	store := mongostore.ForWrites(p)
	announcements := live.Announcements(p, store)
	summaries := summarize.NewWriter(store, presence.In(p), summary.In(p), announcements)
	h := handler.New(store, presence.In(p), live.Deliverer(p), announcements, summaries, read.Handler(p))
	return gateway.HTTP(auth.In(p), presence.In(p), h.Routes())
}
