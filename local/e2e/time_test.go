package e2e_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"aiwm-chat/local/client"
	"aiwm-chat/local/server"
)

// API Gateway's ten minutes without a message, and its two hours at most, in
// seconds: who is silent is closed, who pings stays until the end.
func TestTimeScale(t *testing.T) {
	t.Parallel()
	o := options()
	o.TimeScale = 600 // idle 1 s, at most 12 s
	s := start(t, o)
	luckily(t, func() error { return outlive(t, s) }) // who cannot ping for a second is silent as well
}

// outlive pings on one connection until that ends, and meanwhile has others that
// are silent. The pings wait for nothing else: those others take their time to come.
func outlive(t *testing.T, s *server.Server) error {
	silent, talking := newUser(t, s).connect(), newUser(t, s)
	opened := time.Now()
	talking.connect()
	go func() { // ends with the connection
		ping := time.NewTicker(50 * time.Millisecond)
		defer ping.Stop()
		for {
			select {
			case <-talking.Done():
				return
			case <-ping.C:
				sendPing(t, talking.Client)
			}
		}
	}()
	outlived := 0
	for {
		select {
		case <-talking.Done():
			if code := talking.CloseCode(); code != 1001 {
				t.Errorf("the end of the two hours has code %d", code)
			}
			if took := time.Since(opened); outlived == 0 || took < 12*time.Second {
				return fmt.Errorf("the pinging connection was closed after %v", took)
			}
			return nil
		case <-silent.Done():
			if code := silent.CloseCode(); code != 1001 {
				t.Fatalf("the silent connection was closed with %d", code)
			}
			outlived++
			silent = newUser(t, s).connect()
		case <-time.After(patience):
			t.Fatal("nothing closes")
		}
	}
}

// sendPing may fail: the connection is closed by the clock of the server.
func sendPing(t *testing.T, c *client.Client) {
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	_ = c.Send(ctx, fields{"action": "ping"})
}
