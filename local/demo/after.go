package demo

import (
	"context"
	"fmt"
	"net/http"
	"time"

	"aiwm-chat/local/client"
	"aiwm-chat/shared/chat"
	"aiwm-chat/shared/protocol"
)

// awaitSummary waits for both sides to be told of the summary, which the tenth
// message set off.
func (d *demo) awaitSummary(ctx context.Context) error {
	d.print.heading("A summary follows the tenth message")
	for _, s := range []*side{d.user, d.agent} {
		frame, err := s.Next(ctx, protocol.EventConversationUpdated)
		if err != nil {
			return fmt.Errorf("%s: %w", s.name, err)
		}
		c, err := client.Data[protocol.Conversation](frame)
		if err != nil {
			return err
		}
		if c.ContextSummary == "" || c.Summary == nil {
			return fmt.Errorf("%s: the conversation was updated without a summary", s.name)
		}
		d.print.received(s.name, frame.Event, "summary of messages %d to %d", c.Summary.FromSeq, c.Summary.ToSeq)
	}
	return nil
}

// resume shows how a client catches up: a second device of the user says how
// far it has the log.
func (d *demo) resume(ctx context.Context) error {
	const has = 7
	d.print.heading("A second device of the user has messages 1 to %d and catches up", has)
	device := &side{name: "user", id: d.user.id, kind: d.user.kind}
	if err := d.connect(ctx, device, d.target.UserToken); err != nil {
		return err
	}
	defer device.Close()
	d.print.sent(device.name, protocol.ActionJoin, "afterSeq %d", has)
	if _, err := device.Request(ctx, protocol.ActionJoin, map[string]any{"conversationId": d.conversation, "afterSeq": has}); err != nil {
		return fmt.Errorf("second device: %w", err)
	}
	frame, err := device.Next(ctx, protocol.EventHistory)
	if err != nil {
		return fmt.Errorf("second device: %w", err)
	}
	history, err := client.Data[protocol.History](frame)
	if err != nil {
		return err
	}
	if want := len(d.script.Messages) - has; len(history.Messages) != want || history.HasMore {
		return fmt.Errorf("second device: got %d messages, more: %t; want %d", len(history.Messages), history.HasMore, want)
	}
	d.print.received(device.name, frame.Event, "%d messages, more: %t", len(history.Messages), history.HasMore)
	return nil
}

// part has the agent leave and go; the user sees both.
func (d *demo) part(ctx context.Context) error {
	d.print.heading("The agent leaves and disconnects")
	d.print.sent(d.agent.name, protocol.ActionLeave, "")
	reply, err := d.agent.Request(ctx, protocol.ActionLeave, protocol.Room{ConversationID: d.conversation})
	if err != nil {
		return fmt.Errorf("agent: %w", err)
	}
	d.print.received(d.agent.name, reply.Event, "")
	if _, err := d.user.Next(ctx, protocol.EventUserLeft); err != nil {
		return fmt.Errorf("user: %w", err)
	}
	d.print.received(d.user.name, protocol.EventUserLeft, "%s", d.agent)
	d.agent.Close()
	return d.expectPresence(ctx, protocol.Offline)
}

// readBack reads the conversation over REST, prints it, and checks it and what
// each side has received.
func (d *demo) readBack(ctx context.Context) error {
	d.print.heading("Read back over REST")
	c, err := d.settled(ctx)
	if err != nil {
		return err
	}
	d.print.sent(d.user.name, "GET /conversations", "")
	d.print.sent(d.user.name, "GET /messages", "")
	var page protocol.MessagePage
	query := fmt.Sprintf("/messages?conversationId=%s&afterSeq=0&limit=100", d.conversation)
	if err := d.rest.Do(ctx, http.MethodGet, query, nil, &page); err != nil {
		return err
	}
	if c.TotalTokens != d.script.tokens() || c.Summary == nil || c.ContextSummary == "" || c.LastMessage == nil {
		return fmt.Errorf("the conversation has %d tokens and summary %q, want %d tokens", c.TotalTokens, c.ContextSummary, d.script.tokens())
	}
	if err := d.checkLog(page.Data); err != nil {
		return err
	}
	d.print.received(d.user.name, "title", "%s", c.Title)
	d.print.received(d.user.name, "status", "%s", c.Status)
	d.print.received(d.user.name, "totalMessages", "%d", c.TotalMessages)
	d.print.received(d.user.name, "totalTokens", "%d, the sum of all usage", c.TotalTokens)
	d.print.received(d.user.name, "lastMessage", "seq %d, %s: %s", c.LastMessage.Seq, c.LastMessage.Role, preview(c.LastMessage.Content))
	d.print.received(d.user.name, "summary", "of messages %d to %d, by %s", c.Summary.FromSeq, c.Summary.ToSeq, c.Summary.Model)
	d.print.more("%s", c.ContextSummary)
	d.print.printf("\nBoth sides received seq 1 to %d, as stored.\n", len(d.script.Messages))
	return nil
}

// settled reads the conversation when its totals, a projection of the log that
// may lag for a moment, have come to its end.
func (d *demo) settled(ctx context.Context) (c protocol.Conversation, err error) {
	for {
		if err := d.rest.Do(ctx, http.MethodGet, "/conversations/"+string(d.conversation), nil, &c); err != nil {
			return c, err
		}
		if c.TotalMessages == int64(len(d.script.Messages)) {
			return c, nil
		}
		select {
		case <-time.After(20 * time.Millisecond):
		case <-ctx.Done():
			return c, fmt.Errorf("the conversation counts %d messages: %w", c.TotalMessages, ctx.Err())
		}
	}
}

// checkLog compares what is stored with the transcript, and what each side has
// received with what is stored.
func (d *demo) checkLog(stored []protocol.Message) error {
	if len(stored) != len(d.script.Messages) {
		return fmt.Errorf("the log has %d messages, want %d", len(stored), len(d.script.Messages))
	}
	for i, m := range stored {
		if m.Seq != int64(i+1) {
			return fmt.Errorf("the log has seq %d in place %d", m.Seq, i+1)
		}
		if err := sameMessage(m, d.script.Messages[i].Message); err != nil {
			return fmt.Errorf("stored message %d: %w", m.Seq, err)
		}
	}
	for _, s := range []*side{d.user, d.agent} {
		got, err := d.seqs(s)
		if err != nil {
			return err
		}
		for _, m := range stored {
			if got[m.Seq] != m.ID {
				return fmt.Errorf("%s: never received seq %d", s.name, m.Seq)
			}
		}
		if len(got) != len(stored) {
			return fmt.Errorf("%s: received %d different seqs", s.name, len(got))
		}
	}
	return nil
}

// seqs are the messages of the conversation that reached a side.
func (d *demo) seqs(s *side) (map[int64]chat.MessageID, error) {
	got := map[int64]chat.MessageID{}
	for _, frame := range s.Frames() {
		if frame.Event != protocol.EventMessageNew {
			continue
		}
		m, err := client.Data[protocol.Message](frame)
		if err != nil {
			return nil, err
		}
		if m.ConversationID == d.conversation {
			got[m.Seq] = m.ID
		}
	}
	return got, nil
}
