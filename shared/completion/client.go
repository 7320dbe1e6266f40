package completion

import (
	"context"
	"math"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"sync/atomic"
	"time"

	openai "github.com/sashabaranov/go-openai"

	"aiwm-chat/shared/observe"
)

// A Client asks one service. It is safe for concurrent use.
type Client struct {
	options Options
	key     atomic.Pointer[string]
	http    *http.Client
}

// New returns a client. It makes no call.
func New(o Options) *Client {
	c := &Client{options: o, http: &http.Client{CheckRedirect: noRedirect, Transport: o.Transport}}
	c.key.Store(&o.Key)
	return c
}

// Complete asks once and returns the whole answer. An error is an *Error; what came
// with it is in the answer, such as the beginning of one that is too large.
func (c *Client) Complete(ctx context.Context, r Request) (Answer, error) {
	var b builder
	err := c.ask(ctx, func(ctx context.Context, client *openai.Client, _ *exchange) error {
		response, err := client.CreateChatCompletion(ctx, c.request(r))
		if err == nil {
			err = b.whole(response)
		}
		return err
	}, &b)
	return b.answer, err
}

// Stream asks once, and calls on, if it is not nil, with each piece as it comes, in
// this goroutine. The pieces put together are the answer, but where a model's opening
// tag of thoughts is missing: then what came before the closing one is no content, and
// the answer says so. An error is an *Error; the answer is filled as far as it came.
func (c *Client) Stream(ctx context.Context, r Request, on func(Piece)) (Answer, error) {
	b := builder{on: on, silence: c.options.Silence}
	err := c.ask(ctx, func(ctx context.Context, client *openai.Client, x *exchange) error {
		request := c.request(r)
		request.StreamOptions = &openai.StreamOptions{IncludeUsage: true}
		stream, err := client.CreateChatCompletionStream(ctx, request)
		if err != nil {
			return err
		}
		defer stream.Close()
		// The library's own reader takes a stream that broke off for one that ended,
		// and gives up after some comments, with which services say that they live.
		return x.events(b.event)
	}, &b)
	return b.answer, err
}

// An attempt is one request, over x.
type attempt func(ctx context.Context, client *openai.Client, x *exchange) error

// ask asks once, or where the key is refused and has been changed once more.
func (c *Client) ask(ctx context.Context, a attempt, b *builder) (err error) {
	told := observe.Of(ctx).Call("model")
	defer func() { told(err) }()
	used := *c.key.Load()
	err = c.once(ctx, used, a, b)
	if statusOf(err) != http.StatusUnauthorized || c.options.Renew == nil {
		return err
	}
	key, changed := c.options.Renew(ctx, used)
	if !changed {
		return err
	}
	c.key.Store(&key)
	return c.once(ctx, key, a, b)
}

func (c *Client) once(ctx context.Context, key string, a attempt, b *builder) error {
	inner, end := context.WithCancelCause(ctx)
	defer end(nil)
	if c.options.Timeout > 0 {
		defer time.AfterFunc(c.options.Timeout, func() { end(errTimeout) }).Stop()
	}
	x := &exchange{client: c.http}
	defer x.close()
	if b.silence > 0 {
		x.hush, x.quiet = time.AfterFunc(b.silence, func() { end(errSilent) }), b.silence
		defer x.hush.Stop()
	}
	config := openai.DefaultConfig(key)
	config.BaseURL, config.HTTPClient = c.options.BaseURL, x
	err := a(inner, openai.NewClientWithConfig(config), x)
	if cause := context.Cause(inner); err != nil && cause != nil {
		err = cause
	}
	if err = b.end(err); err == nil {
		return nil
	}
	return classify(ctx, err, x, b.began, time.Now())
}

func (c *Client) request(r Request) openai.ChatCompletionRequest {
	out := openai.ChatCompletionRequest{Model: r.Model, Messages: messages(r.Messages), Tools: tools(r.Tools), ReasoningEffort: r.ReasoningEffort}
	if c.newName(r.Model) {
		out.MaxCompletionTokens = r.MaxOutputTokens
	} else {
		//lint:ignore SA1019 other services than OpenAI's know only this name of the limit
		out.MaxTokens = r.MaxOutputTokens
	}
	if r.Temperature != nil && !c.options.Settings.NoTemperature {
		out.Temperature = max(*r.Temperature, math.SmallestNonzeroFloat32) // the library leaves 0 out
	}
	return out
}

// reasoning are OpenAI's models that think, by whatever service: they know the
// limit of an answer by its new name only, because thinking counts.
var reasoning = regexp.MustCompile(`^(.*/)?(o[0-9]|gpt-([5-9]|[1-9][0-9]))`)

// newName reports whether the limit of an answer is max_completion_tokens and
// not max_tokens: at OpenAI and Azure, and for OpenAI's newer models behind a
// service that passes requests on. Other services know the old name, which
// OpenAI no longer takes.
func (c *Client) newName(model string) bool {
	if l := c.options.Settings.Limit; l != ByModel {
		return l == MaxCompletionTokens
	}
	u, err := url.Parse(c.options.BaseURL)
	if err != nil {
		return false
	}
	host := "." + strings.ToLower(u.Hostname())
	// Azure has OpenAI's interface at hosts of three names, and others beside it.
	azure := strings.HasSuffix(host, ".azure.com") && strings.HasPrefix(u.Path, "/openai/")
	return azure || strings.HasSuffix(host, ".openai.com") || reasoning.MatchString(model)
}
