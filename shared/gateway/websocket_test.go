package gateway_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-lambda-go/events"

	"aiwm-chat/shared/chat"
	"aiwm-chat/shared/delivery"
	"aiwm-chat/shared/gateway"
	"aiwm-chat/shared/protocol"
)

var caller = chat.Connection{
	ID:        "R1kmxc2VNjMCFIA=",
	Principal: chat.Principal{Type: chat.User, ID: "u1", OrgID: "acme"},
	ExpiresAt: time.Unix(4102444800, 0),
}

func TestActionReachesItsHandler(t *testing.T) {
	log, to := logged(t), &connections{}
	h := gateway.Frames(to, gateway.Decoded(func(ctx context.Context, f *gateway.ClientFrame, in protocol.Send) error {
		if f.Connection != caller || f.FrameID != "f1" || in.ConversationID != "c1" || in.Content != secretWords {
			t.Errorf("the handler got %+v, %+v", f, in)
		}
		f.Reply(ctx, protocol.EventMessageSent, protocol.Sent{Seq: 7})
		return nil
	}))
	response, err := invoke[events.APIGatewayProxyResponse](t, t.Context(), h, event(t, "message", nil))
	if err != nil || response.StatusCode != http.StatusOK || response.Body != "" {
		t.Errorf("got %+v, %v", response, err)
	}
	if len(to.frames) != 1 || to.frames[0].To != caller.ID || to.frames[0].ID != "f1" || to.frames[0].Event != "message:sent" || to.frames[0].Data["seq"] != 7.0 {
		t.Errorf("the caller got %+v", to.frames)
	}
	if l := line(t, log); l["route"] != "send" || l["connection"] != string(caller.ID) || l["principal"] != "user:u1" || l["level"] != "INFO" || l["code"] != nil {
		t.Errorf("logged %v", l)
	}
}

// Every error is one reply with the frame's id, and no function error: API
// Gateway would send a frame of its own.
func TestErrorsAreReplies(t *testing.T) {
	const valid = `{"action":"send","id":"f1","conversationId":"c1","content":"the secret words"}`
	secret := errors.New(secretWords + " " + secretToken)
	tests := []struct {
		name  string
		body  string
		err   error
		code  chat.Code
		id    string
		level string
	}{
		{"a refusal", valid, chat.Errorf(chat.NotFound, "no"), chat.NotFound, "f1", "INFO"},
		{"a wrapped refusal", valid, errors.Join(errors.New("step"), chat.Invalid("x", "y")), chat.ValidationFailed, "f1", "INFO"},
		{"out of reach", valid, chat.Unavailablef(errors.New("no route to host"), "try again"), chat.Unavailable, "f1", "ERROR"},
		{"an unknown error", valid, errors.New("no route to host"), chat.Internal, "f1", "ERROR"},
		{"a deadline", valid, context.DeadlineExceeded, chat.Unavailable, "f1", "ERROR"},
		{"no JSON", `{"action":"send","id":"f1"`, secret, chat.BadRequest, "", "INFO"},
		{"no object", `["send"]`, secret, chat.BadRequest, "", "INFO"},
		{"nothing", ``, secret, chat.BadRequest, "", "INFO"},
		{"an unknown member", `{"action":"send","id":"f1","seq":3}`, secret, chat.ValidationFailed, "f1", "INFO"},
		{"a member twice", `{"action":"send","id":"f1","content":"a","content":"b"}`, secret, chat.BadRequest, "f1", "INFO"},
		{"a wrong type", `{"action":"send","id":"f1","content":{"$ne":""}}`, secret, chat.ValidationFailed, "f1", "INFO"},
		{"an id that is no string", `{"action":"send","id":7}`, secret, chat.ValidationFailed, "", "INFO"},
		{"an id that is too long", `{"action":"send","id":"` + strings.Repeat("é", 65) + `"}`, secret, chat.ValidationFailed, "", "INFO"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			log, to := logged(t), &connections{}
			h := gateway.Frames(to, gateway.Decoded(func(context.Context, *gateway.ClientFrame, protocol.Send) error { return tt.err }))
			response, err := invoke[events.APIGatewayProxyResponse](t, t.Context(), h, event(t, "message", fields{"body": tt.body}))
			if err != nil || response.StatusCode != http.StatusOK {
				t.Errorf("got %+v, %v", response, err)
			}
			if len(to.frames) != 1 || to.frames[0].Error == nil {
				t.Fatalf("the caller got %+v", to.frames)
			}
			f := to.frames[0]
			if f.Event != "error" || f.Error.Code != tt.code || f.ID != tt.id || f.Error.Retryable != (tt.code == chat.Unavailable) {
				t.Errorf("the caller got %+v %+v", f, f.Error)
			}
			if strings.Contains(f.Error.Message, "no route to host") {
				t.Errorf("the caller learns the cause: %s", f.Error.Message)
			}
			if len(to.closed) != 0 {
				t.Error("the connection was closed")
			}
			if l := line(t, log); l["level"] != tt.level || l["code"] != string(tt.code) {
				t.Errorf("logged %v", l)
			}
		})
	}
}

