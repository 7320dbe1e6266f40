package handler_test

import (
	"context"
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"aiwm-chat/shared/chat"
	"aiwm-chat/shared/protocol"
)

// member puts a connection into the room.
func (w *world) member(t *testing.T, c chat.Connection) {
	t.Helper()
	if _, err := w.Connect(t.Context(), c); err != nil {
		t.Fatal(err)
	}
	e, err := w.Enter(t.Context(), c, w.id, false)
	if err != nil {
		t.Fatal(err)
	}
	if _, in, err := w.Confirm(t.Context(), e, agent); !in || err != nil {
		t.Fatal(in, err)
	}
}

// shown is what the room was told of a stream, as a client shows it.
func (w *world) shown(to chat.ConnectionID) (text, doing string) {
	for _, f := range w.frames {
		if f.To != to || f.Event != protocol.EventStreamDelta {
			continue
		}
		if f.Data.Status != "" {
			doing = f.Data.Status
			continue
		}
		if at := *f.Data.Offset; at <= len(text) && at+f.Data.Length > len(text) {
			text = text[:at] + f.Data.Text
		}
	}
	return text, doing
}

// An end that overtakes pieces waits for them.
func TestEndOvertakesPieces(t *testing.T) {
	t.Parallel()
	w := newWorld(newRedis(t, 0))
	w.member(t, first)
	w.stream(t.Context(), first, "start", "")
	w.stream(t.Context(), first, "append", `,"index":0,"text":"a"`)
	var late sync.WaitGroup
	late.Go(func() {
		time.Sleep(20 * time.Millisecond)
		w.stream(t.Context(), first, "append", `,"index":1,"text":"b"`)
	})
	w.stream(t.Context(), first, "end", `,"pieces":{"content":2}`)
	late.Wait()
	if m, found, err := w.log.Sent(t.Context(), w.id, agent, "s1"); err != nil || !found || m.Content != "ab" {
		t.Errorf("the log has %+v, %v", m, err)
	}
}

// An answer is begun, grows and ends, and everybody in the room sees the same.
func TestAnAnswer(t *testing.T) {
	t.Parallel()
	w := newWorld(newRedis(t, 0))
	w.member(t, reader)
	w.member(t, first)
	w.member(t, connectionOf(other, "C="))
	started := w.stream(t.Context(), first, "start", `,"parentId":"q1"`)
	if started.Event != protocol.EventStreamStarted || !reflect.DeepEqual(started.Data.Next, map[string]int{"content": 0}) || started.Data.StoppedBy != nil {
		t.Fatalf("start: %+v, %+v", started, started.Error)
	}
	for _, f := range []string{
		`,"status":"thinking"`, `,"index":0,"part":"thinking","text":"hm"`, `,"status":"generating"`,
		`,"index":0,"text":"a"`, `,"index":2,"text":"c"`, `,"index":1,"text":"b"`, `,"index":3,"text":"abcd","whole":true`, `,"index":1,"text":"ab","whole":true`,
	} {
		if got := w.stream(t.Context(), first, "append", f); got.Event != "" {
			t.Errorf("append %s: %+v, %+v", f, got, got.Error)
		}
	}
	if text, doing := w.shown("U="); text != "abcd" || doing != "generating" {
		t.Errorf("the room sees %q, %q", text, doing)
	}
	if got := w.stream(t.Context(), first, "end", `,"pieces":{"content":5}`); got.code() != chat.Conflict || fmt.Sprint(got.Error.Details["next"]) != "map[content:4 thinking:1]" {
		t.Errorf("end without all pieces: %+v", got.Error)
	}
	sent := w.stream(t.Context(), first, "end", `,"pieces":{"content":4,"thinking":1},"usage":{"promptTokens":1,"completionTokens":2,"totalTokens":3}`)
	if sent.Event != protocol.EventMessageSent || sent.Data.Status != "sent" {
		t.Fatalf("end: %+v %+v", sent, sent.Error)
	}
	m := w.memory().messages[0]
	if m.Content != "abcd" || m.Thinking.Content != "hm" || m.ParentID != "q1" || m.Status != chat.StatusSent || !m.Streamed || m.Usage.TotalTokens != 3 || m.Due != nil {
		t.Errorf("committed is %+v", m)
	}
	if told := w.told("C="); told[0] != protocol.EventStreamStart || told[len(told)-1] != protocol.EventMessageNew {
		t.Errorf("the other agent was told %v", told)
	}
	for _, event := range w.told("A=") {
		if event == protocol.EventStreamDelta || event == protocol.EventStreamStart {
			t.Errorf("the writer was told %s", event)
		}
	}
	// A repeat: who says all of it is answered as before, who counts learns how it ended.
	if again := w.stream(t.Context(), first, "end", `,"pieces":{"content":4}`); again.code() != chat.Conflict || again.Error.Details["messageId"] != string(m.ID) || again.Error.Details["status"] != "sent" {
		t.Errorf("again: %+v", again.Error)
	}
	if late := w.append(t.Context(), first, 4, "e"); late.code() != chat.Conflict || late.Error.Details["messageId"] != string(m.ID) || late.Error.Details["seq"] != 1.0 {
		t.Errorf("a late append: %+v", late.Error)
	}
	if again := w.stream(t.Context(), first, "start", ""); again.code() != chat.Conflict || again.Error.Details["messageId"] != string(m.ID) {
		t.Errorf("begun anew: %+v", again.Error)
	}
}

