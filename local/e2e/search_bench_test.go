package e2e_test

import (
	"context"
	"fmt"
	"math/rand"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	mongooptions "go.mongodb.org/mongo-driver/v2/mongo/options"

	"aiwm-chat/local/client"
	"aiwm-chat/local/server"
	"aiwm-chat/shared/chat"
	"aiwm-chat/shared/mongostore"
	"aiwm-chat/shared/protocol"
)

// languages are the words of which the messages of the benchmark are made, and what is between
// two of them.
var languages = []struct{ words, between string }{
	{"một tin nhắn bình thường như mọi người viết đường phố hôm nay thế nào khi nào đơn hàng đến chưa cảm ơn bạn nhiều", " "},
	{"mot tin nhan binh thuong nhu moi nguoi viet duong pho hom nay the nao khi nao don hang den chua cam on ban nhieu", " "},
	{"an ordinary message as people write them every day order friday invoice password please could you send it again thanks", " "},
	{"شكرا سلام مرحبا الطلب اليوم متى يصل الفاتورة من فضلك غدا كلمة السر الرسالة", " "},
	{"한국어 메시지 주문 안녕하세요 배송 언제 도착해요 비밀번호 송장 감사합니다 내일", " "},
	{"北京 天气 很好 人们 写 消息 订单 什么 时候 到 谢谢 发票 密码 明天 可以 吗", ""},
	{"東京 タワー 注文 は いつ 届きます か ありがとう 請求書 パスワード 明日 です", ""},
	{"สวัสดี ครับ คำสั่งซื้อ ของ ฉัน เมื่อไหร่ ขอบคุณ ใบแจ้งหนี้ รหัสผ่าน พรุ่งนี้", ""},
	{"👍 🎉 ❤️ 😀 👨‍👩‍👧 ok", " "},
}

// text is an ordinary message; a few have a word of their own.
func text(r *rand.Rand, i int) string {
	l := languages[r.Intn(len(languages))]
	words := strings.Fields(l.words)
	said := make([]string, 5+r.Intn(10))
	for n := range said {
		said[n] = words[r.Intn(len(words))]
	}
	if i%1000 == 7 {
		said = append(said, fmt.Sprint(" needle", i))
	}
	return strings.Join(said, l.between)
}

// BenchmarkSearch searches 100,000 messages over HTTP, in one conversation and in 200, with what
// comes often, seldom, never, and while it is being typed. The entries are made by reindex. It
// reports the medians, and fails where one is 20 ms or more, of 200 conversations 60.
//
//	go test ./local/e2e -run '^$' -bench BenchmarkSearch -benchtime 50x
func BenchmarkSearch(b *testing.B) {
	const n = 100_000
	queries := []string{
		"đường phố", "duong ", "don hang chua ", "天气", "什么时候", "发票密码", "タワー", "請求書", "메시지 주문", "안녕", "สวัสดี", "รหัสผ่าน", "مرحبا الطلب ", "👍 🎉", "👨‍👩‍👧",
		"order invoice ", "pass", "ord", "inv frid", "needle5007 ", "needle", "order needle", "order đường ", "thanks 谢谢", "nothing ", "zzz",
	}
	for _, tt := range []struct {
		who           chat.PrincipalID
		conversations int
		most          time.Duration
	}{{"alice", 1, 20 * time.Millisecond}, {"bob", 200, 60 * time.Millisecond}} {
		b.Run(fmt.Sprint(tt.conversations), func(b *testing.B) {
			rest := searched(b, tt.who, tt.conversations, n)
			for _, q := range queries {
				b.Run(q, func(b *testing.B) {
					path := "/search?limit=20&q=" + url.QueryEscape(q)
					if tt.conversations == 1 {
						path += "&conversationId=alice-0"
					}
					var took []time.Duration
					var page protocol.SearchPage
					for b.Loop() {
						begin := time.Now()
						err := rest.Do(b.Context(), http.MethodGet, path, nil, &page)
						took = append(took, time.Since(begin))
						if err != nil {
							b.Fatal(err)
						}
					}
					slices.Sort(took)
					median := took[len(took)/2]
					b.ReportMetric(float64(median.Microseconds())/1000, "median-ms")
					b.ReportMetric(float64(len(page.Data)), "hits")
					if median >= tt.most {
						b.Errorf("the median is %v, not below %v", median, tt.most)
					}
				})
			}
		})
	}
}

// searched starts a server in which somebody has so many conversations with so many messages in
// all, and returns their client.
func searched(b *testing.B, who chat.PrincipalID, conversations, n int) *client.REST {
	b.Helper()
	s, err := server.Start(b.Context(), options())
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = s.Close(context.Background()) })
	token, err := s.Token(chat.Principal{Type: chat.User, ID: who, OrgID: "o1"}, time.Hour)
	if err != nil {
		b.Fatal(err)
	}
	m, err := mongo.Connect(mongooptions.Client().ApplyURI(s.MongoURI()))
	if err != nil {
		b.Fatal(err)
	}
	defer m.Disconnect(context.Background()) //nolint:errcheck // it has nothing to keep
	db := m.Database("aiwm_chat")
	insert := func(name string, docs []any) {
		if _, err := db.Collection(name).InsertMany(b.Context(), docs); err != nil {
			b.Fatal(err)
		}
	}
	start := time.Now().Add(-time.Duration(n) * time.Second).UTC().Truncate(time.Millisecond)
	var docs []any
	for i := range conversations {
		id := fmt.Sprint(who, "-", i)
		docs = append(docs, bson.M{
			"_id": id, "orgId": "o1", "title": id, "agentId": "bot", "status": "active", "tags": bson.A{}, "description": "", "contextSummary": "",
			"participants": bson.A{bson.M{"type": "user", "id": who, "joined": start, "fromSeq": int64(0)}},
			"createdBy":    bson.M{"type": "user", "id": who, "joined": start}, "totalMessages": int64(n / conversations), "createdAt": start, "updatedAt": start,
			"activity": start.Add(time.Duration(i) * time.Second), "titleKey": id, "isDeleted": false,
		})
	}
	insert("conversations", docs)
	r := rand.New(rand.NewSource(1))
	for from := 0; from < n; from += 5000 {
		docs = nil
		for i := from; i < from+5000; i++ {
			at := start.Add(time.Duration(i) * time.Second)
			docs = append(docs, bson.M{
				"_id": fmt.Sprintf("%024d", i), "conversationId": fmt.Sprint(who, "-", i%conversations), "seq": int64(i/conversations + 1), "orgId": "o1", "participantId": who,
				"participantType": "user", "clientMessageId": fmt.Sprint(i), "role": "user", "type": "text", "status": "sent",
				"content": text(r, i), "createdAt": at, "updatedAt": at, "isDeleted": false,
			})
		}
		insert("messages", docs)
	}
	store, err := mongostore.Open(s.MongoURI(), "aiwm_chat", mongostore.Options{})
	if err != nil {
		b.Fatal(err)
	}
	defer store.Close(context.Background()) //nolint:errcheck // nor has this
	for after, read := chat.MessageID(""), 1; read > 0; {
		if after, read, err = store.Reindex(b.Context(), after, 500); err != nil {
			b.Fatal(err)
		}
	}
	rest := client.NewREST(s.URL(), token)
	b.Cleanup(rest.Close)
	return rest
}
