// Package wiring puts conversations together.
package wiring

import (
	"context"
	"sync/atomic"

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
	Needs: []config.Part{config.Mongo, config.Redis, config.Connections, config.JWT, config.OpenAI, config.RESTLimits, config.MarkLimit, config.ExportLimit, config.TURN, config.SummaryLimit},
	Wire:  wired,
}

func wired(p *wire.Process) any {
	store := mongostore.ForWrites(p)
	announcements := live.Announcements(p, store)
	summaries := summarize.NewWriter(store, presence.In(p), summary.In(p), announcements)
	h := handler.New(store, presence.In(p), live.Deliverer(p), announcements, summaries, read.Handler(p), servers(p))
	return gateway.HTTP(auth.In(p), presence.In(p), h.Routes())
}

// servers are those that help clients to talk. Their secret may change while this runs.
func servers(p *wire.Process) handler.Servers {
	turn := p.Config.TURN
	var known atomic.Pointer[string]
	known.Store(&turn.Secret)
	return handler.Servers{URLs: turn.URLs, Secret: func(ctx context.Context) string {
		if turn.Renewal.Old() {
			if value, changed := turn.Renewal.Renew(ctx, *known.Load()); changed {
				known.Store(&value)
			}
		}
		return *known.Load()
	}}
}
