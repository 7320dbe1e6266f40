package e2e_test

import (
	"net/http"
	"slices"
	"sync"
	"testing"
	"time"

	"aiwm-chat/shared/chat"
	"aiwm-chat/shared/protocol"
)

// stopPromptly is far above what a stop takes on a quiet machine: half a second.
const stopPromptly = 5 * time.Second

// Stop always stops, whatever the run is at, and what had come of the answer stays.
func TestRunIsStopped(t *testing.T) {
	if testing.Short() {
		t.Skip("many runs at once, which take their time on a slow machine")
	}
	t.Parallel()
	var (
		mu   sync.Mutex
		took []time.Duration
	)
	t.Run("at", func(t *testing.T) {
		for name, tt := range map[string]struct {
			question string
			text     bool // some of the answer had come
		}{
			"a model that writes":     {"#tokens 2000 #slow 20", true},
			"a model that is silent":  {"#silent 4 #tokens 20", true},
			"a model that is slow":    {"#wait 60000", false},
			"a tool that is slow":     {`#tool shop__slow_report {"seconds": 25}`, false},
			"a model that fell in it": {"#429 15", false},
		} {
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				a := asks(t, shared, nil)
				for n := range 4 {
					d := a.isStopped(tt.question, tt.text, n%2 == 0)
					mu.Lock()
					took = append(took, d)
					mu.Unlock()
				}
			})
		}
	})
	slices.Sort(took)
	if len(took) > 0 {
		t.Logf("of %d stops until the message: p50 %v, p99 %v", len(took), took[len(took)/2], took[len(took)*99/100])
	}
}

// isStopped asks something, stops the answer when it is in the middle, over REST or by a
// frame, and returns how long it took until everybody had its end.
func (a *asking) isStopped(question string, text, rest bool) time.Duration {
	a.t.Helper()
	asked := a.say(a.id, question)
	run := a.run(asked, 0, "is active", func(r protocol.Run) bool { return r.Status == chat.RunActive })
	step := 0
	if text {
		a.until("the beginning of the answer", func() bool {
			shown, _ := a.Show(a.id, a.stream(asked, 0), time.Now())
			return shown.Text(protocol.PartContent) != ""
		})
	} else {
		time.Sleep(quiet) // it is in the middle of it
	}
	began := time.Now()
	if rest {
		a.call(http.MethodPost, "/runs/"+string(run.ID)+"/stop", nil, nil)
	} else if _, err := a.ask("stop", fields{"conversationId": a.id, "messageId": asked.MessageID}); err != nil {
		a.t.Error("stop:", err)
	}
	var end protocol.Message
	a.until("the end", func() bool {
		for ; step < 3; step++ {
			shown, _ := a.Show(a.id, a.stream(asked, step), time.Now())
			if shown.Message == nil {
				return false
			}
			if end = *shown.Message; end.Type != chat.TypeToolCall {
				return true
			}
		}
		return false
	})
	took := time.Since(began)
	if took > stopPromptly {
		a.t.Errorf("%s: it took %v to stop", question, took)
	}
	over, said := a.over(asked, 0)
	last := answer(a.t, said)
	if over.Status != chat.RunCancelled || last.ID != end.ID || end.Status != chat.StatusCancelled || (end.Content != "") != text || over.StoppedBy != a.principal.ID {
		a.t.Errorf("%s: it ended as %+v, with %+v", question, over, end)
	}
	return took
}

// A question that is stopped before it is answered is answered by nobody, and who stops
// everything stops what waits its turn too.
func TestRunIsStoppedInTheQueue(t *testing.T) {
	t.Parallel()
	a := asks(t, shared, nil)
	var asked []protocol.Sent
	for range 3 {
		asked = append(asked, a.say(a.id, "#silent 1"))
	}
	for _, q := range asked {
		a.run(q, 0, "exists", func(protocol.Run) bool { return true })
	}
	a.call(http.MethodPost, "/runs/"+string(a.runID(asked[2], 0))+"/stop", nil, nil)
	if run, said := a.over(asked[2], 0); run.Status != chat.RunCancelled || len(said) > 1 {
		t.Errorf("%+v: %+v", run, said)
	}
	reply, err := a.ask("stop", fields{"conversationId": a.id})
	if err != nil {
		t.Fatal(err)
	}
	if got := data[protocol.StreamStopping](t, reply); len(got.RunIDs) != 2 {
		t.Errorf("what stops is %+v", got)
	}
	for _, q := range asked[:2] {
		if run, said := a.over(q, 0); run.Status != chat.RunCancelled || len(said) > 1 {
			t.Errorf("%+v: %+v", run, said)
		}
	}
}

// Who takes no part stops nothing.
func TestRunIsStoppedByNobodyElse(t *testing.T) {
	t.Parallel()
	a := asks(t, shared, nil)
	asked := a.say(a.id, "#silent 1")
	a.run(asked, 0, "is active", func(r protocol.Run) bool { return r.Status == chat.RunActive })
	stranger := newUser(t, shared).connect()
	if err := stranger.try(http.MethodPost, "/runs/"+string(a.runID(asked, 0))+"/stop", nil, nil); code(t, err) != chat.NotFound {
		t.Errorf("a stranger stops it: %v", err)
	}
	if _, err := stranger.ask("stop", fields{"conversationId": a.id}); code(t, err) != chat.NotFound && code(t, err) != chat.Forbidden {
		t.Errorf("a stranger stops all: %v", err)
	}
	var run protocol.Run
	if a.call(http.MethodGet, "/runs/"+string(a.runID(asked, 0)), nil, &run); run.Status != chat.RunActive || run.StoppedBy != "" {
		t.Errorf("it is %+v", run)
	}
	guest := newUser(t, shared).connect()
	a.add(guest, a.id)
	if _, err := guest.ask("stop", fields{"conversationId": a.id}); err != nil {
		t.Error("a guest stops it:", err)
	}
	if run, _ := a.over(asked, 0); run.Status != chat.RunCancelled || run.StoppedBy != guest.principal.ID {
		t.Errorf("it ended as %+v", run)
	}
}
