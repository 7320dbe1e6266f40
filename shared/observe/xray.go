package observe

import (
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"io"
	"strings"
	"time"
)

// A call is one of another service, as X-Ray's daemon takes it: a subsegment that is
// sent by itself.
//
// https://docs.aws.amazon.com/xray/latest/devguide/xray-api-segmentdocuments.html
type call struct {
	Name      string  `json:"name"`
	ID        string  `json:"id"`
	TraceID   string  `json:"trace_id"`
	ParentID  string  `json:"parent_id"`
	Type      string  `json:"type"`
	Namespace string  `json:"namespace"`
	Start     float64 `json:"start_time"` // seconds
	End       float64 `json:"end_time"`
	Fault     bool    `json:"fault,omitempty"`
}

// maxCalls bounds those of an invocation that are told: a fan-out has many.
const maxCalls = 100

// daemonHeader is how each datagram to X-Ray's daemon begins.
const daemonHeader = `{"format":"json","version":1}` + "\n"

// Trace has the invocations that X-Ray samples tell daemon of the calls that they
// make, each in one write: a datagram.
func (s *Sink) Trace(daemon io.Writer) { s.daemon = daemon }

var untold = func(error) {}

// Call begins a call of another service, whose end is to be told with its error. It
// costs nothing where no trace is kept.
func (i *Invocation) Call(service string) (end func(error)) {
	if i == nil || i.Trace.XRay == "" || i.daemon() == nil {
		return untold
	}
	begun := time.Now()
	return func(err error) {
		c := call{Name: service, Type: "subsegment", Namespace: "remote", Start: seconds(begun), End: seconds(time.Now()), Fault: err != nil}
		i.mu.Lock()
		defer i.mu.Unlock()
		if len(i.calls) < maxCalls {
			i.calls = append(i.calls, c)
		}
	}
}

// daemon is that of the whole, where this is a job.
func (i *Invocation) daemon() io.Writer {
	if i.whole != nil {
		i = i.whole
	}
	if i.sink == nil {
		return nil
	}
	return i.sink.daemon
}

// tell sends the calls. The caller holds i.mu.
func (i *Invocation) tell() {
	for _, c := range i.calls {
		c.ID, c.TraceID, c.ParentID = newID(), field(i.Trace.XRay, "Root"), field(i.Trace.XRay, "Parent")
		document, err := json.Marshal(c)
		if err != nil {
			return
		}
		_, _ = i.daemon().Write(append([]byte(daemonHeader), document...)) // what is lost is a trace
	}
}

// field is one of X-Ray's header.
func field(header, name string) string {
	_, value, _ := strings.Cut(header, name+"=")
	value, _, _ = strings.Cut(value, ";")
	return value
}

func newID() string {
	var id [8]byte
	_, _ = rand.Read(id[:]) // never fails
	return hex.EncodeToString(id[:])
}

func seconds(t time.Time) float64 { return float64(t.UnixMicro()) / 1e6 }
