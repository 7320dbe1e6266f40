package contract

import (
	"reflect"
	"slices"

	"aiwm-chat/shared/chat"
	"aiwm-chat/shared/protocol"
)

// The dialects, as people name them.
const (
	aiwm = "aiwm"
	lean = "lean"
)

// An action is what a client may ask for.
type action struct {
	name     string
	frame    reflect.Type
	examples map[string]any
	replies  []string    // events, besides error
	codes    []chat.Code // besides those that every action has

	answered string   // what is said of the replies, if more than their order
	forms    []action // of one whose states have members of their own: each with form and examples
	form     form
}

// A form is what an action's frame looks like in one of its states.
type form struct {
	name, state string
	says        string // what it asks for, after the name of the action
	needs, may  []string
}

// each is the action, or each of its forms.
func (a action) each() (all []action) {
	if a.forms == nil {
		return []action{a}
	}
	for _, f := range a.forms {
		f.name, f.frame = a.name, a.frame
		all = append(all, f)
	}
	return all
}

// key is the name of its message.
func (a action) key() string {
	if a.form.name == "" {
		return a.name
	}
	return a.name + "-" + a.form.name
}

func actions() []action {
	of := func(name string) protocol.Envelope { return protocol.Envelope{Action: name, ID: "1"} }
	return append([]action{
		{
			name: protocol.ActionJoin, frame: reflect.TypeFor[protocol.Join](), replies: []string{protocol.EventJoined, protocol.EventHistory, protocol.EventChanged, protocol.EventStreamSnapshot},
			examples: map[string]any{
				"the newest messages":      protocol.Join{Envelope: of(protocol.ActionJoin), ConversationID: conversation.ID},
				"what was missed":          protocol.Join{Envelope: of(protocol.ActionJoin), ConversationID: conversation.ID, AfterSeq: new(int64(1)), ChangedAfter: new(chat.Settled(answered).String())},
				"only the ends of streams": protocol.Join{Envelope: of(protocol.ActionJoin), ConversationID: conversation.ID, Streams: protocol.StreamsFinal},
			},
			answered: "It is answered by `conversation:joined`, then by one `messages:history` or more, with `changedAfter` by one `messages:changed` or more, then by one `stream:snapshot` for each answer that is being written, or by an error.",
			codes:    []chat.Code{chat.NotFound, chat.TooManyRooms},
		}, {
			name: protocol.ActionLeave, frame: reflect.TypeFor[protocol.Leave](), replies: []string{protocol.EventLeft},
			examples: map[string]any{"leave": protocol.Leave{Envelope: of(protocol.ActionLeave), ConversationID: conversation.ID}},
		}, {
			name: protocol.ActionSend, frame: reflect.TypeFor[protocol.Send](), replies: []string{protocol.EventMessageSent},
			examples: map[string]any{
				"of a user":                     protocol.Send{Envelope: of(protocol.ActionSend), MessageInput: questionInput()},
				"of an agent":                   protocol.Send{Envelope: of(protocol.ActionSend), MessageInput: answerInput()},
				"for somebody":                  protocol.Send{Envelope: of(protocol.ActionSend), MessageInput: mentioning()},
				"to the only one it has joined": protocol.Send{Envelope: of(protocol.ActionSend), MessageInput: protocol.MessageInput{Content: "Thank you!"}},
			},
			codes: []chat.Code{chat.NotFound, chat.Conflict, chat.ConversationClosed},
		}, {
			name: protocol.ActionTyping, frame: reflect.TypeFor[protocol.Typing](),
			examples: map[string]any{
				"start": protocol.Typing{Envelope: of(protocol.ActionTyping), ConversationID: conversation.ID, State: protocol.TypingStart},
				"stop":  protocol.Typing{Envelope: of(protocol.ActionTyping), ConversationID: conversation.ID, State: protocol.TypingStop},
			},
			codes: []chat.Code{chat.NotFound},
		}, {
			name: protocol.ActionStream, frame: reflect.TypeFor[protocol.Stream](), forms: streamForms(),
			replies:  []string{protocol.EventStreamStarted, protocol.EventMessageSent, protocol.EventStreamDropped},
			answered: "`start` is answered by `stream:started`; `append` by nothing but an error; `end` and `abort` by `message:sent`, and an `abort` of what has no text yet by `stream:dropped`.",
			codes:    []chat.Code{chat.Forbidden, chat.NotFound, chat.Conflict, chat.ConversationClosed, chat.PayloadTooLarge},
		}, {
			name: protocol.ActionStop, frame: reflect.TypeFor[protocol.Stop](), replies: []string{protocol.EventStreamStopping},
			examples: map[string]any{
				"one stream":                protocol.Stop{Envelope: of(protocol.ActionStop), ConversationID: conversation.ID, StreamID: inHand.ID},
				"the answer to a question":  protocol.Stop{Envelope: of(protocol.ActionStop), ConversationID: conversation.ID, MessageID: question.ID},
				"all of the conversation's": protocol.Stop{Envelope: of(protocol.ActionStop), ConversationID: conversation.ID},
			},
			codes: []chat.Code{chat.NotFound},
		}, approveAction(of(protocol.ActionApprove)), reactAction(of(protocol.ActionReact)), editAction(of(protocol.ActionEdit)), {
			name: protocol.ActionPing, frame: reflect.TypeFor[protocol.Ping](), replies: []string{protocol.EventPong},
			examples: map[string]any{"ping": protocol.Ping{Envelope: of(protocol.ActionPing)}},
			codes:    []chat.Code{chat.TooManyConnections},
		},
	}, slices.Concat(callActions(of(protocol.ActionSignal)), markActions(of(protocol.ActionRead), of(protocol.ActionUnread)))...)
}

