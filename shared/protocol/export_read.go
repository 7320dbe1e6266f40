package protocol

import (
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"aiwm-chat/shared/chat"
)

// MaxExportLine is the longest line of an export, in bytes: a streamed text and reasoning of
// control characters, six bytes each, and what tools said.
const MaxExportLine = 4 << 20

// DecodeExportHead reads the first line of an exported conversation, as strictly as what
// clients send. Its error names the field.
func DecodeExportHead(line []byte) (chat.Conversation, int64, error) {
	in, err := decodeWithin[ExportHead](line, MaxExportLine)
	if err != nil {
		return chat.Conversation{}, 0, err
	}
	var f chat.Faults
	if in.Format != ExportFormat {
		f.Add("format", "must be %s", ExportFormat)
	}
	if in.LastSeq < 0 {
		f.Add("lastSeq", "must not be negative")
	}
	c := in.Conversation.read(&f)
	return c, in.LastSeq, f.Err()
}

func (e *ExportedConversation) read(f *chat.Faults) chat.Conversation {
	chat.CheckID(f, "conversation.id", e.ID)
	chat.CheckID(f, "conversation.orgId", e.OrgID)
	created := readTime(f, "conversation.createdAt", e.CreatedAt)
	creator := principalIn(f, "conversation.createdBy", e.OrgID, e.CreatedBy)
	c, err := chat.NewConversation(creator, e.Title, e.Description, e.AgentID, e.Tags, created)
	if err != nil {
		for name, what := range chat.Public(err).Details {
			f.Add("conversation."+name, "%v", what)
		}
	}
	c.ID, c.Status, c.UpdatedAt, c.Participants = e.ID, e.Status, readTime(f, "conversation.updatedAt", e.UpdatedAt), nil
	if !e.Status.Valid() {
		f.Add("conversation.status", "must be active, archived or closed")
	}
	if n := len(e.Participants); n > chat.MaxParticipants {
		f.Add("conversation.participants", "must be at most %d", chat.MaxParticipants)
	}
	for i, p := range e.Participants {
		field := fmt.Sprintf("conversation.participants[%d]", i)
		who := principalIn(f, field, e.OrgID, p.Identity)
		if c.OrgID = e.OrgID; c.HasParticipant(who) {
			f.Add(field, "must not repeat")
		}
		c.Participants = append(c.Participants, chat.Participant{Type: p.Type, ID: p.ID, Joined: readTime(f, field+".joined", p.Joined)})
	}
	return c
}

// DecodeExportedMessage reads the line of the message that is to be at a place in the log
// of c, likewise. Its running tokens are the caller's to add up.
func DecodeExportedMessage(line []byte, c chat.Conversation, seq int64) (chat.Message, error) {
	in, err := decodeWithin[ExportedMessage](line, MaxExportLine)
	if err != nil {
		return chat.Message{}, err
	}
	var f chat.Faults
	if in.Seq != seq {
		f.Add("seq", "must be %d", seq)
	}
	m := in.read(&f, c)
	return m, f.Err()
}

// statuses are those that a stored message may have.
var statuses = []chat.MessageStatus{chat.StatusSending, chat.StatusSent, chat.StatusDelivered, chat.StatusFailed, chat.StatusCancelled}

func (e *ExportedMessage) read(f *chat.Faults, c chat.Conversation) chat.Message {
	chat.CheckID(f, "id", e.ID)
	m := chat.Message{
		Draft: e.draft(f), ID: e.ID, ConversationID: c.ID, Seq: e.Seq, Sender: chat.Principal{Type: e.ParticipantType, ID: e.ParticipantID, OrgID: c.OrgID},
		Status: e.Status, ClientMessageID: chat.ClientMessageID(e.ID), CreatedAt: readTime(f, "createdAt", e.CreatedAt), UpdatedAt: readTime(f, "updatedAt", e.UpdatedAt),
		Deleted: e.IsDeleted, Version: e.Version, ReactionVersion: e.ReactionVersion, Edits: e.Edits,
		ThreadID: e.ThreadID,
	}
	if e.ThreadID != "" {
		chat.CheckID(f, "threadId", e.ThreadID)
	}
	if r := e.Replies; r != nil {
		m.Replies = chat.Replies(*r)
		if r.Count < 1 || r.Count > chat.MaxReplies || r.LastSeq <= e.Seq {
			f.Add("replies", "must be from 1 to %d, the last one after it", chat.MaxReplies)
		}
	}
	chat.CheckID(f, "participantId", e.ParticipantID)
	if !e.ParticipantType.Valid() && e.ParticipantType != chat.System {
		f.Add("participantType", "must be user, agent or system")
	}
	if !e.Role.Valid() {
		f.Add("role", "must be user, agent, tool or system")
	}
	if !e.Type.Valid() {
		f.Add("type", "must be text, thinking, tool_call, tool_result, error or system")
	}
	if !slices.Contains(statuses, e.Status) {
		f.Add("status", "must be sending, sent, delivered, failed or cancelled")
	}
	for name, n := range map[string]int64{"version": e.Version, "edits": e.Edits, "reactionVersion": e.ReactionVersion} {
		if n < 0 {
			f.Add(name, "must not be negative")
		}
	}
	if e.EditedAt != "" {
		m.EditedAt = readTime(f, "editedAt", e.EditedAt)
	}
	if e.DeletedBy != nil {
		by := principalIn(f, "deletedBy", c.OrgID, *e.DeletedBy)
		m.DeletedBy = &by
		if !e.IsDeleted {
			f.Add("deletedBy", "is of a deleted message")
		}
	}
	e.reactions(f, &m)
	if e.IsDeleted && e.says() {
		f.Add("isDeleted", "must not be true of a message that says something")
	}
	return m
}

