package sqs_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"aiwm-chat/local/logline/logtest"

	"github.com/aws/aws-sdk-go-v2/aws"
	awssqs "github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"
	"github.com/aws/smithy-go"
	"go.uber.org/goleak"

	"aiwm-chat/local/aws/sqs"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// A fixture is a server and an SDK client for it.
type fixture struct {
	*sqs.Server
	client *awssqs.Client
	host   string
	log    *logtest.Buffer
}

func newFixture(t *testing.T, o sqs.Options, queues ...sqs.Queue) *fixture {
	t.Helper()
	f := &fixture{log: &logtest.Buffer{}}
	o.Logger = slog.New(slog.NewTextHandler(f.log, nil))
	server, err := sqs.New(o, queues...)
	if err != nil {
		t.Fatal(err)
	}
	f.Server = server
	web := httptest.NewServer(server)
	transport := &http.Transport{}
	f.host = strings.TrimPrefix(web.URL, "http://")
	f.client = awssqs.New(awssqs.Options{
		BaseEndpoint: aws.String(web.URL),
		Region:       "us-east-1",
		HTTPClient:   &http.Client{Transport: transport},
		Credentials: aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
			return aws.Credentials{AccessKeyID: "local", SecretAccessKey: "local"}, nil
		}),
		RetryMaxAttempts: 1,
	})
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
		defer cancel()
		if err := server.Shutdown(ctx); err != nil {
			t.Errorf("shutdown: %v", err)
		}
		transport.CloseIdleConnections()
		web.Close()
		if err := server.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
	})
	return f
}

func (f *fixture) url(queue string) *string { return aws.String(sqs.URL(f.host, queue)) }

func (f *fixture) send(t *testing.T, queue string, bodies ...string) (ids []string) {
	t.Helper()
	for _, body := range bodies {
		out, err := f.client.SendMessage(t.Context(), &awssqs.SendMessageInput{QueueUrl: f.url(queue), MessageBody: &body})
		if err != nil {
			t.Fatalf("send: %v", err)
		}
		ids = append(ids, *out.MessageId)
	}
	return ids
}

// receive waits for up to n messages.
func (f *fixture) receive(t *testing.T, queue string, n int32) []types.Message {
	t.Helper()
	out, err := f.client.ReceiveMessage(t.Context(), &awssqs.ReceiveMessageInput{
		QueueUrl: f.url(queue), MaxNumberOfMessages: n, WaitTimeSeconds: 20,
		MessageSystemAttributeNames: []types.MessageSystemAttributeName{"All"}, MessageAttributeNames: []string{"All"},
	})
	if err != nil {
		t.Fatalf("receive: %v", err)
	}
	return out.Messages
}

func (f *fixture) attribute(t *testing.T, queue string, name types.QueueAttributeName) string {
	t.Helper()
	out, err := f.client.GetQueueAttributes(t.Context(), &awssqs.GetQueueAttributesInput{
		QueueUrl: f.url(queue), AttributeNames: []types.QueueAttributeName{name},
	})
	if err != nil {
		t.Fatalf("get attributes: %v", err)
	}
	return out.Attributes[string(name)]
}

// What follows from a trace is of it; another system attribute is refused.
func TestTraceHeader(t *testing.T) {
	f := newFixture(t, sqs.Options{}, sqs.Queue{Name: "Jobs"})
	send := func(name string) error {
		_, err := f.client.SendMessage(t.Context(), &awssqs.SendMessageInput{
			QueueUrl: f.url("Jobs"), MessageBody: aws.String("x"),
			MessageSystemAttributes: map[string]types.MessageSystemAttributeValue{name: {DataType: aws.String("String"), StringValue: aws.String("Root=1-2-3")}},
		})
		return err
	}
	if err := send("SenderId"); err == nil {
		t.Error("a sender names itself")
	}
	if err := send("AWSTraceHeader"); err != nil {
		t.Fatal(err)
	}
	if got := f.receive(t, "Jobs", 1); len(got) != 1 || got[0].Attributes["AWSTraceHeader"] != "Root=1-2-3" {
		t.Errorf("received %+v", got)
	}
}

