package summary

import (
	"context"

	"aiwm-chat/shared/config"
)

// A Summariser writes summaries.
type Summariser interface {
	Summarize(ctx context.Context, in Input) (Result, error)
}

// Of returns the summariser that the OpenAI part of a Config asks for: without
// a key, the one that needs no model.
func Of(c config.Config) Summariser {
	if c.OpenAI.APIKey == "" {
		return Offline{}
	}
	return NewOpenAI(Options{APIKey: c.OpenAI.APIKey, BaseURL: c.OpenAI.BaseURL, Model: c.OpenAI.Model, Timeout: c.OpenAI.Timeout})
}
