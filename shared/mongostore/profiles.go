package mongostore

import (
	"context"
	"errors"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"aiwm-chat/shared/chat"
)

// What somebody sets of an agent is in the document that SetAgentStatus writes, which need not
// be there: a managed agent never connects. Who creates, changes and deletes agents is the
// caller's to check.

// CreateAgent keeps what a is to be, and returns it with its version and what was known of its
// connections. It is Conflict where there is an agent of that id, unless that one only connected
// or was deleted. It takes two round trips.
func (s *Store) CreateAgent(ctx context.Context, a chat.AgentProfile) (chat.AgentProfile, error) {
	name := bson.NewObjectID()
	set := profileSet(a, a.CreatedAt)
	set["registered"], set["createdBy"], set["createdAt"], set["change"] = true, a.CreatedBy, millis(a.CreatedAt), name
	filter := bson.M{"_id": agentID(a.Principal()), "orgId": a.OrgID, "agentId": a.ID, "registered": bson.M{"$ne": true}}
	update := bson.M{"$set": set, "$inc": bson.M{"version": int64(1)}, "$unset": bson.M{"deletedAt": ""}}
	tries := 0
	err := s.attempt(ctx, func(ctx context.Context) error {
		tries++
		_, err := s.agents.now().UpdateOne(ctx, filter, update, options.UpdateOne().SetUpsert(true))
		if mongo.IsDuplicateKeyError(err) && tries == 1 {
			// Registered, or its status was set at this moment for the first time.
			_, err = s.agents.now().UpdateOne(ctx, filter, update)
		}
		if mongo.IsDuplicateKeyError(err) {
			return nil // what there is says whose it is
		}
		return failed("create an agent", err)
	})
	if err != nil {
		return chat.AgentProfile{}, err
	}
	var d profileDoc
	own := bson.M{"_id": agentID(a.Principal()), "change": name}
	if err := findOne(ctx, s.agents, own, &d, "read an agent", chat.Errorf(chat.Conflict, "there is an agent of this id")); err != nil {
		return chat.AgentProfile{}, err
	}
	return d.profile(), nil
}

// profileSet is what somebody sets of an agent.
func profileSet(a chat.AgentProfile, now time.Time) bson.M {
	return bson.M{"name": a.Name, "description": a.Description, "managed": newManagedDoc(a.Managed), "updatedAt": millis(now)}
}

// Agent returns an agent of an organisation: also one that nobody created, if it ever connected.
// It takes one round trip.
func (s *Store) Agent(ctx context.Context, agent chat.Principal) (chat.AgentProfile, error) {
	var d profileDoc
	filter := bson.M{"_id": agentID(agent), "orgId": agent.OrgID, "deletedAt": missing}
	if err := findOne(ctx, s.agents, filter, &d, "read an agent", noAgent()); err != nil {
		return chat.AgentProfile{}, err
	}
	return d.profile(), nil
}

// maxAgents bounds one read of agents; with the longest instructions that is 2 MB.
const maxAgents = 100

// Agents returns the agents of an organisation by their id, those after one that a page before
// ended with. At most limit (100), and not more than about 0.75 MB of them; more says that there
// are others. It takes one round trip.
func (s *Store) Agents(ctx context.Context, org chat.OrgID, after chat.PrincipalID, limit int) (agents []chat.AgentProfile, more bool, err error) {
	limit = min(max(limit, 1), maxAgents)
	filter := bson.M{"orgId": org, "agentId": bson.M{"$gt": after}, "deletedAt": missing}
	docs, more, err := findWithin[profileDoc](ctx, s.agents, filter, "read the agents",
		options.Find().SetSort(by("agentId")).SetLimit(int64(limit)+1).SetBatchSize(int32(limit)+1), maxMessageBytes)
	if err != nil {
		return nil, false, err
	}
	if len(docs) > limit {
		docs, more = docs[:limit], true
	}
	for i := range docs {
		agents = append(agents, docs[i].profile())
	}
	return agents, more, nil
}

// UpdateAgent changes what somebody set of an agent whose version is that of a: else it is
// Conflict, and details have the version. It takes one round trip, and one more where nothing is
// changed.
func (s *Store) UpdateAgent(ctx context.Context, a chat.AgentProfile, now time.Time) (chat.AgentProfile, error) {
	return s.changeAgent(ctx, a.Principal(), a.Version, bson.M{"$set": profileSet(a, now)}, "change an agent")
}

// DeleteAgent forgets what somebody set of an agent, whatever its version: nobody answers for it
// any more, its messages stay. It takes one round trip.
func (s *Store) DeleteAgent(ctx context.Context, agent chat.Principal, now time.Time) error {
	_, err := s.changeAgent(ctx, agent, 0, bson.M{
		"$set":   bson.M{"deletedAt": millis(now)},
		"$unset": bson.M{"registered": "", "name": "", "description": "", "managed": "", "createdBy": "", "createdAt": "", "updatedAt": ""},
	}, "delete an agent")
	return err
}

func (s *Store) changeAgent(ctx context.Context, agent chat.Principal, version int64, update bson.M, step string) (chat.AgentProfile, error) {
	name := bson.NewObjectID() // of this change, so that one that was lost and attempted again knows itself
	filter := bson.M{"_id": agentID(agent), "orgId": agent.OrgID, "registered": true}
	if version != 0 {
		filter["version"] = version
	}
	update["$inc"] = bson.M{"version": int64(1)}
	update["$set"].(bson.M)["change"] = name
	var d profileDoc
	tries := 0
	err := s.attempt(ctx, func(ctx context.Context) error {
		tries++
		err := decode(s.agents.now().FindOneAndUpdate(ctx, filter, update, options.FindOneAndUpdate().SetReturnDocument(options.After)), &d, step, errNotMine)
		if tries > 1 && errors.Is(err, errNotMine) {
			return decode(s.agents.now().FindOne(ctx, bson.M{"_id": agentID(agent), "change": name}), &d, step, errNotMine)
		}
		return err
	})
	if errors.Is(err, errNotMine) {
		return chat.AgentProfile{}, s.unchanged(ctx, agent)
	}
	if err != nil {
		return chat.AgentProfile{}, err
	}
	return d.profile(), nil
}

// unchanged says why an agent was not changed.
func (s *Store) unchanged(ctx context.Context, agent chat.Principal) error {
	now, err := s.Agent(ctx, agent)
	if err != nil {
		return err
	}
	if now.CreatedAt.IsZero() {
		return noAgent() // it only connected
	}
	return chat.Detailed(chat.Errorf(chat.Conflict, "the agent has been changed since: read it again"), "version", now.Version)
}

func noAgent() error { return chat.Errorf(chat.NotFound, "there is no such agent") }
