package handler_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"aiwm-chat/shared/chat"
	"aiwm-chat/shared/protocol"
	"aiwm-chat/shared/summary"
)

// failure is what a model's service answers with this status.
func failure(t *testing.T, status int, header ...string) error {
	t.Helper()
	return failureWith(t, status, "", header...)
}

func failureWith(t *testing.T, status int, body string, header ...string) error {
	t.Helper()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		for i := 0; i+1 < len(header); i += 2 {
			w.Header().Set(header[i], header[i+1])
		}
		w.WriteHeader(status)
		_, _ = w.Write([]byte(body))
	}))
	defer s.Close()
	_, err := summary.NewOpenAI(summary.Options{BaseURL: s.URL, Model: "m", MaxTokens: 1}).Summarize(t.Context(), summary.Input{
		Messages: []chat.Message{{Draft: chat.Draft{Content: "x"}}},
	})
	if err == nil {
		t.Fatal("no failure")
	}
	return err
}

func TestJob(t *testing.T) {
	notFound := chat.Errorf(chat.NotFound, "there is no such conversation")
	failing := func(summary.Input) (summary.Result, error) { return summary.Result{}, errDown }
	long := func(n, from int) *world {
		w := newWorld(n, 0)
		w.messages[0].Seq = 1
		if from > 0 {
			w.conversation.ContextSummary, w.conversation.Summary = "old", &chat.Summary{FromSeq: 1, ToSeq: int64(from)}
		}
		return w
	}
	tests := []struct {
		name  string
		world *world
		set   func(w *world)
		seq   int64 // 0: of the newest message
		fails bool
		seen  []int64
		text  string
		from  int64
		to    int64
		told  int
	}{
		{"the first", newWorld(10, 0), nil, 0, false, upTo(1, 10), "new", 1, 10, 1},
		{"the next", newWorld(20, 10), nil, 0, false, upTo(11, 20), "new", 1, 20, 1},
		{"after missed ones, nothing is passed over", newWorld(50, 10), nil, 0, false, upTo(11, 50), "new", 1, 50, 2},
		{"the first of a long one", newWorld(50, 0), nil, 0, false, upTo(1, 50), "new", 1, 50, 3},
		{"from nothing in a very long one", long(620, 0), nil, 320, false, upTo(121, 320), "new", 121, 320, 10},
		{"far behind, but not from nothing", long(620, 100), nil, 300, false, upTo(101, 300), "new", 1, 300, 10},
		{"covered already", newWorld(10, 10), func(w *world) { w.fail["Messages"] = errDown }, 0, false, nil, "old", 1, 10, 0},
		{"covered and more", newWorld(20, 12), func(w *world) { w.fail["Messages"] = errDown }, 10, false, nil, "old", 1, 12, 0},
		{"deleted", newWorld(10, 0), func(w *world) { w.fail["AnyConversation"] = notFound }, 0, false, nil, "", 0, 0, 0},
		{"empty", newWorld(0, 0), nil, 10, false, nil, "", 0, 0, 0},
		{"up to what is not there", newWorld(15, 0), nil, 100, false, upTo(1, 15), "new", 1, 15, 1},
		{"not to be read", newWorld(20, 10), func(w *world) { w.fail["AnyConversation"] = errDown }, 0, true, nil, "old", 1, 10, 0},
		{"no messages to be read", newWorld(20, 10), func(w *world) { w.fail["Messages"] = errDown }, 0, true, nil, "old", 1, 10, 0},
		{"the model fails", newWorld(20, 10), func(w *world) { w.model = failing }, 0, false, upTo(11, 20), "old", 1, 10, 0},
		{"not to be saved", newWorld(20, 10), func(w *world) { w.fail["SaveSummary"] = errDown }, 0, true, upTo(11, 20), "old", 1, 10, 0},
		{"no turns", newWorld(20, 10), func(w *world) { w.fail["BeginSummary"] = chat.Unavailablef(errDown, "no") }, 0, true, nil, "old", 1, 10, 0},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			w := tt.world
			if tt.set != nil {
				tt.set(w)
			}
			seq := tt.seq
			if seq == 0 {
				seq = int64(len(w.messages))
			}
			err := w.run(t.Context(), protocol.SummaryJob{Seq: seq})
			if (err != nil) != tt.fails {
				t.Errorf("got %v", err)
			}
			if !same(w.seen(), tt.seen) {
				t.Errorf("the model saw %v, want %v", w.seen(), tt.seen)
			}
			var s chat.Summary
			if w.conversation.Summary != nil {
				s = *w.conversation.Summary
			}
			if w.conversation.ContextSummary != tt.text || s.FromSeq != tt.from || s.ToSeq != tt.to {
				t.Errorf("the summary is %q of %d to %d", w.conversation.ContextSummary, s.FromSeq, s.ToSeq)
			}
			if !slices.Equal(w.told, slices.Repeat([]chat.ConnectionID{"in="}, tt.told)) {
				t.Errorf("told %v, want %d times", w.told, tt.told)
			}
			if w.taken {
				t.Error("the turn is not given back")
			}
		})
	}
}

