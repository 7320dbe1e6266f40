package migrate

import (
	"fmt"
	"strings"
	"testing"

	"go.mongodb.org/mongo-driver/v2/bson"

	"aiwm-chat/shared/chat"
)

// broken adds rows that cannot be taken, or not as they are.
func (w world) broken(t testing.TB) {
	t.Helper()
	add := func(collection, doc string) {
		t.Helper()
		var d bson.D
		if err := bson.UnmarshalExtJSON([]byte(doc), false, &d); err != nil {
			t.Fatalf("%s: %v", doc, err)
		}
		w.put(t, w.old, collection, d)
	}
	const when = `"createdAt": {"$date": "2024-05-02T10:00:00Z"}`
	for i, c := range []string{
		`"conversationId": "b0", "agentId": "a1", "userId": "u1", "title": "", "status": "odd", "tags": ["x", "x", 5], "participants": ["u2", "agent:a2", {"no": 1}, {"userId": "u3", "leftAt": 1}], "contextSummary": "old", ` + when,
		`"conversationId": "b0", "agentId": "a1", "userId": "u1", "title": "again", ` + when,
		`"conversationId": "b/2", "title": "no agent", "userId": "u1", ` + when,
		`"title": "no time", "agentId": "a1", "userId": "u1"`,
		`"title": "nobody", "agentId": "a1", ` + when,
		`"conversationId": "clash", "title": "clash", "agentId": "a1", "userId": "u1", ` + when,
		`"conversationId": "b6", "title": "gone", "agentId": "a1", "userId": "u1", "isDeleted": true, ` + when,
	} {
		add("conversations", fmt.Sprintf(`{"_id": "row%d", %s}`, i, c))
	}
	for i, m := range []string{
		`"conversationId": "b0", "role": "user", "content": "one", "attachments": [{"type": "url", "url": "https://example.org/a.png", "name": "a"}, {"documentId": "d1"}, {"url": "javascript:alert(1)"}, "document:d2"], ` + when,
		`"conversationId": "b0", "role": "assistant", "content": "two", "parentMessageId": "m00", "messageType": "text", "thinking": {"content": "hm", "isVisible": true, "duration": 5}, "toolCalls": [{"name": "f", "at": {"$oid": "507f1f77bcf86cd799439011"}}, 5], "latency": 12, ` + when,
		`"conversationId": "b0", "role": "wizard", "content": "x", ` + when,
		`"conversationId": "b0", "role": "user", "content": null, ` + when,
		`"conversationId": "b0", "role": "user", "content": "no time"`,
		`"conversationId": "b0", "role": "user", "content": "own", "messageId": "own", "clientMessageId": "k", "usage": {"totalTokens": 1}, ` + when,
		`"conversationId": "b0", "role": "user", "content": "own again", "messageId": "own", ` + when,
		`"conversationId": "b0", "role": "user", "content": "same key", "clientMessageId": "k", "parentId": "own", ` + when,
		`"conversationId": "b0", "role": "assistant", "content": "answers nothing", "parentMessageId": "nowhere", ` + when,
		`"conversationId": "b0", "role": "user", "content": "secret", "isDeleted": true, ` + when,
		`"conversationId": "nowhere", "role": "user", "content": "x", ` + when,
		`"role": "user", "content": "x", ` + when,
		`"conversationId": "b/2", "role": "user", "content": "x", ` + when,
		`"conversationId": "clash", "role": "user", "content": "x", ` + when,
		`"conversationId": "b0", "role": "user", "participantType": "agent", "content": "x", ` + when,
		`"conversationId": "b0", "role": "user", "content": "` + strings.Repeat("x", maxContent+1) + `", ` + when,
	} {
		add("messages", fmt.Sprintf(`{"_id": "m%02d", %s}`, i, m))
	}
}

