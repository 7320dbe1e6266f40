package checker_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"aiwm-chat/local/checker"
	"aiwm-chat/shared/chat"
)

var (
	user  = chat.Principal{Type: chat.User, ID: "u", OrgID: "o"}
	agent = chat.Principal{Type: chat.Agent, ID: "a", OrgID: "o"}
	guest = chat.Principal{Type: chat.User, ID: "g", OrgID: "o"}

	bounds = checker.Bounds{Delivery: 10 * time.Second, Presence: 10 * time.Second, Open: 45 * time.Second, Stop: 12 * time.Second}
)

func at(second int) time.Time { return time.Unix(1_800_000_000+int64(second), 0) }

// A case is a history and its end; right makes one that is as it must be.
type world struct {
	h checker.History
	f checker.Final
}

func (w *world) log() []checker.Entry { return w.f.Conversations["c"].Log }

func (w *world) conversation(change func(*checker.Conversation)) {
	c := w.f.Conversations["c"]
	change(&c)
	w.f.Conversations["c"] = c
}

// right is two members and a guest, who is removed at 50 and back at 70. Seq i
// is sent at 10*i; the user's view is of all, the agent's of what came after 2,
// by history; the last one is acknowledged at the second attempt only.
func right() *world {
	w := &world{f: checker.Final{At: at(200)}}
	for _, p := range []chat.Principal{user, agent, guest} {
		w.h.Members = append(w.h.Members, checker.Member{Conversation: "c", Principal: p})
	}
	c := checker.Conversation{
		Total: 8, Tokens: 8, LastSeq: 8, Last: checker.ContentOf("m8"), Summary: &checker.Range{From: 1, To: 8},
		Online: map[chat.Principal]bool{user: true, agent: true, guest: false},
	}
	all := checker.View{Connection: "1", Principal: user, Conversation: "c", Joined: at(1)}
	resumed := checker.View{Connection: "2", Principal: agent, Conversation: "c", After: 2, Joined: at(100)}
	guests := checker.View{Connection: "3", Principal: guest, Conversation: "c", Joined: at(1), Ended: at(51)}
	for i := range 8 {
		seq, text := int64(i+1), fmt.Sprint("m", i+1)
		e := checker.Entry{
			Seq: seq, ID: chat.MessageID("id" + text), Sender: user, Client: chat.ClientMessageID(text),
			Content: checker.ContentOf(text), Preview: checker.ContentOf(text), Tokens: 1, Created: at(10 * i),
		}
		c.Log = append(c.Log, e)
		a := checker.Attempt{Key: checker.Key{Conversation: "c", Sender: user, Client: e.Client}, Content: e.Content, Tokens: 1, Begun: at(10 * i)}
		if seq == 8 {
			w.h.Attempts = append(w.h.Attempts, a)
		}
		a.Ended, a.Outcome, a.Seq, a.ID = at(10*i+1), checker.Acknowledged, seq, e.ID
		w.h.Attempts = append(w.h.Attempts, a)
		all.Frames = append(all.Frames, checker.Frame{Entry: e, At: at(10*i + 2)}, checker.Frame{Entry: e, At: at(10*i + 3)})
		if seq > 2 {
			resumed.Frames = append(resumed.Frames, checker.Frame{Entry: e, At: at(101)})
		}
		if i < 5 {
			guests.Frames = append(guests.Frames, checker.Frame{Entry: e, At: at(10*i + 2)})
		}
	}
	w.h.Attempts = append(w.h.Attempts, checker.Attempt{
		Key: checker.Key{Conversation: "c", Sender: guest, Client: "no"}, Begun: at(55), Ended: at(56), Outcome: checker.Refused, Code: chat.NotFound,
	})
	w.h.Views = []checker.View{all, resumed, guests}
	w.h.Links = []checker.Link{
		{Connection: "1", Principal: user, Opened: at(0)}, {Connection: "2", Principal: agent, Opened: at(99)},
		{Connection: "3", Principal: guest, Opened: at(0), Closed: at(90)},
	}
	w.h.Heard = []checker.Heard{{By: user, About: agent, At: at(99)}}
	w.h.Removals = []checker.Removal{{Conversation: "c", Principal: guest, Begun: at(48), Confirmed: at(50), Back: at(70)}}
	w.f.Conversations = map[chat.ConversationID]checker.Conversation{"c": c}
	return w
}

