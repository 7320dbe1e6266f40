package mongostore_test

import (
	"context"
	"net"
	"testing"

	"aiwm-chat/local/embedded/mongod"
	"aiwm-chat/shared/chat"
	"aiwm-chat/shared/config"
	"aiwm-chat/shared/mongostore"
	"aiwm-chat/shared/wire"
)

func forAppends(t *testing.T, uri, database string) (*mongostore.Store, error) {
	t.Helper()
	p := wire.NewProcess(config.Config{})
	p.Config.Mongo.URI, p.Config.Mongo.Database = uri, database
	var s *mongostore.Store
	_, err := wire.Function{Wire: func(p *wire.Process) any { s = mongostore.ForWrites(p); return nil }}.Handler(p)
	if s != nil {
		t.Cleanup(func() {
			if err := s.Close(context.Background()); err != nil {
				t.Error(err)
			}
		})
	}
	return s, err
}

func TestAFunctionThatAppendsNeedsTheIndexes(t *testing.T) {
	if _, err := forAppends(t, serverURI, "test_without_indexes"); err == nil {
		t.Error("started without them")
	}
	f := open(t)
	if _, err := forAppends(t, serverURI, f.db.Name()); err != nil {
		t.Error(err)
	}
	if _, err := forAppends(t, "", ""); err == nil {
		t.Error("started without a database")
	}
}

func TestAFunctionThatStartsInAnElectionChecksTheIndexesLater(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr := l.Addr().String()
	l.Close()
	s, err := forAppends(t, "mongodb://"+addr+"/?directConnection=true", "db")
	if err != nil {
		t.Fatalf("it died: %v", err)
	}
	send := func() error {
		_, _, err := s.Append(t.Context(), chat.Head{}, newMessage(t, "c1", alice, "m1", draftOf("x")))
		return err
	}
	wantCode(t, send(), chat.Unavailable)

	server, err := mongod.Listen(addr, mongod.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := server.Close(); err != nil {
			t.Error(err)
		}
	})
	if err := send(); err == nil || chat.CodeOf(err) == chat.Unavailable {
		t.Errorf("appended without the indexes: %v", err)
	}
	if err := s.CreateIndexes(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := send(); err != nil {
		t.Error(err)
	}
}
