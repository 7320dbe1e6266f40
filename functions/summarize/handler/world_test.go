package handler_test

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"slices"
	"testing"
	"time"

	"aiwm-chat/functions/summarize/handler"
	"aiwm-chat/shared/chat"
	"aiwm-chat/shared/protocol"
	"aiwm-chat/shared/summary"
)

var errDown = errors.New("no route to host")

var user = chat.Principal{Type: chat.User, ID: "u1", OrgID: "acme"}

// A world is a conversation with its log, its room, and a summariser. Its
// SaveSummary is the store's: a summary never replaces one that is as new, nor
// one that was erased since; its turns are those of one process.
type world struct {
	conversation chat.Conversation
	messages     []chat.Message
	model        func(in summary.Input) (summary.Result, error)
	meanwhile    func() // while the model thinks
	fail         map[string]error
	room         []chat.Connection
	told         []chat.ConnectionID
	asked        []summary.Input
	jobs         []protocol.SummaryJob
	delays       []time.Duration

	patience    time.Duration // of who began last
	taken       bool
	remakes     int // asked for
	remakesLeft int
	ended       []string
	wish        time.Duration
}

func newWorld(messages int, covered int64) *world {
	w := &world{
		conversation: chat.Conversation{
			ID: "c1", OrgID: "acme", Participants: []chat.Participant{{Type: user.Type, ID: user.ID}}, TotalMessages: int64(messages),
		},
		room: []chat.Connection{{ID: "in=", Principal: user}, {ID: "stranger=", Principal: chat.Principal{Type: chat.User, ID: "u2", OrgID: "acme"}}},
		fail: map[string]error{}, remakesLeft: 1,
		model: func(in summary.Input) (summary.Result, error) {
			return summary.Result{Text: "new", Model: "gpt", Read: len(in.Messages)}, nil
		},
		meanwhile: func() {},
	}
	if covered > 0 {
		w.conversation.ContextSummary = "old"
		w.conversation.Summary = &chat.Summary{FromSeq: 1, ToSeq: covered, Model: "gpt"}
	}
	for seq := range messages {
		w.messages = append(w.messages, chat.Message{Seq: int64(seq + 1)})
	}
	return w
}

func (w *world) writer() *handler.Writer { return handler.NewWriter(w, w, w, w) }

func (w *world) run(ctx context.Context, job protocol.SummaryJob) error {
	job.OrgID, job.ConversationID = "acme", "c1"
	return handler.New(w.writer(), w).Handle(ctx, job)
}

func (w *world) AnyConversation(context.Context, chat.OrgID, chat.ConversationID) (chat.Conversation, error) {
	return w.conversation, w.fail["AnyConversation"]
}

func (w *world) Messages(_ context.Context, _ chat.ConversationID, q chat.MessageQuery) ([]chat.Message, bool, error) {
	if q.AfterSeq == nil || q.BeforeSeq != nil || q.Limit != summary.MaxMessages {
		panic("another page than the next")
	}
	page := w.messages[min(int(*q.AfterSeq), len(w.messages)):]
	return page[:min(len(page), q.Limit)], len(page) > q.Limit, w.fail["Messages"]
}

func (w *world) Summarize(_ context.Context, in summary.Input) (summary.Result, error) {
	w.asked = append(w.asked, in)
	w.meanwhile()
	return w.model(in)
}

func (w *world) SaveSummary(_ context.Context, c chat.Conversation, text string, s chat.Summary) (chat.Conversation, bool, error) {
	if err := w.fail["SaveSummary"]; err != nil {
		return chat.Conversation{}, false, err
	}
	if old := w.conversation.Summary; old != nil && old.ToSeq >= s.ToSeq || w.conversation.Erasures > c.Erasures {
		return w.conversation, false, nil
	}
	w.conversation.ContextSummary, w.conversation.Summary = text, &s
	return w.conversation, true, nil
}

func (w *world) BeginSummary(_ context.Context, _ chat.ConversationID, patience time.Duration) (string, error) {
	if err := w.fail["BeginSummary"]; err != nil {
		return "", err
	}
	if w.taken {
		return "", chat.LimitedFor(time.Second)
	}
	w.taken, w.patience = true, patience
	return "turn", nil
}

// AllowRemake is Redis's: one in a minute, which is over when the test says so.
func (w *world) AllowRemake(context.Context, chat.ConversationID) error {
	if w.remakes++; w.remakes > w.remakesLeft {
		return chat.LimitedFor(40 * time.Second)
	}
	return nil
}

func (w *world) EndSummary(ctx context.Context, _ chat.ConversationID, turn string) {
	w.end(ctx, "end "+turn)
}

func (w *world) PauseSummary(ctx context.Context, _ chat.ConversationID, turn string, wish time.Duration, lasting bool) (time.Duration, error) {
	w.wish = wish
	if lasting {
		turn += " for long"
	}
	w.end(ctx, "pause "+turn)
	return max(wish, time.Minute), w.fail["PauseSummary"]
}

func (w *world) end(ctx context.Context, how string) {
	if ctx.Err() != nil {
		how += ", too late"
	}
	w.taken, w.ended = false, append(w.ended, how)
}

func (w *world) EnqueueSummaryIn(_ context.Context, job protocol.SummaryJob, delay time.Duration) error {
	if err := w.fail["Enqueue"]; err != nil {
		return err
	}
	w.jobs, w.delays = append(w.jobs, job), append(w.delays, delay)
	return nil
}

// Tell is the announcer's: it tells those in the room who are participants.
func (w *world) Tell(_ context.Context, c chat.Conversation, _ []byte) {
	for _, to := range c.Entitled(w.room) {
		w.told = append(w.told, to.ID)
	}
}

// seen are the seqs that the model got, over all rounds.
func (w *world) seen() (seqs []int64) {
	for _, in := range w.asked {
		for _, m := range in.Messages {
			seqs = append(seqs, m.Seq)
		}
	}
	return seqs
}

func upTo(from, to int64) (seqs []int64) {
	for seq := from; seq <= to; seq++ {
		seqs = append(seqs, seq)
	}
	return seqs
}

func same(a, b []int64) bool { return slices.Equal(a, b) }

// logged returns what the process logs during the test.
func logged(t *testing.T) *bytes.Buffer {
	t.Helper()
	before := slog.Default()
	t.Cleanup(func() { slog.SetDefault(before) })
	var log bytes.Buffer
	slog.SetDefault(slog.New(slog.NewTextHandler(&log, nil)))
	return &log
}