// A repeat of an end that says all of it is answered as the first, with the status
// that the log has: also where a stop was enforced with the very same text.
func TestEndIsRepeated(t *testing.T) {
	t.Parallel()
	r := newRedis(t, dead)
	for _, enforced := range []bool{false, true} {
		w := newWorld(r)
		w.begin(t)
		w.append(t.Context(), first, 0, "abc")
		want := "sent"
		if enforced {
			want = "cancelled"
			w.run(t.Context(), true)
		}
		for range 2 {
			got := w.stream(t.Context(), first, "end", `,"content":"abc","parentId":"q1"`)
			if got.Event != protocol.EventMessageSent || got.Data.Status != want || got.Data.MessageID != "m1" {
				t.Errorf("enforced %v: %+v, %+v", enforced, got, got.Error)
			}
		}
		if got := w.stream(t.Context(), first, "end", `,"content":"abcd"`); got.code() != chat.Conflict || got.Error.Details["status"] != want {
			t.Errorf("enforced %v, another text: %+v", enforced, got.Error)
		}
		if len(w.memory().messages) != 1 {
			t.Errorf("%d messages", len(w.memory().messages))
		}
	}
}

func TestAbort(t *testing.T) {
	t.Parallel()
	r := newRedis(t, 0)
	for _, tt := range []struct {
		name, append, fields string
		stop                 bool
		status               chat.MessageStatus // "": none
		reason               string
	}{
		{"with a text", `,"index":0,"text":"a"`, `,"reason":"boom"`, false, chat.StatusFailed, "boom"},
		{"cancelled", `,"index":0,"text":"a"`, `,"cancelled":true`, false, chat.StatusCancelled, ""},
		{"stopped", `,"index":0,"text":"a"`, ``, true, chat.StatusCancelled, ""},
		{"with a thought", `,"index":0,"part":"thinking","text":"a"`, ``, false, chat.StatusFailed, ""},
		{"with what a tool says", `,"index":0,"part":"tool:t1","text":"a"`, ``, false, "", ""},
		{"with a status", `,"status":"thinking"`, ``, false, "", ""},
		{"with a piece beyond", `,"index":1,"text":"b"`, ``, false, "", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld(r)
			w.member(t, reader)
			w.begin(t)
			w.stream(t.Context(), first, "append", tt.append)
			if tt.stop {
				w.frame(t.Context(), reader, "stop", `,"streamId":"s1"`)
			}
			got := w.stream(t.Context(), first, "abort", tt.fields)
			told := w.told("U=")
			if tt.status == "" {
				if got.Event != protocol.EventStreamDropped || got.Data.Reason != "aborted" || told[len(told)-1] != protocol.EventStreamDropped || len(w.memory().messages) != 0 {
					t.Errorf("%+v %+v, told %v, %d messages", got, got.Error, told, len(w.memory().messages))
				}
				if late := w.append(t.Context(), first, 0, "a"); late.code() != chat.NotFound {
					t.Errorf("late: %+v", late.Error)
				}
				return
			}
			if got.Event != protocol.EventMessageSent || got.Data.Status != string(tt.status) || told[len(told)-1] != protocol.EventMessageNew {
				t.Fatalf("%+v %+v, told %v", got, got.Error, told)
			}
			if m := w.memory().messages[0]; m.Status != tt.status || m.Error != tt.reason || m.ParentID != "q1" {
				t.Errorf("%+v", m)
			}
		})
	}
}

