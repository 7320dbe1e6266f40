package mongostore

import (
	"context"
	"slices"
	"strings"

	"go.mongodb.org/mongo-driver/v2/bson"

	"aiwm-chat/shared/chat"
)

// MaxUsageSums is how many sums one answer about usage has at most: those that cost most.
const MaxUsageSums = 1000

// UsageSums adds up what runs cost, those of today as far as they are: by day in the order of
// days, else the most expensive first. It takes one round trip; the database reads an entry and a
// document for each run of those days.
func (s *Store) UsageSums(ctx context.Context, q chat.UsageQuery) ([]chat.UsageSum, error) {
	match := bson.M{"orgId": q.OrgID, "day": bson.M{"$gte": q.From, "$lte": q.To}}
	if q.UserID != "" {
		match["userId"] = q.UserID
	}
	field := map[chat.UsageGroup]string{chat.UsageByAgent: "$agentId", chat.UsageByUser: "$userId", chat.UsageByDay: "$day"}[q.GroupBy]
	sums, err := s.sums(ctx, match, field)
	if err != nil {
		return nil, err
	}
	slices.SortFunc(sums, func(a, b chat.UsageSum) int {
		if d := b.Usage.TotalTokens - a.Usage.TotalTokens; d != 0 && q.GroupBy != chat.UsageByDay {
			return int(d)
		}
		return strings.Compare(a.Key, b.Key)
	})
	return sums[:min(len(sums), MaxUsageSums)], nil
}

// TokensOfDay is what an agent's runs of a day have cost so far, for its budget. It takes one
// round trip.
func (s *Store) TokensOfDay(ctx context.Context, agent chat.Principal, day chat.Day) (int64, error) {
	sums, err := s.sums(ctx, bson.M{"orgId": agent.OrgID, "day": day, "agentId": agent.ID}, "$agentId")
	if err != nil || len(sums) == 0 {
		return 0, err
	}
	return sums[0].Usage.TotalTokens, nil
}

func (s *Store) sums(ctx context.Context, match bson.M, field string) (sums []chat.UsageSum, err error) {
	const step = "add usage up"
	of := func(name string) bson.M { return bson.M{"$sum": "$usage." + name} }
	pipeline := []bson.M{{"$match": match}, {"$group": bson.M{
		"_id": field, "runs": bson.M{"$sum": 1},
		"promptTokens": of("promptTokens"), "completionTokens": of("completionTokens"), "totalTokens": of("totalTokens"),
	}}}
	type sumDoc struct {
		Key   string   `bson:"_id"`
		Runs  int64    `bson:"runs"`
		Usage usageDoc `bson:",inline"`
	}
	err = s.attempt(ctx, func(ctx context.Context) error {
		cursor, err := s.runs.now().Aggregate(ctx, pipeline)
		if err != nil {
			return failed(step, err)
		}
		sums = nil
		return decodeAll(ctx, cursor, step, func(d sumDoc, _ int) bool {
			sums = append(sums, chat.UsageSum{Key: d.Key, Runs: d.Runs, Usage: chat.Usage(d.Usage)})
			return true
		})
	})
	return sums, err
}
