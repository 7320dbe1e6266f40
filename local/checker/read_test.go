package checker_test

import (
	"testing"

	"aiwm-chat/local/checker"
)

// readWorld is right, where the agent has read up to 5, then to 6 without saying so, then up
// to 4 again; and the guest, who came back at 70, nothing after that.
func readWorld() *world {
	w := right()
	w.conversation(func(c *checker.Conversation) {
		for i := range c.Log {
			c.Log[i].Counts = true
		}
	})
	marking := func(seq, version int64) checker.Marking {
		return checker.Marking{Conversation: "c", By: agent, Seq: seq, Answered: true, Mark: checker.Mark{Seq: seq, Version: version}}
	}
	private, back := marking(6, 2), marking(4, 3)
	private.Private, back.Back = true, true
	w.h.Markings = []checker.Marking{marking(5, 1), private, back}
	w.h.Tolds = []checker.Told{
		{Conversation: "c", To: agent, About: agent, Mark: checker.Mark{Seq: 6, Version: 2}},
		{Conversation: "c", To: user, About: agent, Mark: checker.Mark{Seq: 5}},
	}
	w.f.Read = map[checker.Member]checker.Reading{
		{Conversation: "c", Principal: user}:  {},
		{Conversation: "c", Principal: agent}: {Mark: checker.Mark{Seq: 4, Version: 3}, Public: 5, Unread: 4},
		{Conversation: "c", Principal: guest}: {Mark: checker.Mark{Seq: 6, Version: 6}, Public: 6, Unread: 2},
	}
	return w
}

// ends changes what the agent has read in the end.
func ends(change func(*checker.Reading)) func(*world) {
	return func(w *world) {
		who := checker.Member{Conversation: "c", Principal: agent}
		r := w.f.Read[who]
		change(&r)
		w.f.Read[who] = r
	}
}

func TestRightMarksPass(t *testing.T) {
	for name, change := range map[string]func(*world){
		"as it is":         func(*world) {},
		"one not answered": func(w *world) { w.h.Markings[2].Answered, w.h.Markings[2].Mark = false, checker.Mark{} },
		"one that was there already": func(w *world) {
			again := w.h.Markings[0]
			again.Seq, again.Version, again.Mark.Seq = 3, 2, 6
			w.h.Markings = append(w.h.Markings, again)
		},
		"one that somebody else moved back": func(w *world) {
			w.h.Markings[2].Answered = false
			w.h.Markings = append(w.h.Markings, checker.Marking{Conversation: "c", By: agent, Seq: 2, Answered: true, Mark: checker.Mark{Seq: 4, Version: 3}})
		},
		"of another membership": func(w *world) {
			m := w.h.Markings[0]
			m.By, m.Version, m.Mark.Seq = guest, 1, 5
			w.h.Markings = append(w.h.Markings, m)
		},
	} {
		t.Run(name, func(t *testing.T) {
			w := readWorld()
			change(w)
			if r := checker.Check(w.h, w.f, bounds); !r.OK() {
				t.Errorf("%v\n%s", r, r.Details())
			}
		})
	}
}

func TestWrongMarksAreFound(t *testing.T) {
	for name, c := range map[string]struct {
		change func(*world)
		want   checker.Kind
	}{
		"one too few unread": {ends(func(r *checker.Reading) { r.Unread-- }), checker.Wrong},
		"more than there is": {ends(func(r *checker.Reading) { r.More = true }), checker.Wrong},
		"one's own counted": {func(w *world) {
			w.f.Read[checker.Member{Conversation: "c", Principal: user}] = checker.Reading{Unread: 8}
		}, checker.Wrong},
		"a mark is lost":         {ends(func(r *checker.Reading) { r.Version = 2 }), checker.Lost},
		"a version is two marks": {func(w *world) { w.h.Markings[2].Mark.Seq, w.h.Markings[2].Seq = 3, 3 }, checker.Wrong},
		"reading moves back":     {func(w *world) { w.h.Markings[1].Mark.Seq, w.h.Markings[1].Seq = 3, 3 }, checker.Wrong},
		"read, and not so far":   {func(w *world) { w.h.Markings[1].Seq = 7 }, checker.Wrong},
		"unread, and not so far": {func(w *world) { w.h.Markings[2].Seq = 3 }, checker.Wrong},
		"the others do not know": {ends(func(r *checker.Reading) { r.Public = 4 }), checker.Lost},
		"the others know more":   {func(w *world) { w.h.Tolds[1].Seq = 6 }, checker.Leaked},
		"told of what never was": {func(w *world) { w.h.Tolds[0].Version = 4 }, checker.Wrong},
		"another membership's version": {func(w *world) {
			m := w.h.Markings[0]
			m.By, m.Version, m.Mark.Seq = guest, 6, 5
			w.h.Markings = append(w.h.Markings, m)
		}, checker.Wrong},
		"told of another number": {func(w *world) { w.h.Tolds[0].Version = 3 }, checker.Wrong},
	} {
		t.Run(name, func(t *testing.T) {
			w := readWorld()
			c.change(w)
			if r := checker.Check(w.h, w.f, bounds); r.Counts[c.want] == 0 {
				t.Errorf("found %v, want %s\n%s", r, c.want, r.Details())
			}
		})
	}
}
