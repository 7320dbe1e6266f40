package mongod_test

import (
	"os"
	"testing"
	"time"

	"aiwm-chat/local/embedded/mongod"
	"aiwm-chat/local/embedded/mongod/mongotest"
)

func start(t testing.TB, o mongod.Options) *mongod.Server {
	t.Helper()
	s, err := mongod.Listen("127.0.0.1:0", o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s
}

func TestConformance(t *testing.T) {
	t.Run("memory", func(t *testing.T) { mongotest.Run(t, start(t, mongod.Options{}).URI()) })
	t.Run("journal", func(t *testing.T) { mongotest.Run(t, start(t, mongod.Options{Dir: t.TempDir()}).URI()) })
	t.Run("replica set", func(t *testing.T) {
		o := mongod.Options{Replica: &mongod.Replica{Members: 3, Lag: 3 * time.Millisecond}}
		mongotest.Run(t, start(t, o).URI())
	})
	t.Run("MONGODB_URI", func(t *testing.T) {
		uri := os.Getenv("MONGODB_URI")
		if uri == "" {
			t.Skip("MONGODB_URI is not set")
		}
		mongotest.Run(t, uri)
	})
}
