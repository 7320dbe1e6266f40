package protocol_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"aiwm-chat/shared/chat"
	"aiwm-chat/shared/protocol"
)

// keptBack are the members of a message that an export has not: of the first kind a line
// says it in another way, and the others are its clients' own, or of frames alone.
var keptBack = []string{"conversationId", "clientMessageId", "streamId", "truncated", "forYou"}

// Whatever a message gets to have is exported, or kept back on purpose.
func TestExportHasEachMemberOfAMessage(t *testing.T) {
	members := func(t reflect.Type) (names []string) {
		for i := range t.NumField() {
			name, _, _ := strings.Cut(t.Field(i).Tag.Get("json"), ",")
			names = append(names, name)
		}
		return names
	}
	exported := members(reflect.TypeFor[protocol.ExportedMessage]())
	for _, name := range members(reflect.TypeFor[protocol.Message]()) {
		if slices.Contains(exported, name) == slices.Contains(keptBack, name) {
			t.Errorf("%s is neither exported nor kept back, or both: an export that lacks it loses it", name)
		}
	}
}

func full() (chat.Conversation, []chat.Message) {
	at := time.Date(2026, 11, 29, 9, 0, 0, 123e6, time.UTC)
	user, agent := chat.Principal{Type: chat.User, ID: "auth0|u1", OrgID: "acme"}, chat.Principal{Type: chat.Agent, ID: "bot", OrgID: "acme"}
	c, err := chat.NewConversation(user, "Order", "About it", agent.ID, []string{"a", "b"}, at)
	if err != nil {
		panic(err)
	}
	c.ID, c.Status, c.UpdatedAt = "c1", chat.Archived, at.Add(time.Hour)
	base := func(seq int64, sender chat.Principal, d chat.Draft) chat.Message {
		id := fmt.Sprint("m", seq)
		return chat.Message{
			Draft: d, ID: chat.MessageID(id), ConversationID: c.ID, Seq: seq, Sender: sender, Status: chat.StatusSent, ClientMessageID: chat.ClientMessageID(id), CreatedAt: at, UpdatedAt: at,
		}
	}
	call := chat.RunID(strings.Repeat("a", 32)).Call(0, 1)
	said := base(1, user, chat.Draft{Content: "a\n<b>", Role: chat.RoleUser, Type: chat.TypeText, Name: "Ann", ParentID: "m0", Attachments: []chat.Attachment{"https://example.org/x"}, Mentions: []chat.Mention{{Type: chat.MentionUser, ID: "u1"}, {Type: chat.Everybody}}})
	said.Replies = chat.Replies{Count: 1, LastSeq: 3}
	said.Version, said.Edits, said.EditedAt, said.ReactionVersion = 2, 1, at.Add(time.Minute), 3
	said.Reactions = []chat.Reaction{{Key: "👍", By: agent, At: at}, {Key: ":a:", By: user, At: at}}
	spoken := base(5, user, chat.Draft{
		Role: chat.RoleUser, Type: chat.TypeText, Attachments: []chat.Attachment{"document:upl_0123456789abcdef0123456789abcdef"}, Voice: &chat.Voice{Duration: time.Second, Waveform: []byte{1, 255}},
	})
	gone := base(2, user, chat.Draft{Role: chat.RoleUser, Type: chat.TypeText})
	gone.Deleted, gone.Version, gone.DeletedBy = true, 1, &agent
	answer := base(3, agent, chat.Draft{
		Content: "b", Role: chat.RoleAgent, Type: chat.TypeToolCall, Thinking: &chat.Thinking{Content: "hm", Visible: true, Duration: time.Second},
		ToolCalls: []json.RawMessage{json.RawMessage(`{"b":1,"a":[null,1.5]}`)}, ToolResults: []json.RawMessage{json.RawMessage(`{}`)},
		Usage: &chat.Usage{PromptTokens: 1, CompletionTokens: 2, TotalTokens: 3}, Latency: 5 * time.Millisecond, Error: "e",
		Approval: &chat.Approval{Verdict: chat.VerdictPending, ExpiresAt: at},
	})
	answer.ThreadID = "m1"
	decided := base(4, chat.Backend("acme"), chat.Draft{
		Role: chat.RoleTool, Type: chat.TypeToolResult,
		Approval: &chat.Approval{Verdict: chat.VerdictApproved, Decision: chat.Decision{CallID: call, By: "u2", Reason: "ok", Arguments: json.RawMessage(`{"x":1}`)}},
	})
	return c, []chat.Message{said, gone, answer, decided, spoken}
}

