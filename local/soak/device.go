package soak

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"time"

	"aiwm-chat/local/checker/evidence"
	"aiwm-chat/local/client"
	"aiwm-chat/shared/chat"
	"aiwm-chat/shared/protocol"
)

const (
	// pingEvery is more often than documented, as everything here is faster.
	pingEvery = 2 * time.Second
	dialTime  = 10 * time.Second
)

// A device is a client of one principal that follows the documented rules: it
// pings, joins again what a pong lacks or what is ahead of what it has, drops
// by seq what it has, and connects again when it must.
type device struct {
	soak      *soak
	name      string
	principal chat.Principal
	token     string
	rest      *client.REST
	again     chan struct{}         // it is to connect again
	order     []chat.ConversationID // in which it takes part; fixed by the start
	endsOnly  bool                  // of streams it wants only what they become
	screen    *screen
	shelf     *shelf
	behind    chan chat.ConversationID // of which more changed than a join brings
	stop      context.CancelFunc
	wg        sync.WaitGroup

	mu    sync.Mutex
	link  *link // nil: not connected
	rooms map[chat.ConversationID]*progress
	said  []chat.MessageID // acknowledged, and not deleted
}

// A progress is how far a device has read a conversation: all up to have, and
// what came out of order.
type progress struct {
	have int64
	last chat.MessageID // that came
	held map[int64]bool
}

func (p *progress) note(seq int64) {
	if seq <= p.have {
		return
	}
	p.held[seq] = true
	for p.held[p.have+1] {
		p.have++
		delete(p.held, p.have)
	}
}

// run keeps the device connected until ctx is done.
func (d *device) run(ctx context.Context) {
	for n := 0; ctx.Err() == nil; n++ {
		if err := d.connected(ctx, fmt.Sprintf("%s/%d", d.name, n)); err != nil {
			d.soak.note("connect", err)
			pause(ctx, 200*time.Millisecond)
		}
	}
}

// connected is the life of one connection.
func (d *device) connected(ctx context.Context, name string) error {
	record := d.soak.record
	record.Open(name, d.principal)
	defer record.Close(name)
	dialing, cancel := context.WithTimeout(ctx, dialTime)
	defer cancel()
	c, err := client.Dial(dialing, d.soak.server.WebSocketURL(), d.token)
	if err != nil {
		return err
	}
	l := &link{name: name, client: c, pending: map[string]chan client.Frame{}}
	var wg sync.WaitGroup
	living, end := context.WithCancel(ctx)
	wg.Go(func() { d.complete(living) })
	wg.Go(func() { d.catchUp(living) })
	wg.Go(func() { l.read(func(f client.Frame) { d.handle(l, f) }) })
	defer wg.Wait()
	defer c.Close()
	defer end()
	d.attach(l)
	defer d.attach(nil)
	for _, id := range d.wanted() {
		d.join(ctx, l, id)
	}
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-c.Done():
			return nil
		case <-d.again:
			return nil
		case <-time.After(jitter(pingEvery)):
			d.ping(ctx, l)
		}
	}
}

func (d *device) attach(l *link) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.link = l
}

func (d *device) wanted() (ids []chat.ConversationID) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for id := range d.rooms {
		ids = append(ids, id)
	}
	return ids
}

func (d *device) have(id chat.ConversationID) int64 {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.rooms[id].have
}

// ping asks what the server knows, and makes up for what is missing.
func (d *device) ping(ctx context.Context, l *link) {
	f, err := l.request(ctx, protocol.ActionPing, nil)
	if err != nil {
		d.soak.note("ping", err)
		return
	}
	pong, err := client.Data[protocol.Pong](f)
	if err != nil {
		d.soak.note("pong", err)
		return
	}
	heads := map[chat.ConversationID]int64{}
	for _, room := range pong.Rooms {
		heads[room.ConversationID] = room.LastSeq
	}
	for _, id := range d.wanted() {
		if head, in := heads[id]; !in || head > d.have(id) && !d.soak.Passive {
			d.join(ctx, l, id)
		}
	}
}

func (d *device) join(ctx context.Context, l *link, id chat.ConversationID) {
	after := d.have(id)
	d.soak.record.Ask(l.name, d.principal, id)
	fields := map[string]any{"conversationId": id, "afterSeq": after}
	if d.endsOnly {
		fields["streams"] = "final"
	}
	cursor := d.shelf.cursor(id)
	if cursor != "" {
		fields["changedAfter"] = cursor
	}
	f, err := l.request(ctx, protocol.ActionJoin, fields)
	if joined, bad := client.Data[protocol.Joined](f); err == nil && bad == nil && cursor == "" {
		d.shelf.goOn(id, joined.ChangedAfter)
	}
	if cursor != "" && rand.IntN(4) == 0 { // as where more changed than a join brings
		select {
		case d.behind <- id:
		default:
		}
	}
	switch {
	case err == nil:
		d.soak.record.Join(l.name, d.principal, id, after)
	case refusal(err) != "": // it was removed, and may be added again
		d.soak.record.Leave(l.name, id)
	default:
		d.soak.note("join", err)
	}
}

// handle notes what a frame says.
func (d *device) handle(l *link, f client.Frame) {
	err := errors.Join(d.screen.frame(f), d.put(f))
	switch f.Event {
	case protocol.EventMessageNew, protocol.EventMessageFromUser:
		var m protocol.Message
		if m, err = client.Data[protocol.Message](f); err == nil {
			d.message(l, m)
		}
	case protocol.EventHistory:
		var h protocol.History
		if h, err = client.Data[protocol.History](f); err == nil {
			for _, raw := range h.Messages {
				var m protocol.Message
				if err = json.Unmarshal(raw, &m); err != nil {
					break
				}
				d.message(l, m)
			}
		}
	case protocol.EventLeft:
		var room protocol.Room
		if room, err = client.Data[protocol.Room](f); err == nil {
			d.soak.record.Leave(l.name, room.ConversationID)
		}
	case protocol.EventReadUpdate:
		err = d.told(f)
	case protocol.EventPresence:
		var p protocol.Presence
		if p, err = client.Data[protocol.Presence](f); err == nil && p.Status == protocol.Online {
			at, _ := time.Parse(protocol.Timestamp, p.At)
			for _, who := range append(p.More, p.Identity) {
				d.soak.record.Hear(d.principal, chat.Principal{Type: who.Type, ID: who.ID, OrgID: d.principal.OrgID}, at)
			}
		}
	}
	if err != nil {
		d.soak.note("parse "+f.Event, err)
	}
}

func (d *device) message(l *link, m protocol.Message) {
	d.soak.record.Frame(l.name, d.principal, m.ConversationID, evidence.Entry(m, d.principal.OrgID))
	d.screen.message(m)
	d.shelf.message(m, d.principal.OrgID)
	d.mu.Lock()
	defer d.mu.Unlock()
	if p := d.rooms[m.ConversationID]; p != nil {
		p.last = m.ID
		p.note(m.Seq)
	}
}

// reconnect has the device connect again, unless it is about to.
func (d *device) reconnect() {
	select {
	case d.again <- struct{}{}:
	default:
	}
}

// leave ends the device for good.
func (d *device) leave() {
	d.stop()
	d.wg.Wait()
}

func pause(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(jitter(d))
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}

// jitter is half to one and a half of d.
func jitter(d time.Duration) time.Duration { return d/2 + rand.N(d) }
