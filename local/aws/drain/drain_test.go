package drain_test

import (
	"context"
	"errors"
	"sync"
	"testing"

	"aiwm-chat/local/aws/drain"
)

func TestWaitForWhatEndsByItself(t *testing.T) {
	t.Parallel()
	working, cancel := context.WithCancel(t.Context())
	var first, second sync.WaitGroup
	release := make(chan struct{})
	first.Go(func() { second.Go(func() { <-release }) }) // the first adds to the second
	close(release)
	if err := drain.Wait(t.Context(), cancel, &first, &second); err != nil {
		t.Error(err)
	}
	if working.Err() == nil {
		t.Error("the context of the work was not cancelled")
	}
}

func TestWaitCutsOff(t *testing.T) {
	t.Parallel()
	working, cancel := context.WithCancel(t.Context())
	ended := false
	var group sync.WaitGroup
	group.Go(func() { <-working.Done(); ended = true })
	ctx, giveUp := context.WithCancel(t.Context())
	giveUp()
	if err := drain.Wait(ctx, cancel, &group); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	if !ended {
		t.Error("the work goes on")
	}
}
