package lambda

import (
	"cmp"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/google/uuid"
)

// maxInitError is the longest report of a failed initialisation that is kept,
// in bytes.
const maxInitError = 64 << 10

// runtimeAPI returns Lambda's Runtime API, version 2018-06-01, for this
// process, and of the Extensions API, version 2020-01-01, what an internal
// extension needs to be told of the shutdown (lambda.WithEnableSIGTERM).
func (p *process) runtimeAPI() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /2018-06-01/runtime/invocation/next", p.handleNext)
	mux.HandleFunc("POST /2018-06-01/runtime/invocation/{id}/response", p.handleResponse)
	mux.HandleFunc("POST /2018-06-01/runtime/invocation/{id}/error", p.handleError)
	mux.HandleFunc("POST /2018-06-01/runtime/init/error", p.handleInitError)
	mux.HandleFunc("POST /2020-01-01/extension/register", p.handleRegister)
	mux.HandleFunc("GET /2020-01-01/extension/event/next", func(_ http.ResponseWriter, r *http.Request) {
		<-r.Context().Done() // the only event an internal extension gets is SIGTERM
	})
	return mux
}

// handleNext ends the invocation before and waits for the next one, for ever if
// need be.
func (p *process) handleNext(w http.ResponseWriter, r *http.Request) {
	p.mu.Lock()
	p.ready = true
	if p.current != nil {
		if !p.current.answered {
			p.current.result, p.current.answered = result{err: newFunctionError("Runtime.NoResponse",
				"RequestId: "+p.current.id+" Error: the runtime asked for the next event without a response to this one")}, true
		}
		close(p.current.finished)
		p.current = nil
	}
	p.mu.Unlock()

	var inv *invocation
	select {
	case inv = <-p.events:
	case <-r.Context().Done():
		return
	}
	p.mu.Lock()
	p.current = inv
	p.mu.Unlock()
	deadline := functionDeadline(inv.ctx, p.function.timeout)
	h := w.Header()
	h.Set("Content-Type", "application/json")
	h.Set("Content-Length", strconv.Itoa(len(inv.event)))
	h.Set("Lambda-Runtime-Aws-Request-Id", inv.id)
	h.Set("Lambda-Runtime-Deadline-Ms", strconv.FormatInt(deadline.UnixMilli(), 10))
	h.Set("Lambda-Runtime-Invoked-Function-Arn", p.function.arn)
	// The headers of client context, Cognito and tenants come only with invocations
	// that have those.
	h.Set("Lambda-Runtime-Trace-Id", cmp.Or(TraceOf(inv.ctx), traceID(inv.id)))
	_, _ = w.Write(inv.event) // if this fails the process is ending, which serve sees
}

func (p *process) handleResponse(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(io.LimitReader(r.Body, MaxResponse+1))
	switch {
	case err != nil:
		http.Error(w, err.Error(), http.StatusBadRequest)
	case len(body) > MaxResponse:
		_, _ = io.Copy(io.Discard, r.Body) // what is left unread would reset the connection before the answer is seen
		p.report(w, r, result{err: responseTooLarge()}, http.StatusRequestEntityTooLarge)
	case r.Trailer.Get("Lambda-Runtime-Function-Error-Type") != "": // it failed while it was writing the response
		payload, err := base64.StdEncoding.DecodeString(r.Trailer.Get("Lambda-Runtime-Function-Error-Body"))
		if err != nil || len(payload) == 0 {
			payload = newFunctionError(r.Trailer.Get("Lambda-Runtime-Function-Error-Type"), "").Payload
		}
		p.report(w, r, result{err: &FunctionError{Payload: payload}}, http.StatusAccepted)
	default:
		p.report(w, r, result{response: body}, http.StatusAccepted)
	}
}

func (p *process) handleError(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, MaxResponse))
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	p.report(w, r, result{err: &FunctionError{Payload: body}}, http.StatusAccepted)
}

// report sets the result of the current invocation and answers the runtime with
// the status.
func (p *process) report(w http.ResponseWriter, r *http.Request, res result, status int) {
	p.mu.Lock()
	inv := p.current
	if inv == nil || inv.id != r.PathValue("id") || inv.answered {
		p.mu.Unlock()
		reply(w, http.StatusBadRequest, map[string]string{"errorType": "InvalidRequestID", "errorMessage": "Invalid request ID"})
		return
	}
	inv.result, inv.answered = res, true
	p.mu.Unlock()
	reply(w, status, map[string]string{"status": "OK"})
}

func (p *process) handleInitError(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxInitError))
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	p.mu.Lock()
	p.failure = body
	p.mu.Unlock()
	p.exec.options.Logger.Error("init failed", "function", p.function.name, "err", &FunctionError{Payload: body})
	reply(w, http.StatusAccepted, map[string]string{"status": "OK"})
}

func (p *process) handleRegister(w http.ResponseWriter, _ *http.Request) {
	p.mu.Lock()
	p.extension = true
	p.mu.Unlock()
	w.Header().Set("Lambda-Extension-Identifier", uuid.NewString())
	reply(w, http.StatusOK, map[string]string{
		"functionName": p.function.name, "functionVersion": "$LATEST", "handler": "bootstrap",
	})
}

func reply(w http.ResponseWriter, status int, body map[string]string) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(body)
}

// traceID is the X-Ray header of an invocation that is not sampled: its time
// and 24 hexadecimal digits.
func traceID(requestID string) string {
	return fmt.Sprintf("Root=1-%08x-%s;Sampled=0", time.Now().Unix(), strings.ReplaceAll(requestID, "-", "")[:24])
}
