package mongostore

import (
	"context"
	"errors"
	"maps"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"aiwm-chat/shared/chat"
)

// What follows are the compare-and-sets of a run, each of which is one of the steps that
// local/model/runs checks: whoever changes a filter here changes it there first.
//
// They are acknowledged by a majority. Each names itself in the run, so that one that was lost
// and attempted again knows what it has done itself.

// move is a compare-and-set of a run: find is the run, or what it is of; condition is what it
// has to be like. It reports whether it was done. One round trip.
func (s *Store) move(ctx context.Context, step string, find, condition bson.M, update bson.M, order bson.D) (run chat.Run, moved bool, err error) {
	filter, name := maps.Clone(find), bson.NewObjectID()
	maps.Copy(filter, condition)
	update["$set"].(bson.M)["move"] = name
	opts := options.FindOneAndUpdate().SetReturnDocument(options.After)
	if order != nil {
		opts.SetSort(order)
	}
	own := maps.Clone(find)
	own["move"] = name
	var d runDoc
	tries := 0
	err = s.attempt(ctx, func(ctx context.Context) error {
		tries++
		err := decode(s.runs.now().FindOneAndUpdate(ctx, filter, update, opts), &d, step, errNotMine)
		if tries > 1 && (errors.Is(err, errNotMine) || mongo.IsDuplicateKeyError(err)) {
			return decode(s.runs.now().FindOne(ctx, own), &d, step, errNotMine)
		}
		return err
	})
	if errors.Is(err, errNotMine) || mongo.IsDuplicateKeyError(err) {
		return chat.Run{}, false, nil
	}
	if err != nil {
		return chat.Run{}, false, err
	}
	return d.run(), true, nil
}

// held is the run that somebody holds: it is active, and of the attempt that they know.
func held(r chat.Run) bson.M { return bson.M{"attempt": r.Attempt, "status": chat.RunActive} }

// verdict says why a compare-and-set of who holds r was not done. One round trip.
func (s *Store) verdict(ctx context.Context, r chat.Run) (chat.Run, chat.RunVerdict, error) {
	now, err := s.Run(ctx, r.OrgID, r.ID)
	switch {
	case err != nil:
		return chat.Run{}, "", err
	case now.Attempt == r.Attempt && now.Status == chat.RunActive && now.Stop != nil:
		return now, chat.RunStopped, nil
	}
	return now, chat.RunLost, nil
}

// TakeRun makes the oldest queued run of an agent in a conversation active, and the caller the
// one who holds it until lease. taken is false where none is queued, or one is active: that is
// the unique index of busy runs. The run that is taken may be one that somebody wants to end. It
// takes one round trip.
func (s *Store) TakeRun(ctx context.Context, id chat.ConversationID, agent chat.PrincipalID, now, lease time.Time) (run chat.Run, taken bool, err error) {
	update := claim(now, lease)
	update["$set"].(bson.M)["startedAt"] = millis(now)
	return s.move(ctx, "take a run", bson.M{"conversationId": id, "agentId": agent}, bson.M{"status": chat.RunQueued}, update, runOrder)
}

func claim(now, lease time.Time) bson.M {
	lease = millis(lease)
	return bson.M{
		"$set": bson.M{"status": chat.RunActive, "busy": true, "leaseUntil": lease, "dueAt": lease, "updatedAt": millis(now)},
		"$inc": bson.M{"attempt": int64(1)}, "$unset": bson.M{"handed": "", "decided": ""},
	}
}

// TakeOverRun makes the caller the one who holds a run whose lease is gone. A lease that was
// lost, and not handed over, is counted: the caller ends a run as failed that has lost
// chat.MaxLostLeases. taken is false where anything happened to it since r was read. It takes
// one round trip.
func (s *Store) TakeOverRun(ctx context.Context, r chat.Run, now, lease time.Time) (run chat.Run, taken bool, err error) {
	update, condition := claim(now, lease), held(r)
	condition["leaseUntil"] = bson.M{"$lte": millis(now)}
	condition["handed"] = missing
	if r.Handed {
		condition["handed"] = true
	} else {
		update["$inc"].(bson.M)["failures"] = 1
	}
	return s.move(ctx, "take a run over", bson.M{"_id": r.ID}, condition, update, nil)
}

