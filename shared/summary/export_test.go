package summary

import (
	"net/http"
	"net/url"

	openai "github.com/sashabaranov/go-openai"
)

// Through has s call another address than the one that it was made for.
func Through(s *OpenAI, address string) *OpenAI {
	u, err := url.Parse(address)
	if err != nil {
		panic(err)
	}
	c := openai.DefaultConfig("key")
	c.HTTPClient = &http.Client{Transport: elsewhere{u.Host}}
	out := &OpenAI{options: s.options, request: s.request}
	out.asked.Store(&asked{openai.NewClientWithConfig(c), "key"})
	return out
}

type elsewhere struct{ host string }

func (e elsewhere) RoundTrip(r *http.Request) (*http.Response, error) {
	r = r.Clone(r.Context())
	r.URL.Scheme, r.URL.Host = "http", e.host
	return http.DefaultTransport.RoundTrip(r)
}

// Answer is what is made of a model's text.
func Answer(text string) (string, error) {
	return answer(openai.ChatCompletionResponse{Choices: []openai.ChatCompletionChoice{{Message: openai.ChatCompletionMessage{Content: text}}}})
}
