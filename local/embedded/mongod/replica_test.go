package mongod_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"
	"go.mongodb.org/mongo-driver/v2/mongo/readconcern"
	"go.mongodb.org/mongo-driver/v2/mongo/writeconcern"

	"aiwm-chat/local/embedded/mongod"
	"aiwm-chat/local/embedded/mongod/mongotest"
)

// replicaSet is one of three, with a collection of a client that writes with
// the majority's acknowledgement.
func replicaSet(t *testing.T, o mongod.Replica) (*mongod.Server, *mongo.Collection) {
	t.Helper()
	o.Members = 3
	s := start(t, mongod.Options{Replica: &o})
	return s, mongotest.Connect(t, s.URI()).Database("chat").Collection("things",
		options.Collection().SetWriteConcern(writeconcern.Majority()))
}

// with is the collection with other concerns.
func with(c *mongo.Collection, w *writeconcern.WriteConcern, r *readconcern.ReadConcern) *mongo.Collection {
	return c.Clone(options.Collection().SetWriteConcern(w).SetReadConcern(r))
}

func id(v any) bson.D { return bson.D{{Key: "_id", Value: v}} }

// run sends a command in extended JSON and shows the answer, as far as it is
// about the command.
func run(t *testing.T, db *mongo.Database, command string) string {
	t.Helper()
	var d bson.D
	if err := bson.UnmarshalExtJSON([]byte(command), false, &d); err != nil {
		t.Fatalf("%s: %v", command, err)
	}
	reply, err := db.RunCommand(t.Context(), d).Raw()
	if e, ok := errors.AsType[mongo.CommandError](err); ok {
		return fmt.Sprint("code ", e.Code)
	} else if e, ok := errors.AsType[mongo.WriteException](err); ok {
		return e.Raw.String()
	} else if err != nil {
		t.Fatalf("%s: %v", command, err)
	}
	return reply.String()
}

const session = `"lsid": {"id": {"$binary": {"base64": "AAAAAAAAAAAAAAAAAAAAAA==", "subType": "04"}}}`

