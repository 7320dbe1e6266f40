package contract

import (
	"reflect"

	"aiwm-chat/shared/chat"
	"aiwm-chat/shared/protocol"
)

// reactAction is the action react.
func reactAction(of protocol.Envelope) action {
	ask := func(key string, on bool) protocol.React {
		return protocol.React{Envelope: of, ConversationID: conversation.ID, MessageID: question.ID, Key: key, On: &on}
	}
	return action{
		name: protocol.ActionReact, frame: reflect.TypeFor[protocol.React](), replies: []string{protocol.EventReactions},
		examples: map[string]any{"an emoji": ask("👍", true), "a name": ask(":party:", true), "taken back": ask("👍", false)},
		codes:    []chat.Code{chat.NotFound, chat.Conflict, chat.ConversationClosed},
	}
}

// editAction is the action edit.
func editAction(of protocol.Envelope) action {
	return action{
		name: protocol.ActionEdit, frame: reflect.TypeFor[protocol.Edit](), replies: []string{protocol.EventMessageUpdated},
		examples: map[string]any{
			"the first edit": protocol.Edit{Envelope: of, ConversationID: conversation.ID, MessageID: question.ID, EditBody: editExample()},
		},
		codes: []chat.Code{chat.Forbidden, chat.NotFound, chat.Conflict, chat.ConversationClosed},
	}
}

func editExample() protocol.EditBody {
	return protocol.EditBody{Content: edited.Content, Edits: new(int64(0)), Mentions: &[]protocol.Mention{{Type: chat.MentionAgent, ID: agent.ID}}}
}

func changeEvents() []event {
	return []event{
		{name: protocol.EventMessageUpdated, data: reflect.TypeFor[protocol.Message](), lacks: []string{"forYou"}, frames: map[string][]byte{
			"the answer":    protocol.MessageUpdatedFrame("1", protocol.MessageFor(edited, user), answered),
			"to the others": protocol.MessageUpdatedFrame("", protocol.MessageOf(edited), answered),
			"a reply to it": protocol.MessageUpdatedFrame("", protocol.MessageOf(replied), answered),
		}},
		{name: protocol.EventReactions, data: reflect.TypeFor[protocol.Reactions](), frames: map[string][]byte{
			"the answer":    protocol.Frame(protocol.EventReactions, "1", protocol.ReactionsOf(edited, user), answered),
			"to the others": protocol.Frame(protocol.EventReactions, "", protocol.ReactionsOf(edited, chat.Principal{}), answered),
		}},
		{name: protocol.EventChanged, data: reflect.TypeFor[protocol.Changed](), frames: map[string][]byte{
			"what changed": protocol.ChangedFrames("1", user, conversation.ID, []chat.Message{edited}, chat.Settled(answered), false, answered)[0],
		}},
	}
}

func changeRoutes() []route {
	reaction := []parameter{theMessage, pathParameter("key", reflect.TypeFor[chat.ReactionKey](), `An emoji, or a name such as ":party:", percent-encoded.`, "👍")}
	all := []answerOf{{status: 200, description: "All reactions of the message.", body: reflect.TypeFor[protocol.Reactions](), example: protocol.ReactionsOf(edited, user)}}
	return []route{
		{
			method: "PUT", path: "/messages/{id}", id: "editMessage", tag: ofMessages, summary: "Edit a message",
			description: "The author's to do, of a text. As the action `edit`: its `seq` stays, earlier texts are not kept, no agent is called. Members are told by `message:updated`.",
			parameters:  []parameter{theMessage},
			body:        reflect.TypeFor[protocol.EditBody](),
			bodies:      map[string]any{"the first edit": editExample()},
			answers:     []answerOf{{status: 200, description: "The message as it is then.", body: reflect.TypeFor[protocol.Message](), example: protocol.MessageFor(edited, user)}},
			codes:       []chat.Code{chat.Forbidden, chat.NotFound, chat.Conflict, chat.ConversationClosed},
		}, {
			method: "GET", path: "/messages/{id}/reactions", id: "listReactions", tag: ofMessages, summary: "See who has reacted to a message",
			description: "In the order in which they did, at most 200.",
			parameters:  append([]parameter{theMessage}, getHeaders...),
			answers:     []answerOf{{status: 200, description: "Each reaction.", body: reflect.TypeFor[protocol.ReactionList](), example: protocol.ReactionListOf(edited)}, notModified},
			codes:       []chat.Code{chat.NotFound},
		}, {
			method: "PUT", path: "/messages/{id}/reactions/{key}", id: "react", tag: ofMessages, summary: "React to a message",
			description: "As the action `react`. Members are told by `message:reactions`. It may be repeated.",
			parameters:  reaction, answers: all,
			codes: []chat.Code{chat.NotFound, chat.Conflict, chat.ConversationClosed},
		}, {
			method: "DELETE", path: "/messages/{id}/reactions/{key}", id: "takeReactionBack", tag: ofMessages, summary: "Take a reaction back",
			description: "As the action `react` with `on: false`. It may be repeated.",
			parameters:  reaction, answers: all,
			codes: []chat.Code{chat.NotFound, chat.ConversationClosed},
		},
	}
}
