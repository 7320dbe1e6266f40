package handler

import (
	"context"
	"errors"
	"log/slog"
	"math/rand/v2"
	"time"

	"aiwm-chat/functions/answer/runlog"
	"aiwm-chat/functions/answer/tools"
	"aiwm-chat/shared/chat"
	"aiwm-chat/shared/completion"
	"aiwm-chat/shared/protocol"
)

// maxAsks is how often a model is asked that fails before its first token.
const maxAsks = 3

// A failure is the end of a run that people see: a code, and a sentence.
type failure struct {
	code chat.Code
	text string
}

// Error is the sentence.
func (f *failure) Error() string { return f.text }

// budgetExceeded is the code of a run whose agent may spend no more.
const budgetExceeded chat.Code = "budget_exceeded"

// ask asks the model, and shows what it says as it comes. A model that fails before its
// first token is asked twice more; after it, what there is is the answer, with the error.
func (w *work) ask(ctx context.Context, s *stream, request completion.Request) (completion.Answer, error) {
	for try := 1; ; try++ {
		s.does(thinking)
		answer, err := w.model.Stream(ctx, request, func(p completion.Piece) {
			if p.Thinking != "" {
				s.add(protocol.PartThinking, p.Thinking)
			}
			if p.Content != "" {
				s.does(generating)
				s.add(protocol.PartContent, p.Content)
			}
		})
		wait, again := againAfter(err, try, w.h.times)
		if !again {
			return answer, err
		}
		slog.WarnContext(ctx, "a model is asked again", "run", w.run().ID, "try", try, "wait", wait, "err", err)
		s.does(waiting)
		if !sleep(ctx, wait) {
			return answer, err
		}
	}
}

// againAfter returns how long to wait before the model is asked again, where that may do:
// as long as the service asks for, else longer with each try, and never all at once.
func againAfter(err error, try int, t times) (wait time.Duration, again bool) {
	e, ok := errors.AsType[*completion.Error](err)
	if !ok || e.Kind != completion.Temporary || e.Began || try >= maxAsks || e.After > t.longest {
		return 0, false
	}
	wait = t.backOff << (2 * (try - 1))
	wait += time.Duration(rand.Int64N(int64(wait) + 1))
	return max(wait, e.After), true
}

