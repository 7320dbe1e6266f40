package handler_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"aiwm-chat/functions/sweep/handler"
	"aiwm-chat/shared/observe/observetest"
)

// What sweep tells of the oldest message of which something is due, in seconds: 0
// where nothing is, and no number where it could not look.
func TestOldestDue(t *testing.T) {
	for name, row := range map[string]struct {
		ages []time.Duration
		fail bool
		want any
	}{
		"nothing is due":     {nil, false, 0.0},
		"not for long":       {[]time.Duration{time.Minute, 5 * time.Minute, 2 * time.Minute}, false, 300.0},
		"it cannot be found": {[]time.Duration{time.Minute}, true, nil},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld()
				if row.fail {
					w.fail["DueBefore "] = errDown
				}
				for i, age := range row.ages {
					m := message(string(rune('a'+i)), age)
					w.due = append(w.due, &m)
					w.byID[m.ID] = &m
				}
				numbers := observetest.Numbers(t, func(ctx context.Context) {
					if err := handler.New(w, w, w, w, w, w).Handle(ctx); (err != nil) != row.fail {
						t.Error(err)
					}
				})
				observetest.Check(t, "the numbers", numbers, map[string]any{"OldestDue": row.want})
			})
		})
	}
}
