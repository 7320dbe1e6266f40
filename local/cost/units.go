package cost

import "aiwm-chat/shared/chat"

// Units are what one thing costs of everything that is billed by the piece. The
// tests that count frames, commands and operations hold them.
type Units struct {
	Frames      int // of API Gateway, in and out, where none is over 32 KB
	Invocations int // of functions
	Redis       int // commands
	Mongo       int // operations
	Jobs        int // messages of queues
}

// Commands are what one message asks of Redis, by the verb and the kind of the key,
// and of MongoDB, by the verb and the collection.
func Commands(d chat.Dialect) (redis, mongo []string) {
	redis = []string{"eval rate", "get budget", "hgetall agent", "eval room", "hgetall agent"}
	if d == chat.Lean {
		redis = []string{"eval rate", "get budget", "eval room", "hgetall agent"}
	}
	return redis, []string{"find conversations", "insert messages", "update conversations", "update search", "update messages"}
}

// Message returns the units of one message from a user to an agent, both connected
// and with the limits that are the default; summaries come on top of it.
func Message(d chat.Dialect) Units {
	redis, mongo := Commands(d)
	u := Units{Frames: 5, Invocations: 1, Redis: len(redis), Mongo: len(mongo)}
	if d == chat.Lean {
		u.Frames = 3
	}
	return u
}

// Session returns the units of a user who connects, joins the one conversation of
// theirs, where the agent is, and goes: authorize, connect, welcome, join and
// disconnect; what the agent is told of it included.
func Session() Units { return Units{Frames: 8, Invocations: 5, Redis: 30, Mongo: 5, Jobs: 1} }

// Ping returns the units of a ping of who is in one room.
func Ping() Units { return Units{Frames: 2, Invocations: 1, Redis: 6, Mongo: 1} }

// Sweep returns the units of one sweep that finds nothing to do.
func Sweep() Units { return Units{Invocations: 1, Redis: 3, Mongo: 3} }

// Summary returns the units of a summary: of the job, and of what the function asks
// and tells. They are read off the code, and no test counts them.
func Summary() Units { return Units{Frames: 2, Invocations: 1, Redis: 3, Mongo: 3, Jobs: 1} }

func (u Units) times(n float64) amounts {
	return amounts{n * float64(u.Frames), n * float64(u.Invocations), n * float64(u.Redis), n * float64(u.Mongo), n * float64(u.Jobs)}
}

// amounts are units of a month.
type amounts struct{ frames, invocations, redis, mongo, jobs float64 }

func (a amounts) plus(b amounts) amounts {
	return amounts{a.frames + b.frames, a.invocations + b.invocations, a.redis + b.redis, a.mongo + b.mongo, a.jobs + b.jobs}
}
