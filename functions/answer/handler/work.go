package handler

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"golang.org/x/sync/errgroup"

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
	case errors.Is(err, errLost):
		slog.InfoContext(ctx, "somebody else has the run", "run", r.ID, "attempt", r.Attempt)
		return false, nil
	case errors.Is(err, errStopped):
		return true, w.close(ctx, r, cancelled(said), chat.StatusCancelled)
	case public && (code == chat.NotFound || code == chat.ConversationClosed):
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
	if m, found, err := w.h.runs.Sent(ctx, r.ConversationID, r.Agent(), r.ID.Step(now.Steps-1)); err == nil && found {
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

// withinTime ends what the run may not take longer for.
func (w *work) withinTime(inner context.Context) (context.Context, context.CancelFunc) {
	seconds := chat.DefaultRunSeconds
	if w.agent.Managed != nil {
		seconds = w.agent.Managed.MaxSeconds
	}
	end := w.run().StartedAt.Add(time.Duration(seconds) * time.Second)
	if last := time.Now().Add(left(inner) - w.h.times.closing); last.Before(end) {
		end = last
	}
	return context.WithDeadlineCause(inner, end, errTime)
}

// load reads all that has to be known, at the same time.
func (w *work) load(ctx context.Context) error {
	r := w.run()
	var c chat.Conversation
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error { return w.h.supersede(ctx, r) })
	g.Go(func() (err error) { w.log, err = runlog.Read(ctx, w.h.runs, r); return err })
	g.Go(func() (err error) {
		c, err = w.h.runs.AnyConversation(ctx, r.OrgID, r.ConversationID)
		return err
	})
	g.Go(func() (err error) { w.question, err = w.h.runs.Message(ctx, r.OrgID, r.Trigger); return err })
	g.Go(func() (err error) {
		w.agent, err = w.h.runs.Agent(ctx, r.Agent())
		if chat.CodeOf(err) == chat.NotFound && err != nil {
			return nil // it was deleted: nobody answers for it
		}
		return err
	})
	if err := g.Wait(); err != nil {
		return err
	}
	w.saw(c)
	return nil
}

// supersede decides the calls that wait and are older than what the run answers.
func (h *Handler) supersede(ctx context.Context, r chat.Run) error {
	open, err := h.runs.OpenRuns(ctx, r.ConversationID, r.AgentID)
	if err != nil {
		return err
	}
	for _, other := range open {
		if !r.Supersedes(other) {
			continue
		}
		l, err := runlog.Read(ctx, h.runs, other)
		if err == nil {
			err = h.ender.Decide(ctx, other, &l, chat.VerdictSuperseded)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// prepare sees to what the model and the tools are asked with, once.
func (w *work) prepare(ctx context.Context) (err error) {
	m := w.agent.Managed
	switch {
	case m == nil:
		return &failure{chat.NotFound, "Nobody answers for this agent any more."}
	case w.question.Deleted:
		return errStopped
	case w.model != nil:
		return nil
	}
	model, ok := w.h.models[m.Provider]
	if !ok {
		return &failure{chat.Internal, "The provider of the agent's model is not configured."}
	}
	if len(m.Tools) > 0 {
		w.session = w.h.servers.Open()
		if w.tools, err = w.session.List(ctx, m.Tools); err != nil {
			return err
		}
	}
	w.model = model
	w.hold.answersAs(w.agent.Version)
	r := w.run()
	q := chat.MessageQuery{Limit: min(2*m.History.Messages+20, maxRead)}
	if r.N > 0 {
		q.BeforeSeq = &w.question.Seq
	} else if w.log.First > 0 {
		q.BeforeSeq = &w.log.First
	}
	w.history, _, err = w.h.runs.Messages(ctx, r.ConversationID, q)
	return err
}

// maxRead is how many messages are read to make a prompt of.
const maxRead = 300

// settle brings a call to its result, or has the run wait for the decision.
func (w *work) settle(ctx, inner context.Context, c *runlog.Call) error {
	if c.Approval && c.Decision == nil {
		return w.wait(ctx, c)
	}
	if !c.Approval || c.Decision.Verdict == chat.VerdictApproved {
		// A stream is not to be open while the run waits: who waits gives no sign of life.
		if len(w.log.Undecided()) == 0 {
			if err := w.shown(ctx, inner, w.log.Next(), usingTool); err != nil {
				return err
			}
		}
		return w.execute(ctx, inner, c)
	}
	return w.result(ctx, c, tools.Result{Text: refusal(*c.Decision), IsError: true}, string(c.Decision.Verdict))
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
	for _, p := range i.st.Parts {
		switch p.Name {
		case protocol.PartContent:
			d.Content = p.Text
		case protocol.PartThinking:
			if p.Text != "" {
				d.Thinking = &chat.Thinking{Content: chat.TruncateUTF8(p.Text, chat.MaxThinkingStream), Visible: true}
			}
		}
	}
	return d
}

// handOver gives the lease up, and leaves the run to another invocation.
func (w *work) handOver(ctx context.Context) error {
	verdict, err := w.h.runs.HandOverRun(ctx, w.run(), time.Now())
	switch {
	case err != nil:
		return err
	case verdict != chat.RunHeld:
		return errLost
	}
	return errHanded
}

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
		return runlog.Read(ctx, w.h.runs, w.run())
	}
	return w.log.With(stored), nil
}
