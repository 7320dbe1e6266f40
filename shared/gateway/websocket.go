package gateway

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"time"

	"github.com/aws/aws-lambda-go/events"

	"aiwm-chat/shared/chat"
	"aiwm-chat/shared/delivery"
	"aiwm-chat/shared/observe"
	"aiwm-chat/shared/protocol"
)

// WebSocketHandler is what Lambda runs for a route of the WebSocket API.
type WebSocketHandler = func(context.Context, events.APIGatewayWebsocketProxyRequest) (events.APIGatewayProxyResponse, error)

// poster sends a frame to one connection, or ends it.
type poster interface {
	Post(ctx context.Context, to chat.Connection, frame []byte) error
	Close(ctx context.Context, c chat.Connection)
}

// A ClientFrame is one frame of a client and the way to answer it.
type ClientFrame struct {
	Connection chat.Connection
	FrameID    string // the client's own id of the frame, repeated in the reply
	MessageID  string // API Gateway's id of the frame: the same if the event comes twice
	Route      string // the key of the route that API Gateway chose
	poster     poster

	// whole is the function's own time. A handler has less, so that what it
	// decided in its last moment can still be said.
	whole context.Context
	lost  error // why a reply did not reach the caller
}

// Reply posts an event to the caller, in the function's own time: ctx is for
// the log. A reply that cannot be delivered is no error of the handler's: the
// client is gone, or will ask again.
func (f *ClientFrame) Reply(ctx context.Context, event string, data any) {
	f.ReplyFrame(ctx, protocol.Frame(event, f.FrameID, data, time.Now()))
}

// ReplyFrame posts a frame that is encoded already.
func (f *ClientFrame) ReplyFrame(ctx context.Context, frame []byte) {
	if err := f.poster.Post(f.whole, f.Connection, frame); err != nil {
		slog.WarnContext(ctx, "reply", "connection", f.Connection.ID, "err", err)
		f.lost = fmt.Errorf("reply: %w", err)
	}
}

// refuse answers a frame with an error. An expired token ends the connection, and
// so does to be one too many, or one at all while they are switched off.
func (f *ClientFrame) refuse(ctx context.Context, body []byte, err error) {
	id := protocol.FrameID(body)
	observe.Of(ctx).Correlate(observe.CorrelationOf(id))
	f.ReplyFrame(ctx, protocol.ErrorFrame(id, err, time.Now()))
	if code := chat.CodeOf(err); code == chat.TokenExpired || code == chat.TooManyConnections || code == chat.SwitchedOff {
		f.poster.Close(ctx, f.Connection)
	}
}

// An action is a client frame that knows its id and its own faults.
type action interface {
	FrameID() string
	Check() error
}

// A FrameHandler handles the body of a client's frame. Its error becomes the
// one reply of the frame.
type FrameHandler = func(ctx context.Context, f *ClientFrame, body []byte) error

// Decoded adapts the handler of one action: its frame is decoded and checked
// before the handler sees it.
func Decoded[In action](handle func(ctx context.Context, f *ClientFrame, in In) error) FrameHandler {
	return func(ctx context.Context, f *ClientFrame, body []byte) error {
		in, err := protocol.Decode[In](body)
		if err != nil {
			return err
		}
		f.FrameID = in.FrameID()
		seen := observe.Of(ctx)
		seen.Correlate(observe.CorrelationOf(f.FrameID))
		if err := in.Check(); err != nil {
			return err
		}
		if about, ok := any(in).(interface{ About() chat.ConversationID }); ok {
			seen.In(string(about.About()))
		}
		return handle(ctx, f, in)
	}
}

// Routed adapts a function with several routes, by their keys.
func Routed(routes map[string]FrameHandler) FrameHandler {
	return func(ctx context.Context, f *ClientFrame, body []byte) error {
		handle, ok := routes[f.Route]
		if !ok { // the template routes to this function what it does not know
			return fmt.Errorf("no handler for the route %s", f.Route)
		}
		return handle(ctx, f, body)
	}
}

