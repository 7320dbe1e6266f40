package mongostore

import (
	"context"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"aiwm-chat/shared/chat"
)

// Runs are written and read with majority concern, all of them: what a compare-and-set said
// may not be rolled back under who goes on by it. None of these operations checks access.

const (
	// runPatience is after how long somebody looks at a run that nobody took up, or that
	// somebody set waiting and did not look at again.
	runPatience = time.Minute
	// maxRuns bounds one read of runs.
	maxRuns = 200
)

// openStates are those of runs that are not over.
var openStates = bson.M{"$in": []chat.RunStatus{chat.RunQueued, chat.RunActive, chat.RunWaiting}}

// QueueRun inserts a run that is queued, or one that ended before it began. Where it is there
// already nothing changes: inserted is false, and it is returned as it is now. So it may be
// repeated, and who enqueues its job does so afterwards. It takes one round trip, or two where
// the run is there.
func (s *Store) QueueRun(ctx context.Context, r chat.Run) (now chat.Run, inserted bool, err error) {
	if !r.Status.Over() {
		r.DueAt = r.CreatedAt.Add(runPatience)
	}
	d := newRunDoc(r)
	err = s.attempt(ctx, func(ctx context.Context) error {
		_, err := s.runs.now().InsertOne(ctx, d)
		return failed("queue a run", err)
	})
	if mongo.IsDuplicateKeyError(err) {
		now, err = s.Run(ctx, r.OrgID, r.ID)
		return now, false, err
	}
	if err != nil {
		return chat.Run{}, false, err
	}
	return d.run(), true, nil
}

// Run returns a run of an organisation. It takes one round trip.
func (s *Store) Run(ctx context.Context, org chat.OrgID, id chat.RunID) (chat.Run, error) {
	var d runDoc
	if err := findOne(ctx, s.runs, bson.M{"_id": id, "orgId": org}, &d, "read a run", noRun()); err != nil {
		return chat.Run{}, err
	}
	return d.run(), nil
}

// Runs returns runs of a conversation, the newest first: those before a run that a page before
// ended with, "" for the first page; with one of another conversation it is chat.NotFound. At
// most limit (200); more says that there are older ones. It takes one round trip, and three for
// a page that is not the first.
func (s *Store) Runs(ctx context.Context, org chat.OrgID, id chat.ConversationID, before chat.RunID, limit int) (runs []chat.Run, more bool, err error) {
	const step = "read the runs of a conversation"
	limit = min(max(limit, 1), maxRuns)
	filter := bson.M{"conversationId": id, "orgId": org}
	var docs []runDoc
	read := func() error {
		page, err := find[runDoc](ctx, s.runs, filter, step, options.Find().SetSort(by("-createdAt", "-_id")).SetLimit(int64(limit+1-len(docs))))
		docs = append(docs, page...)
		return err
	}
	if before != "" {
		last, err := s.Run(ctx, org, before)
		if err == nil && last.ConversationID != id { // of another one there is nothing to learn
			err = noRun()
		}
		if err != nil {
			return nil, false, err
		}
		filter["createdAt"], filter["_id"] = millis(last.CreatedAt), bson.M{"$lt": before}
		if err := read(); err != nil {
			return nil, false, err
		}
		delete(filter, "_id")
		filter["createdAt"] = bson.M{"$lt": millis(last.CreatedAt)}
	}
	if len(docs) <= limit {
		if err := read(); err != nil {
			return nil, false, err
		}
	}
	if more = len(docs) > limit; more {
		docs = docs[:limit]
	}
	return toRuns(docs), more, nil
}

// OpenRuns returns all runs of an agent in a conversation that are not over, the oldest first:
// those of each of its agents where agent is "". It has no limit, for who stops spares none: each
// is of a message, and how many of those come is limited. It takes one round trip, and one more
// for each batch of many.
func (s *Store) OpenRuns(ctx context.Context, id chat.ConversationID, agent chat.PrincipalID) ([]chat.Run, error) {
	filter := bson.M{"conversationId": id, "status": openStates}
	if agent != "" {
		filter["agentId"] = agent
	}
	docs, err := find[runDoc](ctx, s.runs, filter, "read the runs that go on", options.Find().SetSort(runOrder))
	return toRuns(docs), err
}

