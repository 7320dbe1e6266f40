package apigateway

import (
	"aiwm-chat/shared/config"
	"aiwm-chat/shared/wire"
)

// In returns the poster of a process that needs config.Connections.
func In(p *wire.Process) *Poster { return wire.Client(p, open) }

func open(c config.Config) (*Poster, error) {
	return New(Options{Endpoint: c.ConnectionsURL, AWS: c.AWS})
}
