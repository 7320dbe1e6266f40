package mongotest

import (
	"context"
	"errors"
	"sync"
	"testing"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"
)

const writers = 64

// increments: concurrent $inc loses nothing.
func increments(t *testing.T, ctx context.Context, c *mongo.Collection) {
	seed(t, ctx, c, `{"_id": 1, "n": 0, "log": []}`)
	var wg sync.WaitGroup
	for i := range writers {
		wg.Go(func() {
			for range 10 {
				_, err := c.UpdateOne(ctx, bson.D{{Key: "_id", Value: 1}}, bson.D{{Key: "$inc", Value: bson.D{{Key: "n", Value: 1}}}, {Key: "$push", Value: bson.D{{Key: "log", Value: i}}}})
				if err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	var d struct {
		N   int
		Log []int
	}
	if must(t, c.FindOne(ctx, bson.D{}).Decode(&d)); d.N != writers*10 || len(d.Log) != writers*10 {
		t.Errorf("%d increments and %d pushes of %d", d.N, len(d.Log), writers*10)
	}
}

// compareAndSet: of concurrent conditional updates exactly one wins each round.
func compareAndSet(t *testing.T, ctx context.Context, c *mongo.Collection) {
	seed(t, ctx, c, `{"_id": 1, "version": 0}`)
	for round := range 10 {
		var mu sync.Mutex
		won := 0
		var wg sync.WaitGroup
		for range writers {
			wg.Go(func() {
				res, err := c.UpdateOne(ctx, bson.D{{Key: "_id", Value: 1}, {Key: "version", Value: round}}, bson.D{{Key: "$set", Value: bson.D{{Key: "version", Value: round + 1}}}})
				if err != nil {
					t.Error(err)
					return
				}
				mu.Lock()
				won += int(res.ModifiedCount)
				mu.Unlock()
			})
		}
		if wg.Wait(); won != 1 {
			t.Fatalf("round %d has %d winners", round, won)
		}
	}
}

// appendToLog: a unique index orders concurrent appends without gaps.
func appendToLog(t *testing.T, ctx context.Context, c *mongo.Collection) {
	index(t, ctx, c, `{"conversationId": 1, "seq": 1}`, unique())
	newest := options.FindOne().SetSort(bson.D{{Key: "seq", Value: -1}})
	conversation := bson.D{{Key: "conversationId", Value: "c"}}
	var wg sync.WaitGroup
	for range writers {
		wg.Go(func() {
			for {
				var head struct{ Seq int }
				if err := c.FindOne(ctx, conversation, newest).Decode(&head); err != nil && !errors.Is(err, mongo.ErrNoDocuments) {
					t.Error(err)
					return
				}
				_, err := c.InsertOne(ctx, bson.D{{Key: "conversationId", Value: "c"}, {Key: "seq", Value: head.Seq + 1}})
				if err == nil {
					return
				}
				if !mongo.IsDuplicateKeyError(err) {
					t.Error(err)
					return
				}
			}
		})
	}
	wg.Wait()
	n, err := c.CountDocuments(ctx, conversation)
	must(t, err)
	var head struct{ Seq int }
	if must(t, c.FindOne(ctx, conversation, newest).Decode(&head)); n != writers || head.Seq != writers {
		t.Errorf("%d messages, head %d, want %d", n, head.Seq, writers)
	}
}
