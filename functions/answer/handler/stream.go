package handler

import (
	"context"
	"log/slog"
	"slices"
	"sync"
	"time"

	"aiwm-chat/shared/chat"
	"aiwm-chat/shared/delivery"
	"aiwm-chat/shared/protocol"
)

const (
	// keptEvery is how often what was written is kept in Redis, for who joins.
	keptEvery = time.Second
	// roomFresh is how old what is known of the room may be when something is told. Pieces
	// come more slowly, so that it is read for nearly each of them: for an answer of 47
	// pieces that is as many HGETALL, beside the write a second.
	roomFresh = 50 * time.Millisecond
	// roomStale is how long pieces are still told while the room cannot be read.
	roomStale = time.Second
	// signOfLife is how often a stream that has nothing to say says so.
	signOfLife = 10 * time.Second
)

// What a stream says that its agent does.
const (
	thinking   = protocol.DoingThinking
	generating = protocol.DoingGenerating
	usingTool  = protocol.DoingTool
	waiting    = protocol.DoingWaiting
)

// A stream shows people the answer while it is being written. It is best effort: what it
// loses the message brings.
type stream struct {
	h      *Handler
	of     chat.Run
	st     chat.Stream
	muted  bool // nobody sees it, and nothing has to end it
	onStop func()

	mu    sync.Mutex
	parts []*written
	doing string

	room      chat.Room
	seen      time.Time // when room was read
	joined    bool      // somebody who may not have seen all that was told
	said      string    // what doing was told last
	keptDoing string
	pace      chat.Pace
	kept      time.Time // the last write to Redis
	wake      chan struct{}
	done      chan struct{}
	over      sync.WaitGroup
}

// written is a part, and how much of it was told and kept.
type written struct {
	name       string
	text       string
	told, kept int // bytes
	units      int // of what was told
	next       int // index in Redis
}

// add adds to a part.
func (s *stream) add(part, text string) {
	if s.muted || text == "" {
		return
	}
	s.mu.Lock()
	var p *written
	for _, w := range s.parts {
		if w.name == part {
			p = w
		}
	}
	if p == nil {
		p = &written{name: part}
		s.parts = append(s.parts, p)
	}
	p.text += text
	s.mu.Unlock()
	s.nudge()
}

// does says what the agent does.
func (s *stream) does(what string) {
	s.mu.Lock()
	changed := s.doing != what
	s.doing = what
	s.mu.Unlock()
	if changed {
		s.nudge()
	}
}

func (s *stream) nudge() {
	select {
	case s.wake <- struct{}{}:
	default:
	}
}

// close ends the writing. What was not told yet the message tells.
func (s *stream) close() {
	if s.muted {
		return
	}
	select {
	case <-s.done:
	default:
		close(s.done)
	}
	s.over.Wait()
}

// run posts what is new, never two posts at a time, until the stream is closed.
func (s *stream) run(ctx context.Context) {
	beat := time.NewTicker(keptEvery)
	defer beat.Stop()
	for {
		select {
		case <-s.done:
			return
		case <-ctx.Done():
			return
		case <-s.wake:
			if !s.pause(ctx) {
				return
			}
			if s.look(ctx) {
				s.tell(ctx)
			}
		case <-beat.C:
		}
		if time.Since(s.kept) >= keptEvery && !s.keep(ctx) {
			return // nobody sees it any more
		}
	}
}

// pause waits until the next post is due, and reports whether the stream goes on.
func (s *stream) pause(ctx context.Context) bool {
	wait := time.Until(s.pace.Due())
	if wait <= 0 {
		return true
	}
	t := time.NewTimer(wait)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-s.done:
	case <-ctx.Done():
	}
	return false
}

// look sees who is in the room, if that was not known a moment ago: who was removed is to
// read no more. It reports whether that is known well enough to tell them something; what
// is not told now is told with what comes next. One round trip.
func (s *stream) look(ctx context.Context) bool {
	if time.Since(s.seen) < roomFresh {
		return true
	}
	quick, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	room, err := s.h.streams.Watchers(quick, s.st.ConversationID)
	if err == nil {
		s.see(room)
	}
	return time.Since(s.seen) < roomStale
}

// see notes who is in the room, and whether somebody has joined.
func (s *stream) see(room chat.Room) {
	for _, c := range room {
		s.joined = s.joined || !slices.ContainsFunc(s.room, func(was chat.Connection) bool { return was.ID == c.ID })
	}
	s.room, s.seen = room, time.Now()
}

