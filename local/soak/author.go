package soak

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"sync"
	"time"
	"unicode/utf8"

	"aiwm-chat/local/client"
	"aiwm-chat/shared/chat"
	"aiwm-chat/shared/protocol"
)

const (
	// answerEvery is how long an author pauses between two answers.
	answerEvery = 500 * time.Millisecond
	// pieceEvery is how long it thinks about a piece.
	pieceEvery = 70 * time.Millisecond
	// perPen is how many answers are written on one connection.
	perPen = 20
	// startTries is how often an author tries to begin, or to go on.
	startTries = 8
)

// An author writes answers, one after the other, each on the connection that it has
// then: what a device is told on its own connection is handled there.
type author struct {
	*device
	pen  *client.Client // nil: not connected
	name string         // of the connection
	used int
}

// answers has a device write streams until ctx is done. What was begun then is brought
// to an end under until.
func (d *device) answers(ctx, until context.Context) {
	a := &author{device: d}
	defer a.drop()
	for {
		pause(ctx, answerEvery)
		if ctx.Err() != nil {
			return
		}
		if a.used++; a.used%perPen == 0 {
			a.drop()
		}
		a.answer(until, a.plan())
	}
}

// connect opens a connection, unless there is one.
func (a *author) connect(ctx context.Context) error {
	if a.pen != nil {
		select {
		case <-a.pen.Done():
			a.drop()
		default:
			return nil
		}
	}
	name := fmt.Sprintf("%s/pen%d", a.device.name, a.soak.serial.Add(1))
	a.soak.record.Open(name, a.principal)
	dialing, cancel := context.WithTimeout(ctx, dialTime)
	defer cancel()
	c, err := client.Dial(dialing, a.soak.server.WebSocketURL(), a.token)
	if err != nil {
		a.soak.record.Close(name)
		return err
	}
	a.pen, a.name = c, name
	return nil
}

// drop cuts the connection, and whatever is written on it.
func (a *author) drop() {
	if a.pen != nil {
		a.pen.Close()
		a.soak.record.Close(a.name)
		a.pen = nil
	}
}

// answer writes one stream, to whatever end it comes.
func (a *author) answer(ctx context.Context, p *plan) {
	record := a.soak.record
	record.Stream(p.Key, p.text)
	if p.stopQuestion {
		p.stopper.stopAnswers(ctx, map[string]any{"conversationId": p.Conversation, "messageId": p.question})
	}
	if p.repeated && a.connect(ctx) == nil {
		begin := map[string]any{"conversationId": p.Conversation, "streamId": p.Client, "state": protocol.StreamStart, "parentId": p.question}
		if p.question == "" {
			delete(begin, "parentId")
		}
		asking, cancel := context.WithTimeout(ctx, replyTime)
		if _, err := a.pen.Request(asking, protocol.ActionStream, begin); err == nil {
			record.Started(p.Key)
		}
		cancel()
	}
	var stops sync.WaitGroup
	defer stops.Wait()
	for again := 0; again < 4 && ctx.Err() == nil; again++ {
		w, from, err := a.begin(ctx, p, again > 0, startTries)
		if err != nil {
			a.soak.note("begin a stream", err)
			a.learn(p, err)
			return
		}
		if p.stopper != nil && !p.stopQuestion && again == 0 {
			stops.Go(func() { p.stopper.stopLater(ctx, p) })
		}
		if a.write(ctx, p, w, from) {
			return
		}
		a.drop() // an index has one text on a connection: cut otherwise it needs another
	}
}

// begin starts a stream, or goes on with it; from is how much of it is there.
func (a *author) begin(ctx context.Context, p *plan, again bool, tries int) (w *client.StreamWriter, from int, err error) {
	for try := range tries {
		if try > 0 {
			pause(ctx, time.Duration(try)*200*time.Millisecond)
		}
		if err = a.connect(ctx); err != nil {
			continue
		}
		if w, err = a.start(ctx, p); err == nil {
			break
		}
		e, ok := errors.AsType[*client.Error](err)
		if ok && !e.Retryable && !(e.Code == chat.Conflict && (again || try > 0) && e.Details["messageId"] == nil) {
			return nil, 0, err
		}
		if !ok { // nobody knows what became of it
			a.drop()
		}
	}
	if err != nil {
		return nil, 0, err
	}
	a.soak.record.Started(p.Key)
	select {
	case <-w.Stopped():
		a.soak.record.Stop(p.Conversation, p.Client)
	default:
	}
	if !again {
		return w, 0, nil
	}
	var snapshot protocol.StreamSnapshot
	path := "/conversations/" + string(p.Conversation) + "/streams/" + string(p.Client)
	if err := a.rest.Do(ctx, http.MethodGet, path, nil, &snapshot); err != nil {
		p.silence()
		return nil, 0, fmt.Errorf("look where to go on: %w", err)
	}
	for _, part := range snapshot.Parts {
		if part.Part == protocol.PartContent {
			from = len(part.Text)
		}
	}
	return w, min(from, len(p.text)), nil
}

