package handler_test

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"aiwm-chat/shared/chat"
	"aiwm-chat/shared/delivery"
	"aiwm-chat/shared/protocol"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var (
	errDown = errors.New("no route to host")
	errDead = errors.New("the process is dead")
	down    = chat.Unavailablef(errDown, "the database does not answer; try again")
)

// The steps in the order on which the promises stand. They are all that an
// ordinary send takes: of MongoDB five, and none of them writes to Redis.
func TestOrder(t *testing.T) {
	w := newWorld()
	w.fill(9, time.Now().Add(-time.Hour))
	if err := w.send(t.Context(), "m1", "hello"); err != nil {
		t.Fatal(err)
	}
	all := []string{"Admit", "AgentOnline", "Append", "Audience", "Conversation", "Deliver", "EnqueueSummary", "Forget", "IndexMessage", "Project", "Settle", "ack"}
	if got := slices.Sorted(slices.Values(w.steps)); !slices.Equal(got, all) {
		t.Fatalf("the steps are %v, want %v", got, all)
	}
	for _, before := range [][2]string{
		{"Conversation", "Append"}, {"Admit", "Append"}, // what is refused touches nothing
		{"Append", "ack"},      // G1
		{"Append", "Audience"}, // G4: join enters the room before it reads the history
		{"Append", "Project"}, {"Append", "EnqueueSummary"},
		{"Audience", "Deliver"},
	} {
		if slices.Index(w.steps, before[0]) > slices.Index(w.steps, before[1]) {
			t.Errorf("%s comes after %s: %v", before[0], before[1], w.steps)
		}
	}
	want := map[string][]int64{"message:new user=": {10}, "message:new agent=": {10}, "message:from-user agent=": {10}}
	if !maps.EqualFunc(w.delivered, want, slices.Equal) {
		t.Errorf("delivered %v, want %v", w.delivered, want)
	}
	if len(w.jobs) != 1 || w.jobs[0] != (protocol.SummaryJob{OrgID: "acme", ConversationID: "c1", Seq: 10}) {
		t.Errorf("the jobs are %v", w.jobs)
	}
	if w.projected != 10 || !slices.Equal(w.agentIDs, []chat.PrincipalID{agent.ID}) {
		t.Errorf("projected %d for %v", w.projected, w.agentIDs)
	}
	if len(w.acks) != 1 || w.acks[0].Seq != 10 || w.acks[0].Duplicate || w.acks[0].ClientMessageID != "m1" ||
		w.acks[0].AgentOnline == nil || !*w.acks[0].AgentOnline || w.acks[0].Resync || w.acks[0].Delivered != nil {
		t.Errorf("the acks are %+v", w.acks)
	}
	if len(w.settled) != 1 || w.settled[0] != nil || w.due() != "" {
		t.Errorf("settled %v", w.settled)
	}
}

// What does not have to wait for each other does not: a slow client holds no
// ack, a slow sender no delivery. A step that waits for another one of its group
// would be a deadlock.
func TestTogether(t *testing.T) {
	for _, group := range [][]string{
		{"Conversation", "Admit", "Message"},
		{"Append", "AgentOnline"},
		{"ack", "Deliver", "Project", "EnqueueSummary"},
	} {
		t.Run(strings.Join(group, " "), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld()
				w.fill(9, time.Now().Add(-time.Hour))
				var all sync.WaitGroup
				all.Add(len(group))
				w.onStep = func(step string) {
					if slices.Contains(group, step) {
						all.Done()
						all.Wait()
					}
				}
				in := protocol.MessageInput{ConversationID: "c1", Content: "hello", ParentID: "here"}
				if err := w.sendInput(t.Context(), userConnection, in); err != nil {
					t.Fatal(err)
				}
			})
		})
	}
}

// The message is settled when everything is over, whatever takes longest: a
// Lambda instance freezes when that is done.
func TestSettleIsLast(t *testing.T) {
	for _, slow := range []string{"ack", "Audience", "Deliver", "Forget", "Project", "EnqueueSummary"} {
		synctest.Test(t, func(t *testing.T) {
			w := newWorld()
			w.fill(9, time.Now().Add(-time.Hour))
			over := false
			w.onStep = func(step string) {
				switch step {
				case slow:
					time.Sleep(time.Second)
					over = true
				case "Settle":
					if !over {
						t.Errorf("settled before the end of %s", slow)
					}
				}
			}
			if err := w.send(t.Context(), "m1", "hello"); err != nil || w.steps[len(w.steps)-1] != "Settle" {
				t.Errorf("%v: %v", err, w.steps)
			}
		})
	}
}

// The commit carries its own effects, and sweep leaves them to the send for a
// while.
func TestDueIsCommitted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for seq, want := range map[int]string{9: "call deliver project search", 10: "call deliver project search summarise"} {
			w := newWorld()
			w.fill(seq-1, time.Now())
			w.fail["Settle"] = down
			if err := w.send(t.Context(), "m1", "hello"); err != nil {
				t.Fatal(err)
			}
			if at := w.log[seq-1].Due.At; w.due() != want || !at.Equal(time.Now().Add(20*time.Second)) {
				t.Errorf("of %d, %q is due at %v, want %q", seq, w.due(), at, want)
			}
			if d := w.appended.Due; d == nil || dueText(d) != "call deliver project search" {
				t.Errorf("appended with %v", d)
			}
		}
	})
}

// The agent is said to be there only where it is asked: as a participant.
func TestAgentOnline(t *testing.T) {
	for name, tt := range map[string]struct {
		set  func(w *world)
		want bool
	}{
		"there":          {func(*world) {}, true},
		"not there":      {func(w *world) { w.agents = nil }, false},
		"no participant": {func(w *world) { w.conversation.Participants = w.conversation.Participants[:1] }, false},
	} {
		w := newWorld()
		tt.set(w)
		if err := w.send(t.Context(), "m1", "hello"); err != nil || len(w.acks) != 1 || w.acks[0].AgentOnline == nil || *w.acks[0].AgentOnline != tt.want {
			t.Errorf("%s: %v, %+v", name, err, w.acks)
		}
		if asked := !w.asked.IsZero(); asked != (name != "no participant") {
			t.Errorf("%s: looked up %v", name, w.asked)
		}
	}
}

