package handler

import (
	"context"
	"time"

	"golang.org/x/sync/errgroup"

	"aiwm-chat/shared/chat"
	"aiwm-chat/shared/delivery"
	"aiwm-chat/shared/gateway"
	"aiwm-chat/shared/protocol"
)

// start begins a stream, or goes on with it. Who may not write here leaves no trace.
// The job that looks after its lease, and sweep's list, come first, so that what begins
// also ends, whoever dies; then it is entered on trial, and only what is entered is
// looked up, so that a removal or a message in between is seen by one or the other. A
// stop of the question is seen here or sees the stream, which is entered by then; its
// job comes before the agent may write. Two round trips to MongoDB, three to Redis (four
// with a question) and one to SQS.
func (h *Handler) start(ctx context.Context, f *gateway.ClientFrame, in protocol.Stream) error {
	st := streamOf(f.Connection, in)
	if err := h.admit(ctx, st); err != nil {
		return err
	}
	if err := h.streams.WatchStream(ctx, st.Principal, st.ConversationID, st.ID); err != nil {
		return err
	}
	if err := h.jobs.EnqueueStream(ctx, protocol.StreamJobOf(st), protocol.StreamLease); err != nil {
		return err
	}
	entered, err := h.enter(ctx, st)
	if err != nil {
		return err
	}
	st.Epoch = entered.Epoch
	if entered.State == chat.StreamProvisional { // else its end is seen to already
		st.StoppedBy = entered.StoppedBy
	}
	if err := h.look(ctx, st); err != nil {
		if entered.State == chat.StreamProvisional && chat.Refuses(err) {
			h.drop(ctx, st)
		}
		return err
	}
	stopped, err := h.stoppedBefore(ctx, st)
	if err != nil {
		return err
	}
	verdict, opened, room, err := h.streams.ConfirmStream(ctx, st, protocol.StreamLease)
	if err != nil {
		return err
	}
	if verdict != chat.StreamIsOpen {
		return refusal(verdict, opened)
	}
	f.Reply(ctx, protocol.EventStreamStarted, protocol.StreamStartedOf(opened))
	h.cast.Broadcast(ctx, others(room, st.Writer), protocol.Frame(protocol.EventStreamStart, "", protocol.StreamBegunOf(opened), time.Now()), delivery.Once)
	if stopped {
		h.tell(ctx, opened.ConversationID, opened.Writer, protocol.EventStreamStopping, protocol.StreamStopping{ConversationID: st.ConversationID, StreamIDs: []string{st.ID}})
	}
	return nil
}

// admit finds out whether the agent takes part, and the question is one of the
// conversation.
func (h *Handler) admit(ctx context.Context, st chat.Stream) error {
	var g errgroup.Group
	var orphan error
	if st.ParentID != "" {
		g.Go(func() error {
			orphan = h.checkQuestion(ctx, st.ConversationID, st.Principal, st.ParentID, "parentId")
			return nil
		})
	}
	_, err := h.store.Conversation(ctx, st.Principal, st.ConversationID)
	g.Wait() //nolint:errcheck // each error has a name
	if err != nil {
		return err
	}
	return orphan
}

// checkQuestion keeps a question within its conversation. One that is elsewhere and one
// that does not exist look alike.
func (h *Handler) checkQuestion(ctx context.Context, id chat.ConversationID, by chat.Principal, question chat.MessageID, field string) error {
	m, err := h.store.Message(ctx, by.OrgID, question)
	if err != nil && chat.CodeOf(err) != chat.NotFound {
		return err
	}
	if err != nil || m.ConversationID != id {
		return chat.Invalid(field, "must be a message of the conversation")
	}
	return nil
}

// enter enters, in the place of a connection of the same agent that is gone.
func (h *Handler) enter(ctx context.Context, st chat.Stream) (chat.Stream, error) {
	verdict, found, err := h.streams.EnterStream(ctx, st, "")
	if err == nil && verdict == chat.StreamIsWritten {
		var there bool
		if there, err = h.isThere(ctx, st.Principal, found.Writer); err == nil && !there {
			verdict, found, err = h.streams.EnterStream(ctx, st, found.Writer)
		}
	}
	if err == nil && verdict != chat.StreamEntered {
		err = refusal(verdict, found)
	}
	return found, err
}

func (h *Handler) isThere(ctx context.Context, p chat.Principal, id chat.ConnectionID) (bool, error) {
	all, err := h.streams.Connections(ctx, p)
	for _, c := range all {
		if c.ID == id {
			return true, nil
		}
	}
	return false, err
}

// look finds out whether a stream that is entered may begin: its agent still takes
// part, the conversation takes messages, and the log does not have it.
func (h *Handler) look(ctx context.Context, st chat.Stream) error {
	var g errgroup.Group
	var m chat.Message
	var found bool
	g.Go(func() (err error) {
		m, found, err = h.store.Sent(ctx, st.ConversationID, st.Principal, chat.ClientMessageID(st.ID))
		return err
	})
	c, err := h.store.Conversation(ctx, st.Principal, st.ConversationID)
	sentErr := g.Wait()
	switch {
	case err != nil:
		return err
	case c.Status != chat.Active:
		return chat.ErrConversationClosed
	case sentErr != nil:
		return sentErr
	case found:
		h.mark(ctx, st.ConversationID, st.ID, chat.StreamEndOf(m))
		return refusal(chat.StreamHasEnded, chat.Stream{End: chat.StreamEndOf(m)})
	}
	return nil
}

// drop ends what was on trial, if it still is what this start entered.
func (h *Handler) drop(ctx context.Context, st chat.Stream) {
	h.mark(ctx, st.ConversationID, st.ID, chat.StreamEnd{Dropped: "refused", Epoch: st.Epoch})
}

// stoppedBefore stops a stream that was stopped before it began, or its question was. The
// agent is told by the answer to its start.
func (h *Handler) stoppedBefore(ctx context.Context, st chat.Stream) (bool, error) {
	by := st.StoppedBy
	if by.IsZero() && st.ParentID != "" {
		var err error
		if by, _, err = h.streams.QuestionStopped(ctx, st.ConversationID, st.ParentID); err != nil {
			return false, err
		}
	}
	if by.IsZero() {
		return false, nil
	}
	return true, h.enforce(ctx, st, by)
}