// A write that is repeated under its number is not done again, and what failed
// is tried again.
func TestRetryableWritesAreExact(t *testing.T) {
	t.Parallel()
	_, c := replicaSet(t, mongod.Replica{})
	db := c.Database()
	if _, err := c.InsertOne(t.Context(), bson.D{{Key: "_id", Value: "there"}, {Key: "n", Value: 0}}); err != nil {
		t.Fatal(err)
	}
	for i, command := range []string{
		`{"insert": "things", "documents": [{"_id": "a"}, {"_id": "b"}]`,
		`{"update": "things", "updates": [{"q": {"_id": "there"}, "u": {"$inc": {"n": 1}}}, {"q": {"_id": "new"}, "u": {"$inc": {"n": 1}}, "upsert": true}]`,
		`{"findAndModify": "things", "query": {"_id": "there"}, "update": {"$inc": {"n": 1}}, "new": true`,
		`{"findAndModify": "things", "query": {"_id": "nothing"}, "update": {"$inc": {"n": 1}}`,
		`{"delete": "things", "deletes": [{"q": {"_id": "a"}, "limit": 1}]`,
	} {
		command = fmt.Sprintf(`%s, %s, "txnNumber": {"$numberLong": "%d"}}`, command, session, i+1)
		first := run(t, db, command)
		if again := run(t, db, command); again != first || strings.Contains(first, "code") || strings.Contains(first, "writeErrors") {
			t.Errorf("%s: %s, and then %s", command, first, again)
		}
	}
	var there, fresh struct{ N int }
	if err := errors.Join(c.FindOne(t.Context(), id("there")).Decode(&there), c.FindOne(t.Context(), id("new")).Decode(&fresh)); err != nil || there.N != 2 || fresh.N != 1 {
		t.Errorf("there is %d, new is %d, %v", there.N, fresh.N, err)
	}
	// The second document fails: only that one is tried again.
	partly := fmt.Sprintf(`{"insert": "things", "documents": [{"_id": "x"}, {"_id": "there"}, {"_id": "y"}], "ordered": false, %s, "txnNumber": {"$numberLong": "9"}}`, session)
	if reply := run(t, db, partly); !strings.Contains(reply, "11000") || !strings.Contains(reply, `"n": {"$numberInt":"2"}`) {
		t.Errorf("partly: %s", reply)
	}
	if _, err := c.DeleteOne(t.Context(), id("there")); err != nil {
		t.Fatal(err)
	}
	if reply := run(t, db, partly); strings.Contains(reply, "11000") || !strings.Contains(reply, `"n": {"$numberInt":"3"}`) {
		t.Errorf("partly, again: %s", reply)
	}
	for _, row := range []struct{ command, want string }{
		{`{"insert": "things", "documents": [{"_id": "late"}], ` + session + `, "txnNumber": {"$numberLong": "8"}}`, "code 225"},
		{`{"insert": "things", "documents": [{"_id": "late"}], "txnNumber": {"$numberLong": "10"}, "lsid": {}}`, "code 72"},
		{`{"update": "things", "updates": [{"q": {}, "u": {"$inc": {"n": 1}}, "multi": true}], ` + session + `, "txnNumber": {"$numberLong": "10"}}`, "code 72"},
		{`{"delete": "things", "deletes": [{"q": {}, "limit": 0}], ` + session + `, "txnNumber": {"$numberLong": "10"}}`, "code 72"},
		{`{"drop": "things", ` + session + `, "txnNumber": {"$numberLong": "10"}}`, "code 50768"},
	} {
		if got := run(t, db, row.command); got != row.want {
			t.Errorf("%s: %s, want %s", row.command, got, row.want)
		}
	}
	alone := mongotest.Connect(t, start(t, mongod.Options{}).URI()).Database("chat")
	if got := run(t, alone, `{"insert": "things", "documents": [{}], `+session+`, "txnNumber": {"$numberLong": "1"}}`); got != "code 20" {
		t.Errorf("on a standalone server: %s", got)
	}
}

// The driver repeats what lost its answer, or met no primary: each increment is
// done once.
func TestTheDriverRepeatsOnce(t *testing.T) {
	t.Parallel()
	for name, fault := range map[string]mongod.Fault{
		"answer lost": mongod.LoseReply, "not the primary": mongod.NotPrimary, "failover": mongod.Failover,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, c := replicaSet(t, mongod.Replica{Lag: 5 * time.Millisecond, Election: 50 * time.Millisecond})
			for i := range 3 {
				s.FailNext("update", fault)
				r, err := c.UpdateOne(t.Context(), id(1), bson.D{{Key: "$inc", Value: bson.D{{Key: "n", Value: 1}}}}, options.UpdateOne().SetUpsert(true))
				if err != nil || r.MatchedCount+r.UpsertedCount != 1 {
					t.Fatalf("update %d: %+v, %v", i, r, err)
				}
				s.FailNext("find", fault)
				var d struct{ N int }
				if err := c.FindOne(t.Context(), id(1)).Decode(&d); err != nil || d.N != i+1 {
					t.Errorf("%d after %d increments, %v", d.N, i+1, err)
				}
			}
			if n := s.Happened(); n != 6 {
				t.Errorf("%d faults happened, want 6", n)
			}
		})
	}
}

