package runlog

import (
	"context"
	"log/slog"
	"time"

	"aiwm-chat/shared/chat"
	"aiwm-chat/shared/protocol"
)

type stops interface {
	StopRun(ctx context.Context, org chat.OrgID, id chat.RunID, by chat.PrincipalID, now time.Time) (chat.Run, error)
}

type flags interface {
	StopQuestion(ctx context.Context, id chat.ConversationID, question chat.MessageID, by chat.Principal) error
}

type jobs interface {
	EnqueueRunIn(ctx context.Context, job protocol.RunJob, delay time.Duration) error
}

type ender interface {
	End(ctx context.Context, r chat.Run, end chat.Draft, status chat.MessageStatus) (chat.Run, error)
}

// A Stopper stops runs, whoever asks for it and by whichever way.
type Stopper struct {
	runs  stops
	flags flags
	jobs  jobs
	ender ender
}

// NewStopper returns a Stopper.
func NewStopper(r stops, f flags, j jobs, e ender) *Stopper { return &Stopper{r, f, j, e} }

// Stop stops a run, and returns it as it is then. A stop is a field of the run; who holds it is
// told through Redis, under the run's id, so that it is seen also where no stream is open:
// that is only the faster way. They may be dead: a job looks when their lease is over, whoever
// takes it over then ends it, and sweep may be a minute later. What nobody holds ends here and
// now; its job comes first, and ends it where this did not come so far. One to four round trips
// to MongoDB, one to SQS where it was not stopped before and, of what is held, one to Redis; of
// what nobody holds those of its end.
func (s *Stopper) Stop(ctx context.Context, r chat.Run, by chat.Principal) (chat.Run, error) {
	now, err := s.runs.StopRun(ctx, r.OrgID, r.ID, by.ID, time.Now())
	switch {
	case err != nil:
		return r, err
	case now.Status.Over():
		return now, nil
	case now.Status == chat.RunActive:
		if err := s.flags.StopQuestion(ctx, now.ConversationID, chat.MessageID(now.ID), by); err != nil {
			slog.WarnContext(ctx, "a run sees its stop late", "conversation", now.ConversationID, "run", now.ID, "err", err)
		}
		left := time.Until(now.LeaseUntil)
		if left <= 0 {
			return now, s.enqueue(ctx, now, 0)
		}
		if r.Stop == nil { // else it has its job
			if err := s.enqueue(ctx, now, left); err != nil {
				slog.WarnContext(ctx, "a run whose holder is dead ends by sweep", "conversation", now.ConversationID, "run", now.ID, "err", err)
			}
		}
		return now, nil
	}
	if err := s.enqueue(ctx, now, 0); err != nil {
		return now, err
	}
	return s.ender.End(ctx, now, chat.Draft{}, chat.StatusCancelled)
}

func (s *Stopper) enqueue(ctx context.Context, r chat.Run, delay time.Duration) error {
	if err := s.jobs.EnqueueRunIn(ctx, protocol.RunJobOf(r), delay); err != nil {
		return chat.Unavailablef(err, "the run is to end, and whether that was heard is not known; try again")
	}
	return nil
}
