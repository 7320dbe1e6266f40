package mongostore_test

import (
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"aiwm-chat/shared/chat"
)

// later is a time of a test.
func later(d time.Duration) time.Time { return start.Add(d) }

// leaseFor is a lease.
const leaseFor = 30 * time.Second

// runOf is the run by which bot answers a question for the nth time.
func runOf(question string, n int, place int64) chat.Run {
	m := chat.Message{ID: chat.MessageID(question), ConversationID: "c1", Seq: place, Sender: alice}
	return chat.NewRun(chat.AgentProfile{OrgID: bot.OrgID, ID: bot.ID, Version: 7}, m, n, alice.ID, place, start)
}

func (f fixture) queue(t testing.TB, r chat.Run) chat.Run {
	t.Helper()
	now, inserted, err := f.QueueRun(t.Context(), r)
	if err != nil || !inserted {
		t.Fatalf("QueueRun = %v, %v", inserted, err)
	}
	return now
}

// take takes the oldest queued run, which must be the question's.
func (f fixture) take(t testing.TB, question string, at time.Time) chat.Run {
	t.Helper()
	r, taken, err := f.TakeRun(t.Context(), "c1", bot.ID, at, at.Add(leaseFor))
	if err != nil || !taken || r.Trigger != chat.MessageID(question) {
		t.Fatalf("TakeRun = %s, %v, %v, want %s", r.Trigger, taken, err, question)
	}
	return r
}

func (f fixture) run(t testing.TB, r chat.Run) chat.Run {
	t.Helper()
	now, err := f.Run(t.Context(), r.OrgID, r.ID)
	if err != nil {
		t.Fatal(err)
	}
	return now
}

func (f fixture) wantNone(t testing.TB, at time.Time) {
	t.Helper()
	if r, taken, err := f.TakeRun(t.Context(), "c1", bot.ID, at, at.Add(leaseFor)); taken || err != nil {
		t.Errorf("TakeRun took %s, %v", r.Trigger, err)
	}
}

func wantVerdict(t testing.TB, what string, got chat.RunVerdict, err error, want chat.RunVerdict) {
	t.Helper()
	if got != want || err != nil {
		t.Errorf("%s = %q, %v, want %q", what, got, err, want)
	}
}

func TestARunIsQueuedOnce(t *testing.T) {
	f := open(t)
	r := f.queue(t, runOf("m1", 0, 1))
	if r.Status != chat.RunQueued || r.Attempt != 0 || r.AgentVersion != 7 || r.UserID != alice.ID || !r.DueAt.After(r.CreatedAt) {
		t.Errorf("%+v", r)
	}
	f.take(t, "m1", later(0))
	again, inserted, err := f.QueueRun(t.Context(), runOf("m1", 0, 1))
	if err != nil || inserted || again.Status != chat.RunActive {
		t.Errorf("the second time: %v, %v, %s", inserted, err, again.Status)
	}
	f.queue(t, runOf("m1", 1, 3))
	for _, want := range []struct {
		question chat.MessageID
		n        int
		found    bool
	}{{"m1", 1, true}, {"m2", 0, false}} {
		if got, found, err := f.LatestRun(t.Context(), bot, want.question); err != nil || found != want.found || got.N != want.n {
			t.Errorf("LatestRun(%s) = %d, %v, %v", want.question, got.N, found, err)
		}
	}
	if _, err := f.Run(t.Context(), "o2", r.ID); chat.CodeOf(err) != chat.NotFound {
		t.Errorf("of another organisation: %v", err)
	}
}

// A stop that came before the run has it inserted as it ended.
func TestARunThatNeverBegins(t *testing.T) {
	f := open(t)
	r := runOf("m1", 0, 1)
	r.Status, r.EndedAt = chat.RunCancelled, start
	if got := f.queue(t, r); got.Status != chat.RunCancelled || !got.DueAt.IsZero() {
		t.Errorf("%+v", got)
	}
	f.wantNone(t, later(0))
	if due, err := f.DueRuns(t.Context(), later(time.Hour), 9); err != nil || len(due) != 0 {
		t.Errorf("due: %v, %v", due, err)
	}
}

