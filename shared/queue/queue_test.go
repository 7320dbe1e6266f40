package queue_test

import (
	"context"
	"crypto/md5"
	"encoding/hex"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"aiwm-chat/shared/chat"
	"aiwm-chat/shared/config"
	"aiwm-chat/shared/observe"
	"aiwm-chat/shared/protocol"
	"aiwm-chat/shared/queue"
)

type request struct {
	target, authorization, token               string
	DelaySeconds                               int
	QueueUrl, MessageBody                      string
	MessageAttributes, MessageSystemAttributes map[string]struct{ StringValue string }
}

// An sqs answers SendMessage in AWS JSON 1.0, as the service model has it.
type sqs struct {
	*httptest.Server
	requests chan request
}

func newSQS(t *testing.T, answer func(w http.ResponseWriter, r request)) *sqs {
	s := &sqs{requests: make(chan request, 10)}
	s.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		in := request{
			target: r.Header.Get("X-Amz-Target"), authorization: r.Header.Get("Authorization"), token: r.Header.Get("X-Amz-Security-Token"),
		}
		b, err := io.ReadAll(r.Body)
		if err == nil {
			err = json.Unmarshal(b, &in)
		}
		if err != nil || r.Header.Get("Content-Type") != "application/x-amz-json-1.0" || r.URL.Path != "/" {
			t.Errorf("%s %s %s: %v", r.Method, r.URL, r.Header.Get("Content-Type"), err)
		}
		s.requests <- in
		w.Header().Set("Content-Type", "application/x-amz-json-1.0")
		answer(w, in)
	}))
	t.Cleanup(s.Close)
	return s
}

func accept(w http.ResponseWriter, r request) {
	sum := md5.Sum([]byte(r.MessageBody)) // the SDK compares it
	_ = json.NewEncoder(w).Encode(map[string]string{"MessageId": "m1", "MD5OfMessageBody": hex.EncodeToString(sum[:])})
}

// account is the path of a queue's URL, before its name.
const account = "/1/"

func open(t *testing.T, welcome, summary string) *queue.Queue {
	t.Helper()
	q, err := queue.New(queue.Options{
		AWS: config.AWS{
			Region: "eu-west-1", AccessKeyID: "AKIATEST", SecretAccessKey: "hunter2", SessionToken: "session",
		},
		WelcomeURL: welcome, SummaryURL: summary,
	})
	if err != nil {
		t.Fatal(err)
	}
	return q
}

func TestEnqueue(t *testing.T) {
	s := newSQS(t, accept)
	q := open(t, s.URL+account+"welcome", s.URL+account+"summary")
	job := protocol.WelcomeJobOf(chat.Connection{
		ID: "PJqB0fHsqRcCHlw=", Principal: chat.Principal{Type: chat.User, ID: "u1", OrgID: "o1"}, ExpiresAt: time.Unix(1_800_000_000, 0),
	})
	if err := q.EnqueueWelcome(t.Context(), job); err != nil {
		t.Fatal(err)
	}
	if err := q.EnqueueSummary(t.Context(), protocol.SummaryJob{OrgID: "o1", ConversationID: "c1", Seq: 10}); err != nil {
		t.Fatal(err)
	}
	welcome, summary := <-s.requests, <-s.requests
	for delay, want := range map[time.Duration]int{time.Millisecond: 1, 90 * time.Second: 90, time.Hour: 900} {
		if err := q.EnqueueSummaryIn(t.Context(), protocol.SummaryJob{ConversationID: "c1", Puts: 2}, delay); err != nil {
			t.Fatal(err)
		}
		if r := <-s.requests; r.DelaySeconds != want || !strings.Contains(r.MessageBody, `"puts":2`) || welcome.DelaySeconds+summary.DelaySeconds != 0 {
			t.Errorf("after %v: %+v", delay, r)
		}
	}
	if got, err := protocol.Decode[protocol.WelcomeJob]([]byte(welcome.MessageBody)); err != nil || got != job {
		t.Errorf("welcome: %s, %v", welcome.MessageBody, err)
	}
	if want := `{"orgId":"o1","conversationId":"c1","seq":10}`; summary.MessageBody != want {
		t.Errorf("summary: %s, want %s", summary.MessageBody, want)
	}
	if welcome.QueueUrl != s.URL+account+"welcome" || summary.QueueUrl != s.URL+account+"summary" {
		t.Errorf("queues %s and %s", welcome.QueueUrl, summary.QueueUrl)
	}
	for _, r := range []request{welcome, summary} {
		if r.target != "AmazonSQS.SendMessage" || r.token != "session" ||
			!strings.HasPrefix(r.authorization, "AWS4-HMAC-SHA256 Credential=AKIATEST/") || !strings.Contains(r.authorization, "/eu-west-1/sqs/aws4_request") {
			t.Errorf("request %+v", r)
		}
	}
}