// Each row is taken, or its id and the reason are reported.
func TestBrokenRows(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.broken(t)
	w.there(t)
	r, said := w.migrate(t)
	for _, line := range []string{
		"7 of 7 conversations, 6 messages, 15 rows not taken\n",
		"conversations: 2 taken, 0 were there, 5 cannot be taken",
		"messages: 6 taken, 0 were there, 10 cannot be taken",
		"not taken: conversations row1: the conversation row0 has this conversationId already",
		"not taken: conversations row2: agentId is missing, and no agent takes part",
		"not taken: conversations row3: createdAt is no time",
		"not taken: conversations row4: nobody takes part: userId, createdBy and participants are missing",
		"not taken: conversations row5: there is another conversation with this id already",
		`not taken: messages m02: role "wizard" is not known`,
		"not taken: messages m03: content is required",
		"not taken: messages m04: createdAt is no time",
		"not taken: messages m06: another message has this messageId",
		"not taken: messages m10: there is no conversation nowhere",
		"not taken: messages m11: conversationId is missing",
		"not taken: messages m12: its conversation is not taken: see there",
		"not taken: messages m13: its conversation is not taken: see there",
		"not taken: messages m14: role user is not that of a participant of type agent",
		"not taken: messages m15: content must be at most 262144 bytes",
		"changed: conversations row0: it has no title",
		`changed: conversations row0: status "odd" is not known: archived`,
		"changed: conversations row0: participants[2] is left out",
		"changed: conversations row0: tags[1] is left out",
		"changed: messages m00: attachments[2] is left out",
		"changed: messages m01: toolCalls[1] is no object and left out",
		"changed: messages m05: usage of a user's message is left out",
		"changed: messages m07: its clientMessageId is that of another message, and a new one made",
		"changed: messages m08: what it answers, nowhere, is not there before it",
	} {
		if !strings.Contains(said, line) {
			t.Errorf("the report does not say %q", line)
		}
	}
	if strings.Contains(said, "javascript:") {
		t.Error("the report shows what somebody said")
	}
	if r.messages() != 16 {
		t.Errorf("%d messages are accounted for, want 16", r.messages())
	}
	if t.Failed() {
		t.Log(said)
	}
	c := w.conversation(t, "b0")
	if c.Status != chat.Archived || len(c.Participants) != 4 || c.TotalMessages != 6 || c.LastMessage.Content != "" || c.Summary == nil || c.Summary.ToSeq != 6 {
		t.Errorf("b0 is %+v", c)
	}
	w.whole(t, "b0", 6)
	m, _ := w.mover(t, -1)
	messages, _, err := m.store.Messages(t.Context(), "b0", chat.MessageQuery{Limit: 10})
	if err != nil {
		t.Fatal(err)
	}
	if got := fmt.Sprint(messages[0].Attachments); got != "[https://example.org/a.png document:d1 document:d2]" {
		t.Errorf("attachments %s", got)
	}
	two := messages[1]
	if two.Role != chat.RoleAgent || two.ParentID != "m00" || !two.Thinking.Visible || string(two.ToolCalls[0]) != `{"name":"f","at":"507f1f77bcf86cd799439011"}` || two.Latency.Milliseconds() != 12 {
		t.Errorf("the answer is %+v", two)
	}
	if own := messages[2]; own.ID != "own" || own.ClientMessageID != "k" || messages[3].ParentID != "own" || messages[3].ClientMessageID != "migrated:m07" {
		t.Errorf("own ids: %+v, %+v", own, messages[3])
	}
	if gone := messages[5]; !gone.Deleted || gone.Content != "" {
		t.Errorf("the deleted one is %+v", gone)
	}
}

// Ids that another conversation has are reported, however many there are, and the
// rest is taken.
func TestIdsOfAnotherConversation(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	const n = 30
	for c := range 2 {
		name := fmt.Sprint("c", c)
		w.ordinary(t, name, 100*c, 1)
		for i := range n {
			w.put(t, w.old, "messages", bson.D{
				{Key: "_id", Value: fmt.Sprint(c, "/", i)}, {Key: "messageId", Value: fmt.Sprint("m", i)}, {Key: "conversationId", Value: name},
				{Key: "role", Value: "user"}, {Key: "content", Value: "x"}, {Key: "createdAt", Value: at(50 + i)},
			})
		}
	}
	m, out := w.mover(t, -1)
	m.batch = messagesAtOnce
	if err := m.bring(t.Context(), "old", false); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(out.String(), fmt.Sprintf("messages: %d taken, 0 were there, %d cannot be taken", n+2, n)) {
		t.Errorf("said %s", out)
	}
	w.whole(t, "c0", n+1)
	w.whole(t, "c1", 1)
}

// Whatever a row has, reading it ends with a message or a reason, and what is taken
// is valid.
func FuzzRows(f *testing.F) {
	for _, doc := range []string{
		`{"_id": "m1", "role": "assistant", "content": "x", "createdAt": 1714557600, "attachments": [{"url": 5}], "toolCalls": [{}]}`,
		`{"_id": {"$oid": "507f1f77bcf86cd799439011"}, "conversationId": "c", "agentId": "a", "participants": [{"type": "user", "id": "u"}], "tags": ["a"]}`,
	} {
		var d bson.D
		if err := bson.UnmarshalExtJSON([]byte(doc), false, &d); err != nil {
			f.Fatal(err)
		}
		raw, err := bson.Marshal(d)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(raw)
	}
	known, err := chat.NewConversation(chat.Principal{Type: chat.User, ID: "u1", OrgID: "o1"}, "t", "", "a1", nil, day)
	if err != nil {
		f.Fatal(err)
	}
	known.ID = "c1"
	f.Fuzz(func(t *testing.T, b []byte) {
		raw := bson.Raw(b)
		if raw.Validate() != nil {
			return // the driver hands out what is well formed
		}
		if m, err := messageOf(&row{raw: raw}, &known); err == nil && (!chat.ValidID(m.ID) || !chat.ValidID(m.Sender.ID) || m.CreatedAt.IsZero() || !m.Role.Valid()) {
			t.Errorf("taken: %+v", m)
		}
		if c, err := conversationOf(&row{raw: raw}, "o1"); err == nil && (!chat.ValidID(c.ID) || len(c.Participants) == 0 || !c.Status.Valid()) {
			t.Errorf("taken: %+v", c)
		}
	})
}