// The oldest is taken, by its place and not by when it was inserted, and only where none is active.
func TestRunsAreTakenInTheirOrder(t *testing.T) {
	f := open(t)
	f.queue(t, runOf("m5", 0, 5))
	f.queue(t, runOf("m3", 0, 3))
	other := runOf("m1", 0, 1)
	other.ConversationID, other.ID = "c2", chat.NewRunID(bot, "elsewhere", 0)
	f.queue(t, other)
	first := f.take(t, "m3", later(time.Second))
	if first.Attempt != 1 || first.Status != chat.RunActive || !first.LeaseUntil.Equal(later(time.Second+leaseFor).Truncate(time.Millisecond)) || first.StartedAt.IsZero() {
		t.Errorf("%+v", first)
	}
	f.wantNone(t, later(2*time.Second))
	f.queue(t, runOf("m2", 0, 2))
	if _, ended, err := f.EndRun(t.Context(), first, chat.RunComplete, later(3*time.Second)); !ended || err != nil {
		t.Fatal(ended, err)
	}
	second := f.take(t, "m2", later(4*time.Second))
	if open, err := f.OpenRuns(t.Context(), "c1", bot.ID); err != nil || len(open) != 2 || open[0].ID != second.ID || open[1].Trigger != "m5" {
		t.Errorf("%v, %v", open, err)
	}
	if open, err := f.OpenRuns(t.Context(), "c2", ""); err != nil || len(open) != 1 {
		t.Errorf("%v, %v", open, err)
	}
}

// What may have been queued at the same time as a run is found, whatever became of it; and which
// run is to be answered alone is kept.
func TestRunsBeside(t *testing.T) {
	f := open(t)
	at := func(question string, created time.Time) chat.Run {
		r := runOf(question, 0, 1)
		r.CreatedAt, r.Alone = created, true
		return f.queue(t, r)
	}
	at("m1", start.Add(-chat.MaxQueueing-time.Second))
	at("m2", start.Add(-chat.MaxQueueing))
	mine := at("m3", start)
	at("m4", later(time.Second))
	elsewhere := runOf("m5", 0, 1)
	elsewhere.ConversationID = "c2"
	f.queue(t, elsewhere)
	other := runOf("m6", 0, 1)
	other.AgentID = "another"
	f.queue(t, other)
	got, err := f.RunsBeside(t.Context(), mine)
	if err != nil || len(got) != 3 || got[0].Trigger != "m4" || got[1].ID != mine.ID || got[2].Trigger != "m2" || !got[0].Alone || f.run(t, elsewhere).Alone {
		t.Errorf("%+v, %v", got, err)
	}
}

func TestManyTakeOneRun(t *testing.T) {
	f := open(t)
	for i := range int64(4) {
		f.queue(t, runOf(fmt.Sprint("m", i), 0, i+1))
	}
	var taken atomic.Int32
	var wg sync.WaitGroup
	for range 16 {
		wg.Go(func() {
			r, ok, err := f.TakeRun(t.Context(), "c1", bot.ID, start, later(leaseFor))
			if err != nil {
				t.Error(err)
			}
			if ok {
				taken.Add(1)
				if r.Trigger != "m0" {
					t.Errorf("took %s", r.Trigger)
				}
			}
		})
	}
	if wg.Wait(); taken.Load() != 1 {
		t.Errorf("%d took one", taken.Load())
	}
}

// Each compare-and-set names the attempt: who lost the lease does nothing any more.
func TestALeaseThatIsGoneIsTakenOver(t *testing.T) {
	f := open(t)
	f.queue(t, runOf("m1", 0, 1))
	zombie := f.take(t, "m1", later(0))
	call := zombie.ID.Call(0, 1)
	if _, taken, err := f.TakeOverRun(t.Context(), zombie, later(leaseFor-time.Second), later(time.Hour)); taken || err != nil {
		t.Errorf("taken over before its lease is gone: %v", err)
	}
	f.wantNone(t, later(leaseFor+time.Second)) // it stays busy
	now, taken, err := f.TakeOverRun(t.Context(), zombie, later(leaseFor+time.Second), later(2*leaseFor))
	if err != nil || !taken || now.Attempt != 2 || now.Failures != 1 || now.Status != chat.RunActive {
		t.Fatalf("%+v, %v, %v", now, taken, err)
	}
	if _, taken, err := f.TakeOverRun(t.Context(), zombie, later(time.Hour), later(2*time.Hour)); taken || err != nil {
		t.Errorf("taken over twice by who read it before: %v", err)
	}
	_, v, err := f.RenewRun(t.Context(), zombie, later(leaseFor), later(time.Hour))
	wantVerdict(t, "RenewRun", v, err, chat.RunLost)
	v, err = f.BeginCall(t.Context(), zombie, call)
	wantVerdict(t, "BeginCall", v, err, chat.RunLost)
	_, v, err = f.WaitRun(t.Context(), zombie, call, 2, later(time.Hour), later(leaseFor))
	wantVerdict(t, "WaitRun", v, err, chat.RunLost)
	v, err = f.HandOverRun(t.Context(), zombie, later(leaseFor))
	wantVerdict(t, "HandOverRun", v, err, chat.RunLost)
	if _, ended, err := f.EndRun(t.Context(), zombie, chat.RunComplete, later(leaseFor)); ended || err != nil {
		t.Errorf("ended by who lost it: %v", err)
	}
	if got := f.run(t, zombie); !got.LeaseUntil.Equal(now.LeaseUntil) || got.Status != chat.RunActive || len(got.Executing) != 0 {
		t.Errorf("%+v", got)
	}
}