// What holds when a step fails.
func TestFailures(t *testing.T) {
	type outcome struct {
		code      chat.Code // "": no error
		acked     bool
		committed bool
		due       string
		delivered bool
		projected bool
		job       bool
	}
	const everything = "call deliver project search summarise"
	committed := outcome{acked: true, committed: true, delivered: true, projected: true, job: true}
	without := func(change func(*outcome)) outcome { o := committed; change(&o); return o }
	undelivered := without(func(o *outcome) { o.delivered, o.due = false, "deliver" })
	tests := []struct {
		name string
		set  func(w *world)
		in   func(in *protocol.MessageInput)
		want outcome
	}{
		{"nothing", nil, nil, committed},
		{"the conversation cannot be read", func(w *world) { w.fail["Conversation"] = down }, nil, outcome{code: chat.Unavailable}},
		{"not a participant", func(w *world) { w.conversation.Participants = nil }, nil, outcome{code: chat.NotFound}},
		{"another conversation", nil, func(in *protocol.MessageInput) { in.ConversationID = "c2" }, outcome{code: chat.NotFound}},
		{"archived", func(w *world) { w.conversation.Status = chat.Archived }, nil, outcome{code: chat.ConversationClosed}},
		{"closed", func(w *world) { w.conversation.Status = chat.Closed }, nil, outcome{code: chat.ConversationClosed}},
		{"closed, and no look-up", func(w *world) { w.conversation.Status, w.fail["Sent"] = chat.Closed, down }, nil, outcome{code: chat.Unavailable}},
		{"no such parent", nil, func(in *protocol.MessageInput) { in.ParentID = "nowhere" }, outcome{code: chat.ValidationFailed}},
		{"a parent elsewhere", nil, func(in *protocol.MessageInput) { in.ParentID = "elsewhere" }, outcome{code: chat.ValidationFailed}},
		{"a parent", nil, func(in *protocol.MessageInput) { in.ParentID = "here" }, committed},
		{"the parent cannot be read", func(w *world) { w.fail["Message"] = down }, func(in *protocol.MessageInput) { in.ParentID = "here" }, outcome{code: chat.Unavailable}},
		{"nothing said", nil, func(in *protocol.MessageInput) { in.Content = " " }, outcome{code: chat.ValidationFailed}},
		{"as another", nil, func(in *protocol.MessageInput) { in.ParticipantID = "u2" }, outcome{code: chat.ValidationFailed}},
		{"as an agent", nil, func(in *protocol.MessageInput) { in.Role = chat.RoleAgent }, outcome{code: chat.ValidationFailed}},
		{"too many, or over the budget", func(w *world) { w.fail["Admit"] = chat.LimitedFor(time.Second) }, nil, outcome{code: chat.RateLimited}},
		{"too many, of what is not the caller's to know", func(w *world) {
			w.conversation.Participants, w.fail["Admit"] = nil, chat.LimitedFor(time.Second)
		}, nil, outcome{code: chat.NotFound}},
		{"too many, in a closed one", func(w *world) {
			w.conversation.Status, w.fail["Admit"] = chat.Closed, chat.LimitedFor(time.Second)
		}, nil, outcome{code: chat.RateLimited}},
		{"no commit", func(w *world) { w.fail["Append"] = down }, nil, outcome{code: chat.Unavailable}},
		{"no answer of the commit", func(w *world) { w.failAfter["Append"] = down }, nil, outcome{code: chat.Unavailable, committed: true, due: everything}},
		{"refused by the store", func(w *world) { w.fail["Append"] = errDown }, nil, outcome{code: chat.Internal}},
		{"no audience", func(w *world) { w.fail["Audience"] = down }, nil, undelivered},
		{"a stranger, and no look at the conversation", func(w *world) {
			w.room, w.fail["AnyConversation"] = append(w.room, strangerConnection), down
		}, nil, undelivered},
		{"a stranger who cannot be put out", func(w *world) {
			w.room, w.fail["PutOut"] = append(w.room, strangerConnection), down
		}, nil, committed},
		{"no projection", func(w *world) { w.fail["Project"] = down }, nil, without(func(o *outcome) { o.projected, o.due = false, "deliver-agent project" })},
		{"no queue", func(w *world) { w.fail["EnqueueSummary"] = down }, nil, without(func(o *outcome) { o.job, o.due = false, "summarise" })},
		{"not indexed", func(w *world) { w.fail["IndexMessage"] = down }, nil, without(func(o *outcome) { o.due = "search" })},
		{"no agent known", func(w *world) { w.fail["Agent"] = down }, nil, without(func(o *outcome) { o.due = "call" })},
		{"nothing but the settling works after the commit", func(w *world) {
			w.fail["Audience"], w.fail["Project"], w.fail["EnqueueSummary"], w.fail["Agent"], w.fail["IndexMessage"] = down, down, down, down, down
		}, nil, outcome{acked: true, committed: true, due: everything}},
		{"nothing works after the commit", func(w *world) {
			w.fail["Audience"], w.fail["Project"], w.fail["EnqueueSummary"], w.fail["Settle"] = down, down, down, down
		}, nil, outcome{acked: true, committed: true, due: everything}},
		{"not settled", func(w *world) { w.fail["Settle"] = down }, nil, without(func(o *outcome) { o.due = everything })},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld()
			w.fill(9, time.Now().Add(-time.Hour))
			if tt.set != nil {
				tt.set(w)
			}
			in := protocol.MessageInput{ConversationID: "c1", ClientMessageID: "m1", Content: "hello"}
			if tt.in != nil {
				tt.in(&in)
			}
			err := w.sendInput(t.Context(), userConnection, in)
			got := outcome{
				acked: len(w.acks) == 1, committed: len(w.log) == 10, due: w.due(),
				delivered: slices.Equal(w.delivered["message:new agent="], []int64{10}), projected: w.projected == 10, job: len(w.jobs) == 1,
			}
			if err != nil {
				got.code = chat.CodeOf(err)
			}
			if got != tt.want {
				t.Errorf("got  %+v (%v)\nwant %+v\nsteps %v", got, err, tt.want, w.steps)
			}
			if refused := !tt.want.committed; refused && (len(w.posts) > 0 || w.count("Settle") > 0 || w.count("Audience") > 0) {
				t.Errorf("refused, and %v", w.steps)
			}
			if tt.want.code.Retryable() || tt.want.due != "" {
				mustRecover(t, w, in, tt.want.committed)
			}
		})
	}
}

