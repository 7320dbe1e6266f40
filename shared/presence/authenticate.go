package presence

import (
	"context"
	"errors"
	"strings"

	"github.com/redis/go-redis/v9"
)

// authenticate puts a client with a new password in the place of one whose own
// was refused, where it has been changed, and reports whether to try again.
func (c *client) authenticate(ctx context.Context, used redis.UniversalClient, err error) bool {
	refused := unauthenticated(err)
	_, answered := errors.AsType[redis.Error](err)
	if c.renewal == nil || answered && !refused {
		return false
	}
	c.mu.Lock()
	password, renewed := c.options.Password, c.current != used
	c.mu.Unlock()
	if renewed || !refused {
		return renewed // somebody else did, and the error may be that of closing it
	}
	next, changed := c.renewal.Renew(ctx, password)
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.current != used {
		return true
	}
	if !changed {
		return false
	}
	c.options.Password = next
	c.current = redis.NewUniversalClient(&c.options)
	_ = used.Close()
	return true
}

// unauthenticated reports whether Redis has refused the password, or asks for
// one. (The text before WRONGPASS was that of Redis 5.)
func unauthenticated(err error) bool {
	text := err.Error()
	for _, refusal := range []string{"WRONGPASS ", "NOAUTH ", "ERR invalid password", "ERR AUTH "} {
		if strings.Contains(text, refusal) {
			return true
		}
	}
	return false
}
