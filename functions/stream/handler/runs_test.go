package handler_test

import (
	"context"
	"time"

	"aiwm-chat/shared/chat"
	"aiwm-chat/shared/protocol"
)

// Agent is none that we run: that is the tests' of answer.
func (w *world) Agent(context.Context, chat.Principal) (chat.AgentProfile, error) {
	return chat.AgentProfile{}, nil
}

func (w *world) QueueRun(_ context.Context, r chat.Run) (chat.Run, bool, error) { return r, true, nil }

func (w *world) OpenRuns(context.Context, chat.ConversationID, chat.PrincipalID) ([]chat.Run, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.runs, nil
}

func (w *world) StopRun(_ context.Context, _ chat.OrgID, id chat.RunID, by chat.PrincipalID, now time.Time) (chat.Run, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for i := range w.runs {
		if r := &w.runs[i]; r.ID == id {
			if r.Stop = (&chat.RunStop{By: by, At: now}); r.Attempt == 0 {
				r.Status = chat.RunCancelled
			}
			return *r, nil
		}
	}
	return chat.Run{}, chat.Errorf(chat.NotFound, "there is no such run")
}

func (w *world) RunDecided(context.Context, chat.RunID, time.Time) error { return nil }

func (w *world) EnqueueRun(_ context.Context, job protocol.RunJob) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.runJobs = append(w.runJobs, job)
	return nil
}
