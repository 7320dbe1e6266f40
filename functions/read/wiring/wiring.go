// Package wiring puts read together.
package wiring

import (
	"aiwm-chat/functions/read/handler"
	"aiwm-chat/shared/config"
	"aiwm-chat/shared/gateway"
	"aiwm-chat/shared/live"
	"aiwm-chat/shared/mongostore"
	"aiwm-chat/shared/presence"
	"aiwm-chat/shared/protocol"
	"aiwm-chat/shared/wire"
)

// Function is wired from what it needs.
var Function = wire.Function{
	Needs: []config.Part{config.Mongo, config.Redis, config.Connections, config.MarkLimit, config.WebSocket},
	Wire:  wired,
}

func wired(p *wire.Process) any {
	h := Handler(p)
	return live.Frames(p, gateway.Routed(map[string]gateway.FrameHandler{
		protocol.ActionRead:   gateway.Decoded(h.Read),
		protocol.ActionUnread: gateway.Decoded(h.Unread),
	}))
}

// Handler returns the handler of read, for default and REST too.
func Handler(p *wire.Process) *handler.Handler {
	store := mongostore.ForMarks(p)
	return handler.New(store, presence.In(p), live.Deliverer(p), live.Announcements(p, store))
}
