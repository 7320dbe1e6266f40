package sqs_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-lambda-go/events"
	"github.com/aws/aws-sdk-go-v2/aws"
	awssqs "github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"

	"aiwm-chat/local/aws/sqs"
)

// A function is what a mapping invokes.
type function func(ctx context.Context, event []byte) ([]byte, error)

func (f function) Invoke(ctx context.Context, _ string, event []byte) ([]byte, error) {
	return f(ctx, event)
}

func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for start := time.Now(); time.Since(start) < 20*time.Second; time.Sleep(2 * time.Millisecond) {
		if ok() {
			return
		}
	}
	t.Fatalf("not in time: %s", what)
}

func parse(event []byte) (e events.SQSEvent) {
	if err := json.Unmarshal(event, &e); err != nil {
		panic(err)
	}
	return e
}

func (f *fixture) mapTo(t *testing.T, m sqs.Mapping, fn function) {
	t.Helper()
	if err := f.Map(m, fn); err != nil {
		t.Fatal(err)
	}
}

// left returns how many messages the queue holds, whatever their state.
func (f *fixture) left(t *testing.T, queue string) int {
	t.Helper()
	out, err := f.client.GetQueueAttributes(t.Context(), &awssqs.GetQueueAttributesInput{
		QueueUrl: f.url(queue), AttributeNames: []types.QueueAttributeName{"All"},
	})
	if err != nil {
		t.Fatal(err)
	}
	total := 0
	for _, name := range []string{"ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible", "ApproximateNumberOfMessagesDelayed"} {
		var n int
		if _, err := fmt.Sscan(out.Attributes[name], &n); err != nil {
			t.Fatal(err)
		}
		total += n
	}
	return total
}

// [D] The keys of an event record.
func TestEventRecord(t *testing.T) {
	f := newFixture(t, sqs.Options{}, sqs.Queue{Name: "Jobs"})
	event := make(chan []byte, 1)
	f.mapTo(t, sqs.Mapping{Queue: "Jobs", Function: "Work"}, func(_ context.Context, e []byte) ([]byte, error) {
		event <- e
		return []byte("null"), nil
	})
	out, err := f.client.SendMessage(t.Context(), &awssqs.SendMessageInput{
		QueueUrl: f.url("Jobs"), MessageBody: aws.String(`{"a":"<b>"}`),
		MessageAttributes: map[string]types.MessageAttributeValue{"kind": {DataType: aws.String("String"), StringValue: aws.String("x")}},
	})
	if err != nil {
		t.Fatal(err)
	}
	var got struct{ Records []map[string]any }
	if err := json.Unmarshal(<-event, &got); err != nil || len(got.Records) != 1 {
		t.Fatalf("event %v, %v", got, err)
	}
	record := got.Records[0]
	keys := make([]string, 0, len(record))
	for key := range record {
		keys = append(keys, key)
	}
	slices.Sort(keys)
	if want := []string{"attributes", "awsRegion", "body", "eventSource", "eventSourceARN", "md5OfBody", "md5OfMessageAttributes",
		"messageAttributes", "messageId", "receiptHandle"}; !slices.Equal(keys, want) {
		t.Errorf("keys = %v", keys)
	}
	for key, want := range map[string]string{
		"messageId": *out.MessageId, "body": `{"a":"<b>"}`, "eventSource": "aws:sqs", "awsRegion": "us-east-1",
		"eventSourceARN": "arn:aws:sqs:us-east-1:123456789012:Jobs", "md5OfBody": *out.MD5OfMessageBody,
		"md5OfMessageAttributes": *out.MD5OfMessageAttributes,
	} {
		if record[key] != want {
			t.Errorf("%s = %v, want %s", key, record[key], want)
		}
	}
	attributes, _ := record["attributes"].(map[string]any)
	if len(attributes) != 4 || attributes["ApproximateReceiveCount"] != "1" {
		t.Errorf("attributes = %v", attributes)
	}
	eventually(t, "message is deleted", func() bool { return f.left(t, "Jobs") == 0 })
	if log := f.log.String(); !strings.Contains(log, "function=Work") || strings.Contains(log, "<b>") {
		t.Errorf("log:\n%s", log)
	}
}

