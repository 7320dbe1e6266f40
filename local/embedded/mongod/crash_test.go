package mongod_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"
	"go.uber.org/goleak"

	"aiwm-chat/local/embedded/mongod"
	"aiwm-chat/local/embedded/mongod/mongotest"
)

// childDir, when set, makes the test binary a server process to be killed.
const childDir = "MONGOD_TEST_DIR"

func TestMain(m *testing.M) {
	if dir := os.Getenv(childDir); dir != "" {
		s, err := mongod.Listen("127.0.0.1:0", mongod.Options{Dir: dir})
		fmt.Println(s.URI(), err)
		_, _ = io.Copy(io.Discard, os.Stdin) // until the parent dies or kills us
		os.Exit(1)
	}
	goleak.VerifyTestMain(m)
}

// startChild runs a server on dir in a process of its own.
func startChild(t *testing.T, dir string) (uri string, kill func()) {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), childDir+"="+dir)
	stdin, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	kill = sync.OnceFunc(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
		_ = stdin.Close()
	})
	t.Cleanup(kill)
	line, err := bufio.NewReader(stdout).ReadString('\n')
	uri, _, _ = strings.Cut(line, " ")
	if err != nil || !strings.HasPrefix(uri, "mongodb://") {
		t.Fatalf("the child says %q, %v", line, err)
	}
	return uri, kill
}

// TestKill kills the server under eight writers, twice on one directory: what
// was acknowledged is there afterwards, and indexes and documents agree.
func TestKill(t *testing.T) {
	dir := t.TempDir()
	acknowledged := make(map[string]int) // document -> its last acknowledged n
	for round := range 2 {
		uri, kill := startChild(t, dir)
		client := mongotest.Connect(t, uri)
		c := client.Database("chat").Collection("things")
		ctx, cancel := context.WithTimeout(context.Background(), 3*time.Minute)
		index := mongo.IndexModel{Keys: bson.D{{Key: "k", Value: 1}, {Key: "n", Value: 1}}, Options: options.Index().SetUnique(true)}
		if _, err := c.Indexes().CreateOne(ctx, index); err != nil {
			t.Fatal(err)
		}
		var mu sync.Mutex
		var wg sync.WaitGroup
		started := make(chan struct{}, 8)
		for w := range 8 {
			wg.Go(func() {
				for i := 0; ; i++ {
					id := fmt.Sprint(round, "-", w, "-", i/3)
					_, err := c.UpdateOne(ctx, bson.D{{Key: "_id", Value: id}},
						bson.D{{Key: "$inc", Value: bson.D{{Key: "n", Value: 1}}}, {Key: "$set", Value: bson.D{{Key: "k", Value: id}}}}, options.UpdateOne().SetUpsert(true))
					if err != nil {
						return
					}
					mu.Lock()
					acknowledged[id] = i%3 + 1
					mu.Unlock()
					if i == 100 {
						started <- struct{}{}
					}
				}
			})
		}
		for range 8 {
			select {
			case <-started:
			case <-ctx.Done():
				t.Fatal("the writers do not get on")
			}
		}
		kill()
		cancel()
		wg.Wait()
	}
	if len(acknowledged) < 2*8*33 {
		t.Fatalf("only %d documents were acknowledged", len(acknowledged))
	}
	c := mongotest.Connect(t, start(t, mongod.Options{Dir: dir}).URI()).Database("chat").Collection("things")
	ctx := t.Context()
	for id, want := range acknowledged {
		var d struct{ N int }
		err := c.FindOne(ctx, bson.D{{Key: "k", Value: id}}).Decode(&d)
		if err != nil || d.N < want || d.N > want+1 { // one more may have been written and not acknowledged
			t.Fatalf("%s: n is %d (%v), acknowledged was %d", id, d.N, err, want)
		}
	}
	if _, err := c.InsertOne(ctx, bson.D{{Key: "k", Value: "0-0-0"}, {Key: "n", Value: 3}}); !mongo.IsDuplicateKeyError(err) {
		t.Errorf("the unique index is not back: %v", err)
	}
}

