package soak

import (
	"context"
	"net/http"
	"sync"
	"time"

	"aiwm-chat/local/checker"
	"aiwm-chat/local/client"
	"aiwm-chat/shared/chat"
	"aiwm-chat/shared/protocol"
)

// lookEvery is how often a screen looks for what it lacks.
const lookEvery = 300 * time.Millisecond

// A screen shows the streams that a device hears of, over all its connections.
type screen struct {
	mu        sync.Mutex
	assembler client.Assembler
	shown     map[streamOf]*glimpse
	cut       map[chat.MessageID]bool // messages of which a frame had only the beginning
}

type streamOf struct {
	ConversationID chat.ConversationID `json:"conversationId"`
	StreamID       string              `json:"streamId"`
}

// A glimpse is what was shown of a stream last, while it was being written.
type glimpse struct {
	first, at time.Time
	text      string
}

func newScreen() *screen {
	return &screen{shown: map[streamOf]*glimpse{}, cut: map[chat.MessageID]bool{}}
}

// frame shows what a frame brings.
func (s *screen) frame(f client.Frame) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.assembler.Frame(f, time.Now()); err != nil {
		return err
	}
	switch f.Event {
	case protocol.EventStreamStart, protocol.EventStreamDelta, protocol.EventStreamSnapshot:
		of, err := client.Data[streamOf](f)
		if err != nil {
			return err
		}
		s.look(of)
	}
	return nil
}

// look notes what is shown of a stream that is being written.
func (s *screen) look(of streamOf) {
	now := time.Now()
	shown, ok := s.assembler.Show(of.ConversationID, of.StreamID, now)
	if !ok || shown.Message != nil {
		return
	}
	g := s.of(of)
	if g.first.IsZero() {
		g.first = now
	}
	if text := shown.Text(protocol.PartContent); text != g.text {
		g.text, g.at = text, now
	}
}

func (s *screen) of(of streamOf) *glimpse {
	if s.shown[of] == nil {
		s.shown[of] = &glimpse{}
	}
	return s.shown[of]
}

// message notes a message that frame has shown already.
func (s *screen) message(m protocol.Message) {
	if m.StreamID == "" {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.of(streamOf{m.ConversationID, string(m.StreamID)})
	if m.Truncated {
		s.cut[m.ID] = true
	}
}

// lacking is what to ask for: the rest of streams that are being written, and of
// messages.
func (s *screen) lacking(now time.Time) (streams []client.Missing, messages []chat.MessageID) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for id := range s.cut {
		messages = append(messages, id)
	}
	return s.assembler.Missing(now), messages
}

// complete asks for what a screen lacks until ctx is done.
func (d *device) complete(ctx context.Context) {
	for ctx.Err() == nil {
		pause(ctx, lookEvery)
		streams, messages := d.screen.lacking(time.Now())
		if d.soak.Passive {
			streams = nil
		}
		for _, m := range streams {
			var snapshot protocol.StreamSnapshot
			path := "/conversations/" + string(m.ConversationID) + "/streams/" + m.StreamID
			if err := d.rest.Do(ctx, http.MethodGet, path, nil, &snapshot); err != nil {
				d.soak.note("read a stream", err)
				continue
			}
			d.screen.snapshot(snapshot)
		}
		for _, id := range messages {
			var m protocol.Message
			if err := d.rest.Do(ctx, http.MethodGet, "/messages/"+string(id), nil, &m); err != nil {
				d.soak.note("read a message", err)
				continue
			}
			d.screen.whole(m)
		}
	}
}

func (s *screen) snapshot(d protocol.StreamSnapshot) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.assembler.Snapshot(d, time.Now())
	s.look(streamOf{d.ConversationID, d.StreamID})
}

func (s *screen) whole(m protocol.Message) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.assembler.Message(m)
	delete(s.cut, m.ID)
}

// screens are what a device showed and shows of each stream.
func (d *device) screens() (all []checker.Screen) {
	d.screen.mu.Lock()
	defer d.screen.mu.Unlock()
	for of, g := range d.screen.shown {
		v := checker.Screen{
			Device: d.name, Principal: d.principal, Conversation: of.ConversationID, Stream: chat.ClientMessageID(of.StreamID),
			EndsOnly: d.endsOnly, First: g.first, Live: g.text, LiveAt: g.at,
		}
		if shown, ok := d.screen.assembler.Show(of.ConversationID, of.StreamID, time.Now()); ok {
			v.Text, v.Ended = shown.Text(protocol.PartContent), shown.Message != nil
		}
		all = append(all, v)
	}
	return all
}