// What the model did not read, the next round gets: what is stored is what was read.
func TestWhatIsReadIsStored(t *testing.T) {
	w := newWorld(25, 0)
	w.model = func(in summary.Input) (summary.Result, error) {
		return summary.Result{Text: fmt.Sprint(in.Previous, "+", in.Messages[0].Seq), Read: min(len(in.Messages), 7)}, nil
	}
	if err := w.run(t.Context(), protocol.SummaryJob{Seq: 20}); err != nil {
		t.Fatal(err)
	}
	if got := w.conversation; got.ContextSummary != "+1+8+15" || got.Summary.ToSeq != 21 {
		t.Errorf("got %q to %d", got.ContextSummary, got.Summary.ToSeq)
	}
}

// After a failed round 20 the one of 30 gets the messages that it missed.
func TestAfterAFailedRound(t *testing.T) {
	w, works := newWorld(20, 10), newWorld(0, 0).model
	w.model = func(summary.Input) (summary.Result, error) { return summary.Result{}, errDown }
	if err := w.run(t.Context(), protocol.SummaryJob{Seq: 20}); err != nil {
		t.Fatal(err)
	}
	w.messages, w.conversation.TotalMessages = newWorld(30, 0).messages, 30
	w.model, w.asked = works, nil
	if err := w.run(t.Context(), protocol.SummaryJob{Seq: 30}); err != nil || !same(w.seen(), upTo(11, 30)) || w.conversation.Summary.ToSeq != 30 {
		t.Errorf("the model saw %v, %v", w.seen(), err)
	}
}

// What one run cannot do is the next job's, as long as it gets on.
func TestOneJobAfterTheOther(t *testing.T) {
	w := newWorld(450, 1)
	job := protocol.SummaryJob{Seq: 450, Puts: 3}
	for range 3 {
		if err := w.run(t.Context(), job); err != nil {
			t.Fatal(err)
		}
		if len(w.jobs) == 0 {
			break
		}
		job, w.jobs = w.jobs[0], nil
		if job.Seq != 450 || job.Puts != 0 || job.ConversationID != "c1" || job.OrgID != "acme" || w.delays[0] != 0 {
			t.Errorf("the next job is %+v after %v", job, w.delays)
		}
	}
	if !same(w.seen(), upTo(2, 450)) || w.conversation.Summary.ToSeq != 450 {
		t.Errorf("the model saw %v", w.seen())
	}
	w = newWorld(450, 1)
	w.fail["Enqueue"] = errDown
	if err := w.run(t.Context(), protocol.SummaryJob{Seq: 450}); err == nil || w.conversation.Summary.ToSeq != 201 {
		t.Errorf("no queue: %v, to %d", err, w.conversation.Summary.ToSeq)
	}
}

// A run ends in time: no round begins that may not end.
func TestRoundsEndInTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(200, 0)
		w.meanwhile = func() { time.Sleep(12 * time.Second) }
		ctx, cancel := context.WithTimeout(t.Context(), 59*time.Second)
		defer cancel()
		if err := w.run(ctx, protocol.SummaryJob{Seq: 200}); err != nil || len(w.asked) != 3 || len(w.jobs) != 1 {
			t.Errorf("%d rounds, jobs %v, %v", len(w.asked), w.jobs, err)
		}
		if w.patience != 61*time.Second {
			t.Errorf("its turn is for %v", w.patience)
		}
	})
}

// While the model thinks a message is erased, or another round is faster.
func TestMeanwhile(t *testing.T) {
	w := newWorld(20, 10)
	w.meanwhile = func() {
		if w.conversation.Erasures == 0 {
			w.conversation.Erasures, w.conversation.ContextSummary, w.conversation.Summary = 1, "", nil
		}
	}
	if err := w.run(t.Context(), protocol.SummaryJob{Seq: 20}); err != nil || len(w.asked) != 2 || w.asked[1].Previous != "" || !same(w.seen(), append(upTo(11, 20), upTo(1, 20)...)) {
		t.Errorf("after an erasure: %+v, %v", w.asked, err)
	}
	w = newWorld(20, 10)
	w.meanwhile = func() {
		w.conversation.ContextSummary, w.conversation.Summary = "faster", &chat.Summary{FromSeq: 1, ToSeq: 20}
	}
	if err := w.run(t.Context(), protocol.SummaryJob{Seq: 20}); err != nil || w.conversation.ContextSummary != "faster" || len(w.told) != 0 {
		t.Errorf("beside a faster one: %+v, %v", w.conversation, err)
	}
}

