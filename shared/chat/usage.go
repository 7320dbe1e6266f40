package chat

import "time"

// A UsageGroup is what usage is added up by.
type UsageGroup string

// The groups.
const (
	UsageByAgent UsageGroup = "agent"
	UsageByUser  UsageGroup = "user"
	UsageByDay   UsageGroup = "day" // of UTC, by the creation of the runs
)

// Valid reports whether g is one of the three.
func (g UsageGroup) Valid() bool { return g == UsageByAgent || g == UsageByUser || g == UsageByDay }

// A Day is one of UTC, as 2006-01-02.
type Day string

// DayOf returns the day of a time.
func DayOf(t time.Time) Day { return Day(t.UTC().Format(time.DateOnly)) }

// Valid reports whether d is a day that exists, written so that days sort as texts.
func (d Day) Valid() bool {
	t, err := time.Parse(time.DateOnly, string(d))
	return err == nil && t.Format(time.DateOnly) == string(d)
}

// MaxUsageDays is how many days one question about usage may span.
const MaxUsageDays = 366

// A UsageQuery asks for the sums of an organisation's runs that were created on the days
// From to To, both included.
type UsageQuery struct {
	OrgID    OrgID
	From, To Day
	GroupBy  UsageGroup
	UserID   PrincipalID // "": of everybody
}

// Check notes what is wrong with the question.
func (q *UsageQuery) Check(f *Faults) {
	for field, day := range map[string]Day{"from": q.From, "to": q.To} {
		if !day.Valid() {
			f.Add(field, "must be a day such as 2026-11-28")
		}
	}
	if !q.GroupBy.Valid() {
		f.Add("groupBy", "must be agent, user or day")
	}
	from, _ := time.Parse(time.DateOnly, string(q.From))
	to, _ := time.Parse(time.DateOnly, string(q.To))
	if to.Before(from) || to.Sub(from) >= MaxUsageDays*24*time.Hour {
		f.Add("to", "must be from the day of from to %d days later", MaxUsageDays-1)
	}
}

// A UsageSum is what the runs of one key cost.
type UsageSum struct {
	Key   string // an agent's id, a user's, or a day
	Runs  int64
	Usage Usage
}
