package handler

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"aiwm-chat/shared/chat"
	"aiwm-chat/shared/observe"
	"aiwm-chat/shared/protocol"
	"aiwm-chat/shared/summary"
)

type store interface {
	AnyConversation(ctx context.Context, org chat.OrgID, id chat.ConversationID) (chat.Conversation, error)
	Messages(ctx context.Context, id chat.ConversationID, q chat.MessageQuery) (messages []chat.Message, more bool, err error)
	SaveSummary(ctx context.Context, c chat.Conversation, text string, s chat.Summary) (now chat.Conversation, saved bool, err error)
}

type turns interface {
	AllowRemake(ctx context.Context, id chat.ConversationID) error
	BeginSummary(ctx context.Context, id chat.ConversationID, patience time.Duration) (turn string, err error)
	EndSummary(ctx context.Context, id chat.ConversationID, turn string)
	PauseSummary(ctx context.Context, id chat.ConversationID, turn string, wish time.Duration, lasting bool) (time.Duration, error)
}

type summariser interface {
	Summarize(ctx context.Context, in summary.Input) (summary.Result, error)
}

type announcer interface {
	Tell(ctx context.Context, c chat.Conversation, frame []byte)
}

// A Writer writes summaries, one of a conversation at a time, whoever asks.
type Writer struct {
	store      store
	turns      turns
	summariser summariser
	announce   announcer
}

// NewWriter returns a Writer.
func NewWriter(s store, t turns, sum summariser, a announcer) *Writer {
	return &Writer{store: s, turns: t, summariser: sum, announce: a}
}

const (
	// maxRounds is how often one run asks the model.
	maxRounds = 10
	// maxMissing is how many messages a summary begins with that has to be made
	// from nothing, after an erasure in a long log: FromSeq says where. One that
	// is there goes on where it ended, however far behind it is.
	maxMissing = 500
	// usual is the time of a run where nobody has set a deadline.
	usual = time.Minute
)

// Summarize extends the summary of c by the messages since it, as far as there is
// time, saves it and tells the members. It returns the conversation's summary as it
// then is: that of a faster run, if there was one. While another one is under way,
// or the model is to be left alone, it is chat.RateLimited. One round trip to
// MongoDB where there is nothing new; else one more and two to Redis (three after an
// erasure), and for each
// round two to MongoDB, one to the model, one to Redis and the fan-out.
func (w *Writer) Summarize(ctx context.Context, c chat.Conversation) (string, error) {
	page, err := w.page(ctx, c)
	if err != nil || len(page) == 0 {
		return c.ContextSummary, public(err)
	}
	c, _, err = w.catchUp(ctx, c, max(page[len(page)-1].Seq, c.TotalMessages))
	return c.ContextSummary, public(err)
}

// catchUp extends the summary round by round until it covers to, or time is
// short, and returns the conversation as it then is. more says that there is more
// to read. After an erasure it begins anew once in a minute at most: until then it is
// chat.RateLimited.
func (w *Writer) catchUp(ctx context.Context, c chat.Conversation, to int64) (now chat.Conversation, more bool, err error) {
	end, limited := ctx.Deadline()
	if !limited {
		end = time.Now().Add(usual)
	}
	id := c.ID
	turn, err := w.turns.BeginSummary(ctx, id, time.Until(end)+2*time.Second)
	if err != nil {
		return c, false, err
	}
	// Somebody may have been faster, or an erasure.
	if c, err = w.store.AnyConversation(ctx, c.OrgID, c.ID); err == nil {
		c, more, err = w.rounds(ctx, c, to, end)
	}
	return c, more, w.end(ctx, id, turn, err)
}

func (w *Writer) rounds(ctx context.Context, c chat.Conversation, to int64, end time.Time) (now chat.Conversation, more bool, err error) {
	var longest time.Duration
	erasures := c.Erasures
	for round := range maxRounds {
		begun := time.Now()
		if covered(c) >= to {
			return c, false, nil
		}
		if round > 0 && end.Sub(begun) < 2*longest {
			return c, true, nil
		}
		// What was read before is read once more, because of an erasure.
		if c.Erasures > 0 && c.Summary == nil || c.Erasures > erasures {
			if err := w.turns.AllowRemake(ctx, c.ID); err != nil {
				return c, false, &tooSoon{err}
			}
		}
		erasures = c.Erasures
		next, read, err := w.round(ctx, c)
		if err != nil || !read {
			return c, false, err
		}
		c, longest = next, max(longest, time.Since(begun))
	}
	return c, covered(c) < to, nil
}

