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

// BenchmarkList50Of10000 reads a page of the list of somebody with 10,000 conversations, and
// what is unread in each: the three queries of GET /conversations. Of the rows a fifth is
// read to its end, the others have up to 200 messages that are unread. It reports the median.
func BenchmarkList50Of10000(b *testing.B) {
	f := open(b)
	const n = 10_000
	var conversations, messages, marks []any
	flush := func(name string, docs *[]any, most int) {
		if len(*docs) > most {
			if _, err := f.db.Collection(name).InsertMany(b.Context(), *docs); err != nil {
				b.Fatal(err)
			}
			*docs = nil
		}
	}
	for i := range n {
		id := fmt.Sprint("c", i)
		said := 1 // of most nobody looks
		if i >= n-1000 {
			said = i%5*50 + 1
		}
		at := start.Add(time.Duration(i) * time.Second)
		conversations = append(conversations, bson.M{
			"_id": id, "orgId": "o1", "title": id, "agentId": "bot", "status": "active", "tags": bson.A{}, "description": "", "contextSummary": "",
			"participants": bson.A{
				bson.M{"type": "user", "id": "alice", "joined": at, "fromSeq": int64(0)}, bson.M{"type": "agent", "id": "bot", "joined": at, "fromSeq": int64(0)},
			},
			"totalMessages": int64(said), "createdAt": at, "updatedAt": at, "activity": at, "titleKey": id, "isDeleted": false,
		})
		marks = append(marks, bson.M{"conversationId": id, "type": "user", "id": "alice", "orgId": "o1", "base": int64(0), "seq": int64(1), "publicSeq": int64(1), "version": int64(1)})
		for seq := range said {
			messages = append(messages, bson.M{
				"_id": fmt.Sprint(id, "-", seq), "conversationId": id, "seq": int64(seq + 1), "orgId": "o1", "participantId": "bot",
				"participantType": "agent", "clientMessageId": fmt.Sprint(seq), "role": "agent", "type": "text", "status": "sent",
				"content": "a message of ordinary length, as people write them", "createdAt": start, "updatedAt": start, "isDeleted": false,
			})
		}
		flush("messages", &messages, 10_000)
	}
	flush("messages", &messages, 0)
	flush("conversations", &conversations, 0)
	flush("reads", &marks, 0)
	var took []time.Duration
	for b.Loop() {
		begin := time.Now()
		page, err := f.Conversations(b.Context(), alice, chat.ConversationQuery{Limit: 50})
		if err != nil {
			b.Fatal(err)
		}
		readings, err := f.Readings(b.Context(), alice, page.Conversations)
		took = append(took, time.Since(begin))
		if err != nil || len(readings) != 50 || readings[0].Count != 100 || !readings[0].More || readings[4].Count != 0 {
			b.Fatalf("%d readings, %+v, error %v", len(readings), readings[:min(len(readings), 5)], err)
		}
	}
	slices.Sort(took)
	b.ReportMetric(float64(took[len(took)/2].Microseconds()), "median-µs")
}
