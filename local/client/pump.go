package client

import (
	"context"
	"errors"
	"fmt"
	"time"
	"unicode/utf8"

	"aiwm-chat/shared/chat"
	"aiwm-chat/shared/protocol"
)

const (
	// repeatEvery is how often pieces that are sent again follow each other: no closer
	// than the server takes them in the long run.
	repeatEvery = protocol.StreamMinInterval
	// endTries is how often End sends what is missing, and asks again.
	endTries = 12
)

// pump sends what is pending when it is due.
func (w *StreamWriter) pump(ctx context.Context) {
	for {
		w.mu.Lock()
		due, some := w.due()
		w.mu.Unlock()
		var timer <-chan time.Time
		if some {
			timer = time.After(time.Until(due))
		}
		select {
		case <-ctx.Done():
			return
		case <-w.wake:
			continue
		case <-timer:
		}
		if err := w.flush(ctx, false); err != nil {
			w.fail(err)
			return
		}
	}
}

// due is when there is something to send, if there is.
func (w *StreamWriter) due() (at time.Time, some bool) {
	if w.err != nil {
		return time.Time{}, false
	}
	if w.lost {
		return w.pace.Due(), true
	}
	for _, p := range w.parts {
		if p.again < p.next || len(p.pending) > len(unfinished(p.pending)) {
			return w.pace.Due(), true
		}
	}
	return time.Time{}, false
}

// flush sends what is pending, and what is to be sent again; with last also half a
// character.
func (w *StreamWriter) flush(ctx context.Context, last bool) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.err != nil {
		return w.err
	}
	if w.lost {
		if err := w.beginAgain(ctx); err != nil {
			return err
		}
	}
	for _, name := range w.order {
		if err := w.flushPart(ctx, name, w.parts[name], last); err != nil {
			return err
		}
	}
	return nil
}

// beginAgain starts a stream that the server has lost, whose pieces all follow. What
// another connection has begun meanwhile is of other pieces: only the whole can take
// their place, after all of them.
func (w *StreamWriter) beginAgain(ctx context.Context) error {
	started, err := w.start(ctx)
	if err != nil {
		if e, ok := errors.AsType[*Error](err); ok && e.Code == chat.Unavailable {
			return nil // at the next piece
		}
		return fmt.Errorf("%w: %w", ErrStreamEnded, err)
	}
	w.lost = false
	for name, p := range w.parts {
		p.again = 0
		if theirs := started.Next[name]; theirs > p.next {
			if p.before || encodedLen(p.text) > chat.MaxRepair {
				return fmt.Errorf("%w: another connection has written other pieces of it", ErrStreamEnded)
			}
			p.next = theirs
		}
	}
	return nil
}

func (w *StreamWriter) flushPart(ctx context.Context, name string, p *writtenPart, last bool) error {
	keep := unfinished(p.pending)
	if last {
		keep = ""
	}
	fresh := p.pending[:len(p.pending)-len(keep)]
	repeat := p.again < p.next
	if !repeat && fresh == "" {
		return nil
	}
	now := time.Now()
	if repeat || w.pace.Repairs(now) {
		if whole := p.text + clean(fresh); !p.before && encodedLen(whole) <= chat.MaxRepair {
			p.text, p.pending = whole, keep
			p.sent, p.again = nil, p.next
			return w.post(ctx, name, p, sentPiece{p.next, whole, true}, now)
		}
	}
	for _, one := range p.sent {
		if one.index >= p.again {
			if err := w.send(ctx, name, one); err != nil {
				return err
			}
			time.Sleep(repeatEvery)
		}
	}
	p.again, p.pending = p.next, keep
	for fresh = clean(fresh); fresh != ""; {
		text := upTo(fresh, chat.MaxRepair)
		fresh, p.text = fresh[len(text):], p.text+text
		if err := w.post(ctx, name, p, sentPiece{p.next, text, false}, now); err != nil {
			return err
		}
	}
	return nil
}

// post sends a new piece, and remembers it.
func (w *StreamWriter) post(ctx context.Context, name string, p *writtenPart, one sentPiece, now time.Time) error {
	p.sent = append(p.sent, one)
	p.next, p.again = one.index+1, one.index+1
	w.pace.Sent(now, one.whole)
	return w.send(ctx, name, one)
}

func (w *StreamWriter) send(ctx context.Context, name string, one sentPiece) error {
	f := w.frame(protocol.StreamAppend, fmt.Sprintf("%s%d.%d", w.tag, one.index, w.part(name).place))
	f.Part, f.Index, f.Text, f.Whole = name, &one.index, one.text, one.whole
	return w.c.Send(ctx, f)
}