// A reply that does not arrive is answered by no other, and is a failure in the
// log; but of a client that is gone nothing is wrong with us.
func TestLostReply(t *testing.T) {
	failed := errors.New("throttled")
	gone := fmt.Errorf("post: %w", delivery.ErrGone)
	tests := []struct {
		name        string
		post        error
		err         error // of the handler
		level, code string
	}{
		{"it arrives", nil, nil, "INFO", ""},
		{"it fails", failed, nil, "ERROR", "unavailable"},
		{"the client is gone", gone, nil, "INFO", ""},
		{"a refusal fails", failed, chat.Errorf(chat.NotFound, "no"), "INFO", "not_found"},
		{"a refusal to nobody", gone, chat.Errorf(chat.NotFound, "no"), "INFO", "not_found"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			log, to := logged(t), &connections{err: tt.post}
			h := gateway.Frames(to, gateway.Decoded(func(ctx context.Context, f *gateway.ClientFrame, _ protocol.Send) error {
				if tt.err == nil {
					f.Reply(ctx, protocol.EventPong, protocol.Pong{})
				}
				return tt.err
			}))
			if _, err := invoke[events.APIGatewayProxyResponse](t, t.Context(), h, event(t, "message", nil)); err != nil || len(to.frames) != 1 {
				t.Errorf("got %v after %d posts", err, len(to.frames))
			}
			lines := strings.SplitAfter(strings.TrimSpace(log.String()), "\n")
			l := line(t, bytes.NewBufferString(lines[len(lines)-1])) // before it, a warning of the post
			if code, _ := l["code"].(string); l["msg"] != "event" || l["level"] != tt.level || code != tt.code {
				t.Errorf("logged %v", l)
			}
		})
	}
}

// A lost frame of several is enough: what follows may arrive.
func TestLostFrame(t *testing.T) {
	log, to := logged(t), &connections{err: errors.New("throttled")}
	h := gateway.Frames(to, func(ctx context.Context, f *gateway.ClientFrame, _ []byte) error {
		f.Reply(ctx, protocol.EventJoined, nil)
		to.err = nil
		f.Reply(ctx, protocol.EventHistory, nil)
		return nil
	})
	if _, err := invoke[events.APIGatewayProxyResponse](t, t.Context(), h, event(t, "message", nil)); err != nil || len(to.frames) != 2 {
		t.Errorf("got %v after %d posts", err, len(to.frames))
	}
	if !strings.Contains(log.String(), `"code":"unavailable"`) {
		t.Errorf("logged %s", log)
	}
}

// What a handler decided in its last moment is still said: its time is up, the
// function's is not.
func TestReplyInTheFunctionsTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log, to := logged(t), &connections{}
		h := gateway.Frames(to, func(ctx context.Context, f *gateway.ClientFrame, _ []byte) error {
			<-ctx.Done()
			f.Reply(ctx, protocol.EventPong, protocol.Pong{})
			return nil
		})
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
		defer cancel()
		if _, err := invoke[events.APIGatewayProxyResponse](t, ctx, h, event(t, "message", nil)); err != nil {
			t.Fatal(err)
		}
		if len(to.frames) != 1 || to.frames[0].Event != "pong" || ctx.Err() != nil {
			t.Errorf("the caller got %+v", to.frames)
		}
		if l := line(t, log); l["level"] != "INFO" {
			t.Errorf("logged %v", l)
		}
	})
}

