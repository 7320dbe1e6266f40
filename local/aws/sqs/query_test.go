package sqs_test

import (
	"encoding/xml"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"aiwm-chat/local/aws/sqs"
)

const signedByAnybody = "AWS4-HMAC-SHA256 Credential=local/20260101/us-east-1/sqs/aws4_request, SignedHeaders=host, Signature=00"

// query sends a form of the query protocol, given as "Name=value" pairs.
func (f *fixture) query(t *testing.T, path, authorization string, fields ...string) (status int, body string) {
	t.Helper()
	form := url.Values{"Version": {"2012-11-05"}}
	for _, field := range fields {
		name, value, _ := strings.Cut(field, "=")
		form.Set(name, value)
	}
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://"+f.host+path, strings.NewReader(form.Encode()))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded; charset=utf-8")
	r.Header.Set("Authorization", authorization)
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	if kind := resp.Header.Get("Content-Type"); kind != "text/xml" {
		t.Errorf("the answer is of type %q", kind)
	}
	return resp.StatusCode, string(b)
}

// ask is a query that must succeed; the answer is decoded.
func (f *fixture) ask(t *testing.T, into any, fields ...string) {
	t.Helper()
	status, body := f.query(t, "/123456789012/Jobs", signedByAnybody, fields...)
	if status != http.StatusOK {
		t.Fatalf("%v: %d %s", fields, status, body)
	}
	if err := xml.Unmarshal([]byte(body), into); err != nil {
		t.Fatalf("%v in %s", err, body)
	}
}

type queryAttribute struct {
	Name  string
	Value struct {
		Text                               string `xml:",chardata"`
		StringValue, BinaryValue, DataType string
	}
}

type queryMessages struct {
	XMLName xml.Name `xml:"http://queue.amazonaws.com/doc/2012-11-05/ ReceiveMessageResponse"`
	Result  struct {
		Message []struct {
			MessageID                                              string `xml:"MessageId"`
			ReceiptHandle, MD5OfBody, Body, MD5OfMessageAttributes string
			Attribute, MessageAttribute                            []queryAttribute
		}
	} `xml:"ReceiveMessageResult"`
	Metadata struct {
		RequestID string `xml:"RequestId"`
	} `xml:"ResponseMetadata"`
}

// A life of a message in forms and XML.
func TestQueryProtocol(t *testing.T) {
	f := newFixture(t, sqs.Options{}, sqs.Queue{Name: "Jobs"})
	body := "<ü&\"> \t\n]]>"
	var sent struct {
		Result struct {
			MessageID        string `xml:"MessageId"`
			MD5OfMessageBody string
		} `xml:"SendMessageResult"`
	}
	f.ask(t, &sent, "Action=SendMessage", "QueueUrl="+*f.url("Jobs"), "MessageBody="+body, "DelaySeconds=0",
		"MessageAttribute.1.Name=colour", "MessageAttribute.1.Value.DataType=String", "MessageAttribute.1.Value.StringValue=blue",
		"MessageAttribute.2.Name=bytes", "MessageAttribute.2.Value.DataType=Binary", "MessageAttribute.2.Value.BinaryValue=AP8=")

	var got queryMessages
	f.ask(t, &got, "Action=ReceiveMessage", "MaxNumberOfMessages=10", "WaitTimeSeconds=5", "AttributeName.1=All", "MessageAttributeName.1=All")
	if len(got.Result.Message) != 1 || got.Metadata.RequestID == "" {
		t.Fatalf("received %+v", got)
	}
	m := got.Result.Message[0]
	if m.MessageID != sent.Result.MessageID || m.Body != body || m.MD5OfBody != sent.Result.MD5OfMessageBody || len(m.Attribute) != 4 ||
		len(m.MessageAttribute) != 2 || m.MD5OfMessageAttributes == "" {
		t.Errorf("received %+v", m)
	}
	if a := m.MessageAttribute; a[0].Name != "bytes" || a[0].Value.BinaryValue != "AP8=" || a[1].Value.StringValue != "blue" || a[1].Value.DataType != "String" {
		t.Errorf("its attributes are %+v", a)
	}
	if a := m.Attribute[1]; a.Name != "ApproximateReceiveCount" || a.Value.Text != "1" {
		t.Errorf("its system attributes are %+v", m.Attribute)
	}

	var attributes struct {
		Attribute []queryAttribute `xml:"GetQueueAttributesResult>Attribute"`
	}
	f.ask(t, &attributes, "Action=GetQueueAttributes", "AttributeName.1=ApproximateNumberOfMessagesNotVisible")
	if a := attributes.Attribute; len(a) != 1 || a[0].Value.Text != "1" {
		t.Errorf("the queue's attributes are %+v", a)
	}
	var nothing struct{ XMLName xml.Name }
	f.ask(t, &nothing, "Action=ChangeMessageVisibility", "ReceiptHandle="+m.ReceiptHandle, "VisibilityTimeout=60")
	f.ask(t, &nothing, "Action=DeleteMessage", "ReceiptHandle="+m.ReceiptHandle)
	if nothing.XMLName.Local != "DeleteMessageResponse" || f.left(t, "Jobs") != 0 {
		t.Errorf("after %s %d are left", nothing.XMLName.Local, f.left(t, "Jobs"))
	}
	var urls struct {
		One  string   `xml:"GetQueueUrlResult>QueueUrl"`
		Many []string `xml:"ListQueuesResult>QueueUrl"`
	}
	f.ask(t, &urls, "Action=GetQueueUrl", "QueueName=Jobs")
	f.ask(t, &urls, "Action=ListQueues")
	if urls.One != *f.url("Jobs") || len(urls.Many) != 1 || urls.Many[0] != urls.One {
		t.Errorf("the URLs are %+v", urls)
	}
}

