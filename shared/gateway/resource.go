package gateway

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"time"

	"github.com/aws/aws-lambda-go/cfn"
)

// ResourceHandler is what Lambda runs for a custom resource of CloudFormation.
type ResourceHandler = func(ctx context.Context, event cfn.Event) error

const (
	answerMargin   = 10 * time.Second // kept of a function's time for the answer
	answerAttempts = 3
	answerTime     = 3 * time.Second // of one of them
	maxReason      = 1000            // bytes, of the 4 KiB that an answer may have
)

// Resource adapts what a deployment does once, under a physical id that never
// changes. A deployment waits for the answer, an hour if need be, so there is one
// whatever happens: also to a panic, and when the time is over. With the stack
// nothing is undone, because what was made is part of the data.
//
// The library's own adapter, whose types these are, sends the answer once and has
// none when the time is over.
func Resource(id string, do func(ctx context.Context) error) ResourceHandler {
	return func(ctx context.Context, event cfn.Event) error {
		ctx, seen := begin(ctx, "resource "+string(event.RequestType), "", "")
		answer := cfn.NewResponse(&event)
		// What has an id keeps it, whoever gave it: another one would be another
		// resource, or an answer that CloudFormation does not take.
		answer.PhysicalResourceID, answer.Status = cmp.Or(event.PhysicalResourceID, id), cfn.StatusSuccess
		var err error
		if event.RequestType != cfn.RequestDelete {
			err = within(ctx, answerMargin-replyMargin, do)
		}
		end(ctx, seen, err, slog.String("resource", event.LogicalResourceID))
		if err != nil {
			answer.Status, answer.Reason = cfn.StatusFailed, reasonOf(err)
		}
		// What fails now Lambda does once more.
		return send(ctx, event.ResponseURL, answer)
	}
}

// RefuseResource is Resource for a process that could not be wired: a deployment
// with a wrong parameter fails with the faults, and can be deleted.
func RefuseResource(err error) ResourceHandler {
	return Resource("none", func(context.Context) error { return err })
}

// within is attempt with more of the function's time left over.
func within(ctx context.Context, margin time.Duration, do func(context.Context) error) error {
	if deadline, ok := ctx.Deadline(); ok {
		limited, cancel := context.WithDeadline(ctx, deadline.Add(-margin))
		defer cancel()
		return attempt(limited, do)
	}
	return attempt(ctx, do)
}

// reasonOf is what the deployment shows of an error: one line, and of a panic no
// stack.
func reasonOf(err error) string {
	reason := err.Error()
	if strings.HasPrefix(reason, "panic: ") {
		reason, _, _ = strings.Cut(reason, "\n")
	}
	reason = strings.ReplaceAll(reason, "\n", "; ")
	if len(reason) > maxReason {
		reason = strings.ToValidUTF8(reason[:maxReason], "") + "…"
	}
	return reason
}

// send puts the answer where CloudFormation looks for it. Its address is a
// secret: who has it can answer.
func send(ctx context.Context, url string, answer *cfn.Response) error {
	body, err := json.Marshal(answer)
	if err != nil {
		return err
	}
	client := &http.Client{Timeout: answerTime, Transport: &http.Transport{Proxy: http.ProxyFromEnvironment, DisableKeepAlives: true}}
	for n := 1; ; n++ {
		err := put(ctx, client, url, body)
		if err == nil || n == answerAttempts || ctx.Err() != nil {
			return err
		}
		slog.WarnContext(ctx, "answer CloudFormation", "err", err)
	}
}

func put(ctx context.Context, client *http.Client, url string, body []byte) error {
	// Without a content-type, for the address is signed for none.
	r, err := http.NewRequestWithContext(ctx, http.MethodPut, url, bytes.NewReader(body))
	if err != nil {
		return fmt.Errorf("answer CloudFormation: its address is not valid")
	}
	response, err := client.Do(r)
	if err != nil {
		return fmt.Errorf("answer CloudFormation: no answer")
	}
	response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return fmt.Errorf("answer CloudFormation: status %d", response.StatusCode)
	}
	return nil
}
