// Package queue hands background jobs to SQS. A job may run more than once:
// SQS delivers at least once, and a retried request may have succeeded before.
package queue

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/url"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"

	"aiwm-chat/shared/config"
	"aiwm-chat/shared/credentials"
	"aiwm-chat/shared/observe"
	"aiwm-chat/shared/protocol"
)

// requestTimeout bounds one attempt; the SDK makes three at most, and stops
// earlier when the caller's context ends.
const requestTimeout = 3 * time.Second

// Options says where jobs go. A queue that a function does not use stays "".
type Options struct {
	AWS        config.AWS
	WelcomeURL string
	SummaryURL string
	StreamURL  string
	RunURL     string
	WebhookURL string
}

// A Queue puts jobs into queues. It is safe for concurrent use.
type Queue struct {
	client  *sqs.Client
	welcome string
	summary string
	stream  string
	run     string
	webhook string
}

// New returns a Queue. It makes no call.
func New(o Options) (*Queue, error) {
	if o.AWS.Region == "" {
		return nil, errors.New("set up queues: no region")
	}
	if o.WelcomeURL == "" && o.SummaryURL == "" && o.StreamURL == "" && o.RunURL == "" && o.WebhookURL == "" {
		return nil, errors.New("set up queues: no queue is given")
	}
	endpoint, err := endpointOf(cmp.Or(o.WelcomeURL, o.SummaryURL, o.StreamURL, o.RunURL, o.WebhookURL))
	if err != nil {
		return nil, err
	}
	options := sqs.Options{
		Region:      o.AWS.Region,
		Credentials: credentials.Of(o.AWS),
		// On AWS this is the region's own endpoint; elsewhere, such as in a
		// container of sam local, the URL is all that a function is told.
		BaseEndpoint: aws.String(endpoint),
		HTTPClient:   awshttp.NewBuildableClient().WithTimeout(requestTimeout),
	}
	return &Queue{client: sqs.New(options), welcome: o.WelcomeURL, summary: o.SummaryURL, stream: o.StreamURL, run: o.RunURL, webhook: o.WebhookURL}, nil
}

// endpointOf returns where the queue of a URL is served.
func endpointOf(queue string) (string, error) {
	u, err := url.Parse(queue)
	if err != nil || u.Host == "" {
		return "", errors.New("set up queues: the url of a queue is not valid")
	}
	return u.Scheme + "://" + u.Host, nil
}

// EnqueueWelcome asks for the first frame to a new connection.
func (q *Queue) EnqueueWelcome(ctx context.Context, job protocol.WelcomeJob) error {
	return q.send(ctx, "welcome", q.welcome, job, 0)
}

// EnqueueSummary asks for a conversation to be summarised.
func (q *Queue) EnqueueSummary(ctx context.Context, job protocol.SummaryJob) error {
	return q.EnqueueSummaryIn(ctx, job, 0)
}

// longestDelay is SQS's.
const longestDelay = 15 * time.Minute

// EnqueueSummaryIn is EnqueueSummary after a delay, of at most 15 minutes.
func (q *Queue) EnqueueSummaryIn(ctx context.Context, job protocol.SummaryJob, delay time.Duration) error {
	return q.send(ctx, "summary", q.summary, job, min(delay, longestDelay))
}

// EnqueueStream asks for a look at a stream after a delay, of at most 15 minutes.
func (q *Queue) EnqueueStream(ctx context.Context, job protocol.StreamJob, delay time.Duration) error {
	return q.send(ctx, "stream", q.stream, job, min(delay, longestDelay))
}

// EnqueueRun asks for a run to be taken up, or for a look at it.
func (q *Queue) EnqueueRun(ctx context.Context, job protocol.RunJob) error {
	return q.EnqueueRunIn(ctx, job, 0)
}

// EnqueueRunIn is EnqueueRun after a delay, of at most 15 minutes.
func (q *Queue) EnqueueRunIn(ctx context.Context, job protocol.RunJob, delay time.Duration) error {
	return q.send(ctx, "run", q.run, job, min(delay, longestDelay))
}

// EnqueueWebhook asks for a webhook to be called after a delay, of at most 15 minutes.
func (q *Queue) EnqueueWebhook(ctx context.Context, job protocol.WebhookJob, delay time.Duration) error {
	return q.send(ctx, "webhook", q.webhook, job, min(delay, longestDelay))
}

func (q *Queue) send(ctx context.Context, name, url string, job any, delay time.Duration) error {
	if url == "" {
		return fmt.Errorf("enqueue a %s job: the %s queue is not configured", name, name)
	}
	body, err := protocol.Marshal(job)
	if err != nil {
		return fmt.Errorf("enqueue a %s job: %w", name, err)
	}
	message := &sqs.SendMessageInput{
		QueueUrl: aws.String(url), MessageBody: aws.String(string(body)), DelaySeconds: int32((delay + time.Second - 1) / time.Second),
	}
	follow(observe.Of(ctx), message)
	told := observe.Of(ctx).Call("SQS")
	_, err = q.client.SendMessage(ctx, message)
	if told(err); err != nil {
		return fmt.Errorf("enqueue a %s job: %w", name, err)
	}
	return nil
}

// follow has a job say what it follows from.
func follow(i *observe.Invocation, message *sqs.SendMessageInput) {
	if i == nil {
		return
	}
	text := aws.String("String")
	message.MessageAttributes = map[string]types.MessageAttributeValue{}
	for name, value := range map[string]string{protocol.CorrelationAttribute: i.Correlation(), protocol.TraceAttribute: i.Trace.Parent} {
		if value != "" {
			message.MessageAttributes[name] = types.MessageAttributeValue{DataType: text, StringValue: aws.String(value)}
		}
	}
	if i.Trace.XRay != "" {
		message.MessageSystemAttributes = map[string]types.MessageSystemAttributeValue{
			"AWSTraceHeader": {DataType: text, StringValue: aws.String(i.Trace.XRay)},
		}
	}
}