// What a tool says is no text that has to be committed: whose agent dies with only
// that is dropped, and the job comes to an end.
func TestAToolsTextIsNoAnswer(t *testing.T) {
	t.Parallel()
	w := newWorld(newRedis(t, dead))
	w.member(t, reader)
	w.begin(t)
	w.stream(t.Context(), first, "append", `,"index":0,"part":"tool:t1","text":"a"`)
	w.drain(t)
	w.check(t, "", &seen{})
	if told := w.told("U="); told[len(told)-1] != protocol.EventStreamDropped {
		t.Errorf("told %v", told)
	}
}

// The longest thought and the longest answer are committed, also by who ends the
// stream of an agent that died.
func TestTheLongest(t *testing.T) {
	t.Parallel()
	w := newWorld(newRedis(t, dead))
	w.begin(t)
	for part, most := range map[string]int{"content": chat.MaxContentStream, "thinking": chat.MaxThinkingStream} {
		for i := range most/16384 + 1 {
			got := w.stream(t.Context(), first, "append", fmt.Sprintf(`,"index":%d,"part":%q,"text":%q`, i, part, strings.Repeat("x", 16384)))
			if want := chat.Code(""); i == most/16384 {
				want = chat.PayloadTooLarge
				if got.code() != want {
					t.Errorf("%s %d: %+v", part, i, got.Error)
				}
			} else if got.code() != want {
				t.Fatalf("%s %d: %+v", part, i, got.Error)
			}
			w.ago -= time.Second // the rate
		}
	}
	w.ago = dead
	w.run(t.Context(), true)
	if m := w.memory().messages; len(m) != 1 || len(m[0].Content) != chat.MaxContentStream || len(m[0].Thinking.Content) != chat.MaxThinkingStream {
		t.Errorf("%d messages", len(m))
	}
}

// A gap that is filled at last may be more than a frame holds.
func TestDeltasFitFrames(t *testing.T) {
	t.Parallel()
	w := newWorld(newRedis(t, 0))
	w.member(t, reader)
	w.begin(t)
	for i := range 6 { // the first comes last
		w.append(t.Context(), first, 5-i, strings.Repeat(string(rune('a'+i)), 10_000))
	}
	text, _ := w.shown("U=")
	if len(text) != 60_000 || text[:1] != "f" || text[59_999:] != "a" {
		t.Errorf("the room sees %d", len(text))
	}
}

