// Package handler keeps a conversation's summary up to date.
package handler

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"aiwm-chat/shared/chat"
	"aiwm-chat/shared/protocol"
	"aiwm-chat/shared/summary"
)

type jobs interface {
	EnqueueSummaryIn(ctx context.Context, job protocol.SummaryJob, delay time.Duration) error
}

// Handler handles the jobs of the summary queue.
type Handler struct {
	writer *Writer
	jobs   jobs
}

// New returns a Handler.
func New(w *Writer, j jobs) *Handler { return &Handler{writer: w, jobs: j} }

const (
	// maxPuts is how often a job is put off before it fails, and the queue brings
	// it again a few times: by then the model has been out of order for most of an hour.
	// (Lambda stops a function that enqueues for itself 16 times in a row.)
	maxPuts = 8
	// soon is when a job looks again while somebody else is writing, doubled
	// each time.
	soon = 2 * time.Second
)

// Handle brings the summary up to a message at least. Where it covers the
// message already, or the conversation is gone, there is nothing to do. What one
// run cannot do is another job's, in sequence; while the model does not answer,
// the job is put off and the old summary stays. Where it will not answer before
// an operator has changed something, the job is over: the next one asks again.
// One round trip to MongoDB, those of the rounds, and one to SQS.
func (h *Handler) Handle(ctx context.Context, job protocol.SummaryJob) error {
	c, err := h.writer.store.AnyConversation(ctx, job.OrgID, job.ConversationID)
	more := false
	if err == nil && covered(c) < job.Seq {
		_, more, err = h.writer.catchUp(ctx, c, job.Seq)
	}
	switch code := chat.CodeOf(err); {
	case err == nil && !more:
		return nil
	case err == nil:
		job.Puts = 0 // it went on
		return h.jobs.EnqueueSummaryIn(ctx, job, 0)
	case code == chat.NotFound:
		return nil
	case errors.Is(err, chat.ErrModelBroken):
		slog.WarnContext(ctx, "no summary: the model is out of order", "conversation", job.ConversationID, "seq", job.Seq)
		return nil
	case summary.Permanent(err):
		slog.ErrorContext(ctx, "no summary before the model is set up anew", "conversation", job.ConversationID, "seq", job.Seq, "err", err)
		return nil
	}
	wait, later := waitOf(err)
	if !later || job.Puts >= maxPuts {
		if _, again := errors.AsType[*tooSoon](err); again && later {
			return nil // it was made meanwhile, and dropped by who left a later job
		}
		return err
	}
	slog.WarnContext(ctx, "a summary is put off", "conversation", job.ConversationID, "seq", job.Seq, "wait", wait, "err", err)
	wait = max(wait, soon<<job.Puts)
	job.Puts++
	return h.jobs.EnqueueSummaryIn(ctx, job, wait)
}

// waitOf returns how long to wait, where that helps.
func waitOf(err error) (wait time.Duration, later bool) {
	if p, ok := errors.AsType[*pause](err); ok {
		return p.wait, true
	}
	if e := chat.Public(err); e.Code == chat.RateLimited {
		return e.RetryAfter(), true
	}
	return 0, false
}

// A pause is a failure of the model after which nobody asks it for this
// conversation for a time.
type pause struct {
	error
	wait time.Duration
}

func (p *pause) Unwrap() error { return p.error }

// public is what somebody who asked for a summary is told.
func public(err error) error {
	_, known := errors.AsType[*chat.Error](err)
	switch {
	case err == nil, known:
		return err
	case summary.Permanent(err):
		return fmt.Errorf("%w: %w", chat.Errorf(chat.Internal, "%s", chat.ErrModelBroken.Message), err)
	}
	const message = "the summary cannot be written now; try again"
	if wait, later := waitOf(err); later {
		return chat.UnavailableFor(wait, err, message)
	}
	return chat.Unavailablef(err, message)
}