// What the majority has not is not shown to who asks for what it has, and is
// not acknowledged to who wants that.
func TestTheMajorityLags(t *testing.T) {
	t.Parallel()
	s, c := replicaSet(t, mongod.Replica{})
	local, majority := with(c, writeconcern.W1(), readconcern.Local()), with(c, writeconcern.Majority(), readconcern.Majority())
	release := s.HoldMajority()
	if _, err := local.InsertOne(t.Context(), id(1)); err != nil {
		t.Fatal(err)
	}
	count := func(c *mongo.Collection) int64 {
		t.Helper()
		n, err := c.CountDocuments(t.Context(), bson.D{})
		if err != nil {
			t.Error(err)
		}
		return n
	}
	if l, m := count(local), count(majority); l != 1 || m != 0 {
		t.Errorf("a local read shows %d, a majority read %d, want 1 and 0", l, m)
	}
	// Also a write that fails tells so only when the majority has what it saw.
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	if _, err := c.InsertOne(ctx, id(1)); !mongo.IsTimeout(err) {
		t.Errorf("a duplicate key before the majority has it: %v", err)
	}
	var wg sync.WaitGroup
	wg.Go(func() {
		if _, err := c.InsertOne(t.Context(), id(2)); err != nil {
			t.Error(err)
		}
		if m := count(majority); m != 2 {
			t.Errorf("a majority read shows %d when 2 are acknowledged", m)
		}
	})
	for count(local) < 2 {
		time.Sleep(time.Millisecond)
	}
	if m := count(majority); m != 0 {
		t.Errorf("a majority read shows %d, want 0", m)
	}
	release()
	wg.Wait()
}

// A failover takes back what the majority has not, and nothing else.
func TestAFailoverTakesBack(t *testing.T) {
	t.Parallel()
	s, c := replicaSet(t, mongod.Replica{Election: 20 * time.Millisecond})
	index := mongo.IndexModel{Keys: bson.D{{Key: "k", Value: 1}}, Options: options.Index().SetUnique(true)}
	if _, err := c.Indexes().CreateOne(t.Context(), index); err != nil {
		t.Fatal(err)
	}
	local := with(c, writeconcern.W1(), readconcern.Local())
	insert := func(c *mongo.Collection, i int, k string) error {
		_, err := c.InsertOne(t.Context(), bson.D{{Key: "_id", Value: i}, {Key: "k", Value: k}})
		return err
	}
	if err := errors.Join(insert(c, 1, "kept"), insert(c, 2, "changed")); err != nil {
		t.Fatal(err)
	}
	release := s.HoldMajority()
	_, err := local.UpdateOne(t.Context(), id(2), bson.D{{Key: "$set", Value: bson.D{{Key: "k", Value: "other"}}}})
	_, err2 := local.DeleteOne(t.Context(), id(1))
	if err = errors.Join(err, err2, insert(local, 3, "lost")); err != nil {
		t.Fatal(err)
	}
	waiting := make(chan error, 1)
	go func() { waiting <- insert(c, 4, "repeated") }()
	for { // it is done, and not acknowledged
		if n, err := local.CountDocuments(t.Context(), id(4)); n == 1 || err != nil {
			break
		}
		time.Sleep(time.Millisecond)
	}
	s.Failover()
	release()
	if err := <-waiting; err != nil { // the driver has repeated it, and it is there now
		t.Errorf("the write that waited: %v", err)
	}
	cur, err := local.Find(t.Context(), bson.D{}, options.Find().SetSort(bson.D{{Key: "_id", Value: 1}}))
	if err != nil {
		t.Fatal(err)
	}
	var docs []struct {
		ID int `bson:"_id"`
		K  string
	}
	if err := cur.All(t.Context(), &docs); err != nil || fmt.Sprint(docs) != "[{1 kept} {2 changed} {4 repeated}]" {
		t.Errorf("after the failover: %v, %v", docs, err)
	}
	if err := insert(c, 5, "other"); err != nil {
		t.Errorf("a key that was taken back is not free: %v", err)
	}
	if err := insert(c, 6, "changed"); !mongo.IsDuplicateKeyError(err) {
		t.Errorf("the unique index is not there: %v", err)
	}
}

