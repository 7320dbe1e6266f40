package summary

import (
	"context"

	"aiwm-chat/shared/config"
	"aiwm-chat/shared/wire"
)

// A Summariser writes summaries.
type Summariser interface {
	Summarize(ctx context.Context, in Input) (Result, error)
}

// In returns the summariser of a process that needs config.OpenAI: without a
// key, the one that needs no model.
func In(p *wire.Process) Summariser { return wire.Client(p, open) }

func open(c config.Config) (Summariser, error) {
	if c.OpenAI.APIKey == "" {
		return Offline{}, nil
	}
	return NewOpenAI(Options{
		APIKey: c.OpenAI.APIKey, Renewal: c.OpenAI.Renewal, BaseURL: c.OpenAI.BaseURL, Model: c.OpenAI.Model, Timeout: c.OpenAI.Timeout,
		MaxTokens: c.OpenAI.MaxTokens, Temperature: c.OpenAI.Temperature,
	}), nil
}
