// Package drain is how what works in the background comes to its end.
package drain

import (
	"context"
	"sync"
)

// Wait waits for the groups, one after the other: nothing may be added to one
// that has been waited for. When ctx is done first it calls cancel, which must
// make what is left end soon, waits on, and returns the error of ctx. It always
// calls cancel, and nothing of the groups is left when it returns.
func Wait(ctx context.Context, cancel context.CancelFunc, groups ...*sync.WaitGroup) (err error) {
	done := make(chan struct{})
	go func() {
		for _, g := range groups {
			g.Wait()
		}
		close(done)
	}()
	select {
	case <-done:
	case <-ctx.Done():
		err = ctx.Err()
	}
	cancel()
	<-done
	return err
}
