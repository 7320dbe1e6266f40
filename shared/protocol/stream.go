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
const (
	DoingThinking   = "thinking"
	DoingGenerating = "generating"
	DoingTool       = "tool"
	DoingWaiting    = "waiting"
)

var doings = map[string]bool{DoingThinking: true, DoingGenerating: true, DoingTool: true, DoingWaiting: true}

// Limits of a stream. Times are told to clients in milliseconds.
const (
	StreamLease       = 30 * time.Second      // without a sign of life its agent is thought dead
	StreamMinInterval = 50 * time.Millisecond // between appends
	StopDeadline      = 10 * time.Second      // until then an agent that is to stop has ended its stream, or it is ended for it
	MaxWhole          = chat.MaxRepair        // bytes of a whole part in one frame
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

// Piece is what an append adds.
func (s Stream) Piece() chat.StreamPiece {
	p := chat.StreamPiece{Part: s.Part, Text: s.Text, Whole: s.Whole, Doing: s.Status}
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

// Take has a message say what was written of a stream.
func (in *MessageInput) Take(st chat.Stream) {
	in.Content = st.Text(PartContent)
	if thought := st.Text(PartThinking); thought != "" {
		in.Thinking = &Thinking{Content: thought, Visible: true}
	}
}

// StreamStarted answers stream start.
type StreamStarted struct {
	ConversationID chat.ConversationID `json:"conversationId"`
	StreamID       string              `json:"streamId"`           // the agent's own name for it, and its message's clientMessageId
	Next           map[string]int      `json:"next"`               // of each part, the index to go on with
	LeaseMs        int64               `json:"leaseMs"`            // without a sign of life the stream is ended after that
	MinIntervalMs  int64               `json:"minIntervalMs"`      // between appends
	StoppedBy      *Identity           `json:"stoppedBy,omitzero"` // who wants it to end already: end or abort it now
}

// StreamBegun is the data of stream:start.
type StreamBegun struct {
	ConversationID chat.ConversationID `json:"conversationId"`
	StreamID       string              `json:"streamId"` // the agent's own name for it, and its message's clientMessageId
	Epoch          int64               `json:"epoch"`    // what is shown of a smaller one is void
	ParticipantID  chat.PrincipalID    `json:"participantId"`
	ParentID       chat.MessageID      `json:"parentId,omitzero"` // the question
	StartedAt      string              `json:"startedAt"`         // when it began
	LeaseMs        int64               `json:"leaseMs"`           // so long it may be silent before its agent is thought dead
}

// StreamDelta is the data of stream:delta: a piece, or a status.
type StreamDelta struct {
	ConversationID chat.ConversationID `json:"conversationId"`
	StreamID       string              `json:"streamId"`        // the agent's own name for it, and its message's clientMessageId
	Epoch          int64               `json:"epoch"`           // greater for each new beginning: what is shown of a smaller one is void
	Part           string              `json:"part,omitzero"`   // content, thinking or tool:<toolCallId>
	Offset         *int                `json:"offset,omitzero"` // where text begins, in UTF-16 code units, JavaScript's length
	Length         int                 `json:"length,omitzero"` // of text, likewise
	Text           string              `json:"text,omitzero"`   // the text
	Status         string              `json:"status,omitzero"` // what its agent does, in place of a piece
}

// StreamStopping is the data of stream:stopping.
type StreamStopping struct {
	ConversationID chat.ConversationID `json:"conversationId"`
	StreamIDs      []string            `json:"streamIds"` // those that are asked to end; none where nothing is open
	RunIDs         []chat.RunID        `json:"runIds"`    // the runs that are asked to end, of agents that the backend runs
}

// StreamSnapshot is the data of stream:snapshot, and the body of GET
// /conversations/{id}/streams/{streamId}: all that was written so far. To a client
// each part is a piece with the offset 0.
type StreamSnapshot struct {
	ConversationID chat.ConversationID `json:"conversationId"`
	StreamID       string              `json:"streamId"` // the agent's own name for it, and its message's clientMessageId
	Epoch          int64               `json:"epoch"`    // what is shown of a smaller one is void
	ParticipantID  chat.PrincipalID    `json:"participantId"`
	ParentID       chat.MessageID      `json:"parentId,omitzero"`  // the question
	StartedAt      string              `json:"startedAt"`          // when it began
	LeaseMs        int64               `json:"leaseMs"`            // without more of it for so long it is stalled
	Status         string              `json:"status,omitzero"`    // what its agent says it does
	Parts          []StreamText        `json:"parts"`              // its texts
	Truncated      bool                `json:"truncated,omitzero"` // it did not fit a frame: read the whole over REST
}

// StreamText is one of the texts of a stream, from its beginning.
type StreamText struct {
	Part   string `json:"part"`          // content, thinking or tool:<toolCallId>
	Length int    `json:"length"`        // of text, in UTF-16 code units, JavaScript's length
	Text   string `json:"text"`          // the text
	Next   int    `json:"next,omitzero"` // the index of the piece that is missing, for who writes it
}

// Streams is the body of GET /conversations/{id}/streams: those that are open.
type Streams struct {
	Data []StreamSnapshot `json:"data"` // each is cut as a frame is
}

// StreamStop is the data of stream:stop.
type StreamStop struct {
	ConversationID chat.ConversationID `json:"conversationId"`
	StreamID       string              `json:"streamId"` // the agent's own name for it, and its message's clientMessageId
	By             Identity            `json:"by"`
	DeadlineMs     int64               `json:"deadlineMs"` // until then the agent ends it, or it is ended for it
}

// StreamDropped is the data of stream:dropped.
type StreamDropped struct {
	ConversationID chat.ConversationID `json:"conversationId"`
	StreamID       string              `json:"streamId"` // the agent's own name for it, and its message's clientMessageId
	Reason         string              `json:"reason"`   // why there is no message
}

// A StreamJob looks after a stream: whether its agent is still alive, or whether it
// has stopped as it was asked to.
type StreamJob struct {
	ConversationID chat.ConversationID `json:"conversationId"`
	StreamID       string              `json:"streamId"`
	OrgID          chat.OrgID          `json:"orgId"`
	AgentID        chat.PrincipalID    `json:"agentId"`           // who writes it
	ParentID       chat.MessageID      `json:"parentId,omitzero"` // the question
	Stop           bool                `json:"stop,omitzero"`
	// CallID makes it a look at a call, which ends as a stream does: by a lease.
	CallID chat.LiveCallID `json:"callId,omitzero"`
}

// CallJobOf returns the job that looks after a call.
func CallJobOf(c chat.WatchedCall) StreamJob {
	return StreamJob{ConversationID: c.ConversationID, OrgID: c.OrgID, CallID: c.ID}
}

// Call is what a job looks at that has a CallID.
func (j StreamJob) Call() chat.WatchedCall {
	return chat.WatchedCall{OrgID: j.OrgID, ConversationID: j.ConversationID, ID: j.CallID}
}

// About returns the conversation that it is about.
func (j StreamJob) About() chat.ConversationID { return j.ConversationID }

// Agent is who writes the stream.
func (j StreamJob) Agent() chat.Principal {
	return chat.Principal{Type: chat.Agent, ID: j.AgentID, OrgID: j.OrgID}
}

// StreamJobOf returns the job that looks after a stream.
func StreamJobOf(st chat.Stream) StreamJob {
	return StreamJob{ConversationID: st.ConversationID, StreamID: st.ID, OrgID: st.Principal.OrgID, AgentID: st.Principal.ID, ParentID: st.ParentID}
}

// StreamStartedOf tells an agent where to go on.
func StreamStartedOf(st chat.Stream) StreamStarted {
	next := map[string]int{PartContent: 0}
	for _, p := range st.Parts {
		next[p.Name] = p.Next
	}
	started := StreamStarted{
		ConversationID: st.ConversationID, StreamID: st.ID, Next: next,
		LeaseMs: StreamLease.Milliseconds(), MinIntervalMs: StreamMinInterval.Milliseconds(),
	}
	if !st.StoppedBy.IsZero() {
		by := IdentityOf(st.StoppedBy)
		started.StoppedBy = &by
	}
	return started
}

// StreamBegunOf tells a room of it.
func StreamBegunOf(st chat.Stream) StreamBegun {
	return StreamBegun{
		ConversationID: st.ConversationID, StreamID: st.ID, Epoch: st.Epoch, ParticipantID: st.Principal.ID, ParentID: st.ParentID,
		StartedAt: stamp(st.StartedAt), LeaseMs: StreamLease.Milliseconds(),
	}
}

// StreamDeltaFrames tell a room by how much a stream grew: in one frame, unless what
// filled a gap does not fit; or what its agent does; nothing where it did not grow.
func StreamDeltaFrames(st chat.Stream, d chat.StreamDelta, now time.Time) (frames [][]byte) {
	data := StreamDelta{ConversationID: st.ConversationID, StreamID: st.ID, Epoch: d.Epoch, Status: d.Doing}
	if d.Doing != "" {
		return [][]byte{Frame(EventStreamDelta, "", data, now)}
	}
	data.Part = d.Part
	for rest, offset := d.Text, d.Offset; rest != ""; {
		data.Text = cutEncoded(rest, MaxFrame-frameOverhead)
		data.Offset, data.Length = &offset, chat.UTF16Len(data.Text)
		frames = append(frames, Frame(EventStreamDelta, "", data, now))
		offset += data.Length
		rest = rest[len(data.Text):]
	}
	return frames
}

// StreamStopOf tells an agent that somebody wants its stream to end.
func StreamStopOf(st chat.Stream, by chat.Principal) StreamStop {
	return StreamStop{ConversationID: st.ConversationID, StreamID: st.ID, By: IdentityOf(by), DeadlineMs: StopDeadline.Milliseconds()}
}