// mustRecover repeats a send when the faults are over: G2, G4 and G8.
func mustRecover(t *testing.T, w *world, in protocol.MessageInput, committed bool) {
	t.Helper()
	clear(w.fail)
	clear(w.failAfter)
	w.conversation.Status = chat.Active
	w.acks = nil
	if err := w.sendInput(t.Context(), userConnection, in); err != nil {
		t.Fatal("the repeat:", err)
	}
	if len(w.log) != 10 || len(w.acks) != 1 || w.acks[0].Seq != 10 || w.acks[0].Duplicate != committed {
		t.Errorf("the repeat left %d messages and got %+v", len(w.log), w.acks)
	}
	mustBeDone(t, w)
}

// mustBeDone checks that nothing of the tenth message is left.
func mustBeDone(t *testing.T, w *world) {
	t.Helper()
	for _, key := range []string{"message:new user=", "message:new agent=", "message:from-user agent="} {
		if !slices.Contains(w.delivered[key], 10) {
			t.Errorf("%s is missing in %v", key, w.delivered)
		}
	}
	if w.projected != 10 || len(w.jobs) == 0 || w.due() != "" {
		t.Errorf("projected %d, jobs %v, due %q", w.projected, w.jobs, w.due())
	}
}

// A repeat finishes exactly what is left of its message.
func TestRepeats(t *testing.T) {
	effects := map[chat.Effect]string{chat.EffectDeliver: "Deliver", chat.EffectProject: "Project", chat.EffectSummarise: "EnqueueSummary"}
	tests := []struct {
		name    string
		left    []chat.Effect
		content string
		status  chat.ConversationStatus
		code    chat.Code
	}{
		{"finished", nil, "old", chat.Active, ""},
		{"to be delivered", []chat.Effect{chat.EffectDeliver}, "old", chat.Active, ""},
		{"to be projected", []chat.Effect{chat.EffectProject}, "old", chat.Active, ""},
		{"to be summarised", []chat.Effect{chat.EffectSummarise}, "old", chat.Active, ""},
		{"to be delivered and summarised", []chat.Effect{chat.EffectDeliver, chat.EffectSummarise}, "old", chat.Active, ""},
		{"not begun", []chat.Effect{chat.EffectDeliver, chat.EffectProject, chat.EffectSummarise}, "old", chat.Active, ""},
		{"closed meanwhile", nil, "old", chat.Closed, ""},
		{"closed meanwhile, not begun", []chat.Effect{chat.EffectDeliver, chat.EffectProject, chat.EffectSummarise}, "old", chat.Archived, ""},
		{"another message", nil, "new", chat.Active, chat.Conflict},
		{"another message, not delivered", []chat.Effect{chat.EffectDeliver}, "new", chat.Active, chat.Conflict},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld()
			w.fill(10, time.Now().Add(-time.Hour))
			w.conversation.Status = tt.status
			if tt.left != nil {
				w.log[9].Due = &chat.Due{At: time.Now(), Left: tt.left}
			}
			original := w.log[9]
			err := w.send(t.Context(), original.ClientMessageID, tt.content)
			if (err != nil) != (tt.code != "") || err != nil && chat.CodeOf(err) != tt.code {
				t.Fatalf("got %v, want %q", err, tt.code)
			}
			if err == nil && (len(w.acks) != 1 || !w.acks[0].Duplicate || w.acks[0].Seq != 10 || w.acks[0].MessageID != original.ID) {
				t.Errorf("the acks are %+v", w.acks)
			}
			if err != nil && len(w.acks) != 0 || len(w.log) != 10 {
				t.Errorf("%d messages, the acks are %+v", len(w.log), w.acks)
			}
			for effect, step := range effects {
				want := 0
				if err == nil && slices.Contains(tt.left, effect) {
					want = 1
				}
				if n := w.count(step); n != want {
					t.Errorf("%s is done %d times, want %d", step, n, want)
				}
			}
			if settles := w.count("Settle"); (settles == 1) != (err == nil && tt.left != nil) || (w.due() != "") != (err != nil && tt.left != nil) {
				t.Errorf("settled %d times, due is %q", settles, w.due())
			}
		})
	}
}

