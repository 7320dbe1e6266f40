package chat_test

import (
	"testing"
	"time"

	"aiwm-chat/shared/chat"
)

func TestRunClaims(t *testing.T) {
	t.Parallel()
	now := time.Now()
	before, after := now.Add(-time.Second), now.Add(time.Second)
	stop := &chat.RunStop{By: "u1", At: now}
	for name, c := range map[string]struct {
		r       chat.Run
		decided chat.Verdict
		want    chat.Claim
	}{
		"queued":                      {chat.Run{Status: chat.RunQueued}, "", chat.ClaimTake},
		"queued again, stopped":       {chat.Run{Status: chat.RunQueued, Attempt: 1, Stop: stop}, chat.VerdictApproved, chat.ClaimEnd},
		"held":                        {chat.Run{Status: chat.RunActive, LeaseUntil: after}, "", chat.ClaimNothing},
		"held, stopped":               {chat.Run{Status: chat.RunActive, LeaseUntil: after, Stop: stop}, "", chat.ClaimNothing},
		"lease gone":                  {chat.Run{Status: chat.RunActive, LeaseUntil: before}, "", chat.ClaimTakeOver},
		"lease ends now":              {chat.Run{Status: chat.RunActive, LeaseUntil: now}, "", chat.ClaimTakeOver},
		"waits":                       {chat.Run{Status: chat.RunWaiting, ExpiresAt: after}, "", chat.ClaimWait},
		"waits, the call's own":       {chat.Run{Status: chat.RunWaiting, ExpiresAt: after}, chat.VerdictPending, chat.ClaimWait},
		"approved":                    {chat.Run{Status: chat.RunWaiting, ExpiresAt: after}, chat.VerdictApproved, chat.ClaimRequeue},
		"denied":                      {chat.Run{Status: chat.RunWaiting, ExpiresAt: after}, chat.VerdictDenied, chat.ClaimRequeue},
		"expired, and nobody said so": {chat.Run{Status: chat.RunWaiting, ExpiresAt: before}, "", chat.ClaimExpire},
		"expired":                     {chat.Run{Status: chat.RunWaiting, ExpiresAt: before}, chat.VerdictExpired, chat.ClaimRequeue},
		"approved at the last moment": {chat.Run{Status: chat.RunWaiting, ExpiresAt: before}, chat.VerdictApproved, chat.ClaimRequeue},
		"superseded":                  {chat.Run{Status: chat.RunWaiting, ExpiresAt: after}, chat.VerdictSuperseded, chat.ClaimSettle},
		"its call was stopped":        {chat.Run{Status: chat.RunWaiting, ExpiresAt: after}, chat.VerdictStopped, chat.ClaimSettle},
		"waits, stopped":              {chat.Run{Status: chat.RunWaiting, ExpiresAt: after, Stop: stop}, chat.VerdictApproved, chat.ClaimEnd},
		"complete":                    {chat.Run{Status: chat.RunComplete, Stop: stop}, "", chat.ClaimNothing},
		"cancelled":                   {chat.Run{Status: chat.RunCancelled}, chat.VerdictApproved, chat.ClaimNothing},
		"failed":                      {chat.Run{Status: chat.RunFailed}, "", chat.ClaimNothing},
	} {
		if got := c.r.Claims(c.decided, now); got != c.want {
			t.Errorf("%s: %s, want %s", name, got, c.want)
		}
	}
}

func TestSupersedes(t *testing.T) {
	t.Parallel()
	newer := chat.Run{ID: "2", ConversationID: "c", AgentID: "a", Place: 5}
	waiting := func(change func(*chat.Run)) chat.Run {
		r := chat.Run{ID: "1", ConversationID: "c", AgentID: "a", Status: chat.RunWaiting, Place: 1, WaitsSeq: 3}
		if change != nil {
			change(&r)
		}
		return r
	}
	for name, c := range map[string]struct {
		other chat.Run
		want  bool
	}{
		"an older call":                     {waiting(nil), true},
		"regenerated right after":           {waiting(func(r *chat.Run) { r.WaitsSeq = 5 }), true},
		"a call after the question":         {waiting(func(r *chat.Run) { r.WaitsSeq = 6 }), false},
		"itself":                            {waiting(func(r *chat.Run) { r.ID = "2" }), false},
		"another agent's":                   {waiting(func(r *chat.Run) { r.AgentID = "b" }), false},
		"in another conversation":           {waiting(func(r *chat.Run) { r.ConversationID = "d" }), false},
		"queued again: it was decided":      {waiting(func(r *chat.Run) { r.Status = chat.RunQueued }), false},
		"over, whatever it once waited for": {waiting(func(r *chat.Run) { r.Status = chat.RunComplete }), false},
	} {
		if got := newer.Supersedes(c.other); got != c.want {
			t.Errorf("%s: %v", name, got)
		}
	}
}