// sleep reports whether ctx goes on.
func sleep(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// request is what the model is asked in this step.
func (w *work) request(s scene) completion.Request {
	m := w.agent.Managed
	r := completion.Request{Model: m.Model, Messages: prompt(s), ReasoningEffort: m.ReasoningEffort, MaxOutputTokens: m.MaxOutputTokens}
	if m.Temperature != nil {
		r.Temperature = new(float32(*m.Temperature))
	}
	for _, t := range w.tools {
		r.Tools = append(r.Tools, completion.Tool{Name: t.Name, Description: t.Description, Schema: t.Schema})
	}
	return r
}

// drafted is the message that an answer of the model becomes.
func (w *work) drafted(step int, a completion.Answer, took time.Duration) (chat.Draft, error) {
	d := chat.Draft{Content: chat.TruncateUTF8(a.Content, chat.MaxContentStream), Usage: usageOf(a.Usage), Latency: took.Truncate(time.Millisecond)}
	if a.Thinking != "" {
		d.Thinking = &chat.Thinking{Content: chat.TruncateUTF8(a.Thinking, chat.MaxThinkingStream), Visible: true}
	}
	if len(a.ToolCalls) == 0 {
		return d, nil
	}
	d.Type = chat.TypeToolCall
	size := 0
	for i, c := range a.ToolCalls {
		ask := runlog.Ask{ID: w.run().ID.Call(step, i+1), ModelID: c.ID, Name: c.Name, Arguments: runlog.ArgumentsOf(c.Arguments)}
		if t, ok := w.tool(c.Name); ok {
			ask.Server, ask.Tool, ask.Approval = t.Server, t.Tool, t.Ask
		}
		if ask.Approval && d.Approval == nil {
			d.Approval = &chat.Approval{Verdict: chat.VerdictPending, ExpiresAt: time.Now().Add(time.Duration(w.agent.Managed.ApprovalSeconds) * time.Second).Truncate(time.Millisecond)}
		}
		raw, err := protocol.Marshal(ask)
		if err != nil {
			return d, err
		}
		size += len(raw)
		d.ToolCalls = append(d.ToolCalls, raw)
	}
	if size > chat.MaxToolsBytes || len(d.ToolCalls) > chat.MaxTools {
		d.Type, d.ToolCalls, d.Approval = chat.TypeText, nil, nil
		return d, &failure{chat.PayloadTooLarge, "The model wanted to call tools with more than 64 KB of arguments."}
	}
	return d, nil
}

func (w *work) tool(name string) (tools.Tool, bool) {
	for _, t := range w.tools {
		if t.Name == name {
			return t, true
		}
	}
	return tools.Tool{}, false
}

// usageOf bounds what a service says that its answer cost.
func usageOf(u chat.Usage) *chat.Usage {
	if u == (chat.Usage{}) {
		return nil
	}
	bound := func(n int64) int64 { return min(max(n, 0), chat.MaxTokens) }
	return &chat.Usage{PromptTokens: bound(u.PromptTokens), CompletionTokens: bound(u.CompletionTokens), TotalTokens: bound(u.TotalTokens)}
}

// cost reports whether a service bills an answer that it gave no usage for. One that was
// broken off comes without, also where not a word of it had come; one that was refused
// costs nothing.
func cost(a completion.Answer, err error) bool {
	if a.Content != "" || a.Thinking != "" || len(a.ToolCalls) > 0 {
		return true
	}
	e, ok := errors.AsType[*completion.Error](err)
	return err != nil && (!ok || e.Began)
}

// estimate is about what an answer has cost, where the service does not say: budgets are
// not for answers alone that end well.
func estimate(r completion.Request, d chat.Draft) *chat.Usage {
	u := chat.Usage{PromptTokens: int64(tokensOf(r.Messages)), CompletionTokens: int64(tokensIn(d.Content))}
	for _, t := range r.Tools {
		u.PromptTokens += int64(tokensIn(t.Name) + tokensIn(t.Description) + (len(t.Schema)+3)/4)
	}
	if d.Thinking != nil {
		u.CompletionTokens += int64(tokensIn(d.Thinking.Content))
	}
	for _, c := range d.ToolCalls {
		u.CompletionTokens += int64(len(c)+3) / 4
	}
	u.TotalTokens = u.PromptTokens + u.CompletionTokens
	return usageOf(u)
}

// explained says to people why a model did not answer. What it has of the service is for
// the log.
func explained(err error) *failure {
	if f, ok := errors.AsType[*failure](err); ok {
		return f
	}
	if e, ok := errors.AsType[*tools.Error](err); ok {
		return &failure{chat.Unavailable, "The agent cannot use its tools: " + e.Error() + "."}
	}
	switch completion.KindOf(err) {
	case completion.Refused:
		return &failure{chat.Forbidden, "The model declined to answer this."}
	case completion.Empty:
		return &failure{chat.Unavailable, "The model answered with nothing."}
	case completion.Permanent:
		return &failure{chat.Internal, "The model cannot be asked: somebody has to look at how the agent is set up."}
	case completion.BrokenOff:
		return &failure{chat.Unavailable, "The model broke off its answer."}
	case completion.TooLarge:
		return &failure{chat.PayloadTooLarge, "The answer was too long, and is cut."}
	case completion.Temporary:
		return &failure{chat.Unavailable, "The model does not answer at the moment. Try again later."}
	}
	return &failure{chat.Internal, "The agent could not answer."}
}

// failed is the message of a run that failed, with what had come of an answer.
func failed(f *failure, said chat.Draft) chat.Draft {
	said.Type, said.ToolCalls, said.Approval, said.Error = chat.TypeText, nil, nil, f.text
	if said.Content == "" {
		said.Type, said.Content = chat.TypeError, f.text
	}
	return said
}