// Who may not write, or not now, is refused, told how, and changes nothing.
func TestRefusals(t *testing.T) {
	t.Parallel()
	r := newRedis(t, 0)
	begun := func(t *testing.T, w *world) { w.begin(t); w.append(t.Context(), first, 0, "ab") }
	untouched := func(w *world) string {
		st, _ := w.Store.Stream(context.Background(), w.id, "s1")
		st.Lease = time.Time{}
		b, _ := json.Marshal(st)
		return fmt.Sprint(string(b), len(w.memory().messages), len(w.queue))
	}
	over := func(t *testing.T, w *world) { begun(t, w); w.stream(t.Context(), first, "abort", "") }
	for _, tt := range []struct {
		name          string
		before        func(t *testing.T, w *world)
		by            chat.Connection
		state, fields string
		want          chat.Code
	}{
		{"a user starts", nil, reader, "start", "", chat.Forbidden},
		{"a user appends", begun, reader, "append", `,"index":1,"text":"c"`, chat.Forbidden},
		{"a user ends", begun, reader, "end", `,"content":"c"`, chat.Forbidden},
		{"a user aborts", begun, reader, "abort", ``, chat.Forbidden},
		{"a stranger starts", nil, connectionOf(stranger, "X="), "start", "", chat.NotFound},
		{"a stranger starts what there is", begun, connectionOf(stranger, "X="), "start", "", chat.NotFound},
		{"a stranger appends", begun, connectionOf(stranger, "X="), "append", `,"index":1,"text":"c"`, chat.NotFound},
		{"a stranger ends", begun, connectionOf(stranger, "X="), "end", `,"pieces":{"content":1}`, chat.NotFound},
		{"a stranger says all of it", begun, connectionOf(stranger, "X="), "end", `,"content":"c"`, chat.NotFound},
		{"a stranger aborts", begun, connectionOf(stranger, "X="), "abort", ``, chat.NotFound},
		{"a stranger appends to what has ended", over, connectionOf(stranger, "X="), "append", `,"index":1,"text":"c"`, chat.NotFound},
		{"a stranger ends what has ended", over, connectionOf(stranger, "X="), "end", `,"pieces":{"content":1}`, chat.NotFound},
		{"a stranger aborts what has ended", over, connectionOf(stranger, "X="), "abort", ``, chat.NotFound},
		{"another agent starts", begun, connectionOf(other, "C="), "start", "", chat.Conflict},
		{"another agent appends", begun, connectionOf(other, "C="), "append", `,"index":1,"text":"c"`, chat.NotFound},
		{"another agent ends", begun, connectionOf(other, "C="), "end", `,"pieces":{"content":1}`, chat.NotFound},
		{"another agent aborts", begun, connectionOf(other, "C="), "abort", ``, chat.NotFound},
		{"another connection appends", begun, second, "append", `,"index":1,"text":"c"`, chat.Conflict},
		{"another connection ends", begun, second, "end", `,"pieces":{"content":1}`, chat.Conflict},
		{"another connection aborts", begun, second, "abort", ``, chat.Conflict},
		{"append to nothing", nil, first, "append", `,"index":0,"text":"c"`, chat.NotFound},
		{"status of nothing", nil, first, "append", `,"status":"tool"`, chat.NotFound},
		{"end of nothing", nil, first, "end", `,"pieces":{"content":1}`, chat.NotFound},
		{"abort of nothing", nil, first, "abort", ``, chat.NotFound},
		{"on trial", states[3].begin, first, "append", `,"index":0,"text":"c"`, chat.Unavailable},
		{"far beyond", begun, first, "append", `,"index":500,"text":"c"`, chat.Conflict},
		{"end of nothing said", begun, first, "end", ``, chat.ValidationFailed},
		{"a question elsewhere", nil, first, "start", `,"parentId":"elsewhere"`, chat.ValidationFailed},
		{"a question that is none", nil, first, "start", `,"parentId":"none"`, chat.ValidationFailed},
		{"a question of a stranger", nil, connectionOf(stranger, "X="), "start", `,"parentId":"q1"`, chat.NotFound},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld(r)
			if tt.before != nil {
				tt.before(t, w)
			}
			before := untouched(w)
			got := w.stream(t.Context(), tt.by, tt.state, tt.fields)
			if got.code() != tt.want {
				t.Errorf("%s, want %s: %+v", got.code(), tt.want, got.Error)
			}
			if got.Error != nil && tt.want != chat.ValidationFailed {
				var sent struct{ Index any }
				_ = json.Unmarshal([]byte("{"+strings.TrimPrefix(tt.fields, ",")+"}"), &sent)
				var part any
				if sent.Index != nil {
					part = "content"
				}
				if d := got.Error.Details; d["streamId"] != "s1" || d["index"] != sent.Index || d["part"] != part {
					t.Errorf("the error tells %v", d)
				}
			}
			after := untouched(w)
			if tt.name == "another agent starts" {
				after = strings.TrimSuffix(after, "2") + "1" // a job that finds the lease alive
			}
			if after != before {
				t.Errorf("it changed from %s to %s", before, after)
			}
		})
	}
}

// A conversation that takes no messages takes no stream; when it does again, another.
func TestClosed(t *testing.T) {
	t.Parallel()
	w := newWorld(newRedis(t, 0))
	w.memory().change(func(c *chat.Conversation) { c.Status = chat.Closed })
	if got := w.stream(t.Context(), first, "start", ""); got.code() != chat.ConversationClosed {
		t.Errorf("%+v %+v", got, got.Error)
	}
	if st, _ := w.Store.Stream(t.Context(), w.id, "s1"); st.State != chat.StreamEnded {
		t.Errorf("it is %+v", st)
	}
}

