package handler_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"aiwm-chat/functions/indexes/handler"
	"aiwm-chat/local/embedded/mongod"
	"aiwm-chat/shared/mongostore"
)

// It does the same whether the indexes are there or not.
func TestCreates(t *testing.T) {
	t.Parallel()
	server, err := mongod.Listen("127.0.0.1:0", mongod.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer server.Close()
	store, err := mongostore.Open(server.URI(), "chat", mongostore.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close(context.Background())
	if err := store.CheckIndexes(t.Context()); err == nil {
		t.Fatal("the indexes are there already")
	}
	for range 2 {
		if err := handler.New(store).Handle(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	if err := store.CheckIndexes(t.Context()); err != nil {
		t.Error(err)
	}
}

type slow struct{}

func (slow) CreateIndexes(ctx context.Context) error {
	<-ctx.Done()
	return errors.New("connection was cut")
}

func TestTakesTooLong(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
	defer cancel()
	if err := handler.New(slow{}).Handle(ctx); err == nil || !strings.Contains(err.Error(), "go run ./local indexes") {
		t.Errorf("got %v", err)
	}
}
