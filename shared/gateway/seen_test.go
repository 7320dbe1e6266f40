package gateway_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"github.com/aws/aws-lambda-go/events"
	"github.com/aws/aws-lambda-go/lambdacontext"

	"aiwm-chat/shared/chat"
	"aiwm-chat/shared/gateway"
	"aiwm-chat/shared/observe"
	"aiwm-chat/shared/observe/observetest"
	"aiwm-chat/shared/protocol"
)

// onLambda is the context of an invocation whose numbers go to out.
func onLambda(t *testing.T, out *bytes.Buffer) context.Context {
	return lambdacontext.NewContext(observetest.Context(t, out), &lambdacontext.LambdaContext{
		AwsRequestID: "r1", InvokedFunctionArn: "arn:aws:lambda:eu-west-1:123456789012:function:SendFunction:live",
	})
}

// What an invocation was is in its line of the log and in its line of numbers, and
// there is one of each.
func TestWhatIsSeen(t *testing.T) {
	limited := chat.Errorf(chat.RateLimited, "slow down")
	frames := func(err error) any {
		return gateway.Frames(&connections{}, gateway.Decoded(func(context.Context, *gateway.ClientFrame, protocol.Join) error { return err }))
	}
	connect := func(err error) any {
		return gateway.Connect(func(context.Context, chat.Connection) error { return err })
	}
	authorizer := func(err error) any {
		return gateway.Authorizer(func(context.Context, gateway.Handshake) (chat.Bearer, error) { return chat.Bearer{}, err })
	}
	const join = `{"action":"join","id":"f1","conversationId":"c1"}`
	for name, row := range map[string]struct {
		handler any
		event   []byte
		log     map[string]any
		numbers map[string]any
	}{
		"a token that is refused": {
			authorizer(chat.Refused(errors.New("forged"))), event(t, "authorizer", nil),
			map[string]any{"route": "authorize", "outcome": "refused"}, map[string]any{"Errors": 1.0, "Crashes": nil},
		},
		"a handshake that cannot be decided on": {
			authorizer(errors.New("broken")), event(t, "authorizer", nil),
			map[string]any{"route": "authorize", "outcome": "failed"}, map[string]any{"Failures": 1.0, "Crashes": 1.0},
		},
		"a frame": {
			frames(nil), event(t, "message", fields{"body": join}),
			map[string]any{"requestId": "r1", "correlation": "f1", "conversation": "c1", "outcome": "ok", "principal": "user:u1"},
			map[string]any{"ColdStarts": 1.0, "Function": "SendFunction", "Stack": "prod", "requestId": "r1"},
		},
		"a frame that is refused": {
			frames(limited), event(t, "message", fields{"body": join}),
			map[string]any{"correlation": "f1", "conversation": "c1", "outcome": "refused", "code": "rate_limited"},
			map[string]any{"Errors": 1.0, "ErrorsByCode": 1.0, "Code": "rate_limited", "RateLimited": 1.0, "Failures": nil},
		},
		"a frame that cannot be read": {
			frames(nil), event(t, "message", fields{"body": `{"action":"join","id":"f1","x":1}`}),
			map[string]any{"correlation": "f1", "conversation": nil, "outcome": "refused"},
			map[string]any{"Errors": 1.0, "Code": "validation_failed"},
		},
		"a failure": {
			frames(errors.New("no route to host")), event(t, "message", fields{"body": join}),
			map[string]any{"outcome": "failed", "level": "ERROR"},
			map[string]any{"Errors": 1.0, "Failures": 1.0, "Code": "internal"},
		},
		"a connection": {
			connect(nil), event(t, "connect", nil),
			map[string]any{"outcome": "ok"}, map[string]any{"Connects": 1.0, "Type": "user"},
		},
		"a connection that is refused": {
			connect(limited), event(t, "connect", nil),
			map[string]any{"outcome": "refused"}, map[string]any{"Connects": nil, "RateLimited": 1.0},
		},
		"the end of one": {
			gateway.Disconnect(func(context.Context, chat.Connection) error { return nil }), event(t, "disconnect", nil),
			map[string]any{"outcome": "ok"}, map[string]any{"Disconnects": 1.0, "Type": "user"},
		},
		"the clock": {
			gateway.Schedule(func(context.Context) error { return nil }), event(t, "schedule", nil),
			map[string]any{"route": "schedule", "outcome": "ok"}, map[string]any{"ColdStarts": 1.0},
		},
	} {
		t.Run(name, func(t *testing.T) {
			log, out := logged(t), &bytes.Buffer{}
			// An authorizer has no other way to refuse than an error.
			if _, err := invoke[any](t, onLambda(t, out), row.handler, row.event); err != nil && row.log["route"] != "authorize" {
				t.Fatal(err)
			}
			observetest.Check(t, "the log", line(t, log), row.log)
			observetest.Check(t, "the numbers", line(t, out), row.numbers)
		})
	}
}

// A batch has one line of numbers, and each job a line of the log with what it
// follows from.
func TestWhatIsSeenOfABatch(t *testing.T) {
	log, out := logged(t), &bytes.Buffer{}
	h := gateway.Queue(func(ctx context.Context, job protocol.SummaryJob) error {
		observe.Of(ctx).Add(observe.Posts, 2)
		if job.ConversationID == "c2" {
			return errors.New("not now")
		}
		return nil
	})
	var in events.SQSEvent
	if err := json.Unmarshal(batch(t, ""), &in); err != nil {
		t.Fatal(err)
	}
	id := "frame 7"
	in.Records[1].MessageAttributes = map[string]events.SQSMessageAttribute{protocol.CorrelationAttribute: {DataType: "String", StringValue: &id}}
	in.Records[1].Attributes["AWSTraceHeader"] = "Root=1-5759e988-bd862e3fe1be46a994272793;Parent=53995c3f42cd8ad8;Sampled=1"
	b, err := json.Marshal(in)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := invoke[any](t, onLambda(t, out), h, b); err != nil {
		t.Fatal(err)
	}
	if n := line(t, out); n["Posts"] != 6.0 || n["Failures"] != 1.0 || n["Code"] != "internal" || n["ColdStarts"] != 1.0 {
		t.Errorf("the numbers are %v", n)
	}
	found := false
	for text := range strings.Lines(log.String()) {
		var l map[string]any
		if err := json.Unmarshal([]byte(text), &l); err != nil {
			t.Fatal(err)
		}
		if l["requestId"] != "r1" || l["posted"] != 2.0 || (l["conversation"] == "c2") != (l["correlation"] == id && l["trace"] == "5759e988bd862e3fe1be46a994272793") {
			t.Errorf("logged %v", l)
		}
		found = found || l["correlation"] == id && l["outcome"] == "failed"
	}
	if !found {
		t.Errorf("logged %s", log)
	}
}

// A REST call is found by its client's id of it.
func TestWhatIsSeenOfACall(t *testing.T) {
	log, out := logged(t), &bytes.Buffer{}
	h := gateway.HTTP(nil, nil, nil)
	for id, want := range map[string]any{"call-1": "call-1", "two\nlines": nil} {
		log.Reset()
		out.Reset()
		b := event(t, "http", fields{"headers/x-request-id": id, "headers/authorization": nil, "routeKey": "GET /conversations/{id}", "pathParameters": map[string]any{"id": "c1"}})
		if _, err := invoke[any](t, onLambda(t, out), h, b); err != nil {
			t.Fatal(err)
		}
		if l := line(t, log); l["correlation"] != want || l["conversation"] != "c1" || l["code"] != "unauthorized" {
			t.Errorf("logged %v", l)
		}
	}
}
