package handler

import (
	"context"
	"time"

	"golang.org/x/sync/errgroup"

	"aiwm-chat/shared/chat"
	"aiwm-chat/shared/protocol"
)

const (
	// dueRuns is how many runs one sweep looks at.
	dueRuns = 200
	// nextLook is when sweep looks at a run again that its job did nothing about.
	nextLook = time.Minute
)

// enqueueRuns has those runs looked at that may have been forgotten: queued and not taken
// up, without a lease, and waiting though they are decided, expired or stopped. What is to
// be done the job finds out; one too many does no harm. A run is put off once it has its
// job, so that a job that is lost is missed.
func (h *Handler) enqueueRuns(ctx context.Context) error {
	due, err := h.store.DueRuns(ctx, time.Now(), dueRuns)
	if err != nil {
		return err
	}
	var g errgroup.Group
	g.SetLimit(parallel)
	for _, r := range due {
		g.Go(func() error {
			if err := h.jobs.EnqueueRun(ctx, protocol.RunJobOf(r)); err != nil {
				return err
			}
			return h.store.PutOffRun(ctx, r, time.Now().Add(nextLook))
		})
	}
	return g.Wait()
}

type runs interface {
	DueRuns(ctx context.Context, now time.Time, limit int) ([]chat.Run, error)
	PutOffRun(ctx context.Context, r chat.Run, until time.Time) error
}
