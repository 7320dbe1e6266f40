package handler

import (
	"slices"
	"strings"
	"testing"

	"aiwm-chat/shared/chat"
	"aiwm-chat/shared/protocol"
)

func TestAnswer(t *testing.T) {
	t.Parallel()
	w := newWorld(t, chat.Managed{Instructions: "You are {{user.id}}'s."})
	q := w.say(t, user, "Hi")
	if q.Due != nil {
		t.Errorf("due: %+v", q.Due)
	}
	if err := w.work(t.Context()); err != nil {
		t.Fatal(err)
	}
	all := w.messages(t)
	if len(all) != 2 || all[1].Content != "Hello you" || all[1].ParentID != q.ID || !all[1].Streamed || all[1].Usage.TotalTokens != 12 || all[1].Sender != bot {
		t.Fatalf("%+v", all)
	}
	r := w.last(t)
	if r.Status != chat.RunComplete || r.Usage.TotalTokens != 12 || r.Steps != 1 || r.Attempt != 1 {
		t.Errorf("%+v", r)
	}
	if got := w.asked[0].Messages; len(got) != 2 || got[0].Content != "You are u1's." || got[1].Content != "Hi" {
		t.Errorf("%+v", got)
	}
	if st, err := w.presence.Stream(t.Context(), w.id, string(r.ID.Step(0))); err != nil || st.State != chat.StreamEnded || st.End.MessageID != all[1].ID {
		t.Errorf("%+v, %v", st, err)
	}
	if w.frames[0] != protocol.EventStreamStart {
		t.Errorf("%q", w.frames)
	}
	w.check(t)
}

// An answer begins no thread, and is in that of its question. Of the first one nothing is
// counted; the root of the other one counts both.
func TestAnswerInAThread(t *testing.T) {
	t.Parallel()
	w := newWorld(t, chat.Managed{Instructions: "Answer."})
	open := w.say(t, user, "Hi")
	if err := w.work(t.Context()); err != nil {
		t.Fatal(err)
	}
	answer := w.messages(t)[1]
	if answer.ParentID != open.ID || answer.ThreadID != "" || answer.Due != nil {
		t.Errorf("in the open: %+v", answer)
	}
	if slices.Contains(w.steps, "CountReplies") {
		t.Errorf("replies were counted in %q", w.steps)
	}
	within := w.reply(t, user, answer.ID, "Are you sure?")
	if err := w.work(t.Context()); err != nil {
		t.Fatal(err)
	}
	all := w.messages(t)
	if len(all) != 4 || all[3].ParentID != within.ID || all[3].ThreadID != answer.ID || all[3].Due != nil {
		t.Fatalf("in a thread: %+v", all)
	}
	if got := all[1].Replies; got != (chat.Replies{Count: 2, LastSeq: all[3].Seq}) || all[0].Replies != (chat.Replies{}) || all[2].Replies != (chat.Replies{}) {
		t.Errorf("the root says %+v, the first question %+v", got, all[0].Replies)
	}
	w.check(t)
}

func TestToolsAreCalled(t *testing.T) {
	t.Parallel()
	w := newWorld(t, allowing("*"))
	w.shopping(`get_order {"order":"1042"}`, `refund_order {"order":"1042"}`)
	w.say(t, user, "Refund order 1042")
	if err := w.work(t.Context()); err != nil {
		t.Fatal(err)
	}
	if w.shop.Refunds("1042") != 1 {
		t.Errorf("%d refunds", w.shop.Refunds("1042"))
	}
	all := w.messages(t)
	if len(all) != 6 || all[5].Content != "answer 3" || !strings.HasPrefix(all[2].Content, "Order 1042") {
		t.Errorf("%s", w.told(t))
	}
	if r := w.last(t); r.Status != chat.RunComplete || r.Steps != 3 || r.Usage.TotalTokens != 36 {
		t.Errorf("%+v", r)
	}
	w.check(t)
}
