package chat

import "time"

// A PrincipalType says whether a person or a program acts.
type PrincipalType string

// The two types of principal.
const (
	User  PrincipalType = "user"
	Agent PrincipalType = "agent"
)

// Valid reports whether t is one of the two types.
func (t PrincipalType) Valid() bool { return t == User || t == Agent }

// A Principal is who calls: a user or an agent of an organisation.
// It comes from a verified token and from nowhere else.
type Principal struct {
	Type  PrincipalType
	ID    PrincipalID
	OrgID OrgID
}

// String returns "user:u1", the form of logs. The organisation is left out.
func (p Principal) String() string { return string(p.Type) + ":" + string(p.ID) }

// IsZero reports whether p is nobody.
func (p Principal) IsZero() bool { return p == Principal{} }

// A Bearer is a principal as a verified token describes it.
type Bearer struct {
	Principal Principal
	Roles     []string  // what the issuer says it may do; in no order, and often none
	ExpiresAt time.Time // until when the token counts, the leeway included
}

// A Connection is one WebSocket link and whose it is.
type Connection struct {
	ID        ConnectionID
	Principal Principal
	ExpiresAt time.Time // until when the token counts that it was opened with
	Dialect   Dialect
}

// A Dialect is how a client wants the protocol written.
type Dialect string

// The dialects.
const (
	AIWM Dialect = ""     // message:sent and message:new to the sender, message:new and message:from-user to the agent
	Lean Dialect = "lean" // one frame for each connection and message
)

// Expired reports whether the connection's token has expired: it may not act
// and receives nothing any more.
func (c Connection) Expired(now time.Time) bool { return !now.Before(c.ExpiresAt) }
