package completion_test

import (
	"errors"
	"io"
	"net/http"
	"reflect"
	"strings"
	"testing"
	"testing/iotest"
	"unicode"
	"unicode/utf8"

	"aiwm-chat/shared/completion"
)

// A spoken is a service that gives one response, without a network.
type spoken func() io.Reader

func (s spoken) RoundTrip(*http.Request) (*http.Response, error) {
	return &http.Response{StatusCode: http.StatusOK, Header: http.Header{}, Body: io.NopCloser(s())}, nil
}

func (s spoken) client() *completion.Client {
	return completion.New(completion.Options{BaseURL: "http://model", Transport: s})
}

// FuzzStream looks for a panic, for an answer over its limits or with what nobody
// sees, and for pieces that are not the answer.
func FuzzStream(f *testing.F) {
	for _, seed := range []string{
		"", "data: [DONE]\n", event(`{"content":"a"}`, "stop"), event(`{"content":"<think>a</think>b"}`) + "data: [DONE]\n\n", event(`{"content":"a</think>b"}`, "stop"),
		event(`{"reasoning_content":"a","refusal":"b","tool_calls":[{"index":1,"id":"a","function":{"name":"f","arguments":"{"}},{"id":"","function":{"arguments":{}}}]}`),
		`data: {"error":{"code":429,"type":"x"},"usage":{"prompt_tokens":-1}}` + "\n", event(`{"content":[{"type":"text","text":"a"}]}`) + ": b\n\r\ndata:", "data: {\"choices\":[{\"delta\":{\"content\":\"\xff\\u202e\"}}]}\n",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, body string) {
		var sum completion.Piece
		got, err := spoken(func() io.Reader { return strings.NewReader(body) }).client().Stream(t.Context(), question("x"), func(p completion.Piece) {
			sum.Content += p.Content
			sum.Thinking += p.Thinking
			if p == (completion.Piece{}) || p.Content != "" && p.Thinking != "" {
				t.Errorf("piece %+v", p)
			}
		})
		check(t, got, err)
		var e *completion.Error
		if errors.As(err, &e) && e.Began != (sum != (completion.Piece{}) || len(got.ToolCalls) > 0) && e.Kind != completion.TooLarge {
			t.Errorf("it began: %t, and said %q and %q", e.Began, sum.Content, sum.Thinking)
		}
		if sum.Content != got.Content && !strings.Contains(sum.Content, "</think") || sum.Content == got.Content && sum.Thinking != got.Thinking {
			t.Errorf("the pieces are %q and %q, the answer %q and %q", sum.Content, sum.Thinking, got.Content, got.Thinking)
		}
		again, errAgain := spoken(func() io.Reader { return iotest.OneByteReader(strings.NewReader(body)) }).client().Stream(t.Context(), question("x"), nil)
		if !reflect.DeepEqual(got, again) || completion.KindOf(err) != completion.KindOf(errAgain) {
			t.Errorf("byte by byte: %+v, %v\nbefore: %+v, %v", again, errAgain, got, err)
		}
	})
}

// FuzzComplete is the same of whole answers.
func FuzzComplete(f *testing.F) {
	for _, seed := range []string{
		"", "{}", `{"choices":[{"message":{"content":"a"}}]}`, `{"choices":[{"finish_reason":"length","message":{"content":"<think>a</thinking><think>","tool_calls":[{"id":"a"},{"id":"a"}]}}],"usage":{"total_tokens":9}}`,
		`{"choices":[{"message":{"content":[{"type":"text","text":"a\u0000"}],"refusal":"b"}}]}`,
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, body string) {
		got, err := spoken(func() io.Reader { return strings.NewReader(body) }).client().Complete(t.Context(), question("x"))
		check(t, got, err)
	})
}

func check(t *testing.T, got completion.Answer, err error) {
	t.Helper()
	if (err == nil) != (completion.KindOf(err) == "") || err == nil && strings.TrimSpace(got.Content) == "" && len(got.ToolCalls) == 0 {
		t.Errorf("%+v, %v", got, err)
	}
	for _, s := range []string{got.Content, got.Thinking, got.Finish} {
		if !utf8.ValidString(s) || strings.ContainsFunc(s, func(r rune) bool {
			return unicode.IsControl(r) && r != '\n' && r != '\t' || unicode.Is(unicode.Bidi_Control, r)
		}) {
			t.Errorf("%q", s)
		}
	}
	size, ids := 0, map[string]bool{"": true}
	for _, c := range got.ToolCalls {
		if size += len(c.Arguments); ids[c.ID] {
			t.Errorf("calls %+v", got.ToolCalls)
		}
		ids[c.ID] = true
	}
	if len(got.Content) > completion.MaxContent || len(got.Thinking) > completion.MaxThinking || len(got.ToolCalls) > completion.MaxToolCalls || size > completion.MaxArguments {
		t.Errorf("%d, %d and %d bytes, %d calls", len(got.Content), len(got.Thinking), size, len(got.ToolCalls))
	}
}
