// Package live wires what is live, as opposed to what lasts: presence in Redis
// and delivery through the Management API, and the announcements between them.
// It stands between the technologies and the mains: nothing else imports it.
package live

import (
	"fmt"

	"aiwm-chat/shared/config"
	"aiwm-chat/shared/delivery"
	"aiwm-chat/shared/delivery/apigateway"
	"aiwm-chat/shared/presence"
)

// Live is everything that a function needs to know who is connected and to
// reach them. It is built once, in main, and safe for concurrent use.
type Live struct {
	Presence *presence.Store
	Poster   *apigateway.Poster // posts once and prunes nothing
	Deliver  *delivery.Deliverer
	Announce *Announcer
}

// Open builds the clients from the Redis and Connections parts of a Config. It
// does not use the network.
func Open(cfg config.Config) (*Live, error) {
	store, err := presence.Open(presence.OptionsOf(cfg))
	if err != nil {
		return nil, fmt.Errorf("open presence: %w", err)
	}
	poster, err := apigateway.New(apigateway.Options{Endpoint: cfg.ConnectionsURL, AWS: cfg.AWS})
	if err != nil {
		return nil, fmt.Errorf("open the management api: %w", err)
	}
	return New(store, poster), nil
}

// New wires clients that exist already.
func New(store *presence.Store, poster *apigateway.Poster) *Live {
	deliver := delivery.New(poster, store)
	announce := NewAnnouncer(store, deliver)
	deliver.OnDeparture(announce.departed)
	return &Live{Presence: store, Poster: poster, Deliver: deliver, Announce: announce}
}
