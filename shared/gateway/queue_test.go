package gateway_test

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/aws/aws-lambda-go/events"

	"aiwm-chat/shared/chat"
	"aiwm-chat/shared/gateway"
	"aiwm-chat/shared/protocol"
)

func TestQueue(t *testing.T) {
	fail := func(ids ...chat.ConversationID) func(protocol.SummaryJob) error {
		return func(job protocol.SummaryJob) error {
			if slices.Contains(ids, job.ConversationID) {
				return errors.New("not now")
			}
			return nil
		}
	}
	tests := []struct {
		name   string
		second string // the body of the second job
		handle func(protocol.SummaryJob) error
		failed []string // the ends of the ids that go back
		jobs   int
	}{
		{"all done", "", fail(), nil, 3},
		{"one fails", "", fail("c2"), []string{"2"}, 3},
		{"all fail", "", fail("c1", "c2", "c3"), []string{"1", "2", "3"}, 3},
		{"one panics", "", func(job protocol.SummaryJob) error {
			if job.ConversationID == "c3" {
				panic("!")
			}
			return nil
		}, []string{"3"}, 3},
		{"one cannot be read", `{"orgId":`, fail(), []string{"2"}, 2},
		{"one has an unknown member", `{"orgId":"acme","conversationId":"c2","seq":20,"x":1}`, fail(), []string{"2"}, 2},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			log := logged(t)
			var mu sync.Mutex
			var jobs []protocol.SummaryJob
			h := gateway.Queue(func(_ context.Context, job protocol.SummaryJob) error {
				mu.Lock()
				jobs = append(jobs, job)
				mu.Unlock()
				return tt.handle(job)
			})
			response, err := invoke[events.SQSEventResponse](t, t.Context(), h, batch(t, tt.second))
			if err != nil {
				t.Fatal(err)
			}
			var failed []string
			for _, f := range response.BatchItemFailures {
				failed = append(failed, strings.TrimLeft(f.ItemIdentifier[len(f.ItemIdentifier)-7:], "0"))
			}
			if !slices.Equal(failed, tt.failed) {
				t.Errorf("%v go back, want %v", failed, tt.failed)
			}
			if len(jobs) != tt.jobs || !slices.Contains(jobs, protocol.SummaryJob{OrgID: "acme", ConversationID: "c1", Seq: 10}) {
				t.Errorf("the jobs were %+v", jobs)
			}
			if n := strings.Count(log.String(), `"route":"queue summaries"`); n != 3 {
				t.Errorf("%d lines of log", n)
			}
		})
	}
}

// batch returns sqs.json with another body of the second record.
func batch(t *testing.T, second string) []byte {
	t.Helper()
	b := event(t, "sqs", nil)
	if second == "" {
		return b
	}
	var e struct{ Records []map[string]any }
	if err := json.Unmarshal(b, &e); err != nil {
		t.Fatal(err)
	}
	e.Records[1]["body"] = second
	b, err := json.Marshal(e)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestSchedule(t *testing.T) {
	for _, want := range []error{nil, errors.New("not now")} {
		log := logged(t)
		_, err := invoke[any](t, t.Context(), gateway.Schedule(func(context.Context) error { return want }), event(t, "schedule", nil))
		if (err == nil) != (want == nil) {
			t.Errorf("got %v, want %v", err, want)
		}
		if l := line(t, log); l["route"] != "schedule" {
			t.Errorf("logged %v", l)
		}
	}
	h := gateway.Schedule(func(context.Context) error { panic("!") })
	if _, err := invoke[any](t, t.Context(), h, event(t, "schedule", nil)); err == nil {
		t.Error("a panic is no error")
	}
}
