package protocol

import (
	"regexp"
	"time"

	"aiwm-chat/shared/chat"
)

// The actions, and their events. What a stream ends with is message:new, with its
// streamId: there is no event of its end that could be lost.
const (
	ActionStream        = "stream"
	ActionStop          = "stop"
	EventStreamStarted  = "stream:started"  // answers stream start
	EventStreamStart    = "stream:start"    // an agent begins to write: to the room
	EventStreamDelta    = "stream:delta"    // more of it, or what its agent does: to the room
	EventStreamSnapshot = "stream:snapshot" // all of it so far: to who joins
	EventStreamStop     = "stream:stop"     // somebody wants it to end: to its agent
	EventStreamStopping = "stream:stopping" // answers stop, and to the room
	EventStreamDropped  = "stream:dropped"  // it ended without a message: to the room
)

// The states of Stream.
const (
	StreamStart  = "start"
	StreamAppend = "append"
	StreamEnd    = "end"
	StreamAbort  = "abort"
)

// What an agent may say that it does.
var doings = map[string]bool{"thinking": true, "generating": true, "tool": true, "waiting": true}

// Limits of a stream. Times are told to clients in milliseconds.
const (
	StreamLease       = 30 * time.Second      // without a sign of life its agent is thought dead
	StreamMinInterval = 50 * time.Millisecond // between appends
	StopDeadline      = 10 * time.Second      // until then an agent that is to stop has ended its stream, or it is ended for it
	MaxWhole          = 20_000                // bytes of a whole part in one frame
	MaxPieces         = 20_000                // of a part
	MaxSnapshot       = 24 << 10              // bytes of a snapshot in a frame
)

// The parts that become a message. Those of tools are shown, and not committed.
const (
	PartContent  = "content"
	PartThinking = "thinking"
)

// part are the texts that a stream may have.
var part = regexp.MustCompile(`^(content|thinking|tool:[A-Za-z0-9_.:-]{1,64})$`)

// Stream is an answer that is being written, step by step.
type Stream struct {
	Envelope
	MessageInput
	State    string         `json:"state"`              // start, append, end or abort
	StreamID string         `json:"streamId"`           // the agent's own name for it, which becomes the message's clientMessageId
	Index    *int           `json:"index,omitzero"`     // append: 0, 1, 2 … of the part
	Part     string         `json:"part,omitzero"`      // append: content (by default), thinking, or tool:<toolCallId>
	Text     string         `json:"text,omitzero"`      // append: the piece
	Whole    bool           `json:"whole,omitzero"`     // append: text is all of the part so far
	Status   string         `json:"status,omitzero"`    // append: thinking, generating, tool or waiting, in place of a piece
	Pieces   map[string]int `json:"pieces,omitzero"`    // end: how many of each part were appended, in place of what they say
	Reason   string         `json:"reason,omitzero"`    // abort: why
	Cancel   bool           `json:"cancelled,omitzero"` // abort: it was stopped, and did not fail
}

// About returns the conversation that it is about.
func (s Stream) About() chat.ConversationID { return s.ConversationID }

// Check reports what is wrong with the fields that all streams have, and those of its
// state.
func (s Stream) Check() error {
	var f chat.Faults
	chat.CheckID(&f, "conversationId", s.ConversationID)
	chat.CheckID(&f, "streamId", chat.ClientMessageID(s.StreamID))
	switch s.State {
	case StreamStart, StreamEnd, StreamAbort:
	case StreamAppend:
		s.checkAppend(&f)
	default:
		f.Add("state", "must be start, append, end or abort")
	}
	if s.ClientMessageID != "" && s.ClientMessageID != chat.ClientMessageID(s.StreamID) {
		f.Add("clientMessageId", "must be the streamId, or left out")
	}
	return first(s.Envelope.Check(), f.Err())
}

func (s Stream) checkAppend(f *chat.Faults) {
	if s.Status != "" {
		if !doings[s.Status] {
			f.Add("status", "must be thinking, generating, tool or waiting")
		}
		return
	}
	if s.Part != "" && !part.MatchString(s.Part) {
		f.Add("part", "must be content, thinking or tool:<toolCallId>")
	}
	switch {
	case s.Index == nil:
		f.Add("index", "is required")
	case *s.Index < 0 || *s.Index >= MaxPieces:
		f.Add("index", "must be 0 to %d", MaxPieces-1)
	}
	if s.Text == "" {
		f.Add("text", "must not be empty")
	}
	if s.Whole && len(s.Text) > MaxWhole {
		f.Add("text", "must be at most %d bytes where it is the whole part", MaxWhole)
	}
}

// Piece is what an append adds.
func (s Stream) Piece() chat.StreamPiece {
	p := chat.StreamPiece{Part: s.Part, Text: s.Text, Whole: s.Whole}
	if s.Index != nil {
		p.Index = *s.Index
	}
	if p.Part == "" {
		p.Part = PartContent
	}
	return p
}

// Stop asks for the end of streams: one by its id, that of a question, also before it
// exists, or all of a conversation.
type Stop struct {
	Envelope
	ConversationID chat.ConversationID `json:"conversationId"`
	StreamID       string              `json:"streamId,omitzero"`  // this one
	MessageID      chat.MessageID      `json:"messageId,omitzero"` // the answer to this question
}

// About returns the conversation that it is about.
func (s Stop) About() chat.ConversationID { return s.ConversationID }

// Check reports what is wrong with the fields.
func (s Stop) Check() error {
	var f chat.Faults
	chat.CheckID(&f, "conversationId", s.ConversationID)
	if s.StreamID != "" && s.MessageID != "" {
		f.Add("messageId", "must be left out where there is a streamId")
	}
	return first(s.Envelope.Check(), f.Err())
}

