package migrate

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"

	"aiwm-chat/shared/chat"
	"aiwm-chat/shared/mongostore"
)

// maxContent is the longest content that is taken, in bytes: four times what
// anybody may send, and still read as one answer.
const maxContent = 256 << 10

var roles = map[string]chat.Role{
	"user": chat.RoleUser, "human": chat.RoleUser,
	"assistant": chat.RoleAgent, "agent": chat.RoleAgent, "bot": chat.RoleAgent, "ai": chat.RoleAgent, "model": chat.RoleAgent,
	"tool": chat.RoleTool, "function": chat.RoleTool,
	"system": chat.RoleSystem,
}

var messageTypes = map[string]chat.MessageType{
	"": chat.TypeText, "text": chat.TypeText, "thinking": chat.TypeThinking, "error": chat.TypeError, "system": chat.TypeSystem,
	"tool_call": chat.TypeToolCall, "toolcall": chat.TypeToolCall, "tool-call": chat.TypeToolCall, "function_call": chat.TypeToolCall,
	"tool_result": chat.TypeToolResult, "toolresult": chat.TypeToolResult, "tool-result": chat.TypeToolResult,
}

// messageOf reads an old message of c. The error says why it cannot be taken. Its
// place in the log is not decided here, nor what it answers.
func messageOf(r *row, c *chat.Conversation) (chat.Message, error) {
	id := chat.MessageID(r.newID("messageId"))
	if id == "" {
		return chat.Message{}, errors.New("neither messageId nor _id is an id")
	}
	created, ok := r.created()
	if !ok {
		return chat.Message{}, errors.New("createdAt is no time")
	}
	role, ok := roles[strings.ToLower(r.text("role"))]
	if !ok {
		return chat.Message{}, fmt.Errorf("role %q is not known", cut(r.text("role"), 40))
	}
	sender, err := senderOf(r, c, role)
	if err != nil {
		return chat.Message{}, err
	}
	deleted, _ := r.flag("isDeleted", "deleted")
	deleted = deleted || r.has("deletedAt")
	d := draftOf(r, sender.Type, role)
	if deleted {
		d = chat.Draft{Content: "deleted", Role: role, Type: d.Type, Usage: d.Usage, Latency: d.Latency}
	}
	client := chat.ClientMessageID(r.text("clientMessageId"))
	if !chat.ValidID(client) {
		client = madeID(id)
	}
	m, err := chat.NewMessage(c.ID, sender, client, d, maxContent, created)
	if err != nil {
		return chat.Message{}, faults(err)
	}
	if m.ID, m.Status, m.Deleted = id, statusOf(r), deleted; deleted {
		m.Content = ""
	}
	if t := r.time("updatedAt"); t.After(m.UpdatedAt) {
		m.UpdatedAt = t
	}
	return m, nil
}

// madeID is the client's id of a message that has none that can be kept.
func madeID(id chat.MessageID) chat.ClientMessageID {
	return chat.ClientMessageID(chat.TruncateUTF8("migrated:"+string(id), chat.MaxID))
}

// senderOf is who wrote a message: whom the row names, else whom the role and the
// conversation leave.
func senderOf(r *row, c *chat.Conversation, role chat.Role) (chat.Principal, error) {
	p := chat.Principal{Type: chat.Agent, OrgID: c.OrgID}
	names, otherwise := []string{"agentId", "participantId", "senderId"}, c.AgentID
	if role == chat.RoleUser {
		p.Type, names, otherwise = chat.User, []string{"userId", "participantId", "senderId"}, ""
		users := slices.DeleteFunc(slices.Clone(c.Participants), func(p chat.Participant) bool { return p.Type != chat.User })
		if c.CreatedBy.Type == chat.User {
			otherwise = c.CreatedBy.ID
		} else if len(users) == 1 {
			otherwise = users[0].ID
		}
	}
	if t, known := principalTypes[strings.ToLower(r.text("participantType", "senderType"))]; known && t != p.Type {
		return p, fmt.Errorf("role %s is not that of a participant of type %s", role, t)
	}
	if s := r.text(names...); s != "" {
		otherwise = chat.PrincipalID(s)
	}
	if p.ID = otherwise; p.ID == "" {
		return p, errors.New("participantId is missing, and nothing else says who wrote it")
	}
	if !chat.ValidID(p.ID) {
		return p, errors.New("participantId is not an id")
	}
	return p, nil
}

