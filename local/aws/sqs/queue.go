package sqs

import (
	"container/heap"
	"context"
	"crypto/md5"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"time"

	"github.com/google/uuid"
)

var (
	errFull        = errors.New("queue is full")
	errBadHandle   = errors.New("bad receipt handle")
	errNotInFlight = errors.New("message is not in flight")
)

// A message is one message in a queue. What is above the empty line never
// changes.
type message struct {
	id            string
	body          string
	bodyMD5       string
	attributes    map[string]attribute
	attributesMD5 string // empty without attributes
	size          int    // of body and attributes, in bytes
	sent          time.Time
	trace         string // the header of X-Ray, or ""

	firstReceived time.Time
	received      int    // how often
	deadLetterOf  string // ARN of the queue it was moved from
	visibleAt     time.Time
	index         int // in the heap
}

func newMessage(body string, attributes map[string]attribute) *message {
	sum := md5.Sum([]byte(body))
	return &message{
		id:            uuid.NewString(),
		body:          body,
		bodyMD5:       hex.EncodeToString(sum[:]),
		attributes:    attributes,
		attributesMD5: attributesMD5(attributes),
		size:          messageSize(body, attributes),
		sent:          time.Now(),
	}
}

// A queue holds messages in one heap by the time they become visible. A
// received message is one that becomes visible later, so nothing needs to watch
// the clock but those who wait for a message.
type queue struct {
	config      Queue
	arn         string
	scale       float64
	delayScale  float64
	maxMessages int
	deadLetters *queue // nil without
	log         *slog.Logger
	created     time.Time

	mu       sync.Mutex
	journal  *journal // nil: the messages are in memory alone
	leaving  int      // messages on their way to the dead-letter queue, which are in the journal and not in messages
	messages messageHeap
	byID     map[string]*message
	bytes    int
	waiting  bool          // somebody has taken changed
	changed  chan struct{} // closed when a message may become visible sooner than the waiting know
}

func newQueue(o Options, config Queue) *queue {
	return &queue{
		config:      config,
		arn:         ARN(config.Name),
		scale:       o.TimeScale,
		delayScale:  o.DelayScale,
		maxMessages: o.MaxMessages,
		log:         o.Logger,
		created:     time.Now(),
		byID:        map[string]*message{},
		changed:     make(chan struct{}),
	}
}

func (q *queue) scaled(d time.Duration) time.Duration { return time.Duration(float64(d) / q.scale) }

// put adds a message that becomes visible after the delay. One that is there
// already, because a process died between two journals, stays alone.
func (q *queue) put(m *message, delay time.Duration) error {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.byID[m.id] != nil {
		return nil
	}
	if len(q.messages) >= q.maxMessages || q.bytes+m.size > maxQueueBytes {
		return errFull
	}
	m.visibleAt = time.Now().Add(time.Duration(float64(delay) / q.delayScale))
	if err := q.journal.append(entry{Put: keep(m)}); err != nil {
		return fmt.Errorf("write the journal of %s: %w", q.config.Name, err)
	}
	q.add(m)
	q.wake()
	return nil
}

// add takes a message into the queue. The caller holds q.mu, or is alone.
func (q *queue) add(m *message) {
	heap.Push(&q.messages, m)
	q.byID[m.id] = m
	q.bytes += m.size
}

// wake tells those who wait to look again. The caller holds q.mu.
func (q *queue) wake() {
	if q.waiting {
		close(q.changed)
		q.changed, q.waiting = make(chan struct{}), false
	}
}

// receive takes up to max messages of together up to maxBytes (but at least
// one), hides them for the visibility timeout and returns copies. It waits
// until there is one, the wait is over or ctx is done.
func (q *queue) receive(ctx context.Context, max, maxBytes int, visibility, wait time.Duration) []message {
	deadline := time.Now().Add(wait)
	for ctx.Err() == nil {
		got, dead, next, changed := q.take(max, maxBytes, visibility)
		for _, m := range dead {
			q.bury(m)
		}
		if len(got) > 0 || !time.Now().Before(deadline) {
			return got
		}
		if next.IsZero() || next.After(deadline) {
			next = deadline
		}
		timer := time.NewTimer(time.Until(next))
		select {
		case <-ctx.Done():
		case <-timer.C:
		case <-changed:
		}
		timer.Stop()
	}
	return nil
}