// RenewRun prolongs the lease of who holds a run and notes how far it is: what it has cost, and
// its steps, are those of the whole run. The answer has the run as it is now: its Stop is to be
// looked at. It takes one round trip, and one more where the run is lost.
func (s *Store) RenewRun(ctx context.Context, r chat.Run, now, lease time.Time) (chat.Run, chat.RunVerdict, error) {
	lease = millis(lease)
	return s.step(ctx, "renew a lease", r, held(r), bson.M{"$set": bson.M{
		"leaseUntil": lease, "dueAt": lease, "updatedAt": millis(now), "usage": usageDoc(r.Usage), "steps": r.Steps, "agentVersion": r.AgentVersion,
	}})
}

// step is a compare-and-set of who holds r.
func (s *Store) step(ctx context.Context, step string, r chat.Run, condition, update bson.M) (chat.Run, chat.RunVerdict, error) {
	now, moved, err := s.move(ctx, step, bson.M{"_id": r.ID}, condition, update, nil)
	switch {
	case err != nil:
		return chat.Run{}, "", err
	case moved:
		return now, chat.RunHeld, nil
	}
	return s.verdict(ctx, r)
}

// HandOverRun gives the lease of a run up, between two steps, so that the next job takes it
// over at once: the caller enqueues that afterwards. It takes one round trip, and one more where
// the run is lost.
func (s *Store) HandOverRun(ctx context.Context, r chat.Run, now time.Time) (chat.RunVerdict, error) {
	now = millis(now)
	_, v, err := s.step(ctx, "hand a run over", r, held(r), bson.M{"$set": bson.M{
		"leaseUntil": now, "dueAt": now, "handed": true, "updatedAt": now, "usage": usageDoc(r.Usage), "steps": r.Steps,
	}})
	return v, err
}

// BeginCall notes that who holds a run is about to make a tool call, once for ever: RunBegun
// says that it was noted before, also by the same attempt. Nothing is begun of a run that
// somebody wants to end. It takes one round trip, and one more where the call must not be made.
func (s *Store) BeginCall(ctx context.Context, r chat.Run, call chat.CallID) (chat.RunVerdict, error) {
	condition, field := held(r), "executing."+string(call)
	condition["stop"], condition[field] = missing, missing
	now, v, err := s.step(ctx, "begin a tool call", r, condition, bson.M{"$set": bson.M{field: r.Attempt}})
	if v == chat.RunLost && now.Attempt == r.Attempt && now.Status == chat.RunActive {
		v = chat.RunBegun // nothing else is in the way
	}
	return v, err
}

// WaitRun has a run wait for a decision about a call, whose message has a seq, until expires: it
// is no longer busy, and how long it was is kept. The caller looks for the decision, and for a
// stop, afterwards, and takes the oldest queued run. Nothing waits of a run that somebody wants
// to end. It takes one round trip, and one more where the run does not wait.
func (s *Store) WaitRun(ctx context.Context, r chat.Run, call chat.CallID, seq int64, expires, now time.Time) (chat.Run, chat.RunVerdict, error) {
	condition := held(r)
	condition["stop"] = missing
	due := now.Add(runPatience)
	if expires.Before(due) {
		due = expires
	}
	return s.step(ctx, "set a run waiting", r, condition, bson.M{
		"$set": bson.M{
			"status": chat.RunWaiting, "waitsFor": call, "waitsSeq": seq, "expiresAt": millis(expires), "updatedAt": millis(now),
			"dueAt": millis(due), "usage": usageDoc(r.Usage), "steps": r.Steps, "activeMs": r.ActiveAt(now).Milliseconds(),
		},
		"$unset": bson.M{"busy": "", "leaseUntil": ""},
	})
}

