package handler_test

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"aiwm-chat/shared/chat"
	"aiwm-chat/shared/protocol"
)

// The thread of a reply is that of what it answers, which is read once; a message that
// answers nothing is in none, and costs nothing more.
func TestThread(t *testing.T) {
	for _, tt := range []struct {
		parent, thread chat.MessageID
		reads          int
	}{
		{"", "", 0}, {"here", "here", 1}, {"in-thread", "root", 1},
	} {
		w := newWorld()
		if err := w.sendInput(t.Context(), userConnection, protocol.MessageInput{ConversationID: "c1", Content: "x", ParentID: tt.parent}); err != nil {
			t.Fatal(err)
		}
		if w.appended.ThreadID != tt.thread || w.count("Message") != tt.reads || w.appended.Due.Has(chat.EffectReplies) != (tt.thread != "") {
			t.Errorf("%q: thread %q, %d reads, due %+v", tt.parent, w.appended.ThreadID, w.count("Message"), w.appended.Due)
		}
		counted := slices.ContainsFunc(w.steps, func(s string) bool { return strings.HasPrefix(s, "CountReplies") })
		if counted != (tt.thread != "") || w.due() != "" {
			t.Errorf("%q: due is %q after %v", tt.parent, w.due(), w.steps)
		}
	}
}

// What the backend places is in a thread too; where what it answers is gone it is in none.
func TestThreadOfWhatIsPlaced(t *testing.T) {
	down := errors.New("no route to host")
	for _, tt := range []struct {
		parent, thread chat.MessageID
		fail           error
	}{
		{"", "", nil}, {"in-thread", "root", nil}, {"nowhere", "", nil}, {"elsewhere", "", nil}, {"here", "", down},
	} {
		w := newWorld()
		if tt.fail != nil {
			w.fail["Message"] = tt.fail
		}
		m, err := chat.NewMessage("c1", agent, "a-1", chat.Draft{Content: "x", ParentID: tt.parent}, 100, time.Now())
		if err != nil {
			t.Fatal(err)
		}
		if _, _, err = w.handler().Place(t.Context(), m); !errors.Is(err, tt.fail) || w.appended.ThreadID != tt.thread || err == nil && w.appended.ParentID != tt.parent {
			t.Errorf("%q: thread %q, %v", tt.parent, w.appended.ThreadID, err)
		}
	}
}

// A root that changes is told to the room, and what is due of it is settled; what fails of
// that stays due of the root, and a count that fails stays due of the reply.
func TestReplies(t *testing.T) {
	down := errors.New("no route to host")
	for _, tt := range []struct {
		name, fail string
		root       bool
		left       bool // of the reply
		told       int
		settled    bool // of the root
	}{
		{"counted anew", "", true, false, 2, true},
		{"as it was", "", false, false, 0, false},
		{"no database", "CountReplies r", true, true, 0, false},
		{"no room", "RoomAudience", true, false, 0, false},
	} {
		w := newWorld()
		w.fill(2, time.Now())
		root := w.log[0]
		root.ID = "r"
		if tt.root {
			w.root = &root
		}
		if tt.fail != "" {
			w.fail[tt.fail] = down
		}
		reply := w.log[1]
		reply.ThreadID, reply.Due = "r", &chat.Due{Left: []chat.Effect{chat.EffectReplies}}
		left, err := w.handler().Finish(t.Context(), w.conversation, reply)
		if err != nil || left.Has(chat.EffectReplies) != tt.left || len(w.posts) != tt.told {
			t.Errorf("%s: left %+v, %d posts, %v", tt.name, left, len(w.posts), err)
		}
		if tt.root && !tt.left {
			if of := w.settled[0]; (of == nil) != tt.settled || !tt.settled && !of.Has(chat.EffectTell) {
				t.Errorf("%s: of the root is left %+v", tt.name, of)
			}
		}
	}
}
