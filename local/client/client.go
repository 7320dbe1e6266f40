// Package client is a small chat client: what the demo and the end-to-end
// tests speak with, and an example of how to write one. It knows a server by
// its URLs and itself by a token, and nothing of how either is made.
//
// A Client is one WebSocket connection; a REST is the other interface.
package client

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"

	"github.com/coder/websocket"
	"github.com/go-json-experiment/json"

	"aiwm-chat/shared/protocol"
)

const (
	// maxRead is the most bytes of one message that is read: API Gateway's
	// longest is 128 KB.
	maxRead = 128 << 10
	// maxKept is the most bytes of all frames that a Client keeps. It is for
	// conversations that somebody wants to look back on; a client that runs
	// for days would forget what it has handled.
	maxKept = 64 << 20
)

// A Client is one open connection. All methods may be called concurrently.
//
// It keeps every frame it receives, up to 64 MB in all, in the order in which
// they came. That is not the order in which things happened: API Gateway
// handles the frames of a connection concurrently and promises no order, so a
// message:new may overtake another, and may come twice. Sort by seq, drop the
// seq you have, and where one is missing join again with afterSeq.
type Client struct {
	conn   *websocket.Conn
	seen   []func(text []byte)
	nextID atomic.Int64
	done   chan struct{} // closed when the reader has ended

	mu       sync.Mutex
	frames   []Frame
	untaken  []int         // indices of frames that nobody has waited for yet
	received chan struct{} // closed, and replaced, with every frame and at the end
	err      error         // why the connection ended; set before the last close of received
}

// Dial opens a connection to a ws or wss URL. The token goes into the
// subprotocol, beside "bearer", which the server selects: the way that also
// works in browsers, and keeps the token out of URLs and their logs. A refused
// handshake is an *Error with the HTTP status. Each of seen is shown every frame as
// it came, before anybody waits for it; it must not keep the text.
func Dial(ctx context.Context, url, token string, seen ...func(text []byte)) (*Client, error) {
	conn, response, err := websocket.Dial(ctx, url, &websocket.DialOptions{
		HTTPClient:   &http.Client{Transport: &http.Transport{DisableKeepAlives: true}},
		Subprotocols: []string{"bearer", token},
	})
	if err != nil && response != nil && response.StatusCode != http.StatusSwitchingProtocols {
		return nil, fmt.Errorf("open a connection: %w", refusal(response))
	}
	if err != nil {
		return nil, fmt.Errorf("open a connection: %w", err)
	}
	conn.SetReadLimit(maxRead)
	c := &Client{conn: conn, seen: seen, done: make(chan struct{}), received: make(chan struct{})}
	go c.read()
	return c, nil
}

// read keeps frames until the connection ends.
func (c *Client) read() {
	defer close(c.done)
	defer c.conn.CloseNow() //nolint:errcheck // it is closed either way
	kept := 0
	for {
		_, text, err := c.conn.Read(context.Background()) // ended by Close
		if err == nil {
			if kept += len(text); kept > maxKept {
				err = fmt.Errorf("more than %d bytes received on one connection", maxKept)
			}
		}
		var frame Frame
		if err == nil {
			for _, show := range c.seen {
				show(text)
			}
			if frame, err = parseFrame(text); err != nil {
				err = fmt.Errorf("parse a frame: %w", err)
			}
		}
		c.keep(frame, err)
		if err != nil {
			return
		}
	}
}

// keep adds a frame, or notes the error that ended the connection.
func (c *Client) keep(f Frame, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if err != nil {
		c.err = err
	} else {
		c.untaken = append(c.untaken, len(c.frames))
		c.frames = append(c.frames, f)
	}
	close(c.received)
	c.received = make(chan struct{})
}

// Send sends a frame: raw JSON as []byte as it is, anything else as its JSON.
func (c *Client) Send(ctx context.Context, frame any) error {
	text, raw := frame.([]byte)
	if !raw {
		var err error
		if text, err = protocol.Marshal(frame); err != nil {
			return fmt.Errorf("encode a frame: %w", err)
		}
	}
	if err := c.conn.Write(ctx, websocket.MessageText, text); err != nil {
		return fmt.Errorf("send a frame: %w", err)
	}
	return nil
}

// Request sends an action with the members of fields, which is a struct or a
// map, and waits for the reply, which repeats its id. An error reply is an
// *Error. The history that follows the reply to join repeats the id as well:
// wait for it with Next.
func (c *Client) Request(ctx context.Context, action string, fields any) (Frame, error) {
	id := "r" + strconv.FormatInt(c.nextID.Add(1), 10)
	request, err := requestFrame(action, id, fields)
	if err != nil {
		return Frame{}, fmt.Errorf("encode %s: %w", action, err)
	}
	if err := c.Send(ctx, request); err != nil {
		return Frame{}, fmt.Errorf("%s: %w", action, err)
	}
	reply, err := c.Await(ctx, func(f Frame) bool {
		return f.ID == id && f.Event != protocol.EventHistory || f.gatewayError()
	})
	if err == nil {
		err = reply.Err()
	}
	if err != nil {
		return Frame{}, fmt.Errorf("%s: %w", action, err)
	}
	return reply, nil
}

func requestFrame(action, id string, fields any) ([]byte, error) {
	var object map[string]any
	text, err := protocol.Marshal(fields)
	if err == nil {
		err = json.Unmarshal(text, &object)
	}
	if err != nil {
		return nil, err
	}
	if object == nil {
		object = map[string]any{}
	}
	object["action"], object["id"] = action, id
	return protocol.Marshal(object)
}

// Next waits for the oldest frame of an event that no call has returned yet.
func (c *Client) Next(ctx context.Context, event string) (Frame, error) {
	f, err := c.Await(ctx, func(f Frame) bool { return f.Event == event })
	if err != nil {
		return Frame{}, fmt.Errorf("wait for %s: %w", event, err)
	}
	return f, nil
}

// Await waits for the oldest frame that match accepts and no call has returned
// yet. It fails when the connection ends before there is one.
func (c *Client) Await(ctx context.Context, match func(Frame) bool) (Frame, error) {
	for {
		f, found, more, err := c.take(match)
		if found || err != nil {
			return f, err
		}
		select {
		case <-more:
		case <-ctx.Done():
			return Frame{}, ctx.Err()
		}
	}
}

// take returns the oldest frame that match accepts, or what to wait for.
func (c *Client) take(match func(Frame) bool) (f Frame, found bool, more <-chan struct{}, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for i, at := range c.untaken {
		if match(c.frames[at]) {
			c.untaken = slices.Delete(c.untaken, i, i+1)
			return c.frames[at], true, nil, nil
		}
	}
	return Frame{}, false, c.received, c.err
}

// Frames returns every frame received so far, in the order in which they came.
func (c *Client) Frames() []Frame {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Clone(c.frames)
}

// Done is closed when the connection has ended, whoever ended it.
func (c *Client) Done() <-chan struct{} { return c.done }

// CloseCode returns the code with which the server ended the connection: 1001
// when it goes away, 1003 and 1009 for what it would not take. It is -1 while
// the connection is open and when it was lost, and says nothing after Close.
func (c *Client) CloseCode() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return int(websocket.CloseStatus(c.err))
}

// Close ends the connection normally and returns when nothing of it is left
// running; a server that does not answer is given five seconds.
func (c *Client) Close() {
	c.conn.Close(websocket.StatusNormalClosure, "") //nolint:errcheck // the reader notes how it ended
	<-c.done
}