func (a *author) start(ctx context.Context, p *plan) (*client.StreamWriter, error) {
	defer a.soak.record.Alive(p.Key)
	waiting, cancel := context.WithTimeout(ctx, replyTime)
	defer cancel()
	// The writer lives as long as the context of its start, so that only an answer
	// that does not come ends it.
	live, end := context.WithCancel(ctx)
	stop := context.AfterFunc(waiting, end)
	w, err := a.pen.StartStream(live, p.Conversation, string(p.Client), p.question)
	if !stop() || err != nil {
		end()
		if err == nil {
			err = errNoReply
		}
	}
	p.silence = end
	return w, err
}

// write writes from a place on, and reports whether that was all there is to do; if
// not, the stream is to be gone on with.
func (a *author) write(ctx context.Context, p *plan, w *client.StreamWriter, from int) bool {
	record := a.soak.record
	defer func() { record.Alive(p.Key) }()
	defer p.silence()
	stopped := w.Stopped()
	if p.deaf {
		stopped = nil
	}
	fate := p.takeFate()
	breaks := len(p.text)
	if fate != whole {
		breaks = from + rand.IntN(len(p.text)-from+1)
	}
	for at := from; at < breaks; {
		next := min(at+1+rand.IntN(p.piece), breaks)
		if err := w.Write(protocol.PartContent, p.text[at:next]); err != nil {
			a.soak.note("write", err)
			fate = whole // its end says what became of it
			break
		}
		record.Alive(p.Key)
		at = next
		select {
		case <-stopped:
			return a.finish(ctx, p, w, at, rand.IntN(2) == 0, true)
		case <-ctx.Done():
			return true
		case <-time.After(jitter(pieceEvery)):
		}
	}
	switch fate {
	case aborts:
		return a.finish(ctx, p, w, breaks, false, false)
	case silent:
		return true
	case dies:
		a.drop()
		return true
	case returns:
		a.drop()
		pause(ctx, 300*time.Millisecond)
		return false
	case doubled:
		rival := &author{device: a.rival()}
		defer rival.drop()
		if rw, there, err := rival.begin(ctx, p, true, 2); err == nil {
			rival.write(ctx, p, rw, there)
			return true
		}
		return a.writeRest(ctx, p, w, breaks)
	}
	return a.finish(ctx, p, w, breaks, true, false)
}

func (a *author) writeRest(ctx context.Context, p *plan, w *client.StreamWriter, from int) bool {
	if err := w.Write(protocol.PartContent, p.text[from:]); err != nil {
		a.soak.note("write", err)
	}
	return a.finish(ctx, p, w, len(p.text), true, false)
}

// rival is the other device of the same agent.
func (a *author) rival() *device {
	for _, d := range a.soak.devices {
		if d.principal == a.principal && d != a.device {
			return d
		}
	}
	return a.device
}

// finish ends a stream after as much of its text, or aborts it.
func (a *author) finish(ctx context.Context, p *plan, w *client.StreamWriter, at int, end, cancelled bool) bool {
	to := at
	for to < len(p.text) && !utf8.RuneStart(p.text[to]) {
		to++
	}
	if to > at {
		_ = w.Write(protocol.PartContent, p.text[at:to]) // where it fails, so does what follows
	}
	defer a.soak.record.Alive(p.Key)
	waiting, cancel := context.WithTimeout(ctx, 2*replyTime)
	defer cancel()
	if !end {
		_, err := w.Abort(waiting, "it broke off", cancelled)
		if err != nil {
			a.soak.note("abort", err)
		}
		return err == nil || a.learn(p, err)
	}
	in := protocol.MessageInput{Usage: &protocol.Usage{PromptTokens: 2, CompletionTokens: 3, TotalTokens: 5}}
	attempt := a.soak.record.Try(p.Key, p.text[:to], in.Usage.TotalTokens)
	sent, err := w.End(waiting, in)
	if err == nil {
		a.soak.record.Acknowledge(attempt, sent.Seq, sent.MessageID)
		return true
	}
	a.soak.note("end", err)
	return a.learn(p, err)
}

// learn takes from a refusal what became of a stream, and reports whether it has ended.
func (a *author) learn(p *plan, err error) bool {
	e, ok := errors.AsType[*client.Error](err)
	if !ok || e.Code != chat.Conflict {
		return false
	}
	id, _ := e.Details["messageId"].(string)
	seq, _ := e.Details["seq"].(float64)
	if id == "" {
		return false
	}
	a.soak.record.Acknowledge(a.soak.record.Try(p.Key, p.text, 5), int64(seq), chat.MessageID(id))
	return true
}