// How long a run is active counts over all its stretches: not what it waits, or is queued, in
// between; a hand-over is no pause.
func TestHowLongARunIsActive(t *testing.T) {
	f := open(t)
	f.queue(t, runOf("m1", 0, 1))
	wait := func(r chat.Run, step int, at time.Time) chat.Run {
		t.Helper()
		r, v, err := f.WaitRun(t.Context(), r, r.ID.Call(step, 1), 2, later(24*time.Hour), at)
		wantVerdict(t, "WaitRun", v, err, chat.RunHeld)
		return r
	}
	r := wait(f.take(t, "m1", later(5*time.Second)), 0, later(12*time.Second))
	if r.Active != 7*time.Second {
		t.Errorf("it was active for %v", r.Active)
	}
	if _, queued, err := f.RequeueRun(t.Context(), r, later(time.Hour)); !queued || err != nil {
		t.Fatal(queued, err)
	}
	r = f.take(t, "m1", later(2*time.Hour))
	if until := r.ActiveUntil(time.Minute); !until.Equal(r.StartedAt.Add(53 * time.Second)) {
		t.Errorf("of a minute it has until %v", until.Sub(r.StartedAt))
	}
	if v, err := f.HandOverRun(t.Context(), r, later(2*time.Hour+10*time.Second)); v != chat.RunHeld || err != nil {
		t.Fatal(v, err)
	}
	r, taken, err := f.TakeOverRun(t.Context(), f.run(t, r), later(2*time.Hour+15*time.Second), later(3*time.Hour))
	if err != nil || !taken {
		t.Fatal(taken, err)
	}
	if r = wait(r, 1, later(2*time.Hour+20*time.Second)); r.Active != 27*time.Second {
		t.Errorf("in all it was active for %v", r.Active)
	}
}

// What was handed over is no failure, and can be taken over at once.
func TestAHandOver(t *testing.T) {
	f := open(t)
	f.queue(t, runOf("m1", 0, 1))
	r := f.take(t, "m1", later(0))
	r.Steps, r.Usage = 3, chat.Usage{PromptTokens: 1, CompletionTokens: 2, TotalTokens: 3}
	v, err := f.HandOverRun(t.Context(), r, later(time.Second))
	wantVerdict(t, "HandOverRun", v, err, chat.RunHeld)
	r = f.run(t, r)
	if !r.Handed || r.Claims("", later(time.Second)) != chat.ClaimTakeOver || r.Steps != 3 || r.Usage.TotalTokens != 3 {
		t.Errorf("%+v", r)
	}
	now, taken, err := f.TakeOverRun(t.Context(), r, later(time.Second), later(leaseFor))
	if err != nil || !taken || now.Failures != 0 || now.Attempt != 2 || now.Handed {
		t.Errorf("%+v, %v, %v", now, taken, err)
	}
}

