package handler

import (
	"context"
	"time"

	"golang.org/x/sync/errgroup"

	"aiwm-chat/shared/chat"
	"aiwm-chat/shared/protocol"
)

const (
	// dueRuns is how many runs are read at a time.
	dueRuns = 200
	// paging is how long a sweep reads on, of the time for all that it makes good.
	paging = correcting / 2
	// nextLook is when sweep looks at a run again that its job did nothing about.
	nextLook = time.Minute
)

// enqueueRuns has those runs looked at that may have been forgotten: queued and not taken
// up, without a lease, and waiting though they are decided, expired or stopped. What is to
// be done the job finds out; one too many does no harm. A run is put off once it has its
// job, so that a job that is lost is missed. It goes on, page by page, for as long as
// paging: many that wait for their turn keep none from being found.
func (h *Handler) enqueueRuns(ctx context.Context) error {
	now := time.Now()
	for {
		due, err := h.store.DueRuns(ctx, now, dueRuns)
		if err != nil {
			return err
		}
		if err := h.enqueue(ctx, due); err != nil || len(due) < dueRuns || time.Since(now) >= paging {
			return err
		}
	}
}

func (h *Handler) enqueue(ctx context.Context, due []chat.Run) error {
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
