package handler

import (
	"context"
	"strings"
	"time"

	"aiwm-chat/shared/chat"
	"aiwm-chat/shared/protocol"
)

// stopRuns stops runs of agents that we run. A stop is a field of the run; who holds it is
// told through Redis, which is only the faster way. What nobody holds ends here and now.
func (h *Handler) stopRuns(ctx context.Context, by chat.Principal, in protocol.Stop) (ids []chat.RunID, err error) {
	ids = []chat.RunID{}
	open, err := h.store.OpenRuns(ctx, in.ConversationID, "")
	if err != nil {
		return ids, err
	}
	for _, r := range open {
		if !isMeant(r, in) {
			continue
		}
		now, err := h.store.StopRun(ctx, r.OrgID, r.ID, by.ID, time.Now())
		if err != nil {
			return ids, err
		}
		ids = append(ids, r.ID)
		switch now.Status {
		case chat.RunActive:
			_ = h.streams.StopQuestion(ctx, r.ConversationID, chat.MessageID(r.ID), by) // else it sees the run itself, a second later
		case chat.RunQueued, chat.RunWaiting:
			if err := h.endIdle(ctx, now); err != nil {
				return ids, err
			}
		}
	}
	return ids, nil
}

// endIdle ends a run that nobody holds. Its job makes sure: it takes the oldest that is
// queued, and ends the run where this did not come so far.
func (h *Handler) endIdle(ctx context.Context, r chat.Run) error {
	if err := h.jobs.EnqueueRun(ctx, protocol.RunJobOf(r)); err != nil {
		return err
	}
	_, err := h.ender.End(ctx, r, chat.Draft{}, chat.StatusCancelled)
	return err
}

// isMeant reports whether a stop is of a run: of its stream, its question, or of all.
func isMeant(r chat.Run, in protocol.Stop) bool {
	switch {
	case in.StreamID != "":
		return strings.HasPrefix(in.StreamID, string(r.ID)+":")
	case in.MessageID != "":
		return r.Trigger == in.MessageID
	}
	return true
}
