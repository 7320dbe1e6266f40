package chat

import "time"

// A Stream is an answer that is being written. Its pieces are in no log: its end is
// an ordinary message with the stream's id as clientMessageId.
type Stream struct {
	ConversationID ConversationID
	ID             string
	Principal      Principal    // who writes it
	Writer         ConnectionID // on which connection
	ParentID       MessageID    // the question, if one was named
	StartedAt      time.Time

	// Epoch is greater for each new beginning of an id, also after Redis lost the one
	// before: what is shown of a smaller one is void.
	Epoch int64
	State StreamState
	// Doing is what its agent says it does: thinking, generating, tool or waiting.
	Doing     string
	StoppedBy Principal // who asked for its end, if anybody did
	Lease     time.Time // until when its writer need give no sign of life
	Parts     []StreamPart

	// Of one that has ended: its message, or why there is none.
	End StreamEnd
}

// Text is what was written of a part.
func (st *Stream) Text(part string) string {
	for _, p := range st.Parts {
		if p.Name == part {
			return p.Text
		}
	}
	return ""
}

// StreamState is how far a stream is.
type StreamState string

// The states. There is none of a stream that nothing is known of.
const (
	StreamNone        StreamState = ""
	StreamProvisional StreamState = "provisional" // whether it may begin is looked up
	StreamOpen        StreamState = "open"
	StreamEnded       StreamState = "ended"
)

// A StreamVerdict is what became of a step of a stream.
type StreamVerdict string

// The verdicts.
const (
	StreamEntered       StreamVerdict = "entered"
	StreamIsOpen        StreamVerdict = "open"        // it was done
	StreamIsProvisional StreamVerdict = "provisional" // whether it may begin is looked up
	StreamIsLost        StreamVerdict = "lost"        // nothing is known of it
	StreamHasEnded      StreamVerdict = "ended"
	StreamIsForeign     StreamVerdict = "foreign" // another principal's
	StreamIsWritten     StreamVerdict = "written" // by another connection, or by somebody meanwhile
)

// A StreamEnd is the message that a stream became; with Dropped it became none.
type StreamEnd struct {
	MessageID MessageID
	Seq       int64
	Status    string
	Dropped   string // why
	Epoch     int64  // of Dropped: what began then, and nothing newer; 0 for any
}

// StreamEndOf returns the end of a stream that became a message.
func StreamEndOf(m Message) StreamEnd {
	return StreamEnd{MessageID: m.ID, Seq: m.Seq, Status: string(m.Status)}
}

// A StreamPart is one of the texts that a stream consists of.
type StreamPart struct {
	Name   string // content, thinking, or tool:<id>
	Text   string
	Next   int // the index of the piece that is missing
	Length int // of Text, in UTF-16 code units
}

// A StreamPiece is what one append brings.
type StreamPiece struct {
	Part  string
	Index int
	Text  string
	Whole bool   // Text is all of the part so far, up to this index
	Doing string // in place of a text: thinking, generating, tool or waiting
}

// A StreamDelta is by how much an append made a part longer: with the pieces that
// had come too early.
type StreamDelta struct {
	Epoch  int64
	Part   string
	Offset int // in UTF-16 code units, as Length
	Length int
	Text   string
	Doing  string // in place of a text
}

// UTF16Len is the length of a text as JavaScript counts it.
func UTF16Len(s string) (n int) {
	const beyond = 0x10000 // from here on a character takes two units
	for _, r := range s {
		if n++; r >= beyond {
			n++
		}
	}
	return n
}
