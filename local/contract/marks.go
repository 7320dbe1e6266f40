package contract

import (
	"reflect"

	"aiwm-chat/shared/chat"
	"aiwm-chat/shared/protocol"
)

// readSoFar is the user's mark, who has read both messages and said it of the first alone.
var readSoFar = chat.Mark{ConversationID: conversation.ID, By: user, Seq: 2, PublicSeq: 1, Version: 3, At: answered}

// talkOfCaller is the conversation with what the caller has read of it.
func talkOfCaller() protocol.Conversation {
	mark := readSoFar
	mark.Seq = 1
	return conversationExample().With(chat.Reading{Mark: mark, Unread: chat.Unread{Count: 1}})
}

// markActions are the actions read and unread.
func markActions(read, unread protocol.Envelope) []action {
	return []action{
		{
			name: protocol.ActionRead, frame: reflect.TypeFor[protocol.Read](), replies: []string{protocol.EventReadUpdate},
			examples: map[string]any{
				"read":      protocol.Read{Envelope: read, ConversationID: conversation.ID, ReadBody: protocol.ReadBody{Seq: 2}},
				"privately": protocol.Read{Envelope: read, ConversationID: conversation.ID, ReadBody: protocol.ReadBody{Seq: 2, Private: true}},
			},
			codes: []chat.Code{chat.NotFound},
		}, {
			name: protocol.ActionUnread, frame: reflect.TypeFor[protocol.Unread](), replies: []string{protocol.EventReadUpdate},
			examples: map[string]any{
				"from the second message": protocol.Unread{Envelope: unread, ConversationID: conversation.ID, UnreadBody: protocol.UnreadBody{FromSeq: 2}},
			},
			codes: []chat.Code{chat.NotFound},
		},
	}
}

func markEvents() []event {
	again := protocol.OwnReadUpdate(readSoFar)
	again.RetryAfterMs = 740
	return []event{{name: protocol.EventReadUpdate, data: reflect.TypeFor[protocol.ReadUpdate](), frames: map[string][]byte{
		"the answer":            protocol.Frame(protocol.EventReadUpdate, "1", protocol.OwnReadUpdate(readSoFar), answered),
		"nobody was told":       protocol.Frame(protocol.EventReadUpdate, "1", again, answered),
		"to one's own devices":  protocol.Frame(protocol.EventReadUpdate, "", protocol.OwnReadUpdate(readSoFar), answered),
		"to others in the room": protocol.Frame(protocol.EventReadUpdate, "", protocol.PublicReadUpdate(readSoFar), answered),
	}}}
}

func markRoutes() []route {
	own := []answerOf{{status: 200, description: "The caller's mark as it is then.", body: reflect.TypeFor[protocol.ReadUpdate](), example: protocol.OwnReadUpdate(readSoFar)}}
	return []route{
		{
			method: "PUT", path: "/conversations/{id}/read", id: "markRead", tag: ofTalks, summary: "Say up to where one has read",
			description: "As the action `read`: it never takes anything back. One's own devices are told by `read:update`, and of what is not private the others in the room. It may be repeated.",
			parameters:  []parameter{theTalk},
			body:        reflect.TypeFor[protocol.ReadBody](),
			bodies:      map[string]any{"read": protocol.ReadBody{Seq: 2}, "privately": protocol.ReadBody{Seq: 2, Private: true}},
			answers:     own,
			codes:       []chat.Code{chat.NotFound},
		}, {
			method: "PUT", path: "/conversations/{id}/unread", id: "markUnread", tag: ofTalks, summary: "Make messages unread again",
			description: "As the action `unread`: for the caller alone. It may be repeated.",
			parameters:  []parameter{theTalk},
			body:        reflect.TypeFor[protocol.UnreadBody](),
			bodies:      map[string]any{"from the second message": protocol.UnreadBody{FromSeq: 2}},
			answers:     own,
			codes:       []chat.Code{chat.NotFound},
		}, {
			method: "GET", path: "/conversations/{id}/reads", id: "listReads", tag: ofTalks, summary: "See how far each participant has read",
			description: "What they did not read privately: for who has just joined, or may have missed a `read:update`.",
			parameters:  append([]parameter{theTalk}, getHeaders...),
			answers: []answerOf{{
				status: 200, description: "The mark of each participant.", body: reflect.TypeFor[protocol.ReadMarks](),
				example: protocol.ReadMarksOf([]chat.Mark{readSoFar, {By: agent}}),
			}, notModified},
			codes: []chat.Code{chat.NotFound},
		},
	}
}
