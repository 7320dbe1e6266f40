package handler_test

import (
	"errors"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"aiwm-chat/shared/chat"
	"aiwm-chat/shared/protocol"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var errDown = errors.New("no route to host")

// The steps in the order on which the promises stand.
func TestOrder(t *testing.T) {
	w := newWorld()
	w.fill(9, time.Now().Add(-time.Hour))
	if err := w.send(t.Context(), "m1", "hello"); err != nil {
		t.Fatal(err)
	}
	at := func(step string) int {
		i := slices.Index(w.steps, step)
		if i < 0 {
			t.Errorf("%s is missing in %v", step, w.steps)
		}
		return i
	}
	for _, before := range [][2]string{
		{"Conversation", "BeginSend"}, // what is refused touches nothing
		{"BeginSend", "Append"},       // whatever is committed is noted
		{"Append", "ack"},             // G1
		{"Append", "Audience"},        // G4: join enters the room before it reads the history
		{"Append", "Project"},
		{"Append", "EnqueueSummary"},
		{"Audience", "Broadcast message:new"},
	} {
		if at(before[0]) > at(before[1]) {
			t.Errorf("%s comes after %s: %v", before[0], before[1], w.steps)
		}
	}
	if at("EndSend") != len(w.steps)-1 || len(w.steps) != 10 {
		t.Errorf("the note is not taken out last, or a step is done twice: %v", w.steps)
	}
	want := map[string][]int64{"message:new user=": {10}, "message:new agent=": {10}, "message:from-user agent=": {10}}
	if !maps.EqualFunc(w.delivered, want, slices.Equal) {
		t.Errorf("delivered %v, want %v", w.delivered, want)
	}
	if len(w.jobs) != 1 || w.jobs[0] != (protocol.SummaryJob{OrgID: "acme", ConversationID: "c1", Seq: 10}) {
		t.Errorf("the jobs are %v", w.jobs)
	}
	if len(w.acks) != 1 || w.acks[0].Seq != 10 || w.acks[0].Duplicate || !w.acks[0].AgentOnline || w.acks[0].ClientMessageID != "m1" {
		t.Errorf("the acks are %+v", w.acks)
	}
}

// Neither waits for the other: a slow client holds no ack, a slow sender no
// delivery.
func TestAckAndDeliveryAreConcurrent(t *testing.T) {
	w := newWorld()
	meet := make(chan struct{})
	w.onStep = func(step string) {
		switch step {
		case "ack":
			meet <- struct{}{}
		case "Broadcast message:new":
			<-meet
		}
	}
	if err := w.send(t.Context(), "m1", "hello"); err != nil {
		t.Fatal(err)
	}
}

// What holds when a step fails.
func TestFailures(t *testing.T) {
	down := chat.Unavailablef(errDown, "the database does not answer; try again")
	type outcome struct {
		code      chat.Code // "": no error
		acked     bool
		committed bool
		noted     bool // for the retry, or for sweep
		delivered bool
		projected bool
		job       bool
	}
	committed := outcome{acked: true, committed: true, noted: true, delivered: true, projected: true, job: true}
	without := func(change func(*outcome)) outcome { o := committed; change(&o); return o }
	tests := []struct {
		name string
		set  func(w *world)
		in   func(in *protocol.MessageInput)
		want outcome
	}{
		{"nothing", func(*world) {}, nil, without(func(o *outcome) { o.noted = false })},
		{"the conversation cannot be read", func(w *world) { w.fail["Conversation"] = down }, nil, outcome{code: chat.Unavailable}},
		{"not a participant", func(w *world) { w.conversation.Participants = nil }, nil, outcome{code: chat.NotFound}},
		{"archived", func(w *world) { w.conversation.Status = chat.Archived }, nil, outcome{code: chat.ConversationClosed}},
		{"closed", func(w *world) { w.conversation.Status = chat.Closed }, nil, outcome{code: chat.ConversationClosed}},
		{"closed, and no look-up", func(w *world) { w.conversation.Status, w.fail["Sent"] = chat.Closed, down }, nil, outcome{code: chat.Unavailable}},
		{"no such parent", nil, func(in *protocol.MessageInput) { in.ParentID = "nowhere" }, outcome{code: chat.ValidationFailed}},
		{"a parent elsewhere", nil, func(in *protocol.MessageInput) { in.ParentID = "elsewhere" }, outcome{code: chat.ValidationFailed}},
		{"the parent cannot be read", func(w *world) { w.fail["Message"] = down }, func(in *protocol.MessageInput) { in.ParentID = "here" }, outcome{code: chat.Unavailable}},
		{"nothing said", nil, func(in *protocol.MessageInput) { in.Content = " " }, outcome{code: chat.ValidationFailed}},
		{"as another", nil, func(in *protocol.MessageInput) { in.ParticipantID = "u2" }, outcome{code: chat.ValidationFailed}},
		{"as an agent", nil, func(in *protocol.MessageInput) { in.Role = chat.RoleAgent }, outcome{code: chat.ValidationFailed}},
		{"too many", func(w *world) { w.fail["BeginSend"] = chat.LimitedFor(time.Second) }, nil, outcome{code: chat.RateLimited}},
		{"no note", func(w *world) { w.fail["BeginSend"] = down }, nil, outcome{code: chat.Unavailable}},
		{"no answer of the note", func(w *world) { w.failAfter["BeginSend"] = down }, nil, outcome{code: chat.Unavailable, noted: true}},
		{"no commit", func(w *world) { w.fail["Append"] = down }, nil, outcome{code: chat.Unavailable, noted: true}},
		{"no answer of the commit", func(w *world) { w.failAfter["Append"] = down }, nil, outcome{code: chat.Unavailable, committed: true, noted: true}},
		{"refused by the store", func(w *world) { w.fail["Append"] = errDown }, nil, outcome{code: chat.Internal, noted: true}},
		{"no audience", func(w *world) { w.fail["Audience"] = down }, nil, without(func(o *outcome) { o.delivered = false })},
		{"a stranger, and no look at the conversation", func(w *world) {
			w.room, w.fail["AnyConversation"] = append(w.room, strangerConnection), down
		}, nil, without(func(o *outcome) { o.delivered = false })},
		{"no projection", func(w *world) { w.fail["Project"] = down }, nil, without(func(o *outcome) { o.projected = false })},
		{"no queue", func(w *world) { w.fail["EnqueueSummary"] = down }, nil, without(func(o *outcome) { o.job = false })},
		{"nothing works after the commit", func(w *world) {
			w.fail["Audience"], w.fail["Project"], w.fail["EnqueueSummary"], w.fail["EndSend"] = down, down, down, down
		}, nil, outcome{acked: true, committed: true, noted: true}},
		{"the note stays", func(w *world) { w.fail["EndSend"] = down }, nil, committed},
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
				acked: len(w.acks) == 1, committed: len(w.log) == 10, noted: len(w.notes) == 1,
				delivered: slices.Equal(w.delivered["message:new agent="], []int64{10}), projected: w.projected == 10, job: len(w.jobs) == 1,
			}
			if err != nil {
				got.code = chat.CodeOf(err)
			}
			if got != tt.want {
				t.Errorf("got  %+v (%v)\nwant %+v\nsteps %v", got, err, tt.want, w.steps)
			}
			if tt.want.code.Retryable() || tt.want.noted {
				mustRecover(t, w, in, tt.want.acked)
			}
		})
	}
}

