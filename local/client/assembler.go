package client

import (
	"slices"
	"time"
	"unicode/utf16"

	"aiwm-chat/shared/chat"
	"aiwm-chat/shared/protocol"
)

const (
	// gapPatience is how long a missing piece is waited for: mostly it is on its way.
	gapPatience = time.Second
	// silence is when a stream of which nothing comes is not shown any more.
	silence = 45 * time.Second
	// maxAside is the most pieces that are kept aside: what is more comes with the
	// snapshot.
	maxAside = 1000
)

// An Assembler makes of the frames of streams the texts to show, in whatever order they
// come, lost, doubled or overtaken. It asks nobody and has no clock: now is given to it.
// It is not for concurrent use. The zero Assembler has seen nothing.
type Assembler struct {
	streams map[streamKey]*assembly
}

type streamKey struct {
	conversation chat.ConversationID
	stream       string
}

// assembly is what is known of one stream.
type assembly struct {
	epoch     int64
	parts     []*assembledPart
	doing     string
	truncated bool // the whole has to be asked for
	stopping  bool
	dropped   bool
	final     *protocol.Message

	participant chat.PrincipalID
	parent      chat.MessageID
	heard       time.Time
	lease       time.Duration
	asked       time.Time // when Missing named it
}

type assembledPart struct {
	name  string
	text  string
	have  int // of text, in UTF-16 code units
	aside []piece
	since time.Time // since when something has been missing
}

type piece struct {
	offset, length int
	text           string
}

// Shown is what there is to show of a stream.
type Shown struct {
	ConversationID chat.ConversationID
	StreamID       string
	ParticipantID  chat.PrincipalID
	ParentID       chat.MessageID
	Parts          []protocol.StreamText
	Status         string // what its agent does
	Stopping       bool   // it has been asked to end
	Stalled        bool   // its agent has been silent for longer than its lease
	// Message is set of a stream that has ended: nothing else counts. One that is
	// Truncated is read over REST.
	Message *protocol.Message
}

// Text returns one of its parts: of the message, once there is one.
func (s Shown) Text(part string) string {
	if m := s.Message; m != nil {
		switch {
		case part == protocol.PartContent:
			return m.Content
		case part == protocol.PartThinking && m.Thinking != nil:
			return m.Thinking.Content
		}
		return ""
	}
	for _, p := range s.Parts {
		if p.Part == part {
			return p.Text
		}
	}
	return ""
}

// Frame takes a frame. Those that are not about streams it ignores.
func (a *Assembler) Frame(f Frame, now time.Time) error {
	switch f.Event {
	case protocol.EventStreamStart:
		return with(f, func(d protocol.StreamBegun) {
			a.disown(d.ConversationID, d.StreamID, d.ParticipantID)
			if s := a.open(d.ConversationID, d.StreamID, d.Epoch, now); s != nil {
				s.participant, s.parent, s.lease = d.ParticipantID, d.ParentID, time.Duration(d.LeaseMs)*time.Millisecond
			}
		})
	case protocol.EventStreamDelta:
		return with(f, func(d protocol.StreamDelta) { a.delta(d, now) })
	case protocol.EventStreamSnapshot:
		return with(f, func(d protocol.StreamSnapshot) { a.Snapshot(d, now) })
	case protocol.EventStreamStopping:
		return with(f, func(d protocol.StreamStopping) {
			for _, id := range d.StreamIDs {
				if s := a.streams[streamKey{d.ConversationID, id}]; s != nil {
					s.stopping = true
				}
			}
		})
	case protocol.EventStreamDropped:
		return with(f, func(d protocol.StreamDropped) {
			s := a.stream(d.ConversationID, d.StreamID)
			s.dropped, s.parts = true, nil
		})
	case protocol.EventMessageNew, protocol.EventMessageFromUser:
		return with(f, a.Message)
	case protocol.EventHistory:
		return with(f, func(d struct {
			Messages []protocol.Message `json:"messages"`
		},
		) {
			for _, m := range d.Messages {
				a.Message(m)
			}
		})
	}
	return nil
}

func with[T any](f Frame, do func(T)) error {
	d, err := Data[T](f)
	if err == nil {
		do(d)
	}
	return err
}

// Message takes a message, from wherever it comes. One of a stream is all that counts
// of that from now on: if it is of who began the stream, for an id alone may be anybody's.
// Only what was cut gives way, to more of the same.
func (a *Assembler) Message(m protocol.Message) {
	if m.StreamID == "" {
		return
	}
	s := a.stream(m.ConversationID, string(m.StreamID))
	if s.participant != "" && s.participant != m.ParticipantID {
		return
	}
	if s.final == nil || s.final.Truncated {
		s.final, s.parts, s.participant = &m, nil, m.ParticipantID
	}
}

// disown forgets a message that was taken for that of a stream which somebody else
// begins: it has the same id, and came first.
func (a *Assembler) disown(id chat.ConversationID, stream string, by chat.PrincipalID) {
	if s := a.stream(id, stream); s.final != nil && s.participant != by {
		delete(a.streams, streamKey{id, stream})
	}
}