func TestSendReceiveDelete(t *testing.T) {
	f := newFixture(t, sqs.Options{}, sqs.Queue{Name: "Jobs"})
	body := `{"conversationId":"c1"} <ü&"> ` + "\t\n"
	before := time.Now().UnixMilli()
	id := f.send(t, "Jobs", body)[0] // the SDK checks the MD5
	got := f.receive(t, "Jobs", 10)
	if len(got) != 1 || *got[0].MessageId != id || *got[0].Body != body {
		t.Fatalf("received %+v", got)
	}
	attributes := got[0].Attributes
	if attributes["ApproximateReceiveCount"] != "1" || attributes["SenderId"] == "" ||
		attributes["SentTimestamp"] < fmt.Sprint(before) || attributes["ApproximateFirstReceiveTimestamp"] < attributes["SentTimestamp"] {
		t.Errorf("attributes = %v", attributes)
	}
	if n := f.attribute(t, "Jobs", types.QueueAttributeNameApproximateNumberOfMessagesNotVisible); n != "1" {
		t.Errorf("%s in flight", n)
	}
	_, err := f.client.DeleteMessage(t.Context(), &awssqs.DeleteMessageInput{QueueUrl: f.url("Jobs"), ReceiptHandle: got[0].ReceiptHandle})
	if err != nil {
		t.Fatal(err)
	}
	if n := f.attribute(t, "Jobs", types.QueueAttributeNameApproximateNumberOfMessagesNotVisible); n != "0" {
		t.Errorf("%s left after delete", n)
	}
	// To delete what is gone is no error.
	_, err = f.client.DeleteMessage(t.Context(), &awssqs.DeleteMessageInput{QueueUrl: f.url("Jobs"), ReceiptHandle: got[0].ReceiptHandle})
	if err != nil {
		t.Error(err)
	}
}