// tell posts what is new to the room; where somebody has joined all of it, for what they
// were shown is what was kept.
func (s *stream) tell(ctx context.Context) {
	s.mu.Lock()
	doing := s.doing
	var deltas []chat.StreamDelta
	if doing != s.said {
		s.said = doing
		deltas = append(deltas, chat.StreamDelta{Epoch: s.st.Epoch, Doing: doing})
	}
	now := time.Now()
	repairs, told, whole := s.pace.Repairs(now), false, false
	joined := s.joined
	s.joined = false
	for _, p := range s.parts {
		d, all := p.delta(repairs, joined)
		if d.Text == "" {
			continue
		}
		d.Epoch = s.st.Epoch
		deltas = append(deltas, d)
		told, whole = true, whole || all
	}
	s.mu.Unlock()
	if told {
		s.pace.Sent(now, whole)
	}
	failed := false
	for _, d := range deltas {
		for _, frame := range protocol.StreamDeltaFrames(s.st, d, now) {
			failed = s.cast(ctx, frame) || failed
		}
	}
	switch {
	case failed:
		s.pace.Widen()
	case len(deltas) > 0:
		s.pace.Narrow()
	}
}

// delta is what was not told of a part: with whole all of it, where that is short; with
// joined also where nothing is new.
func (p *written) delta(whole, joined bool) (d chat.StreamDelta, all bool) {
	short := len(p.text) <= chat.MaxRepair/2 // in JSON it is longer
	if p.told == len(p.text) && !(joined && short) {
		return d, false
	}
	d = chat.StreamDelta{Part: p.name, Offset: p.units, Text: p.text[p.told:]}
	if all = (whole || joined) && short; all {
		d.Offset, d.Text = 0, p.text
	}
	d.Length = chat.UTF16Len(d.Text)
	p.told, p.units = len(p.text), d.Offset+d.Length
	return d, all
}

// cast posts a frame to those who see streams grow, and reports whether somebody could not
// take it now.
func (s *stream) cast(ctx context.Context, frame []byte) (failed bool) {
	r := s.h.cast.Broadcast(ctx, s.room, frame, delivery.Once)
	if len(r.Gone) > 0 {
		gone := map[chat.ConnectionID]bool{}
		for _, g := range r.Gone {
			gone[g.Connection.ID] = true
		}
		var room chat.Room
		for _, c := range s.room {
			if !gone[c.ID] {
				room = append(room, c)
			}
		}
		s.room = room
	}
	return len(r.Failed) > 0
}

// keep keeps in Redis what is new, which renews the lease, and tells who is in the room
// now, and whether the stream is to stop. It reports whether the stream goes on: what somebody
// has ended or taken over is told no further; what Redis has lost begins anew. One round trip
// for each part.
func (s *stream) keep(ctx context.Context) (goesOn bool) {
	pieces, doing := s.unkept()
	for _, p := range pieces {
		s.kept = time.Now()
		it := chat.StreamPiece{Doing: doing}
		if p.of != nil {
			it = chat.StreamPiece{Part: p.of.name, Index: p.of.next, Text: p.text}
		}
		verdict, _, stop, room, err := s.h.streams.AppendStream(ctx, s.st, it, protocol.StreamLease)
		if err != nil {
			continue // the next one has it all
		}
		if verdict == chat.StreamIsLost {
			return s.again(ctx)
		}
		if verdict != chat.StreamIsOpen {
			return false // the log decides
		}
		if p.of == nil {
			s.keptDoing = doing
		} else {
			s.mu.Lock()
			p.of.kept += len(p.text)
			p.of.next++
			s.mu.Unlock()
		}
		s.see(room)
		if !stop.IsZero() {
			s.onStop()
		}
	}
	return true
}

// A piece is what is to be kept of a part; of none it is what the agent does.
type piece struct {
	of   *written
	text string
}

// unkept returns the pieces that are to be kept now, and what the agent does. A stream that has
// nothing to say gives a sign of life.
func (s *stream) unkept() (pieces []piece, doing string) {
	s.mu.Lock()
	for _, p := range s.parts {
		if p.kept < len(p.text) {
			pieces = append(pieces, piece{p, p.text[p.kept:]})
		}
	}
	doing = s.doing
	s.mu.Unlock()
	if silent := time.Since(s.kept) >= signOfLife; doing != s.keptDoing || len(pieces) == 0 && silent {
		pieces = append(pieces, piece{nil, ""})
		if silent {
			s.said = "" // told again: clients take who is silent for stalled
			s.nudge()
		}
	}
	return pieces, doing
}

// ended notes in Redis which message a stream became. Where that fails its job does it.
func (h *Handler) ended(ctx context.Context, m chat.Message) {
	if _, err := h.streams.EndStream(ctx, m.ConversationID, string(m.ClientMessageID), chat.StreamEndOf(m), true); err != nil {
		slog.WarnContext(ctx, "note the end of a stream", "conversation", m.ConversationID, "stream", m.ClientMessageID, "err", err)
	}
}