// End commits the answer and returns what it became. in is what else the message has;
// its text is what was written. It fails where the stream ended otherwise: the details
// of a chat.Conflict then name the message.
func (w *StreamWriter) End(ctx context.Context, in protocol.MessageInput) (protocol.Sent, error) {
	defer w.close()
	return w.finish(ctx, func() streamFrame {
		f := w.frame(protocol.StreamEnd, "")
		in.ConversationID = f.ConversationID
		f.MessageInput = in
		if w.fits() {
			f.Content = w.part(protocol.PartContent).text
			if t := w.parts[protocol.PartThinking]; t != nil && in.Thinking == nil {
				f.Thinking = &protocol.Thinking{Content: t.text, Visible: true}
			}
			return f
		}
		f.Pieces = map[string]int{protocol.PartContent: w.part(protocol.PartContent).next}
		if t := w.parts[protocol.PartThinking]; t != nil && in.Thinking == nil {
			f.Pieces[protocol.PartThinking] = t.next
		}
		return f
	})
}

// Abort breaks the answer off: what was written is committed as failed, or as
// cancelled where it was stopped. Where that is nothing there is no message, and what
// is returned is empty.
func (w *StreamWriter) Abort(ctx context.Context, reason string, cancelled bool) (protocol.Sent, error) {
	defer w.close()
	return w.finish(ctx, func() streamFrame {
		f := w.frame(protocol.StreamAbort, "")
		f.Reason, f.Cancelled = reason, cancelled
		return f
	})
}

// finish sends what is left, and then the last frame, again where pieces are missing.
func (w *StreamWriter) finish(ctx context.Context, last func() streamFrame) (sent protocol.Sent, err error) {
	for try := range endTries {
		if err = w.flush(ctx, true); err != nil {
			return sent, err
		}
		w.mu.Lock()
		f := last()
		w.mu.Unlock()
		var reply Frame
		if reply, err = w.c.Request(ctx, protocol.ActionStream, f); err == nil {
			if reply.Event == protocol.EventMessageSent {
				sent, err = Data[protocol.Sent](reply)
			}
			return sent, err
		}
		if !w.again(err) {
			return sent, err
		}
		select {
		case <-ctx.Done():
			return sent, ctx.Err()
		case <-time.After(time.Duration(try+1) * repeatEvery):
		}
	}
	return sent, err
}

// again notes what an end that was refused says is to be sent again.
func (w *StreamWriter) again(err error) bool {
	e, ok := errors.AsType[*Error](err)
	if !ok {
		return false
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	next, missing := e.Details["next"].(map[string]any)
	switch {
	case e.Code == chat.NotFound:
		w.lost = true
	case missing:
		for name, p := range w.parts {
			n, _ := next[name].(float64)
			p.again = min(p.next, int(n))
		}
	default:
		return e.Retryable
	}
	return true
}

// fits reports whether the answer fits a frame, so that its end says all of it.
func (w *StreamWriter) fits() bool {
	all := 0
	for name, p := range w.parts {
		if p.before {
			return false
		}
		if name == protocol.PartContent || name == protocol.PartThinking {
			all += encodedLen(p.text)
		}
	}
	return all <= chat.MaxRepair && w.part(protocol.PartContent).text != ""
}

// close ends what runs, and what is written later.
func (w *StreamWriter) close() {
	w.fail(ErrStreamEnded)
	w.cancel()
	w.loops.Wait()
}

// unfinished is the beginning of a character at the end of a text.
func unfinished(text string) string {
	for n := 1; n < utf8.UTFMax && n <= len(text); n++ {
		tail := text[len(text)-n:]
		if utf8.RuneStart(tail[0]) {
			if !utf8.FullRuneInString(tail) {
				return tail
			}
			return ""
		}
	}
	return ""
}

func clean(text string) string { return string([]rune(text)) } // invalid bytes are U+FFFD

// upTo is as much of a text as has so many bytes of JSON.
func upTo(text string, most int) string {
	for encodedLen(text) > most {
		n := len(text) / 2
		for !utf8.RuneStart(text[n]) {
			n--
		}
		text = text[:n]
	}
	return text
}

func encodedLen(text string) int {
	if len(text) > chat.MaxRepair {
		return len(text)
	}
	b, err := protocol.Marshal(text)
	if err != nil {
		return len(text) * 6
	}
	return len(b)
}
