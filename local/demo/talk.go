package demo

import (
	"context"
	"fmt"
	"reflect"

	"github.com/go-json-experiment/json"

	"aiwm-chat/local/client"
	"aiwm-chat/shared/chat"
	"aiwm-chat/shared/protocol"
)

// talk plays the messages, one after the other.
func (d *demo) talk(ctx context.Context) error {
	for i, l := range d.script.Messages {
		seq := int64(i + 1)
		d.print.heading("Message %d", seq)
		from, to := d.user, d.agent
		if l.From == chat.Agent {
			from, to = d.agent, d.user
		}
		if err := d.say(ctx, seq, from, to, l.Message); err != nil {
			return fmt.Errorf("message %d: %w", seq, err)
		}
	}
	return nil
}

// say has one side type and send a message, and waits until both have it. What
// a side receives at the same time may arrive in any order, so it is waited
// for, and printed, in one.
func (d *demo) say(ctx context.Context, seq int64, from, to *side, m protocol.MessageInput) error {
	if err := d.typing(ctx, from, to, protocol.TypingStart, protocol.EventTypingStart); err != nil {
		return err
	}
	if err := d.send(ctx, seq, from, m); err != nil {
		return err
	}
	for _, s := range []*side{to, from} {
		if err := d.receive(ctx, seq, s, s == to, protocol.EventMessageNew, m); err != nil {
			return err
		}
	}
	if from == d.user {
		if err := d.receive(ctx, seq, to, false, protocol.EventMessageFromUser, m); err != nil {
			return err
		}
	}
	return d.typing(ctx, from, to, protocol.TypingStop, protocol.EventTypingStop)
}

// typing has no reply: what shows that it worked is what the other side sees.
func (d *demo) typing(ctx context.Context, from, to *side, state, event string) error {
	action := protocol.Typing{
		Envelope:       protocol.Envelope{Action: protocol.ActionTyping},
		ConversationID: d.conversation, State: state,
	}
	if err := from.Send(ctx, action); err != nil {
		return fmt.Errorf("%s: %w", from.name, err)
	}
	if _, err := to.Next(ctx, event); err != nil {
		return fmt.Errorf("%s: %w", to.name, err)
	}
	d.print.received(to.name, event, "%s", from)
	return nil
}

func (d *demo) send(ctx context.Context, seq int64, from *side, m protocol.MessageInput) error {
	m.ConversationID = d.conversation
	m.ClientMessageID = clientMessageID(seq)
	d.print.sent(from.name, protocol.ActionSend, "%s", preview(m.Content))
	reply, err := from.Request(ctx, protocol.ActionSend, m)
	if err != nil {
		return fmt.Errorf("%s: %w", from.name, err)
	}
	sent, err := client.Data[protocol.Sent](reply)
	if err != nil {
		return err
	}
	if sent.Seq != seq || sent.ClientMessageID != m.ClientMessageID || !sent.IsAgentOnline() {
		return fmt.Errorf("%s: the reply is seq %d of %s, agent online %t", from.name, sent.Seq, sent.ClientMessageID, sent.IsAgentOnline())
	}
	d.print.received(from.name, reply.Event, "seq %d, %s, agent online: %t", sent.Seq, sent.ClientMessageID, sent.IsAgentOnline())
	return nil
}

// clientMessageID is the sender's own name of a message: unique within the
// conversation is enough, and the same in every run.
func clientMessageID(seq int64) chat.ClientMessageID {
	return chat.ClientMessageID(fmt.Sprintf("demo-%d", seq))
}

// receive waits for a message to reach a side and compares it with what was
// sent. Delivery is at least once: what the side has already is passed over.
func (d *demo) receive(ctx context.Context, seq int64, s *side, inFull bool, event string, want protocol.MessageInput) error {
	for {
		frame, err := s.Next(ctx, event)
		if err != nil {
			return fmt.Errorf("%s: %w", s.name, err)
		}
		got, err := client.Data[protocol.Message](frame)
		if err != nil {
			return err
		}
		if got.ConversationID == d.conversation && got.Seq >= seq {
			return d.show(seq, s, inFull, event, got, want)
		}
	}
}

func (d *demo) show(seq int64, s *side, inFull bool, event string, got protocol.Message, want protocol.MessageInput) error {
	if got.Seq != seq {
		return fmt.Errorf("%s: got seq %d", s.name, got.Seq)
	}
	if err := sameMessage(got, want); err != nil {
		return fmt.Errorf("%s: %w", s.name, err)
	}
	if !inFull {
		d.print.received(s.name, event, "seq %d", got.Seq)
		return nil
	}
	d.print.received(s.name, event, "seq %d, %s of %s %s", got.Seq, got.Type, got.ParticipantType, got.ParticipantID)
	d.print.more("%s", got.Content)
	d.print.parts(got)
	return nil
}

// sameMessage reports a field that arrived other than it was sent.
func sameMessage(got protocol.Message, want protocol.MessageInput) error {
	g, err := fields(got)
	if err != nil {
		return err
	}
	w, err := fields(want)
	if err != nil {
		return err
	}
	for name, value := range w {
		if !reflect.DeepEqual(g[name], value) {
			return fmt.Errorf("%s arrived as %v, was sent as %v", name, g[name], value)
		}
	}
	return nil
}

func fields(v any) (m map[string]any, err error) {
	text, err := protocol.Marshal(v)
	if err != nil {
		return nil, err
	}
	err = json.Unmarshal(text, &m)
	return m, err
}