func TestRightHistoryPasses(t *testing.T) {
	w := right()
	if r := checker.Check(w.h, w.f, bounds); !r.OK() || r.Details() != "" {
		t.Errorf("%v\n%s", r, r.Details())
	}
	over(w)
	if r := checker.Check(w.h, w.f, bounds); !r.OK() {
		t.Errorf("over a removal: %v\n%s", r, r.Details())
	}
	// What is deleted says nothing any more, and one frame of it came before.
	w.h.Deletions = []checker.Deletion{{ID: "idm8", Begun: at(80), Confirmed: at(99)}}
	w.conversation(func(c *checker.Conversation) {
		c.Log[7].Deleted, c.Log[7].Content, c.Log[7].Tokens, c.Last = true, checker.ContentOf(""), 0, checker.ContentOf("")
	})
	if r := checker.Check(w.h, w.f, bounds); !r.OK() {
		t.Errorf("after a deletion: %v\n%s", r, r.Details())
	}
}

// over has the guest's view go on over the removal: it was not told, and has joined
// again at 75.
func over(w *world) *checker.View {
	v := &w.h.Views[2]
	v.Ended = at(90)
	v.Again = []checker.Again{{After: 4, Asked: at(60), Joined: at(61)}, {After: 5, Asked: at(74), Joined: at(75)}}
	for seq := 6; seq <= 8; seq++ {
		v.Frames = append(v.Frames, checker.Frame{Entry: w.log()[seq-1], At: at(76)})
	}
	return v
}

// bringsOthers are the lies that cannot be told alone.
var bringsOthers = map[string]bool{"the end of the log is not there": true, "a gap": true, "one id, two messages": true}