// The dialect that authorize put into the context is the connection's, in every
// event of it.
func TestDialect(t *testing.T) {
	lean := caller
	lean.Dialect = chat.Lean
	for _, want := range []chat.Connection{caller, lean} {
		changes := fields{}
		for key, value := range gateway.AuthorizerContext(want.Principal, want.ExpiresAt, want.Dialect) {
			changes["requestContext/authorizer/"+key] = value
		}
		called := 0
		is := func(_ context.Context, c chat.Connection) error {
			if called++; c != want {
				t.Errorf("got %+v, want %+v", c, want)
			}
			return nil
		}
		for file, h := range map[string]gateway.WebSocketHandler{
			"connect": gateway.Connect(is), "disconnect": gateway.Disconnect(is),
			"message": gateway.Frames(&connections{}, gateway.Decoded(func(ctx context.Context, f *gateway.ClientFrame, _ protocol.Send) error { return is(ctx, f.Connection) })),
		} {
			if _, err := invoke[events.APIGatewayProxyResponse](t, t.Context(), h, event(t, file, changes)); err != nil {
				t.Errorf("%s: %v", file, err)
			}
		}
		if called != 3 {
			t.Errorf("%d handlers were called", called)
		}
	}
}

func TestExpiredTokenCannotAct(t *testing.T) {
	log, to := logged(t), &connections{}
	h := gateway.Frames(to, func(context.Context, *gateway.ClientFrame, []byte) error {
		t.Error("the handler was called")
		return nil
	})
	expired := event(t, "message", fields{"requestContext/authorizer/exp": "1705751697"})
	if _, err := invoke[events.APIGatewayProxyResponse](t, t.Context(), h, expired); err != nil {
		t.Fatal(err)
	}
	if len(to.frames) != 1 || to.frames[0].Error == nil || to.frames[0].Error.Code != chat.TokenExpired || to.frames[0].ID != "f1" {
		t.Errorf("the caller got %+v", to.frames)
	}
	if len(to.closed) != 1 || to.closed[0] != caller.ID {
		t.Errorf("closed %v", to.closed)
	}
	if l := line(t, log); l["code"] != "token_expired" || l["level"] != "INFO" {
		t.Errorf("logged %v", l)
	}
}

// Who is refused because it is one too many does not stay.
func TestOneTooManyIsClosed(t *testing.T) {
	logged(t)
	to := &connections{}
	h := gateway.Frames(to, func(context.Context, *gateway.ClientFrame, []byte) error { return chat.ErrOneTooMany })
	if _, err := invoke[events.APIGatewayProxyResponse](t, t.Context(), h, event(t, "message", nil)); err != nil {
		t.Fatal(err)
	}
	if len(to.frames) != 1 || to.frames[0].Error == nil || to.frames[0].Error.Code != chat.TooManyConnections || len(to.closed) != 1 {
		t.Errorf("the caller got %+v, closed %v", to.frames, to.closed)
	}
}

// While the WebSocket side is switched off nobody gets in, and who is there is
// told so and does not stay.
func TestSwitchedOff(t *testing.T) {
	logged(t)
	to, called := &connections{}, 0
	frame := func(context.Context, *gateway.ClientFrame, []byte) error { called++; return nil }
	connect := func(context.Context, chat.Connection) error { called++; return nil }
	if _, err := invoke[events.APIGatewayProxyResponse](t, t.Context(), gateway.Frames(to, gateway.WhileOn(true, frame)), event(t, "message", nil)); err != nil {
		t.Fatal(err)
	}
	if len(to.frames) != 1 || to.frames[0].Error == nil || to.frames[0].Error.Code != chat.SwitchedOff || to.frames[0].Error.Retryable || len(to.closed) != 1 {
		t.Errorf("the caller got %+v, closed %v", to.frames, to.closed)
	}
	refused, err := invoke[events.APIGatewayProxyResponse](t, t.Context(), gateway.Connect(gateway.ConnectWhileOn(true, connect)), event(t, "connect", nil))
	if err != nil || refused.StatusCode != 503 || called != 0 {
		t.Errorf("a handshake is answered with %d, %v; %d handlers were called", refused.StatusCode, err, called)
	}
	let, err := invoke[events.APIGatewayProxyResponse](t, t.Context(), gateway.Connect(gateway.ConnectWhileOn(false, connect)), event(t, "connect", nil))
	if err != nil || let.StatusCode != 200 || called != 1 {
		t.Errorf("switched on, a handshake is answered with %d, %v", let.StatusCode, err)
	}
}

