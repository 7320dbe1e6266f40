package server_test

import (
	"io"
	"log/slog"
	"net/http"
	"strings"
	"testing"

	"aiwm-chat/local/server"
)

const queueOnly = "Resources:" + function + `      Environment: {Variables: {JOBS: !Ref Jobs}}
  Jobs: {Type: "AWS::SQS::Queue"}
`

// sqsCall calls an action of the queues that the function F is told of.
func sqsCall(t *testing.T, s *server.Server, action, body string) string {
	t.Helper()
	all, err := s.Environment()
	if err != nil {
		t.Fatal(err)
	}
	url := all["F"]["JOBS"]
	r, err := http.NewRequestWithContext(t.Context(), "POST", url, strings.NewReader(strings.Replace(body, "URL", url, 1)))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/x-amz-json-1.0")
	r.Header.Set("X-Amz-Target", "AmazonSQS."+action)
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != http.StatusOK {
		t.Fatalf("%s: %s %s %v", action, resp.Status, b, err)
	}
	return string(b)
}

// A job that waits is not lost with the process, where data is kept.
func TestJobsOutliveTheServer(t *testing.T) {
	t.Parallel()
	o := server.Options{Template: writeTemplate(t, queueOnly), Addr: "127.0.0.1:0", Dir: t.TempDir(), Lambda: "http://127.0.0.1:1", Logger: slog.New(slog.DiscardHandler)}
	s, err := server.Start(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	sqsCall(t, s, "SendMessage", `{"QueueUrl":"URL","MessageBody":"a job"}`)
	stop(t, s)
	if got := sqsCall(t, start(t, o), "ReceiveMessage", `{"QueueUrl":"URL"}`); !strings.Contains(got, `"Body":"a job"`) {
		t.Errorf("after the restart there is %s", got)
	}
}
