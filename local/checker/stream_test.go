package checker_test

import (
	"testing"
	"time"

	"aiwm-chat/local/checker"
	"aiwm-chat/shared/chat"
)

// Where a stream is in the history of streaming.
const (
	whole   = iota // sent
	stopped        // cancelled after half of it
	empty          // broken off before there was anything, and dropped
	lost           // died when the server's memory was emptied
	died           // failed after half of it
)

const written = "The sea is quiet."

// streaming is right, and then five streams of the agent, begun at 110, 115 …; the user's
// screen shows all of them, the guest's phone what those became that became something.
func streaming() *world {
	w := right()
	w.f.At = at(400)
	c := w.f.Conversations["c"]
	for i, name := range []chat.ClientMessageID{"whole", "stopped", "empty", "lost", "died"} {
		begun, half := at(110+5*i), written[:8]
		key := checker.Key{Conversation: "c", Sender: agent, Client: name}
		w.h.Streams = append(w.h.Streams, checker.Stream{Key: key, Text: written, Begun: begun, Started: true, Alive: begun.Add(4 * time.Second)})
		screen := checker.Screen{
			Device: "laptop", Principal: user, Conversation: "c", Stream: name, First: begun, Live: half, LiveAt: begun.Add(2 * time.Second),
		}
		e := checker.Entry{ID: "id" + chat.MessageID(name), Sender: agent, Client: name, Tokens: 1}
		text := half
		switch i {
		case whole:
			text, e.Status, e.Created = written, chat.StatusSent, begun.Add(4*time.Second)
		case stopped:
			e.Status, e.Created, e.Tokens = chat.StatusCancelled, begun.Add(12*time.Second), 0
			w.h.Stops = append(w.h.Stops, checker.Stop{Conversation: "c", Stream: name, Accepted: begun.Add(time.Second)})
		case died:
			e.Status, e.Created, e.Tokens = chat.StatusFailed, begun.Add(40*time.Second), 0
		case empty:
			screen.Live, screen.LiveAt = "", time.Time{}
		case lost:
			w.h.Losses = append(w.h.Losses, checker.Loss{At: begun.Add(3 * time.Second)})
		}
		if e.Status != "" {
			e.Seq, e.Content, e.Preview, e.Length = int64(len(c.Log)+1), checker.ContentOf(text), checker.ContentOf(text), len(text)
			c.Log = append(c.Log, e)
			screen.Ended, screen.Text = true, text
			w.f.Screens = append(w.f.Screens, checker.Screen{
				Device: "phone", Principal: guest, Conversation: "c", Stream: name, EndsOnly: true, Ended: true, Text: text,
			})
			for v := range 2 {
				w.h.Views[v].Frames = append(w.h.Views[v].Frames, checker.Frame{Entry: e, At: e.Created.Add(time.Second)})
			}
		}
		if i == whole {
			w.h.Attempts = append(w.h.Attempts, checker.Attempt{
				Key: key, Content: e.Content, Tokens: 1, Begun: begun.Add(3 * time.Second), Ended: begun.Add(4 * time.Second),
				Outcome: checker.Acknowledged, Seq: e.Seq, ID: e.ID,
			})
		}
		w.f.Screens = append(w.f.Screens, screen)
	}
	n := int64(len(c.Log))
	c.Total, c.LastSeq, c.Tokens, c.Last = n, n, 9, c.Log[n-1].Preview
	w.f.Conversations["c"] = c
	return w
}

// screen is what a device shows of a stream.
func (w *world) screen(device string, stream chat.ClientMessageID) *checker.Screen {
	for i := range w.f.Screens {
		if s := &w.f.Screens[i]; s.Device == device && s.Stream == stream {
			return s
		}
	}
	return nil
}

