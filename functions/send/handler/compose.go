package handler

import (
	"time"

	"aiwm-chat/shared/chat"
	"aiwm-chat/shared/delivery"
	"aiwm-chat/shared/protocol"
)

// compose says who gets which frames of a message. Each frame is encoded once.
//
// In the dialect aiwm everybody in the room gets message:new, the sender's own
// connections included, and the agent that is asked gets message:from-user as
// well, in the room or not. In lean it is one frame for each connection: the
// sender's own connection has message:sent, and the agent's message:new says
// that it is for it. The caller's connection gets the message also where it is
// not in the room.
func compose(m chat.Message, caller chat.Connection, room, agents []chat.Connection, agent chat.Principal) (toRoom, toAgent []delivery.Post) {
	now := time.Now()
	var news, forYou, fromUser []byte
	frame := func(f *[]byte, encode func() []byte) []byte {
		if *f == nil {
			*f = encode()
		}
		return *f
	}
	isNew := func() []byte { return protocol.MessageFrame(protocol.EventMessageNew, m, now) }
	isForYou := func() []byte { return protocol.MessageForYouFrame(m, now) }
	isFromUser := func() []byte { return protocol.MessageFrame(protocol.EventMessageFromUser, m, now) }

	toRoom = make([]delivery.Post, 0, len(room)+len(agents)+1)
	told := make(map[chat.ConnectionID]bool, len(agents)) // those of the agent that have their one frame
	callerInRoom := caller.ID == ""
	for _, c := range room {
		own := c.ID == caller.ID
		callerInRoom = callerInRoom || own
		switch {
		case c.Dialect != chat.Lean:
			toRoom = append(toRoom, delivery.Post{To: c, Frame: frame(&news, isNew)})
		case own:
		case c.Principal == agent:
			told[c.ID] = true
			toRoom = append(toRoom, delivery.Post{To: c, Frame: frame(&forYou, isForYou)})
		default:
			toRoom = append(toRoom, delivery.Post{To: c, Frame: frame(&news, isNew)})
		}
	}
	if !callerInRoom && caller.Dialect != chat.Lean {
		toRoom = append(toRoom, delivery.Post{To: caller, Frame: frame(&news, isNew)})
	}
	for _, c := range agents {
		if !told[c.ID] {
			toAgent = append(toAgent, delivery.Post{To: c, Frame: frame(&fromUser, isFromUser)})
		}
	}
	return toRoom, toAgent
}