// What is read of a line is what it was written of.
func TestExportIsReadAsItWasWritten(t *testing.T) {
	c, messages := full()
	got, last, err := protocol.DecodeExportHead(protocol.AppendExport(nil, protocol.ExportHeadOf(c, 4)))
	if err != nil || last != 4 {
		t.Fatal(last, err)
	}
	if !reflect.DeepEqual(got, c) {
		t.Errorf("the conversation is\n%+v\nwant\n%+v", got, c)
	}
	for _, m := range messages {
		line := protocol.AppendExport(nil, protocol.ExportedMessageOf(m))
		got, err := protocol.DecodeExportedMessage(line, c, m.Seq)
		if err != nil {
			t.Fatal(err)
		}
		if !reflect.DeepEqual(got, m) {
			t.Errorf("the message is\n%+v\nwant\n%+v", got, m)
		}
	}
}

// Each mistake is named by its field.
func TestBadExportLines(t *testing.T) {
	c, messages := full()
	head := string(protocol.AppendExport(nil, protocol.ExportHeadOf(c, 4)))
	line := func(i int) string { return string(protocol.AppendExport(nil, protocol.ExportedMessageOf(messages[i]))) }
	for _, tt := range []struct{ from, old, new, field string }{
		{head, `aiwm-chat/1`, `aiwm-chat/2`, "format"},
		{head, `"lastSeq":4`, `"lastSeq":-1`, "lastSeq"},
		{head, `"lastSeq":4`, `"lastSeq":"4"`, "lastSeq"},
		{head, `"id":"c1"`, `"id":"{c1}"`, "conversation.id"},
		{head, `"orgId":"acme"`, `"orgId":""`, "conversation.orgId"},
		{head, `"title":"Order"`, `"title":" "`, "conversation.title"},
		{head, `"agentId":"bot"`, `"agentId":"b t"`, "conversation.agentId"},
		{head, `"archived"`, `"gone"`, "conversation.status"},
		{head, `["a","b"]`, `["a","a"]`, "conversation.tags"},
		{head, `"createdAt":"2026-11-29T09:00:00.123Z"`, `"createdAt":"2026-11-29"`, "conversation.createdAt"},
		{head, `"joined":"2026-11-29T09:00:00.123Z"`, `"joined":"2026-11-29T09:00:00.1234Z"`, "conversation.participants[0].joined"},
		{head, `{"type":"agent","id":"bot"`, `{"type":"user","id":"auth0|u1"`, "conversation.participants[1]"},
		{head, `{"type":"agent","id":"bot"`, `{"type":"system","id":"bot"`, "conversation.participants[1].type"},
		{head, `"createdBy":{"type":"user"`, `"createdBy":{"type":"nobody"`, "conversation.createdBy.type"},
		{head, `"lastSeq"`, `"more":1,"lastSeq"`, "more"},
		{line(0), `"seq":1`, `"seq":2`, "seq"},
		{line(0), `"seq":1`, `"seq":1.5`, "seq"},
		{line(0), `"id":"m1"`, `"id":""`, "id"},
		{line(0), `"participantType":"user"`, `"participantType":"admin"`, "participantType"},
		{line(0), `"participantId":"auth0|u1"`, `"participantId":"{}"`, "participantId"},
		{line(0), `"role":"user"`, `"role":"boss"`, "role"},
		{line(0), `"type":"text"`, `"type":"html"`, "type"},
		{line(0), `"content":"a\n<b>"`, `"content":"` + strings.Repeat("x", chat.MaxContentStream+1) + `"`, "content"},
		{line(0), `"content":"a\n<b>"`, `"content":null,"text":1`, "text"},
		{line(0), `"name":"Ann"`, `"name":"` + strings.Repeat("x", chat.MaxMessageName+1) + `"`, "name"},
		{line(0), `"parentId":"m0"`, `"parentId":"a b"`, "parentId"},
		{line(2), `"threadId":"m1"`, `"threadId":"m 1"`, "threadId"},
		{line(0), `"count":1`, `"count":0`, "replies"},
		{line(0), `"count":1`, `"count":1001`, "replies"},
		{line(0), `"lastSeq":3`, `"lastSeq":1`, "replies"},
		{line(0), `https://example.org/x`, `javascript:alert(1)`, "attachments"},
		{line(0), `{"type":"all"}`, `{"type":"none"}`, "mentions[1].type"},
		{line(0), `"status":"sent"`, `"status":"read"`, "status"},
		{line(0), `"version":2`, `"version":-2`, "version"},
		{line(0), `"edits":1`, `"edits":-1`, "edits"},
		{line(0), `"reactionVersion":3`, `"reactionVersion":-3`, "reactionVersion"},
		{line(0), `"editedAt":"2026`, `"editedAt":"1026`, "editedAt"},
		{line(0), `"updatedAt":"2026`, `"updatedAt":"x`, "updatedAt"},
		{line(0), `"key":":a:","type":"user","id":"auth0|u1"`, `"key":"👍","type":"agent","id":"bot"`, "reactions[1]"},
		{line(0), `"key":":a:"`, `"key":"no"`, "reactions[1].key"},
		{line(0), `"status":"sent"`, `"status":"sent","deletedBy":{"type":"user","id":"x"}`, "deletedBy"},
		{line(0), `"status":"sent"`, `"status":"sent","isDeleted":true`, "isDeleted"},
		{line(1), `"deletedBy":{"type":"agent"`, `"deletedBy":{"type":"system"`, "deletedBy.type"},
		{line(1), `"status":"sent"`, `"status":"sent","content":"back"`, "isDeleted"},
		{line(2), `"duration":1000`, `"duration":-1`, "thinking.duration"},
		{line(2), `"totalTokens":3`, `"totalTokens":-3`, "usage"},
		{line(2), `"latency":5`, `"latency":-5`, "latency"},
		{line(2), `"toolResults":[{}]`, `"toolResults":[1]`, "toolResults"},
		{line(2), `"status":"pending"`, `"status":"maybe"`, "approval.status"},
		{line(3), `:0:1"`, `:0:x"`, "approval.toolCallId"},
		{line(3), `"by":"u2"`, `"by":"{}"`, "approval.by"},
		{line(3), `"arguments":{"x":1}`, `"arguments":[1]`, "approval.arguments"},
	} {
		bad := strings.Replace(tt.from, tt.old, tt.new, 1)
		if bad == tt.from {
			t.Errorf("%s is not in %s", tt.old, tt.from)
			continue
		}
		var err error
		if tt.from == head {
			_, _, err = protocol.DecodeExportHead([]byte(bad))
		} else {
			var seq struct{ Seq int64 }
			if err := json.Unmarshal([]byte(tt.from), &seq); err != nil {
				t.Fatal(err)
			}
			_, err = protocol.DecodeExportedMessage([]byte(bad), c, seq.Seq)
		}
		if err == nil || chat.CodeOf(err) != chat.ValidationFailed || chat.Public(err).Details[tt.field] == nil {
			t.Errorf("%s instead of %s: %v %v, want a fault of %s", tt.new[:min(len(tt.new), 60)], tt.old, err, chat.Public(err).Details, tt.field)
		}
	}
	for _, bad := range []string{"", "null", "[]", "{", `{"seq":1,"seq":1}`, `{"a":` + strings.Repeat("[", 40) + strings.Repeat("]", 40) + `}`, `{"content":"` + "\xff" + `"}`, strings.Repeat("x", protocol.MaxExportLine+1)} {
		if _, err := protocol.DecodeExportedMessage([]byte(bad), c, 1); err == nil {
			t.Errorf("%.40q is read", bad)
		}
		if _, _, err := protocol.DecodeExportHead([]byte(bad)); err == nil {
			t.Errorf("%.40q is read", bad)
		}
	}
}

// Whatever is read is written as something that is read as the same again.
func FuzzDecodeExport(f *testing.F) {
	c, messages := full()
	f.Add(protocol.AppendExport(nil, protocol.ExportHeadOf(c, 4)))
	for _, m := range messages {
		f.Add(protocol.AppendExport(nil, protocol.ExportedMessageOf(m)))
	}
	f.Fuzz(func(t *testing.T, line []byte) {
		if c, last, err := protocol.DecodeExportHead(line); err == nil {
			again := protocol.AppendExport(nil, protocol.ExportHeadOf(c, last))
			if second, n, err := protocol.DecodeExportHead(again); err != nil || n != last || !reflect.DeepEqual(second, c) {
				t.Errorf("%s is not read as it was: %v", again, err)
			}
		}
		m, err := protocol.DecodeExportedMessage(line, c, 1)
		if err != nil {
			return
		}
		again := protocol.AppendExport(nil, protocol.ExportedMessageOf(m))
		second, err := protocol.DecodeExportedMessage(again, c, 1)
		if err != nil || !bytes.Equal(protocol.AppendExport(nil, protocol.ExportedMessageOf(second)), again) {
			t.Errorf("%s is not read as it was: %v", again, err)
		}
	})
}