func TestEachLieIsFound(t *testing.T) {
	for name, tt := range map[string]struct {
		lie  func(*world)
		want checker.Kind
	}{
		"an acknowledged message is not there": {func(w *world) {
			w.h.Attempts[0].Client = "other"
			w.log()[0].Client = "another"
			w.h.Attempts = append(w.h.Attempts, checker.Attempt{Key: checker.Key{Conversation: "c", Sender: user, Client: "another"}, Content: w.log()[0].Content, Tokens: 1, Begun: at(0)})
			for i := range w.h.Views {
				for j := range w.h.Views[i].Frames {
					if f := &w.h.Views[i].Frames[j]; f.Seq == 1 {
						f.Client = "another"
					}
				}
			}
		}, checker.Lost},
		"the end of the log is not there": {func(w *world) {
			w.conversation(func(c *checker.Conversation) {
				c.Log, c.Total, c.Tokens, c.LastSeq, c.Last, c.Summary = c.Log[:7], 7, 7, 7, checker.ContentOf("m7"), nil
			})
		}, checker.Lost},
		"deleted by nobody": {func(w *world) { w.log()[3].Deleted = true }, checker.Lost},
		"one id, two messages": {func(w *world) {
			w.conversation(func(c *checker.Conversation) {
				twice := c.Log[7]
				twice.Seq, twice.ID = 9, "second"
				c.Log, c.Total, c.Tokens, c.LastSeq = append(c.Log, twice), 9, 9, 9
			})
		}, checker.Doubled},
		"acknowledged as another message": {func(w *world) { w.h.Attempts[4].ID = "second" }, checker.Doubled},
		"a gap": {func(w *world) {
			w.conversation(func(c *checker.Conversation) { c.Log[7].Seq, c.LastSeq = 9, 8 })
		}, checker.Reordered},
		"acknowledged with another seq":       {func(w *world) { w.h.Attempts[4].Seq = 4 }, checker.Reordered},
		"one seq is two messages":             {func(w *world) { w.h.Views[0].Frames[0].ID = "other" }, checker.Reordered},
		"later than what was sent afterwards": {func(w *world) { w.h.Attempts[2].Begun, w.h.Attempts[2].Ended = at(35), at(36) }, checker.Reordered},
		"a frame after the removal": {func(w *world) {
			w.h.Views[2].Frames = append(w.h.Views[2].Frames, checker.Frame{Entry: w.log()[6], At: at(62)})
		}, checker.Leaked},
		"a frame to a stranger": {func(w *world) { w.h.Members = w.h.Members[:2] }, checker.Leaked},
		"online without a connection": {func(w *world) {
			w.conversation(func(c *checker.Conversation) { c.Online[guest] = true })
		}, checker.Ghosts},
		"said to come, not connected": {func(w *world) { w.h.Heard[0].At = at(50) }, checker.Ghosts},
		"a frame that never came":     {func(w *world) { w.h.Views[0].Frames = w.h.Views[0].Frames[:14] }, checker.Deaf},
		"a frame that came late": {func(w *world) {
			w.h.Views[0].Frames = append(w.h.Views[0].Frames[:14], checker.Frame{Entry: w.log()[7], At: at(90)})
		}, checker.Deaf},
		"what came waits for what did not": {func(w *world) {
			for i := range 2 {
				w.h.Views[0].Frames[2+i].At = at(60)
			}
		}, checker.Deaf},
		"never came, and its sender never knew": {func(w *world) {
			w.h.Attempts = append(w.h.Attempts[:8], w.h.Attempts[9:]...)
			w.h.Views[0].Frames = w.h.Views[0].Frames[:14]
		}, checker.Deaf},
		"a frame that never came, after a removal that was not told": {func(w *world) {
			v := over(w)
			v.Frames = v.Frames[:len(v.Frames)-1]
		}, checker.Deaf},
		"a history that never came, after a removal that was not told": {func(w *world) {
			v := over(w)
			v.Frames = v.Frames[:5]
		}, checker.Deaf},
		"a history with a gap":   {func(w *world) { w.h.Views[1].Frames = w.h.Views[1].Frames[1:] }, checker.Deaf},
		"offline, and connected": {func(w *world) { w.conversation(func(c *checker.Conversation) { c.Online[agent] = false }) }, checker.Stuck},
		"shown long after its deletion": {func(w *world) {
			w.h.Deletions = []checker.Deletion{{ID: "idm8", Begun: at(80), Confirmed: at(81)}}
			late := checker.Frame{Entry: w.log()[7], At: at(180)}
			w.conversation(func(c *checker.Conversation) {
				c.Log[7].Deleted, c.Log[7].Content, c.Log[7].Tokens, c.Last = true, checker.ContentOf(""), 0, checker.ContentOf("")
			})
			w.h.Views[0].Frames = append(w.h.Views[0].Frames, late)
		}, checker.Wrong},
		"refused, long after a removal that was never confirmed": {func(w *world) {
			w.h.Removals = append(w.h.Removals, checker.Removal{Conversation: "c", Principal: user, Begun: at(5), Back: at(7)})
			for i := range w.h.Attempts {
				if w.h.Attempts[i].Client == "m8" {
					w.h.Attempts[i].Ended, w.h.Attempts[i].Outcome, w.h.Attempts[i].Code = at(72), checker.Refused, chat.NotFound
				}
			}
		}, checker.Wrong},
		"still due":                {func(w *world) { w.conversation(func(c *checker.Conversation) { c.Due = 1 }) }, checker.Stuck},
		"stored though refused":    {func(w *world) { w.h.Attempts[2].Outcome = checker.Refused }, checker.Wrong},
		"sent by nobody":           {func(w *world) { w.h.Attempts[2].Client = "other"; w.h.Attempts[2].Outcome = checker.Unknown }, checker.Wrong},
		"stored as something else": {func(w *world) { w.h.Attempts[2].Content++ }, checker.Wrong},
		"shown as something else":  {func(w *world) { w.h.Views[0].Frames[0].Content++ }, checker.Wrong},
		"shown as deleted":         {func(w *world) { w.h.Views[0].Frames[0].Deleted = true }, checker.Wrong},
		"shown as somebody else's": {func(w *world) { w.h.Views[0].Frames[0].Sender = guest }, checker.Wrong},
		"there after its deletion": {func(w *world) {
			w.h.Deletions = []checker.Deletion{{ID: "idm3", Begun: at(30), Confirmed: at(31)}}
		}, checker.Wrong},
		"totals":                     {func(w *world) { w.conversation(func(c *checker.Conversation) { c.Total-- }) }, checker.Wrong},
		"tokens":                     {func(w *world) { w.conversation(func(c *checker.Conversation) { c.Tokens++ }) }, checker.Wrong},
		"an old last message":        {func(w *world) { w.conversation(func(c *checker.Conversation) { c.LastSeq-- }) }, checker.Wrong},
		"another last message":       {func(w *world) { w.conversation(func(c *checker.Conversation) { c.Last++ }) }, checker.Wrong},
		"a summary of what is to be": {func(w *world) { w.f.Conversations["c"].Summary.To = 9 }, checker.Wrong},
		"a summary from seq 0":       {func(w *world) { w.f.Conversations["c"].Summary.From = 0 }, checker.Wrong},
	} {
		t.Run(name, func(t *testing.T) { finds(t, right(), tt.lie, tt.want, bringsOthers[name]) })
	}
}

// finds checks that a lie is found, and nothing else unless it brings others.
func finds(t *testing.T, w *world, lie func(*world), want checker.Kind, others bool) {
	t.Helper()
	lie(w)
	r := checker.Check(w.h, w.f, bounds)
	if r.Counts[want] == 0 || r.OK() || !strings.Contains(r.Details(), string(want)+": ") {
		t.Errorf("not found as %s: %v\n%s", want, r, r.Details())
	}
	for kind, n := range r.Counts {
		if kind != want && !others {
			t.Errorf("also %d %s:\n%s", n, kind, r.Details())
		}
	}
}

