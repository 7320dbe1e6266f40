package handler_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"aiwm-chat/shared/chat"
	"aiwm-chat/shared/delivery"
	"aiwm-chat/shared/protocol"
)

// Who changes a message hears what its answer does not say, of what others left due too: also
// the message itself, which somebody sent and died.
func TestWhoChangedHearsTheRest(t *testing.T) {
	const deliver, tell, reactions = chat.EffectDeliver, chat.EffectTell, chat.EffectTellReactions
	for _, tt := range []struct {
		name     string
		left     []chat.Effect
		answered chat.Effect
		dialect  chat.Dialect
		deleted  bool
		want     []string
	}{
		{"a reaction", []chat.Effect{reactions}, reactions, chat.Lean, false, nil},
		{"a reaction, in aiwm", []chat.Effect{reactions}, reactions, chat.AIWM, false, []string{protocol.EventReactions}},
		{"a reaction to what was edited", []chat.Effect{tell, reactions}, reactions, chat.Lean, false, []string{protocol.EventMessageUpdated}},
		{"a reaction beside a deletion", []chat.Effect{tell, reactions}, reactions, chat.Lean, true, []string{protocol.EventMessageDeleted}},
		{"an edit", []chat.Effect{tell}, tell, chat.Lean, false, nil},
		{"an edit of what was reacted to", []chat.Effect{tell, reactions}, tell, chat.Lean, false, nil},
		{"a reaction to what is not delivered", []chat.Effect{deliver, reactions}, reactions, chat.Lean, false, []string{protocol.EventMessageNew}},
		{"over REST", []chat.Effect{tell, reactions}, "", chat.Lean, false, []string{protocol.EventMessageUpdated, protocol.EventReactions}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld()
			w.fill(1, time.Now())
			by := userConnection
			by.Dialect = tt.dialect
			w.room[0] = by
			m := w.log[0]
			m.ConversationID, m.Sender, m.Deleted = "c1", agent, tt.deleted
			m.Due = &chat.Due{At: time.Now(), Left: tt.left}
			caller := by
			if tt.answered == "" {
				caller = chat.Connection{Principal: user}
			}
			answered := false
			w.handler().Changed(t.Context(), caller, w.conversation, m, delivery.Patient, tt.answered, func() { answered = true })
			var got []string
			for key := range w.delivered {
				var event, id string
				if n, _ := fmt.Sscan(key, &event, &id); n == 2 && id == string(by.ID) {
					got = append(got, event)
				}
			}
			slices.Sort(got)
			if slices.Sort(tt.want); !slices.Equal(got, tt.want) || !answered {
				t.Errorf("who changed it gets %v, want %v, answered %v", got, tt.want, answered)
			}
			if n := len(w.settled); n != 1 || w.settled[0] != nil {
				t.Errorf("settled %v", w.settled)
			}
		})
	}
}
