package handler

import (
	"context"
	"fmt"
	"log/slog"
	"strconv"
	"strings"
	"time"

	"aiwm-chat/shared/chat"
	"aiwm-chat/shared/protocol"
)

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
	s = &stream{h: h, of: r, st: st, doing: doing, onStop: onStop, wake: make(chan struct{}, 1), done: make(chan struct{})}
	opened, room, err := h.open(ctx, st, r)
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
	s.st.Epoch, s.room, s.seen, s.kept = opened.Epoch, room, time.Now(), time.Now()
	s.cast(ctx, protocol.Frame(protocol.EventStreamStart, "", protocol.StreamBegunOf(opened), time.Now()))
	s.over.Go(func() { s.run(ctx) })
	s.nudge()
	return s, false
}

// isEarlier reports whether a stream's writer is an earlier attempt of a run: from a later
// one nothing is taken over by one that does not know yet that it has lost the run.
func isEarlier(writer chat.ConnectionID, r chat.Run) bool {
	number, ok := strings.CutPrefix(string(writer), "run:"+string(r.ID)+":")
	attempt, err := strconv.ParseInt(number, 10, 64)
	return ok && err == nil && attempt < r.Attempt
}

// open enters and confirms.
func (h *Handler) open(ctx context.Context, st chat.Stream, r chat.Run) (opened chat.Stream, room chat.Room, err error) {
	if err := h.streams.WatchStream(ctx, st.Principal, st.ConversationID, st.ID); err != nil {
		return opened, nil, err
	}
	if err := h.jobs.EnqueueStream(ctx, protocol.StreamJobOf(st), protocol.StreamLease); err != nil {
		return opened, nil, err
	}
	verdict, found, err := h.streams.EnterStream(ctx, st, "")
	if err == nil && verdict == chat.StreamIsWritten && isEarlier(found.Writer, r) {
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

// again begins a stream anew that Redis has lost, and with it all that was kept: as an agent
// that connects does. It reports whether that went well.
func (s *stream) again(ctx context.Context) bool {
	opened, room, err := s.h.open(ctx, s.st, s.of)
	if err != nil {
		slog.WarnContext(ctx, "an answer is not shown any more while it is written", "run", s.of.ID, "stream", s.st.ID, "err", err)
		return false
	}
	s.mu.Lock()
	for _, p := range s.parts {
		p.told, p.kept, p.units, p.next = 0, 0, 0, 0
	}
	s.mu.Unlock()
	s.st.Epoch, s.said, s.keptDoing = opened.Epoch, "", ""
	s.see(room)
	s.cast(ctx, protocol.Frame(protocol.EventStreamStart, "", protocol.StreamBegunOf(opened), time.Now()))
	s.nudge()
	return true
}

// shown begins the stream of a step, if it has not begun. What an attempt has written that
// died is the end of the run: nobody glues another answer to it.
func (w *work) shown(ctx, inner context.Context, step int, doing string) error {
	if w.step == step {
		w.stream.does(doing)
		return nil
	}
	if w.stream != nil {
		w.stream.close()
	}
	s, leftOver := w.h.begin(inner, w.run(), step, doing, w.hold.stop)
	w.stream, w.step = s, step
	w.hold.shows(!s.muted)
	if !leftOver {
		return nil
	}
	st, err := w.h.streams.Stream(ctx, s.st.ConversationID, s.st.ID)
	if err != nil {
		return err
	}
	return &interrupted{st}
}

// interrupted is a stream whose writer died.
type interrupted struct{ st chat.Stream }

func (i *interrupted) Error() string { return "an attempt died while it wrote" }

func (i *interrupted) said() (d chat.Draft) {
	d.Content = i.st.Text(protocol.PartContent)
	if thought := i.st.Text(protocol.PartThinking); thought != "" {
		d.Thinking = &chat.Thinking{Content: chat.TruncateUTF8(thought, chat.MaxThinkingStream), Visible: true}
	}
	return d
}