// Whichever steps after the commit fail, before or after they did something, a
// sweep brings the same result, and does nothing again of which it is known that
// it was done.
func TestSweepAfterAnyFailures(t *testing.T) {
	steps := []string{"Audience", "Deliver", "Project", "EnqueueSummary", "Settle"}
	const works, fails, failsAfter, kinds = 0, 1, 2, 3
	for n := range kinds * kinds * kinds * kinds * kinds {
		w := newWorld()
		w.fill(9, time.Now().Add(-time.Hour))
		kind := map[string]int{}
		for i, rest := 0, n; i < len(steps); i, rest = i+1, rest/kinds {
			switch kind[steps[i]] = rest % kinds; rest % kinds {
			case fails:
				w.fail[steps[i]] = down
			case failsAfter:
				w.failAfter[steps[i]] = down
			}
		}
		if err := w.send(t.Context(), "m1", "hello"); err != nil || len(w.acks) != 1 {
			t.Fatalf("%v: %v, %+v", kind, err, w.acks)
		}
		clear(w.fail)
		clear(w.failAfter)
		if err := w.sweep(t.Context()); err != nil {
			t.Fatal(err)
		}
		mustBeDone(t, w)
		known := kind["Settle"] != fails
		if again := len(w.delivered["message:new user="]) > 1; again && known && kind["Audience"] == works && kind["Deliver"] == works && kind["Project"] == works {
			t.Errorf("delivered again: %v", kind)
		}
		if again := len(w.jobs) > 1; again && known && kind["EnqueueSummary"] == works {
			t.Errorf("enqueued again: %v", kind)
		}
		if again := w.count("Project") > 1; again && known && kind["Project"] == works {
			t.Errorf("projected again: %v", kind)
		}
		if t.Failed() {
			t.Fatalf("with %v: %v", kind, w.steps)
		}
	}
}

// The process dies between any two steps: what was committed is delivered to
// everybody, projected and summarised by sweep, and nothing else was
// acknowledged. Which steps come first is chance, where they are concurrent.
func TestDeathBetweenSteps(t *testing.T) {
	for lives := range 12 {
		for range 30 {
			w := newWorld()
			w.fill(9, time.Now().Add(-time.Hour))
			w.mortal, w.lives = true, lives
			w.send(t.Context(), "m1", "hello") //nolint:errcheck // nobody hears it
			if committed := len(w.log) == 10; !committed && (len(w.acks) > 0 || len(w.posts) > 0) {
				t.Fatalf("acknowledged %v, posted %v, not committed", w.acks, w.posts)
			} else if committed != slices.Contains(w.steps, "Append") {
				t.Fatal(w.steps)
			}
			w.mortal = false
			if err := w.sweep(t.Context()); err != nil {
				t.Fatal(err)
			}
			if len(w.log) == 10 {
				mustBeDone(t, w)
			}
			// Whether it heard an answer or not, the client may repeat it.
			w.acks = nil
			if err := w.send(t.Context(), "m1", "hello"); err != nil || len(w.log) != 10 || len(w.acks) != 1 || w.acks[0].Seq != 10 {
				t.Fatalf("the repeat: %v, %d messages, %+v", err, len(w.log), w.acks)
			}
			mustBeDone(t, w)
			if t.Failed() {
				t.Fatalf("after %d steps: %v", lives, w.steps)
			}
		}
	}
}

// A panic in one effect is that effect's error, and the others go on.
func TestPanic(t *testing.T) {
	for step, left := range map[string]string{
		"Audience": "deliver", "Deliver": "deliver", "Forget": "deliver", "Project": "deliver-agent project", "EnqueueSummary": "summarise",
	} {
		w := newWorld()
		w.fill(9, time.Now().Add(-time.Hour))
		w.onStep = func(s string) {
			if s == step {
				panic("a bug")
			}
		}
		if err := w.send(t.Context(), "m1", "hello"); err != nil || len(w.acks) != 1 || w.due() != left {
			t.Errorf("a panic in %s: %v, acks %+v, due %q", step, err, w.acks, w.due())
		}
		w.onStep = func(string) {}
		if err := w.sweep(t.Context()); err != nil {
			t.Fatal(err)
		}
		mustBeDone(t, w)
	}
}

// many is the connections of a large room, the user's all.
func many(n int) (room []chat.Connection) {
	for i := range n {
		c := userConnection
		c.ID = chat.ConnectionID(fmt.Sprintf("c%02d=", i))
		room = append(room, c)
	}
	return room
}

// Who was not reached is named, up to fifty; more are everybody. All that is
// three times, the send itself among them.
func TestUnreached(t *testing.T) {
	w := newWorld()
	w.unreachable["agent="] = true
	w.send(t.Context(), "m1", "hello")
	if w.due() != "deliver [agent=] 1" {
		t.Fatalf("due is %q", w.due())
	}
	w.posts = nil
	w.sweep(t.Context())
	if w.due() != "deliver [agent=] 2" || len(w.posts) != 2 {
		t.Errorf("after another failure, due is %q, posted %v", w.due(), w.posts)
	}
	delete(w.unreachable, "agent=")
	w.sweep(t.Context())
	want := map[string][]int64{"message:new user=": {1}, "message:new agent=": {1}, "message:from-user agent=": {1}}
	if w.due() != "" || w.count("Project") != 1 || !maps.EqualFunc(w.delivered, want, slices.Equal) {
		t.Errorf("due is %q, delivered %v, steps %v", w.due(), w.delivered, w.steps)
	}

	for _, tt := range []struct {
		name              string
		unreachable, gone int
		refusing          int      // the first ones after those
		want              []string // what is due after the send and each sweep
	}{
		{"one", 1, 0, 0, []string{"deliver of 1, 1", "deliver of 1, 2", ""}},
		{"fifty", 50, 0, 0, []string{"deliver of 50, 1", "deliver of 50, 2", ""}},
		{"fifty-one", 51, 0, 0, []string{"deliver-room 1", "deliver-room 2", ""}},
		{"gone", 0, 60, 0, []string{""}},
		{"some of both", 10, 50, 0, []string{"deliver of 10, 1", "deliver of 10, 2", ""}},
		{"refused", 0, 0, 1, []string{"deliver of 1, 1", "deliver of 1, 2", ""}},
		{"some of each", 10, 40, 10, []string{"deliver of 20, 1", "deliver of 20, 2", ""}},
		{"too many of each together", 30, 0, 30, []string{"deliver-room 1", "deliver-room 2", ""}},
	} {
		w := newWorld()
		w.room, w.agents = many(60), nil
		for i, c := range w.room {
			w.unreachable[c.ID] = i < tt.unreachable
			w.refusing[c.ID] = i >= tt.unreachable && i < tt.unreachable+tt.refusing
			w.gone[c.ID] = i >= 60-tt.gone
		}
		for i, want := range tt.want {
			if i == 0 {
				w.sendREST(t.Context(), protocol.MessageInput{ConversationID: "c1", Content: "hello"})
			} else {
				if i == len(tt.want)-1 {
					w.log[0].CreatedAt = w.log[0].CreatedAt.Add(-2 * time.Minute) // which are over by the last one
				}
				w.sweep(t.Context())
			}
			got := w.due()
			if d := w.log[0].Due; d != nil && len(d.To) > 0 {
				got = fmt.Sprintf("deliver of %d, %d", len(d.To), d.Tries)
			}
			if got != want {
				t.Errorf("%s: after %d sweeps %q is due, want %q", tt.name, i, got, want)
			}
		}
		if len(w.forgotten) != tt.gone || w.count("Project") != 1 {
			t.Errorf("%s: %d forgotten, steps %v", tt.name, len(w.forgotten), w.steps)
		}
	}
}

