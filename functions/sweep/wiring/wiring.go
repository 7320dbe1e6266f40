// Package wiring puts sweep together.
package wiring

import (
	send "aiwm-chat/functions/send/wiring"
	"aiwm-chat/functions/sweep/handler"
	"aiwm-chat/shared/config"
	"aiwm-chat/shared/gateway"
	"aiwm-chat/shared/live"
	"aiwm-chat/shared/mongostore"
	"aiwm-chat/shared/objects"
	"aiwm-chat/shared/presence"
	"aiwm-chat/shared/queue"
	"aiwm-chat/shared/wire"
)

// Function is wired from what it needs.
var Function = wire.Function{
	Needs: []config.Part{config.Mongo, config.Redis, config.Connections, config.SummaryQueue, config.StreamQueue, config.RunQueue, config.WebhookQueue, config.Uploads},
	Wire:  wired,
}

func wired(p *wire.Process) any {
	store := mongostore.In(p)
	h := handler.New(store, send.Handler(p).WithObjects(objects.In(p)), presence.In(p), store, live.Announcements(p, store), queue.In(p))
	return gateway.Schedule(h.Handle)
}