func TestPanicIsInternal(t *testing.T) {
	log, to := logged(t), &connections{}
	panics := true
	h := gateway.Frames(to, func(context.Context, *gateway.ClientFrame, []byte) error {
		if panics {
			panic("index out of range")
		}
		return nil
	})
	if _, err := invoke[events.APIGatewayProxyResponse](t, t.Context(), h, event(t, "message", nil)); err != nil {
		t.Fatal(err)
	}
	if len(to.frames) != 1 || to.frames[0].Error == nil || to.frames[0].Error.Code != chat.Internal {
		t.Fatalf("the caller got %+v", to.frames)
	}
	if m := to.frames[0].Error.Message; strings.Contains(m, "index") || strings.Contains(m, "goroutine") {
		t.Errorf("the caller learns: %s", m)
	}
	if l := line(t, log); l["level"] != "ERROR" || !strings.Contains(l["err"].(string), "index out of range") || !strings.Contains(l["err"].(string), "websocket_test.go") {
		t.Errorf("the log does not say where: %v", l)
	}
	log.Reset()
	panics = false // the process goes on
	if _, err := invoke[events.APIGatewayProxyResponse](t, t.Context(), h, event(t, "message", nil)); err != nil || len(to.frames) != 1 || line(t, log)["code"] != nil {
		t.Errorf("the next frame got %v, %+v", err, to.frames)
	}
}

// Of a function's time a second is kept to say that it was not enough.
func TestDeadline(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		to := &connections{}
		h := gateway.Frames(to, func(ctx context.Context, _ *gateway.ClientFrame, _ []byte) error {
			<-ctx.Done()
			return ctx.Err()
		})
		start := time.Now()
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
		defer cancel()
		if _, err := invoke[events.APIGatewayProxyResponse](t, ctx, h, event(t, "message", nil)); err != nil {
			t.Fatal(err)
		}
		if took := time.Since(start); took != 19*time.Second {
			t.Errorf("the handler had %v", took)
		}
		if len(to.frames) != 1 || to.frames[0].Error == nil || to.frames[0].Error.Code != chat.Unavailable || !to.frames[0].Error.Retryable {
			t.Errorf("the caller got %+v", to.frames)
		}
	})
}

// An API without the authorizer is ours to repair: nothing may run, and no
// client is told anything.
func TestNoPrincipal(t *testing.T) {
	changes := map[string]fields{
		"no authorizer":   {"requestContext/authorizer": nil},
		"another one":     {"requestContext/authorizer": "allowed"},
		"no type":         {"requestContext/authorizer/type": nil},
		"a wrong type":    {"requestContext/authorizer/type": "robot"},
		"no id":           {"requestContext/authorizer/id": nil},
		"an id to escape": {"requestContext/authorizer/id": "{u1}"},
		"no organisation": {"requestContext/authorizer/orgId": ""},
		"no expiry":       {"requestContext/authorizer/exp": nil},
		"a wrong expiry":  {"requestContext/authorizer/exp": "soon"},
		"a number":        {"requestContext/authorizer/exp": 4102444800},
	}
	to := &connections{}
	called := func(context.Context, chat.Connection) error { t.Error("the handler was called"); return nil }
	handlers := map[string]gateway.WebSocketHandler{
		"connect": gateway.Connect(called), "disconnect": gateway.Disconnect(called),
		"message": gateway.Frames(to, func(ctx context.Context, f *gateway.ClientFrame, _ []byte) error { return called(ctx, f.Connection) }),
	}
	for name, change := range changes {
		for file, h := range handlers {
			t.Run(name+"/"+file, func(t *testing.T) {
				log := logged(t)
				if response, err := invoke[events.APIGatewayProxyResponse](t, t.Context(), h, event(t, file, change)); err == nil {
					t.Errorf("got %+v", response)
				}
				if l := line(t, log); l["level"] != "ERROR" {
					t.Errorf("logged %v", l)
				}
			})
		}
	}
	if len(to.frames) != 0 {
		t.Errorf("posted %+v", to.frames)
	}
}