func TestUsageQueryCheck(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		q    chat.UsageQuery
		want string
	}{
		{chat.UsageQuery{From: "2026-11-01", To: "2026-11-30", GroupBy: chat.UsageByDay}, ""},
		{chat.UsageQuery{From: "2026-11-01", To: "2026-11-01", GroupBy: chat.UsageByAgent}, ""},
		{chat.UsageQuery{From: "2025-11-29", To: "2026-11-29", GroupBy: chat.UsageByUser}, ""},
		{chat.UsageQuery{From: "2025-11-28", To: "2026-11-29", GroupBy: chat.UsageByUser}, "to"},
		{chat.UsageQuery{From: "2026-11-02", To: "2026-11-01", GroupBy: chat.UsageByDay}, "to"},
		{chat.UsageQuery{From: "2026-02-30", To: "2026-03-01", GroupBy: chat.UsageByDay}, "from,to"},
		{chat.UsageQuery{From: "2026-3-1", To: "2026-03-01T00:00:00Z", GroupBy: "week"}, "from,groupBy,to"},
	} {
		var f chat.Faults
		c.q.Check(&f)
		if got := faulty(f); got != c.want {
			t.Errorf("%+v: %v, want %q", c.q, f.Err(), c.want)
		}
	}
	if d := chat.DayOf(time.Date(2026, 3, 1, 23, 30, 0, 0, time.FixedZone("", -3600))); d != "2026-03-02" {
		t.Errorf("the day is %s", d)
	}
}

func FuzzDay(f *testing.F) {
	f.Add("2026-11-28")
	f.Fuzz(func(t *testing.T, s string) {
		if d := chat.Day(s); d.Valid() && len(s) != len("2006-01-02") {
			t.Errorf("%q is a day", s)
		}
	})
}

// Two questions that were asked at once, neither of whose runs was there when the other's was
// admitted: the one that was claimed later is not answered.
func TestRejectedFor(t *testing.T) {
	t.Parallel()
	now := time.Now()
	mine := chat.Run{ID: "mine", Status: chat.RunActive, Attempt: 1, CreatedAt: now, Alone: true}
	busy := chat.Run{ID: "other", Status: chat.RunActive, Attempt: 1}
	over := chat.Run{ID: "other", Status: chat.RunComplete, Attempt: 1, EndedAt: now.Add(time.Second)}
	with := func(r chat.Run, change func(*chat.Run)) chat.Run { change(&r); return r }
	for name, c := range map[string]struct {
		mine, other chat.Run
		want        bool
	}{
		"busy":                  {mine, busy, true},
		"ended meanwhile":       {mine, over, true},
		"failed meanwhile":      {mine, with(over, func(r *chat.Run) { r.Status, r.Error = chat.RunFailed, chat.Unavailable }), true},
		"ended before":          {mine, with(over, func(r *chat.Run) { r.EndedAt = now }), false},
		"the policy is another": {with(mine, func(r *chat.Run) { r.Alone = false }), over, false},
		"itself":                {mine, with(busy, func(r *chat.Run) { r.ID = "mine" }), false},
		"queued":                {mine, chat.Run{ID: "other", Status: chat.RunQueued}, false},
		"waits":                 {mine, with(busy, func(r *chat.Run) { r.Status, r.WaitsFor = chat.RunWaiting, "c" }), false},
		"waited":                {mine, with(over, func(r *chat.Run) { r.WaitsFor = "c" }), false},
		"has waited itself":     {with(mine, func(r *chat.Run) { r.WaitsFor = "c" }), over, false},
		"never begun":           {mine, with(over, func(r *chat.Run) { r.Attempt = 0 }), false},
		"rejected itself":       {mine, with(over, func(r *chat.Run) { r.Status, r.Error = chat.RunCancelled, chat.Conflict }), false},
	} {
		if got := c.mine.RejectedFor(c.other); got != c.want {
			t.Errorf("%s: %v", name, got)
		}
	}
}
