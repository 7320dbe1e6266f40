package contract

import (
	"slices"

	"github.com/google/jsonschema-go/jsonschema"

	"aiwm-chat/shared/chat"
	"aiwm-chat/shared/protocol"
)

var maxContentFrame = chat.MaxContentFrame

type asyncAPI struct {
	AsyncAPI           string                    `json:"asyncapi"`
	Info               info                      `json:"info"`
	DefaultContentType string                    `json:"defaultContentType"`
	Servers            map[string]any            `json:"servers"`
	Channels           map[string]any            `json:"channels"`
	Operations         map[string]asyncOperation `json:"operations"`
	Components         map[string]any            `json:"components"`
}

type asyncOperation struct {
	Action      string              `json:"action"` // AsyncAPI's: what the server does
	Channel     map[string]string   `json:"channel"`
	Title       string              `json:"title"`
	Summary     string              `json:"summary"`
	Description string              `json:"description"`
	Messages    []map[string]string `json:"messages"`
	Reply       *asyncReply         `json:"reply,omitempty"`
	ErrorCodes  []errorCode         `json:"x-error-codes,omitempty"`
}

type asyncReply struct {
	Channel  map[string]string   `json:"channel"`
	Messages []map[string]string `json:"messages"`
}

const socketText = "Frames are JSON texts, at most 32 KB in and 30,000 bytes out: what does not fit arrives cut, with `truncated`, and REST has it whole. " +
	"A client sends flat objects with an `action`, in which no member is unknown or given twice. Each is answered once, typing excepted, by a frame that repeats its `id`. " +
	"Frames of one connection are handled concurrently, may overtake each other and may come twice: drop what you have by `seq`, and fill a gap by `join` with `afterSeq`. " +
	"Send a `ping` at least every 9 minutes; every connection ends after 2 hours. " +
	"There are two dialects: `aiwm`, which is the default, and `lean`, which has one frame for each connection and message; each event says in `x-dialects` where it is so. " +
	"Frames grow: ignore members, events and codes that you do not know."

const handshakeText = "The handshake is refused with HTTP 401 without a valid token, 429 where an agent has too many connections, 503 where it may be tried again. " +
	"After `token_expired` and `too_many_connections` the server ends the connection; a frame over 32 KB ends it with code 1009, what is not text with 1003, and 1001 says that it is time to connect again."

func (b *builder) asyncAPI(host, protocolName, stage string) asyncAPI {
	messages, inChannel := map[string]any{}, map[string]any{}
	add := func(key string, m message) {
		messages[key], inChannel[key] = m, map[string]string{"$ref": "#/components/messages/" + key}
	}
	operations := map[string]asyncOperation{}
	keysOf := map[string][]string{} // of an event
	var told []string
	all := events()
	for _, e := range all {
		key, m := b.eventMessage(e)
		add(key, m)
		keysOf[e.name] = append(keysOf[e.name], key)
		told = append(told, key)
	}
	names, actionOf := aiwmNames()
	for _, a := range actions() {
		var asks []string
		for _, one := range a.each() {
			asks = append(asks, one.key())
			add(one.key(), b.actionMessage(one))
		}
		for _, name := range names {
			if actionOf[name] == a.name {
				asks = append(asks, "aiwm."+key(name))
				add("aiwm."+key(name), b.aiwmMessage(name, a))
			}
		}
		operations[a.name] = b.operation(a, asks, keysOf)
	}
	add("gateway", b.gatewayFrame())
	operations["tell"] = asyncOperation{
		Action: "send", Channel: ref("#/channels/chat"), Title: "Tell", Summary: "Everything that a client is told",
		Description: "The answers to what it asked for, and what others do.", Messages: refs(append(told, "gateway")),
	}
	return asyncAPI{
		AsyncAPI: "3.0.0",
		Info: info{
			Title: "aiwm-chat WebSocket", Version: Version, Description: socketText, License: mit,
			Tags: []tag{{"action", "What a client asks for."}, {"aiwm name", "The same by the names of the AIWM clients."}, {"event", "What a client is told."}},
		},
		DefaultContentType: "application/json",
		Servers: map[string]any{"installation": map[string]any{
			"host": host, "protocol": protocolName, "description": "This installation.",
			"security": []any{ref("#/components/securitySchemes/subprotocol"), ref("#/components/securitySchemes/bearer"), ref("#/components/securitySchemes/query")},
		}},
		Channels: map[string]any{"chat": map[string]any{
			"address": "/{stage}", "title": "The connection", "description": handshakeText, "messages": inChannel,
			"servers": []any{ref("#/servers/installation")},
			"parameters": map[string]any{"stage": map[string]any{
				"description": "The stage of the API, or the key of a custom domain's mapping.", "default": stage, "examples": []string{"prod", "ws"},
			}},
			"bindings": map[string]any{"ws": handshake()},
		}},
		Operations: operations,
		Components: map[string]any{"messages": messages, "schemas": b.schemas, "securitySchemes": tokenSchemes},
	}
}

