package handler

import (
	"context"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"time"

	"aiwm-chat/shared/chat"
	"aiwm-chat/shared/delivery"
	"aiwm-chat/shared/protocol"
)

const (
	// keptEvery is how often what was written is kept in Redis, for who joins.
	keptEvery = time.Second
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
	st     chat.Stream
	muted  bool // nobody sees it, and nothing has to end it
	onStop func()

	mu    sync.Mutex
	parts []*written
	doing string

	room      chat.Room
	said      string // what doing was told last
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

// writerOf is the connection of an attempt of a run, which is none of API Gateway's.
func writerOf(r chat.Run) chat.ConnectionID {
	return chat.ConnectionID(fmt.Sprintf("run:%s:%d", r.ID, r.Attempt))
}

// begin begins the stream of a step, or takes it over from an attempt that is gone:
// leftOver says that that one had written something. The list of sweep and the job that
// looks after the stream come first, so that what begins also ends, whoever dies. Three
// round trips to Redis (four to take over) and one to SQS; what fails there costs people
// the sight of the answer, not the answer.
func (h *Handler) begin(ctx context.Context, r chat.Run, step int, doing string, onStop func()) (s *stream, leftOver bool) {
	st := chat.Stream{
		ConversationID: r.ConversationID, ID: string(r.ID.Step(step)), Principal: r.Agent(), Writer: writerOf(r), ParentID: r.Trigger, StartedAt: time.Now(),
	}
	s = &stream{h: h, st: st, doing: doing, onStop: onStop, wake: make(chan struct{}, 1), done: make(chan struct{})}
	opened, room, err := h.open(ctx, st)
	if err != nil {
		slog.WarnContext(ctx, "an answer is not shown while it is written", "run", r.ID, "step", step, "err", err)
		s.muted = true
		return s, false
	}
	for _, p := range opened.Parts {
		if p.Length > 0 {
			s.muted = true
			return s, true
		}
	}
	s.st.Epoch, s.room, s.kept = opened.Epoch, room, time.Now()
	s.cast(ctx, protocol.Frame(protocol.EventStreamStart, "", protocol.StreamBegunOf(opened), time.Now()))
	s.over.Go(func() { s.run(ctx) })
	s.nudge()
	return s, false
}

// open enters and confirms.
func (h *Handler) open(ctx context.Context, st chat.Stream) (opened chat.Stream, room chat.Room, err error) {
	if err := h.streams.WatchStream(ctx, st.Principal, st.ConversationID, st.ID); err != nil {
		return opened, nil, err
	}
	if err := h.jobs.EnqueueStream(ctx, protocol.StreamJobOf(st), protocol.StreamLease); err != nil {
		return opened, nil, err
	}
	verdict, found, err := h.streams.EnterStream(ctx, st, "")
	if err == nil && verdict == chat.StreamIsWritten && strings.HasPrefix(string(found.Writer), "run:") {
		verdict, found, err = h.streams.EnterStream(ctx, st, found.Writer)
	}
	if err != nil {
		return opened, nil, err
	}
	if verdict != chat.StreamEntered {
		return opened, nil, fmt.Errorf("enter a stream: %s", verdict)
	}
	st.Epoch = found.Epoch
	verdict, opened, room, err = h.streams.ConfirmStream(ctx, st, protocol.StreamLease)
	if err == nil && verdict != chat.StreamIsOpen {
		err = fmt.Errorf("confirm a stream: %s", verdict)
	}
	return opened, room, err
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
			s.tell(ctx)
		case <-beat.C:
		}
		if time.Since(s.kept) >= keptEvery {
			s.keep(ctx)
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

// tell posts what is new to the room.
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
	for _, p := range s.parts {
		d, all := p.delta(repairs)
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

// delta is what was not told of a part: with whole all of it, where that is short.
func (p *written) delta(whole bool) (d chat.StreamDelta, all bool) {
	if p.told == len(p.text) {
		return d, false
	}
	d = chat.StreamDelta{Part: p.name, Offset: p.units, Text: p.text[p.told:]}
	if all = whole && len(p.text) <= chat.MaxRepair/2; all { // in JSON it is longer
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
// now, and whether the stream is to stop. One round trip for each part.
func (s *stream) keep(ctx context.Context) {
	type piece struct {
		of   *written
		text string
	}
	s.mu.Lock()
	var pieces []piece
	for _, p := range s.parts {
		if p.kept < len(p.text) {
			pieces = append(pieces, piece{p, p.text[p.kept:]})
		}
	}
	doing := s.doing
	s.mu.Unlock()
	if silent := time.Since(s.kept) >= signOfLife; doing != s.keptDoing || len(pieces) == 0 && silent {
		pieces = append(pieces, piece{nil, ""})
		if silent {
			s.said = "" // told again: clients take who is silent for stalled
			s.nudge()
		}
	}
	for _, p := range pieces {
		s.kept = time.Now()
		it := chat.StreamPiece{Doing: doing}
		if p.of != nil {
			it = chat.StreamPiece{Part: p.of.name, Index: p.of.next, Text: p.text}
		}
		verdict, _, stop, room, err := s.h.streams.AppendStream(ctx, s.st, it, protocol.StreamLease)
		if err != nil || verdict != chat.StreamIsOpen {
			continue // the next one has it all; of what is lost, or was ended, the log decides
		}
		if p.of == nil {
			s.keptDoing = doing
		} else {
			s.mu.Lock()
			p.of.kept += len(p.text)
			p.of.next++
			s.mu.Unlock()
		}
		s.room = room
		if !stop.IsZero() {
			s.onStop()
		}
	}
}

// ended notes in Redis which message a stream became. Where that fails its job does it.
func (h *Handler) ended(ctx context.Context, m chat.Message) {
	if _, err := h.streams.EndStream(ctx, m.ConversationID, string(m.ClientMessageID), chat.StreamEndOf(m), true); err != nil {
		slog.WarnContext(ctx, "note the end of a stream", "conversation", m.ConversationID, "stream", m.ClientMessageID, "err", err)
	}
}
