package presence

import (
	"context"

	"aiwm-chat/shared/config"
	"aiwm-chat/shared/wire"
)

// In returns the store of a process that needs config.Redis. Its limits are
// those of the parts that the process needs, and none of those it does not.
func In(p *wire.Process) *Store {
	return wire.Client(p, func(c config.Config) (*Store, error) {
		s, err := open(c)
		if err == nil && c.Mongo.URI != "" {
			p.Begin(s.begin)
		}
		return s, err
	})
}

// begin connects beside MongoDB, which takes longer: alone it is as well done by the
// first command. A Redis that does not answer shows then: much goes on without it.
func (s *Store) begin() error {
	ctx, cancel := context.WithTimeout(context.Background(), hurry)
	defer cancel()
	s.redis().Ping(ctx)
	return nil
}

func open(c config.Config) (*Store, error) { return Open(OptionsOf(c)) }

// OptionsOf returns the Options that a process was configured with.
func OptionsOf(c config.Config) Options {
	return Options{
		Addrs: c.Redis.Addrs, Mode: c.Redis.Mode, Username: c.Redis.Username, Password: c.Redis.Password, TLS: c.Redis.TLS, Renewal: c.Redis.Renewal,
		Limits: c.Limits,
	}
}