// TestBatchesForm fills the queue while the function is busy: what has come
// together goes together, up to the batch size.
// [D] Batches of ten unless the mapping says otherwise.
func TestBatchesForm(t *testing.T) {
	f := newFixture(t, sqs.Options{}, sqs.Queue{Name: "Jobs"})
	sizes, release := make(chan int, 100), make(chan struct{})
	f.mapTo(t, sqs.Mapping{Queue: "Jobs", BatchSize: 4, MaximumConcurrency: 1}, func(_ context.Context, e []byte) ([]byte, error) {
		sizes <- len(parse(e).Records)
		<-release
		return nil, nil
	})
	f.send(t, "Jobs", "first")
	if n := <-sizes; n != 1 {
		t.Errorf("first batch has %d", n)
	}
	f.send(t, "Jobs", "a", "b", "c", "d", "e", "f")
	close(release)
	if first, second := <-sizes, <-sizes; first != 4 || second != 2 {
		t.Errorf("batches of %d and %d, want 4 and 2", first, second)
	}
}

func TestBatchWindow(t *testing.T) {
	f := newFixture(t, sqs.Options{TimeScale: 5}, sqs.Queue{Name: "Jobs"})
	sizes := make(chan int, 100)
	f.mapTo(t, sqs.Mapping{Queue: "Jobs", BatchSize: 3, Window: 5 * time.Minute}, func(_ context.Context, e []byte) ([]byte, error) {
		sizes <- len(parse(e).Records)
		return nil, nil
	})
	f.send(t, "Jobs", "a", "b", "c") // full long before the window of a minute is over
	if n := <-sizes; n != 3 {
		t.Errorf("full batch has %d", n)
	}
}

func TestBatchWindowEnds(t *testing.T) {
	f := newFixture(t, sqs.Options{TimeScale: 100}, sqs.Queue{Name: "Jobs", VisibilityTimeout: 12 * time.Hour})
	sizes := make(chan int, 100)
	f.mapTo(t, sqs.Mapping{Queue: "Jobs", BatchSize: 3, Window: 5 * time.Second}, func(_ context.Context, e []byte) ([]byte, error) {
		sizes <- len(parse(e).Records)
		return nil, nil
	})
	f.send(t, "Jobs", "a")
	if n := <-sizes; n != 1 {
		t.Errorf("batch has %d", n)
	}
}

// TestBatchBytes sends more than one event can carry.
func TestBatchBytes(t *testing.T) {
	f := newFixture(t, sqs.Options{}, sqs.Queue{Name: "Jobs", VisibilityTimeout: time.Hour})
	body := strings.Repeat("\"", 1<<20) // doubles in JSON
	f.send(t, "Jobs", body, body, body, body)
	seen := make(chan int, 100)
	f.mapTo(t, sqs.Mapping{Queue: "Jobs"}, func(_ context.Context, e []byte) ([]byte, error) {
		if len(e) > 6<<20 {
			t.Errorf("event of %d bytes", len(e))
		}
		seen <- len(parse(e).Records)
		return nil, nil
	})
	for total := 0; total < 4; {
		total += <-seen
	}
}

// TestResponses shows which responses delete which of a batch of three
// messages.
// [D] Partial batch responses: an empty list is success; an unknown, empty or
// null id, a bad key or no JSON fail the whole batch.
func TestResponses(t *testing.T) {
	const firstFailed, reported = `{"batchItemFailures":[{"itemIdentifier":"FIRST"}]}`, true
	for _, tt := range []struct {
		name, response string
		err            error
		reported       bool
		left           int
	}{
		{"error", ``, errors.New("broken"), reported, 3},
		{"error, not reported", ``, errors.New("broken"), false, 3},
		{"not reported", firstFailed, nil, false, 0},
		{"one failed", firstFailed, nil, reported, 1},
		{"the same twice", `{"batchItemFailures":[{"itemIdentifier":"FIRST"},{"itemIdentifier":"FIRST"}]}`, nil, reported, 1},
		{"none failed", `{"batchItemFailures":[]}`, nil, reported, 0},
		{"null list", `{"batchItemFailures":null}`, nil, reported, 0},
		{"empty object", `{}`, nil, reported, 0},
		{"null", `null`, nil, reported, 0},
		{"empty", ``, nil, reported, 0},
		{"key in another case", `{"BatchItemFailures":[{"itemIdentifier":"FIRST"}]}`, nil, reported, 0},
		{"unknown id", `{"batchItemFailures":[{"itemIdentifier":"other"}]}`, nil, reported, 3},
		{"one known, one unknown id", `{"batchItemFailures":[{"itemIdentifier":"FIRST"},{"itemIdentifier":"other"}]}`, nil, reported, 3},
		{"empty id", `{"batchItemFailures":[{"itemIdentifier":""}]}`, nil, reported, 3},
		{"null id", `{"batchItemFailures":[{"itemIdentifier":null}]}`, nil, reported, 3},
		{"id of another type", `{"batchItemFailures":[{"itemIdentifier":7}]}`, nil, reported, 3},
		{"bad key", `{"batchItemFailures":[{"ItemIdentifier":"FIRST"}]}`, nil, reported, 3},
		{"null item", `{"batchItemFailures":[null]}`, nil, reported, 3},
		{"list of strings", `{"batchItemFailures":["FIRST"]}`, nil, reported, 3},
		{"broken", `{"batchItemFailures":[`, nil, reported, 3},
		{"no object", `"ok"`, nil, reported, 3},
	} {
		t.Run(tt.name, func(t *testing.T) {
			f := newFixture(t, sqs.Options{}, sqs.Queue{Name: "Jobs", VisibilityTimeout: time.Hour})
			f.send(t, "Jobs", "a", "b", "c")
			m := sqs.Mapping{Queue: "Jobs", ReportBatchItemFailures: tt.reported}
			f.mapTo(t, m, func(_ context.Context, e []byte) ([]byte, error) {
				records := parse(e).Records
				if len(records) != 3 {
					t.Errorf("batch of %d", len(records))
				}
				return []byte(strings.ReplaceAll(tt.response, "FIRST", records[0].MessageId)), tt.err
			})
			eventually(t, "delivery is logged", func() bool { return strings.Contains(f.log.String(), "deliver") })
			if left := f.left(t, "Jobs"); left != tt.left {
				t.Errorf("%d messages left, want %d", left, tt.left)
			}
		})
	}
}