// A tooSoon is why a summary is not made again yet.
type tooSoon struct{ error }

func (e *tooSoon) Unwrap() error { return e.error }

// A modelError is the model's, whose pause is to be kept.
type modelError struct{ error }

func (e *modelError) Unwrap() error { return e.error }

// round asks the model once. read is false where there is nothing to read. What the
// model will not read is passed over: the summary goes on behind it as it was, and
// does not stay there for ever.
func (w *Writer) round(ctx context.Context, c chat.Conversation) (now chat.Conversation, read bool, err error) {
	messages, err := w.page(ctx, c)
	if err != nil || len(messages) == 0 {
		return c, false, err
	}
	seen, begun := observe.Of(ctx), time.Now()
	result, err := w.summariser.Summarize(ctx, summary.Input{Previous: c.ContextSummary, Messages: messages})
	seen.Record(observe.SummaryDuration, observe.Milliseconds(time.Since(begun)))
	// Where a key was wrong from the first day on, nothing would be known of successes.
	seen.Zero(observe.SummarySuccesses)
	seen.Zero(observe.SummaryFailures)
	if err != nil {
		seen.Add(observe.SummaryFailures, 1)
	} else {
		seen.Add(observe.SummarySuccesses, 1)
		seen.Add(observe.SummaryTokens, result.Tokens)
	}
	to := messages[max(result.Read, 1)-1].Seq
	if summary.Refused(err) {
		slog.WarnContext(ctx, "the summary passes over messages", "conversation", c.ID, "after", covered(c), "to", to, "err", err)
		if result.Text, err = c.ContextSummary, nil; c.Summary != nil {
			result.Model = c.Summary.Model
		}
	}
	if err != nil {
		return c, false, &modelError{err}
	}
	s := chat.Summary{FromSeq: messages[0].Seq, ToSeq: to, Model: result.Model, At: time.Now()}
	if c.Summary != nil {
		s.FromSeq = c.Summary.FromSeq
	}
	now, saved, err := w.store.SaveSummary(ctx, c, result.Text, s)
	if err != nil {
		return c, false, fmt.Errorf("save the summary: %w", err)
	}
	if saved {
		w.announce.Tell(ctx, now, protocol.ConversationFrame(protocol.EventConversationUpdated, now, s.At))
	}
	return now, true, nil
}

// page reads the messages of a round: those after the summary, in order.
func (w *Writer) page(ctx context.Context, c chat.Conversation) ([]chat.Message, error) {
	from := covered(c)
	if c.Summary == nil {
		from = max(c.TotalMessages-maxMissing, 0)
	}
	messages, _, err := w.store.Messages(ctx, c.ID, chat.MessageQuery{AfterSeq: &from, Limit: summary.MaxMessages})
	if err != nil {
		return nil, fmt.Errorf("read the messages: %w", err)
	}
	return messages, nil
}

// end gives the turn back, in a moment of its own, for the function's time may be
// up. After a failure of the model it leaves a pause, which its error tells.
func (w *Writer) end(ctx context.Context, id chat.ConversationID, turn string, err error) error {
	own, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
	defer cancel()
	model, failed := err.(*modelError) //nolint:errorlint // round's own, as it is
	if !failed {
		w.turns.EndSummary(own, id, turn)
		return err
	}
	err = model.error
	wait, lost := w.turns.PauseSummary(own, id, turn, summary.RetryAfter(err), summary.Permanent(err))
	if lost != nil {
		slog.WarnContext(ctx, "the model's pause is not noted", "conversation", id, "err", lost) // the turn is over by itself
	}
	return &pause{error: err, wait: wait}
}

func covered(c chat.Conversation) int64 {
	if c.Summary == nil {
		return 0
	}
	return c.Summary.ToSeq
}
