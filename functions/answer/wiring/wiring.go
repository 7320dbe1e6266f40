// Package wiring puts answer together.
package wiring

import (
	"context"
	"maps"
	"net/http"
	"time"

	"aiwm-chat/functions/answer/handler"
	"aiwm-chat/functions/answer/tools"
	send "aiwm-chat/functions/send/wiring"
	"aiwm-chat/shared/completion"
	"aiwm-chat/shared/config"
	"aiwm-chat/shared/gateway"
	"aiwm-chat/shared/live"
	"aiwm-chat/shared/mongostore"
	"aiwm-chat/shared/outside"
	"aiwm-chat/shared/presence"
	"aiwm-chat/shared/queue"
	"aiwm-chat/shared/wire"
)

// Function is wired from what it needs.
var Function = wire.Function{
	Needs: []config.Part{
		config.Mongo, config.Redis, config.Connections, config.SummaryQueue, config.StreamQueue, config.RunQueue, config.WebhookQueue,
		config.Providers, config.ProviderKeys, config.ToolServers,
	},
	Wire: wired,
}

func wired(p *wire.Process) any {
	h := handler.New(mongostore.ForRuns(p), presence.In(p), send.Handler(p), live.Deliverer(p), queue.In(p), models(p.Config), servers(p.Config))
	return gateway.Queue(h.Handle)
}

// silence is how long a model may say nothing: those that think do so for minutes.
const silence = 2 * time.Minute

// models are the providers that agents may name, at public addresses alone. On a laptop
// they may be anywhere, and behind its proxy.
func models(c config.Config) map[string]handler.Model {
	var transport http.RoundTripper
	if !c.ToolServers.Local {
		transport = outside.Transport(false)
	}
	all := map[string]handler.Model{}
	for name, p := range c.Providers {
		o := completion.Options{
			BaseURL: p.URL, Key: c.ProviderKeys.Keys[name], Silence: silence, Transport: transport,
			Settings: completion.Settings{Limit: completion.Limit(p.MaxTokens), NoTemperature: !p.Temperature},
		}
		if c.ProviderKeys.Renewal != nil {
			o.Renew = renewed(c.ProviderKeys.Renewal, name)
		}
		all[name] = completion.New(o)
	}
	return all
}

// renewed finds another key of a provider than the one that was refused: the keys are one
// secret.
func renewed(r *config.Renewal, name string) func(context.Context, string) (string, bool) {
	return func(ctx context.Context, refused string) (string, bool) {
		return fresh(ctx, r, func(text string) (string, bool) {
			keys, err := config.ParseProviderKeys(text)
			key := keys[name]
			return key, err == nil && key != "" && key != refused
		})
	}
}

// servers are the servers of tools, whose headers are one secret with their addresses. Where
// those are changed, instances that are new go there.
func servers(c config.Config) *tools.Servers {
	o := tools.Options{Configured: c.ToolServers.Servers, Local: c.ToolServers.Local}
	if r := c.ToolServers.Renewal; r != nil {
		o.Renew = func(ctx context.Context, server string, refused map[string]string) (map[string]string, bool) {
			return fresh(ctx, r, func(text string) (map[string]string, bool) {
				all, err := config.ParseToolServers(text, o.Local)
				now, known := all[server]
				return now.Headers, err == nil && known && !maps.Equal(now.Headers, refused)
			})
		}
	}
	return tools.New(o)
}

// fresh finds a part of a secret that is another one than was refused: in the secret as this
// instance knows it, else as it is where it is kept.
func fresh[V any](ctx context.Context, r *config.Renewal, other func(text string) (V, bool)) (none V, ok bool) {
	text, _ := r.Renew(ctx, "") // as it is known
	for range 2 {
		if v, ok := other(text); ok {
			return v, true
		}
		var changed bool
		if text, changed = r.Renew(ctx, text); !changed {
			break
		}
	}
	return none, false
}
