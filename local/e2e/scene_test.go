package e2e_test

import (
	"context"
	"net/http"
	"testing"
	"time"

	"go.mongodb.org/mongo-driver/v2/mongo"

	"aiwm-chat/local/checker"
	"aiwm-chat/local/checker/evidence"
	"aiwm-chat/local/client"
	"aiwm-chat/local/server"
	"aiwm-chat/shared/chat"
	"aiwm-chat/shared/protocol"
)

// A scene is a conversation of members, and what the checker has to know of it.
type scene struct {
	t        *testing.T
	server   *server.Server
	record   *checker.Recorder
	messages *mongo.Collection
	bounds   checker.Bounds
	id       chat.ConversationID
	members  []*member // the first has created it
}

// A member is a participant on one connection.
type member struct {
	*actor
	link string // in the history
	here bool   // in the room, as far as it knows
}

// newScene adds to a conversation of the first, with the agent that is the second,
// the other members.
func newScene(t *testing.T, s *server.Server, id chat.ConversationID, members ...*member) *scene {
	t.Helper()
	k := &scene{t: t, server: s, record: checker.NewRecorder(), messages: mongoOf(t, s), id: id, members: members}
	added := map[chat.Principal]bool{members[0].principal: true, members[1].principal: true}
	for _, m := range members {
		k.record.Member(id, m.principal)
		if !added[m.principal] {
			added[m.principal] = true
			members[0].add(m.actor, id)
		}
	}
	return k
}

// reached waits until everybody in the room has all that is in the log, and
// nothing is due any more.
func (k *scene) reached() {
	k.t.Helper()
	n, err := k.messages.CountDocuments(k.t.Context(), map[string]any{"conversationId": k.id})
	if err != nil {
		k.t.Fatal(err)
	}
	for _, m := range k.members {
		if m.here {
			eventuallyWithin(k.t, string(m.principal.ID)+" has all", k.bounds.Delivery, func() bool { return m.has() == n })
		}
	}
	eventuallyWithin(k.t, "nothing is due", k.bounds.Delivery, func() bool { return due(k.t, k.messages, k.id) == 0 })
}

// judge has the checker look at all of it.
func (k *scene) judge() {
	k.t.Helper()
	time.Sleep(50 * time.Millisecond) // what has come is noted
	c, err := evidence.Conversation(k.t.Context(), k.members[0].rest, k.id, k.members[0].principal.OrgID)
	if err != nil {
		k.t.Fatal(err)
	}
	if c.Due, err = evidence.Due(k.t.Context(), k.messages, k.id); err != nil {
		k.t.Fatal(err)
	}
	k.check(c, time.Now().Add(k.bounds.Delivery+k.bounds.Presence))
}

// check has the checker look at what was seen, and at how it ended.
func (k *scene) check(end checker.Conversation, at time.Time) {
	k.t.Helper()
	f := checker.Final{At: at, Conversations: map[chat.ConversationID]checker.Conversation{k.id: end}}
	r := checker.Check(k.record.History(), f, k.bounds)
	attempts, acknowledged := k.record.Acknowledged()
	k.t.Logf("%d attempts, %d acknowledged, %d in the log: %v", attempts, acknowledged, len(end.Log), r)
	if !r.OK() {
		k.t.Error(r.Details())
	}
}

// open connects a member, and notes from then on what comes.
func (k *scene) open(m *member) {
	k.t.Helper()
	m.link = unique("link")
	k.record.Open(m.link, m.principal)
	m.Client = dial(k.t, k.server.WebSocketURL(), m.token)
	c, link := m.Client, m.link
	go func() { // ends with the connection
		for seen := 0; ; {
			ended := false
			select {
			case <-c.Done():
				ended = true
			case <-time.After(10 * time.Millisecond):
			}
			frames := c.Frames()
			for _, f := range frames[seen:] {
				k.note(m, link, f)
			}
			if seen = len(frames); ended {
				k.record.Close(link) // whoever ended it
				return
			}
		}
	}()
}

// close ends a member's connection.
func (k *scene) close(m *member) {
	m.Close()
	m.Client, m.here = nil, false
	k.record.Close(m.link)
}

// isOver reports whether the other side has ended the member's connection.
func (m *member) isOver() bool {
	select {
	case <-m.Done():
		return true
	default:
		return false
	}
}

func (k *scene) note(m *member, link string, f client.Frame) {
	if f.Event == protocol.EventMessageFromUser {
		k.record.Frame(link, m.principal, k.id, evidence.Entry(data[protocol.Message](k.t, f), m.principal.OrgID))
	}
	for _, one := range messagesOf(k.t, f) {
		k.record.Frame(link, m.principal, one.ConversationID, evidence.Entry(one, m.principal.OrgID))
	}
}

// has is the last seq up to which a member has all.
func (m *member) has() (have int64) {
	got := map[int64]bool{}
	for _, f := range m.Frames() {
		for _, one := range messagesOf(m.t, f) {
			got[one.Seq] = true
		}
	}
	for got[have+1] {
		have++
	}
	return have
}

func (k *scene) join(m *member) {
	k.t.Helper()
	after := m.has()
	k.record.Ask(m.link, m.principal, k.id)
	m.insist("join", fields{"conversationId": k.id, "afterSeq": after})
	k.record.Join(m.link, m.principal, k.id, after)
	m.here = true
}

// An utterance is a message, as often as it is sent.
type utterance struct {
	by   *member
	key  checker.Key
	text string
	rest bool
	with []chat.Attachment
}

func (k *scene) utter(by *member, rest bool) *utterance {
	id := chat.ClientMessageID(unique("m"))
	return &utterance{by: by, text: "I am " + string(id), rest: rest, key: checker.Key{Conversation: k.id, Sender: by.principal, Client: id}}
}

// try sends it once.
func (k *scene) try(u *utterance) error {
	ctx, cancel := context.WithTimeout(k.t.Context(), patience)
	defer cancel()
	attempt := k.record.Try(u.key, u.text, 0)
	in := fields{"conversationId": k.id, "content": u.text, "clientMessageId": u.key.Client}
	if u.with != nil {
		in["attachments"] = u.with
	}
	var sent protocol.Sent
	var err error
	if u.rest {
		err = u.by.rest.Do(ctx, http.MethodPost, "/messages", in, &sent)
	} else {
		var f client.Frame
		if f, err = u.by.Request(ctx, "send", in); err == nil {
			sent = data[protocol.Sent](k.t, f)
		}
	}
	if err == nil {
		k.record.Acknowledge(attempt, sent.Seq, sent.MessageID)
	}
	return err
}

// say sends a new message until it is acknowledged, and waits until all have it.
func (k *scene) say(by *member) {
	k.t.Helper()
	u := k.utter(by, false)
	persist(k.t, "send", func(context.Context) error { return k.try(u) })
	k.reached()
}
