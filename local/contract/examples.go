package contract

import (
	"encoding/json"
	"time"

	"aiwm-chat/shared/chat"
	"aiwm-chat/shared/protocol"
	"aiwm-chat/shared/terms"
)

// The examples are one conversation, made by the code that makes the real ones.

var (
	asked    = time.Date(2026, 11, 25, 4, 50, 59, 24e6, time.UTC)
	answered = asked.Add(2400 * time.Millisecond)

	user  = chat.Principal{Type: chat.User, ID: "u1", OrgID: "acme"}
	guest = chat.Principal{Type: chat.User, ID: "auth0|5f7c", OrgID: "acme"}
	agent = chat.Principal{Type: chat.Agent, ID: "support", OrgID: "acme"}

	conversation = chat.Conversation{
		ID: "6b066931df8108959405013d", OrgID: "acme", Title: "Where is my order?", AgentID: agent.ID, Status: chat.Active,
		Tags: []string{"orders"}, TotalMessages: 2, TotalTokens: 412,
		Participants:   []chat.Participant{{Type: user.Type, ID: user.ID, Joined: asked}, {Type: agent.Type, ID: agent.ID, Joined: asked}},
		LastMessage:    new(answer.Last()),
		ContextSummary: "The user asks for an order; it arrives on Friday.",
		Summary:        &chat.Summary{FromSeq: 1, ToSeq: 2, Model: "gpt-6-luna", At: answered},
		CreatedBy:      chat.Participant{Type: user.Type, ID: user.ID}, CreatedAt: asked, UpdatedAt: answered,
	}
	question = chat.Message{
		ID: "6b066934df8108959405013e", ConversationID: "6b066931df8108959405013d", Seq: 1, Sender: user, Status: chat.StatusSent,
		Draft:           chat.Draft{Content: "Is my order on its way?", Role: chat.RoleUser, Type: chat.TypeText},
		ClientMessageID: "c-1", CreatedAt: asked, UpdatedAt: asked,
	}
	answer = chat.Message{
		ID: "6b066937df8108959405013f", ConversationID: "6b066931df8108959405013d", Seq: 2, Sender: agent, Status: chat.StatusSent,
		Draft: chat.Draft{
			Content: "It arrives on Friday.", Role: chat.RoleAgent, Type: chat.TypeText, ParentID: question.ID,
			Thinking:    &chat.Thinking{Content: "The order was handed over yesterday.", Duration: 800 * time.Millisecond},
			ToolCalls:   []json.RawMessage{json.RawMessage(`{"id":"call-1","name":"track","arguments":{"order":4711}}`)},
			ToolResults: []json.RawMessage{json.RawMessage(`{"id":"call-1","result":{"arrives":"2026-11-27"}}`)},
			Attachments: []chat.Attachment{"https://shop.example/orders/4711", "document:invoice-4711"},
			Usage:       &chat.Usage{PromptTokens: 380, CompletionTokens: 32, TotalTokens: 412}, Latency: 2100 * time.Millisecond,
		},
		ThreadID: question.ID, ClientMessageID: "a-1", CreatedAt: answered, UpdatedAt: answered,
	}
	// edited is the question after its author has edited it, and both have reacted to it.
	edited = func() chat.Message {
		m := question
		m.Mentions = []chat.Mention{{Type: chat.MentionAgent, ID: agent.ID}}
		m.Content, m.Edits, m.EditedAt, m.UpdatedAt, m.ChangedAt, m.Version = "Is my order 4711 on its way?", 1, answered, answered, answered, 1
		m.Reactions, m.ReactionVersion = []chat.Reaction{{Key: "👍", By: agent, At: answered}, {Key: "👍", By: user, At: answered}, {Key: ":party:", By: guest, At: answered}}, 3
		return m
	}()
	// replied is the question when the agent has answered it.
	replied = func() chat.Message {
		m := question
		m.Replies, m.UpdatedAt, m.ChangedAt, m.Version = chat.Replies{Count: 1, LastSeq: 2}, answered, answered, 1
		return m
	}()
	// erased is the question after the conversation's creator has deleted it.
	erased = func() chat.Message {
		m := question
		m.Deleted, m.DeletedBy, m.Version = true, &guest, 2
		return m
	}()
	connection = chat.Connection{ID: "ohEK654AAYhPKqo=", Principal: user}
)

