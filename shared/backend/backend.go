// Package backend opens what every function that writes messages needs, in the
// one order in which it has to be opened. Like package live it is for mains:
// no handler imports it.
package backend

import (
	"context"
	"time"

	"aiwm-chat/shared/config"
	"aiwm-chat/shared/live"
	"aiwm-chat/shared/mongostore"
	"aiwm-chat/shared/queue"
)

// A Backend is built once, in main, and safe for concurrent use.
type Backend struct {
	Store *mongostore.Store
	Live  *live.Live
	Jobs  *queue.Queue
}

// patience is how long MongoDB may take to answer while a function starts:
// Lambda gives the whole of it 10 s.
const patience = 8 * time.Second

// Open builds the clients from the Mongo, Redis, Connections and SummaryQueue
// parts of a Config. It fails where the unique indexes are missing on which the
// promises of the log stand: one round trip to MongoDB.
func Open(cfg config.Config) (*Backend, error) {
	store, err := mongostore.Open(cfg.Mongo.URI, cfg.Mongo.Database)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if err := store.CheckIndexes(ctx); err != nil {
		return nil, err
	}
	l, err := live.Open(cfg)
	if err != nil {
		return nil, err
	}
	jobs, err := queue.New(queue.OptionsOf(cfg))
	if err != nil {
		return nil, err
	}
	return &Backend{Store: store, Live: l, Jobs: jobs}, nil
}
