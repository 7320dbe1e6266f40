package objects

import (
	"aiwm-chat/shared/config"
	"aiwm-chat/shared/wire"
)

// In returns the store of a process that needs config.Uploads.
func In(p *wire.Process) *Store { return wire.Client(p, open) }

func open(c config.Config) (*Store, error) {
	return New(Options{AWS: c.AWS, Bucket: c.Uploads.Bucket, Endpoint: c.Uploads.Endpoint})
}
