package handler

import (
	"context"
	"testing"
	"time"

	"aiwm-chat/shared/chat"
)

// A dark is a database that swallows what it is asked.
type dark struct {
	store
	asked chan struct{}
}

func (d dark) Run(ctx context.Context, _ chat.OrgID, _ chat.RunID) (chat.Run, error) {
	close(d.asked)
	<-ctx.Done()
	return chat.Run{}, ctx.Err()
}

type noStop struct{ streams }

func (noStop) StopWanted(context.Context, chat.ConversationID, string, chat.MessageID) (bool, error) {
	return false, nil
}

// Who has done with a run does not wait for a look at it that nobody answers.
func TestReleaseWaitsForNoAnswer(t *testing.T) {
	t.Parallel()
	d := dark{asked: make(chan struct{})}
	h := &Handler{store: d, streams: noStop{}, times: usual}
	h.times.look, h.times.read = time.Millisecond, 0
	o, _ := h.hold(t.Context(), chat.Run{LeaseUntil: time.Now().Add(time.Hour)})
	<-d.asked
	released := make(chan struct{})
	go func() { o.release(); close(released) }()
	select {
	case <-released:
	case <-time.After(10 * time.Second):
		t.Error("it waits")
	}
}
