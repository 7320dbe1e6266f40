package handler

import (
	"context"
	"errors"
	"strings"

	"aiwm-chat/shared/chat"
	"aiwm-chat/shared/protocol"
)

// stopRuns stops the runs of agents that the backend runs. One that cannot be stopped spares no
// other. news says that some were not stopped before.
func (h *Handler) stopRuns(ctx context.Context, by chat.Principal, in protocol.Stop) (ids []chat.RunID, news bool, err error) {
	ids = []chat.RunID{}
	open, err := h.store.OpenRuns(ctx, in.ConversationID, "")
	if err != nil {
		return ids, news, err
	}
	for _, r := range open {
		if !isMeant(r, in) {
			continue
		}
		if _, stopErr := h.stopper.Stop(ctx, r, by); stopErr != nil {
			err = errors.Join(err, stopErr)
			continue
		}
		ids, news = append(ids, r.ID), news || r.Stop == nil
	}
	return ids, news, err
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
