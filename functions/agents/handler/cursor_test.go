package handler_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"aiwm-chat/shared/chat"
)

// A cursor that is a run of another conversation tells neither that there is one nor, by where
// the page begins, when it was made: it is refused as any that is of no page.
func TestCursorOfAnotherConversation(t *testing.T) {
	w := newWorld(t)
	_, secret := w.asked(t, "m1") // of alice, whom eve does not know
	c, err := chat.NewConversation(cast["eve"], "t", "", "bot", nil, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	if c, _, err = w.CreateConversation(t.Context(), c, ""); err != nil {
		t.Fatal(err)
	}
	mine := w.c
	w.c = c
	q := w.say(t, "eve", "x1", "")
	if _, _, err := w.QueueRun(t.Context(), chat.NewRun(chat.AgentProfile{OrgID: "o1", ID: "bot"}, q, 0, "eve", q.Seq, time.Now().Add(-time.Hour))); err != nil {
		t.Fatal(err)
	}
	w.c = mine
	there, page := w.call(t, "eve", "GET /conversations/{id}/runs", string(c.ID), "cursor="+string(secret.ID), "")
	none, _ := w.call(t, "eve", "GET /conversations/{id}/runs", string(c.ID), "cursor="+strings.Repeat("0", 32), "")
	if there != none {
		t.Errorf("%d where there is such a run, %d where there is none: %s", there, none, page)
	}
	if there != http.StatusBadRequest {
		t.Errorf("%d: %s", there, page)
	}
}
