package handler

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"aiwm-chat/functions/answer/runlog"
	"aiwm-chat/functions/answer/tools"
	"aiwm-chat/shared/chat"
	"aiwm-chat/shared/protocol"
)

// A work is a run that this invocation holds, and what it knows of it.
type work struct {
	h            *Handler
	hold         *hold
	agent        chat.AgentProfile
	conversation chat.Conversation
	others       int64 // tokens of the conversation that are not of this run
	question     chat.Message
	history      []chat.Message
	log          runlog.Log
	model        Model
	session      *tools.Session
	tools        []tools.Tool
	stream       *stream
	step         int // of stream
}

func (w *work) run() chat.Run { return w.hold.now() }

// errHanded is the end of work on a run that another invocation goes on with.
var errHanded = errors.New("the run is handed over")

// errRejected is the end of a run that came while its agent was busy, which takes no second
// question.
var errRejected = errors.New("the agent was busy")

// errWaits is the end of work on a run that waits for a decision.
var errWaits = errors.New("the run waits")

// work works on a run that this invocation holds. goesOn says that it is not busy any
// more: the caller takes the oldest queued one.
func (h *Handler) work(ctx context.Context, r chat.Run) (goesOn bool, err error) {
	if r.Failures >= chat.MaxLostLeases {
		r.Error = chat.Unavailable
		_, err := h.ender.End(ctx, r, failed(&failure{chat.Unavailable, "The agent was interrupted three times, and gave up."}, chat.Draft{}), chat.StatusFailed)
		return true, err
	}
	hold, inner := h.hold(ctx, r)
	defer hold.release()
	w := &work{h: h, hold: hold, step: -1}
	defer w.closeAll()
	said, err := w.do(ctx, inner)
	if w.stream != nil {
		w.stream.close()
	}
	// Who stopped it is not kept waiting for the goodbye to servers.
	return w.end(ctx, said, err)
}

// end ends the run as err says, with what had come of an answer: nil is its end as it
// should be.
func (w *work) end(ctx context.Context, said chat.Draft, err error) (goesOn bool, _ error) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), w.h.times.closing)
	defer cancel()
	r := w.run()
	code := chat.CodeOf(err)
	_, public := errors.AsType[*chat.Error](err)
	switch {
	case err == nil:
		_, err = w.h.ender.Settle(ctx, r, w.log)
		return true, err
	case errors.Is(err, errWaits):
		return true, nil
	case errors.Is(err, errHanded):
		return false, w.h.jobs.EnqueueRun(ctx, protocol.RunJobOf(r))
	case errors.Is(err, errRejected):
		return true, w.h.reject(ctx, r)
	case errors.Is(err, errLost):
		slog.InfoContext(ctx, "somebody else has the run", "run", r.ID, "attempt", r.Attempt)
		return false, nil
	case errors.Is(err, errStopped):
		return true, w.close(ctx, r, cancelled(said), chat.StatusCancelled)
	case chat.Refuses(err):
		r.Error = code // the conversation takes no message, so that nobody is told
		_, err = w.h.ender.End(ctx, r, failed(&failure{code, "The conversation takes no answer."}, chat.Draft{}), chat.StatusFailed)
		return true, err
	case public && code.Retryable():
		return false, err // not the run's fault: its lease ends, and sweep goes on
	}
	f := explained(err)
	if code == chat.ValidationFailed {
		said = chat.Draft{Usage: said.Usage} // it is what the log does not take
	}
	if errors.Is(err, errTime) {
		f = &failure{chat.Unavailable, "The agent took too long, and was stopped."}
	}
	slog.WarnContext(ctx, "a run failed", "conversation", r.ConversationID, "run", r.ID, "code", f.code, "err", err)
	r.Error = f.code
	return true, w.close(ctx, r, failed(f, said), chat.StatusFailed)
}

// close closes the log, and notes the end of the stream.
func (w *work) close(ctx context.Context, r chat.Run, d chat.Draft, status chat.MessageStatus) error {
	now, err := w.h.ender.End(ctx, r, d, status)
	if err != nil {
		return err
	}
	if w.stream == nil || now.Steps == 0 {
		return nil
	}
	if m, found, err := w.h.store.Sent(ctx, r.ConversationID, r.Agent(), r.ID.Step(now.Steps-1)); err == nil && found {
		w.h.ended(ctx, m)
	}
	return nil
}

// cancelled is the message of a run that was stopped, with what had come of an answer.
func cancelled(said chat.Draft) chat.Draft {
	said.Type, said.ToolCalls, said.Approval = chat.TypeText, nil, nil
	return said
}

func (w *work) closeAll() {
	if w.stream != nil {
		w.stream.close()
	}
	if w.session != nil {
		w.session.Close()
		w.session = nil
	}
}

// do goes through the steps of a run until it ends, waits or is handed over. With an error
// comes what had come of an answer. ctx is for what must not be broken off, inner ends with
// the run.
func (w *work) do(ctx, inner context.Context) (said chat.Draft, err error) {
	// 1. Nobody is to approve any more what an older question wanted; and read on.
	if err := w.load(ctx); err != nil {
		return said, err
	}
	w.hold.reached(w.log.Usage(), w.log.Next())
	inner, cancel := w.withinTime(inner)
	defer cancel()
	defer func() {
		if cause := context.Cause(inner); err != nil && cause != nil && !errors.Is(err, errWaits) && !errors.Is(err, errHanded) {
			err = cause // what the model and the tools make of it is not the point
		}
	}()
	asked := false // each invocation goes at least one step
	for {
		// 2. The log says how far the run is.
		if inner.Err() != nil && !w.log.Over() {
			return said, context.Cause(inner)
		}
		if w.log.Over() {
			return said, nil
		}
		if err := w.prepare(inner); err != nil {
			return said, err
		}
		// 3. Calls first: each is made at most once, or waits for a decision.
		if c := w.log.Open(); c != nil {
			if err := w.settle(ctx, inner, c); err != nil {
				return said, err
			}
			continue
		}
		// 4. Between two steps the run may go to another invocation.
		if asked && left(ctx) < w.h.times.handing {
			return said, w.handOver(ctx)
		}
		// 5. Ask, and commit what the model says: the first message of a step.
		if said, err = w.next(ctx, inner); err != nil {
			return said, err
		}
		said, asked = chat.Draft{}, true
	}
}

// handOver gives the lease up, and leaves the run to another invocation.
func (w *work) handOver(ctx context.Context) error {
	verdict, err := w.h.store.HandOverRun(ctx, w.run(), time.Now())
	switch {
	case err != nil:
		return err
	case verdict != chat.RunHeld:
		return errLost
	}
	return errHanded
}