func TestMessageAttributes(t *testing.T) {
	f := newFixture(t, sqs.Options{}, sqs.Queue{Name: "Jobs"})
	out, err := f.client.SendMessage(t.Context(), &awssqs.SendMessageInput{
		QueueUrl: f.url("Jobs"), MessageBody: aws.String("x"),
		MessageAttributes: map[string]types.MessageAttributeValue{
			"test_attribute_name_1": {DataType: aws.String("String"), StringValue: aws.String("test_attribute_value_1")},
			"bytes":                 {DataType: aws.String("Binary"), BinaryValue: []byte{0, 1, 255}},
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	got := f.receive(t, "Jobs", 1)[0]
	if a := got.MessageAttributes["bytes"]; string(a.BinaryValue) != "\x00\x01\xff" {
		t.Errorf("bytes = %v", a)
	}
	if a := got.MessageAttributes["test_attribute_name_1"]; aws.ToString(a.StringValue) != "test_attribute_value_1" {
		t.Errorf("string = %v", a)
	}
	const digest = "5ba3a2da9a9745e3e69c34a5c1a72d23" // as another implementation (moto) has it
	if *out.MD5OfMessageAttributes != digest || *got.MD5OfMessageAttributes != digest {
		t.Errorf("digests %s and %s, want %s", *out.MD5OfMessageAttributes, *got.MD5OfMessageAttributes, digest)
	}
}

func TestVisibilityTimeout(t *testing.T) {
	f := newFixture(t, sqs.Options{TimeScale: 200}, sqs.Queue{Name: "Jobs", VisibilityTimeout: time.Minute}) // 300 ms
	f.send(t, "Jobs", "x")
	first := f.receive(t, "Jobs", 1)[0]
	second := f.receive(t, "Jobs", 1)[0] // waits for the timeout
	if *first.MessageId != *second.MessageId || second.Attributes["ApproximateReceiveCount"] != "2" {
		t.Errorf("second receive: %+v", second)
	}
	// The first handle is stale: it deletes nothing.
	if _, err := f.client.DeleteMessage(t.Context(), &awssqs.DeleteMessageInput{QueueUrl: f.url("Jobs"), ReceiptHandle: first.ReceiptHandle}); err != nil {
		t.Error(err)
	}
	third := f.receive(t, "Jobs", 1)[0]
	if third.Attributes["ApproximateReceiveCount"] != "3" {
		t.Errorf("third receive: %+v", third)
	}
}

func TestChangeMessageVisibility(t *testing.T) {
	f := newFixture(t, sqs.Options{}, sqs.Queue{Name: "Jobs", VisibilityTimeout: time.Hour})
	f.send(t, "Jobs", "x")
	change := func(handle *string, seconds int32) error {
		_, err := f.client.ChangeMessageVisibility(t.Context(), &awssqs.ChangeMessageVisibilityInput{
			QueueUrl: f.url("Jobs"), ReceiptHandle: handle, VisibilityTimeout: seconds,
		})
		return err
	}
	first := f.receive(t, "Jobs", 1)[0]
	if err := change(first.ReceiptHandle, 0); err != nil {
		t.Fatal(err)
	}
	var notInFlight *types.MessageNotInflight
	if err := change(first.ReceiptHandle, 10); !errors.As(err, &notInFlight) {
		t.Errorf("visible message: %v", err)
	}
	if second := f.receive(t, "Jobs", 1)[0]; *second.MessageId != *first.MessageId {
		t.Errorf("received %+v", second)
	}
}

func TestDelay(t *testing.T) {
	for name, o := range map[string]sqs.Options{"with everything": {TimeScale: 500}, "alone": {TimeScale: 1, DelayScale: 500}} { // 1.8 s
		t.Run(name, func(t *testing.T) {
			f := newFixture(t, o, sqs.Queue{Name: "Jobs", Delay: 15 * time.Minute, VisibilityTimeout: 12 * time.Hour})
			f.send(t, "Jobs", "late")
			if n := f.attribute(t, "Jobs", types.QueueAttributeNameApproximateNumberOfMessagesDelayed); n != "1" {
				t.Errorf("%s delayed", n)
			}
			if _, err := f.client.SendMessage(t.Context(), &awssqs.SendMessageInput{
				QueueUrl: f.url("Jobs"), MessageBody: aws.String("sooner"), DelaySeconds: 1,
			}); err != nil {
				t.Fatal(err)
			}
			for _, want := range []string{"sooner", "late"} {
				if got := f.receive(t, "Jobs", 1); len(got) != 1 || *got[0].Body != want {
					t.Errorf("received %+v, want %s", got, want)
				}
			}
		})
	}
}

func TestDeadLetterQueue(t *testing.T) {
	f := newFixture(t, sqs.Options{},
		sqs.Queue{Name: "Jobs", DeadLetterQueue: "Dead", MaxReceiveCount: 2}, sqs.Queue{Name: "Dead"})
	id := f.send(t, "Jobs", "poison")[0]
	for range 2 {
		m := f.receive(t, "Jobs", 1)[0]
		if _, err := f.client.ChangeMessageVisibility(t.Context(), &awssqs.ChangeMessageVisibilityInput{
			QueueUrl: f.url("Jobs"), ReceiptHandle: m.ReceiptHandle, VisibilityTimeout: 0,
		}); err != nil {
			t.Fatal(err)
		}
	}
	out, err := f.client.ReceiveMessage(t.Context(), &awssqs.ReceiveMessageInput{QueueUrl: f.url("Jobs")})
	if err != nil || len(out.Messages) != 0 {
		t.Errorf("third receive: %+v, %v", out, err)
	}
	dead := f.receive(t, "Dead", 1)[0]
	if *dead.MessageId != id || *dead.Body != "poison" || dead.Attributes["ApproximateReceiveCount"] != "1" ||
		dead.Attributes["DeadLetterQueueSourceArn"] != "arn:aws:sqs:us-east-1:123456789012:Jobs" {
		t.Errorf("dead letter: %+v", dead)
	}
	if log := f.log.String(); !strings.Contains(log, "queue=Jobs") || !strings.Contains(log, id) || strings.Contains(log, "poison") {
		t.Errorf("log:\n%s", log)
	}
}

func TestBatches(t *testing.T) {
	f := newFixture(t, sqs.Options{}, sqs.Queue{Name: "Jobs", VisibilityTimeout: time.Hour})
	out, err := f.client.SendMessageBatch(t.Context(), &awssqs.SendMessageBatchInput{QueueUrl: f.url("Jobs"), Entries: []types.SendMessageBatchRequestEntry{
		{Id: aws.String("a"), MessageBody: aws.String("one")},
		{Id: aws.String("b"), MessageBody: aws.String("\x01")},
		{Id: aws.String("c"), MessageBody: aws.String("two")},
	}})
	if err != nil || len(out.Successful) != 2 || len(out.Failed) != 1 || *out.Failed[0].Id != "b" || !out.Failed[0].SenderFault ||
		*out.Failed[0].Code != "InvalidMessageContents" {
		t.Fatalf("send batch: %+v, %v", out, err)
	}
	got := f.receive(t, "Jobs", 10)
	if len(got) != 2 {
		t.Fatalf("received %d", len(got))
	}
	deleted, err := f.client.DeleteMessageBatch(t.Context(), &awssqs.DeleteMessageBatchInput{QueueUrl: f.url("Jobs"), Entries: []types.DeleteMessageBatchRequestEntry{
		{Id: aws.String("a"), ReceiptHandle: got[0].ReceiptHandle},
		{Id: aws.String("b"), ReceiptHandle: aws.String("nonsense")},
	}})
	if err != nil || len(deleted.Successful) != 1 || len(deleted.Failed) != 1 || *deleted.Failed[0].Code != "ReceiptHandleIsInvalid" {
		t.Errorf("delete batch: %+v, %v", deleted, err)
	}
	changed, err := f.client.ChangeMessageVisibilityBatch(t.Context(), &awssqs.ChangeMessageVisibilityBatchInput{QueueUrl: f.url("Jobs"), Entries: []types.ChangeMessageVisibilityBatchRequestEntry{
		{Id: aws.String("a"), ReceiptHandle: got[1].ReceiptHandle, VisibilityTimeout: 0},
	}})
	if err != nil || len(changed.Successful) != 1 {
		t.Errorf("change batch: %+v, %v", changed, err)
	}
	if again := f.receive(t, "Jobs", 10); len(again) != 1 || *again[0].MessageId != *got[1].MessageId {
		t.Errorf("received again: %+v", again)
	}
}

func TestQueues(t *testing.T) {
	f := newFixture(t, sqs.Options{}, sqs.Queue{Name: "JobsA", VisibilityTimeout: time.Minute}, sqs.Queue{Name: "JobsB"}, sqs.Queue{Name: "Other"})
	url, err := f.client.GetQueueUrl(t.Context(), &awssqs.GetQueueUrlInput{QueueName: aws.String("JobsA")})
	if want := "http://" + f.host + "/123456789012/JobsA"; err != nil || *url.QueueUrl != want {
		t.Errorf("url = %v, %v; want %s", url, err, want)
	}
	list, err := f.client.ListQueues(t.Context(), &awssqs.ListQueuesInput{QueueNamePrefix: aws.String("Jobs")})
	if err != nil || len(list.QueueUrls) != 2 {
		t.Errorf("list = %+v, %v", list, err)
	}
	if got := f.attribute(t, "JobsA", "VisibilityTimeout"); got != "60" {
		t.Errorf("visibility timeout = %s", got)
	}
	f.send(t, "JobsA", "a", "b")
	if _, err := f.client.PurgeQueue(t.Context(), &awssqs.PurgeQueueInput{QueueUrl: f.url("JobsA")}); err != nil {
		t.Error(err)
	}
	if got := f.attribute(t, "JobsA", "ApproximateNumberOfMessages"); got != "0" {
		t.Errorf("%s messages after purge", got)
	}
}

// TestErrors shows that the SDK gives every error its type, and the code that
// it has on AWS.
func TestErrors(t *testing.T) {
	f := newFixture(t, sqs.Options{MaxMessages: 1}, sqs.Queue{Name: "Jobs"}, sqs.Queue{Name: "Full"})
	f.send(t, "Full", "x")
	send := func(queue, body string) error {
		_, err := f.client.SendMessage(t.Context(), &awssqs.SendMessageInput{QueueUrl: f.url(queue), MessageBody: &body})
		return err
	}
	batch := func(ids ...string) error {
		in := &awssqs.SendMessageBatchInput{QueueUrl: f.url("Jobs"), Entries: []types.SendMessageBatchRequestEntry{}}
		for _, id := range ids {
			in.Entries = append(in.Entries, types.SendMessageBatchRequestEntry{Id: &id, MessageBody: aws.String("x")})
		}
		_, err := f.client.SendMessageBatch(t.Context(), in)
		return err
	}
	is := func(target any) func(error) bool { return func(err error) bool { return errors.As(err, target) } }
	for _, tt := range []struct {
		name  string
		err   error
		code  string
		typed func(error) bool
	}{
		{"unknown queue", send("Nobody", "x"), "AWS.SimpleQueueService.NonExistentQueue", is(new(*types.QueueDoesNotExist))},
		{"characters", send("Jobs", "\x00"), "InvalidMessageContents", is(new(*types.InvalidMessageContents))},
		{"too long", send("Jobs", strings.Repeat("x", 1<<20+1)), "InvalidParameterValue", nil},
		{"empty", send("Jobs", ""), "MissingParameter", nil},
		{"full", send("Full", "x"), "OverLimit", is(new(*types.OverLimit))},
		{"no entries", batch(), "AWS.SimpleQueueService.EmptyBatchRequest", is(new(*types.EmptyBatchRequest))},
		{"11 entries", batch(strings.Split("a b c d e f g h i j k", " ")...), "AWS.SimpleQueueService.TooManyEntriesInBatchRequest", is(new(*types.TooManyEntriesInBatchRequest))},
		{"same ids", batch("a", "a"), "AWS.SimpleQueueService.BatchEntryIdsNotDistinct", is(new(*types.BatchEntryIdsNotDistinct))},
		{"bad id", batch("a b"), "AWS.SimpleQueueService.InvalidBatchEntryId", is(new(*types.InvalidBatchEntryId))},
		{"batch too long", func() error {
			half := strings.Repeat("x", 1<<19+1)
			_, err := f.client.SendMessageBatch(t.Context(), &awssqs.SendMessageBatchInput{QueueUrl: f.url("Jobs"), Entries: []types.SendMessageBatchRequestEntry{
				{Id: aws.String("a"), MessageBody: &half}, {Id: aws.String("b"), MessageBody: &half},
			}})
			return err
		}(), "AWS.SimpleQueueService.BatchRequestTooLong", is(new(*types.BatchRequestTooLong))},
		{"handle", func() error {
			_, err := f.client.DeleteMessage(t.Context(), &awssqs.DeleteMessageInput{QueueUrl: f.url("Jobs"), ReceiptHandle: aws.String("x")})
			return err
		}(), "ReceiptHandleIsInvalid", is(new(*types.ReceiptHandleIsInvalid))},
		{"attribute", func() error {
			_, err := f.client.GetQueueAttributes(t.Context(), &awssqs.GetQueueAttributesInput{QueueUrl: f.url("Jobs"), AttributeNames: []types.QueueAttributeName{"Colour"}})
			return err
		}(), "InvalidAttributeName", is(new(*types.InvalidAttributeName))},
		{"too many", func() error {
			_, err := f.client.ReceiveMessage(t.Context(), &awssqs.ReceiveMessageInput{QueueUrl: f.url("Jobs"), MaxNumberOfMessages: 11})
			return err
		}(), "InvalidParameterValue", nil},
		{"unsupported", func() error {
			_, err := f.client.CreateQueue(t.Context(), &awssqs.CreateQueueInput{QueueName: aws.String("New")})
			return err
		}(), "AWS.SimpleQueueService.UnsupportedOperation", is(new(*types.UnsupportedOperation))},
	} {
		var api smithy.APIError
		if !errors.As(tt.err, &api) || api.ErrorCode() != tt.code || api.ErrorFault() != smithy.FaultClient {
			t.Errorf("%s: %v, want %s", tt.name, tt.err, tt.code)
		}
		if tt.typed != nil && !tt.typed(tt.err) {
			t.Errorf("%s: %v is not typed", tt.name, tt.err)
		}
	}
}

// TestLongestMessage sends what the limit just allows.
func TestLongestMessage(t *testing.T) {
	f := newFixture(t, sqs.Options{MaxMessageSize: 256 << 10}, sqs.Queue{Name: "Jobs"})
	body := strings.Repeat("\n", 256<<10) // two bytes each in JSON
	f.send(t, "Jobs", body)
	if got := f.receive(t, "Jobs", 1); *got[0].Body != body {
		t.Error("body differs")
	}
}

func TestMalformedRequests(t *testing.T) {
	f := newFixture(t, sqs.Options{}, sqs.Queue{Name: "Jobs"})
	for name, tt := range map[string]struct {
		contentType, target, body, want string
	}{
		"a form":   {"text/plain", "AmazonSQS.ListQueues", `{}`, "InvalidAction"},
		"no json":  {"application/x-amz-json-1.0", "AmazonSQS.ListQueues", `{`, "MalformedInput"},
		"type":     {"application/x-amz-json-1.0", "AmazonSQS.SendMessage", `{"QueueUrl":"/Jobs","MessageBody":1}`, "MalformedInput"},
		"no queue": {"application/x-amz-json-1.0", "AmazonSQS.SendMessage", `{"MessageBody":"x"}`, "MissingParameter"},
	} {
		rec := httptest.NewRecorder()
		req := httptest.NewRequest(http.MethodPost, "/", strings.NewReader(tt.body))
		req.Header.Set("Content-Type", tt.contentType)
		req.Header.Set("X-Amz-Target", tt.target)
		f.ServeHTTP(rec, req)
		body, _ := io.ReadAll(rec.Body)
		if rec.Code != http.StatusBadRequest || !strings.Contains(string(body), tt.want) {
			t.Errorf("%s: %d %s", name, rec.Code, body)
		}
	}
}

func TestNewRefuses(t *testing.T) {
	for want, queues := range map[string][]sqs.Queue{
		"fifo":            {{Name: "Jobs.fifo"}},
		"queue name":      {{Name: "Jobs/1"}},
		"twice":           {{Name: "A"}, {Name: "A"}},
		"not another":     {{Name: "A", DeadLetterQueue: "A", MaxReceiveCount: 1}},
		"go together":     {{Name: "A", MaxReceiveCount: 3}},
		"visibility":      {{Name: "A", VisibilityTimeout: 13 * time.Hour}},
		"delay":           {{Name: "A", Delay: time.Hour}},
		"retention":       {{Name: "A", Retention: time.Second}},
		"maxReceiveCount": {{Name: "A", DeadLetterQueue: "B", MaxReceiveCount: 2000}, {Name: "B"}},
	} {
		if _, err := sqs.New(sqs.Options{}, queues...); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", want, err)
		}
	}
}
