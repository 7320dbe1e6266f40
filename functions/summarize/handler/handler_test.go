package handler_test

import (
	"context"
	"errors"
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
// SaveSummary is the store's: a summary never replaces one that is as new.
type world struct {
	conversation chat.Conversation
	messages     []chat.Message
	model        func(in summary.Input) (summary.Result, error)
	meanwhile    *chat.Summary // saved by another round while the model thinks
	fail         map[string]error
	room         []chat.Connection
	told         []chat.ConnectionID
	asked        []summary.Input
}

func newWorld(messages int, covered int64) *world {
	w := &world{
		conversation: chat.Conversation{
			ID: "c1", OrgID: "acme", Participants: []chat.Participant{{Type: user.Type, ID: user.ID}},
		},
		room: []chat.Connection{{ID: "in=", Principal: user}, {ID: "stranger=", Principal: chat.Principal{Type: chat.User, ID: "u2", OrgID: "acme"}}},
		fail: map[string]error{},
		model: func(summary.Input) (summary.Result, error) {
			return summary.Result{Text: "new", Model: "gpt"}, nil
		},
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

func (w *world) handler() *handler.Handler { return handler.New(w, w, w) }

func (w *world) AnyConversation(context.Context, chat.OrgID, chat.ConversationID) (chat.Conversation, error) {
	return w.conversation, w.fail["AnyConversation"]
}

func (w *world) Messages(_ context.Context, _ chat.ConversationID, q chat.MessageQuery) ([]chat.Message, bool, error) {
	n := max(len(w.messages)-q.Limit, 0)
	return w.messages[n:], n > 0, w.fail["Messages"]
}

func (w *world) Summarize(_ context.Context, in summary.Input) (summary.Result, error) {
	w.asked = append(w.asked, in)
	if w.meanwhile != nil {
		w.conversation.ContextSummary, w.conversation.Summary = "faster", w.meanwhile
	}
	return w.model(in)
}

func (w *world) SaveSummary(_ context.Context, _ chat.ConversationID, text string, s chat.Summary) (chat.Conversation, bool, error) {
	if err := w.fail["SaveSummary"]; err != nil {
		return chat.Conversation{}, false, err
	}
	if old := w.conversation.Summary; old != nil && old.ToSeq >= s.ToSeq {
		return w.conversation, false, nil
	}
	w.conversation.ContextSummary, w.conversation.Summary = text, &s
	return w.conversation, true, nil
}

// Tell is the announcer's: it tells those in the room who are participants.
func (w *world) Tell(_ context.Context, c chat.Conversation, _ []byte) {
	if w.fail["Tell"] != nil {
		return
	}
	for _, to := range c.Entitled(w.room) {
		w.told = append(w.told, to.ID)
	}
}

func TestJob(t *testing.T) {
	notFound := chat.Errorf(chat.NotFound, "there is no such conversation")
	failing := func(summary.Input) (summary.Result, error) { return summary.Result{}, errDown }
	tests := []struct {
		name  string
		world *world
		set   func(w *world)
		fails bool
		asked int // how many messages the model got, -1: it was not asked
		text  string
		from  int64
		to    int64
		told  bool
	}{
		{"the first", newWorld(10, 0), nil, false, 10, "new", 1, 10, true},
		{"the next", newWorld(20, 10), nil, false, 10, "new", 1, 20, true},
		{"after missed ones, the newest only", newWorld(50, 10), nil, false, summary.MaxMessages, "new", 1, 50, true},
		{"the first of a long one", newWorld(50, 0), nil, false, summary.MaxMessages, "new", 31, 50, true},
		{"covered already", newWorld(10, 10), func(w *world) { w.fail["Messages"] = errDown }, false, -1, "old", 1, 10, false},
		{"covered and more", newWorld(20, 12), func(w *world) { w.fail["Messages"] = errDown }, false, -1, "old", 1, 12, false},
		{"deleted", newWorld(10, 0), func(w *world) { w.fail["AnyConversation"] = notFound }, false, -1, "", 0, 0, false},
		{"empty", newWorld(0, 0), nil, false, -1, "", 0, 0, false},
		{"not to be read", newWorld(20, 10), func(w *world) { w.fail["AnyConversation"] = errDown }, true, -1, "old", 1, 10, false},
		{"no messages to be read", newWorld(20, 10), func(w *world) { w.fail["Messages"] = errDown }, true, -1, "old", 1, 10, false},
		{"the model fails", newWorld(20, 10), func(w *world) { w.model = failing }, true, 10, "old", 1, 10, false},
		{"not to be saved", newWorld(20, 10), func(w *world) { w.fail["SaveSummary"] = errDown }, true, 10, "old", 1, 10, false},
		{"a faster round", newWorld(20, 10), func(w *world) { w.meanwhile = &chat.Summary{FromSeq: 1, ToSeq: 20} }, false, 10, "faster", 1, 20, false},
		{"nobody to be found", newWorld(10, 0), func(w *world) { w.fail["Tell"] = errDown }, false, 10, "new", 1, 10, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			w := tt.world
			if tt.set != nil {
				tt.set(w)
			}
			seq := len(w.messages)
			if tt.name == "covered and more" {
				seq = 10 // a job that comes late
			}
			err := w.handler().Handle(t.Context(), protocol.SummaryJob{OrgID: "acme", ConversationID: "c1", Seq: int64(seq)})
			if (err != nil) != tt.fails {
				t.Errorf("got %v", err)
			}
			asked := -1
			if len(w.asked) > 0 {
				asked = len(w.asked[0].Messages)
			}
			if asked != tt.asked {
				t.Errorf("the model got %d messages, want %d", asked, tt.asked)
			}
			var s chat.Summary
			if w.conversation.Summary != nil {
				s = *w.conversation.Summary
			}
			if w.conversation.ContextSummary != tt.text || s.FromSeq != tt.from || s.ToSeq != tt.to {
				t.Errorf("the summary is %q of %d to %d", w.conversation.ContextSummary, s.FromSeq, s.ToSeq)
			}
			want := []chat.ConnectionID{"in="}
			if !tt.told {
				want = nil
			}
			if !slices.Equal(w.told, want) {
				t.Errorf("told %v, want %v", w.told, want)
			}
		})
	}
}

// The model gets the summary so far, and what is known of the result is saved.
func TestRound(t *testing.T) {
	w, before := newWorld(13, 10), time.Now()
	text, err := w.handler().Summarize(t.Context(), w.conversation)
	if err != nil || text != "new" {
		t.Fatalf("got %q, %v", text, err)
	}
	if in := w.asked[0]; in.Previous != "old" || len(in.Messages) != 3 || in.Messages[0].Seq != 11 {
		t.Errorf("the model got %+v", in)
	}
	if s := w.conversation.Summary; s.Model != "gpt" || s.At.Before(before) {
		t.Errorf("saved %+v", s)
	}
}

// On demand a failure is one to try again, and does not say why.
func TestOnDemand(t *testing.T) {
	w := newWorld(10, 10)
	if text, err := w.handler().Summarize(t.Context(), w.conversation); err != nil || text != "old" || len(w.asked) != 0 {
		t.Errorf("with nothing new: %q, %v", text, err)
	}
	w = newWorld(20, 10)
	w.model = func(summary.Input) (summary.Result, error) { return summary.Result{}, errDown }
	_, err := w.handler().Summarize(t.Context(), w.conversation)
	if e := chat.Public(err); e.Code != chat.Unavailable || !errors.Is(err, errDown) {
		t.Errorf("got %v", err)
	}
	w = newWorld(20, 10)
	w.meanwhile = &chat.Summary{FromSeq: 1, ToSeq: 25}
	if text, err := w.handler().Summarize(t.Context(), w.conversation); err != nil || text != "faster" {
		t.Errorf("beside a faster round: %q, %v", text, err)
	}
}
