package mongostore_test

import (
	"encoding/json"
	"reflect"
	"testing"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"

	"aiwm-chat/shared/chat"
	"aiwm-chat/shared/mongostore"
)

// What is written as a document is what Append, CreateConversation and Project
// would have written, to the byte.
func TestDocumentsAreThoseOfTheStore(t *testing.T) {
	t.Parallel()
	f := open(t)
	ctx := t.Context()
	c := f.newConversation(t, "Orders", start, "vip")
	m := f.append(t, newMessage(t, c.ID, bot, "m1", chat.Draft{
		Content: "Hello", Name: "helper", Attachments: []chat.Attachment{"document:d1"}, Thinking: &chat.Thinking{Content: "hm", Duration: time.Second},
		ToolCalls: []json.RawMessage{json.RawMessage(`{"name":"find","n":1}`)}, Usage: &chat.Usage{TotalTokens: 7}, Latency: time.Second,
	}))
	stored, err := f.db.Collection("messages").FindOne(ctx, bson.M{"_id": m.ID}).Raw()
	if err != nil {
		t.Fatal(err)
	}
	if doc, err := mongostore.MessageDocument(m); err != nil || string(doc) != string(stored) {
		t.Errorf("message: %v, error %v, want %v", doc, err, stored)
	}
	if err := f.Project(ctx, c, m); err != nil {
		t.Fatal(err)
	}
	now, err := f.Conversation(ctx, alice, c.ID)
	if err != nil {
		t.Fatal(err)
	}
	doc, err := mongostore.ConversationDocument(now, nil)
	if err != nil {
		t.Fatal(err)
	}
	var got, want bson.M
	if stored, err = f.db.Collection("conversations").FindOne(ctx, bson.M{"_id": c.ID}).Raw(); err != nil {
		t.Fatal(err)
	}
	if err := bson.Unmarshal(doc, &got); err != nil {
		t.Fatal(err)
	}
	if err := bson.Unmarshal(stored, &want); err != nil {
		t.Fatal(err)
	}
	delete(got, "activity") // which is never before createdAt or later than the newest
	delete(want, "activity")
	if !reflect.DeepEqual(got, want) {
		t.Errorf("conversation: %v\nwant %v", got, want)
	}
}

// A deleted message is a place in the log and nothing else, and a deleted
// conversation is nobody's.
func TestDocumentsOfWhatIsDeleted(t *testing.T) {
	t.Parallel()
	f := open(t)
	ctx := t.Context()
	m := newMessage(t, "c1", alice, "m1", draftOf("a secret"))
	m.ID, m.Seq, m.Deleted = "m1", 1, true
	m.Attachments = []chat.Attachment{"document:secret"}
	doc, err := mongostore.MessageDocument(m)
	if err != nil {
		t.Fatal(err)
	}
	var d bson.M
	if err := bson.Unmarshal(doc, &d); err != nil || d["isDeleted"] != true || d["content"] != "" || d["attachments"] != nil {
		t.Errorf("stored as %v, error %v", d, err)
	}
	c, err := chat.NewConversation(alice, "gone", "", bot.ID, nil, start)
	if err != nil {
		t.Fatal(err)
	}
	c.ID = "c1"
	if doc, err = mongostore.ConversationDocument(c, &start); err != nil {
		t.Fatal(err)
	}
	if _, err := f.db.Collection("conversations").InsertOne(ctx, doc); err != nil {
		t.Fatal(err)
	}
	_, err = f.Conversation(ctx, alice, "c1")
	wantCode(t, err, chat.NotFound)
	if _, err := f.DeletedConversation(ctx, alice, "c1"); err != nil {
		t.Error(err)
	}
}
