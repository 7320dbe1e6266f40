package sqs

import (
	"fmt"
)

// traceHeader is the one system attribute that a sender may give: X-Ray's header.
const traceHeader = "AWSTraceHeader"

// A sendMessage is the input of SendMessage and an entry of SendMessageBatch.
type sendMessage struct {
	ID                string `json:"Id"` // of a batch entry
	MessageBody       string
	DelaySeconds      *int
	MessageAttributes map[string]attribute
	// MessageSystemAttributes has room for one, AWSTraceHeader, which is no part of
	// the message's size.
	MessageSystemAttributes map[string]attribute
}

// sent is the answer to each.
type sent struct {
	ID                     string `json:"Id,omitempty"`
	MessageID              string `json:"MessageId"`
	MD5OfMessageBody       string
	MD5OfMessageAttributes string `json:",omitempty"`
}

func (s *Server) send(q *queue, in sendMessage) (sent, error) {
	delay := q.config.Delay
	if in.DelaySeconds != nil {
		delay = fromSeconds(*in.DelaySeconds)
	}
	switch {
	case in.MessageBody == "":
		return sent{}, missing("MessageBody")
	case messageSize(in.MessageBody, in.MessageAttributes) > s.options.MaxMessageSize:
		return sent{}, invalidValue("One or more parameters are invalid. Reason: Message must be shorter than %d bytes.", s.options.MaxMessageSize)
	case !validText(in.MessageBody):
		return sent{}, errContents
	case delay < 0 || delay > maxDelay:
		return sent{}, invalidValue("Value %d for parameter DelaySeconds is invalid. Reason: DelaySeconds must be >= 0 and <= 900.", *in.DelaySeconds)
	case len(in.MessageAttributes) > 10:
		return sent{}, invalidValue("Number of message attributes [%d] exceeds the allowed maximum [10].", len(in.MessageAttributes))
	}
	for name, a := range in.MessageAttributes {
		if !a.valid() || a.StringValue != nil && !validText(*a.StringValue) {
			return sent{}, invalidValue("The message attribute '%s' has no value of its type.", name)
		}
	}
	for name, a := range in.MessageSystemAttributes {
		if name != traceHeader || a.StringValue == nil || !a.valid() {
			return sent{}, invalidValue("The message system attribute '%s' is none, or has no value of its type.", name)
		}
	}
	m := newMessage(in.MessageBody, in.MessageAttributes)
	if a, ok := in.MessageSystemAttributes[traceHeader]; ok {
		m.trace = *a.StringValue
	}
	answer := sent{ID: in.ID, MessageID: m.id, MD5OfMessageBody: m.bodyMD5, MD5OfMessageAttributes: m.attributesMD5}
	return answer, q.put(m, delay)
}

func (s *Server) sendBatch(q *queue, in struct{ Entries []sendMessage }) (any, error) {
	ids, size := make([]string, len(in.Entries)), 0
	for i, e := range in.Entries {
		ids[i] = e.ID
		size += messageSize(e.MessageBody, e.MessageAttributes)
	}
	if err := checkBatch(ids); err != nil {
		return nil, err
	}
	if size > s.options.MaxMessageSize {
		return nil, &apiError{"BatchRequestTooLong", "AWS.SimpleQueueService.BatchRequestTooLong", 400,
			fmt.Sprintf("Batch requests cannot be longer than %d bytes. You have sent %d bytes.", s.options.MaxMessageSize, size)}
	}
	out := batchAnswer{Successful: []any{}}
	for _, e := range in.Entries {
		answer, err := s.send(q, e)
		out.add(e.ID, answer, err)
	}
	return out, nil
}

// A batchAnswer is the answer to a batch: what was done and what was not, each
// by the id of its entry.
type batchAnswer struct {
	Successful []any
	Failed     []batchFailure `json:",omitempty"`
}

type batchFailure struct {
	ID          string `json:"Id"`
	SenderFault bool
	Code        string
	Message     string
}

func (b *batchAnswer) add(id string, done any, err error) {
	if err == nil {
		b.Successful = append(b.Successful, done)
		return
	}
	e := toAPIError(err)
	b.Failed = append(b.Failed, batchFailure{ID: id, SenderFault: e.status < 500, Code: e.queryCode, Message: e.message})
}

// checkBatch applies what SQS demands of every batch to the ids of its entries.
func checkBatch(ids []string) error {
	switch n := len(ids); {
	case n == 0:
		return errEmptyBatch
	case n > 10:
		return errManyEntries
	}
	seen := map[string]bool{}
	for _, id := range ids {
		if !validName.MatchString(id) { // an entry id has the alphabet and length of a queue name
			return errEntryID
		}
		if seen[id] {
			return errEntryIDs
		}
		seen[id] = true
	}
	return nil
}