// becomes changes what a stream became, everywhere.
func (w *world) becomes(seq int, text string) {
	change := func(e *checker.Entry) {
		e.Content, e.Preview, e.Length = checker.ContentOf(text), checker.ContentOf(text), len(text)
	}
	e := &w.log()[seq-1]
	change(e)
	for v := range w.h.Views {
		for i := range w.h.Views[v].Frames {
			if f := &w.h.Views[v].Frames[i]; f.Seq == int64(seq) {
				change(&f.Entry)
			}
		}
	}
	for i := range w.f.Screens {
		if s := &w.f.Screens[i]; s.Stream == e.Client && s.Ended {
			s.Text = text
		}
	}
	w.conversation(func(c *checker.Conversation) { c.Last = c.Log[len(c.Log)-1].Preview })
}

// unsaid takes the last message away, as if nobody had ever seen it.
func (w *world) unsaid() {
	w.conversation(func(c *checker.Conversation) {
		n := len(c.Log) - 1
		c.Log, c.Total, c.LastSeq, c.Last = c.Log[:n], int64(n), int64(n), c.Log[n-1].Preview
	})
	for v := range 2 {
		f := w.h.Views[v].Frames
		w.h.Views[v].Frames = f[:len(f)-1]
	}
	*w.screen("phone", "died") = checker.Screen{Device: "phone", Principal: guest, Conversation: "c", Stream: "died", EndsOnly: true}
	s := w.screen("laptop", "died")
	s.Ended, s.Text = false, ""
}

func TestRightStreamsPass(t *testing.T) {
	for name, change := range map[string]func(*world){
		"":                                    func(*world) {},
		"gone with what the server knew":      func(w *world) { w.unsaid(); w.h.Losses = append(w.h.Losses, checker.Loss{At: at(131)}) },
		"nothing of it was ever shown":        func(w *world) { w.unsaid(); w.screen("laptop", "died").Live = "" },
		"stopped with nothing written":        func(w *world) { w.becomes(10, ""); w.screen("laptop", "stopped").Live = "" },
		"read before the last piece came":     func(w *world) { w.becomes(11, written[:4]); w.screen("laptop", "died").LiveAt = at(168) },
		"ended twice, once with less of it":   func(w *world) { w.h.Attempts = append(w.h.Attempts, w.half()) },
		"the guest was shown it before going": func(w *world) { w.screen("laptop", "whole").Principal = guest },
	} {
		w := streaming()
		change(w)
		if r := checker.Check(w.h, w.f, bounds); !r.OK() {
			t.Errorf("%s: %v\n%s", name, r, r.Details())
		}
	}
}

// half is an end that says half of the whole one, of which nobody knows what it became.
func (w *world) half() checker.Attempt {
	a := w.h.Attempts[len(w.h.Attempts)-1]
	a.Content, a.Outcome, a.Seq, a.ID = checker.ContentOf(written[:8]), checker.Unknown, 0, ""
	return a
}

