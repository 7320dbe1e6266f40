package handler

import (
	"context"
	"time"

	"golang.org/x/sync/errgroup"

	"aiwm-chat/shared/protocol"
)

const (
	// unseen is how old a stream is whose job should long have been there.
	unseen = time.Minute
	// looked is how many streams one sweep looks at.
	looked = 5000
)

// endStreams has those streams looked after whose agents give no sign of life: their
// jobs should have done that, and were lost. One job too many does no harm.
func (h *Handler) endStreams(ctx context.Context) error {
	overdue, err := h.presence.Overdue(ctx, time.Now().Add(-unseen), looked)
	if err != nil {
		return err
	}
	var g errgroup.Group
	g.SetLimit(parallel)
	for _, st := range overdue {
		g.Go(func() error { return h.jobs.EnqueueStream(ctx, protocol.StreamJobOf(st), 0) })
	}
	return g.Wait()
}

// endCalls likewise has those calls looked after that nobody has ended, and those that have
// ended and of which nothing is said.
func (h *Handler) endCalls(ctx context.Context) error {
	overdue, err := h.presence.OverdueCalls(ctx, time.Now().Add(-unseen), looked)
	if err != nil {
		return err
	}
	var g errgroup.Group
	g.SetLimit(parallel)
	for _, c := range overdue {
		g.Go(func() error { return h.jobs.EnqueueStream(ctx, protocol.CallJobOf(c), 0) })
	}
	return g.Wait()
}
