package cold

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"time"

	"aiwm-chat/local/client"
	"aiwm-chat/local/command"
	"aiwm-chat/local/server"
	"aiwm-chat/shared/gateway"
	"aiwm-chat/shared/protocol"
)

// A world is a server with a user who is connected and in a conversation: what
// events are about.
type world struct {
	client       *client.Client
	connection   string
	conversation string
	token        string
	n            int // messages
}

func enter(ctx context.Context, s *server.Server) (w *world, err error) {
	token, err := s.Token(command.DemoUser, time.Hour)
	if err != nil {
		return nil, err
	}
	w = &world{token: token}
	rest := client.NewREST(s.URL(), token)
	defer rest.Close()
	var c protocol.Conversation
	if err := rest.Do(ctx, http.MethodPost, "/conversations", map[string]any{"title": "Cold", "agentId": command.DemoAgent.ID}, &c); err != nil {
		return nil, err
	}
	w.conversation = string(c.ID)
	if w.client, err = client.Dial(ctx, s.WebSocketURL(), token); err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			w.client.Close()
		}
	}()
	f, err := w.client.Next(ctx, protocol.EventConnected)
	if err != nil {
		return nil, err
	}
	greeting, err := client.Data[struct {
		ConnectionID string `json:"connectionId"`
	}](f)
	if err != nil {
		return nil, err
	}
	w.connection = greeting.ConnectionID
	_, err = w.client.Request(ctx, protocol.ActionJoin, map[string]any{"conversationId": w.conversation})
	return w, err
}

// frame is the event of a frame on a route.
func (w *world) frame(action string, fields map[string]any) func() []byte {
	return func() []byte {
		w.n++
		body := map[string]any{"action": action, "id": fmt.Sprint(w.n)}
		for k, v := range fields {
			body[k] = v
		}
		return encode(map[string]any{
			"body": string(encode(body)), "isBase64Encoded": false,
			"requestContext": map[string]any{
				"routeKey": action, "eventType": "MESSAGE", "connectionId": w.connection, "messageId": fmt.Sprintf("cold-%d-%d", time.Now().UnixNano(), w.n),
				"requestId": fmt.Sprint(w.n), "stage": "local", "requestTimeEpoch": time.Now().UnixMilli(),
				"authorizer": gateway.AuthorizerContext(command.DemoUser, time.Now().Add(time.Hour), ""),
			},
		})
	}
}

// request is the event of a request over REST.
func (w *world) request(method, path, query string) func() []byte {
	return func() []byte {
		return encode(map[string]any{
			"version": "2.0", "routeKey": method + " " + path, "rawPath": path, "rawQueryString": query,
			"headers":        map[string]string{"authorization": "Bearer " + w.token},
			"requestContext": map[string]any{"requestId": "cold", "http": map[string]any{"method": method, "path": path}},
		})
	}
}

// opening is what the authorizer is asked before a connection is there.
func (w *world) opening() []byte {
	return encode(map[string]any{
		"type": "REQUEST", "methodArn": "arn:aws:execute-api:eu-central-1:000000000000:cold/local/$connect",
		"multiValueHeaders": map[string][]string{"Sec-WebSocket-Protocol": {"bearer, " + w.token}},
		"requestContext":    map[string]any{"requestId": "cold", "eventType": "CONNECT", "routeKey": "$connect", "connectionId": w.connection},
	})
}

func encode(v any) []byte {
	b, err := json.Marshal(v)
	if err != nil {
		panic(err) // maps of texts and numbers
	}
	return b
}

// subjects are the functions that people wait for, and the least there is. Those that
// work once for a connection, or for a job of a queue, are not among them: the second
// time there would be nothing to do.
func (w *world) subjects(s *server.Server) ([]subject, error) {
	env, err := s.Environment()
	if err != nil {
		return nil, err
	}
	in := map[string]any{"conversationId": w.conversation}
	all := []subject{{name: hello, event: func() []byte { return []byte("{}") }}}
	for _, f := range []struct {
		function string
		event    func() []byte
	}{
		{"AuthorizeFunction", w.opening},
		{"HealthFunction", w.request(http.MethodGet, "/health", "")},
		{"TypingFunction", w.frame("typing", map[string]any{"conversationId": w.conversation, "state": "start"})},
		{"DefaultFunction", w.frame("ping", nil)},
		{"JoinFunction", w.frame("join", in)},
		{"SendFunction", w.frame("send", map[string]any{"conversationId": w.conversation, "content": "How long did that take?"})},
		{"ConversationsFunction", w.request(http.MethodGet, "/conversations", "limit=10")},
		{"MessagesFunction", w.request(http.MethodGet, "/messages", "conversationId="+w.conversation)},
		{"SweepFunction", func() []byte { return []byte(`{"source": "aws.events"}`) }},
	} {
		all = append(all, subject{name: f.function, env: env[f.function], event: f.event})
	}
	return all, nil
}

const hello = "HelloWorld"
