package sqs

import (
	"bufio"
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"
)

// compactBeyond is the size, in bytes, from which a journal that is mostly
// history is written anew.
const compactBeyond = 1 << 20

// A journal keeps a queue's messages over the death of the process: one line of
// JSON for each change, in the file before the change is acknowledged. It is
// not forced to the disk, so it does not outlive the machine. Its methods are
// called under the queue's lock. A nil journal, of a server without directory,
// does nothing.
type journal struct {
	path string
	file *os.File
	size int64
}

// An entry is one line. Which member it has tells what happened.
type entry struct {
	Put   *kept    `json:"put,omitempty"`
	Taken []string `json:"taken,omitempty"` // ids of received messages
	At    int64    `json:"at,omitempty"`    // when they were, in ms
	Gone  []string `json:"gone,omitempty"`  // ids
}

// A kept is a message in the journal. Times are in milliseconds.
type kept struct {
	ID            string               `json:"id"`
	Body          string               `json:"body"`
	Attributes    map[string]attribute `json:"attributes,omitempty"`
	Trace         string               `json:"trace,omitempty"`
	Sent          int64                `json:"sent"`
	VisibleAt     int64                `json:"visibleAt"`
	Received      int                  `json:"received,omitempty"`
	FirstReceived int64                `json:"firstReceived,omitempty"`
	DeadLetterOf  string               `json:"deadLetterOf,omitempty"`
}

func keep(m *message) *kept {
	k := &kept{ID: m.id, Body: m.body, Attributes: m.attributes, Trace: m.trace, Sent: m.sent.UnixMilli(), VisibleAt: m.visibleAt.UnixMilli(),
		Received: m.received, DeadLetterOf: m.deadLetterOf}
	if m.received > 0 {
		k.FirstReceived = m.firstReceived.UnixMilli()
	}
	return k
}

// message returns the message as it was. What was received and not deleted
// comes again at once: whoever had it is gone.
func (k *kept) message() *message {
	m := newMessage(k.Body, k.Attributes)
	m.id, m.trace, m.sent, m.received, m.deadLetterOf = k.ID, k.Trace, time.UnixMilli(k.Sent), k.Received, k.DeadLetterOf
	if k.Received > 0 {
		m.firstReceived = time.UnixMilli(k.FirstReceived)
	} else {
		m.visibleAt = time.UnixMilli(k.VisibleAt)
	}
	return m
}

// openJournal opens or makes the journal of a queue and returns the messages in
// it. What a death left at the end that is no entry is cut off; damage before an
// entry is an error.
func openJournal(dir, queue string) (*journal, []*message, error) {
	j := &journal{path: filepath.Join(dir, queue+".jsonl")}
	var err error
	if j.file, err = os.OpenFile(j.path, os.O_RDWR|os.O_CREATE|os.O_APPEND, 0o600); err != nil {
		return nil, nil, fmt.Errorf("open the journal: %w", err)
	}
	messages, err := j.read()
	if err == nil {
		err = j.file.Truncate(j.size)
	}
	if err != nil {
		return nil, nil, errors.Join(fmt.Errorf("read the journal %s: %w", j.path, err), j.file.Close())
	}
	return j, messages, nil
}

// read replays the lines; size is then that of the whole ones.
func (j *journal) read() (messages []*message, err error) {
	byID := map[string]*kept{}
	var order []string
	r := bufio.NewReaderSize(j.file, 64<<10)
	var damage error
	for n := 1; ; n++ {
		line, err := r.ReadBytes('\n')
		if errors.Is(err, io.EOF) {
			break // what is left has no end
		}
		if err != nil {
			return nil, err
		}
		var e entry
		if err := json.Unmarshal(line, &e); err != nil {
			damage = cmp.Or(damage, fmt.Errorf("line %d: %w", n, err))
			continue
		}
		if damage != nil { // and an entry after it: those between them are lost
			return nil, damage
		}
		j.size += int64(len(line))
		if e.Put != nil {
			if byID[e.Put.ID] == nil {
				order = append(order, e.Put.ID)
			}
			byID[e.Put.ID] = e.Put
		}
		for _, id := range e.Taken {
			if k := byID[id]; k != nil {
				if k.Received++; k.Received == 1 {
					k.FirstReceived = e.At
				}
			}
		}
		for _, id := range e.Gone {
			delete(byID, id)
		}
	}
	for _, id := range order {
		if k := byID[id]; k != nil {
			messages = append(messages, k.message())
			delete(byID, id) // it may have come, gone and come again
		}
	}
	return messages, nil
}

func (j *journal) append(e entry) error {
	if j == nil {
		return nil
	}
	line, err := encodeEntry(e)
	if err != nil {
		return err
	}
	n, err := j.file.Write(line)
	j.size += int64(n)
	if err != nil && n > 0 { // half a line would spoil the next
		err = errors.Join(err, j.file.Truncate(j.size-int64(n)))
		j.size -= int64(n)
	}
	return err
}

func encodeEntry(e entry) ([]byte, error) {
	var b bytes.Buffer
	encoder := json.NewEncoder(&b)
	encoder.SetEscapeHTML(false)
	err := encoder.Encode(e)
	return b.Bytes(), err
}

// rewrite makes a journal of the messages alone, and puts it in the place of
// the old one when it is whole.
func (j *journal) rewrite(messages []*message) (err error) {
	file, err := os.OpenFile(j.path+".new", os.O_RDWR|os.O_CREATE|os.O_TRUNC|os.O_APPEND, 0o600)
	if err != nil {
		return err
	}
	w, size := bufio.NewWriter(file), 0
	for _, m := range messages {
		line, err := encodeEntry(entry{Put: keep(m)})
		if err != nil {
			return errors.Join(err, file.Close())
		}
		_, _ = w.Write(line) // Flush tells
		size += len(line)
	}
	if err := w.Flush(); err != nil {
		return errors.Join(err, file.Close())
	}
	if err := os.Rename(file.Name(), j.path); err != nil {
		return errors.Join(err, file.Close())
	}
	_ = j.file.Close() // nothing of it is needed any more
	j.file, j.size = file, int64(size)
	return nil
}

func (j *journal) close() error {
	if j == nil {
		return nil
	}
	return j.file.Close()
}

// load opens the queue's journal and takes what is in it.
func (q *queue) load(dir string) error {
	j, messages, err := openJournal(dir, q.config.Name)
	if err != nil {
		return fmt.Errorf("queue %s: %w", q.config.Name, err)
	}
	q.journal = j
	for _, m := range messages {
		q.add(m)
	}
	return nil
}

// note writes what became of messages to the journal, and the journal anew when
// it is mostly history. A failure is logged: the worst that comes of it is that
// a message comes once more. The caller holds q.mu.
func (q *queue) note(e entry) {
	if q.journal == nil {
		return
	}
	err := q.journal.append(e)
	const perMessage = 512 // what a line has beside the message
	if live := int64(q.bytes + perMessage*len(q.messages)); err == nil && q.leaving == 0 && q.journal.size > compactBeyond && q.journal.size > 2*live {
		err = q.journal.rewrite(q.messages)
	}
	if err != nil {
		q.log.Error("journal", "queue", q.config.Name, "err", err)
	}
}
