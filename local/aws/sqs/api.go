package sqs

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"strings"

	"github.com/google/uuid"
)

const (
	contentType  = "application/x-amz-json-1.0"
	targetPrefix = "AmazonSQS."
)

// ServeHTTP serves the SQS API: a POST to any path, in AWS JSON 1.0 with the
// action in X-Amz-Target, or in the query protocol of older SDKs. Signatures
// are not checked; a browser's page cannot get in, because it may not send that
// content type to another origin, nor the header of a signature, which a form
// must have.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	requestID := uuid.NewString()
	w.Header().Set("X-Amzn-Requestid", requestID)
	isForm := strings.HasPrefix(r.Header.Get("Content-Type"), formType)
	action, response, err := s.serve(w, r, isForm)
	if isForm {
		if err == nil {
			err = writeQuery(w, action, requestID, response)
		}
		if err != nil {
			writeQueryError(w, requestID, toAPIError(err))
		}
		return
	}
	w.Header().Set("Content-Type", contentType)
	if err != nil {
		writeError(w, toAPIError(err))
		return
	}
	_ = json.NewEncoder(w).Encode(response)
}

func (s *Server) serve(w http.ResponseWriter, r *http.Request, isForm bool) (action string, response any, err error) {
	switch {
	case r.Method != http.MethodPost || !isForm && r.Header.Get("Content-Type") != contentType:
		return "", nil, &apiError{"", "InvalidAction", 400, "send a POST with Content-Type " + contentType}
	case isForm && !isSigned(r):
		return "", nil, errUnsigned
	}
	// JSON may write every byte of a message as \u00XX, and a form as %XX.
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, int64(6*s.options.MaxMessageSize+1<<20)))
	var tooLarge *http.MaxBytesError
	switch {
	case errors.As(err, &tooLarge):
		return "", nil, &apiError{"", "RequestEntityTooLarge", http.StatusRequestEntityTooLarge, "The request is too large."}
	case err != nil:
		return "", nil, &apiError{"", "MalformedInput", 400, "The request could not be read."}
	}
	if isForm {
		action, body, err = fromForm(r, body)
	} else {
		action, _ = strings.CutPrefix(r.Header.Get("X-Amz-Target"), targetPrefix)
	}
	if err == nil {
		response, err = s.do(r, action, body)
	}
	return action, response, err
}

// do does an action with its input, which is JSON.
func (s *Server) do(r *http.Request, action string, body []byte) (any, error) {
	switch action {
	case "SendMessage":
		return withQueue(s, body, func(q *queue, in sendMessage) (any, error) { return s.send(q, in) })
	case "SendMessageBatch":
		return withQueue(s, body, s.sendBatch)
	case "ReceiveMessage":
		ctx, cancel := context.WithCancel(r.Context())
		defer cancel()
		defer context.AfterFunc(s.polling, cancel)()
		return withQueue(s, body, func(q *queue, in receiveMessage) (any, error) { return s.receive(ctx, q, in) })
	case "DeleteMessage":
		return withQueue(s, body, func(q *queue, in handleEntry) (any, error) { return empty{}, in.delete(q) })
	case "DeleteMessageBatch":
		return withQueue(s, body, func(q *queue, in handleBatch) (any, error) { return in.each(q, handleEntry.delete) })
	case "ChangeMessageVisibility":
		return withQueue(s, body, func(q *queue, in handleEntry) (any, error) { return empty{}, in.changeVisibility(q) })
	case "ChangeMessageVisibilityBatch":
		return withQueue(s, body, func(q *queue, in handleBatch) (any, error) { return in.each(q, handleEntry.changeVisibility) })
	case "GetQueueAttributes":
		return withQueue(s, body, s.queueAttributes)
	case "PurgeQueue":
		return withQueue(s, body, func(q *queue, _ empty) (any, error) { q.purge(); return empty{}, nil })
	case "GetQueueUrl":
		return s.queueURL(r.Host, body)
	case "ListQueues":
		return s.listQueues(r.Host, body)
	}
	return nil, &apiError{"UnsupportedOperation", "AWS.SimpleQueueService.UnsupportedOperation", 400,
		"The local server does not know the action " + action + "; queues are declared in template.yaml."}
}

type empty struct{}

func decode(body []byte, in any) error {
	if err := json.Unmarshal(body, in); err != nil {
		return &apiError{"", "MalformedInput", 400, "The request is not the JSON of this action."}
	}
	return nil
}

// withQueue decodes the input of an action and finds the queue of its QueueUrl,
// of which only the name counts.
func withQueue[In any](s *Server, body []byte, action func(*queue, In) (any, error)) (any, error) {
	var at struct{ QueueUrl string }
	if err := decode(body, &at); err != nil {
		return nil, err
	}
	if at.QueueUrl == "" {
		return nil, missing("QueueUrl")
	}
	q, ok := s.queues[at.QueueUrl[strings.LastIndexByte(at.QueueUrl, '/')+1:]]
	if !ok {
		return nil, errNoQueue
	}
	var in In
	if err := decode(body, &in); err != nil {
		return nil, err
	}
	return action(q, in)
}

func (s *Server) queueURL(host string, body []byte) (any, error) {
	var in struct{ QueueName string }
	if err := decode(body, &in); err != nil {
		return nil, err
	}
	if _, ok := s.queues[in.QueueName]; !ok {
		return nil, errNoQueue
	}
	return map[string]string{"QueueUrl": URL(host, in.QueueName)}, nil
}

func (s *Server) listQueues(host string, body []byte) (any, error) {
	var in struct{ QueueNamePrefix string }
	if err := decode(body, &in); err != nil {
		return nil, err
	}
	urls := []string{}
	for _, name := range s.names {
		if strings.HasPrefix(name, in.QueueNamePrefix) {
			urls = append(urls, URL(host, name))
		}
	}
	return map[string]any{"QueueUrls": urls}, nil
}
