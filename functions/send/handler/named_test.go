package handler_test

import (
	"cmp"
	"context"
	"errors"
	"testing"

	"aiwm-chat/shared/chat"
	"aiwm-chat/shared/protocol"
)

// Who gave no id and gets an error learns the one that the server made: the
// message may be stored, and a repeat under that id tells. Who gave one, or is told
// which fields are wrong, hears no more than that.
func TestErrorsNameTheID(t *testing.T) {
	for _, tt := range []struct {
		name, step string
		fail       error
		code       chat.Code
		named      bool
	}{
		{"maybe stored", "Append", chat.Unavailablef(errors.New("no route to host"), "try again"), chat.Unavailable, true},
		{"broken", "Append", errors.New("no route to host"), chat.Internal, true},
		{"too long", "Append", context.DeadlineExceeded, chat.Unavailable, true},
		{"too many", "Admit", chat.LimitedFor(1), chat.RateLimited, true},
		{"not there", "Conversation", chat.Errorf(chat.NotFound, "no"), chat.NotFound, true},
		{"wrong", "Append", chat.Invalid("toolCalls", "no"), chat.ValidationFailed, false},
	} {
		for _, own := range []chat.ClientMessageID{"", "mine"} {
			w := newWorld()
			w.fail[tt.step] = tt.fail
			in := protocol.MessageInput{ConversationID: "c1", Content: "x", ClientMessageID: own}
			err := w.sendREST(t.Context(), in)
			if own == "" && chat.CodeOf(err) != tt.code || !errors.Is(err, cmp.Or(errors.Unwrap(tt.fail), tt.fail)) && tt.step == "Append" && tt.code != chat.ValidationFailed {
				t.Errorf("%s: got %v", tt.name, err)
			}
			id, _ := chat.Public(err).Details["clientMessageId"].(string)
			if (id != "") != (tt.named && own == "") {
				t.Errorf("%s: the details are %v", tt.name, chat.Public(err).Details)
			}
			if tt.code == chat.RateLimited && chat.Public(err).Details["retryAfterMs"] == nil {
				t.Errorf("the details are %v", chat.Public(err).Details)
			}
			clear(w.fail)
			if id == "" {
				continue
			}
			in.ClientMessageID = chat.ClientMessageID(id)
			if err := w.sendREST(t.Context(), in); err != nil || string(w.acks[0].ClientMessageID) != id {
				t.Errorf("%s: the repeat got %v, %v", tt.name, w.acks, err)
			}
		}
	}
}

// Over WebSocket it is the event's, so that an event that comes twice is one
// message.
func TestErrorFrameNamesTheID(t *testing.T) {
	w := newWorld()
	w.fail["Append"] = chat.Unavailablef(errors.New("no route to host"), "try again")
	w.messageID = "bWVzc2FnZQ=="
	if err := w.send(t.Context(), "", "x"); chat.CodeOf(err) != chat.Unavailable {
		t.Fatal(err)
	}
	if got := w.details["clientMessageId"]; got != "bWVzc2FnZQ" {
		t.Errorf("the details are %v", w.details)
	}
}

// Those outside the room are told when it is their time, and only of what they have
// not got; and not where the room is not known.
func TestOutside(t *testing.T) {
	w := newWorld()
	for i, want := range []int{0, 1, 1} {
		w.isOutside = i == 1
		if err := w.send(t.Context(), chat.ClientMessageID([]string{"a", "b", "c"}[i]), "x"); err != nil {
			t.Fatal(err)
		}
		if len(w.outside) != want {
			t.Fatalf("after %d: told %q", i+1, w.outside)
		}
	}
	if w.outside[0] != "c1 2 [user= agent= agent= user=]" {
		t.Errorf("told %q", w.outside)
	}
	w.isOutside, w.roomAway, w.agentsAway = true, true, true
	if err := w.send(t.Context(), "away", "x"); err != nil || len(w.outside) != 1 {
		t.Errorf("without Redis: %v, told %q", err, w.outside)
	}
}