func TestACallIsBegunOnce(t *testing.T) {
	f := open(t)
	f.queue(t, runOf("m1", 0, 1))
	r := f.take(t, "m1", later(0))
	for i, want := range []chat.RunVerdict{chat.RunHeld, chat.RunBegun} {
		v, err := f.BeginCall(t.Context(), r, r.ID.Call(0, 1))
		wantVerdict(t, fmt.Sprint("BeginCall ", i), v, err, want)
	}
	v, err := f.BeginCall(t.Context(), r, r.ID.Call(0, 2))
	wantVerdict(t, "another call", v, err, chat.RunHeld)
	next, _, err := f.TakeOverRun(t.Context(), r, later(time.Hour), later(2*time.Hour))
	if err != nil || next.Executing[r.ID.Call(0, 1)] != 1 || len(next.Executing) != 2 {
		t.Errorf("%v, %v", next.Executing, err)
	}
	v, err = f.BeginCall(t.Context(), next, r.ID.Call(0, 1))
	wantVerdict(t, "the next attempt", v, err, chat.RunBegun)
	if _, err := f.StopRun(t.Context(), r.OrgID, r.ID, alice.ID, later(time.Hour)); err != nil {
		t.Fatal(err)
	}
	v, err = f.BeginCall(t.Context(), next, r.ID.Call(1, 1))
	wantVerdict(t, "after a stop", v, err, chat.RunStopped)
}

func TestARunThatWaits(t *testing.T) {
	f := open(t)
	f.queue(t, runOf("m1", 0, 1))
	f.queue(t, runOf("m4", 0, 4))
	r := f.take(t, "m1", later(0))
	call := r.ID.Call(0, 1)
	r, v, err := f.WaitRun(t.Context(), r, call, 2, later(24*time.Hour), later(time.Second))
	wantVerdict(t, "WaitRun", v, err, chat.RunHeld)
	if r.Status != chat.RunWaiting || r.WaitsFor != call || r.WaitsSeq != 2 || !r.ExpiresAt.Equal(later(24*time.Hour).Truncate(time.Millisecond)) {
		t.Errorf("%+v", r)
	}
	next := f.take(t, "m4", later(2*time.Second)) // it is not busy
	if !next.Supersedes(r) || r.Supersedes(next) {
		t.Error("the newer question does not supersede the call")
	}
	if _, taken, err := f.TakeOverRun(t.Context(), r, later(time.Hour), later(2*time.Hour)); taken || err != nil {
		t.Errorf("one that waits is taken over: %v", err)
	}
	back, queued, err := f.RequeueRun(t.Context(), r, later(3*time.Second))
	if err != nil || !queued || back.Status != chat.RunQueued || back.Place != 1 {
		t.Errorf("%+v, %v, %v", back, queued, err)
	}
	if _, queued, err := f.RequeueRun(t.Context(), r, later(3*time.Second)); queued || err != nil {
		t.Errorf("queued twice: %v", err)
	}
	f.queue(t, runOf("m2", 0, 2))
	if _, ended, err := f.EndRun(t.Context(), next, chat.RunComplete, later(4*time.Second)); !ended || err != nil {
		t.Error(ended, err)
	}
	if r = f.take(t, "m1", later(5*time.Second)); r.Attempt != 2 || r.Failures != 0 {
		t.Errorf("%+v", r)
	}
}

func TestStop(t *testing.T) {
	f := open(t)
	stop := func(r chat.Run, by chat.PrincipalID) chat.Run {
		t.Helper()
		now, err := f.StopRun(t.Context(), r.OrgID, r.ID, by, later(time.Minute))
		if err != nil {
			t.Fatal(err)
		}
		return now
	}
	never := f.queue(t, runOf("m1", 0, 1))
	if now := stop(never, alice.ID); now.Status != chat.RunCancelled || now.Stop == nil || now.Stop.By != alice.ID || !now.DueAt.IsZero() {
		t.Errorf("never claimed: %+v", now)
	}
	f.queue(t, runOf("m2", 0, 2))
	r := f.take(t, "m2", later(0))
	now := stop(r, bob.ID)
	if now.Status != chat.RunActive || now.Stop == nil || now.Stop.By != bob.ID {
		t.Errorf("active: %+v", now)
	}
	if now = stop(r, alice.ID); now.Stop.By != bob.ID {
		t.Errorf("stopped twice: by %s", now.Stop.By)
	}
	renewed, v, err := f.RenewRun(t.Context(), r, later(time.Minute), later(time.Hour))
	wantVerdict(t, "RenewRun", v, err, chat.RunHeld)
	if renewed.Stop == nil {
		t.Error("who renews the lease does not see the stop")
	}
	_, v, err = f.WaitRun(t.Context(), r, r.ID.Call(0, 1), 3, later(time.Hour), later(time.Minute))
	wantVerdict(t, "WaitRun", v, err, chat.RunStopped)
	if _, ended, err := f.EndRun(t.Context(), r, chat.RunCancelled, later(time.Minute)); !ended || err != nil {
		t.Error(ended, err)
	}
	if now := stop(r, alice.ID); now.Status != chat.RunCancelled || now.Stop.By != bob.ID {
		t.Errorf("over: %+v", now)
	}
	if _, err := f.StopRun(t.Context(), "o2", r.ID, "x", start); chat.CodeOf(err) != chat.NotFound {
		t.Errorf("of another organisation: %v", err)
	}
}

