package observe

import (
	"context"
	"log/slog"
)

// Handler returns a handler that says in each line which invocation it is of, and
// what that follows from, in the words of who asked for it.
func Handler(h slog.Handler) slog.Handler { return handler{h} }

type handler struct{ slog.Handler }

func (h handler) Handle(ctx context.Context, r slog.Record) error {
	if i := Of(ctx); i != nil && i.RequestID != "" {
		r.AddAttrs(slog.String("requestId", i.RequestID))
		if c := i.Correlation(); c != i.RequestID {
			r.AddAttrs(slog.String("correlation", c))
		}
		if id := i.Trace.ID(); id != "" {
			r.AddAttrs(slog.String("trace", id))
		}
	}
	return h.Handler.Handle(ctx, r)
}

func (h handler) WithAttrs(attrs []slog.Attr) slog.Handler {
	return handler{h.Handler.WithAttrs(attrs)}
}

func (h handler) WithGroup(name string) slog.Handler { return handler{h.Handler.WithGroup(name)} }

// Counts are the numbers of the invocation for its line of the log.
func (i *Invocation) Counts(attrs []slog.Attr) []slog.Attr {
	if i == nil {
		return attrs
	}
	i.mu.Lock()
	defer i.mu.Unlock()
	for m, name := range counts {
		if name != "" && i.seen[m] {
			attrs = append(attrs, slog.Float64(name, i.values[m]))
		}
	}
	return attrs
}

// counts are the names of those that tell something of a single event; that it
// was an error, or limited, its code tells.
var counts = [metrics]string{
	Messages: "messages", Duplicates: "duplicates", FanOut: "fanOut", DeliveryLatency: "deliveryMs",
	Posts: "posted", PostsGone: "gone", PostsFailed: "failed", OldestDue: "oldestDueSeconds", ColdStarts: "cold",
	SummarySuccesses: "summaries", SummaryFailures: "summaryFailures", SummaryDuration: "summaryMs", SummaryTokens: "tokens",
}
