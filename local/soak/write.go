package soak

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/http"
	"time"

	"aiwm-chat/local/checker"
	"aiwm-chat/local/client"
	"aiwm-chat/shared/chat"
	"aiwm-chat/shared/protocol"
)

// sayEvery is how often a device writes something.
const sayEvery = 1500 * time.Millisecond

// write has the device say something now and then, until ctx is done. What was
// begun then is brought to an end under until.
func (d *device) write(ctx, until context.Context) {
	for {
		pause(ctx, sayEvery)
		if ctx.Err() != nil {
			return
		}
		if rooms := d.wanted(); len(rooms) > 0 {
			d.say(until, rooms[rand.IntN(len(rooms))])
		}
	}
}

// say sends a message until it is acknowledged or refused, as G8 allows.
func (d *device) say(ctx context.Context, id chat.ConversationID) {
	m := d.compose(id)
	for ctx.Err() == nil {
		if d.try(ctx, m, rand.IntN(4) == 0) {
			return
		}
		pause(ctx, 200*time.Millisecond)
	}
}

// A note is a message to be sent, as often as it takes.
type note struct {
	checker.Key
	content string
	tokens  int64
	fields  map[string]any
}

func (d *device) compose(id chat.ConversationID) note {
	n := d.soak.serial.Add(1)
	m := note{
		Key:     checker.Key{Conversation: id, Sender: d.principal, Client: chat.ClientMessageID(fmt.Sprintf("m%d", n))},
		content: fmt.Sprintf("message %d of %s", n, d.name),
	}
	m.fields = map[string]any{"conversationId": id, "content": m.content, "clientMessageId": m.Client}
	if d.principal.Type == chat.Agent {
		m.tokens = 5
		m.fields["usage"] = map[string]any{"promptTokens": 2, "completionTokens": 3, "totalTokens": m.tokens}
	}
	return m
}

// try makes one attempt, and reports whether its outcome is final.
func (d *device) try(ctx context.Context, m note, overREST bool) bool {
	d.mu.Lock()
	l := d.link
	d.mu.Unlock()
	if !overREST && l == nil {
		return false
	}
	attempt := d.soak.record.Try(m.Key, m.content, m.tokens)
	var sent protocol.Sent
	var err error
	if overREST {
		err = d.rest.Do(ctx, http.MethodPost, "/messages", m.fields, &sent)
	} else {
		var f client.Frame
		if f, err = l.request(ctx, protocol.ActionSend, m.fields); err == nil {
			sent, err = client.Data[protocol.Sent](f)
		}
	}
	switch code := refusal(err); {
	case err == nil:
		d.soak.record.Acknowledge(attempt, sent.Seq, sent.MessageID)
		d.mu.Lock()
		d.said = append(d.said, sent.MessageID)
		d.mu.Unlock()
	case code != "":
		d.soak.record.Refuse(attempt, code)
		d.soak.note("send", err)
	default:
		d.soak.note("send", err)
		return false
	}
	return true
}

// lastSaid takes a message that may be deleted.
func (d *device) lastSaid() (chat.MessageID, bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	n := len(d.said)
	if n == 0 {
		return "", false
	}
	id := d.said[n-1]
	d.said = d.said[:n-1]
	return id, true
}
