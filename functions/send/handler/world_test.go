package handler_test

import (
	"context"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/go-json-experiment/json"

	"aiwm-chat/functions/send/handler"
	"aiwm-chat/shared/chat"
	"aiwm-chat/shared/delivery"
	"aiwm-chat/shared/protocol"
)

var (
	user     = chat.Principal{Type: chat.User, ID: "u1", OrgID: "acme"}
	agent    = chat.Principal{Type: chat.Agent, ID: "a1", OrgID: "acme"}
	stranger = chat.Principal{Type: chat.User, ID: "u2", OrgID: "acme"}

	userConnection     = chat.Connection{ID: "user=", Principal: user, ExpiresAt: time.Now().Add(time.Hour)}
	agentConnection    = chat.Connection{ID: "agent=", Principal: agent, ExpiresAt: time.Now().Add(time.Hour)}
	strangerConnection = chat.Connection{ID: "stranger=", Principal: stranger, ExpiresAt: time.Now().Add(time.Hour)}
)

// A world is a store, presence, delivery and queue in memory, with one
// conversation. It records the steps of a send and fails those it is told to.
type world struct {
	mu           sync.Mutex
	steps        []string
	fail         map[string]error // before the step has done anything
	failAfter    map[string]error // when it has
	conversation chat.Conversation
	now          chat.Conversation // what AnyConversation returns: it may have changed meanwhile
	log          []chat.Message
	projected    int64
	notes        map[chat.PendingSend]bool
	room         []chat.Connection
	agents       []chat.Connection // of the agent, in the room or not
	joined       []chat.ConversationID
	jobs         []protocol.SummaryJob
	delivered    map[string][]int64 // by event and connection: the seqs
	acks         []protocol.Sent    // in the order they were given
	onStep       func(step string)  // called without the lock
}

func newWorld() *world {
	c := chat.Conversation{
		ID: "c1", OrgID: "acme", AgentID: agent.ID, Status: chat.Active,
		Participants: []chat.Participant{{Type: chat.User, ID: user.ID}, {Type: chat.Agent, ID: agent.ID}},
	}
	return &world{
		conversation: c, now: c, notes: map[chat.PendingSend]bool{}, delivered: map[string][]int64{},
		fail: map[string]error{}, failAfter: map[string]error{}, onStep: func(string) {},
		room: []chat.Connection{userConnection, agentConnection}, agents: []chat.Connection{agentConnection},
	}
}

func (w *world) handler() *handler.Handler { return handler.New(w, w, w, w) }

// send adds a message of the user under a client message id.
func (w *world) send(ctx context.Context, id chat.ClientMessageID, content string) error {
	return w.sendInput(ctx, userConnection, protocol.MessageInput{ConversationID: "c1", ClientMessageID: id, Content: content})
}

func (w *world) sendInput(ctx context.Context, c chat.Connection, in protocol.MessageInput) error {
	return w.handler().Send(ctx, c, in, chat.MaxContentFrame, func(sent protocol.Sent) {
		w.step("ack", func() { w.acks = append(w.acks, sent) })
	})
}

// fill puts n messages of the user into the log, as if sent at a time.
func (w *world) fill(n int, at time.Time) {
	for range n {
		seq := int64(len(w.log) + 1)
		m, err := chat.NewMessage("c1", user, chat.ClientMessageID("old-"+string(rune('a'+seq))), chat.Draft{Content: "old"}, 100, at)
		if err != nil {
			panic(err)
		}
		m.ID, m.Seq = "m", seq
		w.log = append(w.log, m)
	}
	w.projected = int64(len(w.log))
	w.conversation.TotalMessages = w.projected
}

// step records a step and does it, unless it is to fail.
func (w *world) step(name string, do func()) error {
	w.onStep(name)
	w.mu.Lock()
	defer w.mu.Unlock()
	w.steps = append(w.steps, name)
	if err := w.fail[name]; err != nil {
		return err
	}
	do()
	return w.failAfter[name]
}

func (w *world) count(step string) (n int) {
	for _, s := range w.steps {
		if s == step {
			n++
		}
	}
	return n
}