func TestEachLieAboutStreamsIsFound(t *testing.T) {
	for name, tt := range map[string]struct {
		lie  func(*world)
		want checker.Kind
	}{
		"a character is lost in what was sent":    {func(w *world) { w.becomes(9, written[1:]) }, checker.Garbled},
		"a character is doubled":                  {func(w *world) { w.becomes(9, "T"+written) }, checker.Garbled},
		"only the beginning was sent":             {func(w *world) { w.becomes(9, written[:8]) }, checker.Garbled},
		"cancelled with something in between":     {func(w *world) { w.becomes(10, "The  sea") }, checker.Garbled},
		"failed with more than was to be written": {func(w *world) { w.becomes(11, written+" Not.") }, checker.Garbled},
		"failed without what had long come":       {func(w *world) { w.becomes(11, written[:4]) }, checker.Garbled},
		"shown in another order while written":    {func(w *world) { w.screen("laptop", "whole").Live = "sea The" }, checker.Garbled},
		"shown otherwise than it is":              {func(w *world) { w.screen("phone", "whole").Text += "." }, checker.Garbled},
		"still shown as being written": {func(w *world) {
			s := w.screen("laptop", "died")
			s.Ended, s.Text = false, s.Live
		}, checker.Garbled},
		"more tokens than it used":     {func(w *world) { w.log()[8].Tokens++; w.conversation(func(c *checker.Conversation) { c.Tokens++ }) }, checker.Wrong},
		"pieces for who wants the end": {func(w *world) { w.screen("phone", "whole").Live = "The" }, checker.Wrong},
		"shown, and written by nobody": {func(w *world) { w.screen("laptop", "lost").Stream = "other" }, checker.Wrong},
		"stopped, and written by nobody": {func(w *world) {
			w.h.Stops = append(w.h.Stops, checker.Stop{Conversation: "c", Stream: "other", Accepted: at(120)})
		}, checker.Wrong},
		"shown as a message that is not":   {func(w *world) { w.screen("laptop", "lost").Ended = true }, checker.Lost},
		"shown to who was removed before":  {func(w *world) { w.h.Removals[0].Back = time.Time{}; w.screen("laptop", "lost").Principal = guest }, checker.Leaked},
		"ended long after the last sign":   {func(w *world) { w.h.Streams[died].Alive = at(110) }, checker.Open},
		"ended long after the stop":        {func(w *world) { w.h.Stops[0].Accepted = at(112) }, checker.Open},
		"stopped, and no message":          {func(w *world) { w.h.Stops[0].Stream = "empty" }, checker.Open},
		"stopped and lost, and no message": {func(w *world) { w.h.Stops[0].Stream = "lost" }, checker.Open},
		"still open":                       {func(w *world) { w.conversation(func(c *checker.Conversation) { c.Open = append(c.Open, "empty") }) }, checker.Open},
		"still open, with what was shown": {func(w *world) {
			w.unsaid()
			w.conversation(func(c *checker.Conversation) { c.Open = append(c.Open, "died") })
		}, checker.Open},
		"shown, and never a message":          {(*world).unsaid, checker.Open},
		"shown, and lost before it was begun": {func(w *world) { w.h.Losses[0].At = at(124) }, checker.Open},
		"lost in another conversation":        {func(w *world) { w.h.Losses[0].Conversation = "d" }, checker.Open},
	} {
		t.Run(name, func(t *testing.T) { finds(t, streaming(), tt.lie, tt.want, false) })
	}
}

// What is still within its time is nothing yet.
func TestStreamsHaveTime(t *testing.T) {
	w := streaming()
	w.unsaid()
	w.conversation(func(c *checker.Conversation) { c.Open = append(c.Open, "died") })
	w.h.Stops = append(w.h.Stops, checker.Stop{Conversation: "c", Stream: "died", Accepted: at(395)})
	w.h.Streams[died].Alive = at(356)
	if r := checker.Check(w.h, w.f, bounds); !r.OK() {
		t.Errorf("%v\n%s", r, r.Details())
	}
}

// What a Recorder notes of streams.
func TestRecorderOfStreams(t *testing.T) {
	r := checker.NewRecorder()
	for _, name := range []chat.ClientMessageID{"one", "two"} {
		r.Stream(checker.Key{Conversation: "c", Sender: agent, Client: name}, string(name))
	}
	two := checker.Key{Conversation: "c", Sender: agent, Client: "two"}
	r.Started(two)
	r.Stop("c", "two")
	r.Lose("c")
	before := r.History()
	r.Alive(two)
	h := r.History()
	switch {
	case r.Streams() != 2 || h.Streams[0].Started || !h.Streams[1].Started || h.Streams[1].Text != "two" || h.Streams[1].Begun.IsZero():
		t.Errorf("streams: %+v", h.Streams)
	case !h.Streams[1].Alive.After(before.Streams[1].Alive) || before.Streams[1].Alive.Before(h.Streams[1].Begun):
		t.Errorf("signs of life: %+v, then %+v", before.Streams, h.Streams)
	case len(h.Stops) != 1 || h.Stops[0].Accepted.IsZero() || len(h.Losses) != 1 || h.Losses[0].Conversation != "c":
		t.Errorf("stops: %+v, losses: %+v", h.Stops, h.Losses)
	}
}
