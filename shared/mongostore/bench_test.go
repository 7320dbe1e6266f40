package mongostore_test

import (
	"fmt"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"

	"aiwm-chat/shared/chat"
)

// BenchmarkAppend is one writer whose guess of the head is right, as the
// ordinary send.
func BenchmarkAppend(b *testing.B) {
	f := open(b)
	c := f.newConversation(b, "t", start)
	head := chat.Head{}
	for i := 0; b.Loop(); i++ {
		m, _, err := f.Append(b.Context(), head, newMessage(b, c.ID, alice, fmt.Sprint(i), draftOf("a message of ordinary length, as people write them")))
		if err != nil {
			b.Fatal(err)
		}
		head = chat.Head{Seq: m.Seq, RunningTokens: m.RunningTokens}
	}
}

// BenchmarkAppend50Writers is 50 writers on one conversation, each with the
// head that it saw last: one operation is one committed message.
func BenchmarkAppend50Writers(b *testing.B) {
	f := open(b)
	c := f.newConversation(b, "t", start)
	var writers atomic.Int64
	b.SetParallelism(25) // times two processors
	b.RunParallel(func(pb *testing.PB) {
		sender := chat.Principal{Type: chat.User, ID: chat.PrincipalID(fmt.Sprint("w", writers.Add(1))), OrgID: "o1"}
		head := chat.Head{}
		for i := 0; pb.Next(); i++ {
			m, _, err := f.Append(b.Context(), head, newMessage(b, c.ID, sender, fmt.Sprint(i), draftOf("x")))
			if err != nil {
				b.Error(err)
				return
			}
			head = chat.Head{Seq: m.Seq, RunningTokens: m.RunningTokens}
		}
	})
}

// BenchmarkLast50Of100000 reads the page that join shows. It reports the
// median, which must be below a millisecond: the read uses the index.
func BenchmarkLast50Of100000(b *testing.B) {
	f := open(b)
	const n, batch = 100_000, 10_000
	for i := 0; i < n; i += batch {
		docs := make([]any, batch)
		for j := range docs {
			docs[j] = bson.M{
				"_id": bson.NewObjectID().Hex(), "conversationId": "c", "seq": int64(i + j + 1), "orgId": "o1", "participantId": "alice",
				"participantType": "user", "clientMessageId": fmt.Sprint(i + j), "role": "user", "type": "text", "status": "sent",
				"content": "a message of ordinary length, as people write them", "createdAt": start, "updatedAt": start, "isDeleted": false,
			}
		}
		if _, err := f.db.Collection("messages").InsertMany(b.Context(), docs); err != nil {
			b.Fatal(err)
		}
	}
	var took []time.Duration
	for b.Loop() {
		begin := time.Now()
		page, more, err := f.Messages(b.Context(), "c", chat.MessageQuery{Limit: 50})
		took = append(took, time.Since(begin))
		if err != nil || !more || len(page) != 50 || page[49].Seq != n {
			b.Fatalf("%d messages, more %v, error %v", len(page), more, err)
		}
	}
	slices.Sort(took)
	b.ReportMetric(float64(took[len(took)/2].Microseconds()), "median-µs")
}
