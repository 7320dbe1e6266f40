package lambda

import (
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"time"

	"github.com/aws/aws-lambda-go/lambda/messages"
)

var (
	// ErrNotFound means that no function has the given name (Lambda's 404
	// ResourceNotFoundException).
	ErrNotFound = errors.New("function not found")
	// ErrTooLarge means that the event is over MaxEvent (Lambda's 413
	// RequestTooLargeException). The function did not run.
	ErrTooLarge = errors.New("event is over 6 MB")
	// ErrClosed means that the invoker is shutting down. The function did not
	// run.
	ErrClosed = errors.New("invoker is closed")
)

// A ThrottledError means that as many invocations run already as may run at the
// same time (Lambda's 429 TooManyRequestsException). The function did not run.
type ThrottledError struct {
	// Function is the name of the function that was to be invoked.
	Function string
}

func (e *ThrottledError) Error() string { return "invoke " + e.Function + ": too many requests" }

// Throttled reports true: it lets callers recognise the error by an interface
// of their own.
func (e *ThrottledError) Throttled() bool { return true }

// A FunctionError means that the function was invoked and failed: it returned
// an error, panicked, crashed or ran into its timeout.
type FunctionError struct {
	// Payload is what Lambda answers in place of the response:
	// {"errorMessage": …, "errorType": …} and perhaps a stack trace.
	Payload []byte
}

func (e *FunctionError) Error() string {
	p := e.parse()
	if p.Type == "" {
		return "function error: " + p.Message
	}
	return "function error: " + p.Type + ": " + p.Message
}

// ErrorMessage returns the errorMessage of the payload, empty if it has none.
func (e *FunctionError) ErrorMessage() string { return e.parse().Message }

// ErrorType returns the errorType of the payload, empty if it has none. Those
// that start with "Sandbox.", "Runtime." or "Function." are Lambda's own.
func (e *FunctionError) ErrorType() string { return e.parse().Type }

func (e *FunctionError) parse() (p messages.InvokeResponse_Error) {
	if err := json.Unmarshal(e.Payload, &p); err != nil {
		return messages.InvokeResponse_Error{Message: "unreadable error payload"}
	}
	return p
}

func newFunctionError(errorType, message string) *FunctionError {
	payload, err := json.Marshal(messages.InvokeResponse_Error{Type: errorType, Message: message})
	if err != nil {
		panic(err) // two strings always encode
	}
	return &FunctionError{Payload: payload}
}

// handlerError is the function error for what a handler returned or panicked
// with, typed as aws-lambda-go does it.
func handlerError(v any) *FunctionError {
	if e, ok := v.(messages.InvokeResponse_Error); ok {
		return newFunctionError(e.Type, e.Message)
	}
	t := reflect.TypeOf(v)
	if t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	return newFunctionError(t.Name(), fmt.Sprint(v))
}

func timeoutError(requestID string, timeout time.Duration) *FunctionError {
	return newFunctionError("Sandbox.Timedout",
		fmt.Sprintf("RequestId: %s Error: Task timed out after %.2f seconds", requestID, timeout.Seconds()))
}

func exitError(requestID, status string) *FunctionError {
	return newFunctionError("Runtime.ExitError",
		fmt.Sprintf("RequestId: %s Error: Runtime exited with error: %s", requestID, status))
}

func responseTooLarge() *FunctionError {
	return newFunctionError("Function.ResponseSizeTooLarge",
		fmt.Sprintf("Response payload size exceeded maximum allowed payload size (%d bytes).", MaxResponse))
}
