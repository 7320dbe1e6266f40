package handler_test

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	send "aiwm-chat/functions/send/handler"
	"aiwm-chat/functions/sweep/handler"
	"aiwm-chat/shared/chat"
	"aiwm-chat/shared/delivery"
	"aiwm-chat/shared/protocol"
)

// What of send is not used to finish a message.
type unused interface {
	Conversation(context.Context, chat.Principal, chat.ConversationID) (chat.Conversation, error)
	Message(context.Context, chat.OrgID, chat.MessageID) (chat.Message, error)
	Append(context.Context, chat.Head, chat.Message) (chat.Message, bool, error)
	Sent(context.Context, chat.ConversationID, chat.Principal, chat.ClientMessageID) (chat.Message, bool, error)
	Admit(context.Context, chat.Connection, chat.ConversationID) (chat.Admission, error)
	AgentOnline(context.Context, chat.Principal) bool
	Entered(context.Context, chat.ConnectionID) ([]chat.ConversationID, error)
	PutOut(context.Context, []chat.Entry) error
	EnqueueSummary(context.Context, protocol.SummaryJob) error
}

// A flood is conversations with one connection each, which hangs where its
// conversation is "hung".
type flood struct {
	unused
	mu       sync.Mutex
	due      map[chat.MessageID]*chat.Message
	attempts map[chat.MessageID]int
	reached  map[chat.ConversationID]time.Time
}

func newFlood() *flood {
	return &flood{due: map[chat.MessageID]*chat.Message{}, attempts: map[chat.MessageID]int{}, reached: map[chat.ConversationID]time.Time{}}
}

func (f *flood) DueBefore(_ context.Context, at time.Time, limit int) (all []chat.Message, err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, m := range f.due {
		if !m.Due.At.After(at) {
			all = append(all, *m)
		}
	}
	slices.SortFunc(all, func(a, b chat.Message) int {
		return cmp.Or(cmp.Compare(a.Due.Tries, b.Due.Tries), a.Due.At.Compare(b.Due.At), cmp.Compare(a.ID, b.ID))
	})
	return all[:min(len(all), limit)], nil
}

func (f *flood) Claim(_ context.Context, m chat.Message, until time.Time) (chat.Message, bool, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	own := f.due[m.ID]
	if own == nil || !own.Due.At.Equal(m.Due.At) {
		return m, false, nil
	}
	due := *own.Due
	due.At, own.Due = until, &due
	f.attempts[m.ID]++
	return *own, true, nil
}

func (f *flood) Settle(_ context.Context, m chat.Message, left *chat.Due) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	switch own := f.due[m.ID]; {
	case own == nil || !own.Due.At.Equal(m.Due.At):
	case left == nil:
		delete(f.due, m.ID)
	default:
		own.Due = left
	}
	return nil
}

func (f *flood) AnyConversation(_ context.Context, org chat.OrgID, id chat.ConversationID) (chat.Conversation, error) {
	return chat.Conversation{ID: id, OrgID: org, Participants: []chat.Participant{{Type: chat.User, ID: "u1"}}}, nil
}

func (f *flood) Audience(_ context.Context, id chat.ConversationID, _ chat.Principal, _ int) (chat.Audience, error) {
	c := chat.Connection{ID: chat.ConnectionID(id), Principal: chat.Principal{Type: chat.User, ID: "u1", OrgID: "acme"}, ExpiresAt: time.Now().Add(time.Hour)}
	return chat.Audience{Room: []chat.Connection{c}, Vouched: true}, nil
}

func (f *flood) RoomAudience(ctx context.Context, id chat.ConversationID) (chat.Audience, error) {
	return f.Audience(ctx, id, chat.Principal{}, 0)
}

func (*flood) Mentioned(context.Context, chat.ConversationID, ...chat.Principal) (chat.Mentioned, error) {
	panic("nobody is mentioned")
}

