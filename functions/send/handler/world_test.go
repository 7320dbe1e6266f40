package handler_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/aws/aws-lambda-go/events"
	"github.com/go-json-experiment/json"

	"aiwm-chat/functions/send/handler"
	"aiwm-chat/shared/chat"
	"aiwm-chat/shared/delivery"
	"aiwm-chat/shared/gateway"
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
// Of Redis it has what send may use and nothing else: but for PutOut, reads.
type world struct {
	mu           sync.Mutex
	steps        []string
	fail         map[string]error  // before the step has done anything
	failAfter    map[string]error  // when it has
	onStep       func(step string) // called without the lock, before the step
	mortal       bool
	lives        int // steps until the process dies: whatever it does then is not done
	conversation chat.Conversation
	now          chat.Conversation // what AnyConversation returns: it may have changed meanwhile
	log          []chat.Message
	appended     chat.Message // as it came to Append
	settled      []*chat.Due
	projected    int64
	agentIDs     []chat.PrincipalID // that Project got
	admission    chat.Admission
	room         []chat.Connection
	onTrial      bool              // somebody in the room is not confirmed
	agents       []chat.Connection // of the agent, in the room or not
	roomAway     bool              // the slot of the room does not answer
	agentsAway   bool              // that of the agent's connections
	charged      []int             // how many each Audience was for
	asked        chat.Principal    // whose connections Audience was to look up
	joined       []chat.ConversationID
	putOut       []chat.Entry
	unreachable  map[chat.ConnectionID]bool // a post fails for now
	refusing     map[chat.ConnectionID]bool // a post is refused: somebody has to mend it
	gone         map[chat.ConnectionID]bool
	forgotten    []chat.ConnectionID
	jobs         []protocol.SummaryJob
	posts        []delivery.Post    // all that were tried
	passes       []delivery.Passes  // of each delivery
	delivered    map[string][]int64 // by event and connection: the seqs
	acks         []protocol.Sent    // in the order they were given
	refused      error              // what the caller got instead
	details      map[string]any     // of that
	devices      []chat.Connection  // of those who are mentioned, in the room or not
	noticed      [][]chat.Principal // whose devices were asked for
	outside      []string           // what those outside the room were told
	isOutside    bool               // they may be
	messageID    string             // of the frame, API Gateway's
	managed      *chat.Managed      // the agent is one that the backend runs
	lookups      int                // of it
	runs         []*chat.Run
	runJobs      []protocol.RunJob
	laterJobs    []protocol.RunJob // for the end of a lease
	stopped      map[chat.MessageID]bool
	root         *chat.Message // of a thread that is counted anew
	uploads      map[chat.UploadID]*chat.Upload
	kept, erased []chat.UploadID // of the bytes
	webhooks     []chat.Webhook
	webhookJobs  []protocol.WebhookJob
}

func newWorld() *world {
	c := chat.Conversation{
		ID: "c1", OrgID: "acme", AgentID: agent.ID, Status: chat.Active,
		Participants: []chat.Participant{{Type: chat.User, ID: user.ID}, {Type: chat.Agent, ID: agent.ID}},
	}
	return &world{
		conversation: c, now: c, delivered: map[string][]int64{}, stopped: map[chat.MessageID]bool{}, admission: chat.Admission{Known: true},
		fail: map[string]error{}, failAfter: map[string]error{}, onStep: func(string) {},
		unreachable: map[chat.ConnectionID]bool{}, refusing: map[chat.ConnectionID]bool{}, gone: map[chat.ConnectionID]bool{},
		room: []chat.Connection{userConnection, agentConnection}, agents: []chat.Connection{agentConnection},
	}
}

func (w *world) handler() *handler.Handler { return handler.New(w, w, w, w, w) }

// send adds a message of the user under a client message id.
func (w *world) send(ctx context.Context, id chat.ClientMessageID, content string) error {
	return w.sendInput(ctx, userConnection, protocol.MessageInput{ConversationID: "c1", ClientMessageID: id, Content: content})
}

// sendInput adds a message as a frame of a connection does.
func (w *world) sendInput(ctx context.Context, c chat.Connection, in protocol.MessageInput) error {
	body, err := protocol.Marshal(protocol.Send{Envelope: protocol.Envelope{Action: protocol.ActionSend}, MessageInput: in})
	if err != nil {
		return err
	}
	w.refused = nil
	_, err = gateway.Frames(w, gateway.Decoded(w.handler().Handle))(ctx, events.APIGatewayWebsocketProxyRequest{
		Body: string(body),
		RequestContext: events.APIGatewayWebsocketProxyRequestContext{
			MessageID: w.messageID, ConnectionID: string(c.ID), RouteKey: protocol.ActionSend, Authorizer: gateway.AuthorizerContext(c.Principal, c.ExpiresAt, c.Dialect),
		},
	})
	return errors.Join(err, w.refused)
}

