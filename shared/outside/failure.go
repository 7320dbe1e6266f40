package outside

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
)

// Class says in a word why a request came to nothing: address (not a public one), dns,
// tls, timeout, dial, connection (it broke) or protocol, which is all else.
func Class(err error) string {
	_, dns := errors.AsType[*net.DNSError](err)
	_, unverified := errors.AsType[*tls.CertificateVerificationError](err)
	_, record := errors.AsType[tls.RecordHeaderError](err)
	_, alert := errors.AsType[tls.AlertError](err)
	op, onNet := errors.AsType[*net.OpError](err)
	timed, hasTime := errors.AsType[net.Error](err)
	switch {
	case errors.Is(err, ErrNotPublic):
		return "address"
	case dns:
		return "dns"
	case unverified, record, alert, onNet && (op.Op == "remote error" || op.Op == "local error"): // its alerts
		return "tls"
	case errors.Is(err, context.DeadlineExceeded), hasTime && timed.Timeout():
		return "timeout"
	case onNet && op.Op == "dial":
		return "dial"
	case onNet, errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return "connection"
	}
	return "protocol"
}

// Plain returns an error that says no more than the class of err, and unwraps to it. What
// libraries say repeats hosts, which may be secrets, and what the other side has written.
func Plain(err error) error { return &plain{err} }

type plain struct{ cause error }

func (p *plain) Error() string { return "the request failed: " + Class(p.cause) }

func (p *plain) Unwrap() error { return p.cause }
