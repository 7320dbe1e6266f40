package sqs

import (
	"encoding/json"
	"net/http/httptest"
	"testing"
)

func FuzzForm(f *testing.F) {
	f.Add("Action=SendMessage&MessageBody=a&DelaySeconds=1&MessageAttribute.1.Name=n&MessageAttribute.1.Value.DataType=String")
	f.Add("Action=SendMessageBatch&SendMessageBatchRequestEntry.1.Id=a&AttributeName.1=All")
	f.Fuzz(func(t *testing.T, form string) {
		_, input, err := fromForm(httptest.NewRequest("POST", "/1/Jobs", nil), []byte(form))
		if err == nil && !json.Valid(input) {
			t.Errorf("%q becomes %q", form, input)
		}
	})
}
