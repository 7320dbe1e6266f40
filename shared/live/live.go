// Package live joins what is live, as opposed to what lasts: presence in Redis,
// delivery through the Management API, and the announcements of who comes and
// goes. Nothing points back: delivery returns who is gone, and the announcer
// prunes.
package live

import (
	"aiwm-chat/shared/config"
	"aiwm-chat/shared/delivery"
	"aiwm-chat/shared/delivery/apigateway"
	"aiwm-chat/shared/gateway"
	rooms "aiwm-chat/shared/presence"
	"aiwm-chat/shared/wire"
)

// Deliverer returns the deliverer of a process that needs config.Connections.
func Deliverer(p *wire.Process) *delivery.Deliverer {
	poster := apigateway.In(p)
	return wire.Client(p, func(config.Config) (*delivery.Deliverer, error) { return delivery.New(poster), nil })
}

// Frames returns the handler of the frames that handle is for, of a process that needs
// config.Connections and config.WebSocket: the operator may have switched it off.
func Frames(p *wire.Process, handle gateway.FrameHandler) gateway.WebSocketHandler {
	return gateway.Frames(Deliverer(p), gateway.WhileOn(p.Config.WebSocketDisabled, handle))
}

// Announcements returns the announcer of a process that needs config.Redis and
// config.Connections. With mongostore it prunes who is found gone; a function
// without MongoDB gives nil, and leaves that to others.
func Announcements(p *wire.Process, s store) *Announcer {
	return NewAnnouncer(rooms.In(p), Deliverer(p), s)
}
