package mongostore

import (
	"context"
	"time"

	"aiwm-chat/shared/chat"
	"aiwm-chat/shared/config"
	"aiwm-chat/shared/wire"
)

// In returns the store of a process that needs config.Mongo.
func In(p *wire.Process) *Store { return wire.Client(p, open) }

// OptionsOf are the options of a process that has config.Mongo.
func OptionsOf(c config.Config) Options {
	return Options{ServerAPI: c.Mongo.ServerAPI, Renewal: c.Mongo.Renewal}
}

func open(c config.Config) (*Store, error) { return Open(c.Mongo.URI, c.Mongo.Database, OptionsOf(c)) }

// startTime is how long MongoDB may take to answer while a function starts:
// Lambda gives the whole of it 10 s.
const startTime = 8 * time.Second

// A log is a store that messages may be appended to.
type log struct{ store *Store }

// ForWrites is In for functions that append messages or create conversations. It
// is a fault where the unique indexes are missing on which the promises of both
// stand: one round trip, once in a process, beside what else it begins with.
func ForWrites(p *wire.Process) *Store {
	store := In(p)
	return wire.Client(p, func(config.Config) (log, error) {
		if store != nil { // else that is a fault already
			p.Begin(store.begin)
		}
		return log{store}, nil
	}).store
}

// A ledger is a store whose runs may be claimed.
type ledger struct{ store *Store }

// ForRuns is ForWrites for functions that queue or claim runs. It is a fault too where the
// unique index of busy runs is missing.
func ForRuns(p *wire.Process) *Store {
	store := ForWrites(p)
	return wire.Client(p, func(config.Config) (ledger, error) {
		if store != nil {
			p.Begin(store.beginRuns)
		}
		return ledger{store}, nil
	}).store
}

// A book is a store that marks may be moved in.
type book struct{ store *Store }

// ForMarks is In for functions that move the marks of what somebody has read. It is a fault
// where their unique index is missing.
func ForMarks(p *wire.Process) *Store {
	store := In(p)
	return wire.Client(p, func(config.Config) (book, error) {
		if store != nil {
			p.Begin(store.beginMarks)
		}
		return book{store}, nil
	}).store
}

// beginMarks checks their index, as beginRuns does.
func (s *Store) beginMarks() error { return s.beginWith(s.CheckMarkIndexes) }

// beginRuns checks their index. Where MongoDB does not answer the function starts all the same:
// whatever it does then is unavailable.
func (s *Store) beginRuns() error { return s.beginWith(s.CheckRunIndexes) }

func (s *Store) beginWith(check func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(context.Background(), startTime)
	defer cancel()
	err := check(ctx)
	if err != nil && chat.CodeOf(err) == chat.Unavailable {
		return nil
	}
	return err
}

// begin checks the indexes before the first write. Where MongoDB does not answer, as
// in an election, the first Append or CreateConversation asks again: a function that
// starts then says unavailable, and does not die.
func (s *Store) begin() error {
	ctx, cancel := context.WithTimeout(context.Background(), startTime)
	defer cancel()
	err := s.CheckIndexes(ctx)
	if err != nil && chat.CodeOf(err) == chat.Unavailable {
		s.unchecked.Store(true)
		return nil
	}
	return err
}