// What becomes of a job and of the conversation's turn when the model fails.
func TestFailures(t *testing.T) {
	log := logged(t)
	for _, tt := range []struct {
		name   string
		err    error
		puts   int
		ended  string
		wish   time.Duration
		delay  time.Duration // of the job that is put off, 0: none
		fails  bool
		errors int // lines
	}{
		{"no answer", errDown, 0, "pause turn", 0, time.Minute, false, 0},
		{"too many requests", failure(t, 429, "Retry-After", "300"), 0, "pause turn", 5 * time.Minute, 5 * time.Minute, false, 0},
		{"down", failure(t, 503), 7, "pause turn", 0, 256 * time.Second, false, 0},
		{"down for an hour", failure(t, 503), 8, "pause turn", 0, 0, true, 0},
		{"a wrong key", failure(t, 401), 0, "pause turn for long", 0, 0, false, 1},
		{"no such model", failure(t, 404), 0, "pause turn for long", 0, 0, false, 1},
	} {
		t.Run(tt.name, func(t *testing.T) {
			log.Reset()
			w := newWorld(20, 10)
			w.model = func(summary.Input) (summary.Result, error) { return summary.Result{}, tt.err }
			err := w.run(t.Context(), protocol.SummaryJob{Seq: 20, Puts: tt.puts})
			if (err != nil) != tt.fails || !slices.Equal(w.ended, []string{tt.ended}) || w.wish != tt.wish {
				t.Errorf("got %v, ended %v with a wish of %v", err, w.ended, w.wish)
			}
			if put := len(w.jobs) == 1; put != (tt.delay > 0) || put && (w.delays[0] != tt.delay || w.jobs[0].Puts != tt.puts+1 || w.jobs[0].Seq != 20) {
				t.Errorf("put off: %+v after %v, want %v", w.jobs, w.delays, tt.delay)
			}
			if n := strings.Count(log.String(), "level=ERROR"); n != tt.errors {
				t.Errorf("%d errors logged:\n%s", n, log)
			}
			if w.conversation.ContextSummary != "old" {
				t.Errorf("the summary is %q", w.conversation.ContextSummary)
			}
		})
	}
}

// A job that comes while somebody else writes, or in a pause, looks again later;
// one for a model that is broken is over, and has no line of its own.
func TestBusy(t *testing.T) {
	log := logged(t)
	for _, tt := range []struct {
		begin error
		puts  int
		delay time.Duration
	}{
		{chat.LimitedFor(time.Second), 0, 2 * time.Second},
		{chat.LimitedFor(time.Second), 4, 32 * time.Second},
		{chat.LimitedFor(10 * time.Minute), 2, 10 * time.Minute},
		{chat.ErrModelBroken, 0, 0},
	} {
		w := newWorld(20, 10)
		w.fail["BeginSummary"] = tt.begin
		err := w.run(t.Context(), protocol.SummaryJob{Seq: 20, Puts: tt.puts})
		if err != nil || len(w.asked) > 0 || len(w.ended) > 0 || (len(w.jobs) == 1) != (tt.delay > 0) || tt.delay > 0 && w.delays[0] != tt.delay {
			t.Errorf("%v: %v, put off %v", tt.begin, err, w.delays)
		}
	}
	if strings.Contains(log.String(), "level=ERROR") {
		t.Errorf("logged\n%s", log)
	}
}

