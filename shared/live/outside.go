package live

import (
	"context"
	"log/slog"
	"time"

	"aiwm-chat/shared/chat"
	"aiwm-chat/shared/delivery"
	"aiwm-chat/shared/protocol"
)

// Added tells somebody, on all their devices, that they are a participant of c now.
// One round trip to Redis and the fan-out.
func (a *Announcer) Added(ctx context.Context, c chat.Conversation, who ...chat.Principal) {
	a.tellThem(ctx, c, who, nil, protocol.ConversationFrame(protocol.EventConversationAdded, c, time.Now()))
}

// Everywhere is Tell, and of the same on all devices of c's participants that are not in the
// room, unless there are more than chat.MaxOutside. One more round trip to Redis.
func (a *Announcer) Everywhere(ctx context.Context, c chat.Conversation, frame []byte) {
	told := a.tell(ctx, c, frame)
	if len(c.Participants) <= chat.MaxOutside {
		a.tellThem(ctx, c, c.Principals(), told, frame)
	}
}

// Left tells somebody who is no participant of a conversation any more on all their devices
// but those that were put out of its room, and told so then. One round trip to Redis and the
// fan-out.
func (a *Announcer) Left(ctx context.Context, id chat.ConversationID, who chat.Principal, told []chat.Connection) {
	frame := protocol.Frame(protocol.EventLeft, "", protocol.Room{ConversationID: id}, time.Now())
	a.tellThem(ctx, chat.Conversation{ID: id}, []chat.Principal{who}, told, frame)
}

// Activity tells the devices of c's participants that are not among those who have
// the message that its log has come to a seq. In a conversation of more than
// chat.MaxOutside nobody is told. One round trip to Redis and the fan-out.
func (a *Announcer) Activity(ctx context.Context, c chat.Conversation, seq int64, have []chat.Connection) {
	if len(c.Participants) > chat.MaxOutside {
		return
	}
	data := protocol.Activity{ConversationID: c.ID, LastSeq: max(seq, c.TotalMessages)}
	a.tellThem(ctx, c, c.Principals(), have, protocol.Frame(protocol.EventConversationActivity, "", data, time.Now()))
}

func (a *Announcer) tellThem(ctx context.Context, c chat.Conversation, who []chat.Principal, but []chat.Connection, frame []byte) {
	found, err := a.presence.Connections(ctx, who...)
	if err != nil {
		slog.WarnContext(ctx, "find devices to tell", "conversation", c.ID, "err", err)
		return
	}
	not := make(map[chat.ConnectionID]bool, len(but))
	for _, b := range but {
		not[b.ID] = true
	}
	var to []chat.Connection
	for _, one := range found {
		if !not[one.ID] {
			to = append(to, one)
		}
	}
	if len(to) > 0 {
		a.Forget(ctx, a.cast.Broadcast(ctx, to, frame, delivery.Once).Gone, "")
	}
}
