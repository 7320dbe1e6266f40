package client

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync"

	"aiwm-chat/shared/chat"
	"aiwm-chat/shared/protocol"
)

// ErrStreamEnded is why a StreamWriter takes no more: the stream has ended, because
// somebody stopped it, because another connection writes it, or by End and Abort.
var ErrStreamEnded = errors.New("the stream has ended")

// A StreamWriter writes an answer piece by piece. What comes faster than chat.Pace has
// it is put together; what the server lost, or would not take, is sent again. All
// methods may be called concurrently, End and Abort once.
type StreamWriter struct {
	c     *Client
	begin streamFrame
	tag   string // begins the ids of its appends

	stopped  chan struct{} // closed when somebody wants it to end
	stopOnce sync.Once
	wake     chan struct{}
	cancel   context.CancelFunc
	loops    sync.WaitGroup

	mu    sync.Mutex // guards what follows, and that there is one post at a time
	pace  chat.Pace
	parts map[string]*writtenPart
	order []string
	lost  bool  // the server knows nothing of it: begin again
	err   error // it takes no more
}

// writtenPart is what was written of one part.
type writtenPart struct {
	place   int    // among the parts: names are longer than the id of a frame may be
	text    string // all of it, unless before
	before  bool   // it was begun on another connection: the beginning is not known here
	pending string // what is not yet in a piece
	next    int
	sent    []sentPiece // from the last whole on
	again   int         // from this index on to be sent again; next: none
}

type sentPiece struct {
	index int
	text  string
	whole bool
}

// streamFrame is protocol.Stream as a client sends it.
type streamFrame struct {
	Action string `json:"action"`
	ID     string `json:"id"`
	protocol.MessageInput
	State     string         `json:"state"`
	StreamID  string         `json:"streamId"`
	Index     *int           `json:"index,omitzero"`
	Part      string         `json:"part,omitzero"`
	Text      string         `json:"text,omitzero"`
	Whole     bool           `json:"whole,omitzero"`
	Status    string         `json:"status,omitzero"`
	Pieces    map[string]int `json:"pieces,omitzero"`
	Reason    string         `json:"reason,omitzero"`
	Cancelled bool           `json:"cancelled,omitzero"`
}

// StartStream begins an answer under an id of the agent's own choice, or goes on with
// one that was begun on a connection that is gone. question is what it answers, or "".
// The writer lives until End, Abort or the end of ctx or of the connection.
func (c *Client) StartStream(ctx context.Context, id chat.ConversationID, stream string, question chat.MessageID) (*StreamWriter, error) {
	live, cancel := context.WithCancel(ctx)
	w := &StreamWriter{
		c: c, tag: "s" + strconv.FormatInt(c.nextID.Add(1), 10) + ".", cancel: cancel,
		begin:   streamFrame{MessageInput: protocol.MessageInput{ConversationID: id, ParentID: question}, State: protocol.StreamStart, StreamID: stream},
		stopped: make(chan struct{}), wake: make(chan struct{}, 1), parts: map[string]*writtenPart{},
	}
	started, err := w.start(ctx)
	if err != nil {
		cancel()
		return nil, err
	}
	for part, next := range started.Next {
		p := w.part(part)
		p.next, p.again, p.before = next, next, next > 0
	}
	w.loops.Go(func() { w.listen(live) })
	w.loops.Go(func() { w.pump(live) })
	return w, nil
}

func (w *StreamWriter) start(ctx context.Context) (protocol.StreamStarted, error) {
	reply, err := w.c.Request(ctx, protocol.ActionStream, w.begin)
	if err != nil {
		return protocol.StreamStarted{}, err
	}
	started, err := Data[protocol.StreamStarted](reply)
	if started.StoppedBy != nil {
		w.stop()
	}
	return started, err
}

// Stopped is closed when somebody wants the answer to end: end or abort it then.
func (w *StreamWriter) Stopped() <-chan struct{} { return w.stopped }

func (w *StreamWriter) stop() { w.stopOnce.Do(func() { close(w.stopped) }) }

// Write adds to a part; it waits for no answer. It fails once the stream has ended.
func (w *StreamWriter) Write(part, text string) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.err != nil {
		return w.err
	}
	w.part(part).pending += text
	w.kick()
	return nil
}

// Status tells what the agent does: thinking, generating, tool or waiting.
func (w *StreamWriter) Status(ctx context.Context, status string) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.err != nil {
		return w.err
	}
	f := w.frame(protocol.StreamAppend, w.tag+"status")
	f.Status = status
	return w.c.Send(ctx, f)
}

// kick has the pump look.
func (w *StreamWriter) kick() {
	select {
	case w.wake <- struct{}{}:
	default:
	}
}

func (w *StreamWriter) part(name string) *writtenPart {
	if w.parts[name] == nil {
		w.parts[name] = &writtenPart{place: len(w.order)}
		w.order = append(w.order, name)
	}
	return w.parts[name]
}

// placed is the part at a place, nil where there is none.
func (w *StreamWriter) placed(place string) *writtenPart {
	n, err := strconv.Atoi(place)
	if err != nil || n < 0 || n >= len(w.order) {
		return nil
	}
	return w.parts[w.order[n]]
}

func (w *StreamWriter) frame(state, id string) streamFrame {
	return streamFrame{
		Action: protocol.ActionStream, ID: id, State: state, StreamID: w.begin.StreamID,
		MessageInput: protocol.MessageInput{ConversationID: w.begin.ConversationID},
	}
}

// listen hears what the server says of the stream: refused appends and stops.
func (w *StreamWriter) listen(ctx context.Context) {
	for {
		f, err := w.c.Await(ctx, func(f Frame) bool {
			if f.Event == protocol.EventStreamStop {
				d, err := Data[protocol.StreamStop](f)
				return err == nil && d.StreamID == w.begin.StreamID && d.ConversationID == w.begin.ConversationID
			}
			return f.Error != nil && strings.HasPrefix(f.ID, w.tag)
		})
		if err != nil {
			w.fail(fmt.Errorf("write a stream: %w", err))
			return
		}
		if f.Event == protocol.EventStreamStop {
			w.stop()
			continue
		}
		w.refused(strings.TrimPrefix(f.ID, w.tag), f)
	}
}

func (w *StreamWriter) fail(err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.err == nil {
		w.err = err
	}
}

// refused does what the error of an append asks for.
func (w *StreamWriter) refused(id string, f Frame) {
	w.mu.Lock()
	defer w.mu.Unlock()
	defer w.kick()
	index, place, _ := strings.Cut(id, ".")
	next, missing := f.Error.Details["next"].(map[string]any)
	switch code := f.Error.Code; {
	case code == chat.NotFound:
		w.lost = true
	case code == chat.Conflict && missing: // it keeps no more of what comes after that
		for name, p := range w.parts {
			if n, ok := next[name].(float64); ok {
				p.again = min(p.again, int(n))
			}
		}
	case code == chat.RateLimited, code == chat.Unavailable, code == chat.Internal:
		if code == chat.RateLimited {
			w.pace.Widen()
		}
		if p := w.placed(place); p != nil {
			if n, err := strconv.Atoi(index); err == nil {
				p.again = min(p.again, n)
			}
		}
	default:
		if w.err == nil {
			w.err = fmt.Errorf("%w: %w", ErrStreamEnded, f.Err())
		}
	}
}
