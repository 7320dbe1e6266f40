package e2e_test

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"testing"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	mongooptions "go.mongodb.org/mongo-driver/v2/mongo/options"

	"aiwm-chat/local/client"
	"aiwm-chat/local/server"
	"aiwm-chat/shared/chat"
	"aiwm-chat/shared/protocol"
)

// BenchmarkConversations reads a page of the list of somebody with 10,000 conversations over
// HTTP, with what is unread in each. Of its 50 rows a fifth is read to the end, the others have
// 50 to 200 messages that are unread. It reports the median, which is to be below 15 ms.
func BenchmarkConversations(b *testing.B) {
	const n = 10_000
	s, err := server.Start(b.Context(), options())
	if err != nil {
		b.Fatal(err)
	}
	defer s.Close(context.Background()) //nolint:errcheck // it has nothing to keep
	token, err := s.Token(chat.Principal{Type: chat.User, ID: "alice", OrgID: "o1"}, time.Hour)
	if err != nil {
		b.Fatal(err)
	}
	rest := client.NewREST(s.URL(), token)
	defer rest.Close()
	m, err := mongo.Connect(mongooptions.Client().ApplyURI(s.MongoURI()))
	if err != nil {
		b.Fatal(err)
	}
	defer m.Disconnect(context.Background()) //nolint:errcheck // nor has this
	start := time.Now().Add(-n * time.Second)
	var conversations, messages, marks []any
	flush := func(name string, docs *[]any, most int) {
		if len(*docs) > most {
			if _, err := m.Database("aiwm_chat").Collection(name).InsertMany(b.Context(), *docs); err != nil {
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
			"createdBy": bson.M{"type": "user", "id": "alice", "joined": at}, "totalMessages": int64(said), "createdAt": at, "updatedAt": at, "activity": at, "titleKey": id, "isDeleted": false,
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
		var page protocol.ConversationPage
		err := rest.Do(b.Context(), http.MethodGet, "/conversations?limit=50", nil, &page)
		took = append(took, time.Since(begin))
		if err != nil || len(page.Data) != 50 || *page.Data[0].Unread != (protocol.UnreadCount{Count: 100, More: true}) || page.Data[4].Unread.Count != 0 {
			b.Fatalf("%d rows, error %v", len(page.Data), err)
		}
	}
	slices.Sort(took)
	b.ReportMetric(float64(took[len(took)/2].Microseconds()), "median-µs")
}
