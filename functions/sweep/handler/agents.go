package handler

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"aiwm-chat/shared/chat"
)

const (
	// checked is how many agents a run asks about: of more, each has its turn.
	checked = 200
	// correcting is how long that may take: the messages are more important.
	correcting = 5 * time.Second
)

// correct makes good what a $disconnect left that died half-way, or met an error:
// agents that are stored as online and have no connection; and the jobs of runs and of
// streams that were lost. After an error the next sweep tries again.
func (h *Handler) correct(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, correcting)
	defer cancel()
	h.presence.PruneOnline(ctx)
	return errors.Join(h.enqueueRuns(ctx), h.endStreams(ctx), h.endCalls(ctx), h.correctAgents(ctx))
}

// correctAgents decides as of before it asks Redis: a connect that Redis knows
// only after that is later, and stays.
func (h *Handler) correctAgents(ctx context.Context) error {
	agents, err := h.agents.UncheckedAgents(ctx, time.Now(), checked)
	if err != nil || len(agents) == 0 {
		return err
	}
	at, err := h.presence.Stamp(ctx, agents...)
	if err != nil {
		return err
	}
	online, err := h.presence.Online(ctx, agents...)
	if err != nil {
		return err
	}
	var left []chat.Absence
	defer func() { h.announce.Offline(ctx, left) }() // those who saw them come
	for i, a := range agents {
		if online[i] {
			continue
		}
		slog.InfoContext(ctx, "an agent was left online", "agent", a.ID, "org", a.OrgID)
		if err := h.agents.SetAgentStatus(ctx, a, false, at[i]); err != nil {
			return err
		}
		left = append(left, chat.Absence{Principal: a, At: at[i]})
	}
	return nil
}
