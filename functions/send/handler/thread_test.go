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
// answers nothing is in none, and costs nothing more. People begin threads, agents do not:
// what they answer in the open is in none and is counted nowhere, however it comes in.
func TestThread(t *testing.T) {
	send := func(w *world, c chat.Connection, in protocol.MessageInput) error {
		return w.sendInput(t.Context(), c, in)
	}
	rest := func(w *world, c chat.Connection, in protocol.MessageInput) error {
		return w.handler().SendREST(t.Context(), c.Principal, in, func(protocol.Sent) {})
	}
	ended := func(w *world, c chat.Connection, in protocol.MessageInput) error {
		in.ClientMessageID = "s-1"
		return w.handler().EndStream(t.Context(), c, in, chat.StatusSent, func(protocol.Sent) {})
	}
	enforced := func(w *world, c chat.Connection, in protocol.MessageInput) error {
		in.ClientMessageID = "s-1"
		_, err := w.handler().Enforce(t.Context(), c.Principal, in, chat.StatusFailed)
		return err
	}
	for _, tt := range []struct {
		name           string
		way            func(*world, chat.Connection, protocol.MessageInput) error
		by             chat.Connection
		parent, thread chat.MessageID
		reads          int
	}{
		{"a user", send, userConnection, "", "", 0},
		{"a user", send, userConnection, "here", "here", 1},
		{"a user", send, userConnection, "in-thread", "root", 1},
		{"a user over REST", rest, userConnection, "here", "here", 1},
		{"an agent", send, agentConnection, "", "", 0},
		{"an agent", send, agentConnection, "here", "", 1},
		{"an agent", send, agentConnection, "in-thread", "root", 1},
		{"an agent over REST", rest, agentConnection, "here", "", 1},
		{"an agent over REST", rest, agentConnection, "in-thread", "root", 1},
		{"a stream", ended, agentConnection, "here", "", 1},
		{"a stream", ended, agentConnection, "in-thread", "root", 1},
		{"a stream that is ended for its agent", enforced, agentConnection, "", "", 0},
		{"a stream that is ended for its agent", enforced, agentConnection, "here", "", 1},
		{"a stream that is ended for its agent", enforced, agentConnection, "in-thread", "root", 1},
		{"a stream whose question is gone", enforced, agentConnection, "nowhere", "", 1},
		{"a stream whose question is elsewhere", enforced, agentConnection, "elsewhere", "", 1},
	} {
		w := newWorld()
		if err := tt.way(w, tt.by, protocol.MessageInput{ConversationID: "c1", Content: "x", ParentID: tt.parent}); err != nil {
			t.Fatalf("%s to %q: %v", tt.name, tt.parent, err)
		}
		if w.appended.ParentID != tt.parent || w.appended.ThreadID != tt.thread || w.count("Message") != tt.reads || w.appended.Due.Has(chat.EffectReplies) != (tt.thread != "") {
			t.Errorf("%s to %q: thread %q of parent %q, %d reads, due %+v", tt.name, tt.parent, w.appended.ThreadID, w.appended.ParentID, w.count("Message"), w.appended.Due)
		}
		counted := slices.ContainsFunc(w.steps, func(s string) bool { return strings.HasPrefix(s, "CountReplies") })
		if counted != (tt.thread != "") || w.due() != "" {
			t.Errorf("%s to %q: due is %q after %v", tt.name, tt.parent, w.due(), w.steps)
		}
	}
}

// What the backend places is in the thread that it says, which nobody looks up.
func TestThreadOfWhatIsPlaced(t *testing.T) {
	for _, thread := range []chat.MessageID{"", "root"} {
		w := newWorld()
		m, err := chat.NewMessage("c1", agent, "a-1", chat.Draft{Content: "x", ParentID: "in-thread"}, 100, time.Now())
		if err != nil {
			t.Fatal(err)
		}
		m.ThreadID = thread
		if _, _, err = w.handler().Place(t.Context(), m); err != nil || w.appended.ThreadID != thread || w.count("Message") != 0 || w.appended.Due.Has(chat.EffectReplies) != (thread != "") {
			t.Errorf("%q: thread %q, %v after %v", thread, w.appended.ThreadID, err, w.steps)
		}
	}
}

// A stream is not ended for its agent while its thread cannot be looked up: the job comes again.
func TestThreadOfAStreamThatCannotBeRead(t *testing.T) {
	w := newWorld()
	down := errors.New("no route to host")
	w.fail["Message"] = down
	in := protocol.MessageInput{ConversationID: "c1", ClientMessageID: "s-1", Content: "x", ParentID: "here"}
	if _, err := w.handler().Enforce(t.Context(), agent, in, chat.StatusFailed); !errors.Is(err, down) || w.count("Append") != 0 {
		t.Errorf("%v after %v", err, w.steps)
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
