package chat

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// A RunID names a run. It is made of what the run answers: see NewRunID.
type RunID string

// A CallID names a tool call of a run: <runId>:<step>:<n>, n from 1. The message of its
// result has it as clientMessageId.
type CallID string

// NewRunID returns the id of the nth answer of an agent to a message: 0 is the first, the
// others are regenerations. So there is one run for each, for ever.
func NewRunID(agent Principal, question MessageID, n int) RunID {
	sum := sha256.Sum256([]byte(strings.Join([]string{string(agent.OrgID), string(agent.ID), string(question), strconv.Itoa(n)}, "/")))
	return RunID(hex.EncodeToString(sum[:16]))
}

// Step returns the id of the first message of a step, which is its stream's: a call, the
// answer, or what is said of a failure. Who finds it taken adopts it.
func (id RunID) Step(step int) ClientMessageID {
	return ClientMessageID(fmt.Sprintf("%s:%d:0", id, step))
}

// Call returns the id of the nth tool call of a step, n from 1.
func (id RunID) Call(step, n int) CallID { return CallID(fmt.Sprintf("%s:%d:%d", id, step, n)) }

// ParseCallID returns what a call is of, or ok false where s is none.
func ParseCallID(s string) (run RunID, step, n int, ok bool) {
	parts := strings.Split(s, ":")
	if len(parts) != 3 || !ValidRunID(parts[0]) {
		return "", 0, 0, false
	}
	run = RunID(parts[0])
	var err, err2 error
	step, err = strconv.Atoi(parts[1])
	n, err2 = strconv.Atoi(parts[2])
	if err != nil || err2 != nil || step < 0 || n < 1 || string(run.Call(step, n)) != s {
		return "", 0, 0, false
	}
	return run, step, n, true
}

// Reserved reports whether an id is of the form of those that the backend gives to what
// it says itself: the messages of a run's steps, the results of its calls and decisions.
// Whoever finds one believes it, so a client may use none.
func Reserved[T ~string](id T) bool {
	return strings.HasPrefix(string(id), decisionPrefix) || ofRun.MatchString(string(id))
}

// ofRun are the ids of steps and of calls.
var ofRun = regexp.MustCompile(`^[0-9a-f]{32}:[0-9]+:[0-9]+$`)

// CheckOwnID adds a fault to f when a client may not use an id of its own choice.
func CheckOwnID[T ~string](f *Faults, field string, id T) {
	if Reserved(id) {
		f.Add(field, "must not be of the form of the backend's own")
	}
}

// ValidRunID reports whether s has the form of a run's id: 32 digits of hex.
func ValidRunID(s string) bool {
	b, err := hex.DecodeString(s)
	return err == nil && len(b) == 16 && s == strings.ToLower(s)
}

// RunStatus is how far a run is.
type RunStatus string

// The states. A run goes from queued to active, from there to waiting and back to queued,
// or ends; it leaves none of the last three.
const (
	RunQueued    RunStatus = "queued"
	RunActive    RunStatus = "active" // busy: of an agent in a conversation there is one at most
	RunWaiting   RunStatus = "waiting"
	RunComplete  RunStatus = "complete"
	RunCancelled RunStatus = "cancelled"
	RunFailed    RunStatus = "failed"
)

// Over reports whether the run has ended.
func (s RunStatus) Over() bool { return s == RunComplete || s == RunCancelled || s == RunFailed }

// MaxLostLeases is how many leases a run may lose: with the last it ends as failed.
const MaxLostLeases = 3

// MaxRegenerations is how often a message is answered again by an agent.
const MaxRegenerations = 50

// A Run is one answer of a managed agent to a message, from the question to the end.
type Run struct {
	ID             RunID
	OrgID          OrgID
	ConversationID ConversationID
	AgentID        PrincipalID
	AgentVersion   int64       // of the agent's profile, of the last claim
	Trigger        MessageID   // the question
	ThreadID       MessageID   // the thread that the question is in, and so is its answer; "" for none
	N              int         // 0, or the number of the regeneration
	UserID         PrincipalID // whose question it is, or who wanted it again
	Place          int64       // its place in the queue: the end of the log when it was asked for
	Alone          bool        // its agent takes no second question: see RejectedFor

	Status     RunStatus
	LeaseUntil time.Time // of an active one
	Handed     bool      // its lease was given up on purpose: that is no failure
	Attempt    int64     // the number of the last claim: the fence
	Failures   int       // leases that were lost
	Stop       *RunStop  // somebody wants it to end
	Steps      int
	Executing  map[CallID]int64 // calls that were begun, and by which attempt
	WaitsFor   CallID           // what has to be decided, or had to
	WaitsSeq   int64            // the seq of that call's message
	ExpiresAt  time.Time        // until when
	Decided    bool             // it was noted that it is decided, of a waiting one: what was, the log knows
	Usage      Usage
	Error      Code // of a failed one; Conflict of a cancelled one that was rejected

	CreatedAt time.Time
	StartedAt time.Time     // when it last left the queue
	Active    time.Duration // how long it was active before that: neither queued nor waiting
	UpdatedAt time.Time
	EndedAt   time.Time
	// DueAt is when somebody looks whether the run has been forgotten.
	DueAt time.Time
}

// RunStop is who wants a run to end, and since when.
type RunStop struct {
	By PrincipalID
	At time.Time
}

// ActiveUntil is when the run has been active for the time given, if it waits no more.
func (r *Run) ActiveUntil(most time.Duration) time.Time { return r.StartedAt.Add(most - r.Active) }

// ActiveAt is how long the run, which is active, has been so at now.
func (r *Run) ActiveAt(now time.Time) time.Duration { return r.Active + max(0, now.Sub(r.StartedAt)) }

// Agent is who answers.
func (r *Run) Agent() Principal { return Principal{Type: Agent, ID: r.AgentID, OrgID: r.OrgID} }

// NewRun returns the run, queued, by which an agent answers a message of a user for the nth
// time. place is the end of the log as it is known: runs are taken up in its order.
func NewRun(agent AgentProfile, question Message, n int, by PrincipalID, place int64, now time.Time) Run {
	return Run{
		ID: NewRunID(agent.Principal(), question.ID, n), OrgID: agent.OrgID, ConversationID: question.ConversationID,
		AgentID: agent.ID, AgentVersion: agent.Version, Trigger: question.ID,
		ThreadID: question.ThreadOf(Agent), N: n, UserID: by, Place: max(place, question.Seq),
		Alone:  n == 0 && agent.Managed != nil && agent.Managed.Busy == BusyReject,
		Status: RunQueued, CreatedAt: now, UpdatedAt: now,
	}
}