// A failed delivery to everybody that is followed by a nearly good one names
// those who are left; one that reaches nobody keeps who was named.
func TestUnreachedThenOthers(t *testing.T) {
	w := newWorld()
	w.room, w.agents = many(60), nil
	for _, c := range w.room {
		w.unreachable[c.ID] = true
	}
	w.sendREST(t.Context(), protocol.MessageInput{ConversationID: "c1", Content: "hello"})
	clear(w.unreachable)
	w.unreachable["c07="] = true
	w.sweep(t.Context())
	if w.log[0].Due == nil || !slices.Equal(w.log[0].Due.To, []chat.ConnectionID{"c07="}) {
		t.Fatalf("due is %q", w.due())
	}
	w.fail["Audience"] = down
	w.sweep(t.Context())
	if w.log[0].Due == nil || !slices.Equal(w.log[0].Due.To, []chat.ConnectionID{"c07="}) {
		t.Errorf("without Redis, due is %q", w.due())
	}
	clear(w.fail)
	w.room = slices.DeleteFunc(w.room, func(c chat.Connection) bool { return c.ID == "c07=" })
	w.sweep(t.Context())
	if w.due() != "" || len(w.delivered["message:new c08="]) != 1 {
		t.Errorf("when it has left, due is %q, delivered %v", w.due(), w.delivered)
	}
}

// A post that is refused, such as for a right that is missing, is made up for
// when that is mended soon.
func TestRefusedIsNotReached(t *testing.T) {
	w := newWorld()
	w.refusing["agent="] = true
	w.send(t.Context(), "m1", "hello")
	if w.due() != "deliver [agent=] 1" || len(w.delivered["message:new user="]) != 1 {
		t.Fatalf("due is %q, delivered %v", w.due(), w.delivered)
	}
	clear(w.refusing)
	w.sweep(t.Context())
	if w.due() != "" || len(w.delivered["message:from-user agent="]) != 1 || len(w.delivered["message:new user="]) != 1 {
		t.Errorf("due is %q, delivered %v", w.due(), w.delivered)
	}
}

// Where a slot of Redis does not answer, who is known gets the message at once, and
// once; delivery to the others stays due, as often as it takes: it costs nobody a try.
func TestPartOfTheAudience(t *testing.T) {
	tests := []struct {
		name  string
		set   func(w *world, on bool)
		known []string // who gets it at once
		reads int      // of the conversation
		due   string
	}{
		{"no agent", func(w *world, on bool) { w.agentsAway = on }, []string{"message:new agent=", "message:new user="}, 0, "deliver-agent"},
		{"no room", func(w *world, on bool) { w.roomAway = on }, []string{"message:from-user agent=", "message:new user="}, 1, "deliver-room"}, // the agent is not vouched for
		{"neither", func(w *world, on bool) { w.roomAway, w.agentsAway = on, on }, nil, 0, "deliver"},
		{"no room, and no agent to be asked", func(w *world, on bool) { w.roomAway, w.agents = on, nil }, nil, 0, "deliver"},
		{"no room, and the agent was removed", func(w *world, on bool) {
			w.roomAway = on
			if w.now = w.conversation; on {
				w.now.Participants = w.now.Participants[:1]
			}
		}, []string{"message:new user="}, 1, "deliver-room"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld()
			w.fill(9, time.Now().Add(-time.Hour))
			agents := w.agents
			tt.set(w, true)
			if err := w.send(t.Context(), "m1", "hello"); err != nil || w.due() != tt.due || w.projected != 10 {
				t.Fatalf("%v, due %q, projected %d", err, w.due(), w.projected)
			}
			if got := slices.Sorted(maps.Keys(w.delivered)); !slices.Equal(got, tt.known) || w.count("AnyConversation") != tt.reads {
				t.Errorf("delivered %v, want %v; steps %v", got, tt.known, w.steps)
			}
			for range 4 {
				w.sweep(t.Context())
				if w.due() != tt.due {
					t.Fatalf("while that lasts, due is %q", w.due())
				}
			}
			for _, key := range tt.known {
				if got := w.delivered[key]; len(got) != 1 {
					t.Errorf("%s %d times", key, len(got))
				}
			}
			tt.set(w, false)
			w.agents = agents
			w.sweep(t.Context())
			if strings.HasSuffix(tt.name, "removed") {
				w.delivered["message:from-user agent="] = []int64{10} // it was none of those who were to have it
			}
			mustBeDone(t, w)
			for key, got := range w.delivered {
				if want := 1; len(got) > want && key != "message:new user=" { // the sender's own is not in the room, as far as was known
					t.Errorf("%s %d times", key, len(got))
				}
			}
		})
	}
}

