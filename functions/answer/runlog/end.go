package runlog

import (
	"context"
	"errors"
	"time"

	"aiwm-chat/shared/chat"
)

type runs interface {
	Store
	EndRun(ctx context.Context, r chat.Run, status chat.RunStatus, now time.Time) (run chat.Run, ended bool, err error)
}

type placer interface {
	Place(ctx context.Context, m chat.Message) (stored chat.Message, mine bool, err error)
}

// An Ender ends runs.
type Ender struct {
	runs  runs
	place placer
}

// NewEnder returns an Ender.
func NewEnder(r runs, p placer) *Ender { return &Ender{r, p} }

// End ends a run: it decides the calls that wait, closes the log at the next free step,
// and then sets the status that the log says. What is there already is adopted: the end of
// another attempt is the end. Whoever calls it holds the run, or knows that nobody does,
// and takes the oldest queued run afterwards. Where the conversation refuses the message
// the run ends without one.
func (e *Ender) End(ctx context.Context, r chat.Run, end chat.Draft, status chat.MessageStatus) (chat.Run, error) {
	for {
		l, err := Read(ctx, e.runs, r)
		if err != nil {
			return r, err
		}
		if l.End == nil {
			again, err := e.close(ctx, r, &l, end, status)
			switch {
			case chat.Refuses(err):
				return e.settle(ctx, r, l, statusOf(chat.Message{Status: status}))
			case err != nil:
				return r, err
			case again:
				continue
			}
		}
		return e.settle(ctx, r, l, l.Status())
	}
}

// Settle sets the status that the log says of a run which is over.
func (e *Ender) Settle(ctx context.Context, r chat.Run, l Log) (chat.Run, error) {
	return e.settle(ctx, r, l, l.Status())
}

func (e *Ender) settle(ctx context.Context, r chat.Run, l Log, status chat.RunStatus) (chat.Run, error) {
	r.Usage, r.Steps = l.Usage(), l.Next()
	if l.End != nil {
		r.Steps++
	}
	if status == chat.RunFailed && r.Error == "" {
		r.Error = chat.Internal
	}
	if status != chat.RunFailed {
		r.Error = ""
	}
	now, ended, err := e.runs.EndRun(ctx, r, status, time.Now())
	if err != nil || !ended {
		return r, err
	}
	return now, nil
}

// close commits the end. again says that another attempt has gone on meanwhile.
func (e *Ender) close(ctx context.Context, r chat.Run, l *Log, end chat.Draft, status chat.MessageStatus) (again bool, err error) {
	if err := e.Decide(ctx, r, l, chat.VerdictStopped); err != nil {
		return false, err
	}
	m, err := Message(r, r.ID.Step(l.Next()), end, status)
	if err != nil {
		return false, err
	}
	m.Streamed = true
	stored, _, err := e.place.Place(ctx, m)
	if err != nil {
		return false, err
	}
	if isCall(stored) {
		return true, nil
	}
	l.End = &stored
	return false, nil
}

// Decide decides the calls of a run that wait, if nobody has.
func (e *Ender) Decide(ctx context.Context, r chat.Run, l *Log, v chat.Verdict) error {
	var failed error
	for _, id := range l.Undecided() {
		m, err := chat.NewDecision(r.OrgID, r.ConversationID, v, chat.Decision{CallID: id}, time.Now())
		if err == nil {
			_, _, err = e.place.Place(ctx, m)
		}
		failed = errors.Join(failed, err)
	}
	return failed
}

// Message returns a message of a run.
func Message(r chat.Run, id chat.ClientMessageID, d chat.Draft, status chat.MessageStatus) (chat.Message, error) {
	d.ParentID = r.Trigger
	d.Unfinished = status != chat.StatusSent
	m, err := chat.NewMessage(r.ConversationID, r.Agent(), id, d, chat.MaxContentStream, time.Now())
	m.Status, m.ThreadID = status, r.ThreadID
	return m, err
}