// RunsBeside returns the runs of an agent in a conversation that may have been queued while one
// was that looked for others before: those that were asked for at most chat.MaxQueueing before
// it, or later, the newest first and at most 200. It takes one round trip.
func (s *Store) RunsBeside(ctx context.Context, r chat.Run) ([]chat.Run, error) {
	filter := bson.M{"conversationId": r.ConversationID, "agentId": r.AgentID, "createdAt": bson.M{"$gte": millis(r.CreatedAt.Add(-chat.MaxQueueing))}}
	docs, err := find[runDoc](ctx, s.runs, filter, "read the runs beside one", options.Find().SetSort(by("-createdAt", "-_id")).SetLimit(maxRuns))
	return toRuns(docs), err
}

// runOrder is that in which runs of an agent are taken up.
var runOrder = by("place", "createdAt", "_id")

// LatestRun returns the last of an agent's runs for a message, and whether there is one. It
// takes one round trip.
func (s *Store) LatestRun(ctx context.Context, agent chat.Principal, question chat.MessageID) (chat.Run, bool, error) {
	ids := make([]chat.RunID, chat.MaxRegenerations+1)
	for n := range ids {
		ids[n] = chat.NewRunID(agent, question, n)
	}
	docs, err := find[runDoc](ctx, s.runs, bson.M{"_id": bson.M{"$in": ids}, "orgId": agent.OrgID}, "look for the runs of a message",
		options.Find().SetSort(by("-n")).SetLimit(1))
	if err != nil || len(docs) == 0 {
		return chat.Run{}, false, err
	}
	return docs[0].run(), true, nil
}

// DueRuns returns runs that may have been forgotten at now, those first that are due for the
// longest time: queued and not taken up, a lease that is gone, waiting and stopped, decided or
// expired. Whoever has enqueued the job of one calls PutOffRun. At most limit (200). It takes
// one round trip.
func (s *Store) DueRuns(ctx context.Context, now time.Time, limit int) ([]chat.Run, error) {
	docs, err := find[runDoc](ctx, s.runs, bson.M{"dueAt": bson.M{"$lte": millis(now)}}, "read the runs that are due",
		options.Find().SetSort(by("dueAt")).SetLimit(int64(min(max(limit, 1), maxRuns))))
	return toRuns(docs), err
}

// PutOffRun has nobody look at a run before until, unless something happened to it since r was
// read: a decision or a stop that was noted stays due. It takes one round trip.
func (s *Store) PutOffRun(ctx context.Context, r chat.Run, until time.Time) error {
	filter := bson.M{"_id": r.ID, "dueAt": millis(r.DueAt), "status": r.Status, "decided": r.Decided}
	if !r.Decided {
		filter["decided"] = missing
	}
	if r.Stop == nil {
		filter["stop"] = missing
	}
	return s.noteRun(ctx, "put off a run", filter, bson.M{"dueAt": millis(until)})
}

// missing is the condition of a field that it is not there.
var missing = bson.M{"$exists": false}

// RunDecided notes that the call is decided that a run waits for: whoever works off
// chat.EffectCall of a decision calls it before the job is enqueued, so that a job that dies is
// missed. Of a run that does not wait yet there is nothing to note: who sets it waiting looks for
// the decision afterwards. It takes one round trip.
func (s *Store) RunDecided(ctx context.Context, id chat.RunID, now time.Time) error {
	return s.noteRun(ctx, "note a decision", bson.M{"_id": id, "status": chat.RunWaiting},
		bson.M{"decided": true, "dueAt": millis(now.Add(runPatience))})
}

func (s *Store) noteRun(ctx context.Context, step string, filter, set bson.M) error {
	return s.attempt(ctx, func(ctx context.Context) error {
		_, err := s.runs.now().UpdateOne(ctx, filter, bson.M{"$set": set})
		return failed(step, err)
	})
}

func noRun() error { return chat.Errorf(chat.NotFound, "there is no such run") }
