package summary

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/url"

	"aiwm-chat/shared/chat"
	"aiwm-chat/shared/completion"
)

// Through has s call another address than the one that it was made for.
func Through(s *OpenAI, address string) *OpenAI {
	u, err := url.Parse(address)
	if err != nil {
		panic(err)
	}
	there := service(s.options)
	there.Transport = elsewhere{u.Host}
	return &OpenAI{options: s.options, model: completion.New(there)}
}

type elsewhere struct{ host string }

func (e elsewhere) RoundTrip(r *http.Request) (*http.Response, error) {
	r = r.Clone(r.Context())
	r.URL.Scheme, r.URL.Host = "http", e.host
	return http.DefaultTransport.RoundTrip(r)
}

// Answer is what is made of a model's text.
func Answer(ctx context.Context, text string) (string, error) {
	there := completion.Options{BaseURL: "http://model", Transport: answering(text)}
	s := &OpenAI{model: completion.New(there)}
	got, err := s.Summarize(ctx, Input{Messages: []chat.Message{{Draft: chat.Draft{Content: "x"}}}})
	return got.Text, err
}

// An answering is a service that gives one answer, without a network.
type answering string

func (a answering) RoundTrip(*http.Request) (*http.Response, error) {
	body, err := json.Marshal(map[string]any{"choices": []any{map[string]any{"message": map[string]any{"content": string(a)}}}})
	if err != nil {
		return nil, err
	}
	return &http.Response{StatusCode: http.StatusOK, Header: http.Header{}, Body: io.NopCloser(bytes.NewReader(body))}, nil
}
