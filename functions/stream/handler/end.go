package handler

import (
	"context"
	"time"

	"aiwm-chat/shared/chat"
	"aiwm-chat/shared/gateway"
	"aiwm-chat/shared/protocol"
)

// end commits the message that the stream becomes, and then marks it as ended: what
// dies in between is learnt from the log. Four round trips to Redis beside those of
// send, and two for each look at pieces that are on their way.
func (h *Handler) end(ctx context.Context, f *gateway.ClientFrame, in protocol.Stream) error {
	st, err := h.written(ctx, f.Connection, in)
	if err != nil {
		return err
	}
	input, status, err := messageOf(in, st)
	if err != nil {
		return err
	}
	if status != chat.StatusSent && input.Content == "" && input.Thinking == nil {
		return h.abortEmpty(ctx, f, in, st)
	}
	var end chat.StreamEnd
	err = h.sender.EndStream(ctx, f.Connection, input, status, func(sent protocol.Sent) {
		end = chat.StreamEnd{MessageID: sent.MessageID, Seq: sent.Seq, Status: string(sent.Status)}
		f.Reply(ctx, protocol.EventMessageSent, sent)
	})
	if chat.CodeOf(err) == chat.Conflict { // somebody ended it before, with another message
		m, found, readErr := h.store.Sent(ctx, in.ConversationID, f.Connection.Principal, input.ClientMessageID)
		if readErr == nil && found {
			h.mark(ctx, in.ConversationID, in.StreamID, chat.StreamEndOf(m))
			return refusal(chat.StreamHasEnded, chat.Stream{End: chat.StreamEndOf(m)})
		}
	}
	if err == nil {
		h.mark(ctx, in.ConversationID, in.StreamID, end)
	}
	return err
}

// API Gateway orders nothing: an end may overtake pieces that were sent before it. They
// are waited for, looks times.
const (
	looks    = 4
	arriving = 75 * time.Millisecond
)

// written is the stream as its writer says that it is, or as it is after a moment.
func (h *Handler) written(ctx context.Context, c chat.Connection, in protocol.Stream) (st chat.Stream, err error) {
	for range looks {
		if st, err = h.streams.Stream(ctx, in.ConversationID, in.StreamID); err == nil {
			err = mayEnd(st, c, in)
		}
		if err != nil || !lacks(st, in.Pieces) {
			return st, err
		}
		select {
		case <-time.After(arriving):
		case <-ctx.Done():
			return st, ctx.Err()
		}
	}
	return st, nil
}

// lacks reports whether a stream has fewer pieces than its writer says.
func lacks(st chat.Stream, pieces map[string]int) bool {
	next := nextOf(st)
	for part, n := range pieces {
		if next[part] < n {
			return true
		}
	}
	return false
}

// nextOf returns the index that each part goes on with.
func nextOf(st chat.Stream) map[string]int {
	next := map[string]int{protocol.PartContent: 0}
	for _, p := range st.Parts {
		next[p.Name] = p.Next
	}
	return next
}

// messageOf is what is committed, and how it is said to have ended. An agent that ends
// what somebody stopped, and does not say all of it, has cancelled it.
func messageOf(in protocol.Stream, st chat.Stream) (protocol.MessageInput, chat.MessageStatus, error) {
	input, status := in.MessageInput, chat.StatusSent
	input.ClientMessageID = chat.ClientMessageID(in.StreamID)
	if input.ParentID == "" {
		input.ParentID = st.ParentID
	}
	if in.State == protocol.StreamAbort {
		input.Error, status = in.Reason, chat.StatusFailed
		if in.Cancel || !st.StoppedBy.IsZero() {
			status = chat.StatusCancelled
		}
	}
	if in.State == protocol.StreamEnd && in.Pieces == nil {
		return input, status, nil
	}
	return input, status, fill(&input, st, in.Pieces)
}

// mayEnd refuses who does not write the stream. One that Redis has lost may be ended
// by who says all of it. What is known to be somebody else's does not exist.
func mayEnd(st chat.Stream, c chat.Connection, in protocol.Stream) error {
	if !st.Principal.IsZero() && st.Principal != c.Principal {
		return refusal(chat.StreamIsLost, st)
	}
	saysAll := in.State == protocol.StreamEnd && in.Pieces == nil
	switch {
	case st.State == chat.StreamNone, st.State == chat.StreamEnded && st.End.MessageID != "":
		if saysAll { // also a repeat, which is answered as the first: the log knows
			return nil
		}
	case st.State != chat.StreamEnded && st.Writer == c.ID:
		return nil
	}
	switch {
	case st.State == chat.StreamNone, st.State == chat.StreamEnded && st.End.MessageID == "":
		return refusal(chat.StreamIsLost, st)
	case st.State == chat.StreamEnded:
		return refusal(chat.StreamHasEnded, st)
	}
	return refusal(chat.StreamIsWritten, st)
}

// fill takes what was appended, if that is as many pieces as the agent says.
func fill(input *protocol.MessageInput, st chat.Stream, pieces map[string]int) error {
	input.Take(st)
	next := nextOf(st)
	for name, n := range pieces {
		if next[name] != n {
			err := chat.Errorf(chat.Conflict, "not as many pieces have arrived: end again, or append from next on")
			err.Details = map[string]any{"next": next}
			return err
		}
	}
	return nil
}

// abortEmpty ends a stream in which nothing was written: there is no message, unless
// somebody else committed one.
func (h *Handler) abortEmpty(ctx context.Context, f *gateway.ClientFrame, in protocol.Stream, st chat.Stream) error {
	m, found, err := h.store.Sent(ctx, in.ConversationID, f.Connection.Principal, chat.ClientMessageID(in.StreamID))
	if err != nil {
		return err
	}
	if found {
		h.mark(ctx, in.ConversationID, in.StreamID, chat.StreamEndOf(m))
		return refusal(chat.StreamHasEnded, chat.Stream{End: chat.StreamEndOf(m)})
	}
	verdict, err := h.streams.EndStream(ctx, in.ConversationID, in.StreamID, chat.StreamEnd{Dropped: "aborted"}, false)
	if err != nil {
		return err
	}
	switch verdict {
	case chat.StreamIsWritten:
		return chat.Errorf(chat.Unavailable, "something was written meanwhile; try again")
	case chat.StreamHasEnded:
		return h.ended(ctx, in)
	case chat.StreamIsLost:
		return refusal(verdict, st)
	}
	data := protocol.StreamDropped{ConversationID: in.ConversationID, StreamID: in.StreamID, Reason: "aborted"}
	f.Reply(ctx, protocol.EventStreamDropped, data)
	h.tell(ctx, st.ConversationID, st.Writer, protocol.EventStreamDropped, data)
	return nil
}

// noting is how long it may take to note how a stream ended, also where ending it has
// taken all the time there was.
const noting = time.Second

// mark notes in Redis how a stream ended: with a message in any case, else only where
// nothing was written. Where that fails its job does it.
func (h *Handler) mark(ctx context.Context, id chat.ConversationID, stream string, end chat.StreamEnd) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), noting)
	defer cancel()
	_, _ = h.streams.EndStream(ctx, id, stream, end, end.MessageID != "")
}
