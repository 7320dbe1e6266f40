package checker

import (
	"slices"
	"sync"
	"time"

	"aiwm-chat/shared/chat"
)

// A Recorder writes a History that many clients are part of. All methods may
// be called concurrently; what they return are places in it.
type Recorder struct {
	mu    sync.Mutex
	h     History
	views map[viewKey]int // the last one
	asked map[viewKey]time.Time
	wrote map[Key]int // streams
}

type viewKey struct {
	connection   string
	conversation chat.ConversationID
}

// NewRecorder returns a Recorder of nothing.
func NewRecorder() *Recorder {
	return &Recorder{views: map[viewKey]int{}, asked: map[viewKey]time.Time{}, wrote: map[Key]int{}}
}

// History returns a copy of what was recorded.
func (r *Recorder) History() History {
	r.mu.Lock()
	defer r.mu.Unlock()
	h := r.h
	h.Members, h.Attempts, h.Deletions = slices.Clone(h.Members), slices.Clone(h.Attempts), slices.Clone(h.Deletions)
	h.Removals, h.Links, h.Views, h.Heard = slices.Clone(h.Removals), slices.Clone(h.Links), slices.Clone(h.Views), slices.Clone(h.Heard)
	h.Edits, h.Wishes = slices.Clone(h.Edits), slices.Clone(h.Wishes)
	h.Markings, h.Tolds = slices.Clone(h.Markings), slices.Clone(h.Tolds)
	h.Streams, h.Stops, h.Losses = slices.Clone(h.Streams), slices.Clone(h.Stops), slices.Clone(h.Losses)
	for i := range h.Views {
		h.Views[i].Frames, h.Views[i].Again = slices.Clone(h.Views[i].Frames), slices.Clone(h.Views[i].Again)
	}
	return h
}

// Member notes a participant, before they can know of it.
func (r *Recorder) Member(id chat.ConversationID, p chat.Principal) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.h.Members = append(r.h.Members, Member{id, p})
}

// Try notes an attempt before it is made.
func (r *Recorder) Try(k Key, content string, tokens int64) int {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.h.Attempts = append(r.h.Attempts, Attempt{Key: k, Content: ContentOf(content), Text: content, Tokens: tokens, Begun: time.Now()})
	return len(r.h.Attempts) - 1
}

// Acknowledge notes that an attempt succeeded.
func (r *Recorder) Acknowledge(attempt int, seq int64, id chat.MessageID) {
	r.mu.Lock()
	defer r.mu.Unlock()
	a := &r.h.Attempts[attempt]
	a.Ended, a.Outcome, a.Seq, a.ID = time.Now(), Acknowledged, seq, id
}

// Refuse notes that an attempt was refused for good.
func (r *Recorder) Refuse(attempt int, code chat.Code) {
	r.mu.Lock()
	defer r.mu.Unlock()
	a := &r.h.Attempts[attempt]
	a.Ended, a.Outcome, a.Code = time.Now(), Refused, code
}

// Acknowledged returns how many attempts were made and how many succeeded.
func (r *Recorder) Acknowledged() (attempts, acknowledged int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, a := range r.h.Attempts {
		if a.Outcome == Acknowledged {
			acknowledged++
		}
	}
	return len(r.h.Attempts), acknowledged
}

// Stream notes a stream before it is begun.
func (r *Recorder) Stream(k Key, text string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	now := time.Now()
	r.wrote[k] = len(r.h.Streams)
	r.h.Streams = append(r.h.Streams, Stream{Key: k, Text: text, Begun: now, Alive: now})
}

// Started notes that its start was answered.
func (r *Recorder) Started(k Key) {
	r.mu.Lock()
	defer r.mu.Unlock()
	s := &r.h.Streams[r.wrote[k]]
	s.Started, s.Alive = true, time.Now()
}

// Alive notes that who writes it may have given a sign of life until now.
func (r *Recorder) Alive(k Key) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.h.Streams[r.wrote[k]].Alive = time.Now()
}

// Streams returns how many were begun.
func (r *Recorder) Streams() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.h.Streams)
}

// Stop notes that a stop was accepted.
func (r *Recorder) Stop(id chat.ConversationID, stream chat.ClientMessageID) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.h.Stops = append(r.h.Stops, Stop{id, stream, time.Now()})
}

// Lose notes that the server lost what it had of the streams of a conversation, or of
// all with "".
func (r *Recorder) Lose(id chat.ConversationID) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.h.Losses = append(r.h.Losses, Loss{id, time.Now()})
}

// Delete notes a deletion before it is asked for.
func (r *Recorder) Delete(id chat.MessageID) int {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.h.Deletions = append(r.h.Deletions, Deletion{ID: id, Begun: time.Now()})
	return len(r.h.Deletions) - 1
}

// Deleted notes that it was answered.
func (r *Recorder) Deleted(deletion int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.h.Deletions[deletion].Confirmed = time.Now()
}

// Edit notes an edit before it is asked for.
func (r *Recorder) Edit(id chat.MessageID, content string) int {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.h.Edits = append(r.h.Edits, Edit{ID: id, Content: ContentOf(content), Text: content})
	return len(r.h.Edits) - 1
}