func (w *world) sendREST(ctx context.Context, in protocol.MessageInput) error {
	return w.handler().SendREST(ctx, user, in, w.ack)
}

func (w *world) ack(sent protocol.Sent) {
	w.step("ack", func() { w.acks = append(w.acks, sent) })
}

// Post is a reply to the caller.
func (w *world) Post(_ context.Context, _ chat.Connection, frame []byte) error {
	var f struct {
		Event string        `json:"event"`
		Data  protocol.Sent `json:"data"`
		Error struct {
			Code    chat.Code      `json:"code"`
			Message string         `json:"message"`
			Details map[string]any `json:"details"`
		} `json:"error"`
	}
	if err := json.Unmarshal(frame, &f); err != nil {
		return err
	}
	if f.Event == protocol.EventMessageSent {
		w.ack(f.Data)
	} else {
		w.details = f.Error.Details
		w.refused = chat.Errorf(f.Error.Code, "%s", f.Error.Message)
	}
	return nil
}

func (w *world) Close(context.Context, chat.Connection) {}

// sweep finishes what is due, as sweep does: with the conversation as it is now.
func (w *world) sweep(ctx context.Context) error {
	for _, m := range slices.Clone(w.log) {
		if m.Due != nil {
			if _, err := w.handler().Finish(ctx, w.now, m); err != nil {
				return err
			}
		}
	}
	return nil
}

// fill puts n finished messages of the user into the log, as if sent at a time.
func (w *world) fill(n int, at time.Time) {
	for range n {
		seq := int64(len(w.log) + 1)
		m, err := chat.NewMessage("c1", user, chat.ClientMessageID("old-"+string(rune('a'+seq))), chat.Draft{Content: "old"}, 100, at)
		if err != nil {
			panic(err)
		}
		m.ID, m.Seq = chat.MessageID(fmt.Sprint("m", seq)), seq
		w.log = append(w.log, m)
	}
	w.projected = int64(len(w.log))
	w.conversation.TotalMessages = w.projected
}

// step records a step and does it, unless it is to fail or the process is dead.
func (w *world) step(name string, do func()) error {
	w.onStep(name)
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.mortal && len(w.steps) >= w.lives {
		return errDead
	}
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

// due is what is left to do of the last message, in words: "" where nothing is.
func (w *world) due() string {
	if len(w.log) == 0 || w.log[len(w.log)-1].Due == nil {
		return ""
	}
	return dueText(w.log[len(w.log)-1].Due)
}

func dueText(d *chat.Due) string {
	left := make([]string, 0, len(d.Left)+2)
	for _, e := range d.Left {
		if e != chat.EffectWebhook { // which is left where nobody knows yet whether there are any
			left = append(left, string(e))
		}
	}
	slices.Sort(left)
	if len(d.To) > 0 {
		left = append(left, fmt.Sprint(d.To))
	}
	if d.Tries > 0 {
		left = append(left, fmt.Sprint(d.Tries))
	}
	return strings.Join(left, " ")
}

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
	case "in-thread":
		return chat.Message{ID: id, ConversationID: "c1", ThreadID: "root", Deleted: true}, nil
	case "elsewhere":
		return chat.Message{ID: id, ConversationID: "c2"}, nil
	}
	return m, chat.Errorf(chat.NotFound, "there is no such message")
}

