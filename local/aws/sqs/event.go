package sqs

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	"aiwm-chat/local/aws/account"
)

// An event is what Lambda invokes a function with, key by key; a key that
// Lambda leaves out is left out.
type event struct {
	Records []record
}

type record struct {
	MessageID              string                     `json:"messageId"`
	ReceiptHandle          string                     `json:"receiptHandle"`
	Body                   string                     `json:"body"`
	Attributes             map[string]string          `json:"attributes"`
	MessageAttributes      map[string]recordAttribute `json:"messageAttributes"`
	MD5OfMessageAttributes string                     `json:"md5OfMessageAttributes,omitempty"`
	MD5OfBody              string                     `json:"md5OfBody"`
	EventSource            string                     `json:"eventSource"`
	EventSourceARN         string                     `json:"eventSourceARN"`
	Region                 string                     `json:"awsRegion"`
}

type recordAttribute struct {
	StringValue      *string  `json:"stringValue,omitempty"`
	BinaryValue      []byte   `json:"binaryValue,omitempty"`
	StringListValues []string `json:"stringListValues"`
	BinaryListValues [][]byte `json:"binaryListValues"`
	DataType         string   `json:"dataType"`
}

func encodeEvent(q *queue, batch []message) ([]byte, error) {
	e := event{Records: make([]record, len(batch))}
	for i := range batch {
		m := &batch[i]
		attributes := make(map[string]recordAttribute, len(m.attributes))
		for name, a := range m.attributes {
			attributes[name] = recordAttribute{a.StringValue, a.BinaryValue, []string{}, [][]byte{}, a.DataType}
		}
		e.Records[i] = record{
			MessageID:              m.id,
			ReceiptHandle:          q.handle(m),
			Body:                   m.body,
			Attributes:             m.system(),
			MessageAttributes:      attributes,
			MD5OfMessageAttributes: m.attributesMD5,
			MD5OfBody:              m.bodyMD5,
			EventSource:            "aws:sqs",
			EventSourceARN:         q.arn,
			Region:                 account.Region,
		}
	}
	var b bytes.Buffer
	encoder := json.NewEncoder(&b)
	encoder.SetEscapeHTML(false) // it would make six bytes of one
	err := encoder.Encode(e)
	return b.Bytes(), err
}

// batchItemFailures returns the ids that a response names as failed. Lambda
// takes an empty response, null, and an empty or null list for a success of
// all; and it takes JSON that is broken, and an id that is missing, empty, null
// or not of this batch, for a failure of all, which is an error here. Keys
// count in their exact case.
func batchItemFailures(response []byte, ids []string) ([]string, error) {
	if len(bytes.TrimSpace(response)) == 0 {
		return nil, nil
	}
	var members map[string]json.RawMessage
	if json.Unmarshal(response, &members) != nil {
		return nil, errors.New("the response is not a JSON object")
	}
	list, ok := members["batchItemFailures"]
	if !ok {
		return nil, nil
	}
	var items []map[string]json.RawMessage
	if json.Unmarshal(list, &items) != nil {
		return nil, errors.New("batchItemFailures is not a list of objects")
	}
	failed := make([]string, len(items))
	for i, item := range items {
		if json.Unmarshal(item["itemIdentifier"], &failed[i]) != nil || failed[i] == "" {
			return nil, fmt.Errorf("batchItemFailures[%d] has no itemIdentifier", i)
		}
		if !slices.Contains(ids, failed[i]) {
			return nil, fmt.Errorf("batchItemFailures[%d] names a message that is not in the batch", i)
		}
	}
	return failed, nil
}