// A start that the database could not answer is tried again under its id.
func TestStartIsRepeated(t *testing.T) {
	t.Parallel()
	r := newRedis(t, 0)
	for _, step := range []string{"Conversation", "Message", "WatchStream", "EnqueueStream", "EnterStream", "Sent", "QuestionStopped", "ConfirmStream"} {
		w := newWorld(r)
		w.fail[step] = chat.Unavailablef(errDead, "not now")
		if got := w.stream(t.Context(), first, "start", `,"parentId":"q1"`); got.code() != chat.Unavailable {
			t.Errorf("%s: %+v %+v", step, got, got.Error)
		}
		delete(w.fail, step)
		if got := w.stream(t.Context(), first, "start", `,"parentId":"q1"`); got.Event != protocol.EventStreamStarted {
			t.Errorf("%s: again %+v %+v", step, got, got.Error)
		}
	}
}

// The agent comes back on another connection, and is told where to go on; what was
// beyond is forgotten. While the first is there, it is refused.
func TestTakeOver(t *testing.T) {
	t.Parallel()
	w := newWorld(newRedis(t, 0))
	w.member(t, first)
	w.begin(t)
	w.append(t.Context(), first, 0, "a")
	w.append(t.Context(), first, 2, "lost")
	if got := w.stream(t.Context(), second, "start", `,"parentId":"q1"`); got.code() != chat.Conflict {
		t.Errorf("while the first is there: %+v %+v", got, got.Error)
	}
	if _, _, err := w.Disconnect(t.Context(), first); err != nil {
		t.Fatal(err)
	}
	got := w.stream(t.Context(), second, "start", `,"parentId":"q1"`)
	if got.Event != protocol.EventStreamStarted || got.Data.Next["content"] != 1 {
		t.Fatalf("%+v %+v", got, got.Error)
	}
	w.append(t.Context(), second, 1, "bc")
	if got := w.stream(t.Context(), second, "end", `,"pieces":{"content":2}`); got.Event != protocol.EventMessageSent || w.memory().messages[0].Content != "abc" {
		t.Errorf("%+v %+v", got, got.Error)
	}
}

// What Redis lost is begun again, and greater: on one connection from 0, with the
// pieces that were cut.
func TestLostAndBegunAgain(t *testing.T) {
	t.Parallel()
	w := newWorld(newRedis(t, 0))
	w.member(t, reader)
	w.begin(t)
	w.append(t.Context(), first, 0, "ab")
	var s seen
	ops[len(ops)-1].do(t.Context(), w, &s)
	w.member(t, reader)
	if got := w.append(t.Context(), first, 1, "c"); got.code() != chat.NotFound {
		t.Fatalf("%+v", got.Error)
	}
	w.begin(t)
	w.append(t.Context(), first, 1, "c")
	w.append(t.Context(), first, 0, "ab")
	if got := w.stream(t.Context(), first, "end", `,"pieces":{"content":2}`); got.Event != protocol.EventMessageSent || w.memory().messages[0].Content != "abc" {
		t.Errorf("%+v %+v", got, got.Error)
	}
	var epochs []int64
	for _, f := range w.frames {
		if f.Event == protocol.EventStreamStart {
			epochs = append(epochs, f.Data.Epoch)
		}
	}
	if len(epochs) != 2 || epochs[1] <= epochs[0] {
		t.Errorf("epochs %v", epochs)
	}
}

func TestStops(t *testing.T) {
	t.Parallel()
	r := newRedis(t, 0)
	for _, tt := range []struct {
		name, fields string
		by           chat.Connection
		want         []string
		code         chat.Code
	}{
		{"one", `,"streamId":"s1"`, reader, []string{"s1"}, ""},
		{"one that is none", `,"streamId":"s9"`, reader, nil, ""},
		{"all", ``, reader, []string{"s1", "s2"}, ""},
		{"of a question", `,"messageId":"q1"`, reader, []string{"s1"}, ""},
		{"of another", `,"messageId":"q2"`, reader, nil, ""},
		{"of one elsewhere", `,"messageId":"elsewhere"`, reader, nil, chat.ValidationFailed},
		{"an agent's", `,"streamId":"s1"`, connectionOf(other, "C="), []string{"s1"}, ""},
		{"its own", `,"streamId":"s1"`, first, []string{"s1"}, ""},
		{"a stranger's", `,"streamId":"s1"`, connectionOf(stranger, "X="), nil, chat.NotFound},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld(r)
			w.member(t, reader)
			w.member(t, first)
			w.begin(t)
			w.frame(t.Context(), first, "stream", `,"streamId":"s2","state":"start"`)
			jobs := len(w.queue)
			got := w.frame(t.Context(), tt.by, "stop", tt.fields)
			slices.Sort(got.Data.StreamIDs)
			if got.code() != tt.code || tt.code == "" && got.Event != protocol.EventStreamStopping || !slices.Equal(got.Data.StreamIDs, tt.want) {
				t.Errorf("%+v %+v", got, got.Error)
			}
			if len(w.queue)-jobs != len(tt.want) {
				t.Errorf("%d jobs", len(w.queue)-jobs)
			}
			heard, room := 0, false
			for _, f := range w.frames {
				if f.Event == protocol.EventStreamStop && f.To == "A=" && f.Data.By.ID == tt.by.Principal.ID {
					heard++
				}
				room = room || f.Event == protocol.EventStreamStopping && f.To == "U="
			}
			if heard != len(tt.want) || len(tt.want) > 0 && !room {
				t.Errorf("the agent heard %d times, the room %v", heard, room)
			}
			if len(tt.want) == 0 {
				return
			}
			// Who did not hear of it hears at its next append.
			w.frames = nil
			w.append(t.Context(), first, 0, "a")
			if told := w.told("A="); !slices.Equal(told, []string{protocol.EventStreamStop}) {
				t.Errorf("at an append it is told %v", told)
			}
		})
	}
}

