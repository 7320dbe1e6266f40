// Package handler relays what clients say to one another in a call, and sees to it that each
// call ends with one message. What is spoken goes from client to client, and never comes here.
// The rules are those of package local/model/calls.
//
// A call is watched before it rings, and until its message is there: whoever dies in between
// leaves it to sweep. How it ended is decided in Redis by whoever comes first, and then said in
// the log under the id of the call: whoever says it again says nothing. Without Redis there are
// no calls; where it lost one, its clients go on to talk and nothing is said of it.
package handler

import (
	"context"
	"log/slog"
	"time"

	"golang.org/x/sync/errgroup"

	"aiwm-chat/shared/chat"
	"aiwm-chat/shared/delivery"
	"aiwm-chat/shared/gateway"
	"aiwm-chat/shared/protocol"
)

type store interface {
	Conversation(ctx context.Context, p chat.Principal, id chat.ConversationID) (chat.Conversation, error)
}

type calls interface {
	AllowIn(ctx context.Context, p chat.Principal, u chat.Use, id chat.ConversationID) (*chat.Quota, error)
	WatchCall(ctx context.Context, c chat.WatchedCall) error
	UnwatchCall(ctx context.Context, c chat.WatchedCall)
	Signal(ctx context.Context, in chat.Signal) (c chat.LiveCall, over chat.LiveCallID, err error)
	LookAtCall(ctx context.Context, id chat.ConversationID, call chat.LiveCallID) (c chat.LiveCall, known bool, err error)
	Connections(ctx context.Context, ps ...chat.Principal) ([]chat.Connection, error)
	Rooms(ctx context.Context, ids ...chat.ConversationID) ([]chat.Room, error)
}

type placer interface {
	Place(ctx context.Context, m chat.Message) (stored chat.Message, mine bool, err error)
}

type jobs interface {
	EnqueueStream(ctx context.Context, job protocol.StreamJob, delay time.Duration) error
}

type broadcaster interface {
	Broadcast(ctx context.Context, to []chat.Connection, frame []byte, passes delivery.Passes) delivery.Result
}

type announcer interface {
	Forget(ctx context.Context, gone []chat.Gone, in chat.ConversationID)
}

// Handler handles signal.
type Handler struct {
	store    store
	calls    calls
	place    placer
	jobs     jobs
	cast     broadcaster
	announce announcer
}

// New returns a Handler.
func New(s store, c calls, p placer, j jobs, b broadcaster, a announcer) *Handler {
	return &Handler{s, c, p, j, b, a}
}

// Handle takes one step of a call, answers with how far it is then, and tells the others. One
// round trip to MongoDB beside one to Redis, one to Redis for the step and one for whom to
// tell, and the posts; for an invite one more to Redis and one to SQS, and for what ends a call
// those of a message and one to Redis.
func (h *Handler) Handle(ctx context.Context, f *gateway.ClientFrame, in protocol.Signal) error {
	by := f.Connection.Principal
	c, err := h.admit(ctx, by, in)
	if err != nil {
		return err
	}
	watched := chat.WatchedCall{OrgID: c.OrgID, ConversationID: c.ID, ID: in.CallID}
	call, err := h.step(ctx, watched, signalOf(c, by, in))
	if err != nil {
		return err
	}
	f.Reply(ctx, protocol.EventCallState, protocol.CallStateOf(c.ID, call))
	if in.Kind != chat.SignalAlive {
		h.relay(ctx, f.Connection, c, in)
	}
	if call.State == chat.CallEnded {
		if err := h.say(ctx, watched, call); err != nil {
			slog.WarnContext(ctx, "say how a call ended", "conversation", c.ID, "err", err) // sweep does it
		}
	}
	return nil
}

// admit reads the conversation, if the caller may talk in it, and so may who is meant. One that
// is closed has no new calls, but those under way end in it.
func (h *Handler) admit(ctx context.Context, by chat.Principal, in protocol.Signal) (c chat.Conversation, err error) {
	var g errgroup.Group // both are asked: a stranger learns no more than that there is nothing
	var limited error
	g.Go(func() error {
		_, limited = h.calls.AllowIn(ctx, by, chat.UseSignal, in.ConversationID)
		return nil
	})
	c, err = h.store.Conversation(ctx, by, in.ConversationID)
	g.Wait() //nolint:errcheck // the error has a name
	switch {
	case err != nil:
		return c, err
	case limited != nil:
		return c, limited
	case in.Kind == chat.SignalInvite && c.Status != chat.Active:
		return c, chat.ErrConversationClosed
	case in.To != nil && !c.HasParticipant(meant(c, in)):
		return c, chat.Invalid("to", "takes no part in the conversation")
	case in.Kind == chat.SignalInvite && invitees(c, by, in) == 0:
		return c, chat.Invalid("to", "there is nobody to call")
	}
	return c, nil
}