// draftOf reads what was said. What only agents may say is left out of what a
// user said.
func draftOf(r *row, sender chat.PrincipalType, role chat.Role) chat.Draft {
	kind := strings.ToLower(r.text("messageType", "type"))
	d := chat.Draft{Content: contentOf(r), Role: role, Name: cut(r.text("name"), chat.MaxMessageName), Attachments: attachmentsOf(r)}
	var known bool
	if d.Type, known = messageTypes[kind]; !known || sender == chat.User && d.Type != chat.TypeText {
		d.Type = chat.TypeText
		r.note("type %q is now text", cut(kind, 40))
	}
	if sender == chat.User {
		for _, name := range []string{"thinking", "toolCalls", "toolResults", "usage", "latency", "error"} {
			if r.has(name) {
				r.note("%s of a user's message is left out", name)
			}
		}
		return d
	}
	d.Thinking = thinkingOf(r)
	d.ToolCalls, d.ToolResults = toolsOf(r, "toolCalls"), toolsOf(r, "toolResults")
	if u := r.below("usage"); u != nil {
		d.Usage = &chat.Usage{
			PromptTokens: u.number("promptTokens", "prompt"), CompletionTokens: u.number("completionTokens", "completion"),
			TotalTokens: u.number("totalTokens", "total"),
		}
		if d.Usage.TotalTokens == 0 {
			d.Usage.TotalTokens = d.Usage.PromptTokens + d.Usage.CompletionTokens
		}
	}
	d.Latency = time.Duration(r.number("latency", "latencyMs")) * time.Millisecond
	d.Error = cut(r.text("error"), chat.MaxMessageError)
	if e := r.below("error"); e != nil {
		d.Error = cut(e.text("message"), chat.MaxMessageError)
	}
	return d
}

// contentOf is the text as it was, also with white space around it.
func contentOf(r *row) string {
	v := r.raw.Lookup("content")
	if d, ok := v.DocumentOK(); ok {
		v = d.Lookup("text")
	}
	s, ok := v.StringValueOK()
	if !ok && r.has("content") {
		r.note("content is no text and left out")
	}
	return strings.ToValidUTF8(s, "\uFFFD")
}

func thinkingOf(r *row) *chat.Thinking {
	if s := r.text("thinking"); s != "" {
		return &chat.Thinking{Content: s}
	}
	t := r.below("thinking")
	if t == nil {
		return nil
	}
	visible, _ := t.flag("visible", "isVisible")
	return &chat.Thinking{
		Content: t.text("content", "text"), Visible: visible, Duration: time.Duration(t.number("duration", "durationMs")) * time.Millisecond,
	}
}

func toolsOf(r *row, name string) (out []json.RawMessage) {
	for i, v := range r.list(name) {
		var d bson.D
		if doc, ok := v.DocumentOK(); !ok || bson.Unmarshal(doc, &d) != nil {
			r.note("%s[%d] is no object and left out", name, i)
			continue
		}
		out = append(out, mongostore.ToolJSON(d))
	}
	return out
}

// attachmentsOf reads texts and the objects that stood for them. What is neither a
// URL nor a document is left out.
func attachmentsOf(r *row) (out []chat.Attachment) {
	for i, v := range r.list("attachments") {
		s := textOf(v)
		if doc, ok := v.DocumentOK(); ok {
			d := &row{raw: doc}
			if s = d.text("url", "fileUrl", "href"); s == "" {
				if s = d.text("documentId", "id", "_id"); s != "" {
					s = "document:" + s
				}
			}
		}
		a, err := chat.ParseAttachment(s)
		if err != nil || len(out) == chat.MaxAttachments {
			r.note("attachments[%d] is left out", i)
			continue
		}
		out = append(out, a)
	}
	return out
}

// statusOf is how far a message came. Of what is stored nothing is on its way.
func statusOf(r *row) chat.MessageStatus {
	switch strings.ToLower(r.text("messageStatus", "status")) {
	case "delivered", "read", "seen":
		return chat.StatusDelivered
	case "failed", "error":
		return chat.StatusFailed
	}
	return chat.StatusSent
}
