package mongostore_test

import (
	"context"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"aiwm-chat/local/embedded/mongod"
	"aiwm-chat/shared/config"
	"aiwm-chat/shared/mongostore"
)

// A kept is a secret that is somewhere else.
type kept struct {
	mu    sync.Mutex
	value string
	reads atomic.Int64
}

func (k *kept) set(value string) { k.mu.Lock(); defer k.mu.Unlock(); k.value = value }

// renewal returns the value that the secret has now, and what reads it again.
func (k *kept) load(t *testing.T) config.Config {
	t.Helper()
	env := map[string]string{
		"MONGODB_URI_ARN": "arn:aws:secretsmanager:eu-west-1:123456789012:secret:uri-AbCdEf",
		"AWS_REGION":      "eu-west-1", "AWS_ACCESS_KEY_ID": "id", "AWS_SECRET_ACCESS_KEY": "key",
	}
	c, err := config.LoadWith(t.Context(), func(name string) string { return env[name] }, func(context.Context, config.AWS, string) (string, error) {
		k.reads.Add(1)
		k.mu.Lock()
		defer k.mu.Unlock()
		return k.value, nil
	}, config.Mongo)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// A password that was changed while the function lives is read again by the
// operation that is refused, which then succeeds; with all that run beside it.
func TestPasswordWasChanged(t *testing.T) {
	t.Parallel()
	server, err := mongod.Listen("127.0.0.1:0", mongod.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { server.Close() })
	uri := func(password string) string {
		return strings.Replace(server.URI(), "mongodb://", "mongodb://chat:"+password+"@", 1)
	}
	secret := &kept{value: uri("one")}
	c := secret.load(t)
	store, err := mongostore.Open(c.Mongo.URI, c.Mongo.Database, mongostore.OptionsOf(c))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { store.Close(context.Background()) })
	secret.set(uri("two"))
	if err := server.Require("chat", "two"); err != nil {
		t.Fatal(err)
	}
	if err := store.CreateIndexes(t.Context()); err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			if err := store.SetAgentStatus(t.Context(), bot, true, time.Now()); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if n := secret.reads.Load(); n != 2 {
		t.Errorf("the secret was read %d times", n)
	}
}

// Where the secret is not what is wrong nothing changes, and nothing asks for it
// all the time.
func TestPasswordIsWrong(t *testing.T) {
	t.Parallel()
	server, err := mongod.Listen("127.0.0.1:0", mongod.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { server.Close() })
	if err := server.Require("chat", "right"); err != nil {
		t.Fatal(err)
	}
	secret := &kept{value: strings.Replace(server.URI(), "mongodb://", "mongodb://chat:hunter2@", 1)}
	c := secret.load(t)
	store, err := mongostore.Open(c.Mongo.URI, c.Mongo.Database, mongostore.OptionsOf(c))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { store.Close(context.Background()) })
	for range 3 {
		if err := store.SetAgentStatus(t.Context(), bot, true, time.Now()); err == nil || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("got %v", err)
		}
	}
	if n := secret.reads.Load(); n != 2 {
		t.Errorf("the secret was read %d times", n)
	}
}