func meant(c chat.Conversation, in protocol.Signal) chat.Principal {
	return chat.Principal{Type: in.To.Type, ID: in.To.ID, OrgID: c.OrgID}
}

func signalOf(c chat.Conversation, by chat.Principal, in protocol.Signal) chat.Signal {
	return chat.Signal{ConversationID: c.ID, CallID: in.CallID, Kind: in.Kind, By: by, PartyID: in.PartyID, Invitees: invitees(c, by, in)}
}

// invitees is at how many a call rings: it is declined when all of them have. Agents count
// where there is nobody else, or where one is meant.
func invitees(c chat.Conversation, by chat.Principal, in protocol.Signal) (n int) {
	if in.To != nil {
		if meant(c, in) == by {
			return 0
		}
		return 1
	}
	agents := 0
	for _, p := range c.Principals() {
		switch {
		case p == by:
		case p.Type == chat.User:
			n++
		default:
			agents++
		}
	}
	if n == 0 {
		return agents
	}
	return n
}

// step takes a step of a call. What is in the way of a new one, and has not been ended in
// time, is ended first.
func (h *Handler) step(ctx context.Context, watched chat.WatchedCall, in chat.Signal) (chat.LiveCall, error) {
	if in.Kind != chat.SignalInvite {
		c, _, err := h.calls.Signal(ctx, in)
		return c, err
	}
	if err := h.calls.WatchCall(ctx, watched); err != nil {
		return chat.LiveCall{}, err
	}
	for range 2 {
		c, over, err := h.calls.Signal(ctx, in)
		if err != nil {
			return c, err
		}
		if over == "" {
			return c, h.jobs.EnqueueStream(ctx, protocol.CallJobOf(watched), time.Until(c.Next))
		}
		stale := watched
		stale.ID = over
		if err := h.Look(ctx, stale); err != nil {
			return chat.LiveCall{}, err
		}
	}
	return chat.LiveCall{}, chat.Errorf(chat.Unavailable, "another call is just ending; try again")
}

// relay tells the devices of who is meant, or of all: in the room or not, as far as these are
// few. Whoever misses it asks again, as clients do over any network.
func (h *Handler) relay(ctx context.Context, from chat.Connection, c chat.Conversation, in protocol.Signal) {
	to, err := h.devices(ctx, c, in)
	if err != nil {
		slog.WarnContext(ctx, "find whom to tell of a signal", "conversation", c.ID, "err", err)
		return
	}
	others := to[:0:0]
	for _, device := range to {
		if device.ID != from.ID {
			others = append(others, device)
		}
	}
	frame := protocol.Frame(protocol.EventCallSignal, "", protocol.CallSignalOf(in, from.Principal), time.Now())
	h.announce.Forget(ctx, h.cast.Broadcast(ctx, others, frame, delivery.Once).Gone, "")
}

func (h *Handler) devices(ctx context.Context, c chat.Conversation, in protocol.Signal) ([]chat.Connection, error) {
	switch {
	case in.To != nil:
		return h.calls.Connections(ctx, meant(c, in))
	case len(c.Participants) <= chat.MaxLively:
		return h.calls.Connections(ctx, c.Principals()...)
	}
	rooms, err := h.calls.Rooms(ctx, c.ID)
	if err != nil {
		return nil, err
	}
	return c.Entitled(rooms[0]), nil
}

// Look ends a call that nobody has ended in time, and says so; at one that goes on it looks
// again later. It may be repeated. One round trip to Redis, and one to SQS, or those of a
// message and one to Redis.
func (h *Handler) Look(ctx context.Context, watched chat.WatchedCall) error {
	c, known, err := h.calls.LookAtCall(ctx, watched.ConversationID, watched.ID)
	switch {
	case err != nil:
		return err
	case !known:
		h.calls.UnwatchCall(ctx, watched)
		return nil
	case c.State != chat.CallEnded:
		return h.jobs.EnqueueStream(ctx, protocol.CallJobOf(watched), max(time.Until(c.Next), time.Second))
	}
	return h.say(ctx, watched, c)
}

// say says in the log how a call ended, unless another one went on in its place or the
// conversation takes no messages any more. Then nobody need look after it.
func (h *Handler) say(ctx context.Context, watched chat.WatchedCall, c chat.LiveCall) error {
	if c.Outcome != chat.CallSuperseded {
		_, _, err := h.place.Place(ctx, chat.NewCallMessage(watched, c, time.Now()))
		if err != nil && !chat.Refuses(err) {
			return err
		}
	}
	h.calls.UnwatchCall(ctx, watched)
	return nil
}
