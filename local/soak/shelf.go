package soak

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"sync"

	"aiwm-chat/local/checker"
	"aiwm-chat/local/checker/evidence"
	"aiwm-chat/local/client"
	"aiwm-chat/shared/chat"
	"aiwm-chat/shared/protocol"
)

// A shelf is what a device has of the messages of its conversations, by the documented rule:
// of each part the larger version, in whatever order they come, also of what is not known yet.
type shelf struct {
	mu    sync.Mutex
	rooms map[chat.ConversationID]*kept
}

// kept is what is known of one conversation, and the cursor of its changes.
type kept struct {
	cursor  string // "": none was given out yet
	has     map[chat.MessageID]*facets
	twofold []chat.MessageID
}

type facets struct {
	checker.Facets
	id       chat.MessageID
	seq      int64
	author   chat.Principal
	editable bool
}

func newShelf() *shelf { return &shelf{rooms: map[chat.ConversationID]*kept{}} }

func (s *shelf) room(id chat.ConversationID) *kept {
	if s.rooms[id] == nil {
		s.rooms[id] = &kept{has: map[chat.MessageID]*facets{}}
	}
	return s.rooms[id]
}

func (k *kept) of(id chat.MessageID) *facets {
	if k.has[id] == nil {
		k.has[id] = &facets{Facets: checker.Facets{Version: -1, ReactionVersion: -1}, id: id}
	}
	return k.has[id]
}

// message keeps what is newer of a whole message.
func (s *shelf) message(m protocol.Message, org chat.OrgID) {
	s.mu.Lock()
	defer s.mu.Unlock()
	k := s.room(m.ConversationID)
	f, e := k.of(m.ID), evidence.Entry(m, org)
	f.seq, f.author = m.Seq, e.Sender
	f.editable = m.Type == chat.TypeText && m.StreamID == ""
	switch {
	case e.Version > f.Version, e.Version == f.Version && f.Cut && !e.Cut:
		f.Version, f.Edits, f.Deleted, f.Content, f.Cut = e.Version, e.Edits, e.Deleted, e.Content, e.Cut
	case e.Version == f.Version && !f.Cut && !e.Cut && (f.Deleted != e.Deleted || !e.Deleted && f.Content != e.Content):
		k.twofold = append(k.twofold, m.ID)
	}
	k.reactions(f, e.ReactionVersion, e.Reactions)
}

func (k *kept) reactions(f *facets, version int64, now string) {
	switch {
	case version > f.ReactionVersion:
		f.ReactionVersion, f.Reactions = version, now
	case version == f.ReactionVersion && now != f.Reactions && !f.Deleted:
		k.twofold = append(k.twofold, f.id)
	}
}

func (s *shelf) reacted(r protocol.Reactions) {
	s.mu.Lock()
	defer s.mu.Unlock()
	k := s.room(r.ConversationID)
	k.reactions(k.of(r.MessageID), r.ReactionVersion, evidence.Reactions(r.Reactions))
}

func (s *shelf) gone(g protocol.MessageGone) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if f := s.room(g.ConversationID).of(g.MessageID); g.Version > f.Version {
		f.Version, f.Deleted = g.Version, true
	}
}

// cursor is what the next join asks with: "" is a first one.
func (s *shelf) cursor(id chat.ConversationID) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.room(id).cursor
}

func (s *shelf) goOn(id chat.ConversationID, cursor string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.room(id).cursor = cmp.Or(cursor, s.room(id).cursor)
}

// pick returns a message of a conversation that is not deleted, and is as wanted; of many
// one of the newest.
func (s *shelf) pick(id chat.ConversationID, n int, wanted func(*facets) bool) (facets, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	var found []*facets
	for _, f := range s.room(id).has {
		if f.seq > 0 && !f.Deleted && wanted(f) {
			found = append(found, f)
		}
	}
	if len(found) == 0 {
		return facets{}, false
	}
	slices.SortFunc(found, func(a, b *facets) int { return cmp.Compare(b.seq, a.seq) })
	return *found[n%min(len(found), newest)], true
}

// newest is how many messages are changed most: some of what is said is under way still.
const newest = 12

// put is what a frame says of messages.
func (d *device) put(f client.Frame) error {
	switch f.Event {
	case protocol.EventMessageUpdated:
		m, err := client.Data[protocol.Message](f)
		if err == nil {
			d.shelf.message(m, d.principal.OrgID)
		}
		return err
	case protocol.EventReactions:
		r, err := client.Data[protocol.Reactions](f)
		if err == nil {
			d.shelf.reacted(r)
		}
		return err
	case protocol.EventMessageDeleted:
		g, err := client.Data[protocol.MessageGone](f)
		if err == nil {
			d.shelf.gone(g)
		}
		return err
	case protocol.EventChanged:
		c, err := client.Data[protocol.Changed](f)
		if err != nil {
			return err
		}
		for _, raw := range c.Messages {
			var m protocol.Message
			if err := json.Unmarshal(raw, &m); err != nil {
				return err
			}
			d.shelf.message(m, d.principal.OrgID)
		}
		d.shelf.goOn(c.ConversationID, c.ChangedAfter)
		if c.HasMore {
			select {
			case d.behind <- c.ConversationID:
			default: // the next join goes on there
			}
		}
		return nil
	}
	return nil
}

// catchUp reads the rest of what changed in conversations, page by page.
func (d *device) catchUp(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case id := <-d.behind:
			for more := true; more && ctx.Err() == nil; {
				var page protocol.MessagePage
				path := fmt.Sprintf("/messages?conversationId=%s&limit=7&changedAfter=%s", id, url.QueryEscape(d.shelf.cursor(id)))
				if err := d.rest.Do(ctx, http.MethodGet, path, nil, &page); err != nil {
					d.soak.note("read what changed", err)
					if refusal(err) != "" {
						break
					}
					pause(ctx, jitter(lookEvery))
					continue
				}
				for _, m := range page.Data {
					d.shelf.message(m, d.principal.OrgID)
				}
				d.shelf.goOn(id, page.Pagination.ChangedAfter)
				more = page.Pagination.HasMore
			}
		}
	}
}

// shelves are what a device has in the end, of the conversations that it is in.
func (d *device) shelves() (all []checker.Shelf) {
	d.shelf.mu.Lock()
	defer d.shelf.mu.Unlock()
	for id, k := range d.shelf.rooms {
		s := checker.Shelf{
			Device: d.name, Principal: d.principal, Conversation: id, Has: map[chat.MessageID]checker.Facets{}, Twofold: slices.Clone(k.twofold),
		}
		for m, f := range k.has {
			s.Has[m] = f.Facets
		}
		all = append(all, s)
	}
	return all
}
