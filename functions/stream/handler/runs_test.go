package handler_test

import (
	"context"
	"slices"
	"testing"
	"time"

	"aiwm-chat/shared/chat"
	"aiwm-chat/shared/protocol"
)

// Agent is none that the backend runs: that is the tests' of answer.
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

func (w *world) IndexMessage(context.Context, chat.Message) error { return nil }

func (w *world) CountReplies(context.Context, chat.Message, time.Time) (*chat.Message, error) {
	return nil, nil
}

func (w *world) RunDecided(context.Context, chat.RunID, time.Time) error { return nil }

func (w *world) EnqueueRun(ctx context.Context, job protocol.RunJob) error {
	return w.EnqueueRunIn(ctx, job, 0)
}

func (*world) Webhooks(context.Context, chat.OrgID) ([]chat.Webhook, error) { return nil, nil }

func (*world) EnqueueWebhook(context.Context, protocol.WebhookJob, time.Duration) error {
	panic("there are no webhooks")
}

// EnqueueRunIn forgets what is to come later: the tests of answer have that.
func (w *world) EnqueueRunIn(_ context.Context, job protocol.RunJob, delay time.Duration) error {
	if delay > 0 {
		return nil
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.runJobs = append(w.runJobs, job)
	return nil
}

func (w *world) End(_ context.Context, r chat.Run, _ chat.Draft, status chat.MessageStatus) (chat.Run, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.ended = append(w.ended, r.ID+chat.RunID(" "+status))
	return r, nil
}

// What the backend runs is stopped by its run: what waits ends at once, who holds one is told.
func TestStopOfRuns(t *testing.T) {
	r := newRedis(t, 0)
	asked := chat.MessageID("65a1b2c3d4e5f60718293a4b")
	id := func(n int) chat.RunID { return chat.NewRunID(agent, asked, n) }
	for name, c := range map[string]struct {
		fields string
		want   []chat.RunID
		ended  []chat.RunID
	}{
		"all":        {"", []chat.RunID{id(0), id(1), id(2)}, []chat.RunID{id(1) + " cancelled"}},
		"its stream": {`,"streamId":"` + string(id(0).Step(3)) + `"`, []chat.RunID{id(0)}, nil},
		"another":    {`,"streamId":"s1"`, nil, nil},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(r)
			w.runs = []chat.Run{
				{ID: id(0), Status: chat.RunActive, LeaseUntil: time.Now().Add(time.Minute), Attempt: 1, ConversationID: w.id, Trigger: asked},
				{ID: id(1), Status: chat.RunWaiting, Attempt: 1, ConversationID: w.id, Trigger: asked},
				{ID: id(2), Status: chat.RunQueued, ConversationID: w.id, Trigger: asked},
			}
			answer := w.frame(t.Context(), reader, "stop", c.fields)
			if answer.Event != protocol.EventStreamStopping || !slices.Equal(answer.Data.RunIDs, c.want) || !slices.Equal(w.ended, c.ended) {
				t.Errorf("%+v, ended %v", answer, w.ended)
			}
			_, told, err := w.Store.QuestionStopped(t.Context(), w.id, chat.MessageID(id(0)))
			if wanted := len(c.want) > 0; err != nil || told != wanted || len(w.runJobs) != len(c.ended) {
				t.Errorf("told %v, %v, jobs %v", told, err, w.runJobs)
			}
		})
	}
}