func TestQueryBatches(t *testing.T) {
	f := newFixture(t, sqs.Options{}, sqs.Queue{Name: "Jobs"})
	var sent struct {
		Sent []struct {
			ID string `xml:"Id"`
		} `xml:"SendMessageBatchResult>SendMessageBatchResultEntry"`
		Failed []struct {
			ID          string `xml:"Id"`
			Code        string
			SenderFault bool
		} `xml:"SendMessageBatchResult>BatchResultErrorEntry"`
	}
	const entry = "SendMessageBatchRequestEntry."
	f.ask(t, &sent, "Action=SendMessageBatch", entry+"2.Id=b", entry+"2.MessageBody=two", entry+"1.Id=a", entry+"1.MessageBody=one",
		entry+"3.Id=c", entry+"3.MessageBody=x", entry+"3.DelaySeconds=901")
	if len(sent.Sent) != 2 || sent.Sent[0].ID != "a" || sent.Sent[1].ID != "b" {
		t.Errorf("sent are %+v", sent.Sent)
	}
	if len(sent.Failed) != 1 || sent.Failed[0].ID != "c" || !sent.Failed[0].SenderFault || sent.Failed[0].Code != "InvalidParameterValue" {
		t.Errorf("failed are %+v", sent.Failed)
	}
	var fields []string
	for i, m := range f.receive(t, "Jobs", 10) {
		n := string(rune('1' + i))
		fields = append(fields, "DeleteMessageBatchRequestEntry."+n+".Id=m"+n, "DeleteMessageBatchRequestEntry."+n+".ReceiptHandle="+*m.ReceiptHandle)
	}
	var deleted struct {
		IDs []string `xml:"DeleteMessageBatchResult>DeleteMessageBatchResultEntry>Id"`
	}
	f.ask(t, &deleted, append(fields, "Action=DeleteMessageBatch")...)
	if len(deleted.IDs) == 0 || len(deleted.IDs)+f.left(t, "Jobs") != 2 {
		t.Errorf("deleted are %v, left %d", deleted.IDs, f.left(t, "Jobs"))
	}
}

func TestQueryErrors(t *testing.T) {
	f := newFixture(t, sqs.Options{}, sqs.Queue{Name: "Jobs"})
	for name, tt := range map[string]struct {
		path, authorization string
		fields              []string
		status              int
		code                string
	}{
		"unknown queue":  {"/1/Nope", signedByAnybody, []string{"Action=PurgeQueue"}, 400, "AWS.SimpleQueueService.NonExistentQueue"},
		"no queue":       {"/", signedByAnybody, []string{"Action=PurgeQueue"}, 400, "MissingParameter"},
		"unknown action": {"/1/Jobs", signedByAnybody, []string{"Action=Create<Queue>"}, 400, "AWS.SimpleQueueService.UnsupportedOperation"},
		"no number":      {"/1/Jobs", signedByAnybody, []string{"Action=ReceiveMessage", "MaxNumberOfMessages=many"}, 400, "InvalidParameterValue"},
		"no index":       {"/1/Jobs", signedByAnybody, []string{"Action=ReceiveMessage", "AttributeName.x=All"}, 400, "InvalidParameterValue"},
		"a huge index":   {"/1/Jobs", signedByAnybody, []string{"Action=ReceiveMessage", "AttributeName.99999999=All"}, 400, "InvalidParameterValue"},
		"batch in batch": {"/1/Jobs", signedByAnybody, []string{"Action=SendMessageBatch", "SendMessageBatchRequestEntry.1.SendMessageBatchRequestEntry.1.Id=a"}, 400, "InvalidParameterValue"},
		"no UTF-8":       {"/1/Jobs", signedByAnybody, []string{"Action=SendMessage", "MessageBody=a\xff"}, 400, "InvalidMessageContents"},
		"an attribute that XML cannot have": {"/1/Jobs", signedByAnybody, []string{"Action=SendMessage", "MessageBody=a", "MessageAttribute.1.Name=n",
			"MessageAttribute.1.Value.DataType=String", "MessageAttribute.1.Value.StringValue=\x01"}, 400, "InvalidParameterValue"},
		"a page of another origin": {"/1/Jobs", "", []string{"Action=PurgeQueue"}, 403, "MissingAuthenticationToken"},
	} {
		status, body := f.query(t, tt.path, tt.authorization, tt.fields...)
		var e struct {
			XMLName   xml.Name `xml:"http://queue.amazonaws.com/doc/2012-11-05/ ErrorResponse"`
			Type      string   `xml:"Error>Type"`
			Code      string   `xml:"Error>Code"`
			Message   string   `xml:"Error>Message"`
			RequestID string   `xml:"RequestId"`
		}
		if err := xml.Unmarshal([]byte(body), &e); err != nil {
			t.Errorf("%s: %v in %s", name, err, body)
		}
		if status != tt.status || e.Code != tt.code || e.Type != "Sender" || e.Message == "" || e.RequestID == "" {
			t.Errorf("%s: %d %s", name, status, body)
		}
	}
}