// A question that was stopped gets no answer, whichever comes first: the agent is told
// as it starts, and what it writes all the same is cancelled.
func TestStopBeforeStart(t *testing.T) {
	t.Parallel()
	r := newRedis(t, dead)
	for n := range 40 {
		w := newWorld(r)
		var started, stopping frame
		taken := w.together(n,
			func(ctx context.Context) { started = w.stream(ctx, first, "start", `,"parentId":"q1"`) },
			func(ctx context.Context) { stopping = w.frame(ctx, reader, "stop", `,"messageId":"q1"`) })
		if started.Event != protocol.EventStreamStarted || stopping.Event != protocol.EventStreamStopping {
			t.Fatalf("%v: %+v, %+v", taken, started, stopping)
		}
		if told := started.Data.StoppedBy; (told == nil || told.ID != user.ID) && len(stopping.Data.StreamIDs) == 0 {
			t.Errorf("%v: nobody was told", taken)
		}
		w.append(t.Context(), first, 0, "a")
		w.drain(t)
		if m := w.memory().messages; len(m) != 1 || m[0].Status != chat.StatusFailed && m[0].Status != chat.StatusCancelled {
			t.Errorf("%v: %+v", taken, m)
		}
	}
	// With nothing written and its start dead at any step.
	for lives := 0; ; lives++ {
		w := newWorld(r)
		w.frame(t.Context(), reader, "stop", `,"messageId":"q1"`)
		w.steps, w.mortal, w.lives = nil, true, lives
		started := w.stream(t.Context(), first, "start", `,"parentId":"q1"`)
		died := len(w.steps) == lives
		w.mortal = false
		w.drain(t)
		m := w.memory().messages
		if w.stream(t.Context(), first, "start", `,"parentId":"q1"`).Event == protocol.EventStreamStarted {
			w.drain(t)
			m = w.memory().messages
		}
		if started.Event == protocol.EventStreamStarted && len(m) == 0 || len(m) > 1 || len(m) == 1 && m[0].Status != chat.StatusCancelled {
			t.Errorf("after %d steps: %+v", lives, m)
		}
		if !died {
			break
		}
	}
}

// An agent that is alive is looked at again when its lease is over, and no earlier.
func TestAliveIsLookedAtAgain(t *testing.T) {
	t.Parallel()
	w := newWorld(newRedis(t, 0))
	w.begin(t)
	w.append(t.Context(), first, 0, "a")
	w.queue = nil
	if err := w.expire(t.Context(), w.job(false)); err != nil || len(w.queue) != 1 || len(w.memory().messages) != 0 {
		t.Fatalf("%v, queue %v", err, w.queue)
	}
	w.ago = dead // an append's lease is over, and its rate is of now
	w.mini.Del("conversation:{" + string(w.id) + "}:stream:s1/rate")
	w.stream(t.Context(), first, "append", `,"status":"waiting"`)
	w.drain(t)
	if m := w.memory().messages; len(m) != 1 || m[0].Status != chat.StatusFailed || m[0].Content != "a" {
		t.Errorf("%+v", m)
	}
}
