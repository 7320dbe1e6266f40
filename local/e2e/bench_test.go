package e2e_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"aiwm-chat/local/bench"
)

// The bench of streams sees each piece that it appends: within a second there are fewer
// than a stream may burst. (On a busy machine the end may overtake a piece.)
func TestBenchOfStreams(t *testing.T) {
	t.Parallel()
	s := start(t, options())
	luckily(t, func() error {
		var out strings.Builder
		o := bench.Options{WebSocketURL: s.WebSocketURL(), HTTPURL: s.URL(), Token: s.Token, Streams: 2, Duration: time.Second}
		if err := bench.Run(t.Context(), o, &out); err != nil {
			return err
		}
		if !strings.Contains(out.String(), "40, 40 of them seen by who watches, 0 missing\n") {
			return errors.New(out.String())
		}
		return nil
	})
}