// take takes what is visible now. It also returns the messages that are due for
// the dead-letter queue, when the next message becomes visible (zero if there
// is none), and a channel that is closed when that may have changed.
func (q *queue) take(max, maxBytes int, visibility time.Duration) (got []message, dead []*message, next time.Time, changed <-chan struct{}) {
	q.mu.Lock()
	defer q.mu.Unlock()
	now, bytes := time.Now(), 0
	var (
		taken   []*message
		expired []string
	)
	for len(taken) < max && len(q.messages) > 0 && !q.messages[0].visibleAt.After(now) {
		m := q.messages[0]
		switch {
		case now.Sub(m.sent) > q.scaled(q.config.Retention):
			q.remove(m)
			expired = append(expired, m.id)
			continue
		case q.deadLetters != nil && m.received >= q.config.MaxReceiveCount:
			q.remove(m)
			q.leaving++
			dead = append(dead, m)
			continue
		}
		if bytes += m.size; bytes > maxBytes && len(taken) > 0 {
			break
		}
		heap.Pop(&q.messages) // not Fix: with a timeout of zero it would come again
		taken = append(taken, m)
		m.visibleAt = now.Add(q.scaled(visibility))
		if m.received++; m.received == 1 {
			m.firstReceived = now
		}
		got = append(got, *m)
	}
	var ids []string
	for _, m := range taken {
		heap.Push(&q.messages, m)
		ids = append(ids, m.id)
	}
	if len(taken) > 0 || len(expired) > 0 {
		q.note(entry{Taken: ids, At: now.UnixMilli(), Gone: expired})
	}
	if len(got) == 0 {
		if len(q.messages) > 0 {
			next = q.messages[0].visibleAt
		}
		q.waiting = true
	}
	return got, dead, next, q.changed
}

// bury moves a message to the dead-letter queue, where its receives are counted
// anew.
func (q *queue) bury(m *message) {
	log := q.log.With("queue", q.config.Name, "deadLetterQueue", q.deadLetters.config.Name, "messageId", m.id, "received", m.received)
	m.received, m.firstReceived, m.deadLetterOf = 0, time.Time{}, q.arn
	if err := q.deadLetters.put(m, 0); err != nil {
		log.Error("dead letter lost", "err", err)
	} else {
		log.Warn("dead letter")
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	q.leaving--
	q.note(entry{Gone: []string{m.id}}) // last: a process that dies before has it in both queues
}

// delete removes the message of a receipt handle. As in SQS, an older handle
// than that of the last receive is accepted and does nothing, and so does that
// of a message that is gone.
func (q *queue) delete(handle string) error {
	id, receive, err := q.parseHandle(handle)
	if err != nil {
		return err
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	if m := q.byID[id]; m != nil && m.received == receive {
		q.remove(m)
		q.note(entry{Gone: []string{m.id}})
	}
	return nil
}

// hide makes the message of a receipt handle visible after the timeout, counted
// from now.
func (q *queue) hide(handle string, timeout time.Duration) error {
	id, receive, err := q.parseHandle(handle)
	if err != nil {
		return err
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	m, now := q.byID[id], time.Now()
	if m == nil || m.received != receive || !m.visibleAt.After(now) {
		return errNotInFlight
	}
	m.visibleAt = now.Add(q.scaled(timeout))
	heap.Fix(&q.messages, m.index)
	q.wake()
	return nil
}

func (q *queue) purge() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.messages, q.bytes = nil, 0
	clear(q.byID)
	if q.journal != nil {
		if err := q.journal.rewrite(nil); err != nil {
			q.log.Error("journal", "queue", q.config.Name, "err", err)
		}
	}
}

// remove takes a message out of the queue. The caller holds q.mu.
func (q *queue) remove(m *message) {
	heap.Remove(&q.messages, m.index)
	delete(q.byID, m.id)
	q.bytes -= m.size
}

type counts struct{ visible, inFlight, delayed int }

func (c counts) total() int { return c.visible + c.inFlight + c.delayed }

func (q *queue) counts() (c counts) {
	q.mu.Lock()
	defer q.mu.Unlock()
	now := time.Now()
	for _, m := range q.messages {
		switch {
		case !m.visibleAt.After(now):
			c.visible++
		case m.received > 0:
			c.inFlight++
		default:
			c.delayed++
		}
	}
	return c
}

// handle returns the receipt handle of a received message: it names the
// receive, not the message alone.
func (q *queue) handle(m *message) string {
	return base64.StdEncoding.EncodeToString(fmt.Appendf(nil, "%s %s %d", q.config.Name, m.id, m.received))
}

func (q *queue) parseHandle(handle string) (id string, receive int, err error) {
	b, err := base64.StdEncoding.DecodeString(handle)
	if err != nil {
		return "", 0, errBadHandle
	}
	rest, ok := strings.CutPrefix(string(b), q.config.Name+" ")
	if n, err := fmt.Sscanf(rest, "%s %d", &id, &receive); !ok || n != 2 || err != nil {
		return "", 0, errBadHandle
	}
	return id, receive, nil
}