// Snapshot takes what there is of a stream, from a frame or from REST.
func (a *Assembler) Snapshot(d protocol.StreamSnapshot, now time.Time) {
	a.disown(d.ConversationID, d.StreamID, d.ParticipantID)
	s := a.open(d.ConversationID, d.StreamID, d.Epoch, now)
	if s == nil {
		return
	}
	s.participant, s.parent, s.truncated = d.ParticipantID, d.ParentID, d.Truncated
	if d.Status != "" {
		s.doing = d.Status
	}
	for _, p := range d.Parts {
		s.part(p.Part).take(piece{0, p.Length, p.Text}, now)
	}
}

func (a *Assembler) delta(d protocol.StreamDelta, now time.Time) {
	s := a.open(d.ConversationID, d.StreamID, d.Epoch, now)
	if s == nil {
		return
	}
	if d.Status != "" {
		s.doing = d.Status
	}
	if d.Part != "" && d.Offset != nil {
		s.part(d.Part).take(piece{*d.Offset, d.Length, d.Text}, now)
	}
}

func (a *Assembler) stream(id chat.ConversationID, stream string) *assembly {
	key := streamKey{id, stream}
	if a.streams == nil {
		a.streams = map[streamKey]*assembly{}
	}
	if a.streams[key] == nil {
		a.streams[key] = &assembly{lease: protocol.StreamLease}
	}
	return a.streams[key]
}

// open is the stream that a frame of an epoch is about, nil where that counts no more.
func (a *Assembler) open(id chat.ConversationID, stream string, epoch int64, now time.Time) *assembly {
	s := a.stream(id, stream)
	if s.final != nil || s.dropped || epoch < s.epoch {
		return nil
	}
	if epoch > s.epoch {
		s.epoch, s.parts, s.doing, s.truncated, s.asked = epoch, nil, "", false, time.Time{}
	}
	s.heard = now
	return s
}

func (s *assembly) part(name string) *assembledPart {
	for _, p := range s.parts {
		if p.name == name {
			return p
		}
	}
	p := &assembledPart{name: name}
	s.parts = append(s.parts, p)
	return p
}

// take adds a piece, and then whatever waited for it.
func (p *assembledPart) take(one piece, now time.Time) {
	if one.offset > p.have {
		if len(p.aside) == 0 {
			p.since = now
		}
		if len(p.aside) < maxAside {
			p.aside = append(p.aside, one)
		}
		return
	}
	before := p.have
	p.add(one)
	for again := len(p.aside) > 0; again; {
		again = false
		for i, waiting := range p.aside {
			if waiting.offset <= p.have {
				p.aside = slices.Delete(p.aside, i, i+1)
				p.add(waiting)
				again = true
				break
			}
		}
	}
	if p.have > before {
		p.since = now // what is missing now has only begun to be
	}
}

// add appends what of a piece is new.
func (p *assembledPart) add(one piece) {
	if one.offset+one.length <= p.have {
		return
	}
	rest := afterUnits(one.text, p.have-one.offset)
	p.text += rest
	p.have += chat.UTF16Len(rest)
}

// afterUnits is what follows of a text after as many UTF-16 code units.
func afterUnits(text string, units int) string {
	for i, r := range text {
		if units <= 0 {
			return text[i:]
		}
		units -= max(utf16.RuneLen(r), 1)
	}
	return ""
}

// A Missing is a stream of which something is missing, to be asked for with
// GET /conversations/{id}/streams/{streamId} and given to Snapshot.
type Missing struct {
	ConversationID chat.ConversationID
	StreamID       string
}

// Missing returns the streams to ask for: those of which a piece has been missing for a
// second, and those that were cut. Each is named once a second at most, and not any more
// when it is not shown any more.
func (a *Assembler) Missing(now time.Time) (all []Missing) {
	for key, s := range a.streams {
		if s.final != nil || s.dropped || now.Sub(s.heard) >= silence || !s.asked.IsZero() && now.Sub(s.asked) < gapPatience {
			continue
		}
		late := func(p *assembledPart) bool { return len(p.aside) > 0 && now.Sub(p.since) >= gapPatience }
		if s.truncated || slices.ContainsFunc(s.parts, late) {
			s.asked = now
			all = append(all, Missing{key.conversation, key.stream})
		}
	}
	return all
}

// Show returns what there is to show of a stream, false if that is nothing: it is not
// known, was dropped, or has been silent for 45 seconds.
func (a *Assembler) Show(id chat.ConversationID, stream string, now time.Time) (Shown, bool) {
	s := a.streams[streamKey{id, stream}]
	if s == nil || s.final == nil && (s.dropped || s.epoch == 0 || now.Sub(s.heard) >= silence) {
		return Shown{}, false
	}
	shown := Shown{
		ConversationID: id, StreamID: stream, ParticipantID: s.participant, ParentID: s.parent, Message: s.final,
	}
	if s.final != nil {
		shown.ParticipantID, shown.ParentID = s.final.ParticipantID, s.final.ParentID
		return shown, true
	}
	shown.Status, shown.Stopping, shown.Stalled = s.doing, s.stopping, now.Sub(s.heard) >= s.lease
	for _, p := range s.parts {
		shown.Parts = append(shown.Parts, protocol.StreamText{Part: p.name, Length: p.have, Text: p.text})
	}
	return shown, true
}
