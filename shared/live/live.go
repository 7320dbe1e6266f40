// Package live joins what is live, as opposed to what lasts: presence in Redis,
// delivery through the Management API, and the announcements between them.
package live

import (
	"aiwm-chat/shared/config"
	"aiwm-chat/shared/delivery"
	"aiwm-chat/shared/delivery/apigateway"
	"aiwm-chat/shared/presence"
	"aiwm-chat/shared/wire"
)

// A link is a deliverer and an announcer that know each other: what delivery
// finds gone is announced, and announcements are delivered.
type link struct {
	deliver  *delivery.Deliverer
	announce *Announcer
}

func in(p *wire.Process) link {
	store, poster := presence.In(p), apigateway.In(p)
	return wire.Client(p, func(config.Config) (link, error) {
		deliver := delivery.New(poster, store)
		announce := NewAnnouncer(store, deliver)
		deliver.OnDeparture(announce.departed)
		return link{deliver, announce}, nil
	})
}

// Deliverer returns the deliverer of a process that needs config.Redis and
// config.Connections.
func Deliverer(p *wire.Process) *delivery.Deliverer { return in(p).deliver }

// Announcements returns the announcer of such a process.
func Announcements(p *wire.Process) *Announcer { return in(p).announce }