// An event is what a client may be told. The two dialects may have different forms of
// it: then there are two of its name.
type event struct {
	name     string
	data     reflect.Type // nil: an error has none
	dialects []string     // nil: both
	needs    []string     // members of data that are there in this dialect
	lacks    []string     // members of data that are not
	frames   map[string][]byte
}

func events() []event {
	frame := func(name, id string, data any) map[string][]byte {
		return map[string][]byte{name: protocol.Frame(name, id, data, answered)}
	}
	all := append(streamEvents(frame), slices.Concat(changeEvents(), markEvents(), callEvents())...)
	withoutAgent := protocol.SentOf(question, false)
	failures := map[string][]byte{}
	for code, err := range codeExamples {
		if code != chat.Unauthorized && code != chat.UnsupportedMedia && code != chat.PayloadTooLarge && code != chat.Forbidden {
			failures[string(code)] = protocol.ErrorFrame("1", err, answered)
		}
	}
	return append(all, []event{
		{name: protocol.EventConnected, data: reflect.TypeFor[protocol.Connected](), frames: frame(protocol.EventConnected, "", protocol.ConnectedOf(connection))},
		{name: protocol.EventBacklog, data: reflect.TypeFor[protocol.Backlog](), frames: frame(protocol.EventBacklog, "", protocol.Backlog{More: true, Cursor: "MQ"})},
		{name: protocol.EventError, frames: failures},
		{name: protocol.EventPong, data: reflect.TypeFor[protocol.Pong](), frames: frame(protocol.EventPong, "1", protocol.Pong{Rooms: []protocol.RoomHead{{ConversationID: conversation.ID, LastSeq: 2}}})},
		{name: protocol.EventJoined, data: reflect.TypeFor[protocol.Joined](), frames: frame(protocol.EventJoined, "1", protocol.JoinedOf(conversation.ID, 2, chat.Company{
			Members: []chat.Principal{user, agent}, AgentOnline: true, Typing: []chat.Principal{agent},
		}))},
		{name: protocol.EventHistory, data: reflect.TypeFor[protocol.History](), frames: map[string][]byte{
			"the whole log": protocol.HistoryFrames("1", user, conversation.ID, []chat.Message{question, answer}, protocol.Older, false, answered)[0],
			"what follows":  protocol.HistoryFrames("1", user, conversation.ID, []chat.Message{question}, protocol.Newer, true, answered)[0],
		}},
		{name: protocol.EventLeft, data: reflect.TypeFor[protocol.Room](), frames: frame(protocol.EventLeft, "1", protocol.Room{ConversationID: conversation.ID})},
		{name: protocol.EventUserJoined, data: reflect.TypeFor[protocol.Membership](), frames: frame(protocol.EventUserJoined, "", protocol.MembershipOf(conversation.ID, user))},
		{name: protocol.EventUserLeft, data: reflect.TypeFor[protocol.Membership](), frames: frame(protocol.EventUserLeft, "", protocol.MembershipOf(conversation.ID, user, guest))},
		{
			name: protocol.EventMessageSent, data: reflect.TypeFor[protocol.Sent](), dialects: []string{aiwm}, needs: []string{"agentOnline"},
			frames: map[string][]byte{
				"a message":  protocol.Frame(protocol.EventMessageSent, "1", sentExample(), answered),
				"a decision": protocol.Frame(protocol.EventMessageSent, "1", decidedExample(), answered),
			},
		}, {
			name: protocol.EventMessageSent, data: reflect.TypeFor[protocol.Sent](), dialects: []string{lean}, lacks: []string{"agentOnline"},
			frames: frame(protocol.EventMessageSent, "1", withoutAgent),
		}, {
			name: protocol.EventMessageNew, data: reflect.TypeFor[protocol.Message](), dialects: []string{aiwm}, lacks: []string{"forYou"},
			frames: map[string][]byte{
				"of a user":           protocol.MessageFrame(protocol.EventMessageNew, question, answered),
				"of an agent":         protocol.MessageFrame(protocol.EventMessageNew, answer, answered),
				"a call that waits":   protocol.MessageFrame(protocol.EventMessageNew, waits, answered),
				"a decision":          protocol.MessageFrame(protocol.EventMessageNew, decision, answered),
				"the end of a stream": protocol.MessageFrame(protocol.EventMessageNew, streamed(chat.StatusCancelled), answered),
			},
		}, {
			name: protocol.EventMessageNew, data: reflect.TypeFor[protocol.Message](), dialects: []string{lean},
			frames: map[string][]byte{
				"to a user":                  protocol.MessageFrame(protocol.EventMessageNew, answer, answered),
				"to the agent that is asked": protocol.MessageForYouFrame(question, answered),
			},
		},
		{name: protocol.EventMessageFromUser, data: reflect.TypeFor[protocol.Message](), lacks: []string{"forYou"}, frames: map[string][]byte{
			"of a user": protocol.MessageFrame(protocol.EventMessageFromUser, question, answered),
		}},
		{name: protocol.EventMessageDeleted, data: reflect.TypeFor[protocol.MessageGone](), frames: frame(protocol.EventMessageDeleted, "", protocol.MessageGoneOf(erased))},
		{name: protocol.EventTypingStart, data: reflect.TypeFor[protocol.TypingNotice](), needs: []string{"expiresIn"}, frames: frame(protocol.EventTypingStart, "", protocol.TypingNotice{
			ConversationID: conversation.ID, Identity: protocol.IdentityOf(user), ExpiresIn: chat.TypingExpiry.Milliseconds(),
		})},
		{name: protocol.EventTypingStop, data: reflect.TypeFor[protocol.TypingNotice](), lacks: []string{"expiresIn"}, frames: frame(protocol.EventTypingStop, "", protocol.TypingNotice{
			ConversationID: conversation.ID, Identity: protocol.IdentityOf(user),
		})},
		{name: protocol.EventPresence, data: reflect.TypeFor[protocol.Presence](), needs: []string{"at"}, frames: frame(protocol.EventPresence, "", protocol.PresenceOf(true, asked, agent))},
		{name: protocol.EventConversationUpdated, data: reflect.TypeFor[protocol.Conversation](), frames: map[string][]byte{"changed": protocol.ConversationFrame(protocol.EventConversationUpdated, conversation, answered)}},
		{name: protocol.EventConversationDeleted, data: reflect.TypeFor[protocol.Room](), frames: frame(protocol.EventConversationDeleted, "", protocol.Room{ConversationID: conversation.ID})},
		{name: protocol.EventConversationAdded, data: reflect.TypeFor[protocol.Conversation](), frames: map[string][]byte{"added": protocol.ConversationFrame(protocol.EventConversationAdded, conversation, answered)}},
		{name: protocol.EventNotification, data: reflect.TypeFor[protocol.Notification](), frames: frame(protocol.EventNotification, "", protocol.NotificationOf(question, protocol.NotificationMention))},
		{name: protocol.EventConversationActivity, data: reflect.TypeFor[protocol.Activity](), frames: frame(protocol.EventConversationActivity, "", protocol.Activity{ConversationID: conversation.ID, LastSeq: 2})},
	}...)
}