// What was sent while its sender was being removed may be stored though it was
// refused, and so may what was sent before they were added again, whose event may
// have come twice. What was sent after the removal was confirmed may not, where
// nobody added them, or long ago.
func TestRefusedBesideARemoval(t *testing.T) {
	tests := []struct {
		begun, confirmed, back time.Time
		wrong                  int
	}{
		{at(18), at(22), at(24), 0},
		{at(18), at(22), time.Time{}, 0},
		{at(18), at(19), at(24), 0},
		{at(18), at(19), time.Time{}, 1},
		{at(22), at(23), at(24), 1},
		{at(-60), at(-59), at(-58), 1},
	}
	for _, tt := range tests {
		w := right()
		w.h.Attempts[2].Outcome, w.h.Attempts[2].Code = checker.Refused, chat.NotFound // from 20 to 21
		w.h.Removals = append(w.h.Removals, checker.Removal{
			Conversation: "c", Principal: user, Begun: tt.begun, Confirmed: tt.confirmed, Back: tt.back,
		})
		if r := checker.Check(w.h, w.f, bounds); r.Counts[checker.Wrong] != tt.wrong {
			t.Errorf("%+v: %v\n%s", tt, r, r.Details())
		}
	}
}

// Who was added again is offline to others until they join or write.
func TestAddedAgain(t *testing.T) {
	for joined, stuck := range map[bool]int{false: 0, true: 1} {
		w := right()
		w.h.Links[2].Closed = time.Time{}
		if joined {
			w.h.Views = append(w.h.Views, checker.View{Connection: "3", Principal: guest, Conversation: "c", After: 8, Joined: at(75)})
		}
		if r := checker.Check(w.h, w.f, bounds); r.Counts[checker.Stuck] != stuck {
			t.Errorf("joined %v: %v\n%s", joined, r, r.Details())
		}
	}
}

// A report of much is short.
func TestReport(t *testing.T) {
	w := right()
	w.h.Views[0].Frames = nil
	for i := range w.h.Attempts {
		w.h.Attempts[i].ID = "other"
	}
	r := checker.Check(w.h, w.f, bounds)
	if got := r.String(); got != "0 lost, 8 doubled, 0 reordered, 0 leaked, 0 ghosts, 1 deaf, 0 stuck, 0 garbled, 0 open, 0 stale, 0 wrong" {
		t.Error(got)
	}
	if lines := strings.Count(r.Details(), "\n"); lines != 7 || !strings.Contains(r.Details(), "doubled: and 3 more\n") {
		t.Errorf("%d lines:\n%s", lines, r.Details())
	}
}

// What a Recorder notes is the history that it is asked for later.
func TestRecorder(t *testing.T) {
	r := checker.NewRecorder()
	key := checker.Key{Conversation: "c", Sender: user, Client: "1"}
	r.Member("c", user)
	r.Open("x", user)
	first, second := r.Try(key, "hello", 0), r.Try(key, "hello", 0)
	r.Acknowledge(second, 1, "id1")
	r.Refuse(first, chat.Conflict)
	e := checker.Entry{Seq: 1, ID: "id1", Sender: user, Client: "1", Content: checker.ContentOf("hello")}
	r.Frame("x", user, "c", e) // as provisional
	r.Join("x", user, "c", 0)
	r.Join("x", user, "c", 1) // again, for a gap
	r.Leave("x", "c")
	r.Frame("x", user, "c", e)
	r.Ask("x", user, "c")
	r.Join("x", user, "c", 1)
	r.Close("x")
	removal, deletion := r.Remove("c", user), r.Delete("id1")
	r.Removed(removal)
	r.Back(removal)
	r.Deleted(deletion)
	r.Hear(user, agent, at(1))
	h := r.History()
	switch attempts, acked := r.Acknowledged(); {
	case attempts != 2 || acked != 1 || h.Attempts[0].Code != chat.Conflict || h.Attempts[1].Seq != 1:
		t.Errorf("attempts: %+v", h.Attempts)
	case len(h.Views) != 2 || len(h.Views[0].Frames) != 2 || h.Views[0].After != 0 || h.Views[0].Ended.IsZero():
		t.Errorf("views: %+v", h.Views)
	case len(h.Views[0].Again) != 1 || h.Views[0].Again[0].After != 1 || h.Views[0].Again[0].Joined.IsZero() || len(h.Views[1].Again) != 0:
		t.Errorf("joined again: %+v", h.Views)
	case h.Views[1].After != 1 || h.Views[1].Ended.IsZero() || h.Links[0].Closed.IsZero():
		t.Errorf("views: %+v, links: %+v", h.Views, h.Links)
	case h.Removals[0].Confirmed.IsZero() || h.Removals[0].Back.IsZero() || h.Deletions[0].Confirmed.IsZero():
		t.Errorf("removals: %+v, deletions: %+v", h.Removals, h.Deletions)
	case len(h.Members) != 1 || len(h.Heard) != 1:
		t.Errorf("members: %+v, heard: %+v", h.Members, h.Heard)
	}
}