func (w *world) Append(_ context.Context, _ chat.Head, m chat.Message) (stored chat.Message, duplicate bool, err error) {
	var conflict error
	err = w.step("Append", func() {
		w.appended = m
		for _, other := range w.log {
			if other.Sender == m.Sender && other.ClientMessageID == m.ClientMessageID {
				stored, duplicate = other, true
				if !m.Repeats(other) {
					conflict = chat.Errorf(chat.Conflict, "this clientMessageId was used for another message")
				}
				return
			}
		}
		m.Seq = int64(len(w.log) + 1)
		m.ID, m.Due = chat.MessageID(fmt.Sprint("m", m.Seq)), m.Due.For(m.Seq)
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

func (w *world) Project(_ context.Context, c chat.Conversation, m chat.Message) error {
	agents := c.Agents()
	return w.step("Project", func() { w.projected, w.agentIDs = max(w.projected, m.Seq), agents })
}

// Settle is the store's: it changes what is due only for whoever had it last.
func (w *world) Settle(_ context.Context, m chat.Message, left *chat.Due) error {
	return w.step("Settle", func() {
		w.settled = append(w.settled, left)
		if own := &w.log[m.Seq-1]; own.Due != nil && own.Due.At.Equal(m.Due.At) {
			own.Due = left
		}
	})
}

func (w *world) Admit(context.Context, chat.Connection, chat.ConversationID) (a chat.Admission, err error) {
	err = w.step("Admit", func() { a = w.admission })
	return a, err
}

func (w *world) AgentOnline(context.Context, chat.Principal) (online bool) {
	w.step("AgentOnline", func() { online = len(w.agents) > 0 })
	return online
}

// Audience is presence's: a slot that does not answer costs its part alone.
func (w *world) Audience(_ context.Context, _ chat.ConversationID, who chat.Principal, to int) (a chat.Audience, err error) {
	err = w.step("Audience", func() {
		w.asked, a.Vouched, a.Outside = who, true, w.isOutside
		w.charged = append(w.charged, to)
		a.NoRoom, a.NoAgents = w.roomAway, who == agent && w.agentsAway
		if !w.roomAway {
			a.Room, a.Vouched = slices.Clone(w.room), !w.onTrial
			for _, c := range w.room {
				a.Generations = append(a.Generations, "of "+string(c.ID))
			}
		}
		if who == agent && !w.agentsAway {
			a.Agents = slices.Clone(w.agents)
		}
	})
	if err == nil && (w.roomAway || who == agent && w.agentsAway) {
		err = down
	}
	return a, err
}

// Mentioned is presence's.
func (w *world) Mentioned(_ context.Context, _ chat.ConversationID, who ...chat.Principal) (m chat.Mentioned, err error) {
	err = w.step("Mentioned", func() {
		w.noticed = append(w.noticed, who)
		m.Room = slices.Clone(w.room)
		for _, c := range w.devices {
			if slices.Contains(who, c.Principal) {
				m.Devices = append(m.Devices, c)
			}
		}
	})
	return m, err
}

// RoomAudience is Audience without the agent and those outside.
func (w *world) RoomAudience(context.Context, chat.ConversationID) (a chat.Audience, err error) {
	err = w.step("RoomAudience", func() {
		a.Room, a.Vouched = slices.Clone(w.room), !w.onTrial
		for _, c := range w.room {
			a.Generations = append(a.Generations, "of "+string(c.ID))
		}
	})
	if err == nil && w.roomAway {
		err = down
	}
	return a, err
}

func (w *world) Entered(context.Context, chat.ConnectionID) (ids []chat.ConversationID, err error) {
	err = w.step("Entered", func() { ids = w.joined })
	return ids, err
}

func (w *world) PutOut(_ context.Context, entries []chat.Entry) error {
	return w.step("PutOut", func() { w.putOut = append(w.putOut, entries...) })
}

// eventOf is the event of a frame, with what the agent of a lean one is told,
// and the seq of its message.
func eventOf(frame []byte) (string, int64) {
	var f struct {
		Event string
		Data  struct {
			Seq    int64
			ForYou bool
		}
	}
	if err := json.Unmarshal(frame, &f, json.MatchCaseInsensitiveNames(true)); err != nil {
		panic(err)
	}
	if f.Data.ForYou {
		f.Event += "!"
	}
	return f.Event, f.Data.Seq
}

func (w *world) Deliver(_ context.Context, posts []delivery.Post, passes delivery.Passes) (r delivery.Result) {
	err := w.step("Deliver", func() {
		w.passes = append(w.passes, passes)
		w.posts = append(w.posts, posts...)
		for _, p := range posts {
			switch event, seq := eventOf(p.Frame); {
			case w.gone[p.To.ID]:
				r.Gone = append(r.Gone, chat.Gone{Connection: p.To, At: time.Now()})
			case w.unreachable[p.To.ID]:
				r.Failed = append(r.Failed, p.To)
			case w.refusing[p.To.ID]:
				r.Refused = append(r.Refused, p.To)
			default:
				r.Posted++
				key := event + " " + string(p.To.ID)
				w.delivered[key] = append(w.delivered[key], seq)
			}
		}
	})
	if err != nil { // it has no error: everybody may have got it, and nobody said so
		r = delivery.Result{}
		for _, p := range posts {
			r.Failed = append(r.Failed, p.To)
		}
	}
	return r
}

func (w *world) Tell(context.Context, chat.Conversation, []byte) { _ = w.step("Tell", func() {}) }

func (w *world) Activity(_ context.Context, c chat.Conversation, seq int64, have []chat.Connection) {
	w.step("Activity", func() { w.outside = append(w.outside, fmt.Sprint(c.ID, " ", seq, " ", idsIn(have))) })
}

func idsIn(connections []chat.Connection) (ids []chat.ConnectionID) {
	for _, c := range connections {
		ids = append(ids, c.ID)
	}
	return ids
}

func (w *world) Forget(_ context.Context, gone []chat.Gone, in chat.ConversationID) {
	w.step("Forget", func() {
		for _, g := range gone {
			w.forgotten = append(w.forgotten, g.Connection.ID+"/"+chat.ConnectionID(in))
		}
	})
}

// ForgetMessage is the store's, of a conversation with or without a summary.
func (w *world) ForgetMessage(_ context.Context, _ chat.Conversation, m chat.Message) (c chat.Conversation, dropped bool, err error) {
	err = w.step("ForgetMessage", func() {
		c, dropped = w.conversation, w.conversation.Summary != nil && w.conversation.Summary.ToSeq >= m.Seq
	})
	if dropped {
		c.Summary = nil
	}
	return c, dropped, err
}

func (w *world) EnqueueSummary(_ context.Context, job protocol.SummaryJob) error {
	return w.step("EnqueueSummary", func() { w.jobs = append(w.jobs, job) })
}

// Agent is one that nobody created, unless the test says otherwise: no step.
func (w *world) Agent(_ context.Context, agent chat.Principal) (chat.AgentProfile, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.lookups++
	if err := w.fail["Agent"]; err != nil {
		return chat.AgentProfile{}, err
	}
	if w.managed == nil {
		return chat.AgentProfile{}, chat.Errorf(chat.NotFound, "there is no such agent")
	}
	m := w.managed.WithDefaults()
	return chat.AgentProfile{OrgID: agent.OrgID, ID: agent.ID, Managed: &m, Version: 1}, nil
}

// Webhooks are those of the organisation: no step.
func (w *world) Webhooks(context.Context, chat.OrgID) ([]chat.Webhook, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if err := w.fail["Webhooks"]; err != nil {
		return nil, err
	}
	return w.webhooks, nil
}

func (w *world) EnqueueWebhook(_ context.Context, job protocol.WebhookJob, delay time.Duration) error {
	return w.step("EnqueueWebhook", func() { w.webhookJobs = append(w.webhookJobs, job) })
}

func (w *world) QueueRun(_ context.Context, r chat.Run) (now chat.Run, inserted bool, err error) {
	err = w.step("QueueRun", func() {
		for _, other := range w.runs {
			if other.ID == r.ID {
				now = *other
				return
			}
		}
		w.runs = append(w.runs, &r)
		now, inserted = r, true
	})
	return now, inserted, err
}

func (w *world) OpenRuns(context.Context, chat.ConversationID, chat.PrincipalID) (open []chat.Run, err error) {
	err = w.step("OpenRuns", func() {
		for _, r := range w.runs {
			if !r.Status.Over() {
				open = append(open, *r)
			}
		}
	})
	return open, err
}

func (w *world) StopRun(_ context.Context, _ chat.OrgID, id chat.RunID, by chat.PrincipalID, now time.Time) (run chat.Run, err error) {
	err = w.step("StopRun", func() {
		for _, r := range w.runs {
			if r.ID == id {
				r.Stop = &chat.RunStop{By: by, At: now}
				if r.Attempt == 0 {
					r.Status = chat.RunCancelled
				}
				run = *r
			}
		}
	})
	return run, err
}

func (w *world) IndexMessage(context.Context, chat.Message) error {
	return w.step("IndexMessage", func() {})
}

// CountReplies is the store's: it changes the root that the test has.
func (w *world) CountReplies(_ context.Context, reply chat.Message, due time.Time) (root *chat.Message, err error) {
	err = w.step("CountReplies "+string(reply.ThreadID), func() {
		if w.root != nil {
			w.root.Version++
			w.root.Due = &chat.Due{At: due, Left: []chat.Effect{chat.EffectTell}}
			now := *w.root
			root = &now
		}
	})
	return root, err
}

func (w *world) RunDecided(context.Context, chat.RunID, time.Time) error {
	return w.step("RunDecided", func() {})
}

func (w *world) QuestionStopped(_ context.Context, _ chat.ConversationID, id chat.MessageID) (by chat.Principal, stopped bool, err error) {
	err = w.step("QuestionStopped", func() { by, stopped = user, w.stopped[id] })
	return by, stopped, err
}

func (w *world) StopQuestion(_ context.Context, _ chat.ConversationID, id chat.MessageID, _ chat.Principal) error {
	return w.step("StopQuestion", func() { w.stopped[id] = true })
}

func (w *world) EnqueueRunIn(_ context.Context, job protocol.RunJob, delay time.Duration) error {
	return w.step("EnqueueRunIn", func() { w.laterJobs = append(w.laterJobs, job) })
}

func (w *world) EnqueueRun(_ context.Context, job protocol.RunJob) error {
	return w.step("EnqueueRun", func() { w.runJobs = append(w.runJobs, job) })
}
