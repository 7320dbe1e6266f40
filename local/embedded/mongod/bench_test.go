package mongod_test

import (
	"context"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"aiwm-chat/local/embedded/mongod"
	"aiwm-chat/local/embedded/mongod/mongotest"
)

// messages starts a server on dir ("" for memory) with n messages of the
// chat's shape and indexes in ten conversations.
func messages(b testing.TB, dir string, n int) (*mongod.Server, *mongo.Collection) {
	b.Helper()
	s := start(b, mongod.Options{Dir: dir})
	c := mongotest.Connect(b, s.URI()).Database("chat").Collection("messages")
	partial := bson.D{{Key: "clientMessageId", Value: bson.D{{Key: "$exists", Value: true}}}}
	_, err := c.Indexes().CreateMany(context.Background(), []mongo.IndexModel{
		{Keys: bson.D{{Key: "conversationId", Value: 1}, {Key: "seq", Value: 1}}, Options: options.Index().SetUnique(true)},
		{Keys: bson.D{{Key: "conversationId", Value: 1}, {Key: "participantId", Value: 1}, {Key: "clientMessageId", Value: 1}}, Options: options.Index().SetUnique(true).SetPartialFilterExpression(partial)},
	})
	if err != nil {
		b.Fatal(err)
	}
	for i := 0; i < n; i += 1000 {
		docs := make([]any, 0, 1000)
		for j := range 1000 {
			docs = append(docs, chatMessage(fmt.Sprint("c", (i+j)%10), (i+j)/10+1))
		}
		if _, err := c.InsertMany(context.Background(), docs); err != nil {
			b.Fatal(err)
		}
	}
	return s, c
}

func chatMessage(conversation string, seq int) bson.D {
	return bson.D{
		{Key: "_id", Value: fmt.Sprintf("%s-%08d", conversation, seq)}, {Key: "conversationId", Value: conversation}, {Key: "orgId", Value: "o1"},
		{Key: "seq", Value: int64(seq)}, {Key: "runningTokens", Value: int64(seq * 10)}, {Key: "participantId", Value: "u1"},
		{Key: "participantType", Value: "user"}, {Key: "role", Value: "user"}, {Key: "type", Value: "text"}, {Key: "content", Value: strings.Repeat("hello ", 20)},
		{Key: "status", Value: "sent"}, {Key: "clientMessageId", Value: fmt.Sprint("m", seq)}, {Key: "createdAt", Value: time.UnixMilli(int64(seq))}, {Key: "isDeleted", Value: false},
	}
}

func BenchmarkInsertOne(b *testing.B) {
	_, c := messages(b, b.TempDir(), 0)
	seq := 0
	for b.Loop() {
		seq++
		if _, err := c.InsertOne(b.Context(), chatMessage("c1", seq)); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkWriters is 50 concurrent writers: one insert, one read and one
// update by _id each, as sending a message does.
func BenchmarkWriters(b *testing.B) {
	_, c := messages(b, b.TempDir(), 0)
	conversations := c.Database().Collection("conversations")
	var next atomic.Int64
	b.SetParallelism(25) // times two processors
	b.RunParallel(func(pb *testing.PB) {
		id := fmt.Sprint("c", next.Add(1))
		if _, err := conversations.InsertOne(context.Background(), bson.D{{Key: "_id", Value: id}, {Key: "totalMessages", Value: 0}}); err != nil {
			b.Error(err)
		}
		for seq := 1; pb.Next(); seq++ {
			ctx := context.Background()
			if err := conversations.FindOne(ctx, bson.D{{Key: "_id", Value: id}}).Err(); err != nil {
				b.Error(err)
			}
			if _, err := c.InsertOne(ctx, chatMessage(id, seq)); err != nil {
				b.Error(err)
			}
			set := bson.D{{Key: "$set", Value: bson.D{{Key: "totalMessages", Value: seq}, {Key: "lastMessage.content", Value: "hello"}}}}
			if _, err := conversations.UpdateOne(ctx, bson.D{{Key: "_id", Value: id}, {Key: "totalMessages", Value: bson.D{{Key: "$lt", Value: seq}}}}, set); err != nil {
				b.Error(err)
			}
		}
	})
}

func BenchmarkFindByID(b *testing.B) {
	_, c := messages(b, "", 10_000)
	for b.Loop() {
		if err := c.FindOne(b.Context(), bson.D{{Key: "_id", Value: "c1-00000077"}}).Err(); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkLast50Of100000(b *testing.B) {
	_, c := messages(b, "", 100_000)
	opts := options.Find().SetSort(bson.D{{Key: "seq", Value: -1}}).SetLimit(50)
	var docs []bson.Raw
	for b.Loop() {
		cur, err := c.Find(b.Context(), bson.D{{Key: "conversationId", Value: "c3"}}, opts)
		if err != nil {
			b.Fatal(err)
		}
		if err := cur.All(b.Context(), &docs); err != nil || len(docs) != 50 {
			b.Fatal(len(docs), err)
		}
	}
}

// BenchmarkOpen starts a server on the journal of 100,000 messages.
func BenchmarkOpen(b *testing.B) {
	dir := b.TempDir()
	s, _ := messages(b, dir, 100_000)
	if err := s.Close(); err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		s, err := mongod.Listen("127.0.0.1:0", mongod.Options{Dir: dir})
		if err != nil {
			b.Fatal(err)
		}
		if err := s.Close(); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkSend is what sending a message costs the database: a read by _id,
// an insert under three unique indexes and an update, one after the other.
func BenchmarkSend(b *testing.B) {
	_, c := messages(b, b.TempDir(), 0)
	conversations := c.Database().Collection("conversations")
	id := bson.D{{Key: "_id", Value: "c1"}}
	if _, err := conversations.InsertOne(b.Context(), id); err != nil {
		b.Fatal(err)
	}
	for seq := 1; b.Loop(); seq++ {
		if err := conversations.FindOne(b.Context(), id).Err(); err != nil {
			b.Fatal(err)
		}
		if _, err := c.InsertOne(b.Context(), chatMessage("c1", seq)); err != nil {
			b.Fatal(err)
		}
		set := bson.D{{Key: "$set", Value: bson.D{{Key: "totalMessages", Value: seq}, {Key: "lastMessage.content", Value: "hello"}}}}
		if _, err := conversations.UpdateOne(b.Context(), id, set); err != nil {
			b.Fatal(err)
		}
	}
}
