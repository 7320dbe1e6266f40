package handler_test

import (
	"slices"
	"testing"
	"time"

	"aiwm-chat/shared/chat"
)

// What a message costs in a conversation whose agent we do not run: one look-up, once in
// half a minute, and nothing else.
func TestNobodyIsCalled(t *testing.T) {
	w := newWorld()
	h := w.handler()
	for _, id := range []chat.ClientMessageID{"m1", "m2", "m3"} {
		m, err := chat.NewMessage("c1", user, id, chat.Draft{Content: "hello"}, 100, time.Now())
		if err != nil {
			t.Fatal(err)
		}
		if _, _, err := h.Place(t.Context(), m); err != nil {
			t.Fatal(err)
		}
	}
	if w.lookups != 1 || w.due() != "" || len(w.runs)+len(w.runJobs) > 0 {
		t.Errorf("%d lookups, due %q, runs %v", w.lookups, w.due(), w.runs)
	}
	for _, step := range []string{"QueueRun", "OpenRuns", "QuestionStopped", "EnqueueRun"} {
		if w.count(step) > 0 {
			t.Errorf("%s: %v", step, w.steps)
		}
	}
}

// Where no agent takes part nobody is looked for.
func TestNobodyIsLookedFor(t *testing.T) {
	w := newWorld()
	w.conversation.Participants = w.conversation.Participants[:1]
	w.now = w.conversation
	w.fail["Settle"] = down
	if err := w.send(t.Context(), "m1", "hello"); err != nil || w.lookups != 0 {
		t.Errorf("%v, %d lookups", err, w.lookups)
	}
	if due := w.due(); due != "deliver project search" {
		t.Errorf("due %q", due)
	}
}

func TestRunIsQueued(t *testing.T) {
	for name, c := range map[string]struct {
		managed chat.Managed
		before  chat.RunStatus // of a run that there is, "" for none
		stopped bool
		text    string
		want    []chat.RunStatus
		jobs    int
	}{
		"always":               {want: []chat.RunStatus{chat.RunQueued}, jobs: 1},
		"not mentioned":        {managed: chat.Managed{Respond: chat.RespondMention}},
		"mentioned":            {managed: chat.Managed{Respond: chat.RespondMention}, text: "@a1: well?", want: []chat.RunStatus{chat.RunQueued}, jobs: 1},
		"never":                {managed: chat.Managed{Respond: chat.RespondNever}},
		"stopped before":       {stopped: true, want: []chat.RunStatus{chat.RunCancelled}},
		"busy, waits its turn": {before: chat.RunActive, want: []chat.RunStatus{chat.RunActive, chat.RunQueued}, jobs: 1},
		"busy, is refused":     {managed: chat.Managed{Busy: chat.BusyReject}, before: chat.RunActive, want: []chat.RunStatus{chat.RunActive, chat.RunCancelled}},
		"busy, interrupts":     {managed: chat.Managed{Busy: chat.BusyInterrupt}, before: chat.RunActive, want: []chat.RunStatus{chat.RunActive, chat.RunQueued}, jobs: 1},
		"interrupts a queued":  {managed: chat.Managed{Busy: chat.BusyInterrupt}, before: chat.RunQueued, want: []chat.RunStatus{chat.RunQueued, chat.RunQueued}, jobs: 2},
		"waiting is not busy":  {managed: chat.Managed{Busy: chat.BusyReject}, before: chat.RunWaiting, want: []chat.RunStatus{chat.RunWaiting, chat.RunQueued}, jobs: 1},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld()
			w.managed = &c.managed
			w.stopped["m1"] = c.stopped
			if c.before != "" {
				w.runs = []*chat.Run{{ID: "before", Status: c.before, Attempt: 1, ConversationID: "c1", AgentID: agent.ID, OrgID: agent.OrgID}}
			}
			if c.text == "" {
				c.text = "hello"
			}
			if err := w.send(t.Context(), "m1", c.text); err != nil {
				t.Fatal(err)
			}
			var got []chat.RunStatus
			for _, r := range w.runs {
				got = append(got, r.Status)
			}
			if !slices.Equal(got, c.want) || len(w.runJobs) != c.jobs || w.due() != "" {
				t.Errorf("runs %v, %d jobs, due %q", got, len(w.runJobs), w.due())
			}
			if active := c.managed.Busy == chat.BusyInterrupt && c.before == chat.RunActive; active != (len(w.laterJobs) == 1) {
				t.Errorf("%d jobs look whether who is interrupted is dead", len(w.laterJobs))
			}
			if interrupts := c.managed.Busy == chat.BusyInterrupt; interrupts != (len(w.runs) > 1 && w.runs[0].Stop != nil) {
				t.Errorf("stopped: %+v", w.runs[0])
			}
		})
	}
}

