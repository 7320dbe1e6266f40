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
		"_id": string(agent.OrgID) + "/" + string(agent.ID), "orgId": agent.OrgID, "agentId": agent.ID,
		"lastConnectedAt": notLater, "lastDisconnectedAt": notLater,
	}
	return attempt(ctx, func(ctx context.Context) error {
		_, err := s.agents.UpdateOne(ctx, filter, bson.M{"$set": set}, options.UpdateOne().SetUpsert(true))
		if mongo.IsDuplicateKeyError(err) {
			// The document exists: either it knows a later event, or it was
			// created at this moment by an event that may be an older one.
			_, err = s.agents.UpdateOne(ctx, filter, bson.M{"$set": set})
		}
		return failed("set the status of an agent", err)
	})
}