// Who is named stays so where a part of the audience is not known.
func TestPartOfTheAudienceOfWhoIsNamed(t *testing.T) {
	w := newWorld()
	w.unreachable["agent="] = true
	w.send(t.Context(), "m1", "hello")
	w.agentsAway = true
	w.sweep(t.Context())
	if w.due() != "deliver [agent=] 2" || len(w.delivered["message:new user="]) != 1 {
		t.Errorf("due is %q, delivered %v", w.due(), w.delivered)
	}
	// In the room it is reached; what it gets besides is still to come.
	clear(w.unreachable)
	for range 3 {
		w.sweep(t.Context())
		if w.due() != "deliver-agent [agent=] 2" || len(w.delivered["message:new agent="]) != 1 {
			t.Errorf("due is %q, delivered %v", w.due(), w.delivered)
		}
	}
	w.agentsAway = false
	w.sweep(t.Context())
	if w.due() != "" || len(w.delivered["message:new agent="]) != 1 || len(w.delivered["message:from-user agent="]) != 1 {
		t.Errorf("due is %q, delivered %v", w.due(), w.delivered)
	}
}

// A message that is tried again is charged for those only whom it is for.
func TestWhatIsChargedForARetry(t *testing.T) {
	w := newWorld()
	w.unreachable["agent="] = true
	w.send(t.Context(), "m1", "hello")
	w.sweep(t.Context())
	w.agentsAway = true
	w.send(t.Context(), "m2", "hello")
	w.sweep(t.Context())
	if !slices.Equal(w.charged[:3], []int{0, 1, 0}) || slices.Contains(w.charged[3:], 0) {
		t.Errorf("charged %v; 0 is the whole room", w.charged)
	}
}

// While the projection fails nobody gets the message again; then the agent does.
func TestWhileTheProjectionFailsNobodyHearsItAgain(t *testing.T) {
	w := newWorld()
	w.fill(9, time.Now().Add(-time.Hour))
	w.fail["Project"] = down
	w.send(t.Context(), "m1", "hello")
	for range 4 {
		w.sweep(t.Context())
	}
	if w.due() != "deliver-agent project" || len(w.posts) != 3 {
		t.Errorf("due is %q after %d posts", w.due(), len(w.posts))
	}
	delete(w.fail, "Project")
	w.sweep(t.Context())
	mustBeDone(t, w)
	if len(w.posts) != 4 || w.posts[3].To.ID != "agent=" {
		t.Errorf("%d posts", len(w.posts))
	}
}

// Who is gone is forgotten, as of this room.
func TestGone(t *testing.T) {
	w := newWorld()
	w.gone["agent="] = true
	if err := w.send(t.Context(), "m1", "hello"); err != nil || w.due() != "" || !slices.Contains(w.forgotten, "agent=/c1") {
		t.Errorf("%v, due %q, forgotten %v", err, w.due(), w.forgotten)
	}
}

// With Redis away a message is stored and acknowledged, and what its sender is
// told of its delivery is true.
func TestRedisAway(t *testing.T) {
	w := newWorld()
	w.fill(9, time.Now().Add(-time.Hour))
	w.admission, w.fail["Audience"] = chat.Admission{Known: true, Away: true}, down
	if err := w.send(t.Context(), "m1", "hello"); err != nil {
		t.Fatal(err)
	}
	if len(w.acks) != 1 || w.acks[0].Delivered == nil || *w.acks[0].Delivered || w.acks[0].Resync {
		t.Errorf("the acks are %+v", w.acks)
	}
	if w.due() != "deliver" || w.projected != 10 || len(w.jobs) != 1 {
		t.Errorf("due %q, projected %d, jobs %v", w.due(), w.projected, w.jobs)
	}
	clear(w.fail)
	if err := w.sweep(t.Context()); err != nil {
		t.Fatal(err)
	}
	mustBeDone(t, w)
	if err := w.send(t.Context(), "m1", "hello"); err != nil || w.acks[1].Delivered != nil || !w.acks[1].Duplicate {
		t.Errorf("a repeat of what was delivered: %v, %+v", err, w.acks)
	}
}

// A connection that Redis does not know is told so, and written nowhere.
func TestResync(t *testing.T) {
	w := newWorld()
	w.admission.Known = false
	if err := w.send(t.Context(), "m1", "hello"); err != nil || len(w.acks) != 1 || !w.acks[0].Resync {
		t.Errorf("%v, %+v", err, w.acks)
	}
	if w.count("PutOut") != 0 {
		t.Errorf("the steps are %v", w.steps)
	}
}