// says reports whether there is anything in a line that a deletion takes away.
func (e *ExportedMessage) says() bool {
	return e.Content != "" || e.Name != "" || len(e.Attachments) > 0 || len(e.Mentions) > 0 || e.Voice != nil || e.Thinking != nil || len(e.ToolCalls) > 0 || len(e.ToolResults) > 0 ||
		e.Approval != nil || e.Error != "" || len(e.Reactions) > 0
}

func (e *ExportedMessage) draft(f *chat.Faults) chat.Draft {
	d := chat.Draft{
		Content: e.Content, Role: e.Role, Type: e.Type, Name: e.Name, ParentID: e.ParentID, Attachments: e.Attachments, Mentions: mentioned(e.Mentions), Voice: e.Voice.voice(), Latency: time.Duration(e.Latency) * time.Millisecond,
		Error: e.Error, Approval: e.approval(f),
	}
	if t := e.Thinking; t != nil {
		if t.Duration < 0 || t.Duration > maxMillis {
			f.Add("thinking.duration", "must be from 0 to %d", maxMillis)
		}
		d.Thinking = &chat.Thinking{Content: t.Content, Visible: t.Visible, Duration: time.Duration(t.Duration) * time.Millisecond}
	}
	if u := e.Usage; u != nil {
		d.Usage = &chat.Usage{PromptTokens: u.PromptTokens, CompletionTokens: u.CompletionTokens, TotalTokens: u.TotalTokens}
	}
	if e.Latency > maxMillis {
		f.Add("latency", "must be at most %d", maxMillis)
	}
	for _, v := range e.ToolCalls {
		d.ToolCalls = append(d.ToolCalls, json.RawMessage(v))
	}
	for _, v := range e.ToolResults {
		d.ToolResults = append(d.ToolResults, json.RawMessage(v))
	}
	d.CheckParts(f, chat.MaxContentStream)
	return d
}

// verdicts are those of an approval.
var verdicts = []chat.Verdict{chat.VerdictPending, chat.VerdictApproved, chat.VerdictDenied, chat.VerdictExpired, chat.VerdictSuperseded, chat.VerdictStopped}

func (e *ExportedMessage) approval(f *chat.Faults) *chat.Approval {
	in := e.Approval
	if in == nil {
		return nil
	}
	a := &chat.Approval{Verdict: in.Status, Decision: chat.Decision{CallID: in.ToolCallID, By: in.By, Reason: in.Reason, Arguments: json.RawMessage(in.Arguments)}}
	if !slices.Contains(verdicts, in.Status) {
		f.Add("approval.status", "must be pending, approved, denied, expired, superseded or stopped")
	}
	if in.ExpiresAt != "" {
		a.ExpiresAt = readTime(f, "approval.expiresAt", in.ExpiresAt)
	}
	if in.ToolCallID != "" {
		if _, _, _, ok := chat.ParseCallID(string(in.ToolCallID)); !ok {
			f.Add("approval.toolCallId", "is not the id of a call")
		}
	}
	if in.By != "" {
		chat.CheckID(f, "approval.by", in.By)
	}
	if len(in.Arguments) > chat.MaxToolArguments || in.Arguments != nil && in.Arguments.Kind() != '{' {
		f.Add("approval.arguments", "must be an object of at most %d bytes", chat.MaxToolArguments)
	}
	if len([]rune(in.Reason)) > chat.MaxReason {
		f.Add("approval.reason", "must be at most %d characters", chat.MaxReason)
	}
	return a
}

func (e *ExportedMessage) reactions(f *chat.Faults, m *chat.Message) {
	if len(e.Reactions) > chat.MaxReactions {
		f.Add("reactions", "must be at most %d", chat.MaxReactions)
		return
	}
	for i, r := range e.Reactions {
		field := fmt.Sprintf("reactions[%d]", i)
		by, at := principalIn(f, field, m.Sender.OrgID, r.Identity), readTime(f, field+".at", r.At)
		key, err := ParseReactionKey(string(r.Key))
		switch {
		case err != nil:
			f.Add(field+".key", "%v", err)
		case m.Reacted(by, key):
			f.Add(field, "must not repeat")
		case m.RoomFor(key) != nil:
			f.Add("reactions", "must have at most %d different keys", chat.MaxReactionKeys)
		}
		m.Reactions = append(m.Reactions, chat.Reaction{Key: key, By: by, At: at})
	}
}

func principalIn(f *chat.Faults, field string, org chat.OrgID, who Identity) chat.Principal {
	if !who.Type.Valid() {
		f.Add(field+".type", "must be user or agent")
	}
	chat.CheckID(f, field+".id", who.ID)
	return chat.Principal{Type: who.Type, ID: who.ID, OrgID: org}
}

// readTime reads a time in the one form in which it is written.
func readTime(f *chat.Faults, field, s string) time.Time {
	t, err := time.Parse(Timestamp, s)
	if err != nil || stamp(t) != s || t.Year() < 1970 || t.Year() > 9999 {
		f.Add(field, `must be a time such as "2026-01-31T12:00:00.000Z"`)
	}
	return t
}
