package mongostore

import (
	"context"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"aiwm-chat/shared/chat"
)

// SetAgentStatus notes that an agent's first connection came or its last one
// went at now. An event older than the newest one that is known changes
// nothing: events may arrive in any order. It takes one round trip, or two
// when an event is late.
//
// The id of the document is organisation and agent, so that each agent of each
// organisation has one; no id contains a slash.
func (s *Store) SetAgentStatus(ctx context.Context, agent chat.Principal, online bool, now time.Time) error {
	now = millis(now)
	set := bson.M{"status": "offline", "lastDisconnectedAt": now}
	if online {
		set = bson.M{"status": "online", "lastConnectedAt": now}
	}
	notLater := bson.M{"$not": bson.M{"$gt": now}} // or missing
	filter := bson.M{
		"_id": agentID(agent), "orgId": agent.OrgID, "agentId": agent.ID,
		"lastConnectedAt": notLater, "lastDisconnectedAt": notLater,
	}
	return s.attempt(ctx, func(ctx context.Context) error {
		_, err := s.agents.now().UpdateOne(ctx, filter, bson.M{"$set": set}, options.UpdateOne().SetUpsert(true))
		if mongo.IsDuplicateKeyError(err) {
			// The document exists: either it knows a later event, or it was
			// created at this moment by an event that may be an older one.
			_, err = s.agents.now().UpdateOne(ctx, filter, bson.M{"$set": set})
		}
		return failed("set the status of an agent", err)
	})
}

func agentID(agent chat.Principal) string { return string(agent.OrgID) + "/" + string(agent.ID) }

// settling is how long an agent must have been online until that is looked at:
// its connection may just be opening.
const settling = time.Minute

// UncheckedAgents returns agents that are stored as online for a while: those
// first at which was never looked, or not for the longest time. They are noted as
// looked at now. Two round trips.
func (s *Store) UncheckedAgents(ctx context.Context, now time.Time, limit int) ([]chat.Principal, error) {
	const step = "find agents that are online"
	now = millis(now)
	type agentDoc struct {
		ID      any              `bson:"_id"`
		OrgID   chat.OrgID       `bson:"orgId"`
		AgentID chat.PrincipalID `bson:"agentId"`
	}
	docs, err := find[agentDoc](ctx, s.agents, bson.M{"status": "online", "lastConnectedAt": bson.M{"$lt": now.Add(-settling)}}, step,
		options.Find().SetSort(by("checkedAt")).SetLimit(int64(limit)).SetProjection(bson.M{"orgId": 1, "agentId": 1}))
	if err != nil || len(docs) == 0 {
		return nil, err
	}
	ids := make([]any, len(docs))
	var agents []chat.Principal
	for i, d := range docs {
		ids[i] = d.ID
		a := chat.Principal{Type: chat.Agent, ID: d.AgentID, OrgID: d.OrgID}
		if d.ID == agentID(a) { // what others keep here is not ours to correct, and stops nobody
			agents = append(agents, a)
		}
	}
	err = s.attempt(ctx, func(ctx context.Context) error {
		_, err := s.agents.now().UpdateMany(ctx, bson.M{"_id": bson.M{"$in": ids}}, bson.M{"$set": bson.M{"checkedAt": now}})
		return failed(step, err)
	})
	return agents, err
}
