package handler_test

import (
	"testing"
	"time"

	"aiwm-chat/shared/chat"
	"aiwm-chat/shared/protocol"
)

// Whoever finds a message under the id of a run's step, of its call or of a decision
// believes it: no client may write one, by whichever way. What the backend says itself is
// written so.
func TestIDsOfTheBackendAreNotForClients(t *testing.T) {
	run := chat.NewRunID(agent, "q1", 0)
	call := run.Call(0, 1)
	for id, own := range map[chat.ClientMessageID]bool{
		run.Step(0): false, chat.ClientMessageID(call): false, chat.DecisionID(call): false, "approval:": false,
		chat.ClientMessageID(run) + ":007:1": false,
		chat.ClientMessageID(run):            true, run.Step(0) + ":1": true, "x" + run.Step(0): true, "approval": true, "my:approval:1": true,
	} {
		in := protocol.MessageInput{ConversationID: "c1", Content: "x", ClientMessageID: id}
		w := newWorld()
		h := w.handler()
		acked := func(protocol.Sent) {}
		for name, err := range map[string]error{
			"REST":          h.SendREST(t.Context(), agent, in, acked),
			"frame":         w.sendInput(t.Context(), chat.Connection{ID: "A=", Principal: agent, ExpiresAt: time.Now().Add(time.Hour)}, in),
			"end of stream": h.EndStream(t.Context(), chat.Connection{Principal: agent}, in, chat.StatusSent, acked),
		} {
			_, named := chat.Public(err).Details["clientMessageId"]
			named = named || name == "frame" && chat.CodeOf(err) == chat.ValidationFailed // which has the fields elsewhere
			if named == own || own != (err == nil) {
				t.Errorf("%s of %s: %v", name, id, err)
			}
		}
		if stored := len(w.log) > 0; stored != own {
			t.Errorf("%s: stored %v", id, w.log)
		}
		if _, err := newWorld().handler().Enforce(t.Context(), agent, in, chat.StatusCancelled); err != nil {
			t.Errorf("the backend itself, under %s: %v", id, err)
		}
	}
}