func TestAudience(t *testing.T) {
	withStranger := func(w *world) { w.room = append(w.room, strangerConnection) }
	toAll := []string{"message:from-user agent=", "message:new agent=", "message:new user="}
	tests := []struct {
		name   string
		set    func(w *world)
		sender chat.Connection
		reads  int
		want   []string            // events and connections
		out    []chat.ConnectionID // who is put out of the room
	}{
		{"a user", nil, userConnection, 0, toAll, nil},
		{"an agent", nil, agentConnection, 0, []string{"message:new agent=", "message:new user="}, nil},
		{"the agent is elsewhere", func(w *world) { w.room = w.room[:1] }, userConnection, 1, []string{"message:from-user agent=", "message:new user="}, nil},
		{"the sender is not in the room", func(w *world) { w.room = w.room[1:] }, userConnection, 1, toAll, nil},
		{"an agent is not in the room", func(w *world) { w.room = w.room[:1] }, agentConnection, 1, []string{"message:new agent=", "message:new user="}, nil},
		{"nobody is in the room", func(w *world) { w.room = nil }, userConnection, 1, []string{"message:from-user agent=", "message:new user="}, nil},
		{"somebody is there on trial", func(w *world) { w.onTrial = true }, userConnection, 1, toAll, nil},
		{"somebody on trial was removed meanwhile", func(w *world) {
			w.onTrial, w.now.Participants = true, w.now.Participants[:1]
		}, userConnection, 1, []string{"message:new user="}, []chat.ConnectionID{"agent="}},
		{"the agent elsewhere was removed meanwhile", func(w *world) {
			w.room, w.now.Participants = w.room[:1], w.now.Participants[:1]
		}, userConnection, 1, []string{"message:new user="}, nil},
		{"the sender outside was removed meanwhile", func(w *world) {
			w.room, w.now.Participants = w.room[1:], w.now.Participants[1:]
		}, userConnection, 1, toAll[:2], nil},
		{"a sender outside was removed meanwhile, and everybody else", func(w *world) {
			w.room, w.now.Participants = nil, nil
		}, userConnection, 1, nil, nil},
		{"the agent has another connection outside", func(w *world) {
			second := agentConnection
			second.ID = "agent2="
			w.agents = append(w.agents, second)
		}, userConnection, 1, []string{"message:from-user agent2=", "message:from-user agent=", "message:new agent=", "message:new user="}, nil},
		{"deleted meanwhile, with nobody in the room", func(w *world) {
			w.room, w.fail["AnyConversation"] = nil, chat.Errorf(chat.NotFound, "there is no such conversation")
		}, userConnection, 1, nil, nil},
		{"the agent is no participant", func(w *world) {
			w.conversation.Participants = w.conversation.Participants[:1]
			w.now = w.conversation
		}, userConnection, 1, []string{"message:new user="}, []chat.ConnectionID{"agent="}},
		{"a stranger", withStranger, userConnection, 1, toAll, []chat.ConnectionID{"stranger="}},
		{"a stranger who has become a participant", func(w *world) {
			withStranger(w)
			w.now.Participants = append(slices.Clone(w.now.Participants), chat.Participant{Type: chat.User, ID: stranger.ID})
		}, userConnection, 1, append(slices.Clone(toAll[:2]), "message:new stranger=", "message:new user="), nil},
		{"the agent was removed meanwhile", func(w *world) {
			withStranger(w)
			w.now.Participants = w.now.Participants[:1]
		}, userConnection, 1, []string{"message:new user="}, []chat.ConnectionID{"agent=", "stranger="}},
		{"the sender was removed meanwhile", func(w *world) {
			withStranger(w)
			w.now.Participants = w.now.Participants[1:]
		}, userConnection, 1, toAll[:2], []chat.ConnectionID{"user=", "stranger="}},
		{"deleted meanwhile", func(w *world) {
			withStranger(w)
			w.fail["AnyConversation"] = chat.Errorf(chat.NotFound, "there is no such conversation")
		}, userConnection, 1, nil, []chat.ConnectionID{"user=", "agent=", "stranger="}},
		{"a namesake in another organisation", func(w *world) {
			c := userConnection
			c.ID, c.Principal.OrgID = "namesake=", "other"
			w.room = append(w.room, c)
		}, userConnection, 1, toAll, []chat.ConnectionID{"namesake="}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld()
			w.fill(9, time.Now())
			if tt.set != nil {
				tt.set(w)
			}
			if err := w.sendInput(t.Context(), tt.sender, protocol.MessageInput{ConversationID: "c1", Content: "hello"}); err != nil {
				t.Fatal(err)
			}
			if got := slices.Sorted(maps.Keys(w.delivered)); !slices.Equal(got, tt.want) || len(w.posts) != len(tt.want) {
				t.Errorf("delivered %v, want %v, each once", w.delivered, tt.want)
			}
			if n := w.count("AnyConversation"); n != tt.reads {
				t.Errorf("the conversation was read again %d times, want %d", n, tt.reads)
			}
			var out []chat.ConnectionID
			for _, e := range w.putOut {
				if out = append(out, e.Connection.ID); e.ConversationID != "c1" || e.Generation != "of "+string(e.Connection.ID) {
					t.Errorf("put out %+v", e)
				}
			}
			if !slices.Equal(out, tt.out) || (w.count("PutOut") > 0) != (len(tt.out) > 0) {
				t.Errorf("put out %v, want %v", out, tt.out)
			}
			// What was read again is delivery's alone.
			if w.due() != "" || w.projected != 10 || len(w.jobs) != 1 || w.jobs[0].OrgID != "acme" || w.jobs[0].ConversationID != "c1" {
				t.Errorf("due %q, projected %d, jobs %v", w.due(), w.projected, w.jobs)
			}
		})
	}
}

// The commit may wait, for an election or for other writers. Who is removed
// meanwhile, and has the answer, is in no room: nothing goes to an agent by its
// registration alone, nor to the sender's own connection, nor to one on trial.
func TestNothingGoesToWhoWasRemovedBeforeTheCommit(t *testing.T) {
	for _, tt := range []struct {
		name    string
		removed chat.Principal
		in      []chat.Connection // the room afterwards
		onTrial bool
		want    []string
	}{
		{"the agent", agent, []chat.Connection{userConnection}, false, []string{"message:new user="}},
		{"the agent, back on trial", agent, []chat.Connection{userConnection, agentConnection}, true, []string{"message:new user="}},
		{"the sender", user, []chat.Connection{agentConnection}, false, []string{"message:from-user agent=", "message:new agent="}},
		{"the sender, back on trial", user, []chat.Connection{userConnection, agentConnection}, true, []string{"message:from-user agent=", "message:new agent="}},
	} {
		w := newWorld()
		w.onStep = func(step string) {
			if step == "Append" {
				w.now.Participants = slices.DeleteFunc(slices.Clone(w.now.Participants), func(p chat.Participant) bool { return p.ID == tt.removed.ID })
				w.room, w.onTrial = tt.in, tt.onTrial
			}
		}
		if err := w.send(t.Context(), "m1", "for your eyes only"); err != nil || w.due() != "" {
			t.Errorf("%s: %v, due %q", tt.name, err, w.due())
		}
		if got := slices.Sorted(maps.Keys(w.delivered)); !slices.Equal(got, tt.want) {
			t.Errorf("%s was removed: delivered %v, want %v; steps %v", tt.name, got, tt.want, w.steps)
		}
	}
}

