package handler

import (
	"testing"

	"github.com/go-json-experiment/json/jsontext"

	"aiwm-chat/shared/chat"
	"aiwm-chat/shared/protocol"
)

// FuzzTranslate: whatever comes in, either it is refused in public words, or
// what comes out is a frame of the action it is said to be.
func FuzzTranslate(f *testing.F) {
	for _, body := range []string{
		`{"event":"message:send","data":{"conversationId":"c1","content":"hi"},"id":"f1"}`,
		`{"event":"message:typing","data":{"isTyping":true}}`,
		`{"action":"typing:start","conversationId":"c1"}`,
		`{"action":"dance","steps":[1,2,{"a":null}]}`,
		`{"event":null}`, `{"action":"\ud800"}`, `{"event":"join","data":{"` + "\xff" + `":1}}`, `[`,
	} {
		f.Add([]byte(body))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		action, flat, err := translate(body)
		if err != nil {
			if code := chat.CodeOf(err); code != chat.BadRequest && code != chat.ValidationFailed && code != chat.PayloadTooLarge {
				t.Fatalf("%q is %v", body, err)
			}
			return
		}
		fields, err := protocol.Decode[map[string]jsontext.Value](flat)
		if err != nil {
			t.Fatalf("%q became %q: %v", body, flat, err)
		}
		if got, err := jsontext.AppendUnquote(nil, fields["action"]); err != nil || string(got) != action {
			t.Fatalf("%q became %q for the action %q", body, flat, action)
		}
	})
}
