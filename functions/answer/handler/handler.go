// Package handler answers for agents that the backend runs: it asks the model, calls the
// tools, and writes into the log what came of it. The rules are those of package
// local/model/runs: the log is the checkpoint, the number of the attempt the fence, and
// the lease only saves work.
package handler

import (
	"context"
	"time"

	"aiwm-chat/functions/answer/runlog"
	"aiwm-chat/functions/answer/tools"
	"aiwm-chat/shared/chat"
	"aiwm-chat/shared/completion"
	"aiwm-chat/shared/delivery"
	"aiwm-chat/shared/protocol"
)

type runs interface {
	Run(ctx context.Context, org chat.OrgID, id chat.RunID) (chat.Run, error)
	OpenRuns(ctx context.Context, id chat.ConversationID, agent chat.PrincipalID) ([]chat.Run, error)
	RunsBeside(ctx context.Context, r chat.Run) ([]chat.Run, error)
	TakeRun(ctx context.Context, id chat.ConversationID, agent chat.PrincipalID, now, lease time.Time) (run chat.Run, taken bool, err error)
	TakeOverRun(ctx context.Context, r chat.Run, now, lease time.Time) (run chat.Run, taken bool, err error)
	RenewRun(ctx context.Context, r chat.Run, now, lease time.Time) (chat.Run, chat.RunVerdict, error)
	HandOverRun(ctx context.Context, r chat.Run, now time.Time) (chat.RunVerdict, error)
	BeginCall(ctx context.Context, r chat.Run, call chat.CallID) (chat.RunVerdict, error)
	WaitRun(ctx context.Context, r chat.Run, call chat.CallID, seq int64, expires, now time.Time) (chat.Run, chat.RunVerdict, error)
	RequeueRun(ctx context.Context, r chat.Run, now time.Time) (run chat.Run, queued bool, err error)
	EndRun(ctx context.Context, r chat.Run, status chat.RunStatus, now time.Time) (run chat.Run, ended bool, err error)
	PutOffRun(ctx context.Context, r chat.Run, until time.Time) error
	TokensOfDay(ctx context.Context, agent chat.Principal, day chat.Day) (int64, error)
}

type store interface {
	runs
	runlog.Store
	Agent(ctx context.Context, agent chat.Principal) (chat.AgentProfile, error)
	AnyConversation(ctx context.Context, org chat.OrgID, id chat.ConversationID) (chat.Conversation, error)
	Message(ctx context.Context, org chat.OrgID, id chat.MessageID) (chat.Message, error)
	Messages(ctx context.Context, conversation chat.ConversationID, q chat.MessageQuery) (messages []chat.Message, more bool, err error)
}

type streams interface {
	WatchStream(ctx context.Context, by chat.Principal, id chat.ConversationID, stream string) error
	EnterStream(ctx context.Context, st chat.Stream, gone chat.ConnectionID) (chat.StreamVerdict, chat.Stream, error)
	ConfirmStream(ctx context.Context, st chat.Stream, lease time.Duration) (chat.StreamVerdict, chat.Stream, chat.Room, error)
	AppendStream(ctx context.Context, st chat.Stream, piece chat.StreamPiece, lease time.Duration) (chat.StreamVerdict, chat.StreamDelta, chat.Principal, chat.Room, error)
	EndStream(ctx context.Context, id chat.ConversationID, stream string, end chat.StreamEnd, force bool) (chat.StreamVerdict, error)
	Stream(ctx context.Context, id chat.ConversationID, stream string) (chat.Stream, error)
	Watchers(ctx context.Context, id chat.ConversationID) (chat.Room, error)
	StopWanted(ctx context.Context, id chat.ConversationID, stream string, question chat.MessageID) (bool, error)
}

type placer interface {
	Place(ctx context.Context, m chat.Message) (stored chat.Message, mine bool, err error)
}

type broadcaster interface {
	Broadcast(ctx context.Context, to []chat.Connection, frame []byte, passes delivery.Passes) delivery.Result
}

type jobs interface {
	EnqueueRun(ctx context.Context, job protocol.RunJob) error
	EnqueueStream(ctx context.Context, job protocol.StreamJob, delay time.Duration) error
}

// A Model is a service that is asked: completion.Client is one.
type Model interface {
	Stream(ctx context.Context, r completion.Request, on func(completion.Piece)) (completion.Answer, error)
}

// Handler handles the jobs of the queue of runs.
type Handler struct {
	store   store
	streams streams
	place   placer
	cast    broadcaster
	jobs    jobs
	models  map[string]Model // by the names of providers
	servers *tools.Servers
	ender   *runlog.Ender
	times   times
}

// New returns a Handler. models are the providers that agents may name.
func New(s store, p streams, m placer, b broadcaster, j jobs, models map[string]Model, servers *tools.Servers) *Handler {
	return &Handler{store: s, streams: p, place: m, cast: b, jobs: j, models: models, servers: servers, ender: runlog.NewEnder(s, m), times: usual}
}