// Who holds a run that is stopped may be dead: it is due when its lease is gone, as before.
func TestAStopPutsOffNoRecovery(t *testing.T) {
	f := open(t)
	f.queue(t, runOf("m1", 0, 1))
	r := f.take(t, "m1", later(0))
	now, err := f.StopRun(t.Context(), r.OrgID, r.ID, alice.ID, later(time.Second))
	if err != nil || now.Stop == nil || !now.DueAt.Equal(r.DueAt) {
		t.Errorf("due at %v, was at %v, %v", now.DueAt, r.DueAt, err)
	}
	if due, err := f.DueRuns(t.Context(), r.LeaseUntil, 9); err != nil || len(due) != 1 {
		t.Errorf("its lease is gone: due %v, %v", due, err)
	}
}

// A run that waits, or was queued again, and is stopped is never queued or taken by its decision
// first: whoever finds it ends it.
func TestStopOfARunThatWaits(t *testing.T) {
	f := open(t)
	f.queue(t, runOf("m1", 0, 1))
	r := f.take(t, "m1", later(0))
	r, _, err := f.WaitRun(t.Context(), r, r.ID.Call(0, 1), 2, later(24*time.Hour), later(time.Second))
	if err != nil {
		t.Fatal(err)
	}
	now, err := f.StopRun(t.Context(), r.OrgID, r.ID, alice.ID, later(time.Minute))
	if err != nil || now.Status != chat.RunWaiting || now.Claims(chat.VerdictApproved, later(time.Minute)) != chat.ClaimEnd {
		t.Errorf("%+v, %v", now, err)
	}
	if due, err := f.DueRuns(t.Context(), later(3*time.Minute), 9); err != nil || len(due) != 1 {
		t.Errorf("who stops it may die: due %v, %v", due, err)
	}
	if err := f.PutOffRun(t.Context(), r, later(24*time.Hour)); err != nil { // read before the stop
		t.Fatal(err)
	}
	if due, err := f.DueRuns(t.Context(), later(3*time.Minute), 9); err != nil || len(due) != 1 {
		t.Errorf("put off by who had not seen the stop: due %v, %v", due, err)
	}
	if _, queued, err := f.RequeueRun(t.Context(), r, later(time.Minute)); queued || err != nil {
		t.Errorf("queued again: %v", err)
	}
	if got, ended, err := f.EndRun(t.Context(), now, chat.RunCancelled, later(time.Minute)); !ended || err != nil || got.EndedAt.IsZero() || !got.DueAt.IsZero() {
		t.Errorf("%+v, %v, %v", got, ended, err)
	}
}

// A run that waits is looked at when its time to decide is over, however short that is.
func TestShortApprovalIsDueWhenItExpires(t *testing.T) {
	f := open(t)
	f.queue(t, runOf("m1", 0, 1))
	r := f.take(t, "m1", later(0))
	if _, v, err := f.WaitRun(t.Context(), r, r.ID.Call(0, 1), 2, later(5*time.Second), later(time.Second)); v != chat.RunHeld || err != nil {
		t.Fatal(v, err)
	}
	for at, want := range map[time.Duration]int{4 * time.Second: 0, 5 * time.Second: 1} {
		if due, err := f.DueRuns(t.Context(), later(at), 9); err != nil || len(due) != want {
			t.Errorf("due after %v: %v, %v", at, due, err)
		}
	}
}

