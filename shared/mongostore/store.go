package mongostore

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"
	"go.mongodb.org/mongo-driver/v2/mongo/readconcern"
	"go.mongodb.org/mongo-driver/v2/mongo/readpref"
	"go.mongodb.org/mongo-driver/v2/mongo/writeconcern"

	"aiwm-chat/shared/config"
)

// Settings of the client; a URI may set others.
const (
	selectionTimeout = 5 * time.Second // of what is no attempt: see attempt
	connectTimeout   = 5 * time.Second
	// maxPool is never reached in Lambda, where one invocation has at most eight
	// operations at a time; the local server runs many in one process.
	maxPool = 64
	// maxIdle is below the 350 s after which AWS's NAT gateways and load
	// balancers drop an idle flow without telling the ends: a function that was
	// frozen for longer opens a new connection and does not fail on a dead one.
	maxIdle = 5 * time.Minute
)

// A Store is a client of one database, safe for concurrent use. It is made
// once per process.
type Store struct {
	database string
	options  Options
	current  atomic.Pointer[connected]
	renewing chan struct{} // held by who takes another client

	conversations *collection
	messages      *collection
	agents        *collection
	runs          *collection
	reads         *collection
	search        *collection
	uploads       *collection
	webhooks      *collection
	// due is messages for writes whose loss does no harm: one server's
	// acknowledgement will do.
	due *collection

	unchecked atomic.Bool // the indexes, by ForWrites
}

// A connected is a client, and the URI that it was made of.
type connected struct {
	client *mongo.Client
	uri    string

	conversations, messages, agents, runs, reads, search, uploads, webhooks, due *mongo.Collection
}

// A collection is one of the client that the store has now.
type collection struct {
	store *Store
	of    func(*connected) *mongo.Collection
}

func (c *collection) now() *mongo.Collection { return c.of(c.store.current.Load()) }

// Options say what a URI cannot.
type Options struct {
	// ServerAPI is the version of MongoDB's Stable API that the client declares:
	// "1", which clusters may require. Empty declares none.
	ServerAPI string
	// Dial is another way to the server than TCP: one in the same process can be
	// reached without a network. nil is TCP.
	Dial options.ContextDialer
	// Renewal reads the URI again after a server has refused who it says we are;
	// nil where it does not change.
	Renewal *config.Renewal
}

// Open returns a store on a database of the server that uri names. It connects
// in the background: an unreachable server shows with the first operation, or
// with Ping. (Only a mongodb+srv URI is looked up in the DNS at once, and the
// files that a URI names are read.) The error never contains credentials.
func Open(uri, database string, o Options) (*Store, error) {
	if database == "" {
		return nil, errors.New("open mongodb: the name of the database is missing")
	}
	client, err := connect(uri, o)
	if err != nil {
		return nil, fmt.Errorf("open mongodb: %w", err)
	}
	s := &Store{database: database, options: o, renewing: make(chan struct{}, 1)}
	s.use(client, uri)
	s.conversations = &collection{s, func(c *connected) *mongo.Collection { return c.conversations }}
	s.messages = &collection{s, func(c *connected) *mongo.Collection { return c.messages }}
	s.agents = &collection{s, func(c *connected) *mongo.Collection { return c.agents }}
	s.runs = &collection{s, func(c *connected) *mongo.Collection { return c.runs }}
	s.reads = &collection{s, func(c *connected) *mongo.Collection { return c.reads }}
	s.search = &collection{s, func(c *connected) *mongo.Collection { return c.search }}
	s.uploads = &collection{s, func(c *connected) *mongo.Collection { return c.uploads }}
	s.webhooks = &collection{s, func(c *connected) *mongo.Collection { return c.webhooks }}
	s.due = &collection{s, func(c *connected) *mongo.Collection { return c.due }}
	return s, nil
}

// use makes every operation that begins from now on one of a client.
func (s *Store) use(client *mongo.Client, uri string) {
	db := client.Database(s.database)
	s.current.Store(&connected{
		client: client, uri: uri,
		conversations: db.Collection("conversations"),
		messages:      db.Collection("messages"),
		agents:        db.Collection("agents"),
		runs:          db.Collection("runs"),
		reads:         db.Collection("reads"),
		search:        db.Collection("search"),
		uploads:       db.Collection("uploads"),
		webhooks:      db.Collection("webhooks"),
		due:           db.Collection("messages", options.Collection().SetWriteConcern(writeconcern.W1())),
	})
}

func connect(uri string, o Options) (*mongo.Client, error) {
	settings := options.Client()
	if o.ServerAPI != "" {
		settings.SetServerAPIOptions(options.ServerAPI(options.ServerAPIVersion(o.ServerAPI)))
	}
	// What follows ApplyURI is not for the URI to change.
	client, err := mongo.Connect(settings.
		SetDialer(o.Dial).
		SetAppName("aiwm-chat").
		SetServerSelectionTimeout(selectionTimeout).
		SetConnectTimeout(connectTimeout).
		SetMaxPoolSize(maxPool).
		SetMaxConnIdleTime(maxIdle).
		ApplyURI(uri).
		SetReadPreference(readpref.Primary()).
		SetReadConcern(readconcern.Majority()).
		SetWriteConcern(writeconcern.Majority()))
	if err != nil {
		return nil, refusedURI(uri, err)
	}
	return client, nil
}

// Close ends the store's connections, after the operations that use them or at
// the end of ctx.
func (s *Store) Close(ctx context.Context) error {
	if err := s.current.Load().client.Disconnect(ctx); err != nil {
		return fmt.Errorf("close mongodb: %w", err)
	}
	return nil
}

// Ping asks the primary for a sign of life, in one round trip.
func (s *Store) Ping(ctx context.Context) error {
	return s.attempt(ctx, func(ctx context.Context) error { return failed("ping mongodb", s.current.Load().client.Ping(ctx, nil)) })
}
