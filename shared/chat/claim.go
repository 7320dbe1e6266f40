package chat

import "time"

// A Claim is what somebody who has a job for a run does with it.
type Claim string

// The claims. They follow from the run as it is and from what was decided of its call; the
// compare-and-sets of the store see to it that two who read the same do not both do it.
const (
	ClaimNothing  Claim = "nothing"   // it is over, or somebody works on it
	ClaimTake     Claim = "take"      // it is queued: take the oldest that is
	ClaimTakeOver Claim = "take over" // its lease is gone
	ClaimRequeue  Claim = "requeue"   // its call is decided: queue it, then take the oldest
	ClaimEnd      Claim = "end"       // it is stopped, and not busy: decide its call, close the log, set its status
	ClaimSettle   Claim = "settle"    // the log says that it is over: set its status
	ClaimExpire   Claim = "expire"    // nobody decided in time: decide that, then look again
	ClaimWait     Claim = "wait"      // nobody decided yet: note that somebody looked
)

// Claims returns what to do with the run at now, where decided is the verdict about the call
// that it waits for, "" for none.
func (r *Run) Claims(decided Verdict, now time.Time) Claim {
	switch idle := r.Status == RunQueued || r.Status == RunWaiting; {
	case idle && r.Stop != nil:
		return ClaimEnd
	case r.Status == RunQueued:
		return ClaimTake
	case r.Status == RunActive && !now.Before(r.LeaseUntil):
		return ClaimTakeOver
	case r.Status != RunWaiting:
		return ClaimNothing
	case decided.Ends():
		return ClaimSettle
	case decided != "" && decided != VerdictPending:
		return ClaimRequeue
	case !now.Before(r.ExpiresAt):
		return ClaimExpire
	}
	return ClaimWait
}

// Supersedes reports whether the run, which has become active, is newer than the call that
// another one of its agent waits for: nobody is to approve that any more.
func (r *Run) Supersedes(other Run) bool {
	return other.ID != r.ID && other.Status == RunWaiting && other.ConversationID == r.ConversationID &&
		other.AgentID == r.AgentID && other.WaitsSeq <= r.Place
}

// MaxQueueing is longer than anybody takes from looking for the other runs of an agent to
// queueing one more.
const MaxQueueing = time.Minute

// RejectedFor reports whether the run is not to be answered because of another one of its
// agent in the conversation: under BusyReject, where the other was claimed first, and had not
// ended when the run was asked for. Who asked looked for others before; of one that was not
// queued yet then only who claims the run knows. One that has waited for approval does not count,
// for it is not busy meanwhile, nor one that was itself rejected: it kept nobody busy. So it is
// the same for the run as long as it is held.
func (r *Run) RejectedFor(other Run) bool {
	return r.Alone && r.WaitsFor == "" && other.ID != r.ID &&
		other.Attempt > 0 && other.WaitsFor == "" && other.Error != Conflict &&
		(other.Status == RunActive || other.Status.Over() && other.EndedAt.After(r.CreatedAt))
}

// A RunVerdict is what became of a step of a run that only who holds it may do.
type RunVerdict string

// The verdicts.
const (
	RunHeld    RunVerdict = "held"    // it was done
	RunStopped RunVerdict = "stopped" // nothing was done: somebody wants the run to end
	RunBegun   RunVerdict = "begun"   // nothing was done: the call was begun before, and what came of it nobody knows
	RunLost    RunVerdict = "lost"    // nothing was done: somebody else has the run, or it is over
)
