package tools

import (
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/url"
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

// An Error is why an agent cannot have its tools. What it says is for people; its
// cause is for the log, and has neither URLs nor headers.
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

// withoutURL takes out of an error what it says of the URL, which may hold a key, also in
// the name of the host. The library wraps it in texts of its own, so that the whole chain
// is walked.
func withoutURL(err error) error {
	if e, ok := errors.AsType[*net.DNSError](err); ok {
		return errors.New("the name of the host cannot be resolved: " + e.Err)
	}
	if _, ok := errors.AsType[x509.HostnameError](err); ok {
		return errors.New("the certificate is of another host")
	}
	if e, ok := errors.AsType[*url.Error](err); ok {
		return e.Err
	}
	return err
}