// TestRetryThenDeadLetter delivers at least once, so it counts on no more than
// that for what succeeds.
// [D] At least once; [?] above maxReceiveCount to the dead letters at the next
// receive.
func TestRetryThenDeadLetter(t *testing.T) {
	f := newFixture(t, sqs.Options{TimeScale: 100}, // 300 ms
		sqs.Queue{Name: "Jobs", VisibilityTimeout: 30 * time.Second, DeadLetterQueue: "Dead", MaxReceiveCount: 3},
		sqs.Queue{Name: "Dead", VisibilityTimeout: 12 * time.Hour})
	var mu sync.Mutex
	receives := map[string][]string{} // by body: the receive counts that the function saw
	f.mapTo(t, sqs.Mapping{Queue: "Jobs", ReportBatchItemFailures: true}, func(_ context.Context, e []byte) ([]byte, error) {
		mu.Lock()
		defer mu.Unlock()
		var out events.SQSEventResponse
		for _, r := range parse(e).Records {
			count := r.Attributes["ApproximateReceiveCount"]
			receives[r.Body] = append(receives[r.Body], count)
			if r.Body == "poison" || r.Body == "flaky" && count == "1" {
				out.BatchItemFailures = append(out.BatchItemFailures, events.SQSBatchItemFailure{ItemIdentifier: r.MessageId})
			}
		}
		return json.Marshal(out)
	})
	f.send(t, "Jobs", "good", "poison", "flaky")
	if dead := f.receive(t, "Dead", 1); len(dead) != 1 || *dead[0].Body != "poison" {
		t.Errorf("dead letters: %+v", dead)
	}
	eventually(t, "queue is empty", func() bool { return f.left(t, "Jobs") == 0 })
	mu.Lock()
	defer mu.Unlock()
	slices.Sort(receives["poison"])
	if !slices.Equal(receives["poison"], []string{"1", "2", "3"}) || len(receives["good"]) < 1 || len(receives["flaky"]) < 2 {
		t.Errorf("receives = %v", receives)
	}
}

type throttledError struct{}

func (throttledError) Error() string   { return "too many requests" }
func (throttledError) Throttled() bool { return true }

// TestThrottledIsNoReceive shows that a throttled invocation is tried again
// with the same receive of the message.
func TestThrottledIsNoReceive(t *testing.T) {
	f := newFixture(t, sqs.Options{}, sqs.Queue{Name: "Jobs", VisibilityTimeout: time.Hour, DeadLetterQueue: "Dead", MaxReceiveCount: 1}, sqs.Queue{Name: "Dead"})
	calls := make(chan events.SQSMessage, 10)
	attempt := 0
	f.mapTo(t, sqs.Mapping{Queue: "Jobs", MaximumConcurrency: 1}, func(_ context.Context, e []byte) ([]byte, error) {
		calls <- parse(e).Records[0]
		if attempt++; attempt < 3 {
			return nil, fmt.Errorf("invoke: %w", throttledError{})
		}
		return nil, nil
	})
	f.send(t, "Jobs", "x")
	for range 3 {
		if m := <-calls; m.Attributes["ApproximateReceiveCount"] != "1" {
			t.Errorf("receive count %s", m.Attributes["ApproximateReceiveCount"])
		}
	}
	eventually(t, "message is deleted", func() bool { return f.left(t, "Jobs") == 0 })
}