// Post is the Management API: it keeps the time of an attempt.
func (f *flood) Post(_ context.Context, id chat.ConnectionID, _ []byte) error {
	if id == "hung" {
		time.Sleep(delivery.AttemptTime)
		return context.DeadlineExceeded
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.reached[chat.ConversationID(id)] = time.Now()
	return nil
}

func (f *flood) Close(context.Context, chat.ConnectionID) error { return nil }

func (f *flood) Project(context.Context, chat.Conversation, chat.Message) error { return nil }

func (f *flood) Forget(context.Context, []chat.Gone, chat.ConversationID) {}

func (f *flood) ForgetMessage(context.Context, chat.Conversation, chat.Message) (chat.Conversation, bool, error) {
	panic("nothing was erased")
}

func (*flood) Attachable(context.Context, chat.Principal, chat.ConversationID, chat.MessageID, []chat.UploadID, time.Time) ([]chat.Upload, error) {
	panic("nothing is attached")
}

func (*flood) AttachUploads(context.Context, chat.Message) error { panic("nothing is attached") }

func (*flood) EraseUploads(context.Context, chat.Message, time.Time) ([]chat.UploadID, error) {
	panic("nothing was attached")
}

func (f *flood) Agent(context.Context, chat.Principal) (chat.AgentProfile, error) {
	return chat.AgentProfile{}, nil
}

func (f *flood) QueueRun(_ context.Context, r chat.Run) (chat.Run, bool, error) { return r, true, nil }

func (f *flood) OpenRuns(context.Context, chat.ConversationID, chat.PrincipalID) ([]chat.Run, error) {
	return nil, nil
}

func (f *flood) StopRun(context.Context, chat.OrgID, chat.RunID, chat.PrincipalID, time.Time) (chat.Run, error) {
	return chat.Run{}, nil
}

func (f *flood) QuestionStopped(context.Context, chat.ConversationID, chat.MessageID) (chat.Principal, bool, error) {
	return chat.Principal{}, false, nil
}

func (f *flood) StopQuestion(context.Context, chat.ConversationID, chat.MessageID, chat.Principal) error {
	return nil
}

func (*flood) Webhooks(context.Context, chat.OrgID) ([]chat.Webhook, error)             { return nil, nil }
func (*flood) EnqueueWebhook(context.Context, protocol.WebhookJob, time.Duration) error { return nil }
func (f *flood) EnqueueRun(context.Context, protocol.RunJob) error                      { return nil }
func (f *flood) EnqueueRunIn(context.Context, protocol.RunJob, time.Duration) error     { return nil }

func (f *flood) IndexMessage(context.Context, chat.Message) error { return nil }

func (f *flood) CountReplies(context.Context, chat.Message, time.Time) (*chat.Message, error) {
	return nil, nil
}

func (f *flood) RunDecided(context.Context, chat.RunID, time.Time) error { return nil }

func (f *flood) Activity(context.Context, chat.Conversation, int64, []chat.Connection) {}
func (f *flood) Tell(context.Context, chat.Conversation, []byte)                       {}

func (*flood) Overdue(context.Context, time.Time, int) ([]chat.Stream, error)         { return nil, nil }
func (*flood) EnqueueStream(context.Context, protocol.StreamJob, time.Duration) error { return nil }

func (f *flood) PruneOnline(context.Context) {}

func (f *flood) Online(context.Context, ...chat.Principal) ([]bool, error) { return nil, nil }

func (f *flood) UncheckedAgents(context.Context, time.Time, int) ([]chat.Principal, error) {
	return nil, nil
}

func (f *flood) SetAgentStatus(context.Context, chat.Principal, bool, time.Time) error { return nil }

func (*flood) Stamp(context.Context, ...chat.Principal) ([]time.Time, error) { return nil, nil }
func (f *flood) Offline(context.Context, []chat.Absence)                     {}

// add adds a message that a send has left: before it tried anything, or after.
func (f *flood) add(id chat.MessageID, in chat.ConversationID, tried bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	due := chat.NewDue(time.Now(), 20*time.Second)
	if tried {
		due.Left, due.To, due.Tries = []chat.Effect{chat.EffectDeliver}, []chat.ConnectionID{chat.ConnectionID(in)}, 1
	}
	sender := chat.Principal{Type: chat.User, ID: "u1", OrgID: "acme"}
	f.due[id] = &chat.Message{ID: id, ConversationID: in, Sender: sender, CreatedAt: time.Now(), Due: due}
}

// One sender within its limit, into a room with a connection that does not read:
// the message of another conversation, whose function died, has its two minutes
// all the same, for nobody is tried for ever. With send's own finishing.
func TestHungConnectionDoesNotHoldUpOthers(t *testing.T) {
	for _, every := range []time.Duration{200 * time.Millisecond, time.Second} {
		synctest.Test(t, func(t *testing.T) {
			logged(t)
			f := newFlood()
			h := handler.New(f, send.New(f, f, delivery.New(f), f, f), f, f, f, f)
			const minutes, death = 20, 10
			var sender sync.WaitGroup
			sender.Go(func() {
				for i := range int((minutes - 5) * time.Minute / every) {
					time.Sleep(every)
					f.add(chat.MessageID(fmt.Sprintf("m%06d", i)), "hung", true)
				}
			})
			var died time.Time
			most := 0
			for minute := range minutes {
				if minute == death {
					died = time.Now()
					f.add("victim", "other", false)
				}
				next := time.Now().Add(time.Minute)
				ctx, cancel := context.WithTimeout(t.Context(), 49*time.Second)
				if err := h.Handle(ctx); err != nil {
					t.Fatal(err)
				}
				cancel()
				f.mu.Lock()
				most = max(most, len(f.due))
				f.mu.Unlock()
				time.Sleep(time.Until(next))
			}
			sender.Wait()
			at, reached := f.reached["other"]
			t.Logf("a message each %v: the victim waits %v, at most %d are due", every, at.Sub(died), most)
			if wait := at.Sub(died); !reached || wait > 2*time.Minute {
				t.Errorf("a message each %v to who hangs: another conversation's is delivered: %v, after %v", every, reached, wait)
			}
			for id, n := range f.attempts {
				if n > 4 { // each half minute, for two minutes
					t.Errorf("%s was tried %d times by sweep", id, n)
				}
			}
			if len(f.due) != 0 {
				t.Errorf("when that is over, %d are still due", len(f.due))
			}
		})
	}
}

// Thirteen users, each within the limit of a user (one message a second), write
// to connections that hang: what the function of another left when it died has its
// two minutes all the same.
func TestManyHungConnectionsDoNotHoldUpOthers(t *testing.T) {
	if testing.Short() {
		t.Skip("with the race detector it computes for a minute")
	}
	synctest.Test(t, func(t *testing.T) {
		logged(t)
		f := newFlood()
		h := handler.New(f, send.New(f, f, delivery.New(f), f, f), f, f, f, f)
		const minutes, every = 16, time.Second / 13
		var senders sync.WaitGroup
		senders.Go(func() {
			for i := range int((minutes - 5) * time.Minute / every) {
				time.Sleep(every)
				f.add(chat.MessageID(fmt.Sprintf("m%06d", i)), "hung", true)
			}
		})
		died := map[chat.ConversationID]time.Time{}
		for minute := range minutes {
			if minute%5 == 0 {
				id := chat.ConversationID(fmt.Sprint("victim", minute))
				died[id] = time.Now()
				f.add(chat.MessageID(id), id, false)
			}
			next := time.Now().Add(time.Minute)
			ctx, cancel := context.WithTimeout(t.Context(), 49*time.Second)
			if err := h.Handle(ctx); err != nil {
				t.Fatal(err)
			}
			cancel()
			time.Sleep(time.Until(next))
		}
		senders.Wait()
		for id, at := range died {
			if wait := f.reached[id].Sub(at); f.reached[id].IsZero() || wait > 2*time.Minute {
				t.Errorf("%s was reached: %v, after %v", id, !f.reached[id].IsZero(), wait)
			}
		}
	})
}

func (*flood) OverdueCalls(context.Context, time.Time, int) ([]chat.WatchedCall, error) {
	return nil, nil
}
