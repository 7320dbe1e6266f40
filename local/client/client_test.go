package client_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"
	"github.com/go-json-experiment/json"
	"go.uber.org/goleak"

	"aiwm-chat/local/client"
	"aiwm-chat/shared/chat"
	"aiwm-chat/shared/protocol"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// token is the only one that the stub takes.
const token = "a.b.c"

// answers are the stub's frames for each action; %s is the id of the request.
var answers = map[string][]string{
	"send": {
		`{"event":"typing:stop","data":{}}`,
		`{"event":"message:sent","id":"another","data":{"seq":1}}`,
		`{"event":"message:sent","id":%q,"data":{"seq":7,"clientMessageId":"c7"},"newer":true}`,
		`{"event":"message:new","data":{"seq":7}}`,
	},
	"join": {
		`{"event":"messages:history","id":%q,"data":{"messages":[]}}`,
		`{"event":"conversation:joined","id":%q,"data":{"lastSeq":0}}`,
	},
	"fail":    {`{"event":"error","id":%q,"error":{"code":"validation_failed","message":"some fields are not valid","retryable":true,"details":{"content":"is required"}}}`},
	"gateway": {`{"message": "Internal server error", "connectionId":"AAA=", "requestId":"BBB="}`},
	"garble":  {`{"event":`},
	"huge":    {`{"event":"` + strings.Repeat("x", 128<<10) + `"}`},
	"silence": {},
}

// stub speaks just enough of the protocol. An action it does not know ends the
// connection with 1001.
func stub(t *testing.T) string {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Sec-WebSocket-Protocol") != "bearer,"+token {
			w.WriteHeader(http.StatusUnauthorized)
			fmt.Fprint(w, `{"message":"Unauthorized"}`)
			return
		}
		conn, err := websocket.Accept(w, r, &websocket.AcceptOptions{Subprotocols: []string{"bearer"}})
		if err != nil {
			return
		}
		defer conn.CloseNow()
		for {
			_, text, err := conn.Read(r.Context())
			if err != nil {
				return
			}
			var in protocol.Envelope
			if err := json.Unmarshal(text, &in); err != nil {
				t.Errorf("the client sent %s: %v", text, err)
			}
			frames, known := answers[in.Action]
			if !known {
				conn.Close(websocket.StatusGoingAway, "")
				return
			}
			for _, f := range frames {
				if strings.Contains(f, "%q") {
					f = fmt.Sprintf(f, in.ID)
				}
				if conn.Write(r.Context(), websocket.MessageText, []byte(f)) != nil {
					return
				}
			}
		}
	}))
	t.Cleanup(server.Close)
	return "ws" + strings.TrimPrefix(server.URL, "http")
}

func dial(t *testing.T) (context.Context, *client.Client) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	t.Cleanup(cancel)
	c, err := client.Dial(ctx, stub(t), token)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return ctx, c
}

func TestRequestWaitsForItsOwnReply(t *testing.T) {
	ctx, c := dial(t)
	reply, err := c.Request(ctx, "send", protocol.MessageInput{ConversationID: "c1", Content: "hello"})
	if err != nil {
		t.Fatal(err)
	}
	sent, err := client.Data[protocol.Sent](reply)
	if err != nil {
		t.Fatal(err)
	}
	if sent.Seq != 7 || sent.ClientMessageID != "c7" {
		t.Errorf("got %+v, want the reply to this request", sent)
	}
	if _, err := c.Request(ctx, "join", map[string]any{"conversationId": "c1"}); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Next(ctx, "messages:history"); err != nil {
		t.Errorf("the history came before the reply and must not be taken for it: %v", err)
	}
	var events []string
	for _, f := range c.Frames() {
		events = append(events, f.Event)
	}
	const want = "typing:stop message:sent message:sent message:new messages:history conversation:joined"
	if got := strings.Join(events, " "); got != want {
		t.Errorf("recorded %s\nwant     %s", got, want)
	}
}

func TestNextReturnsEachFrameOnce(t *testing.T) {
	ctx, c := dial(t)
	if err := c.Send(ctx, []byte(`{"action":"send","id":"raw"}`)); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"another", "raw"} {
		f, err := c.Next(ctx, "message:sent")
		if err != nil {
			t.Fatal(err)
		}
		if f.ID != want {
			t.Errorf("got the reply to %s, want %s: the oldest first", f.ID, want)
		}
	}
	short, cancel := context.WithTimeout(ctx, 10*time.Millisecond)
	defer cancel()
	if f, err := c.Next(short, "message:sent"); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %+v and %v, want to wait in vain", f, err)
	}
}

func TestRequestFails(t *testing.T) {
	for action, want := range map[string]client.Error{
		"fail":    {Code: chat.ValidationFailed, Message: "some fields are not valid", Retryable: true},
		"gateway": {Message: "API Gateway: Internal server error"},
	} {
		ctx, c := dial(t)
		_, err := c.Request(ctx, action, nil)
		got, ok := errors.AsType[*client.Error](err)
		if !ok || got.Code != want.Code || got.Message != want.Message || got.Retryable != want.Retryable {
			t.Errorf("%s: got %v, want %v", action, err, &want)
		}
		if action == "fail" && got.Details["content"] != "is required" {
			t.Errorf("%s: got details %v", action, got.Details)
		}
	}
}

func TestConnectionEnds(t *testing.T) {
	for action, code := range map[string]int{"leave now": 1001, "garble": -1, "huge": -1} {
		ctx, c := dial(t)
		if _, err := c.Request(ctx, action, nil); err == nil {
			t.Errorf("%s: the request succeeded", action)
		}
		select {
		case <-c.Done():
		case <-ctx.Done():
			t.Fatalf("%s: the connection is still open", action)
		}
		if got := c.CloseCode(); got != code {
			t.Errorf("%s: closed with %d, want %d", action, got, code)
		}
		if _, err := c.Next(ctx, "pong"); err == nil {
			t.Errorf("%s: waiting on a connection that ended succeeded", action)
		}
	}
}

func TestCloseEndsThoseWhoWait(t *testing.T) {
	ctx, c := dial(t)
	failed := make(chan error)
	go func() {
		_, err := c.Request(ctx, "silence", nil)
		failed <- err
	}()
	c.Close()
	if err := <-failed; err == nil {
		t.Error("a request outlived its connection")
	}
}

func TestDialRefused(t *testing.T) {
	_, err := client.Dial(t.Context(), stub(t), "wrong")
	refused, ok := errors.AsType[*client.Error](err)
	if !ok || refused.Status != http.StatusUnauthorized {
		t.Errorf("got %v, want status 401", err)
	}
}