// mustRecover repeats a send when the faults are over: G2, G4 and G8.
func mustRecover(t *testing.T, w *world, in protocol.MessageInput, acked bool) {
	t.Helper()
	clear(w.fail)
	clear(w.failAfter)
	w.conversation.Status = chat.Active
	w.acks = nil
	if err := w.sendInput(t.Context(), userConnection, in); err != nil {
		t.Fatal("the repeat:", err)
	}
	if len(w.log) != 10 || len(w.acks) != 1 || w.acks[0].Seq != 10 || acked && !w.acks[0].Duplicate {
		t.Errorf("the repeat left %d messages and got %+v", len(w.log), w.acks)
	}
	if !slices.Contains(w.delivered["message:new agent="], 10) || !slices.Contains(w.delivered["message:from-user agent="], 10) {
		t.Errorf("after the repeat: delivered %v", w.delivered)
	}
	if w.projected != 10 || len(w.jobs) == 0 || len(w.notes) != 0 {
		t.Errorf("after the repeat: projected %d, jobs %v, notes %v", w.projected, w.jobs, w.pending())
	}
}

func TestRepeats(t *testing.T) {
	tests := []struct {
		name      string
		age       time.Duration // of the original
		pending   bool          // its note is still there
		content   string
		status    chat.ConversationStatus
		code      chat.Code
		delivered bool
		jobs      int
		noted     bool
	}{
		{"finished long ago", time.Hour, false, "old", chat.Active, "", false, 0, false},
		{"finished just now, or dead before it delivered", time.Second, false, "old", chat.Active, "", true, 0, false},
		{"not finished", time.Hour, true, "old", chat.Active, "", true, 1, false},
		{"closed meanwhile", time.Hour, false, "old", chat.Closed, "", false, 0, false},
		{"closed meanwhile, not finished", time.Hour, true, "old", chat.Archived, "", true, 1, false},
		{"another message", time.Hour, false, "new", chat.Active, chat.Conflict, false, 0, false},
		{"another message, not finished", time.Hour, true, "new", chat.Active, chat.Conflict, false, 0, true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld()
			w.fill(10, time.Now().Add(-tt.age))
			w.conversation.Status = tt.status
			original := w.log[9]
			if tt.pending {
				w.notes[chat.PendingSend{Sender: user, ConversationID: "c1", ClientMessageID: original.ClientMessageID}] = true
			}
			err := w.send(t.Context(), original.ClientMessageID, tt.content)
			if (err != nil) != (tt.code != "") || err != nil && chat.CodeOf(err) != tt.code {
				t.Fatalf("got %v, want %q", err, tt.code)
			}
			if err == nil && (len(w.acks) != 1 || !w.acks[0].Duplicate || w.acks[0].Seq != 10 || w.acks[0].MessageID != original.ID) {
				t.Errorf("the acks are %+v", w.acks)
			}
			if err != nil && len(w.acks) != 0 {
				t.Errorf("refused and acknowledged: %+v", w.acks)
			}
			if len(w.log) != 10 {
				t.Errorf("%d messages", len(w.log))
			}
			if got := len(w.delivered["message:new agent="]) == 1; got != tt.delivered {
				t.Errorf("delivered: %t, want %t", got, tt.delivered)
			}
			if len(w.jobs) != tt.jobs || (len(w.notes) == 1) != tt.noted {
				t.Errorf("jobs %v, notes %v", w.jobs, w.pending())
			}
		})
	}
}

