package server

import (
	"bytes"
	"context"
	"encoding/binary"
	"net"
	"strconv"
	"strings"

	"go.mongodb.org/mongo-driver/v2/mongo/options"
)

// What the functions in this process ask of the embedded databases passes here. A
// request, or several that are pipelined, is one Write of its driver: one round trip.

// dialMongo counts what goes through a dialer; nil stays nil.
func (m *meter) dialMongo(next options.ContextDialer) options.ContextDialer {
	if next == nil {
		return nil
	}
	m.databases = true
	return dialer(func(ctx context.Context, network, addr string) (net.Conn, error) {
		c, err := next.DialContext(ctx, network, addr)
		if err != nil {
			return nil, err
		}
		return &counted{c, func(b []byte) {
			switch mongoCommand(b) {
			case "", "hello", "isMaster", "ismaster", "ping", "endSessions", "buildInfo":
			default:
				m.mongoOps.Add(1)
				m.mongoTrip.Add(1)
			}
		}}, nil
	})
}

type dialer func(ctx context.Context, network, addr string) (net.Conn, error)

// DialContext implements options.ContextDialer.
func (d dialer) DialContext(ctx context.Context, network, addr string) (net.Conn, error) {
	return d(ctx, network, addr)
}

// mongoCommand is the name of the command in an OP_MSG, "" of what is something else.
func mongoCommand(b []byte) string {
	const opMsg, kindAt, nameAt = 2013, 20, 26
	if len(b) <= nameAt || binary.LittleEndian.Uint32(b[12:]) != opMsg || b[kindAt] != 0 {
		return ""
	}
	name, _, found := bytes.Cut(b[nameAt:], []byte{0})
	if !found {
		return ""
	}
	return string(name)
}

// dialRedis is the same for Redis.
func (m *meter) dialRedis(next dialer) func(ctx context.Context, network, addr string) (net.Conn, error) {
	if next == nil {
		return nil
	}
	return func(ctx context.Context, network, addr string) (net.Conn, error) {
		c, err := next(ctx, network, addr)
		if err != nil {
			return nil, err
		}
		var commands redisCommands
		return &counted{c, func(b []byte) {
			if n := commands.in(b); n > 0 {
				m.redisCommands.Add(int64(n))
				m.redisTrips.Add(1)
			}
		}}, nil
	}
}

// counted shows what is written to a connection. A driver writes from one goroutine at
// a time.
type counted struct {
	net.Conn
	written func(b []byte)
}

func (c *counted) Write(b []byte) (int, error) {
	c.written(b)
	return c.Conn.Write(b)
}

// redisCommands follows what a client writes to Redis: arrays of bulk strings, in
// pieces that end anywhere.
type redisCommands struct {
	line []byte // one that has begun
	skip int    // bytes of a bulk string and its end that are still to come
	verb bool   // the next bulk string is the name of a command
	name []byte // of it, as far as it has come
}

// in returns how many commands begin to be known in a piece; those of the connection
// itself are none.
func (r *redisCommands) in(b []byte) (n int) {
	for len(b) > 0 {
		if r.skip > 0 {
			size := min(r.skip, len(b))
			if r.verb && len(r.name) < 32 {
				r.name = append(r.name, b[:size]...)
			}
			r.skip, b = r.skip-size, b[size:]
			if r.skip == 0 && r.verb {
				if name, _, _ := strings.Cut(string(r.name), "\r"); !ofConnection(name) {
					n++
				}
				r.verb, r.name = false, r.name[:0]
			}
			continue
		}
		end := bytes.IndexByte(b, '\n')
		if end < 0 {
			if r.line = append(r.line, b...); len(r.line) > 64 { // no client writes such a line
				r.line = r.line[:0]
			}
			return n
		}
		line := strings.TrimSuffix(string(r.line)+string(b[:end]), "\r")
		r.line, b = r.line[:0], b[end+1:]
		switch {
		case strings.HasPrefix(line, "*"):
			r.verb = true
		case strings.HasPrefix(line, "$"):
			if size, err := strconv.Atoi(line[1:]); err == nil && size >= 0 && size < 1<<30 {
				r.skip = size + 2
			}
		}
	}
	return n
}

func ofConnection(name string) bool {
	switch strings.ToLower(name) {
	case "hello", "client", "auth", "select", "ping", "cluster", "readonly":
		return true
	}
	return false
}