// RequeueRun puts a run whose call is decided back to its place in the queue. queued is false
// where it does not wait as r does, or somebody wants it to end. It takes one round trip.
func (s *Store) RequeueRun(ctx context.Context, r chat.Run, now time.Time) (run chat.Run, queued bool, err error) {
	return s.move(ctx, "queue a run again", bson.M{"_id": r.ID},
		bson.M{"status": chat.RunWaiting, "attempt": r.Attempt, "stop": missing},
		bson.M{
			"$set":   bson.M{"status": chat.RunQueued, "updatedAt": millis(now), "dueAt": millis(now.Add(runPatience))},
			"$unset": bson.M{"decided": ""},
		}, nil)
}

// EndRun sets the status that the log says of a run, with what it has cost and its error. Who
// holds it may, and of one that is not busy who has closed the log; ended is false where another
// attempt has begun since r was read, or it is over. Whoever ends a run takes the oldest queued
// one then. It takes one round trip.
func (s *Store) EndRun(ctx context.Context, r chat.Run, status chat.RunStatus, now time.Time) (run chat.Run, ended bool, err error) {
	set := bson.M{"status": status, "endedAt": millis(now), "updatedAt": millis(now), "usage": usageDoc(r.Usage), "steps": r.Steps}
	if r.Error != "" {
		set["error"] = r.Error
	}
	return s.move(ctx, "end a run", bson.M{"_id": r.ID}, bson.M{"attempt": r.Attempt, "status": openStates}, bson.M{
		"$set": set, "$unset": bson.M{"busy": "", "leaseUntil": "", "dueAt": "", "handed": "", "decided": ""},
	}, nil)
}

// StopRun wants a run to end. One that was never claimed is over at once; of any other it is
// noted, and who holds it sees that with its next step. What is neither over nor active then
// needs a job, which ends it, and is due where that is lost. When an active one is due is the
// end of its lease and stays that: who holds it may be dead. Who wanted it first stays noted.
// It takes one to four round trips.
func (s *Store) StopRun(ctx context.Context, org chat.OrgID, id chat.RunID, by chat.PrincipalID, now time.Time) (chat.Run, error) {
	now = millis(now)
	stop := runStopDoc{By: by, At: now}
	run, stopped, err := s.move(ctx, "stop a run", bson.M{"_id": id, "orgId": org}, bson.M{"status": chat.RunQueued, "attempt": int64(0)}, bson.M{
		"$set":   bson.M{"status": chat.RunCancelled, "stop": stop, "endedAt": now, "updatedAt": now},
		"$unset": bson.M{"dueAt": ""},
	}, nil)
	if err != nil || stopped {
		return run, err
	}
	// What is set waiting between these two has just become due within a minute.
	for _, note := range []struct{ of, set bson.M }{
		{bson.M{"status": bson.M{"$in": []chat.RunStatus{chat.RunQueued, chat.RunWaiting}}}, bson.M{"stop": stop, "dueAt": now.Add(runPatience)}},
		{bson.M{"status": openStates}, bson.M{"stop": stop}},
	} {
		filter := bson.M{"_id": id, "orgId": org, "stop": missing}
		maps.Copy(filter, note.of)
		var d runDoc
		err := s.attempt(ctx, func(ctx context.Context) error {
			return decode(s.runs.now().FindOneAndUpdate(ctx, filter, bson.M{"$set": note.set},
				options.FindOneAndUpdate().SetReturnDocument(options.After)), &d, "stop a run", errNotMine)
		})
		if err == nil {
			return d.run(), nil
		}
		if !errors.Is(err, errNotMine) {
			return chat.Run{}, err
		}
	}
	return s.Run(ctx, org, id) // it is over, or stopped already
}
