package wire_test

import (
	"errors"
	"testing"

	"aiwm-chat/shared/config"
	"aiwm-chat/shared/wire"
)

type (
	database struct{ uri string }
	cache    struct{ addr string }
)

func openDatabase(opened *int) func(config.Config) (*database, error) {
	return func(c config.Config) (*database, error) {
		*opened++
		if c.Mongo.URI == "" {
			return nil, errors.New("no database")
		}
		return &database{c.Mongo.URI}, nil
	}
}

func noCache(config.Config) (*cache, error) { return nil, errors.New("no cache") }

func TestAClientIsOpenedOnce(t *testing.T) {
	var cfg config.Config
	cfg.Mongo.URI = "mongodb://a"
	p, opened := wire.NewProcess(cfg), 0
	f := wire.Function{Wire: func(p *wire.Process) any { return wire.Client(p, openDatabase(&opened)) }}
	first, err := f.Handler(p)
	if err != nil {
		t.Fatal(err)
	}
	second, err := f.Handler(p)
	if err != nil || first != second || opened != 1 || first.(*database).uri != "mongodb://a" {
		t.Errorf("got %v and %v, opened %d times, %v", first, second, opened, err)
	}
}

func TestEveryFaultIsReported(t *testing.T) {
	p, opened := wire.NewProcess(config.Config{}), 0
	f := wire.Function{Wire: func(p *wire.Process) any {
		wire.Client(p, openDatabase(&opened))
		wire.Client(p, openDatabase(&opened)) // not tried again
		return wire.Client(p, noCache)
	}}
	h, err := f.Handler(p)
	if h != nil || err == nil || err.Error() != "no database\nno cache" || opened != 1 {
		t.Errorf("got %v, %q, opened %d times", h, err, opened)
	}
}

func TestWhatIsPutIsNotOpened(t *testing.T) {
	p := wire.NewProcess(config.Config{})
	mine := &cache{"in this process"}
	wire.Put(p, mine)
	if got := wire.Client(p, noCache); got != mine {
		t.Errorf("got %v", got)
	}
}

func TestWhatBeginsIsWaitedFor(t *testing.T) {
	p, arrived := wire.NewProcess(config.Config{}), make(chan bool)
	f := wire.Function{Wire: func(p *wire.Process) any {
		p.Begin(func() error { arrived <- true; return nil })
		p.Begin(func() error { <-arrived; return errors.New("no index") })
		return "a handler"
	}}
	if h, err := f.Handler(p); h != nil || err == nil || err.Error() != "no index" {
		t.Errorf("got %v, %v", h, err)
	}
}
