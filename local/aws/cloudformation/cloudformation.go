// Package cloudformation creates custom resources as CloudFormation does: it
// invokes their function with a Create event and waits for the answer at the
// address that it gave.
package cloudformation

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"time"

	"github.com/google/uuid"

	"aiwm-chat/local/aws/account"
)

// A Resource is one of a template.
type Resource struct {
	LogicalID string
	Type      string // Custom::Something
	Function  string // behind its ServiceToken
	// Properties are those that are texts; CloudFormation knows no others.
	Properties map[string]string
}

type invoker interface {
	Invoke(ctx context.Context, function string, event []byte) ([]byte, error)
}

// maxAnswer is CloudFormation's own limit.
const maxAnswer = 4096

// Create creates a resource, or returns why its function says it cannot. (AWS
// invokes it without waiting, and waits for an hour for the answer; here the end
// of the invocation without an answer is a fault at once.)
func Create(ctx context.Context, functions invoker, r Resource) error {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return fmt.Errorf("create %s: %w", r.LogicalID, err)
	}
	event := request{
		RequestType: "Create", RequestID: uuid.NewString(), ResponseURL: "http://" + listener.Addr().String() + "/" + uuid.NewString(),
		StackID:      "arn:aws:cloudformation:" + account.Region + ":" + account.ID + ":stack/local/0",
		ResourceType: r.Type, LogicalResourceID: r.LogicalID, ResourceProperties: r.Properties,
	}
	answers := make(chan answer, 1)
	server := &http.Server{ReadTimeout: 10 * time.Second, Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		a, ok := read(r, event)
		if !ok {
			w.WriteHeader(http.StatusBadRequest)
			return
		}
		select {
		case answers <- a:
		default: // it has one
		}
	})}
	done := make(chan struct{})
	go func() { defer close(done); _ = server.Serve(listener) }()
	defer func() { _ = server.Close(); <-done }()

	body, err := json.Marshal(event)
	if err != nil {
		return fmt.Errorf("create %s: %w", r.LogicalID, err)
	}
	_, err = functions.Invoke(ctx, r.Function, body)
	select {
	case a := <-answers:
		if a.Status == "SUCCESS" && a.PhysicalResourceID != "" {
			return nil
		}
		return fmt.Errorf("create %s: %s", r.LogicalID, a.Reason)
	default:
		return fmt.Errorf("create %s: %w", r.LogicalID, errors.Join(errors.New("its function did not answer"), err))
	}
}

// A request is the event of a custom resource, key by key.
type request struct {
	RequestType        string            `json:"RequestType"`
	RequestID          string            `json:"RequestId"`
	ResponseURL        string            `json:"ResponseURL"`
	StackID            string            `json:"StackId"`
	ResourceType       string            `json:"ResourceType"`
	LogicalResourceID  string            `json:"LogicalResourceId"`
	ResourceProperties map[string]string `json:"ResourceProperties"`
}

type answer struct {
	Status             string `json:"Status"`
	Reason             string `json:"Reason"`
	PhysicalResourceID string `json:"PhysicalResourceId"`
	StackID            string `json:"StackId"`
	RequestID          string `json:"RequestId"`
	LogicalResourceID  string `json:"LogicalResourceId"`
}

// read takes what S3 would take: a PUT without a type, to the address that was
// given; and what CloudFormation would: an answer to its own request.
func read(r *http.Request, event request) (a answer, ok bool) {
	body, err := io.ReadAll(io.LimitReader(r.Body, maxAnswer+1))
	if err != nil || len(body) > maxAnswer || r.Method != http.MethodPut || r.Header.Get("Content-Type") != "" || "http://"+r.Host+r.URL.Path != event.ResponseURL {
		return a, false
	}
	err = json.Unmarshal(body, &a)
	return a, err == nil && a.StackID == event.StackID && a.RequestID == event.RequestID && a.LogicalResourceID == event.LogicalResourceID
}
