package sqs

import (
	"context"
	"encoding/json"
	"slices"
	"strconv"
	"strings"
	"time"

	"aiwm-chat/local/aws/account"
)

type receiveMessage struct {
	MaxNumberOfMessages         *int
	VisibilityTimeout           *int
	WaitTimeSeconds             int
	AttributeNames              []string // the older name of the next
	MessageSystemAttributeNames []string
	MessageAttributeNames       []string
}

type receivedMessage struct {
	MessageID              string `json:"MessageId"`
	ReceiptHandle          string
	MD5OfBody              string
	Body                   string
	Attributes             map[string]string    `json:",omitempty"`
	MD5OfMessageAttributes string               `json:",omitempty"`
	MessageAttributes      map[string]attribute `json:",omitempty"`
}

func (s *Server) receive(ctx context.Context, q *queue, in receiveMessage) (any, error) {
	limit, visibility := 1, q.config.VisibilityTimeout
	if in.MaxNumberOfMessages != nil {
		limit = *in.MaxNumberOfMessages
	}
	if in.VisibilityTimeout != nil {
		visibility = fromSeconds(*in.VisibilityTimeout)
	}
	wait := fromSeconds(in.WaitTimeSeconds)
	switch {
	case limit < 1 || limit > 10:
		return nil, invalidValue("Value %d for parameter MaxNumberOfMessages is invalid. Reason: Must be between 1 and 10, if provided.", limit)
	case visibility < 0 || visibility > maxVisibility:
		return nil, errVisibility(*in.VisibilityTimeout)
	case wait < 0 || wait > maxWait:
		return nil, invalidValue("Value %d for parameter WaitTimeSeconds is invalid. Reason: Must be >= 0 and <= 20, if provided.", in.WaitTimeSeconds)
	}
	wanted := append(in.AttributeNames, in.MessageSystemAttributeNames...)
	messages := []receivedMessage{}
	for _, m := range q.receive(ctx, limit, s.options.MaxMessageSize, visibility, wait) {
		out := receivedMessage{MessageID: m.id, ReceiptHandle: q.handle(&m), MD5OfBody: m.bodyMD5, Body: m.body, Attributes: m.system()}
		for name := range out.Attributes {
			if !slices.Contains(wanted, name) && !slices.Contains(wanted, "All") {
				delete(out.Attributes, name)
			}
		}
		out.MessageAttributes = selectAttributes(m.attributes, in.MessageAttributeNames)
		out.MD5OfMessageAttributes = attributesMD5(out.MessageAttributes)
		messages = append(messages, out)
	}
	if len(messages) == 0 {
		return empty{}, nil
	}
	return map[string]any{"Messages": messages}, nil
}

// fromSeconds converts without overflow: what it cuts is over every limit
// anyway.
func fromSeconds(n int) time.Duration { return time.Duration(min(max(n, -1), 1<<20)) * time.Second }

func errVisibility(seconds int) error {
	return invalidValue("Value %d for parameter VisibilityTimeout is invalid. Reason: Must be between 0 and 43200.", seconds)
}

// system returns the message system attributes, those of Lambda's event records
// among them.
func (m *message) system() map[string]string {
	attributes := map[string]string{
		"SenderId":                         account.ID,
		"SentTimestamp":                    strconv.FormatInt(m.sent.UnixMilli(), 10),
		"ApproximateReceiveCount":          strconv.Itoa(m.received),
		"ApproximateFirstReceiveTimestamp": strconv.FormatInt(m.firstReceived.UnixMilli(), 10),
	}
	if m.deadLetterOf != "" {
		attributes["DeadLetterQueueSourceArn"] = m.deadLetterOf
	}
	if m.trace != "" {
		attributes[traceHeader] = m.trace
	}
	return attributes
}

// selectAttributes returns the attributes that a client asks for: by name, by
// "prefix.*", or all of them by "All" or ".*".
func selectAttributes(attributes map[string]attribute, names []string) map[string]attribute {
	selected := map[string]attribute{}
	for attributeName, a := range attributes {
		if slices.ContainsFunc(names, func(name string) bool {
			prefix, isPrefix := strings.CutSuffix(name, "*")
			return name == "All" || name == ".*" || name == attributeName || isPrefix && strings.HasPrefix(attributeName, prefix)
		}) {
			selected[attributeName] = a
		}
	}
	return selected
}

// A handleEntry is the input of DeleteMessage and ChangeMessageVisibility, and
// an entry of their batches.
type handleEntry struct {
	ID                string `json:"Id"` // of a batch entry
	ReceiptHandle     string
	VisibilityTimeout *int
}

func (e handleEntry) delete(q *queue) error { return q.delete(e.ReceiptHandle) }

func (e handleEntry) changeVisibility(q *queue) error {
	if e.VisibilityTimeout == nil {
		return missing("VisibilityTimeout")
	}
	timeout := fromSeconds(*e.VisibilityTimeout)
	if timeout < 0 || timeout > maxVisibility {
		return errVisibility(*e.VisibilityTimeout)
	}
	return q.hide(e.ReceiptHandle, timeout)
}

type handleBatch struct{ Entries []handleEntry }

func (b handleBatch) each(q *queue, do func(handleEntry, *queue) error) (any, error) {
	ids := make([]string, len(b.Entries))
	for i, e := range b.Entries {
		ids[i] = e.ID
	}
	if err := checkBatch(ids); err != nil {
		return nil, err
	}
	out := batchAnswer{Successful: []any{}}
	for _, e := range b.Entries {
		out.add(e.ID, map[string]string{"Id": e.ID}, do(e, q))
	}
	return out, nil
}

func (s *Server) queueAttributes(q *queue, in struct{ AttributeNames []string }) (any, error) {
	n := q.counts()
	seconds := func(d time.Duration) string { return strconv.Itoa(int(d / time.Second)) }
	attributes := map[string]string{
		"QueueArn":                              q.arn,
		"ApproximateNumberOfMessages":           strconv.Itoa(n.visible),
		"ApproximateNumberOfMessagesNotVisible": strconv.Itoa(n.inFlight),
		"ApproximateNumberOfMessagesDelayed":    strconv.Itoa(n.delayed),
		"CreatedTimestamp":                      strconv.FormatInt(q.created.Unix(), 10),
		"LastModifiedTimestamp":                 strconv.FormatInt(q.created.Unix(), 10),
		"VisibilityTimeout":                     seconds(q.config.VisibilityTimeout),
		"DelaySeconds":                          seconds(q.config.Delay),
		"MessageRetentionPeriod":                seconds(q.config.Retention),
		"MaximumMessageSize":                    strconv.Itoa(s.options.MaxMessageSize),
		"ReceiveMessageWaitTimeSeconds":         "0",
	}
	if q.deadLetters != nil {
		policy, err := json.Marshal(map[string]any{
			"deadLetterTargetArn": q.deadLetters.arn, "maxReceiveCount": q.config.MaxReceiveCount,
		})
		if err != nil {
			return nil, err
		}
		attributes["RedrivePolicy"] = string(policy)
	}
	if slices.Contains(in.AttributeNames, "All") {
		return map[string]any{"Attributes": attributes}, nil
	}
	selected := map[string]string{}
	for _, name := range in.AttributeNames {
		value, ok := attributes[name]
		switch {
		case ok:
			selected[name] = value
		case name != "RedrivePolicy":
			return nil, &apiError{"InvalidAttributeName", "InvalidAttributeName", 400, "Unknown Attribute " + name + "."}
		}
	}
	return map[string]any{"Attributes": selected}, nil
}