func TestEnqueueRun(t *testing.T) {
	s := newSQS(t, accept)
	q, err := queue.New(queue.Options{AWS: config.AWS{Region: "eu-west-1", AccessKeyID: "AKIATEST", SecretAccessKey: "hunter2"}, RunURL: s.URL + account + "run"})
	if err != nil {
		t.Fatal(err)
	}
	if err := q.EnqueueRun(t.Context(), protocol.RunJob{RunID: "r", OrgID: "o1", ConversationID: "c1"}); err != nil {
		t.Fatal(err)
	}
	const want = `{"runId":"r","orgId":"o1","conversationId":"c1"}`
	if r := <-s.requests; r.QueueUrl != s.URL+account+"run" || r.MessageBody != want || r.DelaySeconds != 0 {
		t.Errorf("%+v", r)
	}
	if err := open(t, "", s.URL+account+"summary").EnqueueRun(t.Context(), protocol.RunJob{}); err == nil || !strings.Contains(err.Error(), "the run queue is not configured") {
		t.Errorf("not configured: %v", err)
	}
}

func TestQueueNotConfigured(t *testing.T) {
	s := newSQS(t, accept)
	err := open(t, "", s.URL+account+"summary").EnqueueWelcome(t.Context(), protocol.WelcomeJob{})
	if err == nil || !strings.Contains(err.Error(), "the welcome queue is not configured") {
		t.Errorf("welcome: %v", err)
	}
	err = open(t, s.URL+account+"welcome", "").EnqueueSummary(t.Context(), protocol.SummaryJob{})
	if err == nil || !strings.Contains(err.Error(), "the summary queue is not configured") {
		t.Errorf("summary: %v", err)
	}
	if len(s.requests) > 0 {
		t.Error("a request was made")
	}
}

func TestNewRefuses(t *testing.T) {
	for name, o := range map[string]queue.Options{
		"no region": {WelcomeURL: "https://sqs.eu-west-1.amazonaws.com/1/welcome"},
		"no queue":  {AWS: config.AWS{Region: "eu-west-1"}},
		"no url":    {AWS: config.AWS{Region: "eu-west-1"}, SummaryURL: "summary"},
	} {
		if _, err := queue.New(o); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}

func TestErrors(t *testing.T) {
	for name, answer := range map[string]func(http.ResponseWriter, request){
		"no such queue": func(w http.ResponseWriter, _ request) {
			w.WriteHeader(http.StatusBadRequest)
			_, _ = io.WriteString(w, `{"__type":"com.amazonaws.sqs#QueueDoesNotExist","message":"no such queue"}`)
		},
		"another body arrived": func(w http.ResponseWriter, _ request) { accept(w, request{MessageBody: "other"}) },
	} {
		s := newSQS(t, answer)
		err := open(t, "", s.URL+account+"summary").EnqueueSummary(t.Context(), protocol.SummaryJob{ConversationID: "c1"})
		if err == nil || !strings.HasPrefix(err.Error(), "enqueue a summary job: ") || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestRetry: SQS is the only way to ask for a job, so a hiccup is not final.
func TestRetry(t *testing.T) {
	var requests atomic.Int32
	s := newSQS(t, func(w http.ResponseWriter, r request) {
		if requests.Add(1) == 1 {
			w.WriteHeader(http.StatusInternalServerError)
			return
		}
		accept(w, r)
	})
	if err := open(t, "", s.URL+account+"summary").EnqueueSummary(t.Context(), protocol.SummaryJob{ConversationID: "c1"}); err != nil {
		t.Error(err)
	}
}

func TestContextEnds(t *testing.T) {
	s := newSQS(t, accept)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := open(t, "", s.URL+account+"summary").EnqueueSummary(ctx, protocol.SummaryJob{ConversationID: "c1"}); err == nil {
		t.Error("sent although the caller is gone")
	}
}

// A job says what it follows from: in the client's words, and by its trace.
func TestJobsFollow(t *testing.T) {
	s := newSQS(t, accept)
	q := open(t, s.URL+account+"welcome", s.URL+account+"summary")
	const xray, parent = "Root=1-5759e988-bd862e3fe1be46a994272793;Parent=53995c3f42cd8ad8;Sampled=1", "00-5759e988bd862e3fe1be46a994272793-53995c3f42cd8ad8-01"
	ctx, seen := observe.Begin(t.Context(), observe.Start{RequestID: "r1", Trace: observe.TraceOf(xray, "")})
	for _, want := range []string{"r1", "frame 7"} {
		if err := q.EnqueueSummary(ctx, protocol.SummaryJob{OrgID: "o1", ConversationID: "c1", Seq: 10}); err != nil {
			t.Fatal(err)
		}
		r := <-s.requests
		if r.MessageAttributes["correlation"].StringValue != want || r.MessageAttributes["traceparent"].StringValue != parent || r.MessageSystemAttributes["AWSTraceHeader"].StringValue != xray {
			t.Errorf("%+v", r)
		}
		seen.Correlate("frame 7")
	}
	if err := q.EnqueueSummary(t.Context(), protocol.SummaryJob{OrgID: "o1", ConversationID: "c1", Seq: 10}); err != nil {
		t.Fatal(err)
	}
	if r := <-s.requests; len(r.MessageAttributes)+len(r.MessageSystemAttributes) != 0 {
		t.Errorf("what follows from nothing says %+v", r)
	}
}
