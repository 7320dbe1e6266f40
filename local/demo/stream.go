package demo

import (
	"context"
	"fmt"
	"strings"
	"time"

	"aiwm-chat/local/client"
	"aiwm-chat/shared/chat"
	"aiwm-chat/shared/protocol"
)

// The second conversation is one of answers that appear as they are written. Its agent
// sends a piece when the user has the one before, so that it looks the same each time: a
// real one uses client.StreamWriter, and waits for nobody.

// answer is written in pieces; of the other question the answer is stopped.
var answer = []string{"Your parcel left", " the depot this morning", " and arrives on Friday."}

const (
	firstStream  = "demo-answer-1"
	secondStream = "demo-answer-2"
	// joinsAfter is how many pieces a second device of the user comes late.
	joinsAfter = 2
)

// stream has the agent answer piece by piece, and a second device come in the middle.
func (d *demo) stream(ctx context.Context) error {
	d.print.heading("A second conversation, in which an answer appears as it is written")
	if err := d.connect(ctx, d.agent, d.target.AgentToken); err != nil {
		return err
	}
	if err := d.expectPresence(ctx, protocol.Online); err != nil {
		return err
	}
	if err := d.create(ctx, protocol.CreateConversation{Title: "Where is my parcel?", AgentID: d.agent.id}); err != nil {
		return err
	}
	if _, err := d.join(ctx, d.user); err != nil {
		return err
	}
	if _, err := d.join(ctx, d.agent); err != nil {
		return err
	}
	if _, err := d.user.Next(ctx, protocol.EventUserJoined); err != nil {
		return fmt.Errorf("user: %w", err)
	}
	question, err := d.asks(ctx, 1, "Where is my parcel?")
	if err != nil {
		return err
	}
	if err := d.begin(ctx, firstStream, question); err != nil {
		return err
	}
	screens := []*screen{{side: d.user}}
	for i := range answer {
		if i == joinsAfter {
			device, err := d.late(ctx, strings.Join(answer[:i], ""))
			if err != nil {
				return err
			}
			defer device.side.Close()
			screens = append(screens, device)
		}
		if err := d.piece(ctx, firstStream, i, answer[i], screens); err != nil {
			return err
		}
	}
	end := map[string]any{"conversationId": d.conversation, "streamId": firstStream, "state": protocol.StreamEnd, "pieces": map[string]int{protocol.PartContent: len(answer)}}
	d.print.sent(d.agent.name, "stream end", "%d pieces", len(answer))
	if err := d.over(ctx, end, 2, chat.StatusSent); err != nil {
		return err
	}
	for _, s := range screens {
		if err := d.final(ctx, s, firstStream, strings.Join(answer, ""), chat.StatusSent); err != nil {
			return err
		}
	}
	return nil
}

// stop has the user stop an answer that is being written.
func (d *demo) stop(ctx context.Context) error {
	d.print.heading("The user stops an answer")
	question, err := d.asks(ctx, 3, "How do parcels get around the world?")
	if err != nil {
		return err
	}
	if err := d.begin(ctx, secondStream, question); err != nil {
		return err
	}
	s := &screen{side: d.user}
	const begun = "It all began with the first postman, who"
	if err := d.piece(ctx, secondStream, 0, begun, []*screen{s}); err != nil {
		return err
	}
	d.print.sent(d.user.name, protocol.ActionStop, "")
	reply, err := d.user.Request(ctx, protocol.ActionStop, map[string]any{"conversationId": d.conversation})
	if err != nil {
		return fmt.Errorf("user: %w", err)
	}
	stopping, err := client.Data[protocol.StreamStopping](reply)
	if err != nil {
		return err
	}
	d.print.received(d.user.name, reply.Event, "%s", strings.Join(stopping.StreamIDs, ", "))
	frame, err := d.agent.Next(ctx, protocol.EventStreamStop)
	if err != nil {
		return fmt.Errorf("agent: %w", err)
	}
	stop, err := client.Data[protocol.StreamStop](frame)
	if err != nil {
		return err
	}
	d.print.received(d.agent.name, frame.Event, "%s, by %s %s, within %d s", stop.StreamID, stop.By.Type, stop.By.ID, stop.DeadlineMs/1000)
	abort := map[string]any{"conversationId": d.conversation, "streamId": secondStream, "state": protocol.StreamAbort, "cancelled": true}
	d.print.sent(d.agent.name, "stream abort", "cancelled")
	if err := d.over(ctx, abort, 4, chat.StatusCancelled); err != nil {
		return err
	}
	return d.final(ctx, s, secondStream, begun, chat.StatusCancelled)
}

// A screen is a device that shows what is being written.
type screen struct {
	side *side
	client.Assembler
}

// asks has the user ask the agent something.
func (d *demo) asks(ctx context.Context, seq int64, text string) (chat.MessageID, error) {
	in := protocol.MessageInput{ConversationID: d.conversation, Content: text, ClientMessageID: clientMessageID(seq)}
	d.print.sent(d.user.name, protocol.ActionSend, "%s", text)
	reply, err := d.user.Request(ctx, protocol.ActionSend, in)
	if err != nil {
		return "", fmt.Errorf("user: %w", err)
	}
	sent, err := client.Data[protocol.Sent](reply)
	if err != nil {
		return "", err
	}
	if sent.Seq != seq {
		return "", fmt.Errorf("user: the question is seq %d, want %d", sent.Seq, seq)
	}
	d.print.received(d.user.name, reply.Event, "seq %d", sent.Seq)
	return sent.MessageID, nil
}

