package presence

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"

	"aiwm-chat/shared/chat"
)

// A record is the value under a connection id in a hash:
// "<registered> <token expiry> <org>/<type>:<id>", times in seconds. The first
// ten bytes and what follows the last space are read by a script as well.
func record(c chat.Connection, now time.Time) string {
	return fmt.Sprintf("%010d %d %s", now.Unix(), c.ExpiresAt.Unix(), owner(c.Principal))
}

// parseRecord returns the connection and when it was registered.
func parseRecord(id, value string) (c chat.Connection, registered time.Time, ok bool) {
	at, rest, _ := strings.Cut(value, " ")
	expires, whose, _ := strings.Cut(rest, " ")
	org, whose, _ := strings.Cut(whose, "/")
	kind, name, ok := strings.Cut(whose, ":")
	registeredAt, err := strconv.ParseInt(at, 10, 64)
	expiresAt, expErr := strconv.ParseInt(expires, 10, 64)
	if !ok || err != nil || expErr != nil {
		return chat.Connection{}, time.Time{}, false
	}
	return chat.Connection{
		ID:        chat.ConnectionID(id),
		Principal: chat.Principal{Type: chat.PrincipalType(kind), ID: chat.PrincipalID(name), OrgID: chat.OrgID(org)},
		ExpiresAt: time.Unix(expiresAt, 0).UTC(),
	}, time.Unix(registeredAt, 0), true
}

// hash reads a hash as a list of fields and values: RESP2's own form, and half
// the cost of a map for a large room.
func hash(ctx context.Context, p redis.Pipeliner, key string) *redis.StringSliceCmd {
	cmd := redis.NewStringSliceCmd(ctx, "hgetall", key)
	p.Process(ctx, cmd) //nolint:errcheck // a pipeline reports when it is sent
	return cmd
}

// connections sorts the entries of a hash into those that count and those that
// no $disconnect has removed in a connection's longest life.
func connections(entries []string, now time.Time) (live, stale []chat.Connection) {
	oldest := now.Add(-lifetime)
	live = make([]chat.Connection, 0, len(entries)/2)
	for i := 0; i+1 < len(entries); i += 2 {
		switch c, registered, ok := parseRecord(entries[i], entries[i+1]); {
		case !ok:
		case registered.Before(oldest):
			stale = append(stale, c)
		default:
			live = append(live, c)
		}
	}
	return live, stale
}

func has(connections []chat.Connection, id chat.ConnectionID) bool {
	for i := range connections {
		if connections[i].ID == id {
			return true
		}
	}
	return false
}
