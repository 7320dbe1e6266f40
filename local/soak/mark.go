package soak

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/http"
	"slices"
	"sync"

	"aiwm-chat/local/checker"
	"aiwm-chat/local/client"
	"aiwm-chat/shared/chat"
	"aiwm-chat/shared/protocol"
)

// markOne has the device say what it has read of a conversation, or that it has not.
func (d *device) markOne(ctx context.Context, id chat.ConversationID) {
	have := d.have(id)
	if have == 0 {
		return
	}
	if rand.IntN(4) == 0 {
		d.mark(ctx, checker.Marking{Conversation: id, By: d.principal, Back: true, Seq: rand.Int64N(have)})
	} else {
		d.mark(ctx, checker.Marking{Conversation: id, By: d.principal, Private: rand.IntN(2) == 0, Seq: have - rand.Int64N(min(have, 20))})
	}
}

// mark asks until it is answered or refused.
func (d *device) mark(ctx context.Context, m checker.Marking) {
	action, body := protocol.ActionRead, map[string]any{"seq": m.Seq, "private": m.Private}
	if m.Back {
		action, body = protocol.ActionUnread, map[string]any{"fromSeq": m.Seq + 1}
	}
	marking := d.soak.record.Mark(m)
	d.change(ctx, action, func(ctx context.Context, l *link) error {
		var now protocol.ReadUpdate
		var err error
		if l == nil {
			err = d.rest.Do(ctx, http.MethodPut, fmt.Sprintf("/conversations/%s/%s", m.Conversation, action), body, &now)
		} else {
			body["conversationId"] = m.Conversation
			var f client.Frame
			if f, err = l.request(ctx, action, body); err == nil {
				now, err = client.Data[protocol.ReadUpdate](f)
			}
			delete(body, "conversationId")
		}
		if err == nil {
			d.soak.record.Marked(marking, checker.Mark{Seq: now.Seq, Version: now.Version})
		}
		return err
	})
}

// markAtOnce has everybody in a conversation move their marks at the same time, both ways,
// while one of them says something.
func (s *soak) markAtOnce(ctx context.Context, r *rand.Rand) {
	t := s.talks[r.IntN(len(s.talks))]
	var wg sync.WaitGroup
	for _, d := range t.members {
		for range 5 {
			wg.Go(func() { d.markOne(ctx, t.id) })
		}
	}
	wg.Go(func() { t.members[0].say(ctx, t.id) })
	wg.Wait()
}

// told notes that a frame tells of a mark.
func (d *device) told(f client.Frame) error {
	u, err := client.Data[protocol.ReadUpdate](f)
	if err == nil {
		d.soak.record.Tell(checker.Told{
			Conversation: u.ConversationID, To: d.principal, About: chat.Principal{Type: u.Type, ID: u.ID, OrgID: d.principal.OrgID},
			Mark: checker.Mark{Seq: u.Seq, Version: u.Version},
		})
	}
	return err
}

// readings is what everybody who takes part has read in the end.
func (s *soak) readings(ctx context.Context) (map[checker.Member]checker.Reading, error) {
	all := map[checker.Member]checker.Reading{}
	for _, t := range s.talks {
		var public protocol.ReadMarks
		if err := t.members[0].rest.Do(ctx, http.MethodGet, "/conversations/"+string(t.id)+"/reads", nil, &public); err != nil {
			return nil, err
		}
		known := map[protocol.Identity]int64{}
		for _, m := range public.Data {
			known[m.Identity] = m.Seq
		}
		for _, d := range t.members {
			seq, in := known[protocol.IdentityOf(d.principal)]
			if !in || slices.Contains(s.leavers, d) {
				continue
			}
			var c protocol.Conversation
			if err := d.rest.Do(ctx, http.MethodGet, "/conversations/"+string(t.id), nil, &c); err != nil {
				return nil, err
			}
			all[checker.Member{Conversation: t.id, Principal: d.principal}] = checker.Reading{
				Mark: checker.Mark{Seq: *c.LastReadSeq, Version: c.ReadVersion}, Public: seq, Unread: c.Unread.Count, More: c.Unread.More,
			}
		}
	}
	return all, nil
}