// The model gets the summary so far, and what is known of the result is saved.
func TestRound(t *testing.T) {
	w, before := newWorld(13, 10), time.Now()
	text, err := w.writer().Summarize(t.Context(), w.conversation)
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

// On demand a failure is one to try again and says when, but not why; or one that
// no repeat mends.
func TestOnDemand(t *testing.T) {
	w := newWorld(10, 10)
	w.fail["BeginSummary"] = errDown // nobody's turn is needed
	if text, err := w.writer().Summarize(t.Context(), w.conversation); err != nil || text != "old" || len(w.asked) != 0 {
		t.Errorf("with nothing new: %q, %v", text, err)
	}
	for _, tt := range []struct {
		model, begin error
		code         chat.Code
		wait         int64
	}{
		{errDown, nil, chat.Unavailable, 60_000},
		{failure(t, 429, "Retry-After", "90"), nil, chat.Unavailable, 90_000},
		{failure(t, 401), nil, chat.Internal, 0},
		{nil, chat.LimitedFor(7 * time.Second), chat.RateLimited, 7000},
		{nil, chat.ErrModelBroken, chat.Internal, 0},
	} {
		w = newWorld(20, 10)
		w.fail["BeginSummary"] = tt.begin
		w.model = func(summary.Input) (summary.Result, error) { return summary.Result{}, tt.model }
		_, err := w.writer().Summarize(t.Context(), w.conversation)
		e := chat.Public(err)
		wait, _ := e.Details["retryAfterMs"].(int64)
		if e.Code != tt.code || wait != tt.wait || tt.model != nil && !errors.Is(err, tt.model) || strings.Contains(e.Message, "status") {
			t.Errorf("%v, %v: got %v after %d", tt.model, tt.begin, err, wait)
		}
		if len(w.jobs) > 0 {
			t.Errorf("%v: jobs %v", tt.model, w.jobs)
		}
	}
	w = newWorld(20, 10)
	w.meanwhile = func() {
		w.conversation.ContextSummary, w.conversation.Summary = "faster", &chat.Summary{FromSeq: 1, ToSeq: 25}
	}
	if text, err := w.writer().Summarize(t.Context(), w.conversation); err != nil || text != "faster" {
		t.Errorf("beside a faster round: %q, %v", text, err)
	}
}

// What a model refuses to read is passed over, and what comes behind it is not.
func TestWhatTheModelWillNotRead(t *testing.T) {
	refusal := failureWith(t, 400, `{"error":{"message":"m","code":"content_filter"}}`)
	w := newWorld(70, 10)
	w.model = func(in summary.Input) (summary.Result, error) {
		if in.Messages[0].Seq == 31 {
			return summary.Result{Read: len(in.Messages)}, refusal
		}
		return summary.Result{Text: fmt.Sprint(in.Previous, " ", in.Messages[0].Seq), Model: "gpt", Read: len(in.Messages)}, nil
	}
	if err := w.run(t.Context(), protocol.SummaryJob{Seq: 70}); err != nil || len(w.jobs) > 0 || slices.Contains(w.ended, "pause turn") {
		t.Errorf("%v, jobs %v, ended %v", err, w.jobs, w.ended)
	}
	if c := w.conversation; c.ContextSummary != "old 11 51" || c.Summary.ToSeq != 70 || c.Summary.Model != "gpt" || len(w.asked) != 3 {
		t.Errorf("it is %q to %+v, asked %d times", c.ContextSummary, c.Summary, len(w.asked))
	}
	w = newWorld(20, 0) // and no summary before it
	w.model = func(in summary.Input) (summary.Result, error) {
		return summary.Result{Read: len(in.Messages)}, refusal
	}
	if err := w.run(t.Context(), protocol.SummaryJob{Seq: 20}); err != nil || w.conversation.ContextSummary != "" || w.conversation.Summary == nil || w.conversation.Summary.ToSeq != 20 {
		t.Errorf("%v, it is %+v", err, w.conversation)
	}
}

// Who asks for a summary gets one of the whole log, also where no job has made
// one for long; or of as much of it as there is time for.
func TestOnDemandToTheEnd(t *testing.T) {
	w := newWorld(65, 10)
	if text, err := w.writer().Summarize(t.Context(), w.conversation); err != nil || text != "new" || len(w.asked) != 3 || w.conversation.Summary.ToSeq != 65 {
		t.Errorf("%q, %v, asked %d times, of 1 to %d", text, err, len(w.asked), w.conversation.Summary.ToSeq)
	}
	w = newWorld(65, 10)
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	w.meanwhile = func() { time.Sleep(50 * time.Millisecond) } // a second round would take as long
	if text, err := w.writer().Summarize(ctx, w.conversation); err != nil || text != "new" || len(w.asked) != 1 {
		t.Errorf("in short time: %q, %v, asked %d times", text, err, len(w.asked))
	}
}

// The turn is given back when the function's time is up.
func TestTheTurnIsGivenBack(t *testing.T) {
	w := newWorld(20, 10)
	ctx, cancel := context.WithCancel(t.Context())
	w.model = func(summary.Input) (summary.Result, error) { cancel(); return summary.Result{}, ctx.Err() }
	if _, err := w.writer().Summarize(ctx, w.conversation); err == nil || !slices.Equal(w.ended, []string{"pause turn"}) {
		t.Errorf("got %v, ended %v", err, w.ended)
	}
}