// A write whose majority failed is done, and says so.
func TestAWriteConcernErrorIsAfterTheWrite(t *testing.T) {
	t.Parallel()
	s, c := replicaSet(t, mongod.Replica{})
	for i := range 8 {
		s.FailNext("insert", mongod.NoMajority)
		_, err := c.InsertOne(t.Context(), id(i))
		e, failed := errors.AsType[mongo.WriteException](err)
		if failed && (e.WriteConcernError == nil || len(e.WriteErrors) > 0 || e.HasErrorLabel("RetryableWriteError")) || err != nil && !failed {
			t.Errorf("insert %d: %v", i, err)
		}
		if n, err := c.CountDocuments(t.Context(), id(i)); n != 1 || err != nil {
			t.Errorf("insert %d: %d documents, %v", i, n, err)
		}
	}
}

// The members say who they are, and only the primary serves.
func TestMembersOfAReplicaSet(t *testing.T) {
	t.Parallel()
	s := start(t, mongod.Options{Replica: &mongod.Replica{Members: 3}})
	hosts, _, _ := strings.Cut(strings.TrimPrefix(s.URI(), "mongodb://"), "/")
	for round := range 4 {
		primaries := 0
		for _, host := range strings.Split(hosts, ",") {
			db := mongotest.Connect(t, "mongodb://"+host+"/?directConnection=true").Database("admin")
			var hello struct {
				SetName, Me, Primary         string
				Hosts                        []string
				IsWritablePrimary, Secondary bool
			}
			if err := db.RunCommand(t.Context(), bson.D{{Key: "hello", Value: 1}}).Decode(&hello); err != nil {
				t.Fatal(err)
			}
			if hello.SetName != mongod.SetName || hello.Me != host || strings.Join(hello.Hosts, ",") != hosts || hello.IsWritablePrimary == hello.Secondary {
				t.Errorf("%s says %+v", host, hello)
			}
			want := "code 10107"
			if hello.IsWritablePrimary {
				primaries++
				want = ""
				if hello.Primary != host {
					t.Errorf("%s says that %s is the primary", host, hello.Primary)
				}
			}
			if got := run(t, db, `{"insert": "c", "documents": [{}]}`); want != "" && got != want || want == "" && strings.Contains(got, "code") {
				t.Errorf("round %d: an insert on %s: %s", round, host, got)
			}
		}
		if primaries != 1 {
			t.Errorf("%d primaries", primaries)
		}
		s.Failover()
	}
	first, _, _ := strings.Cut(hosts, ",")
	db := mongotest.Connect(t, "mongodb://"+first+"/?directConnection=true").Database("admin")
	s.Advertise(1, "elsewhere:1")
	if hello := run(t, db, `{"hello": 1}`); !strings.Contains(hello, "elsewhere:1") || !strings.Contains(hello, first) {
		t.Errorf("with another address: %s", hello)
	}
}

// While everything happens at once, nothing that was acknowledged is lost, and
// most is acknowledged.
func TestManyWritersUnderFaults(t *testing.T) {
	t.Parallel()
	s, c := replicaSet(t, mongod.Replica{
		Lag: 5 * time.Millisecond, Election: 5 * time.Millisecond, Seed: 7,
		Faults: mongod.Faults{LoseReply: 0.05, NotPrimary: 0.05, NoMajority: 0.05, Failover: 0.01},
	})
	const writers, times = 4, 15
	var acknowledged [writers]int
	var wg sync.WaitGroup
	for w := range writers {
		wg.Go(func() {
			for i := range times {
				_, err := c.InsertOne(t.Context(), bson.D{{Key: "_id", Value: fmt.Sprint(w, "-", i)}, {Key: "w", Value: w}})
				if err == nil {
					acknowledged[w]++
				}
			}
		})
	}
	wg.Wait()
	s.Trouble(false)
	for w, n := range acknowledged {
		got, err := c.CountDocuments(t.Context(), bson.D{{Key: "w", Value: w}})
		if err != nil || got < int64(n) || n < times/2 {
			t.Errorf("writer %d: %d documents, %v; %d were acknowledged", w, got, err, n)
		}
	}
	if s.Happened() == 0 {
		t.Error("nothing happened")
	}
}