func TestDirectoryInUse(t *testing.T) {
	dir := t.TempDir()
	_, kill := startChild(t, dir)
	if _, err := mongod.Listen("127.0.0.1:0", mongod.Options{Dir: dir}); err == nil || !strings.Contains(err.Error(), "in use by another server") {
		t.Fatalf("a directory in use: %v", err)
	}
	kill()
	s := start(t, mongod.Options{Dir: dir})
	if _, err := mongod.Listen(s.Addr(), mongod.Options{}); err == nil || !strings.Contains(err.Error(), "address already in use") {
		t.Errorf("a port in use: %v", err)
	}
	if _, err := mongod.Listen(":0", mongod.Options{}); err == nil || !strings.Contains(err.Error(), "loopback") {
		t.Errorf("all interfaces: %v", err)
	}
}

// fill makes a journal of n documents and returns its path.
func fill(t testing.TB, dir string, n int) string {
	t.Helper()
	s := start(t, mongod.Options{Dir: dir})
	c := mongotest.Connect(t, s.URI()).Database("chat").Collection("things")
	for i := range n {
		if _, err := c.InsertOne(context.Background(), bson.D{{Key: "_id", Value: i}}); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	return filepath.Join(dir, "journal")
}

func countThings(t *testing.T, dir string) int64 {
	t.Helper()
	s := start(t, mongod.Options{Dir: dir})
	n, err := mongotest.Connect(t, s.URI()).Database("chat").Collection("things").CountDocuments(context.Background(), bson.D{})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	return n
}

func TestTornTail(t *testing.T) {
	dir := t.TempDir()
	path := fill(t, dir, 5)
	whole, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	record := 12 + 1 + len("chat.things") + 1 + 14 // the last one: header, kind, namespace, {_id: int32}
	for cut := 1; cut < record; cut++ {
		if err := os.WriteFile(path, whole[:len(whole)-cut], 0o600); err != nil {
			t.Fatal(err)
		}
		if n := countThings(t, dir); n != 4 {
			t.Fatalf("%d bytes short: %d documents, want 4", cut, n)
		}
	}
	// The tail was cut off for good: what comes after it is read again.
	s := start(t, mongod.Options{Dir: dir})
	c := mongotest.Connect(t, s.URI()).Database("chat").Collection("things")
	if _, err := c.InsertOne(t.Context(), bson.D{{Key: "_id", Value: "after"}}); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if n := countThings(t, dir); n != 5 {
		t.Errorf("%d documents after a new one, want 5", n)
	}
}

func TestDamagedJournal(t *testing.T) {
	dir := t.TempDir()
	path := fill(t, dir, 5)
	whole, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	// Any byte but those of the last record.
	for at := 0; at < len(whole)*4/5; at += 3 {
		damaged := append([]byte(nil), whole...)
		damaged[at] ^= 0x40
		if err := os.WriteFile(path, damaged, 0o600); err != nil {
			t.Fatal(err)
		}
		_, err := mongod.Listen("127.0.0.1:0", mongod.Options{Dir: dir})
		if err == nil || !strings.Contains(err.Error(), "damaged at byte") && !strings.Contains(err.Error(), "not a journal") {
			t.Fatalf("byte %d flipped: %v", at, err)
		}
	}
}

// TestTailOfNoRecords: what a power failure leaves after whole records is cut
// off, and what is written then is read again.
func TestTailOfNoRecords(t *testing.T) {
	random := make([]byte, 5000)
	rand.NewChaCha8([32]byte{1}).Read(random)
	for name, tail := range map[string][]byte{
		"a zero": make([]byte, 1), "a header of zeros": make([]byte, 12), "a page of zeros": make([]byte, 4096), "many zeros": make([]byte, 3<<20),
		"garbage": random, "zeros and garbage": append(make([]byte, 1000), random...),
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			path := fill(t, dir, 5)
			whole, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(path, append(whole, tail...), 0o600); err != nil {
				t.Fatal(err)
			}
			var log strings.Builder
			s := start(t, mongod.Options{Dir: dir, Logger: slog.New(slog.NewTextHandler(&log, nil))})
			if want := fmt.Sprintf("bytes=%d", len(tail)); !strings.Contains(log.String(), want) {
				t.Errorf("the log says %q, want %s", log.String(), want)
			}
			c := mongotest.Connect(t, s.URI()).Database("chat").Collection("things")
			if _, err := c.InsertOne(t.Context(), bson.D{{Key: "_id", Value: "after"}}); err != nil {
				t.Fatal(err)
			}
			if err := s.Close(); err != nil {
				t.Fatal(err)
			}
			if n := countThings(t, dir); n != 6 {
				t.Errorf("%d documents, want 6", n)
			}
			// Between records it is damage: some of them are lost.
			if err := os.WriteFile(path, append(append(whole[:len(whole):len(whole)], tail...), whole[len("aiwm-chat local/mongod journal 2\n"):]...), 0o600); err != nil {
				t.Fatal(err)
			}
			if _, err := mongod.Listen("127.0.0.1:0", mongod.Options{Dir: dir}); err == nil || !strings.Contains(err.Error(), "damaged at byte") {
				t.Errorf("with records after it: %v", err)
			}
		})
	}
}

