package handler

import (
	"context"

	"aiwm-chat/shared/chat"
	"aiwm-chat/shared/gateway"
	"aiwm-chat/shared/protocol"
)

// end commits the message that the stream becomes, and then marks it as ended: what
// dies in between is learnt from the log. One round trip to Redis or two, those of
// send, and one more to Redis.
func (h *Handler) end(ctx context.Context, f *gateway.ClientFrame, in protocol.Stream) error {
	st, err := h.streams.Stream(ctx, in.ConversationID, in.StreamID)
	if err != nil {
		return err
	}
	if err := h.mayEnd(st, f.Connection, in); err != nil {
		return err
	}
	input, status := in.MessageInput, chat.StatusSent
	input.ClientMessageID = chat.ClientMessageID(in.StreamID)
	if input.ParentID == "" {
		input.ParentID = st.ParentID
	}
	if in.State == protocol.StreamAbort {
		status = chat.StatusFailed
		if in.Cancel {
			status = chat.StatusCancelled
		}
		input.Error = in.Reason
	}
	if in.State == protocol.StreamAbort || in.Pieces != nil {
		if err := fill(&input, st, in.Pieces); err != nil {
			return err
		}
	}
	if status != chat.StatusSent && input.Content == "" && input.Thinking == nil {
		return h.abortEmpty(ctx, f, in, st)
	}
	err = h.sender.EndStream(ctx, f.Connection, input, status, func(sent protocol.Sent) { f.Reply(ctx, protocol.EventMessageSent, sent) })
	if chat.CodeOf(err) == chat.Conflict { // somebody ended it before
		if m, found, readErr := h.store.Sent(ctx, in.ConversationID, f.Connection.Principal, input.ClientMessageID); readErr == nil && found {
			h.mark(ctx, m)
			return refusal(chat.StreamHasEnded, chat.Stream{End: endOf(m)})
		}
	}
	if err != nil {
		return err
	}
	m, found, err := h.store.Sent(ctx, in.ConversationID, f.Connection.Principal, input.ClientMessageID)
	if err == nil && found {
		h.mark(ctx, m)
	}
	return nil
}

// mayEnd refuses who does not write the stream. One that Redis has lost may be ended
// by who says all of it.
func (h *Handler) mayEnd(st chat.Stream, c chat.Connection, in protocol.Stream) error {
	switch {
	case st.State == chat.StreamEnded && st.End.MessageID != "" && in.State == protocol.StreamEnd && in.Pieces == nil:
		return nil // a repeat is answered as the first: the log knows
	case st.State == chat.StreamEnded && st.End.MessageID == "":
		return refusal(chat.StreamIsLost, st)
	case st.State == chat.StreamEnded:
		return refusal(chat.StreamHasEnded, st)
	case st.State == chat.StreamNone && in.Pieces == nil && in.State == protocol.StreamEnd:
		return nil
	case st.State == chat.StreamNone:
		return refusal(chat.StreamIsLost, st)
	case st.Principal != c.Principal || st.Writer != c.ID:
		return refusal(chat.StreamIsWritten, st)
	}
	return nil
}

// fill takes what was appended, if that is as many pieces as the agent says.
func fill(input *protocol.MessageInput, st chat.Stream, pieces map[string]int) error {
	next := map[string]int{}
	for _, p := range st.Parts {
		next[p.Name] = p.Next
		switch p.Name {
		case "content":
			input.Content = p.Text
		case "thinking":
			input.Thinking = &protocol.Thinking{Content: p.Text, Visible: true}
		}
	}
	for name, n := range pieces {
		if next[name] != n {
			err := chat.Errorf(chat.Conflict, "pieces are missing: append from next on")
			err.Details = map[string]any{"next": next}
			return err
		}
	}
	return nil
}

// abortEmpty ends a stream in which nothing was written: there is no message.
func (h *Handler) abortEmpty(ctx context.Context, f *gateway.ClientFrame, in protocol.Stream, st chat.Stream) error {
	verdict, err := h.streams.EndStream(ctx, in.ConversationID, in.StreamID, chat.StreamEnd{Dropped: "aborted"}, false)
	if err != nil {
		return err
	}
	if verdict == chat.StreamIsWritten {
		return chat.Errorf(chat.Unavailable, "something was written meanwhile; try again")
	}
	data := protocol.StreamDropped{ConversationID: in.ConversationID, StreamID: in.StreamID, Reason: "aborted"}
	f.Reply(ctx, protocol.EventStreamDropped, data)
	h.tell(ctx, st, protocol.EventStreamDropped, data)
	return nil
}

func endOf(m chat.Message) chat.StreamEnd {
	return chat.StreamEnd{MessageID: m.ID, Seq: m.Seq, Status: string(m.Status)}
}

// mark notes in Redis how the stream ended. Where that fails its job does it.
func (h *Handler) mark(ctx context.Context, m chat.Message) {
	_, _ = h.streams.EndStream(ctx, m.ConversationID, string(m.ClientMessageID), endOf(m), true)
}