func conversationExample() protocol.Conversation { return protocol.ConversationOf(conversation) }

// sentExample is what a sender is told in the dialect aiwm.
func sentExample() protocol.Sent {
	sent := protocol.SentOf(question, false)
	sent.AgentOnline = new(true)
	return sent
}

// answerInput is the agent's answer as it is sent.
func answerInput() protocol.MessageInput {
	m := protocol.MessageOf(answer)
	return protocol.MessageInput{
		ConversationID: m.ConversationID, Content: m.Content, ClientMessageID: m.ClientMessageID, ParentID: m.ParentID,
		Attachments: m.Attachments, Thinking: m.Thinking, ToolCalls: m.ToolCalls, ToolResults: m.ToolResults, Usage: m.Usage, Latency: &m.Latency,
	}
}

// mentioning is a message that mentions the agent.
func mentioning() protocol.MessageInput {
	return protocol.MessageInput{
		ConversationID: conversation.ID, Content: "@support: any news?", ClientMessageID: "c-2",
		Mentions: []protocol.Mention{{Type: chat.MentionAgent, ID: agent.ID}},
	}
}

// searchExample is what "order 47" finds.
func searchExample() protocol.SearchPage {
	ranges, _ := terms.Parse("order 47").Find(edited.Content)
	return protocol.SearchPage{
		Data:       []protocol.Hit{protocol.HitOf(edited, ranges)},
		Pagination: protocol.SearchCursor{Limit: 20, HasMore: true, Cursor: chat.SearchCursor{At: edited.CreatedAt, ID: edited.ID}.String()},
	}
}

func questionInput() protocol.MessageInput {
	return protocol.MessageInput{ConversationID: conversation.ID, Content: question.Content, ClientMessageID: question.ClientMessageID}
}

// codeExamples has an error of each code, as the product makes it where it can.
var codeExamples = map[chat.Code]error{
	chat.BadRequest:         chat.Errorf(chat.BadRequest, "the body is not valid JSON"),
	chat.ValidationFailed:   chat.Invalid("conversationId", "is required"),
	chat.Unauthorized:       chat.Refused(nil),
	chat.TokenExpired:       chat.Errorf(chat.TokenExpired, "the token has expired; get a new one and connect again"),
	chat.Forbidden:          chat.Errorf(chat.Forbidden, "only the creator may delete a conversation"),
	chat.NotFound:           chat.Errorf(chat.NotFound, "there is no such conversation"),
	chat.Conflict:           chat.Errorf(chat.Conflict, "this clientMessageId was used for another message"),
	chat.PayloadTooLarge:    chat.Errorf(chat.PayloadTooLarge, "the body must be at most %d bytes", protocol.MaxBody),
	chat.UnsupportedMedia:   chat.Errorf(chat.UnsupportedMedia, "the content-type must be application/json"),
	chat.RateLimited:        chat.LimitedFor(1500 * time.Millisecond),
	chat.TooManyConnections: chat.ErrOneTooMany,
	chat.TooManyRooms:       chat.Errorf(chat.TooManyRooms, "the connection is in 100 conversations, which is the most"),
	chat.ConversationClosed: chat.Errorf(chat.ConversationClosed, "the conversation takes no messages until it is active again"),
	chat.SwitchedOff:        chat.ErrSwitchedOff,
	chat.Unavailable:        chat.Errorf(chat.Unavailable, "the database does not answer; try again"),
	chat.Internal:           chat.Public(nil),
}

// encode is the JSON of the product, as an example holds it.
func encode(v any) json.RawMessage {
	if text, raw := v.([]byte); raw {
		return text
	}
	text, err := protocol.Marshal(v)
	if err != nil {
		panic("contract: encode an example: " + err.Error()) // a mistake in the program
	}
	return text
}
