package soak

import (
	"context"
	"errors"
	"strconv"
	"sync"
	"time"

	"aiwm-chat/local/client"
	"aiwm-chat/shared/chat"
	"aiwm-chat/shared/protocol"
)

// replyTime is how long a reply is waited for: longer than the server waits for
// a database.
const replyTime = 6 * time.Second

var errNoReply = errors.New("no reply")

// A link is one connection of a device. Its frames are handled one by one as
// they come; what somebody waits for is handed to them.
type link struct {
	name   string // in the history
	client *client.Client

	mu      sync.Mutex
	next    int
	pending map[string]chan client.Frame
}

// read handles every frame until the connection ends.
func (l *link) read(handle func(client.Frame)) {
	for {
		f, err := l.client.Await(context.Background(), func(client.Frame) bool { return true })
		if err != nil {
			l.answer("", client.Frame{})
			return
		}
		handle(f)
		switch {
		case f.Event == protocol.EventHistory || f.Event == protocol.EventChanged: // they repeat the id of a join
		case f.ID != "":
			l.answer(f.ID, f)
		case f.Event == "": // of API Gateway: it names no request
			l.answer("", f)
		}
	}
}

// answer hands a frame to who waits for it; without an id, to everybody.
func (l *link) answer(id string, f client.Frame) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for waiting, reply := range l.pending {
		if id == "" || id == waiting {
			reply <- f // it has room for one
			delete(l.pending, waiting)
		}
	}
}

// request sends an action and waits for its reply. An error that is no
// *client.Error says that nobody knows what became of it.
func (l *link) request(ctx context.Context, action string, fields map[string]any) (client.Frame, error) {
	reply := make(chan client.Frame, 1)
	l.mu.Lock()
	l.next++
	id := strconv.Itoa(l.next)
	l.pending[id] = reply
	l.mu.Unlock()
	defer func() {
		l.mu.Lock()
		delete(l.pending, id)
		l.mu.Unlock()
	}()
	ctx, cancel := context.WithTimeout(ctx, replyTime)
	defer cancel()
	frame := map[string]any{"action": action, "id": id}
	for name, value := range fields {
		frame[name] = value
	}
	if err := l.client.Send(ctx, frame); err != nil {
		return client.Frame{}, err
	}
	select {
	case f := <-reply:
		if f.Event == "" {
			return f, errNoReply
		}
		return f, f.Err()
	case <-l.client.Done():
		return client.Frame{}, errNoReply
	case <-ctx.Done():
		return client.Frame{}, ctx.Err()
	}
}

// refusal returns the code of an error that is final, "" for every other: what
// failed on the server's side may or may not have happened.
func refusal(err error) chat.Code {
	e, ok := errors.AsType[*client.Error](err)
	if !ok || e.Retryable || e.Code == chat.Internal {
		return ""
	}
	return e.Code
}
