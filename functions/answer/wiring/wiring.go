// Package wiring puts answer together.
package wiring

import (
	"context"
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
		config.Mongo, config.Redis, config.Connections, config.SummaryQueue, config.StreamQueue, config.RunQueue,
		config.Providers, config.ProviderKeys, config.ToolServers,
	},
	Wire: wired,
}

func wired(p *wire.Process) any {
	servers := tools.New(p.Config.ToolServers.Servers, p.Config.ToolServers.Local)
	h := handler.New(mongostore.ForRuns(p), presence.In(p), send.Handler(p), live.Deliverer(p), queue.In(p), models(p.Config), servers)
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
		text, _ := r.Renew(ctx, "") // as it is now
		for range 2 {
			keys, err := config.ParseProviderKeys(text)
			if key := keys[name]; err == nil && key != "" && key != refused {
				return key, true
			}
			var changed bool
			if text, changed = r.Renew(ctx, text); !changed {
				return "", false
			}
		}
		return "", false
	}
}
