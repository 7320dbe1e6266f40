package e2e_test

import (
	"context"
	"net/http"
	"time"

	"aiwm-chat/local/checker"
	"aiwm-chat/local/checker/evidence"
	"aiwm-chat/local/client"
	"aiwm-chat/shared/chat"
	"aiwm-chat/shared/protocol"
)

// open connects a member, and notes from then on what comes.
func (k *killing) open(m *member) {
	k.t.Helper()
	m.link = unique("link")
	k.record.Open(m.link, m.principal)
	m.Client = dial(k.t, k.server, m.token)
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
				return
			}
		}
	}()
}

// close ends a member's connection.
func (k *killing) close(m *member) {
	m.Close()
	m.Client, m.here = nil, false
	k.record.Close(m.link)
}

func (k *killing) note(m *member, link string, f client.Frame) {
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

func (k *killing) join(m *member) {
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
}

func (k *killing) utter(by *member, rest bool) *utterance {
	id := chat.ClientMessageID(unique("m"))
	return &utterance{by: by, text: "I am " + string(id), rest: rest, key: checker.Key{Conversation: k.id, Sender: by.principal, Client: id}}
}

// try sends it once.
func (k *killing) try(u *utterance) error {
	ctx, cancel := context.WithTimeout(k.t.Context(), patience)
	defer cancel()
	attempt := k.record.Try(u.key, u.text, 0)
	in := fields{"conversationId": k.id, "content": u.text, "clientMessageId": u.key.Client}
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
func (k *killing) say(by *member) {
	k.t.Helper()
	u := k.utter(by, false)
	persist(k.t, "send", func(context.Context) error { return k.try(u) })
	k.reached()
}
