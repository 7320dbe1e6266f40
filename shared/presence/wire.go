package presence

import (
	"strings"

	"aiwm-chat/shared/config"
	"aiwm-chat/shared/wire"
)

// In returns the store of a process that needs config.Redis. Its limits are
// those of config.SendLimit and config.TypingLimit, none where a function does
// not need them.
func In(p *wire.Process) *Store { return wire.Client(p, open) }

func open(c config.Config) (*Store, error) { return Open(OptionsOf(c)) }

// OptionsOf returns the Options that a process was configured with.
func OptionsOf(c config.Config) Options {
	return Options{
		Addr: strings.Join(c.Redis.Addrs, ","), Password: c.Redis.Password, TLS: c.Redis.TLS,
		SendPerMinute: c.SendLimit, TypingPerMinute: c.TypingLimit,
	}
}
