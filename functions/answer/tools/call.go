package tools

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"strings"

	"github.com/go-json-experiment/json/jsontext"
	"github.com/modelcontextprotocol/go-sdk/jsonrpc"
	"github.com/modelcontextprotocol/go-sdk/mcp"
)

// Call calls a tool that List returned, with arguments as the model wrote them. What
// goes wrong is a Result that tells the model; the error is that of ctx alone, and then
// the call may have been executed.
func (s *Session) Call(ctx context.Context, tool Tool, arguments string) (Result, error) {
	if ctx.Err() != nil {
		return Result{}, context.Cause(ctx)
	}
	given, fault := argumentsOf(arguments)
	if fault != "" {
		return failed("%s", fault), nil
	}
	if _, ok := s.servers.Configured[tool.Server]; !ok {
		return failed("The server of this tool is not configured any more."), nil
	}
	within, cancel := context.WithTimeout(ctx, s.servers.timeout)
	defer cancel()
	before := &exchange{} // of what is asked to get there
	answer, seen, err := s.ask(context.WithValue(within, exchangeKey{}, before), tool, given)
	if within.Err() != nil {
		s.mu.Lock()
		s.interrupted = true
		s.mu.Unlock()
	}
	if ctx.Err() != nil {
		return Result{}, context.Cause(ctx)
	}
	if err != nil {
		slog.WarnContext(ctx, "a tool was not called, or did not answer", "server", tool.Server, "tool", tool.Tool, "err", classOf(err, cmp.Or(seen, before)))
		return s.explained(within, err, seen), nil
	}
	return resultOf(answer), nil
}

// argumentsOf returns arguments as a JSON object, or what is wrong with them. Models
// write nothing at all where a tool takes none.
func argumentsOf(text string) (object json.RawMessage, fault string) {
	text = strings.TrimSpace(strings.ToValidUTF8(text, "\uFFFD"))
	if text == "" {
		text = "{}"
	}
	value := jsontext.Value(text)
	switch {
	case len(text) > MaxArguments:
		return nil, fmt.Sprintf("The arguments are longer than %d bytes. The tool was not called.", MaxArguments)
	case !value.IsValid():
		return nil, "The arguments are not valid JSON. The tool was not called."
	case value.Kind() != '{':
		return nil, "The arguments are no JSON object. The tool was not called."
	}
	return json.RawMessage(text), ""
}

// errNotSent is wrapped by what went wrong before the call was sent.
var errNotSent = errors.New("not sent")

var errEndedTwice = errors.New("the connection ended twice")

// ask calls a tool once, and again on a new connection only where the call was not sent, as
// the old one had ended before, or the tool is idempotent and the server has forgotten the
// session. An answer that says so may come from what stands before the server, after this
// has executed the call, so that no other tool is called again.
func (s *Session) ask(ctx context.Context, tool Tool, arguments json.RawMessage) (answer *mcp.CallToolResult, seen *exchange, err error) {
	var before *exchange // of a call that was sent
	notSent := func(err error) (*mcp.CallToolResult, *exchange, error) {
		if before != nil {
			return nil, before, err
		}
		return nil, nil, fmt.Errorf("%w: %w", errNotSent, err)
	}
	for range 2 {
		to, err := s.connect(ctx, tool.Server)
		if err != nil {
			return notSent(err)
		}
		seen = &exchange{}
		if tool.inHeaders {
			_, _, err = pages(ctx, to)
		}
		if err == nil {
			sending := context.WithValue(ctx, exchangeKey{}, seen)
			answer, err = to.CallTool(sending, &mcp.CallToolParams{Name: tool.Tool, Arguments: arguments})
		}
		sent, forgotten := seen.sent.Load(), errors.Is(err, mcp.ErrSessionMissing)
		if err == nil || sent && !forgotten {
			return answer, seen, err
		}
		if sent {
			before = seen
		}
		if ctx.Err() != nil {
			return notSent(err)
		}
		s.drop(tool.Server, to) // the next call, if not this one, has a new session
		if sent && !tool.Idempotent {
			return nil, seen, err
		}
	}
	return notSent(errEndedTwice)
}

// explained is what the model is told of a call without an answer. It need not know
// where the server is, or how we sign in to it.
func (s *Session) explained(ctx context.Context, err error, seen *exchange) Result {
	said := saidBy(err)
	switch {
	case errors.Is(err, errNotSent), isDial(err) && seen.status.Load() == 0:
		return failed("The server of this tool cannot be reached. The tool was not called.")
	case said != "" && (!seen.isDoubtful() || seen.status.Load() == http.StatusNotFound):
		return failed("The server refused the call: %s", clean(said, maxSaid))
	case seen.large.Load():
		return unknown("The tool was called, but its answer is too long to be read.")
	case ctx.Err() != nil:
		return unknown("The tool did not answer within %v. Whether it was executed is not known.", s.servers.timeout)
	case seen.status.Load() >= 300 && !seen.isDoubtful():
		return failed("The server refused the request. The tool was not called.")
	}
	return unknown("The server of this tool did not answer as it should. Whether the tool was executed is not known.")
}

// saidBy is what a server answered in place of a result, "" where it did not. The
// library has such errors of its own as well: that the client is closing, that the
// server is, and that nothing was sent.
func saidBy(err error) string {
	e, ok := errors.AsType[*jsonrpc.Error](err)
	if !ok || e.Code <= -32003 && e.Code >= -32005 {
		return ""
	}
	return cmp.Or(e.Message, "it does not say why")
}

// isDial reports whether there was not even a connection.
func isDial(err error) bool {
	e, ok := errors.AsType[*net.OpError](err)
	return ok && e.Op == "dial"
}

func failed(format string, args ...any) Result {
	return Result{Text: fmt.Sprintf(format, args...), IsError: true}
}

func unknown(format string, args ...any) Result {
	r := failed(format, args...)
	r.Unknown = true
	return r
}