// [D] Five batches at a time at the start.
func TestConcurrencyBound(t *testing.T) {
	const limit, messages = 3, 40
	f := newFixture(t, sqs.Options{}, sqs.Queue{Name: "Jobs"})
	var mu sync.Mutex
	running, most, done := 0, 0, 0
	full := make(chan struct{})
	f.mapTo(t, sqs.Mapping{Queue: "Jobs", BatchSize: 1, MaximumConcurrency: limit}, func(context.Context, []byte) ([]byte, error) {
		mu.Lock()
		running++
		if most = max(most, running); running == limit {
			select {
			case <-full:
			default:
				close(full)
			}
		}
		mu.Unlock()
		<-full // so that the limit is reached
		mu.Lock()
		running--
		done++
		mu.Unlock()
		return nil, nil
	})
	for i := range messages {
		f.send(t, "Jobs", fmt.Sprint(i))
	}
	eventually(t, "all are done", func() bool { mu.Lock(); defer mu.Unlock(); return done == messages })
	if most != limit {
		t.Errorf("%d at the same time, want %d", most, limit)
	}
}

// [D] Five batches at a time at the start, and more while messages wait: a job that
// takes long holds up the others for a moment.
func TestConcurrencyGrows(t *testing.T) {
	const messages = 12
	f := newFixture(t, sqs.Options{TimeScale: 20}, sqs.Queue{Name: "Jobs", VisibilityTimeout: time.Hour})
	var running atomic.Int64
	all := make(chan struct{})
	f.mapTo(t, sqs.Mapping{Queue: "Jobs", BatchSize: 1}, func(context.Context, []byte) ([]byte, error) {
		if running.Add(1) == messages {
			close(all)
		}
		<-all
		return nil, nil
	})
	for i := range messages {
		f.send(t, "Jobs", fmt.Sprint(i))
	}
	eventually(t, "all run together", func() bool { return running.Load() == messages })
}

// TestShutdown shows that what is in flight ends well, and that nothing new
// begins.
func TestShutdown(t *testing.T) {
	f := newFixture(t, sqs.Options{}, sqs.Queue{Name: "Jobs"}, sqs.Queue{Name: "Other"})
	started, release := make(chan struct{}, 10), make(chan struct{})
	f.mapTo(t, sqs.Mapping{Queue: "Jobs", MaximumConcurrency: 1}, func(ctx context.Context, _ []byte) ([]byte, error) {
		started <- struct{}{}
		<-release
		return nil, ctx.Err()
	})
	f.send(t, "Jobs", "in flight")
	<-started
	f.send(t, "Jobs", "waiting")
	done := make(chan error, 1)
	go func() { done <- f.Shutdown(t.Context()) }()
	eventually(t, "server is closed", func() bool {
		return f.Map(sqs.Mapping{Queue: "Other"}, function(nil)) != nil
	})
	select {
	case err := <-done:
		t.Fatalf("shutdown did not wait: %v", err)
	default:
	}
	close(release)
	if err := <-done; err != nil {
		t.Errorf("shutdown: %v", err)
	}
	if len(started) != 0 {
		t.Error("another delivery began")
	}
	if n := f.left(t, "Jobs"); n != 1 || !strings.Contains(f.log.String(), "messages lost") {
		t.Errorf("%d left; log:\n%s", n, f.log.String())
	}
}

func TestShutdownCancels(t *testing.T) {
	f := newFixture(t, sqs.Options{}, sqs.Queue{Name: "Jobs"})
	started := make(chan struct{})
	f.mapTo(t, sqs.Mapping{Queue: "Jobs"}, func(ctx context.Context, _ []byte) ([]byte, error) {
		close(started)
		<-ctx.Done()
		return nil, ctx.Err()
	})
	f.send(t, "Jobs", "x")
	<-started
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer cancel()
	if err := f.Shutdown(ctx); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("shutdown: %v", err)
	}
}

func TestMapRefuses(t *testing.T) {
	f := newFixture(t, sqs.Options{}, sqs.Queue{Name: "Jobs"})
	for want, m := range map[string]sqs.Mapping{
		"no such queue":          {Queue: "Nobody"},
		"batch size":             {Queue: "Jobs", BatchSize: 10_001},
		"needs a batch window":   {Queue: "Jobs", BatchSize: 11},
		"not within 300 seconds": {Queue: "Jobs", Window: time.Hour},
		"maximum concurrency":    {Queue: "Jobs", MaximumConcurrency: 1001},
	} {
		if err := f.Map(m, function(nil)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", want, err)
		}
	}
}
