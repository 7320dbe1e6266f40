package handler

import (
	"context"
	"errors"
	"fmt"
	"time"

	"aiwm-chat/functions/answer/runlog"
	"aiwm-chat/shared/chat"
)

// next asks the model and commits the first message of the next step. With an error comes
// what had come of it.
func (w *work) next(ctx, inner context.Context) (said chat.Draft, err error) {
	step := w.log.Next()
	if step >= min(w.agent.Managed.MaxSteps, chat.MaxStepsCap) {
		return said, &failure{chat.Unavailable, fmt.Sprintf("The agent did not come to an end in %d steps.", step)}
	}
	if err := w.admitted(ctx); err != nil {
		return said, err
	}
	if err := w.affordable(ctx); err != nil {
		return said, err
	}
	began := time.Now()
	request := w.request(scene{
		agent: w.agent, conversation: w.conversation, run: w.run(), question: w.question, log: w.history, own: w.log, now: began,
	})
	if err := w.shown(ctx, inner, step, thinking); err != nil {
		if i, ok := errors.AsType[*interrupted](err); ok {
			said, err = i.said(), &failure{chat.Unavailable, "The agent was interrupted while it answered."}
			said.Usage = estimate(request, said)
			if !i.st.StoppedBy.IsZero() {
				err = errStopped
			}
		}
		return said, err
	}
	began = time.Now()
	answer, asked := w.ask(inner, w.stream, request)
	said, err = w.drafted(step, answer, time.Since(began))
	if said.Usage == nil && cost(answer, asked) {
		said.Usage = estimate(request, said)
	}
	if asked != nil {
		err = asked
	}
	if err != nil {
		return said, err
	}
	return said, w.commit(ctx, step, said)
}

// commit commits the first message of a step. What is there already is adopted.
func (w *work) commit(ctx context.Context, step int, d chat.Draft) error {
	r := w.run()
	m, err := runlog.Message(r, r.ID.Step(step), d, chat.StatusSent)
	if err != nil {
		return err
	}
	m.Streamed = true
	w.stream.close()
	w.hold.shows(false)
	stored, mine, err := w.h.place.Place(ctx, m)
	if err != nil {
		return err
	}
	w.h.ended(ctx, stored)
	if w.log, err = w.after(ctx, stored, mine); err != nil {
		return err
	}
	w.hold.reached(w.log.Usage(), w.log.Next())
	if !w.log.Over() {
		w.hold.renew(ctx)
	}
	return nil
}

// after is the log with one more message: read again where somebody else wrote it.
func (w *work) after(ctx context.Context, stored chat.Message, mine bool) (runlog.Log, error) {
	if !mine {
		return runlog.Read(ctx, w.h.store, w.run())
	}
	return w.log.With(stored), nil
}
