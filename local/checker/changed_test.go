package checker_test

import (
	"testing"

	"aiwm-chat/local/checker"
	"aiwm-chat/shared/chat"
)

// changedWorld is right, where seq 7 was edited twice, seq 8 deleted, and the agent reacts to
// seq 6. Both have it so.
func changedWorld() *world {
	w := right()
	w.h.Edits = []checker.Edit{
		{ID: "idm7", Content: checker.ContentOf("e1"), Text: "e1", Edits: 1, Version: 1},
		{ID: "idm7", Content: checker.ContentOf("e2"), Text: "e2", Edits: 2, Version: 2},
	}
	w.h.Deletions = []checker.Deletion{{ID: "idm8", Begun: at(80), Confirmed: at(99)}}
	r := checker.Reaction{ID: "idm6", By: agent, Key: "👍"}
	w.h.Wishes = []checker.Wish{
		{Reaction: r, On: false, Begun: at(100), Ended: at(101), Version: 1},
		{Reaction: r, On: true, Begun: at(102), Ended: at(103), Version: 2},
	}
	w.f.Reacted = map[checker.Reaction]bool{r: true}
	for i := range w.h.Attempts {
		w.h.Attempts[i].Text = string(w.h.Attempts[i].Client)
	}
	w.conversation(func(c *checker.Conversation) {
		c.Log[5].ReactionVersion, c.Log[5].Reactions = 2, "👍 1 "
		c.Log[6].Version, c.Log[6].Edits, c.Log[6].Content = 2, 2, checker.ContentOf("e2")
		c.Log[7].Version, c.Log[7].Deleted, c.Log[7].Content, c.Log[7].Tokens, c.Last = 1, true, checker.ContentOf(""), 0, checker.ContentOf("")
		c.SummaryText = "It began with m1, and then e2."
	})
	for _, p := range []chat.Principal{user, agent} {
		s := checker.Shelf{Device: p.String(), Principal: p, Conversation: "c", Has: map[chat.MessageID]checker.Facets{}}
		for _, e := range w.log() {
			s.Has[e.ID] = checker.Facets{
				Version: e.Version, Edits: e.Edits, Deleted: e.Deleted, Content: e.Content, ReactionVersion: e.ReactionVersion, Reactions: e.Reactions,
			}
		}
		w.f.Shelves = append(w.f.Shelves, s)
	}
	return w
}

// has changes what the agent has of a message.
func has(id chat.MessageID, change func(*checker.Facets)) func(*world) {
	return func(w *world) {
		f := w.f.Shelves[1].Has[id]
		change(&f)
		w.f.Shelves[1].Has[id] = f
	}
}

func TestRightChangesPass(t *testing.T) {
	for name, change := range map[string]func(*world){
		"as it is":       func(*world) {},
		"only the start": has("idm7", func(f *checker.Facets) { f.Cut, f.Content = true, checker.ContentOf("e") }),
		"removed, not back": func(w *world) {
			w.h.Removals = append(w.h.Removals, checker.Removal{Conversation: "c", Principal: agent, Begun: at(150)})
			clear(w.f.Shelves[1].Has)
		},
		"a wish not answered": func(w *world) { w.h.Wishes[1].Version, w.f.Reacted = 0, nil },
		"two wishes at once":  func(w *world) { w.h.Wishes[1].Begun, w.f.Reacted = at(100), nil },
		"an edit not answered": func(w *world) {
			w.h.Edits = append(w.h.Edits, checker.Edit{ID: "idm7", Content: checker.ContentOf("e3"), Text: "e3"})
		},
		"of what is deleted": func(w *world) {
			w.h.Edits = append(w.h.Edits, checker.Edit{ID: "idm8", Content: checker.ContentOf("e"), Edits: 1, Version: 0})
		},
		"reacted to it deleted": func(w *world) { w.h.Wishes[1].ID, w.h.Wishes[1].Version, w.f.Reacted = "idm8", 1, nil },
	} {
		t.Run(name, func(t *testing.T) {
			w := changedWorld()
			change(w)
			if r := checker.Check(w.h, w.f, bounds); !r.OK() {
				t.Errorf("%v\n%s", r, r.Details())
			}
		})
	}
}

func TestEachLieOfAChangeIsFound(t *testing.T) {
	for name, tt := range map[string]struct {
		lie  func(*world)
		want checker.Kind
	}{
		"an edit is lost":               {func(w *world) { w.h.Edits[1].Version = 3 }, checker.Lost},
		"an edit is another text":       {func(w *world) { w.h.Edits[0].Edits, w.h.Edits[1].Edits = 2, 3 }, checker.Lost},
		"a reaction is lost":            {func(w *world) { w.f.Reacted = nil }, checker.Lost},
		"a reaction stays":              {func(w *world) { w.h.Wishes[1].On = false }, checker.Lost},
		"a version of it is lost":       {func(w *world) { w.h.Wishes[1].Version = 3 }, checker.Lost},
		"the text before the edit":      {has("idm7", func(f *checker.Facets) { f.Version, f.Content = 1, checker.ContentOf("e1") }), checker.Stale},
		"another text":                  {has("idm7", func(f *checker.Facets) { f.Content = checker.ContentOf("e1") }), checker.Stale},
		"not deleted":                   {has("idm8", func(f *checker.Facets) { f.Deleted, f.Version = false, 0 }), checker.Stale},
		"reactions of before":           {has("idm6", func(f *checker.Facets) { f.ReactionVersion, f.Reactions = 1, "" }), checker.Stale},
		"other reactions":               {has("idm6", func(f *checker.Facets) { f.Reactions = "👍 2 " }), checker.Stale},
		"a message that is not known":   {func(w *world) { delete(w.f.Shelves[0].Has, "idm2") }, checker.Stale},
		"one version is two":            {func(w *world) { w.f.Shelves[0].Twofold = []chat.MessageID{"idm7"} }, checker.Stale},
		"edited out, in the summary":    {func(w *world) { w.conversation(func(c *checker.Conversation) { c.SummaryText += " m7" }) }, checker.Stale},
		"deleted, in the summary":       {func(w *world) { w.conversation(func(c *checker.Conversation) { c.SummaryText += " m8" }) }, checker.Stale},
		"deleted, and the last message": {func(w *world) { w.conversation(func(c *checker.Conversation) { c.Last = checker.ContentOf("m8") }) }, checker.Stale},
	} {
		t.Run(name, func(t *testing.T) { finds(t, changedWorld(), tt.lie, tt.want, false) })
	}
}
