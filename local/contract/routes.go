package contract

import (
	"reflect"
	"slices"

	health "aiwm-chat/functions/health/handler"
	"aiwm-chat/shared/chat"
	"aiwm-chat/shared/protocol"
)

// A route is one of the REST interface, as template.yaml has it, and what its Go types
// do not say of it.
type route struct {
	method, path string
	id           string // the operation's name in clients that are generated
	tag, summary string
	description  string
	parameters   []parameter
	body         reflect.Type // nil: none
	bodies       map[string]any
	answers      []answerOf
	codes        []chat.Code // besides those that every route has
	public       bool        // no token is asked for
}

// An answerOf is an answer that is no problem.
type answerOf struct {
	status      int
	description string
	body        reflect.Type // nil: none
	example     any
	created     bool // it has a Location
	files       []fileOf
}

// A fileOf is a form in which an answer is no JSON.
type fileOf struct {
	media, description, example string
	lines                       []reflect.Type // what its lines are, of lines of JSON
}

var (
	getHeaders  = []parameter{ifNoneMatch}
	ofMessages  = "Messages"
	ofTalks     = "Conversations"
	theTalk     = pathParameter("id", reflect.TypeFor[chat.ConversationID](), "The conversation.", string(conversation.ID))
	theMessage  = pathParameter("id", reflect.TypeFor[chat.MessageID](), "The message.", string(question.ID))
	aTalk       = reflect.TypeFor[protocol.Conversation]()
	notModified = answerOf{status: 304, description: "It is what the `ETag` in `If-None-Match` says."}
	gone        = answerOf{status: 204, description: "It is done."}
)