// What a run cost is of the whole run: who repeats it adds nothing.
func TestRenewNotesHowFarItIs(t *testing.T) {
	f := open(t)
	f.queue(t, runOf("m1", 0, 1))
	r := f.take(t, "m1", later(0))
	r.Steps, r.Usage, r.AgentVersion = 2, chat.Usage{PromptTokens: 10, CompletionTokens: 5, TotalTokens: 15}, 8
	for range 2 {
		now, v, err := f.RenewRun(t.Context(), r, later(time.Second), later(time.Minute))
		wantVerdict(t, "RenewRun", v, err, chat.RunHeld)
		if now.Usage != r.Usage || now.Steps != 2 || now.AgentVersion != 8 || !now.LeaseUntil.Equal(later(time.Minute).Truncate(time.Millisecond)) {
			t.Errorf("%+v", now)
		}
	}
	r.Usage.TotalTokens, r.Error = 20, chat.Unavailable
	now, ended, err := f.EndRun(t.Context(), r, chat.RunFailed, later(time.Minute))
	if err != nil || !ended || now.Usage.TotalTokens != 20 || now.Error != chat.Unavailable || now.Status != chat.RunFailed {
		t.Errorf("%+v, %v, %v", now, ended, err)
	}
}

// What sweep finds: nobody took it up, its lease is gone, it is decided, it expired.
func TestDueRuns(t *testing.T) {
	f := open(t)
	due := func(at time.Duration) (states []chat.RunStatus) {
		t.Helper()
		runs, err := f.DueRuns(t.Context(), later(at), 9)
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range runs {
			states = append(states, r.Status)
		}
		return states
	}
	want := func(what string, got []chat.RunStatus, states ...chat.RunStatus) {
		t.Helper()
		if !slices.Equal(got, states) {
			t.Errorf("%s: %v, want %v", what, got, states)
		}
	}
	r := f.queue(t, runOf("m1", 0, 1))
	want("just queued", due(30*time.Second))
	want("not taken up", due(2*time.Minute), chat.RunQueued)
	if err := f.PutOffRun(t.Context(), r, later(5*time.Minute)); err != nil {
		t.Fatal(err)
	}
	want("put off", due(4*time.Minute))
	want("again", due(6*time.Minute), chat.RunQueued)
	r = f.take(t, "m1", later(6*time.Minute))
	want("active", due(6*time.Minute+leaseFor-time.Second))
	want("its lease is gone", due(6*time.Minute+leaseFor+time.Second), chat.RunActive)
	r, _, err := f.WaitRun(t.Context(), r, r.ID.Call(0, 1), 2, later(24*time.Hour), later(7*time.Minute))
	if err != nil {
		t.Fatal(err)
	}
	want("nobody looked after it was set waiting", due(9*time.Minute), chat.RunWaiting)
	if err := f.PutOffRun(t.Context(), r, r.ExpiresAt); err != nil {
		t.Fatal(err)
	}
	want("somebody looked", due(23*time.Hour))
	want("expired", due(25*time.Hour), chat.RunWaiting)
	waiting := f.run(t, r)
	if err := f.RunDecided(t.Context(), r.ID, later(time.Hour)); err != nil {
		t.Fatal(err)
	}
	if err := f.PutOffRun(t.Context(), waiting, waiting.ExpiresAt); err != nil {
		t.Fatal(err)
	}
	want("decided, and put off by who had not seen that", due(2*time.Hour), chat.RunWaiting)
	r, queued, err := f.RequeueRun(t.Context(), f.run(t, r), later(2*time.Hour))
	if !queued || err != nil || r.Decided {
		t.Errorf("%+v, %v, %v", r, queued, err)
	}
	want("queued again", due(2*time.Hour+30*time.Second))
	r = f.take(t, "m1", later(2*time.Hour))
	if _, ended, err := f.EndRun(t.Context(), r, chat.RunComplete, later(2*time.Hour)); !ended || err != nil {
		t.Error(ended, err)
	}
	if err := f.RunDecided(t.Context(), r.ID, later(3*time.Hour)); err != nil {
		t.Fatal(err)
	}
	want("over", due(100*time.Hour))
}