func ref(to string) map[string]string { return map[string]string{"$ref": to} }

func refs(keys []string) (all []map[string]string) {
	for _, key := range keys {
		all = append(all, ref("#/channels/chat/messages/"+key))
	}
	return all
}

func (b *builder) operation(a action, asks []string, keysOf map[string][]string) asyncOperation {
	codes := b.errorCodes(slices.Concat(alwaysFrame, a.codes))
	replies := keysOf[protocol.EventError]
	answered := "There is no answer but an error."
	if len(a.replies) > 0 {
		replies, answered = nil, "It is answered by"
		for i, name := range a.replies {
			replies = append(replies, keysOf[name]...)
			answered += map[bool]string{true: ", then", false: ""}[i > 0] + " `" + name + "`"
		}
		replies = append(replies, keysOf[protocol.EventError]...)
		answered += ", or by an error."
	}
	if a.answered != "" {
		answered = a.answered
	}
	return asyncOperation{
		Action: "receive", Channel: ref("#/channels/chat"), Title: a.frame.Name(), Summary: "Ask for `" + a.name + "`",
		Description: b.typeDoc(a.frame) + " " + answered, Messages: refs(asks),
		Reply: &asyncReply{ref("#/channels/chat"), refs(replies)}, ErrorCodes: codes,
	}
}

// gatewayFrame is the one frame that is not ours.
func (b *builder) gatewayFrame() message {
	const title = "GatewayFrame"
	member := func(description string) *jsonschema.Schema {
		return &jsonschema.Schema{Type: "string", Description: description}
	}
	b.schemas[title] = &jsonschema.Schema{
		Title: title, Type: "object", Required: []string{"message", "connectionId", "requestId"},
		Properties: map[string]*jsonschema.Schema{
			"message": member("What API Gateway says."), "connectionId": member("Its name for this connection."), "requestId": member("Its name for the frame that it could not deliver."),
		},
		Description: "API Gateway itself: the function failed, or was throttled.",
	}
	return message{
		Name: "gateway", Title: title, Summary: "What API Gateway itself says", Description: "The function failed or was throttled. It repeats no `id`: whoever waits for an answer takes it for theirs, and may send again.",
		ContentType: "application/json", Payload: &jsonschema.Schema{Ref: inComponents + title},
		Examples: examplesOf(map[string]any{"failed": map[string]string{"message": "Internal server error", "connectionId": string(connection.ID), "requestId": "ohEK7Hw1oAMFdwg="}}),
	}
}

// handshake is what a client may give with it.
func handshake() map[string]any {
	member := func(description string, values ...any) map[string]any {
		m := map[string]any{"type": "string", "description": description}
		if len(values) > 0 {
			m["enum"] = values
		}
		return m
	}
	return map[string]any{
		"method": "GET", "bindingVersion": "0.1.0",
		"query": map[string]any{"type": "object", "properties": map[string]any{
			"v":     member("2 asks for the dialect `lean`; anything else is `aiwm`."),
			"token": member("The token, where nothing else is possible: it ends up in logs."),
		}},
		"headers": map[string]any{"type": "object", "properties": map[string]any{
			"Authorization":          member("`Bearer` and the token, for clients that can set headers."),
			"Sec-WebSocket-Protocol": member("`bearer` and the token, for browsers; `aiwm.v2` beside them asks for the dialect `lean`. The server selects `bearer`."),
		}},
	}
}

var tokenSchemes = map[string]any{
	"subprotocol": map[string]string{"type": "httpApiKey", "in": "header", "name": "Sec-WebSocket-Protocol", "description": "The token beside the subprotocol `bearer`: the way for browsers."},
	"bearer":      map[string]string{"type": "http", "scheme": "bearer", "bearerFormat": "JWT", "description": "The token in `Authorization`, with the handshake."},
	"query":       map[string]string{"type": "httpApiKey", "in": "query", "name": "token", "description": "The token in the URL, where nothing else is possible: it ends up in logs."},
}