// Frames adapts a handler that reads the bodies of frames itself. The returned
// status has no effect on a message route, so it is always 200: API Gateway
// shows the client only what is posted.
func Frames(p poster, handle FrameHandler) WebSocketHandler {
	return onConnection(func(ctx context.Context, event *events.APIGatewayWebsocketProxyRequest, c chat.Connection) (events.APIGatewayProxyResponse, error) {
		body := []byte(event.Body)
		f := &ClientFrame{Connection: c, Route: event.RequestContext.RouteKey, poster: p, whole: ctx}
		f.MessageID, _ = event.RequestContext.MessageID.(string)
		err := attempt(ctx, func(ctx context.Context) error {
			if c.Expired(time.Now()) {
				return chat.Errorf(chat.TokenExpired, "the token has expired; connect again with a new one")
			}
			return handle(ctx, f, body)
		})
		if err != nil {
			f.refuse(ctx, body, err)
		} else if f.lost != nil && !errors.Is(f.lost, delivery.ErrGone) {
			err = chat.Unavailablef(f.lost, "the caller did not get its answer") // for the log
		}
		return events.APIGatewayProxyResponse{StatusCode: http.StatusOK}, err
	})
}

// Connect adapts the handler of $connect. Its error refuses the handshake with
// the status that REST would answer. A client that offered its token as
// subprotocol gets "bearer" selected: API Gateway echoes none by itself, and
// browsers close a connection whose offer was not taken.
func Connect(handle func(ctx context.Context, c chat.Connection) error) WebSocketHandler {
	return onConnection(func(ctx context.Context, event *events.APIGatewayWebsocketProxyRequest, c chat.Connection) (events.APIGatewayProxyResponse, error) {
		if err := attempt(ctx, func(ctx context.Context) error { return handle(ctx, c) }); err != nil {
			return events.APIGatewayProxyResponse{StatusCode: protocol.ProblemOf(err).Status}, err
		}
		observe.Of(ctx).Label(observe.Connects, string(c.Principal.Type))
		response := events.APIGatewayProxyResponse{StatusCode: http.StatusOK}
		if offers(event.MultiValueHeaders, bearerSubprotocol) {
			response.Headers = map[string]string{subprotocolHeader: bearerSubprotocol}
		}
		return response, nil
	})
}

// Disconnect adapts the handler of $disconnect. Nobody reads its answer.
func Disconnect(handle func(ctx context.Context, c chat.Connection) error) WebSocketHandler {
	return onConnection(func(ctx context.Context, _ *events.APIGatewayWebsocketProxyRequest, c chat.Connection) (events.APIGatewayProxyResponse, error) {
		err := attempt(ctx, func(ctx context.Context) error { return handle(ctx, c) })
		observe.Of(ctx).Label(observe.Disconnects, string(c.Principal.Type))
		return events.APIGatewayProxyResponse{StatusCode: http.StatusOK}, err
	})
}

// onConnection adapts the handler of an event of a connection whose principal
// is known, and logs the event. The handler's error is for the log: what the
// client is to know of it is in the response, or was posted. Only an event
// without a principal fails the function.
func onConnection(handle func(context.Context, *events.APIGatewayWebsocketProxyRequest, chat.Connection) (events.APIGatewayProxyResponse, error)) WebSocketHandler {
	return func(ctx context.Context, event events.APIGatewayWebsocketProxyRequest) (events.APIGatewayProxyResponse, error) {
		rc := &event.RequestContext
		ctx, seen := begin(ctx, rc.RouteKey, "", "")
		c, err := connectionOf(rc)
		if err != nil {
			end(ctx, seen, err)
			return events.APIGatewayProxyResponse{}, err
		}
		response, err := handle(ctx, &event, c)
		attrs := []slog.Attr{slog.String("connection", string(c.ID)), principalAttr(c.Principal)}
		if rc.DisconnectStatusCode != 0 {
			attrs = append(attrs, slog.Int64("closeCode", rc.DisconnectStatusCode))
		}
		end(ctx, seen, err, attrs...)
		return response, nil
	}
}

const (
	subprotocolHeader = "Sec-WebSocket-Protocol"
	bearerSubprotocol = "bearer"
	leanSubprotocol   = "aiwm.v2"
)

// offers looks for a subprotocol where authorize finds the token: anywhere among
// the offers, in one header or in several.
func offers(headers map[string][]string, subprotocol string) bool {
	for name, values := range headers {
		if !strings.EqualFold(name, subprotocolHeader) {
			continue
		}
		for offer := range strings.SplitSeq(strings.Join(values, ","), ",") {
			if strings.TrimSpace(offer) == subprotocol {
				return true
			}
		}
	}
	return false
}