// routes are all routes, in the order in which people read them.
func routes() []route {
	return append([]route{
		{
			method: "POST", path: "/conversations", id: "createConversation", tag: ofTalks, summary: "Create a conversation with an agent",
			description: "The caller and the agent become participants, and the caller has the creator's rights.",
			parameters:  []parameter{idempotencyKey("the conversation as it is now, and of another body a `conflict`")},
			body:        reflect.TypeFor[protocol.CreateConversation](),
			bodies: map[string]any{
				"short": protocol.CreateConversation{Title: conversation.Title, AgentID: agent.ID},
				"whole": protocol.CreateConversation{Title: conversation.Title, AgentID: agent.ID, Description: "Order 4711", Tags: conversation.Tags},
			},
			answers: []answerOf{
				{status: 201, description: "The conversation.", body: aTalk, example: conversationExample(), created: true},
				{status: 200, description: "The conversation as it is now: it had been created under the same key.", body: aTalk, example: conversationExample(), created: true},
			},
			codes: []chat.Code{chat.Conflict},
		}, {
			method: "GET", path: "/conversations", id: "listConversations", tag: ofTalks, summary: "List the caller's conversations",
			description: "The newest activity first, unless another order is asked for. Pages by `cursor` have what does not change in between exactly once; pages by number shift.",
			parameters:  append(listParameters(), getHeaders...),
			answers: []answerOf{{status: 200, description: "A page. Of an entry at most 100 participants are listed; `truncated` says so.", body: reflect.TypeFor[protocol.ConversationPage](), example: protocol.ConversationPage{
				Data: []protocol.Conversation{talkOfCaller()}, Pagination: protocol.ListPage{Page: 1, Limit: 20, Total: 1},
			}}, notModified},
		}, {
			method: "GET", path: "/conversations/{id}", id: "getConversation", tag: ofTalks, summary: "Read a conversation",
			description: "Only participants may. One that is not the caller's to see does not exist for them.",
			parameters:  append([]parameter{theTalk}, getHeaders...),
			answers:     []answerOf{{status: 200, description: "The conversation.", body: aTalk, example: talkOfCaller()}, notModified},
			codes:       []chat.Code{chat.NotFound},
		}, {
			method: "PUT", path: "/conversations/{id}", id: "updateConversation", tag: ofTalks, summary: "Change a conversation",
			description: "What is left out stays as it is; at least one member is needed. Members are told by `conversation:updated`.",
			parameters:  []parameter{theTalk},
			body:        reflect.TypeFor[protocol.UpdateConversation](),
			bodies: map[string]any{
				"archive": protocol.UpdateConversation{Status: new(chat.Archived)},
				"rename":  protocol.UpdateConversation{Title: new("Order 4711"), Tags: new([]string{"orders", "done"})},
			},
			answers: []answerOf{{status: 200, description: "The conversation as it is now.", body: aTalk, example: conversationExample()}},
			codes:   []chat.Code{chat.NotFound},
		}, {
			method: "DELETE", path: "/conversations/{id}", id: "deleteConversation", tag: ofTalks, summary: "Delete a conversation",
			description: "The creator's to do. It is gone for everybody, who are told by `conversation:deleted`. It may be repeated.",
			parameters:  []parameter{theTalk},
			answers:     []answerOf{gone},
			codes:       []chat.Code{chat.Forbidden, chat.NotFound},
		}, {
			method: "POST", path: "/conversations/{id}/participants", id: "addParticipant", tag: ofTalks, summary: "Add a user or an agent",
			description: "Every participant's to do; it may be repeated. Who is added is told by `conversation:added`.",
			parameters:  []parameter{theTalk},
			body:        reflect.TypeFor[protocol.AddParticipant](),
			bodies:      map[string]any{"user": protocol.AddParticipant{Type: guest.Type, ID: guest.ID}},
			answers:     []answerOf{{status: 201, description: "The conversation as it is now.", body: aTalk, example: conversationExample()}},
			codes:       []chat.Code{chat.NotFound, chat.Conflict},
		}, {
			method: "DELETE", path: "/conversations/{id}/participants/{type}/{participantId}", id: "removeParticipant", tag: ofTalks, summary: "Remove a participant, or leave for good",
			description: "The creator's to do, and everybody's with themselves. Who is removed is out of the room when it is answered. The creator who leaves hands over to the longest-standing user; the last user to leave closes the conversation. It may be repeated.",
			parameters: []parameter{
				theTalk, pathParameter("type", reflect.TypeFor[chat.PrincipalType](), "Whether a user or an agent is removed.", string(guest.Type)),
				pathParameter("participantId", reflect.TypeFor[chat.PrincipalID](), "Who is removed; `+`, `=` and `|` are percent-encoded.", string(guest.ID)),
			},
			answers: []answerOf{gone},
			codes:   []chat.Code{chat.Forbidden, chat.NotFound},
		}, {
			method: "POST", path: "/conversations/{id}/summary", id: "summarizeConversation", tag: ofTalks, summary: "Summarise a conversation now",
			description: "429 while another summary is written or the model is to be left alone, 503 where it fails, 500 where the operator has to look at the model.",
			parameters:  []parameter{theTalk},
			answers:     []answerOf{{status: 200, description: "The summary.", body: reflect.TypeFor[protocol.SummaryResult](), example: protocol.SummaryResult{Summary: conversation.ContextSummary}}},
			codes:       []chat.Code{chat.NotFound},
		}, {
			method: "POST", path: "/messages", id: "sendMessage", tag: ofMessages, summary: "Send a message",
			description: "As the action `send`; `conversationId` is required here.",
			parameters:  []parameter{idempotencyKey("the answer with `duplicate`, and of another body a `conflict`; it is the `clientMessageId`")},
			body:        reflect.TypeFor[protocol.MessageInput](),
			bodies:      map[string]any{"of a user": questionInput(), "of an agent": answerInput(), "with a photo": photoInput(), "spoken": spoken},
			answers: []answerOf{
				{status: 201, description: "The message is durable.", body: reflect.TypeFor[protocol.Sent](), example: sentExample(), created: true},
				{status: 200, description: "It had been stored before.", body: reflect.TypeFor[protocol.Sent](), example: sentAgain(), created: true},
			},
			codes: []chat.Code{chat.NotFound, chat.Conflict, chat.ConversationClosed},
		}, {
			method: "GET", path: "/messages", id: "listMessages", tag: ofMessages, summary: "Read the log of a conversation",
			description: "Ascending by `seq`: what follows `afterSeq`, or the newest, of those before `beforeSeq`; with `threadId` of one thread alone; or those around `aroundSeq`; or with `changedAfter` the messages that changed since, in the order of their last change. A page of long messages may have fewer than `limit` and still more after it.",
			parameters:  append(logParameters(), getHeaders...),
			answers: []answerOf{{status: 200, description: "A page.", body: reflect.TypeFor[protocol.MessagePage](), example: protocol.MessagePage{
				Data: []protocol.Message{protocol.MessageOf(question), protocol.MessageOf(answer)}, Pagination: protocol.PageCursor{Limit: 50},
			}}, notModified},
			codes: []chat.Code{chat.NotFound},
		}, {
			method: "GET", path: "/search", id: "search", tag: ofMessages, summary: "Find messages by what they say",
			description: "The newest first, in one conversation or in the 200 of the caller that were active last. The messages are read when it is asked: what was edited or deleted is not shown, and a page may have fewer than `limit` and still more after it.",
			parameters:  searchParameters(),
			answers:     []answerOf{{status: 200, description: "A page.", body: reflect.TypeFor[protocol.SearchPage](), example: searchExample()}},
			codes:       []chat.Code{chat.NotFound},
		}, {
			method: "GET", path: "/messages/{id}", id: "getMessage", tag: ofMessages, summary: "Read a message, whole",
			description: "One that was deleted does not exist.",
			parameters:  append([]parameter{theMessage}, getHeaders...),
			answers:     []answerOf{{status: 200, description: "The message.", body: reflect.TypeFor[protocol.Message](), example: protocol.MessageOf(question)}, notModified},
			codes:       []chat.Code{chat.NotFound},
		}, {
			method: "DELETE", path: "/messages/{id}", id: "deleteMessage", tag: ofMessages, summary: "Delete a message",
			description: "The author's to do, and of what users and agents say the conversation's creator's. Its content and reactions go, also from the summary; its `seq` stays. Members are told by `message:deleted`. It may be repeated.",
			parameters:  []parameter{theMessage},
			answers:     []answerOf{gone},
			codes:       []chat.Code{chat.Forbidden, chat.NotFound},
		}, {
			method: "GET", path: "/agents/{id}/backlog", id: "getBacklog", tag: "Agents", summary: "Read what an agent has not answered",
			description: "What users said, the oldest conversation first. Only the agent itself may.",
			parameters:  append(append([]parameter{pathParameter("id", reflect.TypeFor[chat.PrincipalID](), "The agent, who asks.", string(agent.ID))}, backlogParameters()...), getHeaders...),
			answers: []answerOf{{status: 200, description: "A page.", body: reflect.TypeFor[protocol.BacklogPage](), example: protocol.BacklogPage{
				Data: []protocol.Message{protocol.MessageOf(question)}, Pagination: protocol.BacklogCursor{Limit: 50},
			}}, notModified},
			codes: []chat.Code{chat.Forbidden},
		}, {
			method: "GET", path: "/presence", id: "getPresence", tag: "Presence", summary: "See who is online",
			description: "Each participant of a conversation.",
			parameters:  append([]parameter{query("conversationId", of(reflect.TypeFor[chat.ConversationID]()), "The conversation.", string(conversation.ID)).must()}, getHeaders...),
			answers: []answerOf{{status: 200, description: "Who is online now.", body: reflect.TypeFor[protocol.PresencePage](), example: protocol.PresencePage{
				ConversationID: conversation.ID, Data: []protocol.Presence{protocol.PresenceNow(user, true), protocol.PresenceNow(agent, false)},
			}}, notModified},
			codes: []chat.Code{chat.NotFound},
		}, {
			method: "GET", path: "/health", id: "getHealth", tag: "Health", summary: "See whether the databases answer", public: true,
			description: "It takes a second at most. Why a database is down is told to operators: with `deep`, and a token with the role `chat:operator`.",
			parameters:  []parameter{query("deep", yesOrNo, "Whether to tell why; with a token.", true)},
			answers: []answerOf{
				{status: 200, description: "Both answer, be it slowly.", body: reflect.TypeFor[health.Report](), example: healthy()},
				{status: 503, description: "One of them does not.", body: reflect.TypeFor[health.Report](), example: unhealthy()},
			},
			codes: []chat.Code{chat.ValidationFailed, chat.Unauthorized, chat.TokenExpired, chat.Forbidden},
		},
	}, slices.Concat(markRoutes(), exportRoutes(), uploadRoutes(), callRoutes(), changeRoutes(), streamRoutes(), agentRoutes(), webhookRoutes())...)
}

func sentAgain() protocol.Sent {
	sent := sentExample()
	sent.Duplicate = true
	return sent
}

func healthy() health.Report {
	return health.Report{Status: "ok", MongoDB: health.Component{Status: "ok", LatencyMs: 1.204}, Redis: health.Component{Status: "ok", LatencyMs: 0.311}}
}

func unhealthy() health.Report {
	return health.Report{Status: "unavailable", MongoDB: health.Component{Status: "ok", LatencyMs: 1.204}, Redis: health.Component{Status: "unavailable", LatencyMs: 900.112}}
}
