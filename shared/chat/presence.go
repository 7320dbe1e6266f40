package chat

import "time"

// Who is there: what the live half of the service speaks of.

// An Arrival is what a new connection finds.
type Arrival struct {
	First  bool         // its principal has no older connection
	At     time.Time    // when that was decided, by the order of its principal's decisions
	Excess []Connection // of a user over the limit: those of the oldest that this one has to have closed
	Others []Connection // of an agent that is refused: some of those that count, which may be gone
}

// A Loss is that of a connection's registration, which was made again and has not
// been told to its client. The empty one is none.
type Loss string

// A Standing is what is known of a connection that was registered a moment ago.
type Standing string

// The standings.
const (
	StandingOpen    Standing = "open"
	StandingClosed  Standing = "closed"
	StandingUnknown Standing = "unknown" // lost, or closed so long ago that it is forgotten
)

// An Entry is the attempt of one join to be in a room, or what came of it.
type Entry struct {
	Connection     Connection
	ConversationID ConversationID
	Generation     string // tells the attempts of one connection apart
	Own            bool   // the generation is of this attempt: nobody else confirms it
}

// A Company is who else is there for somebody who has joined.
type Company struct {
	Members     []Principal // each once, the caller included
	New         bool        // the caller's principal was none of them before
	Typing      []Principal // besides the caller
	Room        Room
	AgentOnline bool
	Streams     []string // those that are open, or about to be
}

// MaxNoticed is the most connections of a room in which it is told who types,
// comes and goes: a notice to a larger one costs more than it is worth.
const MaxNoticed = 100

// MaxOutside is the most participants of a conversation whose devices are told of
// what is said while they are not in the room.
const MaxOutside = 50

// A Room is the connections that have joined a conversation.
type Room []Connection

// Quiet reports whether a room is too large for notices.
func (r Room) Quiet() bool { return len(r) > MaxNoticed }

// Without returns the connections of everybody but p.
func (r Room) Without(p Principal) Room {
	var others Room
	for _, c := range r {
		if c.Principal != p {
			others = append(others, c)
		}
	}
	return others
}

// A Stay is a connection and rooms that it is, or was, in.
type Stay struct {
	Connection    Connection
	Conversations []ConversationID
}

// A Parting is the end of a principal's membership of a room.
type Parting struct {
	ConversationID ConversationID
	Principal      Principal
	Left           Room // who is there now
}

// A Gone is a connection that a post found gone at a time.
type Gone struct {
	Connection Connection
	At         time.Time
}

// A Departure is what the end of connections ended with them.
type Departure struct {
	Offline  []Absence
	Partings []Parting
}

// An Absence is a principal who has no connection left, as was decided at a time.
type Absence struct {
	Principal Principal
	At        time.Time
}

// An Admission is what is known of the sender of a message besides their right.
type Admission struct {
	Known bool // the connection is registered; true where there is none
	Away  bool // Redis does not answer: nothing can be delivered now
}

// An Audience is who may get a message, as far as Redis knows.
type Audience struct {
	NoRoom      bool // who is in the room is not known
	NoAgents    bool // which connections the agent has is not known
	Room        []Connection
	Generations []string     // of their entries, in the same order
	Vouched     bool         // nobody in the room is there on trial
	Agents      []Connection // of the agent that is asked
	Outside     bool         // it is time to tell those who are not in the room
}

// Mentioned are the devices of those whom a message mentions, and who is in its room.
type Mentioned struct {
	Room    []Connection
	Devices []Connection
}

// Readers are who is to be told what somebody has read.
type Readers struct {
	Own  []Connection  // of that very one, in the room or not
	Room Room          // who is there, unless they are not to be told
	Wait time.Duration // until they may be: they were told a moment ago
}

// A Use is something that is limited by principal.
type Use string

// A Quota is what is left of a limit.
type Quota struct {
	Use       Use
	Count     int // in each Window
	Window    time.Duration
	Burst     int           // at once, where nothing was done before
	Remaining int           // at once, now
	Reset     time.Duration // until there is one more
}

// What is limited.
const (
	UseRead     Use = "read"
	UseWrite    Use = "write"
	UseCreation Use = "creation" // of conversations
	UseAddition Use = "addition" // of people to conversations
	UseReaction Use = "reaction" // also over WebSocket, as all below
	UseEdit     Use = "edit"
	UseMark     Use = "mark"   // moving one's mark of what is read, either way
	UseExport   Use = "export" // a page of it, by REST alone
	UseSearch   Use = "search" // over REST alone
	UseUpload   Use = "upload"
	UseSignal   Use = "signal" // of a call
)