// Edited notes that it was answered with the message as it was then.
func (r *Recorder) Edited(edit int, edits, version int64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.h.Edits[edit].Edits, r.h.Edits[edit].Version = edits, version
}

// React notes a wish before it is asked for.
func (r *Recorder) React(about Reaction, on bool) int {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.h.Wishes = append(r.h.Wishes, Wish{Reaction: about, On: on, Begun: time.Now()})
	return len(r.h.Wishes) - 1
}

// Reacted notes that it was answered with a version of the reactions.
func (r *Recorder) Reacted(wish int, version int64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.h.Wishes[wish].Ended, r.h.Wishes[wish].Version = time.Now(), version
}

// Changes returns how many reactions, edits and marks were asked for, and how many were answered.
func (r *Recorder) Changes() (asked, answered int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, w := range r.h.Wishes {
		if w.Version > 0 {
			answered++
		}
	}
	for _, e := range r.h.Edits {
		if e.Version > 0 {
			answered++
		}
	}
	for _, m := range r.h.Markings {
		if m.Answered {
			answered++
		}
	}
	return len(r.h.Wishes) + len(r.h.Edits) + len(r.h.Markings), answered
}

// Mark notes a marking before it is asked for.
func (r *Recorder) Mark(m Marking) int {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.h.Markings = append(r.h.Markings, m)
	return len(r.h.Markings) - 1
}

// Marked notes what answered it.
func (r *Recorder) Marked(marking int, m Mark) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.h.Markings[marking].Answered, r.h.Markings[marking].Mark = true, m
}

// Tell notes that a device was told of a mark.
func (r *Recorder) Tell(t Told) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.h.Tolds = append(r.h.Tolds, t)
}

// Remove notes a removal before it is asked for.
func (r *Recorder) Remove(id chat.ConversationID, p chat.Principal) int {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.h.Removals = append(r.h.Removals, Removal{Conversation: id, Principal: p, Begun: time.Now()})
	return len(r.h.Removals) - 1
}

// Removed notes that it was answered.
func (r *Recorder) Removed(removal int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.h.Removals[removal].Confirmed = time.Now()
}

// Back notes that who was removed is about to be added again.
func (r *Recorder) Back(removal int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.h.Removals[removal].Back = time.Now()
}

// Open notes a connection, before it is asked for: presence may tell of it
// before its client knows.
func (r *Recorder) Open(connection string, p chat.Principal) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.h.Links = append(r.h.Links, Link{Connection: connection, Principal: p, Opened: time.Now()})
}

// Close notes the end of a connection, and of all that it viewed.
func (r *Recorder) Close(connection string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	now := time.Now()
	for i := len(r.h.Links) - 1; i >= 0; i-- {
		if l := &r.h.Links[i]; l.Connection == connection && l.Closed.IsZero() {
			l.Closed = now
			break
		}
	}
	for key, at := range r.views {
		if key.connection == connection {
			r.end(at, now)
			delete(r.views, key)
			delete(r.asked, key)
		}
	}
}

// Ask notes that a connection is about to join: what comes from now on is of a
// new view, if it was out.
func (r *Recorder) Ask(connection string, p chat.Principal, id chat.ConversationID) {
	r.mu.Lock()
	defer r.mu.Unlock()
	key := viewKey{connection, id}
	if v := r.view(connection, p, id); !v.Ended.IsZero() {
		delete(r.views, key)
	}
	r.asked[key] = time.Now()
}

// Join notes that a connection is in a conversation, and had asked for what
// follows after.
func (r *Recorder) Join(connection string, p chat.Principal, id chat.ConversationID, after int64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if v := r.view(connection, p, id); v.Joined.IsZero() {
		v.Joined, v.After = time.Now(), after
	} else if v.Ended.IsZero() {
		v.Again = append(v.Again, Again{After: after, Asked: r.asked[viewKey{connection, id}], Joined: time.Now()})
	}
}

// Leave notes that a connection is out of a conversation again.
func (r *Recorder) Leave(connection string, id chat.ConversationID) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if at, ok := r.views[viewKey{connection, id}]; ok {
		r.end(at, time.Now())
	}
}

// Frame notes a message that came.
func (r *Recorder) Frame(connection string, p chat.Principal, id chat.ConversationID, e Entry) {
	r.mu.Lock()
	defer r.mu.Unlock()
	v := r.view(connection, p, id)
	v.Frames = append(v.Frames, Frame{Entry: e, At: time.Now()})
}

// Hear notes that somebody is said to be online.
func (r *Recorder) Hear(by, about chat.Principal, at time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.h.Heard = append(r.h.Heard, Heard{by, about, at})
}

func (r *Recorder) view(connection string, p chat.Principal, id chat.ConversationID) *View {
	key := viewKey{connection, id}
	at, ok := r.views[key]
	if !ok {
		at = len(r.h.Views)
		r.views[key] = at
		r.h.Views = append(r.h.Views, View{Connection: connection, Principal: p, Conversation: id})
	}
	return &r.h.Views[at]
}

func (r *Recorder) end(view int, at time.Time) {
	if v := &r.h.Views[view]; v.Ended.IsZero() {
		v.Ended = at
	}
}
