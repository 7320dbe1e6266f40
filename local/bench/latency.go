package bench

import (
	"fmt"
	"math"
	"slices"
	"time"
)

// percentile returns the smallest value that at least p percent of the sorted
// values do not exceed (nearest rank), 0 where there are none.
func percentile(sorted []time.Duration, p float64) time.Duration {
	if len(sorted) == 0 {
		return 0
	}
	rank := int(math.Ceil(p / 100 * float64(len(sorted))))
	return sorted[max(rank, 1)-1]
}

// latencies describes values, which it sorts.
func latencies(values []time.Duration) string {
	slices.Sort(values)
	return fmt.Sprintf("p50 %s   p95 %s   p99 %s   max %s", ms(percentile(values, 50)), ms(percentile(values, 95)),
		ms(percentile(values, 99)), ms(percentile(values, 100)))
}

// ms shows a duration in milliseconds, with three significant digits or so.
func ms(d time.Duration) string {
	v := float64(d) / float64(time.Millisecond)
	switch {
	case v < 1:
		return fmt.Sprintf("%.3f ms", v)
	case v < 100:
		return fmt.Sprintf("%.1f ms", v)
	}
	return fmt.Sprintf("%.0f ms", v)
}
