// Package wiring puts default together: an action that it is to know is a line here.
package wiring

import (
	annotate "aiwm-chat/functions/annotate/wiring"
	approve "aiwm-chat/functions/approve/wiring"
	"aiwm-chat/functions/default/handler"
	join "aiwm-chat/functions/join/wiring"
	leave "aiwm-chat/functions/leave/wiring"
	read "aiwm-chat/functions/read/wiring"
	send "aiwm-chat/functions/send/wiring"
	signal "aiwm-chat/functions/signal/wiring"
	stream "aiwm-chat/functions/stream/wiring"
	typing "aiwm-chat/functions/typing/wiring"
	welcome "aiwm-chat/functions/welcome/wiring"
	"aiwm-chat/shared/config"
	"aiwm-chat/shared/gateway"
	"aiwm-chat/shared/live"
	"aiwm-chat/shared/mongostore"
	"aiwm-chat/shared/presence"
	"aiwm-chat/shared/protocol"
	"aiwm-chat/shared/wire"
)

// Function is wired from what it needs.
var Function = wire.Function{
	Needs: []config.Part{config.Mongo, config.Redis, config.Connections, config.SummaryQueue, config.StreamQueue, config.RunQueue, config.WebhookQueue, config.JoinLimits, config.SendLimits, config.AnnotateLimits, config.MarkLimit, config.SignalLimit, config.TypingLimit, config.PingLimit, config.WebSocket},
	Wire:  wired,
}

func wired(p *wire.Process) any {
	store, changes, marks := mongostore.In(p), annotate.Handler(p), read.Handler(p)
	h := handler.New(presence.In(p), store, welcome.Handler(p), live.Announcements(p, store), handler.Actions{
		protocol.ActionApprove: gateway.Decoded(approve.Handler(p).Handle),
		protocol.ActionEdit:    gateway.Decoded(changes.Edit),
		protocol.ActionJoin:    gateway.Decoded(join.Handler(p).Handle),
		protocol.ActionLeave:   gateway.Decoded(leave.Handler(p).Handle),
		protocol.ActionReact:   gateway.Decoded(changes.React),
		protocol.ActionRead:    gateway.Decoded(marks.Read),
		protocol.ActionSend:    gateway.Decoded(send.Handler(p).Handle),
		protocol.ActionSignal:  gateway.Decoded(signal.Handler(p).Handle),
		protocol.ActionStop:    gateway.Decoded(stream.Handler(p).Stop),
		protocol.ActionStream:  gateway.Decoded(stream.Handler(p).Handle),
		protocol.ActionTyping:  gateway.Decoded(typing.Handler(p).Handle),
		protocol.ActionUnread:  gateway.Decoded(marks.Unread),
	})
	return live.Frames(p, h.Handle)
}