func (d *demo) begin(ctx context.Context, stream string, question chat.MessageID) error {
	d.print.sent(d.agent.name, "stream start", "%s", stream)
	reply, err := d.agent.Request(ctx, protocol.ActionStream, map[string]any{
		"conversationId": d.conversation, "streamId": stream, "state": protocol.StreamStart, "parentId": question,
	})
	if err != nil {
		return fmt.Errorf("agent: %w", err)
	}
	started, err := client.Data[protocol.StreamStarted](reply)
	if err != nil {
		return err
	}
	d.print.received(d.agent.name, reply.Event, "append from %d on", started.Next[protocol.PartContent])
	frame, err := d.user.Next(ctx, protocol.EventStreamStart)
	if err != nil {
		return fmt.Errorf("user: %w", err)
	}
	begun, err := client.Data[protocol.StreamBegun](frame)
	if err != nil {
		return err
	}
	if begun.ParentID != question {
		return fmt.Errorf("user: the stream answers %s, want %s", begun.ParentID, question)
	}
	d.print.received(d.user.name, frame.Event, "agent %s", begun.ParticipantID)
	return nil
}

// piece appends a piece, which has no reply: what shows that it was taken is what comes.
func (d *demo) piece(ctx context.Context, stream string, index int, text string, screens []*screen) error {
	d.print.sent(d.agent.name, "stream append", "%d: %q", index, text)
	err := d.agent.Send(ctx, map[string]any{
		"action": protocol.ActionStream, "conversationId": d.conversation, "streamId": stream,
		"state": protocol.StreamAppend, "index": index, "text": text,
	})
	if err != nil {
		return fmt.Errorf("agent: %w", err)
	}
	for _, s := range screens {
		frame, err := s.side.Next(ctx, protocol.EventStreamDelta)
		if err != nil {
			return fmt.Errorf("%s: %w", s.side.name, err)
		}
		delta, err := client.Data[protocol.StreamDelta](frame)
		if err != nil {
			return err
		}
		if err := s.Frame(frame, time.Now()); err != nil {
			return err
		}
		if delta.Text != text || delta.Offset == nil {
			return fmt.Errorf("%s: got %q, want %q", s.side.name, delta.Text, text)
		}
		d.print.received(s.side.name, frame.Event, "at %d: %q", *delta.Offset, delta.Text)
	}
	return nil
}

// late is a second device of the user that joins in the middle, and shows what is there.
func (d *demo) late(ctx context.Context, want string) (*screen, error) {
	device := &screen{side: &side{name: "device", id: d.user.id, kind: d.user.kind}}
	if err := d.connect(ctx, device.side, d.target.UserToken); err != nil {
		return nil, err
	}
	if _, err := d.join(ctx, device.side); err != nil {
		return nil, err
	}
	frame, err := device.side.Next(ctx, protocol.EventStreamSnapshot)
	if err != nil {
		return nil, fmt.Errorf("device: %w", err)
	}
	if err := device.Frame(frame, time.Now()); err != nil {
		return nil, err
	}
	if shown, _ := device.Show(d.conversation, firstStream, time.Now()); shown.Text(protocol.PartContent) != want {
		return nil, fmt.Errorf("device: shows %q, want %q", shown.Text(protocol.PartContent), want)
	}
	d.print.received(device.side.name, frame.Event, "%q", want)
	return device, nil
}

// over ends a stream.
func (d *demo) over(ctx context.Context, end map[string]any, seq int64, status chat.MessageStatus) error {
	reply, err := d.agent.Request(ctx, protocol.ActionStream, end)
	if err != nil {
		return fmt.Errorf("agent: %w", err)
	}
	sent, err := client.Data[protocol.Sent](reply)
	if err != nil {
		return err
	}
	if sent.Seq != seq || sent.Status != status {
		return fmt.Errorf("agent: the answer is seq %d, %s; want %d, %s", sent.Seq, sent.Status, seq, status)
	}
	d.print.received(d.agent.name, reply.Event, "seq %d, %s", sent.Seq, sent.Status)
	return nil
}

// final waits for the message of a stream on a screen, which was to show that before.
func (d *demo) final(ctx context.Context, s *screen, stream, want string, status chat.MessageStatus) error {
	before, _ := s.Show(d.conversation, stream, time.Now())
	m, err := d.hears(ctx, s.side, func(m protocol.Message) bool { return string(m.StreamID) == stream })
	if err != nil {
		return err
	}
	if m.Content != want || m.Status != status || before.Text(protocol.PartContent) != want {
		return fmt.Errorf("%s: showed %q, and got %q, %s; want %q, %s", s.side.name, before.Text(protocol.PartContent), m.Content, m.Status, want, status)
	}
	d.print.received(s.side.name, protocol.EventMessageNew, "seq %d, %s, to the character as shown", m.Seq, m.Status)
	if s.side == d.user {
		d.print.more("%s", m.Content)
	}
	return nil
}

// hears waits for a message of the conversation, later than those that it returned before.
func (d *demo) hears(ctx context.Context, s *side, is func(protocol.Message) bool) (protocol.Message, error) {
	var m protocol.Message
	_, err := s.Await(ctx, func(f client.Frame) bool {
		if f.Event != protocol.EventMessageNew {
			return false
		}
		var err error
		m, err = client.Data[protocol.Message](f)
		return err == nil && m.ConversationID == d.conversation && m.Seq > s.heard && is(m)
	})
	if err != nil {
		return m, fmt.Errorf("%s waits for a message: %w", s.name, err)
	}
	s.heard = m.Seq
	return m, nil
}