func TestConnect(t *testing.T) {
	tests := []struct {
		name  string
		err   error
		offer []any // the values of Sec-WebSocket-Protocol
		want  int
		echo  string
	}{
		{"a browser", nil, []any{"bearer, " + secretToken}, 200, "bearer"},
		{"without spaces", nil, []any{"bearer," + secretToken}, 200, "bearer"},
		{"another first", nil, []any{"chat, bearer, " + secretToken}, 200, "bearer"},
		{"two headers", nil, []any{"bearer", secretToken}, 200, "bearer"},
		{"in lean", nil, []any{"aiwm.v2, bearer, " + secretToken}, 200, "bearer"},
		{"lean after it", nil, []any{"bearer, " + secretToken, "aiwm.v2"}, 200, "bearer"},
		{"lean alone", nil, []any{"aiwm.v2"}, 200, ""},
		{"another subprotocol", nil, []any{"chat"}, 200, ""},
		{"much like it", nil, []any{"bearers, Bearer"}, 200, ""},
		{"none", nil, nil, 200, ""},
		{"refused", chat.Errorf(chat.Forbidden, "no"), []any{"bearer, " + secretToken}, 403, ""},
		{"too many", chat.LimitedFor(time.Second), nil, 429, ""},
		{"connected too often", chat.Errorf(chat.TooManyConnections, "no"), []any{"bearer, " + secretToken}, 429, ""},
		{"not now", chat.Unavailablef(errors.New("redis"), "try again"), nil, 503, ""},
		{"broken", errors.New("redis"), nil, 500, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			log := logged(t)
			h := gateway.Connect(func(_ context.Context, c chat.Connection) error {
				if c != caller {
					t.Errorf("got %+v", c)
				}
				return tt.err
			})
			change := fields{"headers/Sec-WebSocket-Protocol": nil, "multiValueHeaders/Sec-WebSocket-Protocol": nil}
			if n := len(tt.offer); n > 0 {
				change = fields{"headers/Sec-WebSocket-Protocol": tt.offer[n-1], "multiValueHeaders/Sec-WebSocket-Protocol": tt.offer}
			}
			response, err := invoke[events.APIGatewayProxyResponse](t, t.Context(), h, event(t, "connect", change))
			if err != nil || response.StatusCode != tt.want || response.Headers["Sec-WebSocket-Protocol"] != tt.echo || response.Body != "" {
				t.Errorf("got %+v, %v", response, err)
			}
			line(t, log)
		})
	}
	h := gateway.Connect(func(context.Context, chat.Connection) error { panic("!") })
	if response, err := invoke[events.APIGatewayProxyResponse](t, t.Context(), h, event(t, "connect", nil)); err != nil || response.StatusCode != 500 {
		t.Errorf("a panic got %+v, %v", response, err)
	}
}

func TestDisconnect(t *testing.T) {
	for _, failure := range []error{nil, errors.New("redis")} {
		log := logged(t)
		h := gateway.Disconnect(func(_ context.Context, c chat.Connection) error {
			if c != caller {
				t.Errorf("got %+v", c)
			}
			return failure
		})
		if _, err := invoke[events.APIGatewayProxyResponse](t, t.Context(), h, event(t, "disconnect", nil)); err != nil {
			t.Error(err)
		}
		if l := line(t, log); l["closeCode"] != 1005.0 || (l["level"] == "ERROR") != (failure != nil) {
			t.Errorf("logged %v", l)
		}
	}
}