// Handle does what there is to do of a run: it claims it, works on it until it ends, waits
// or is handed over, and then takes the oldest queued run of the agent in the conversation,
// until there is none. Dying between any two steps costs nothing: the job is missed, and
// sweep enqueues it again.
func (h *Handler) Handle(ctx context.Context, job protocol.RunJob) error {
	run, err := h.store.Run(ctx, job.OrgID, job.RunID)
	if chat.CodeOf(err) == chat.NotFound && err != nil {
		return nil // its conversation was deleted
	}
	if err != nil {
		return err
	}
	agent, asked := run.Agent(), run
	run, held, err := h.claim(ctx, run)
	worked := false // each invocation works on one run at least
	for err == nil {
		if held {
			worked = true
			if goesOn, err := h.work(ctx, run); err != nil || !goesOn {
				return err
			}
		}
		if worked && left(ctx) < h.times.handing {
			return h.passOn(ctx, job.ConversationID, agent)
		}
		now := time.Now()
		run, held, err = h.store.TakeRun(ctx, job.ConversationID, agent.ID, now, now.Add(h.times.lease))
		if err == nil && !worked && run.ID != asked.ID {
			h.refuse(ctx, asked)
		}
		if !held {
			return err
		}
	}
	return err
}

// left is the time that the invocation has.
func left(ctx context.Context) time.Duration {
	if deadline, ok := ctx.Deadline(); ok {
		return time.Until(deadline)
	}
	return 15 * time.Minute
}

// passOn leaves the oldest queued run to another invocation.
func (h *Handler) passOn(ctx context.Context, id chat.ConversationID, agent chat.Principal) error {
	open, err := h.store.OpenRuns(ctx, id, agent.ID)
	if err != nil {
		return err
	}
	for _, r := range open {
		if r.Status == chat.RunQueued {
			return h.jobs.EnqueueRun(ctx, protocol.RunJobOf(r))
		}
	}
	return nil
}

// claim does with a run what is to be done while nobody works on it. held says that the
// caller holds it now; else the oldest queued run is to be taken, which may be this one.
func (h *Handler) claim(ctx context.Context, r chat.Run) (run chat.Run, held bool, err error) {
	decided, err := h.decided(ctx, r)
	if err != nil {
		return r, false, err
	}
	now := time.Now()
	switch r.Claims(decided, now) {
	case chat.ClaimTakeOver:
		run, held, err := h.store.TakeOverRun(ctx, r, now, now.Add(h.times.lease))
		return run, held, err
	case chat.ClaimRequeue:
		_, _, err = h.store.RequeueRun(ctx, r, now)
	case chat.ClaimEnd:
		_, err = h.ender.End(ctx, r, chat.Draft{}, chat.StatusCancelled)
	case chat.ClaimSettle:
		var l runlog.Log
		if l, err = runlog.Read(ctx, h.store, r); err == nil {
			_, err = h.ender.Settle(ctx, r, l)
		}
	case chat.ClaimExpire:
		err = h.expire(ctx, r)
	case chat.ClaimWait:
		err = h.store.PutOffRun(ctx, r, r.ExpiresAt)
	case chat.ClaimTake, chat.ClaimNothing:
	}
	return r, false, err
}

// decided is the verdict about the call that a run waits for.
func (h *Handler) decided(ctx context.Context, r chat.Run) (chat.Verdict, error) {
	if r.Status != chat.RunWaiting {
		return "", nil
	}
	m, found, err := h.store.Sent(ctx, r.ConversationID, chat.Backend(r.OrgID), chat.DecisionID(r.WaitsFor))
	if err != nil || !found {
		return "", err
	}
	a, _ := m.Decided()
	return a.Verdict, nil
}

// expire decides that nobody decided in time, unless somebody just has, and goes on by
// what was decided.
func (h *Handler) expire(ctx context.Context, r chat.Run) error {
	m, err := chat.NewDecision(r.OrgID, r.ConversationID, chat.VerdictExpired, chat.Decision{CallID: r.WaitsFor}, time.Now())
	if err != nil {
		return err
	}
	_, _, err = h.place.Place(ctx, m)
	switch {
	case chat.Refuses(err):
		r.Error = chat.CodeOf(err) // nobody can decide there any more
		_, _, err = h.store.EndRun(ctx, r, chat.RunFailed, time.Now())
		return err
	case err != nil:
		return err
	}
	return h.look(ctx, r)
}

// look goes on with a run that waits, if it is decided or stopped by now.
func (h *Handler) look(ctx context.Context, r chat.Run) error {
	now, err := h.store.Run(ctx, r.OrgID, r.ID)
	if err != nil || now.Status != chat.RunWaiting {
		return err
	}
	decided, err := h.decided(ctx, now)
	if err != nil || decided == "" && now.Stop == nil {
		return err
	}
	_, _, err = h.claim(ctx, now)
	return err
}