// Of two questions that come at once, under interrupt, the first is stopped, whichever of their
// runs is queued first, and whatever each saw of the other before.
func TestInterruptedAtOnce(t *testing.T) {
	for name, older := range map[string]bool{"the older while the newer is queued": true, "the newer while the older is queued": false} {
		t.Run(name, func(t *testing.T) {
			w := newWorld()
			w.managed = &chat.Managed{Busy: chat.BusyInterrupt}
			other := &chat.Run{ID: "other", Status: chat.RunQueued, Place: 9, ConversationID: "c1", AgentID: agent.ID, OrgID: agent.OrgID}
			if older {
				other.Place = 0
			}
			w.onStep = func(step string) {
				if step == "QueueRun" && len(w.runs) == 0 {
					w.runs = append(w.runs, other)
				}
			}
			if err := w.send(t.Context(), "m1", "hello"); err != nil {
				t.Fatal(err)
			}
			if len(w.runs) != 2 || (w.runs[0].Stop != nil) != older || (w.runs[1].Stop != nil) == older || w.due() != "" {
				t.Errorf("%+v, due %q", w.runs, w.due())
			}
		})
	}
}

// Whoever dies after any step: the run is queued once, and has a job.
func TestRunIsQueuedWhoeverDies(t *testing.T) {
	for lives := range 20 {
		w := newWorld()
		w.managed = &chat.Managed{Busy: chat.BusyReject}
		w.mortal, w.lives = true, lives
		_ = w.send(t.Context(), "m1", "hello")
		w.mortal = false
		if err := w.send(t.Context(), "m1", "hello"); err != nil {
			t.Fatal(err)
		}
		if err := w.sweep(t.Context()); err != nil {
			t.Fatal(err)
		}
		if len(w.runs) != 1 || w.runs[0].Status != chat.RunQueued || len(w.runJobs) == 0 || w.due() != "" {
			t.Errorf("after %d steps: %+v, %d jobs, due %q: %v", lives, w.runs, len(w.runJobs), w.due(), w.steps)
		}
	}
}

// A decision has its run go on, and is noted before the job is enqueued.
func TestDecisionIsWorkedOff(t *testing.T) {
	w := newWorld()
	id := chat.NewRunID(agent, "m1", 0)
	m, err := chat.NewDecision("acme", "c1", chat.VerdictApproved, chat.Decision{CallID: id.Call(0, 1), By: "u1"}, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	stored, mine, err := w.handler().Place(t.Context(), m)
	if err != nil || !mine || w.due() != "" || len(w.runJobs) != 1 || w.runJobs[0].RunID != id {
		t.Fatalf("%+v, %v, %v: %v", stored, mine, err, w.steps)
	}
	if slices.Index(w.steps, "RunDecided") > slices.Index(w.steps, "EnqueueRun") {
		t.Errorf("%v", w.steps)
	}
	other, err := chat.NewDecision("acme", "c1", chat.VerdictDenied, chat.Decision{CallID: id.Call(0, 1), By: "u2"}, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	again, mine, err := w.handler().Place(t.Context(), other)
	if err != nil || mine || again.ID != stored.ID || len(w.log) != 1 {
		t.Errorf("%+v, %v, %v", again, mine, err)
	}
}

// Who is answered by the backend is told that somebody is there.
func TestManagedAgentIsThere(t *testing.T) {
	for _, managed := range []bool{false, true} {
		w := newWorld()
		w.agents = nil
		if managed {
			w.managed = &chat.Managed{}
		}
		if err := w.send(t.Context(), "m1", "hello"); err != nil {
			t.Fatal(err)
		}
		if there := w.acks[0].AgentOnline; there == nil || *there != managed || w.lookups != 1 {
			t.Errorf("managed %v: %v, %d lookups", managed, there, w.lookups)
		}
	}
}
