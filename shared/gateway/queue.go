package gateway

import (
	"context"
	"log/slog"
	"strings"
	"sync"

	"github.com/aws/aws-lambda-go/events"

	"aiwm-chat/shared/chat"
	"aiwm-chat/shared/observe"
	"aiwm-chat/shared/protocol"
)

// QueueHandler is what Lambda runs for a queue with ReportBatchItemFailures.
type QueueHandler = func(context.Context, events.SQSEvent) (events.SQSEventResponse, error)

// Queue adapts the handler of one kind of job. The jobs of a batch run
// together (a batch has at most ten); one that fails, or cannot be read, goes
// back to the queue alone, and in the end to the dead letters.
func Queue[Job any](handle func(ctx context.Context, job Job) error) QueueHandler {
	return func(ctx context.Context, event events.SQSEvent) (events.SQSEventResponse, error) {
		ctx, seen := begin(ctx, strings.TrimSpace("queue "+queueOf(event)), "", "")
		defer seen.End()
		errs := make([]error, len(event.Records))
		var wg sync.WaitGroup
		for i, record := range event.Records {
			wg.Go(func() {
				ctx, seen := observe.Job(ctx, observe.CorrelationOf(attributeOf(record, protocol.CorrelationAttribute)),
					observe.TraceOf(record.Attributes["AWSTraceHeader"], attributeOf(record, protocol.TraceAttribute)))
				errs[i] = attempt(ctx, func(ctx context.Context) error {
					job, err := protocol.Decode[Job]([]byte(record.Body))
					if err != nil {
						return err
					}
					if about, ok := any(job).(interface{ About() chat.ConversationID }); ok {
						seen.In(string(about.About()))
					}
					return handle(ctx, job)
				})
				end(ctx, seen, errs[i], slog.String("message", record.MessageId))
			})
		}
		wg.Wait()
		var response events.SQSEventResponse
		for i, err := range errs {
			if err != nil {
				response.BatchItemFailures = append(response.BatchItemFailures, events.SQSBatchItemFailure{ItemIdentifier: event.Records[i].MessageId})
			}
		}
		return response, nil
	}
}

// attributeOf is what the invocation that enqueued a job says of itself.
func attributeOf(record events.SQSMessage, name string) string {
	if v := record.MessageAttributes[name].StringValue; v != nil {
		return *v
	}
	return ""
}

// Schedule adapts a handler that EventBridge runs by the clock.
func Schedule(handle func(ctx context.Context) error) func(context.Context, events.EventBridgeEvent) error {
	return func(ctx context.Context, _ events.EventBridgeEvent) error {
		ctx, seen := begin(ctx, "schedule", "", "")
		err := attempt(ctx, handle)
		end(ctx, seen, err)
		return err
	}
}

// queueOf is the name of the queue that an event comes from: a batch has one source.
func queueOf(event events.SQSEvent) string {
	if len(event.Records) == 0 {
		return ""
	}
	arn := event.Records[0].EventSourceARN
	return arn[strings.LastIndexByte(arn, ':')+1:]
}
