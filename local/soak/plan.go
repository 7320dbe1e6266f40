package soak

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/http"
	"strings"
	"time"

	"aiwm-chat/local/checker"
	"aiwm-chat/local/client"
	"aiwm-chat/shared/chat"
	"aiwm-chat/shared/protocol"
)

// A fate is how the writing of a stream ends, unless somebody stops it.
type fate int

const (
	whole   fate = iota
	aborts       // it breaks off, and says so
	silent       // it breaks off, and says nothing
	dies         // its connection is cut, and it never comes back
	returns      // its connection is cut, and it goes on on another
	doubled      // another device of the agent begins it, too
)

// fates have as many parts of a hundred; the rest is whole.
var fates = map[fate]int{aborts: 8, silent: 4, dies: 6, returns: 10, doubled: 7}

// streamPrefix begins the ids of streams, and of nothing else.
const streamPrefix = "s"

// A plan is a stream that is to be written.
type plan struct {
	checker.Key
	text         string
	piece        int // how long its pieces are at most, in bytes
	question     chat.MessageID
	fate         fate
	repeated     bool    // it is begun twice
	stopper      *device // who stops it; nil: nobody
	stopQuestion bool    // before it begins
	stopAll      bool    // with whatever else is written there
	deaf         bool    // its agent does not listen to stops
	silence      context.CancelFunc
}

func (d *device) plan() *plan {
	id := d.order[rand.IntN(len(d.order))]
	key := checker.Key{Conversation: id, Sender: d.principal, Client: chat.ClientMessageID(fmt.Sprint(streamPrefix, d.soak.serial.Add(1)))}
	p := &plan{Key: key, text: composed(string(key.Client)), fate: d.drawFate(), repeated: rand.IntN(12) == 0, silence: func() {}}
	p.piece = max(2*len(p.text)/(4+rand.IntN(12)), 2)
	if rand.IntN(3) > 0 {
		p.question = d.last(id)
	}
	if rand.IntN(6) == 0 {
		p.stopper = d.soak.readerOf(id)
		p.stopAll = rand.IntN(4) == 0
		if p.deaf = !d.soak.Light && rand.IntN(3) == 0; p.deaf {
			p.fate = silent
		}
		p.stopQuestion = p.question != "" && rand.IntN(4) == 0
	}
	return p
}

// drawFate leaves out what has to wait for a lease where time is short.
func (d *device) drawFate() fate {
	n := rand.IntN(100)
	for f := aborts; f <= doubled; f++ {
		if d.soak.Light && (f == silent || f == dies) {
			continue
		}
		if n -= fates[f]; n < 0 {
			return f
		}
	}
	return whole
}

// takeFate is what happens on this connection: on the next one it is written to its end.
func (p *plan) takeFate() fate {
	f := p.fate
	p.fate = whole
	return f
}

var words = strings.Fields(`the sea is quiet today and "nobody" writes <b>bold</b> 🌊 naïve 漢字 & so on 👩‍👩‍👧 \n \u0041 é { } [ ] ' 100% æther`)

// composed is a text of its own for each name: mostly short, sometimes longer than a
// frame.
func composed(name string) string {
	n := 20 + rand.IntN(600)
	switch r := rand.IntN(100); {
	case r == 0:
		n = 30_000 + rand.IntN(15_000)
	case r < 12:
		n = 1000 + rand.IntN(3000)
	}
	var b strings.Builder
	b.WriteString(name)
	for b.Len() < n {
		b.WriteString([]string{" ", " ", " ", "\n", "\t"}[rand.IntN(5)])
		b.WriteString(words[rand.IntN(len(words))])
	}
	return b.String()
}

// readerOf is a user who takes part in a conversation from its beginning to its end.
func (s *soak) readerOf(id chat.ConversationID) *device {
	for _, t := range s.talks {
		if t.id == id {
			return t.members[0]
		}
	}
	return nil
}

// last is the last message that a device knows of a conversation.
func (d *device) last(id chat.ConversationID) chat.MessageID {
	d.mu.Lock()
	defer d.mu.Unlock()
	if p := d.rooms[id]; p != nil {
		return p.last
	}
	return ""
}

// stopLater stops a stream while it is being written, or just after.
func (d *device) stopLater(ctx context.Context, p *plan) {
	pause(ctx, 300*time.Millisecond)
	fields := map[string]any{"conversationId": p.Conversation}
	if !p.stopAll {
		fields["streamId"] = p.Client
	}
	d.stopAnswers(ctx, fields)
}

// stopAnswers asks for the end of streams, over either interface, once.
func (d *device) stopAnswers(ctx context.Context, fields map[string]any) {
	d.mu.Lock()
	l := d.link
	d.mu.Unlock()
	var stopping protocol.StreamStopping
	var err error
	if stream, one := fields["streamId"]; one && (l == nil || rand.IntN(3) == 0) {
		path := fmt.Sprintf("/conversations/%s/streams/%s/stop", fields["conversationId"], stream)
		err = d.rest.Do(ctx, http.MethodPost, path, nil, &stopping)
	} else if l != nil {
		var f client.Frame
		if f, err = l.request(ctx, protocol.ActionStop, fields); err == nil {
			stopping, err = client.Data[protocol.StreamStopping](f)
		}
	}
	if err != nil {
		d.soak.note("stop", err)
		return
	}
	for _, id := range stopping.StreamIDs {
		d.soak.record.Stop(stopping.ConversationID, chat.ClientMessageID(id))
	}
}
