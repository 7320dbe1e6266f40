package client_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"

	"aiwm-chat/local/client"
	"aiwm-chat/shared/chat"
	"aiwm-chat/shared/protocol"
)

// answering is a server for one connection, which answers each frame of a stream with a
// reply, or with nothing.
func answering(t *testing.T, reply func(in protocol.Stream) string) (url string) {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		conn, err := websocket.Accept(w, r, &websocket.AcceptOptions{Subprotocols: []string{"bearer"}})
		if err != nil {
			return
		}
		defer conn.CloseNow()
		conn.SetReadLimit(128 << 10)
		for {
			_, text, err := conn.Read(r.Context())
			if err != nil {
				return
			}
			var in protocol.Stream
			if err := json.Unmarshal(text, &in); err != nil {
				t.Errorf("the client sent %s: %v", text, err)
			}
			if out := reply(in); out != "" && conn.Write(r.Context(), websocket.MessageText, []byte(out)) != nil {
				return
			}
		}
	}))
	t.Cleanup(server.Close)
	return "ws" + strings.TrimPrefix(server.URL, "http")
}

// forgetful is a server that has lost a stream when its first piece comes, and of which
// another connection has written some pieces when it is begun again.
func forgetful(t *testing.T, theirs int, appended chan<- protocol.Stream) (url string) {
	t.Helper()
	starts := 0
	return answering(t, func(in protocol.Stream) string {
		switch {
		case in.State == protocol.StreamStart && starts == 0:
			starts++
			return fmt.Sprintf(`{"event":"stream:started","id":%q,"data":{"next":{}}}`, in.ID)
		case in.State == protocol.StreamStart:
			starts++
			return fmt.Sprintf(`{"event":"stream:started","id":%q,"data":{"next":{"content":%d}}}`, in.ID, theirs)
		case starts == 1:
			return fmt.Sprintf(`{"event":"error","id":%q,"error":{"code":"not_found","message":"there is no such stream"}}`, in.ID)
		}
		appended <- in
		return ""
	})
}

// What was lost is begun again with all of it, after whatever another connection has
// written; what is too long for that is given up, as their pieces are cut otherwise.
func TestWriterBeginsAgain(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		text   string
		theirs int
		index  int // of the whole; -1: none
	}{
		"nobody else":             {"The sea", 0, 1},
		"another was shorter":     {"The sea", 1, 1},
		"another wrote more":      {"The sea", 5, 5},
		"another wrote, too long": {strings.Repeat("x", chat.MaxRepair), 5, -1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
			defer cancel()
			appended := make(chan protocol.Stream, 10)
			c, err := client.Dial(ctx, forgetful(t, tt.theirs, appended), token)
			if err != nil {
				t.Fatal(err)
			}
			defer c.Close()
			w, err := c.StartStream(ctx, "c", "s", "")
			if err != nil {
				t.Fatal(err)
			}
			if err := w.Write(protocol.PartContent, tt.text); err != nil {
				t.Fatal(err)
			}
			if tt.index < 0 {
				for err == nil && ctx.Err() == nil {
					time.Sleep(10 * time.Millisecond)
					err = w.Write(protocol.PartContent, ".")
				}
				if !errors.Is(err, client.ErrStreamEnded) || len(appended) > 0 {
					t.Errorf("%v, and %d more appends", err, len(appended))
				}
				return
			}
			select {
			case in := <-appended:
				if in.Index == nil || *in.Index != tt.index || !in.Whole || in.Text != tt.text {
					t.Errorf("sent %+v; want the whole as index %d", in, tt.index)
				}
			case <-ctx.Done():
				t.Error("nothing was sent again")
			}
		})
	}
}

// A server that loses a piece says from where on, once it keeps no more of what comes after:
// the writer sends that again, and the stream goes on.
func TestWriterSendsWhatIsMissing(t *testing.T) {
	t.Parallel()
	next, lost := 0, false
	url := answering(t, func(in protocol.Stream) string {
		switch {
		case in.State == protocol.StreamStart:
			return fmt.Sprintf(`{"event":"stream:started","id":%q,"data":{"next":{}}}`, in.ID)
		case in.State == protocol.StreamEnd && in.Pieces[protocol.PartContent] == next:
			return fmt.Sprintf(`{"event":"message:sent","id":%q,"data":{"seq":7}}`, in.ID)
		case in.State == protocol.StreamEnd, *in.Index > next:
			return fmt.Sprintf(`{"event":"error","id":%q,"error":{"code":"conflict","message":"pieces are missing","details":{"next":{"content":%d}}}}`, in.ID, next)
		case *in.Index == 1 && !lost:
			lost = true
		case *in.Index == next:
			next++
		}
		return ""
	})
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	c, err := client.Dial(ctx, url, token)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	w, err := c.StartStream(ctx, "c", "s", "")
	if err != nil {
		t.Fatal(err)
	}
	for range 6 {
		if err := w.Write(protocol.PartContent, strings.Repeat("x", 3*chat.MaxRepair/4)); err != nil {
			t.Fatal(err)
		}
		time.Sleep(300 * time.Millisecond) // each is a piece
	}
	if sent, err := w.End(ctx, protocol.MessageInput{}); err != nil || sent.Seq != 7 {
		t.Errorf("%+v, %v", sent, err)
	}
}

// The name of a part is longer than the id of a frame may be: what is refused of such a
// part is known all the same, and sent again.
func TestWriterOfALongPart(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	part := "tool:" + strings.Repeat("c", 64)
	appended := make(chan protocol.Stream, 10)
	refused := false
	c, err := client.Dial(ctx, answering(t, func(in protocol.Stream) string {
		switch {
		case in.State == protocol.StreamStart:
			return fmt.Sprintf(`{"event":"stream:started","id":%q,"data":{"next":{}}}`, in.ID)
		case len(in.ID) > protocol.MaxFrameID:
			t.Errorf("the id of the frame has %d characters: %s", len(in.ID), in.ID)
		case !refused && in.Part == part:
			refused = true
			return fmt.Sprintf(`{"event":"error","id":%q,"error":{"code":"unavailable","message":"try again","retryable":true}}`, in.ID)
		}
		appended <- in
		return ""
	}), token)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	w, err := c.StartStream(ctx, "c", "s", "")
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(w.Write(protocol.PartContent, "Looking"), w.Write(part, "the order")); err != nil {
		t.Fatal(err)
	}
	for {
		select {
		case in := <-appended:
			if in.Part == part {
				if in.Text != "the order" {
					t.Errorf("sent again is %q", in.Text)
				}
				return
			}
		case <-ctx.Done():
			t.Fatal("what was refused was not sent again")
		}
	}
}