// Two attempts at once, of which the one that commits relies on the other's
// note and dies: the other must not take the note out without delivering.
func TestRepeatBesideADyingAttempt(t *testing.T) {
	w := newWorld()
	dying := true
	w.onStep = func(step string) {
		if step == "Append" && dying {
			dying = false
			// Meanwhile the other attempt finds the note, commits and dies.
			if repeat, _, err := w.BeginSend(t.Context(), userConnection, w.pending()[0], agent); !repeat || err != nil {
				t.Errorf("the other attempt: %t, %v", repeat, err)
			}
			m, err := chat.NewMessage("c1", user, "m1", chat.Draft{Content: "hello"}, 100, time.Now())
			if err != nil {
				t.Error(err)
			}
			w.Append(t.Context(), chat.Head{}, m)
		}
	}
	if err := w.send(t.Context(), "m1", "hello"); err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(w.delivered["message:new agent="], []int64{1}) && len(w.notes) == 0 {
		t.Errorf("nobody will deliver the message: %v", w.steps)
	}
}

// Sweep finishes what a send has left.
func TestFinish(t *testing.T) {
	for _, step := range []string{"", "Audience", "Project", "EnqueueSummary", "EndSend"} {
		w := newWorld()
		w.fill(10, time.Now())
		w.projected = 9
		note := chat.PendingSend{Sender: user, ConversationID: "c1", ClientMessageID: w.log[9].ClientMessageID}
		w.notes[note] = true
		if step != "" {
			w.fail[step] = errDown
		}
		err := w.handler().Finish(t.Context(), w.conversation, w.log[9], note)
		if (err != nil) != (step != "") || (len(w.notes) == 1) != (step != "") {
			t.Errorf("%s fails: %v, notes %v", step, err, w.pending())
		}
		if step == "" && (len(w.jobs) != 1 || w.projected != 10 || !slices.Equal(w.delivered["message:new user="], []int64{10})) {
			t.Errorf("jobs %v, projected %d, delivered %v", w.jobs, w.projected, w.delivered)
		}
	}
}