// Where nobody can say who is a participant now, nobody is told, and it is due.
func TestNobodyIsVouchedForByADatabaseThatIsDown(t *testing.T) {
	w := newWorld()
	w.room, w.fail["AnyConversation"] = w.room[:1], down
	if err := w.send(t.Context(), "m1", "hello"); err != nil || len(w.posts) != 0 || w.due() != "deliver" {
		t.Errorf("%v, posted %v, due %q", err, w.posts, w.due())
	}
}

// The agent's being there is a convenience of the answer: a panic costs that
// alone.
func TestPanicOfAgentOnline(t *testing.T) {
	w := newWorld()
	w.onStep = func(step string) {
		if step == "AgentOnline" {
			panic("a bug")
		}
	}
	if err := w.send(t.Context(), "m1", "hello"); err != nil || len(w.acks) != 1 || w.acks[0].AgentOnline == nil || *w.acks[0].AgentOnline || w.due() != "" {
		t.Errorf("%v, acks %+v, due %q", err, w.acks, w.due())
	}
}

// The room is read after the commit: whoever enters it then is in it.
func TestWhoEntersAfterTheCommit(t *testing.T) {
	w := newWorld()
	w.room = nil
	w.onStep = func(step string) {
		if step == "Audience" && len(w.log) == 1 {
			w.room = []chat.Connection{userConnection, agentConnection}
		}
	}
	if err := w.send(t.Context(), "m1", "hello"); err != nil || len(w.delivered["message:new agent="]) != 1 {
		t.Errorf("%v, delivered %v", err, w.delivered)
	}
}

func TestSummaryAtEveryTenth(t *testing.T) {
	w := newWorld()
	for range 25 {
		if err := w.send(t.Context(), "", "hello"); err != nil {
			t.Fatal(err)
		}
	}
	if len(w.jobs) != 2 || w.jobs[0].Seq != 10 || w.jobs[1].Seq != 20 {
		t.Errorf("the jobs are %v", w.jobs)
	}
	ids := map[chat.ClientMessageID]bool{}
	for _, m := range w.log {
		ids[m.ClientMessageID] = true
		if m.Due != nil {
			t.Errorf("of %d is due %q", m.Seq, dueText(m.Due))
		}
	}
	if len(ids) != 25 {
		t.Errorf("%d client message ids", len(ids))
	}
}

func TestContentLimit(t *testing.T) {
	w := newWorld()
	long := strings.Repeat("x", chat.MaxContentFrame+1)
	in := protocol.MessageInput{ConversationID: "c1", Content: long}
	if err := w.sendInput(t.Context(), userConnection, in); chat.CodeOf(err) != chat.ValidationFailed || len(w.log) != 0 {
		t.Errorf("over WebSocket: %v", err)
	}
	if err := w.sendREST(t.Context(), in); err != nil || len(w.log) != 1 {
		t.Errorf("over REST: %v, %d messages", err, len(w.log))
	}
	in.Content = strings.Repeat("x", chat.MaxContentREST+1)
	if err := w.sendREST(t.Context(), in); chat.CodeOf(err) != chat.ValidationFailed {
		t.Errorf("over the limit of REST: %v", err)
	}
}

// REST waits for the first attempts and no longer; what failed stays due, which
// sweep tries once too, for others wait for it; a frame is sent with patience.
func TestPatience(t *testing.T) {
	w := newWorld()
	w.unreachable["agent="] = true
	if err := w.sendREST(t.Context(), protocol.MessageInput{ConversationID: "c1", Content: "hello"}); err != nil || len(w.acks) != 1 || w.acks[0].Resync {
		t.Fatalf("%v, %+v", err, w.acks)
	}
	if w.due() != "deliver [agent=] 1" || len(w.delivered["message:new user="]) != 1 {
		t.Errorf("due %q, delivered %v", w.due(), w.delivered)
	}
	w.sweep(t.Context())
	w.send(t.Context(), "m1", "hello")
	if want := []delivery.Passes{delivery.Once, delivery.Once, delivery.Patient}; !slices.Equal(w.passes, want) {
		t.Errorf("the passes are %v, want %v", w.passes, want)
	}
}

// Finish says what is left, and whether that could be written down.
func TestFinish(t *testing.T) {
	for step, want := range map[string]string{"": "", "Audience": "deliver", "Project": "deliver-agent project", "EnqueueSummary": "summarise", "Settle": ""} {
		w := newWorld()
		w.fill(10, time.Now())
		at := time.Now().Add(time.Minute) // of sweep's claim
		w.projected, w.log[9].Due = 9, &chat.Due{At: at, Left: []chat.Effect{chat.EffectDeliver, chat.EffectProject, chat.EffectSummarise}}
		w.fail[step] = errDown
		left, err := w.handler().Finish(t.Context(), w.conversation, w.log[9])
		if (err != nil) != (step == "Settle") || (left != nil) != (want != "") || left != nil && (dueText(left) != want || !left.At.Equal(at)) {
			t.Errorf("%q fails: %+v, %v", step, left, err)
		}
		if step != "Settle" && w.due() != want {
			t.Errorf("%q fails: due is %q", step, w.due())
		}
		if step == "" && len(w.acks) == 0 {
			mustBeDone(t, w)
		}
	}
}
