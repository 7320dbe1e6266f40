// Package checker holds what clients saw of a server against what the README
// promises. It knows neither a server nor a client: a History is what happened,
// a Final is what REST says at the end, and Check names every lie between them.
package checker

import (
	"hash/fnv"
	"time"

	"aiwm-chat/shared/chat"
)

// A History is what clients did and saw. Times are those of the clients' clock,
// which is one; a Recorder writes it.
type History struct {
	Members   []Member
	Attempts  []Attempt
	Deletions []Deletion
	Edits     []Edit
	Wishes    []Wish
	Markings  []Marking
	Tolds     []Told
	Removals  []Removal
	Links     []Link
	Views     []View
	Heard     []Heard
	Streams   []Stream
	Stops     []Stop
	Losses    []Loss
}

// A Member is somebody who was made a participant, at the start or later.
type Member struct {
	Conversation chat.ConversationID
	Principal    chat.Principal
}

// A Key is what stores at most one message.
type Key struct {
	Conversation chat.ConversationID
	Sender       chat.Principal
	Client       chat.ClientMessageID
}

// An Outcome is what a client knows of its attempt.
type Outcome int

// The outcomes. Unknown is also what may be sent again.
const (
	Unknown Outcome = iota
	Acknowledged
	Refused
)

// An Attempt is one send. Many may have the same key.
type Attempt struct {
	Key
	Content Content
	Text    string // it is not in the log once that is edited; "": not told
	Tokens  int64  // that it says it used
	Begun   time.Time
	Ended   time.Time // zero: no answer came
	Outcome Outcome
	Seq     int64          // if acknowledged
	ID      chat.MessageID // if acknowledged
	Code    chat.Code      // if refused
}

// A Content is a hash of what a message says.
type Content uint64

// ContentOf hashes a text.
func ContentOf(text string) Content {
	h := fnv.New64a()
	h.Write([]byte(text)) //nolint:errcheck // it never fails
	return Content(h.Sum64())
}

// A Stream is an answer that an agent writes piece by piece, on one device or, one after
// the other, on several. Its end is an attempt of the same key, if its agent comes to one.
type Stream struct {
	Key
	Text    string    // all of it, wherever it is broken off
	Begun   time.Time // before it was asked to start
	Started bool      // which was answered
	Alive   time.Time // after the last sign of life of who writes it
}

// A Stop is a wish that a stream ends, which was accepted.
type Stop struct {
	Conversation chat.ConversationID
	Stream       chat.ClientMessageID
	Accepted     time.Time
}

// A Loss is the moment in which the server's memory lost what it had of a
// conversation's streams, or of all.
type Loss struct {
	Conversation chat.ConversationID // "": all
	At           time.Time
}

// A Deletion is an author's wish that a message says nothing any more.
type Deletion struct {
	ID        chat.MessageID
	Begun     time.Time
	Confirmed time.Time // zero: not, or not known
}

// An Edit is an author's wish that a message says something else, answered or not.
type Edit struct {
	ID      chat.MessageID
	Content Content
	Text    string
	Edits   int64 // how many there are with it, if acknowledged
	Version int64 // of the message then; 0: it was not
}

// A Removal took a participant out, until they were added again.
type Removal struct {
	Conversation chat.ConversationID
	Principal    chat.Principal
	Begun        time.Time
	Confirmed    time.Time // zero: not, or not known
	Back         time.Time // when adding them again was begun; zero: never
}

// A Link is one connection.
type Link struct {
	Connection string
	Principal  chat.Principal
	Opened     time.Time
	Closed     time.Time // zero: open to the end
}

// A View is what one connection saw of one conversation, whether it had joined
// it or not.
type View struct {
	Connection   string
	Principal    chat.Principal
	Conversation chat.ConversationID
	After        int64     // what it had before: it asked for what follows
	Joined       time.Time // zero: it never did
	Again        []Again   // as it was not told of its end, or lacked something
	Ended        time.Time // left, put out or closed; zero: it stayed to the end
	Frames       []Frame   // also those that came after it ended
}

// Again is one more join of a view, which may have been out of the conversation
// meanwhile without knowing.
type Again struct {
	After         int64
	Asked, Joined time.Time
}

// A Frame is a message as it came, live or as history.
type Frame struct {
	Entry
	At time.Time
}

// Heard is a presence:update that says that somebody is online.
type Heard struct {
	By, About chat.Principal
	At        time.Time // when it was decided, by the server's clock
}

// A Final is what is there in the end, when nothing is under way any more.
type Final struct {
	At            time.Time
	Conversations map[chat.ConversationID]Conversation
	Screens       []Screen
	Shelves       []Shelf
	Reacted       map[Reaction]bool // what is stored
	Read          map[Member]Reading
}

// A Screen is what a device showed of a stream, and shows in the end. Devices that are
// gone by then have none.
type Screen struct {
	Device       string
	Principal    chat.Principal
	Conversation chat.ConversationID
	Stream       chat.ClientMessageID
	EndsOnly     bool      // it had asked for no pieces
	First        time.Time // when it heard of the stream as of one that is being written; zero: never
	Live         string    // the last text that it showed as being written
	LiveAt       time.Time // when that came
	Text         string    // what it shows
	Ended        bool      // as the message that the stream became
}

// A Conversation is what REST says of one.
type Conversation struct {
	Log         []Entry
	Total       int64
	Tokens      int64
	LastSeq     int64   // of lastMessage; 0: none
	Last        Content // of lastMessage
	Summary     *Range
	SummaryText string
	Online      map[chat.Principal]bool // of each participant
	Due         int                     // messages of which something is left to do
	Open        []chat.ClientMessageID  // streams that are being written
}

// An Entry is a message of the log.
type Entry struct {
	Seq     int64
	ID      chat.MessageID
	Sender  chat.Principal
	Client  chat.ClientMessageID
	Content Content
	Length  int     // of what it says, in bytes
	Preview Content // of its first characters, as lastMessage has them
	Tokens  int64
	Status  chat.MessageStatus
	Deleted bool
	Counts  bool      // as unread, for who did not send it
	Cut     bool      // it did not fit a frame: Content is not all of it
	Created time.Time // what REST says

	Version, Edits, ReactionVersion int64
	Reactions                       string // each key and its count
}

// A Range is what a summary says that it covers.
type Range struct{ From, To int64 }

// Bounds are how long what is promised may take.
type Bounds struct {
	Delivery time.Duration // of a message to who is connected and joined
	Presence time.Duration // until who is connected is known
	Open     time.Duration // of a stream after the last sign of life of who writes it
	Stop     time.Duration // from what was accepted to the message
}