func (w *world) pending() []chat.PendingSend { return slices.Collect(maps.Keys(w.notes)) }

func (w *world) Conversation(_ context.Context, p chat.Principal, id chat.ConversationID) (c chat.Conversation, err error) {
	err = w.step("Conversation", func() { c = w.conversation })
	if err == nil && (id != c.ID || !c.HasParticipant(p)) {
		err = chat.Errorf(chat.NotFound, "there is no such conversation")
	}
	return c, err
}

func (w *world) AnyConversation(context.Context, chat.OrgID, chat.ConversationID) (c chat.Conversation, err error) {
	err = w.step("AnyConversation", func() { c = w.now })
	return c, err
}

func (w *world) Message(_ context.Context, _ chat.OrgID, id chat.MessageID) (m chat.Message, err error) {
	if err = w.step("Message", func() {}); err != nil {
		return m, err
	}
	switch id {
	case "here":
		return chat.Message{ID: id, ConversationID: "c1"}, nil
	case "elsewhere":
		return chat.Message{ID: id, ConversationID: "c2"}, nil
	}
	return m, chat.Errorf(chat.NotFound, "there is no such message")
}

func (w *world) Append(_ context.Context, _ chat.Head, m chat.Message) (stored chat.Message, duplicate bool, err error) {
	var conflict error
	err = w.step("Append", func() {
		for _, other := range w.log {
			if other.Sender == m.Sender && other.ClientMessageID == m.ClientMessageID {
				stored, duplicate = other, true
				if other.Fingerprint != m.Fingerprint {
					conflict = chat.Errorf(chat.Conflict, "this clientMessageId was used for another message")
				}
				return
			}
		}
		m.Seq, m.ID = int64(len(w.log)+1), "m"
		w.log = append(w.log, m)
		stored = m
	})
	if err == nil {
		err = conflict
	}
	return stored, duplicate, err
}

func (w *world) Sent(_ context.Context, _ chat.ConversationID, p chat.Principal, id chat.ClientMessageID) (m chat.Message, found bool, err error) {
	err = w.step("Sent", func() {
		for _, other := range w.log {
			if other.Sender == p && other.ClientMessageID == id {
				m, found = other, true
			}
		}
	})
	return m, found, err
}

func (w *world) Project(_ context.Context, m chat.Message) error {
	return w.step("Project", func() { w.projected = max(w.projected, m.Seq) })
}

func (w *world) BeginSend(_ context.Context, _ chat.Connection, s chat.PendingSend, _ chat.Principal) (repeat, online bool, err error) {
	err = w.step("BeginSend", func() { repeat, w.notes[s] = w.notes[s], true })
	return repeat, len(w.agents) > 0, err
}

func (w *world) EndSend(_ context.Context, s chat.PendingSend) error {
	return w.step("EndSend", func() { delete(w.notes, s) })
}

func (w *world) Audience(_ context.Context, _ chat.Connection, _ chat.ConversationID, who chat.Principal) (room, agents []chat.Connection, err error) {
	err = w.step("Audience", func() {
		room = slices.Clone(w.room)
		if who == agent {
			agents = slices.Clone(w.agents)
		}
	})
	return room, agents, err
}

func (w *world) Joined(context.Context, chat.ConnectionID) (ids []chat.ConversationID, err error) {
	err = w.step("Joined", func() { ids = w.joined })
	return ids, err
}

func (w *world) Broadcast(_ context.Context, to []chat.Connection, frame []byte) delivery.Result {
	var f struct {
		Event string
		Data  struct{ Seq int64 }
	}
	if err := json.Unmarshal(frame, &f, json.MatchCaseInsensitiveNames(true)); err != nil {
		panic(err)
	}
	w.step("Broadcast "+f.Event, func() {
		for _, c := range to {
			key := f.Event + " " + string(c.ID)
			w.delivered[key] = append(w.delivered[key], f.Data.Seq)
		}
	})
	return delivery.Result{}
}

func (w *world) EnqueueSummary(_ context.Context, job protocol.SummaryJob) error {
	return w.step("EnqueueSummary", func() { w.jobs = append(w.jobs, job) })
}