// TestEmptiedJournal: a file that lost all is no new database.
func TestEmptiedJournal(t *testing.T) {
	dir := t.TempDir()
	path := fill(t, dir, 5)
	whole, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for _, size := range []int{0, 1, 20, 32} {
		if err := os.WriteFile(path, whole[:size], 0o600); err != nil {
			t.Fatal(err)
		}
		_, err := mongod.Listen("127.0.0.1:0", mongod.Options{Dir: dir})
		if err == nil || !strings.Contains(err.Error(), "emptied") || !strings.Contains(err.Error(), path) || !strings.Contains(err.Error(), "remove it to begin") {
			t.Errorf("%d bytes left: %v", size, err)
		}
		if info, err := os.Stat(path); err != nil || info.Size() != int64(size) {
			t.Errorf("%d bytes left: the file was touched: %v, %v", size, info, err)
		}
	}
	if err := os.Remove(path); err != nil { // as the error says
		t.Fatal(err)
	}
	if n := countThings(t, dir); n != 0 {
		t.Errorf("%d documents in a new database", n)
	}
}

// TestCompaction rewrites a journal that is mostly history.
func TestCompaction(t *testing.T) {
	dir := t.TempDir()
	path := fill(t, dir, 10)
	s := start(t, mongod.Options{Dir: dir})
	c := mongotest.Connect(t, s.URI()).Database("chat").Collection("things")
	if _, err := c.Indexes().CreateOne(t.Context(), mongo.IndexModel{Keys: bson.D{{Key: "v", Value: 1}}}); err != nil {
		t.Fatal(err)
	}
	pad := strings.Repeat("x", 100_000)
	for i := range 100 {
		if _, err := c.UpdateOne(t.Context(), bson.D{{Key: "_id", Value: i % 10}}, bson.D{{Key: "$set", Value: bson.D{{Key: "v", Value: i}, {Key: "pad", Value: pad}}}}); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	before, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	for range 2 { // what was rewritten is read again
		if n := countThings(t, dir); n != 10 {
			t.Fatalf("%d documents, want 10", n)
		}
	}
	after, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	if after.Size() > before.Size()/5 {
		t.Errorf("the journal went from %d to %d bytes", before.Size(), after.Size())
	}
	c = mongotest.Connect(t, start(t, mongod.Options{Dir: dir}).URI()).Database("chat").Collection("things")
	if specs, err := c.Indexes().ListSpecifications(t.Context()); err != nil || len(specs) != 2 {
		t.Errorf("indexes after compaction: %v, %v", specs, err)
	}
}
