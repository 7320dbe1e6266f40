package protocol

import (
	"unicode/utf8"

	"aiwm-chat/shared/chat"
)

// Check reports what is wrong with the fields that all streams have, and those of its
// state. What belongs to another state is refused: it would be lost.
func (s Stream) Check() error {
	var f chat.Faults
	chat.CheckID(&f, "conversationId", s.ConversationID)
	chat.CheckID(&f, "streamId", chat.ClientMessageID(s.StreamID))
	chat.CheckOwnID(&f, "streamId", s.StreamID)
	switch s.State {
	case StreamStart:
		s.refuse(&f, s.foreign())
		if s.ParentID != "" {
			chat.CheckID(&f, "parentId", s.ParentID)
		}
	case StreamAppend:
		s.refuse(&f, s.foreign())
		s.checkAppend(&f)
	case StreamEnd:
		s.checkEnd(&f)
	case StreamAbort:
		s.refuse(&f, s.foreign())
		if utf8.RuneCountInString(s.Reason) > chat.MaxMessageError {
			f.Add("reason", "must be at most %d characters", chat.MaxMessageError)
		}
	default:
		f.Add("state", "must be start, append, end or abort")
	}
	if s.ClientMessageID != "" && s.ClientMessageID != chat.ClientMessageID(s.StreamID) {
		f.Add("clientMessageId", "must be the streamId, or left out")
	}
	return first(s.Envelope.Check(), f.Err())
}

// foreign are the fields that are given and are not of the state.
func (s Stream) foreign() (fields []string) {
	message := s.State == StreamEnd
	appends := s.State == StreamAppend
	for _, field := range []struct {
		name  string
		given bool
		own   bool
	}{
		{"index", s.Index != nil, appends},
		{"part", s.Part != "", appends},
		{"text", s.Text != "", appends},
		{"whole", s.Whole, appends},
		{"status", s.Status != "", appends},
		{"pieces", s.Pieces != nil, message},
		{"reason", s.Reason != "", s.State == StreamAbort},
		{"cancelled", s.Cancel, s.State == StreamAbort},
		{"parentId", s.ParentID != "", message || s.State == StreamStart},
		{"content", s.Content != "", message},
		{"participantId", s.ParticipantID != "", message},
		{"participantType", s.ParticipantType != "", message},
		{"role", s.Role != "", message},
		{"type", s.Type != "", message},
		{"name", s.Name != "", message},
		{"attachments", s.Attachments != nil, message},
		{"mentions", s.Mentions != nil, message},
		{"thinking", s.Thinking != nil, message},
		{"toolCalls", s.ToolCalls != nil, message},
		{"toolResults", s.ToolResults != nil, message},
		{"usage", s.Usage != nil, message},
		{"latency", s.Latency != nil, message},
		{"error", s.Error != "", message},
	} {
		if field.given && !field.own {
			fields = append(fields, field.name)
		}
	}
	return fields
}

func (s Stream) refuse(f *chat.Faults, fields []string) {
	for _, field := range fields {
		f.Add(field, "does not belong to state %s", s.State)
	}
}

// checkEnd: the message says all of it, or how much was appended.
func (s Stream) checkEnd(f *chat.Faults) {
	s.refuse(f, s.foreign())
	if s.Pieces == nil {
		return
	}
	if _, ok := s.Pieces[PartContent]; !ok {
		f.Add("pieces", "must say how many of content were appended")
	}
	for name, n := range s.Pieces {
		if !part.MatchString(name) || n < 0 || n > MaxPieces {
			f.Add("pieces", "must be 0 to %d of content, thinking or tool:<toolCallId>", MaxPieces)
		}
	}
	if s.Content != "" {
		f.Add("content", "must be left out where there are pieces")
	}
	if _, ok := s.Pieces[PartThinking]; ok && s.Thinking != nil {
		f.Add("thinking", "must be left out where it was appended")
	}
}

func (s Stream) checkAppend(f *chat.Faults) {
	if s.Status != "" {
		if !doings[s.Status] {
			f.Add("status", "must be thinking, generating, tool or waiting")
		}
		if s.Index != nil || s.Part != "" || s.Text != "" || s.Whole {
			f.Add("status", "must have a frame of its own")
		}
		return
	}
	if s.Part != "" && !part.MatchString(s.Part) {
		f.Add("part", "must be content, thinking or tool:<toolCallId>")
	}
	switch {
	case s.Index == nil:
		f.Add("index", "is required")
	case *s.Index < 0 || *s.Index >= MaxPieces:
		f.Add("index", "must be 0 to %d", MaxPieces-1)
	}
	if s.Text == "" {
		f.Add("text", "must not be empty")
	}
	if s.Whole && len(encode(s.Text)) > MaxWhole {
		f.Add("text", "must be at most %d bytes of JSON where it is the whole part", MaxWhole)
	}
}

// Check reports what is wrong with the fields.
func (s Stop) Check() error {
	var f chat.Faults
	chat.CheckID(&f, "conversationId", s.ConversationID)
	if s.StreamID != "" {
		chat.CheckID(&f, "streamId", chat.ClientMessageID(s.StreamID))
	}
	if s.MessageID != "" {
		chat.CheckID(&f, "messageId", s.MessageID)
	}
	if s.StreamID != "" && s.MessageID != "" {
		f.Add("messageId", "must be left out where there is a streamId")
	}
	return first(s.Envelope.Check(), f.Err())
}