func TestRunsOfAConversation(t *testing.T) {
	f := open(t)
	for i := range 7 {
		r := runOf(fmt.Sprint("m", i), 0, int64(i))
		r.CreatedAt = later(time.Duration(i/3) * time.Second) // three of them at a time
		f.queue(t, r)
	}
	var all []chat.RunID
	for before := chat.RunID(""); ; {
		page, more, err := f.Runs(t.Context(), "o1", "c1", before, 2)
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range page {
			if slices.Contains(all, r.ID) {
				t.Errorf("%s comes twice", r.Trigger)
			}
			all = append(all, r.ID)
		}
		if !more {
			break
		}
		before = page[len(page)-1].ID
	}
	if len(all) != 7 {
		t.Errorf("%d of 7 runs", len(all))
	}
	if page, more, err := f.Runs(t.Context(), "o2", "c1", "", 9); len(page) != 0 || more || err != nil {
		t.Errorf("of another organisation: %v, %v", page, err)
	}
	if _, _, err := f.Runs(t.Context(), "o1", "c1", chat.NewRunID(bot, "x", 0), 9); chat.CodeOf(err) != chat.NotFound {
		t.Errorf("before a run that is none: %v", err)
	}
}

func TestUsage(t *testing.T) {
	f := open(t)
	i := 0
	run := func(agent, user chat.PrincipalID, org chat.OrgID, day int, tokens int64) {
		t.Helper()
		i++
		a := chat.AgentProfile{OrgID: org, ID: agent}
		m := chat.Message{ID: chat.MessageID(fmt.Sprint("m", i)), ConversationID: chat.ConversationID(fmt.Sprint("c", i)), Seq: 1}
		r := f.queue(t, chat.NewRun(a, m, 0, user, 1, start.AddDate(0, 0, day)))
		r.Usage = chat.Usage{PromptTokens: tokens - 1, CompletionTokens: 1, TotalTokens: tokens}
		if _, ended, err := f.EndRun(t.Context(), r, chat.RunComplete, start); !ended || err != nil {
			t.Fatal(ended, err)
		}
	}
	run("a", "u1", "o1", 0, 10)
	run("a", "u2", "o1", 0, 20)
	run("b", "u1", "o1", 1, 1<<33)
	run("a", "u1", "o1", 2, 5)
	run("a", "u1", "o2", 0, 1000)
	first, last := chat.DayOf(start), chat.DayOf(start.AddDate(0, 0, 1))
	for name, c := range map[string]struct {
		q    chat.UsageQuery
		want string
	}{
		"by agent": {chat.UsageQuery{GroupBy: chat.UsageByAgent, From: first, To: last}, "b:1:8589934592 a:2:30"},
		"by user":  {chat.UsageQuery{GroupBy: chat.UsageByUser, From: first, To: first}, "u2:1:20 u1:1:10"},
		"by day":   {chat.UsageQuery{GroupBy: chat.UsageByDay, From: first, To: "9999-12-31"}, "2026-03-01:2:30 2026-03-02:1:8589934592 2026-03-03:1:5"},
		"of one":   {chat.UsageQuery{GroupBy: chat.UsageByDay, From: first, To: first, UserID: "u1"}, "2026-03-01:1:10"},
		"of none":  {chat.UsageQuery{GroupBy: chat.UsageByDay, From: "2020-01-01", To: "2020-01-02"}, ""},
	} {
		c.q.OrgID = "o1"
		sums, err := f.UsageSums(t.Context(), c.q)
		got := ""
		for i, s := range sums {
			if i > 0 {
				got += " "
			}
			got += fmt.Sprint(s.Key, ":", s.Runs, ":", s.Usage.TotalTokens)
			if s.Usage.CompletionTokens != s.Runs || s.Usage.PromptTokens+s.Runs != s.Usage.TotalTokens {
				t.Errorf("%s: %+v", name, s)
			}
		}
		if err != nil || got != c.want {
			t.Errorf("%s: %s, %v, want %s", name, got, err, c.want)
		}
	}
	for day, want := range map[chat.Day]int64{first: 30, last: 0} {
		if n, err := f.TokensOfDay(t.Context(), chat.Principal{Type: chat.Agent, ID: "a", OrgID: "o1"}, day); n != want || err != nil {
			t.Errorf("TokensOfDay(%s) = %d, %v, want %d", day, n, err, want)
		}
	}
}

// Who stops a conversation, or the answer to a question, finds the run also behind many.
func TestAllRunsThatAreOpen(t *testing.T) {
	f := open(t)
	const many = 230
	for i := range many {
		f.queue(t, runOf(fmt.Sprint("m", i), 0, int64(i+1)))
	}
	all, err := f.OpenRuns(t.Context(), "c1", "")
	if err != nil || len(all) != many || all[many-1].Trigger != chat.MessageID(fmt.Sprint("m", many-1)) {
		t.Errorf("%d of %d open runs, %v", len(all), many, err)
	}
}
