package soak

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/url"
	"sync"
	"time"

	"aiwm-chat/local/checker"
	"aiwm-chat/local/client"
	"aiwm-chat/shared/chat"
	"aiwm-chat/shared/protocol"
)

// changeEvery is how often a device changes something that was said.
const changeEvery = 1500 * time.Millisecond

var reactionKeys = []string{"👍", "👎", "🎉", "❤️", ":party:"}

// annotate has the device react, take it back, edit what it said, and say what it has read,
// now and then, until ctx is done. What was begun then is brought to an end under until.
func (d *device) annotate(ctx, until context.Context) {
	for {
		pause(ctx, changeEvery)
		if ctx.Err() != nil {
			return
		}
		rooms := d.wanted()
		if len(rooms) == 0 {
			continue
		}
		id := rooms[rand.IntN(len(rooms))]
		switch rand.IntN(5) {
		case 0:
			d.editOne(until, id)
		case 1, 2:
			d.markOne(until, id)
		default:
			d.reactOne(until, id)
		}
	}
}

func (d *device) reactOne(ctx context.Context, id chat.ConversationID) {
	if m, ok := d.shelf.pick(id, rand.Int(), func(*facets) bool { return true }); ok {
		d.react(ctx, id, m.id, reactionKeys[rand.IntN(len(reactionKeys))], rand.IntN(3) > 0)
	}
}

func (d *device) editOne(ctx context.Context, id chat.ConversationID) {
	if m, ok := d.shelf.pick(id, rand.Int(), d.ownText); ok {
		d.edit(ctx, id, m)
	}
}

func (d *device) ownText(f *facets) bool { return f.editable && f.author == d.principal }

// react asks until it is answered or refused.
func (d *device) react(ctx context.Context, id chat.ConversationID, m chat.MessageID, key string, on bool) {
	wish := d.soak.record.React(checker.Reaction{ID: m, By: d.principal, Key: key}, on)
	d.change(ctx, "react", func(ctx context.Context, l *link) error {
		var r protocol.Reactions
		var err error
		if l == nil {
			method := http.MethodDelete
			if on {
				method = http.MethodPut
			}
			err = d.rest.Do(ctx, method, fmt.Sprintf("/messages/%s/reactions/%s", m, url.PathEscape(key)), nil, &r)
		} else {
			var f client.Frame
			if f, err = l.request(ctx, protocol.ActionReact, map[string]any{"conversationId": id, "messageId": m, "key": key, "on": on}); err == nil {
				r, err = client.Data[protocol.Reactions](f)
			}
		}
		if err == nil {
			d.soak.record.Reacted(wish, r.ReactionVersion)
			d.shelf.reacted(r)
		}
		return err
	})
}

// edit asks until it is answered or refused.
func (d *device) edit(ctx context.Context, id chat.ConversationID, m facets) {
	text := fmt.Sprintf("edit %d of %s", d.soak.serial.Add(1), d.name)
	edit := d.soak.record.Edit(m.id, text)
	d.change(ctx, "edit", func(ctx context.Context, l *link) error {
		var now protocol.Message
		var err error
		if l == nil {
			err = d.rest.Do(ctx, http.MethodPut, "/messages/"+string(m.id), map[string]any{"content": text, "edits": m.Edits}, &now)
		} else {
			var f client.Frame
			fields := map[string]any{"conversationId": id, "messageId": m.id, "content": text, "edits": m.Edits}
			if f, err = l.request(ctx, protocol.ActionEdit, fields); err == nil {
				now, err = client.Data[protocol.Message](f)
			}
		}
		if err == nil {
			d.soak.record.Edited(edit, now.Edits, now.Version)
			d.shelf.message(now, d.principal.OrgID)
		}
		return err
	})
}

// change asks over either interface until it is answered or refused; l is nil over REST.
func (d *device) change(ctx context.Context, what string, ask func(ctx context.Context, l *link) error) {
	for tries := 0; ctx.Err() == nil && tries < 20; tries++ {
		d.mu.Lock()
		l := d.link
		d.mu.Unlock()
		if rand.IntN(3) == 0 {
			l = nil
		}
		err := ask(ctx, l)
		if err == nil {
			return
		}
		d.soak.note(what, err)
		if refusal(err) != "" {
			return
		}
		pause(ctx, 200*time.Millisecond)
	}
}

// changeAtOnce has everybody in a conversation change one message of its agent at the same
// time: both of its devices edit it, all react, and sometimes it is deleted, by one or by two.
func (s *soak) changeAtOnce(ctx context.Context, r *rand.Rand) {
	t := s.talks[r.IntN(len(s.talks))]
	both := []*device{t.members[1], t.members[2]}
	m, ok := both[0].shelf.pick(t.id, r.Int(), both[0].ownText)
	if !ok {
		return
	}
	var wg sync.WaitGroup
	for _, d := range both {
		wg.Go(func() { d.edit(ctx, t.id, m) })
	}
	for i, d := range t.members {
		wg.Go(func() { d.react(ctx, t.id, m.id, reactionKeys[i%2], true) })
	}
	deletes := r.IntN(3)
	for _, d := range []*device{t.members[0], both[1]}[:deletes] { // the creator may, and its author
		wg.Go(func() { d.erase(ctx, m.id) })
	}
	wg.Wait()
}

// erase deletes a message, asking until it is answered.
func (d *device) erase(ctx context.Context, id chat.MessageID) {
	deletion := d.soak.record.Delete(id)
	err := d.soak.persist(ctx, "delete", func(ctx context.Context) error {
		return d.rest.Do(ctx, http.MethodDelete, "/messages/"+string(id), nil, nil)
	})
	if err == nil {
		d.soak.record.Deleted(deletion)
	}
}