func TestAudience(t *testing.T) {
	withStranger := func(w *world) { w.room = append(w.room, strangerConnection) }
	tests := []struct {
		name   string
		set    func(w *world)
		sender chat.Connection
		reads  int
		want   []string // events and connections
	}{
		{"a user", func(*world) {}, userConnection, 0, []string{"message:from-user agent=", "message:new agent=", "message:new user="}},
		{"an agent", func(*world) {}, agentConnection, 0, []string{"message:new agent=", "message:new user="}},
		{"the agent is elsewhere", func(w *world) { w.room = w.room[:1] }, userConnection, 0, []string{"message:from-user agent=", "message:new user="}},
		{"the agent is no participant", func(w *world) {
			w.conversation.Participants = w.conversation.Participants[:1]
			w.now = w.conversation
		}, userConnection, 1, []string{"message:new user="}},
		{"a stranger", withStranger, userConnection, 1, []string{"message:from-user agent=", "message:new agent=", "message:new user="}},
		{"a stranger who has become a participant", func(w *world) {
			withStranger(w)
			w.now.Participants = append(slices.Clone(w.now.Participants), chat.Participant{Type: chat.User, ID: stranger.ID})
		}, userConnection, 1, []string{"message:from-user agent=", "message:new agent=", "message:new stranger=", "message:new user="}},
		{"deleted meanwhile", func(w *world) {
			withStranger(w)
			w.fail["AnyConversation"] = chat.Errorf(chat.NotFound, "there is no such conversation")
		}, userConnection, 1, []string{"message:from-user agent="}},
		{"a namesake in another organisation", func(w *world) {
			c := userConnection
			c.ID, c.Principal.OrgID = "namesake=", "other"
			w.room = append(w.room, c)
		}, userConnection, 1, []string{"message:from-user agent=", "message:new agent=", "message:new user="}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld()
			tt.set(w)
			if err := w.sendInput(t.Context(), tt.sender, protocol.MessageInput{ConversationID: "c1", Content: "hello"}); err != nil {
				t.Fatal(err)
			}
			if got := slices.Sorted(maps.Keys(w.delivered)); !slices.Equal(got, tt.want) {
				t.Errorf("delivered %v, want %v", got, tt.want)
			}
			if n := w.count("AnyConversation"); n != tt.reads {
				t.Errorf("the conversation was read again %d times, want %d", n, tt.reads)
			}
			if len(w.notes) != 0 {
				t.Errorf("notes %v", w.pending())
			}
		})
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
	}
	if len(ids) != 25 || len(w.notes) != 0 {
		t.Errorf("%d client message ids, notes %v", len(ids), w.pending())
	}
}

func TestContentLimit(t *testing.T) {
	w := newWorld()
	long := strings.Repeat("x", chat.MaxContentFrame+1)
	in := protocol.MessageInput{ConversationID: "c1", Content: long}
	if err := w.sendInput(t.Context(), userConnection, in); chat.CodeOf(err) != chat.ValidationFailed {
		t.Errorf("over WebSocket: %v", err)
	}
	if err := w.handler().Send(t.Context(), chat.Connection{Principal: user}, in, chat.MaxContentREST, func(protocol.Sent) {}); err != nil || len(w.log) != 1 {
		t.Errorf("over REST: %v, %d messages", err, len(w.log))
	}
}
