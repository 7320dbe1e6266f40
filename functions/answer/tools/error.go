package tools

import (
	"errors"
	"fmt"

	"github.com/modelcontextprotocol/go-sdk/jsonrpc"

	"aiwm-chat/shared/outside"
)

// A Reason says why an agent cannot have its tools.
type Reason string

// The reasons. Only an Unreachable server may be another time.
const (
	NotConfigured Reason = "not_configured" // no server has that name
	Unreachable   Reason = "unreachable"    // or it does not answer as an MCP server does
	NotFound      Reason = "not_found"      // the server has no such tool, or none that a model can call
	TooMany       Reason = "too_many"       // tools for one agent
)

// An Error is why an agent cannot have its tools. What it says is for people, and
// what its cause says for the log: neither has hosts, URLs or headers.
type Error struct {
	Reason Reason
	Server string
	Tool   string // where one is not found
	cause  error
}

// Error says what is wrong.
func (e *Error) Error() string {
	switch e.Reason {
	case NotConfigured:
		return fmt.Sprintf("the tool server %q is not configured", e.Server)
	case NotFound:
		return fmt.Sprintf("the tool server %q has no tool %q", e.Server, e.Tool)
	case TooMany:
		return fmt.Sprintf("the agent has more than %d tools", MaxTools)
	}
	return fmt.Sprintf("the tool server %q cannot be reached", e.Server)
}

// Unwrap returns the cause, for the log.
func (e *Error) Unwrap() error { return e.cause }

// A fault is what we find wrong with a server, in words of ours.
type fault string

func (f fault) Error() string { return string(f) }

// classOf is what the log is told of an error, with what was seen of the last request:
// in words of ours alone. Those of libraries have the host and the
// URL, which may hold a key, and those of servers whatever they like.
func classOf(err error, seen *exchange) string {
	if f, ok := errors.AsType[fault](err); ok {
		return string(f)
	}
	class := outside.Class(err)
	if class != "protocol" && class != "connection" {
		return class
	}
	switch status := seen.status.Load(); {
	case seen.large.Load():
		return errTooLarge.Error()
	case status >= 300:
		return fmt.Sprintf("status %d", status)
	case saidBy(err) != "":
		refusal, _ := errors.AsType[*jsonrpc.Error](err)
		return fmt.Sprintf("refused with code %d", refusal.Code)
	}
	return class
}