// StreamStarted answers stream start.
type StreamStarted struct {
	ConversationID chat.ConversationID `json:"conversationId"`
	StreamID       string              `json:"streamId"`
	Next           map[string]int      `json:"next"`          // of each part, the index to go on with
	LeaseMs        int64               `json:"leaseMs"`       // without a sign of life the stream is ended after that
	MinIntervalMs  int64               `json:"minIntervalMs"` // between appends
}

// StreamBegun is the data of stream:start.
type StreamBegun struct {
	ConversationID chat.ConversationID `json:"conversationId"`
	StreamID       string              `json:"streamId"`
	Epoch          int64               `json:"epoch"` // what is shown of a smaller one is void
	ParticipantID  chat.PrincipalID    `json:"participantId"`
	ParentID       chat.MessageID      `json:"parentId,omitzero"` // the question
	StartedAt      string              `json:"startedAt"`
	LeaseMs        int64               `json:"leaseMs"`
}

// StreamDelta is the data of stream:delta: a piece, or a status.
type StreamDelta struct {
	ConversationID chat.ConversationID `json:"conversationId"`
	StreamID       string              `json:"streamId"`
	Epoch          int64               `json:"epoch"`
	Part           string              `json:"part,omitzero"`
	Offset         *int                `json:"offset,omitzero"` // where text begins, in UTF-16 code units, JavaScript's length
	Length         int                 `json:"length,omitzero"` // of text, likewise
	Text           string              `json:"text,omitzero"`
	Status         string              `json:"status,omitzero"`
}

// StreamStopping is the data of stream:stopping.
type StreamStopping struct {
	ConversationID chat.ConversationID `json:"conversationId"`
	StreamIDs      []string            `json:"streamIds"`
}

// StreamSnapshot is the data of stream:snapshot, and the body of GET
// /conversations/{id}/streams/{streamId}: all that was written so far. To a client
// each part is a piece with the offset 0.
type StreamSnapshot struct {
	ConversationID chat.ConversationID `json:"conversationId"`
	StreamID       string              `json:"streamId"`
	Epoch          int64               `json:"epoch"` // what is shown of a smaller one is void
	ParticipantID  chat.PrincipalID    `json:"participantId"`
	ParentID       chat.MessageID      `json:"parentId,omitzero"` // the question
	StartedAt      string              `json:"startedAt"`
	Status         string              `json:"status,omitzero"` // what its agent says it does
	Parts          []StreamText        `json:"parts"`
	Truncated      bool                `json:"truncated,omitzero"` // it did not fit a frame: read the whole over REST
}

// StreamText is one of the texts of a stream, from its beginning.
type StreamText struct {
	Part   string `json:"part"`
	Length int    `json:"length"` // of text, in UTF-16 code units, JavaScript's length
	Text   string `json:"text"`
	Next   int    `json:"next,omitzero"` // the index of the piece that is missing, for who writes it
}

// Streams is the body of GET /conversations/{id}/streams: those that are open.
type Streams struct {
	Data []StreamSnapshot `json:"data"` // each is cut as a frame is
}

// StreamStop is the data of stream:stop.
type StreamStop struct {
	ConversationID chat.ConversationID `json:"conversationId"`
	StreamID       string              `json:"streamId"`
	By             Identity            `json:"by"`
	DeadlineMs     int64               `json:"deadlineMs"` // until then the agent ends it, or it is ended for it
}

// StreamDropped is the data of stream:dropped.
type StreamDropped struct {
	ConversationID chat.ConversationID `json:"conversationId"`
	StreamID       string              `json:"streamId"`
	Reason         string              `json:"reason"`
}

// A StreamJob looks after a stream: whether its agent is still alive, or whether it
// has stopped as it was asked to.
type StreamJob struct {
	ConversationID chat.ConversationID `json:"conversationId"`
	StreamID       string              `json:"streamId"`
	OrgID          chat.OrgID          `json:"orgId"`
	AgentID        chat.PrincipalID    `json:"agentId"` // who writes it
	Stop           bool                `json:"stop,omitzero"`
}

// About returns the conversation that it is about.
func (j StreamJob) About() chat.ConversationID { return j.ConversationID }

// Agent is who writes the stream.
func (j StreamJob) Agent() chat.Principal {
	return chat.Principal{Type: chat.Agent, ID: j.AgentID, OrgID: j.OrgID}
}

// StreamJobOf returns the job that looks after a stream.
func StreamJobOf(st chat.Stream) StreamJob {
	return StreamJob{ConversationID: st.ConversationID, StreamID: st.ID, OrgID: st.Principal.OrgID, AgentID: st.Principal.ID}
}

// StreamStartedOf tells an agent where to go on.
func StreamStartedOf(st chat.Stream) StreamStarted {
	next := map[string]int{PartContent: 0}
	for _, p := range st.Parts {
		next[p.Name] = p.Next
	}
	return StreamStarted{st.ConversationID, st.ID, next, StreamLease.Milliseconds(), StreamMinInterval.Milliseconds()}
}

// StreamBegunOf tells a room of it.
func StreamBegunOf(st chat.Stream) StreamBegun {
	return StreamBegun{
		ConversationID: st.ConversationID, StreamID: st.ID, Epoch: st.Epoch, ParticipantID: st.Principal.ID, ParentID: st.ParentID,
		StartedAt: stamp(st.StartedAt), LeaseMs: StreamLease.Milliseconds(),
	}
}

// StreamDeltaOf tells a room by how much it grew.
func StreamDeltaOf(st chat.Stream, d chat.StreamDelta) StreamDelta {
	return StreamDelta{ConversationID: st.ConversationID, StreamID: st.ID, Epoch: d.Epoch, Part: d.Part, Offset: &d.Offset, Length: d.Length, Text: d.Text}
}
