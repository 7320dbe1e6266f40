package handler_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"aiwm-chat/shared/chat"
	"aiwm-chat/shared/delivery"
	"aiwm-chat/shared/protocol"
)

// The uploads of the world, with the rules of the store.

func (w *world) Attachable(_ context.Context, p chat.Principal, in chat.ConversationID, to chat.MessageID, ids []chat.UploadID, now time.Time) (all []chat.Upload, err error) {
	var refused error
	err = w.step("Attachable", func() {
		for _, id := range ids {
			if u := w.uploads[id]; u == nil || !u.Attachable(p, in, to, now) {
				refused = chat.ErrAttachments
			} else {
				all = append(all, *u)
			}
		}
	})
	return all, errors.Join(err, refused)
}

func (w *world) AttachUploads(_ context.Context, m chat.Message) error {
	return w.step("AttachUploads", func() {
		for _, id := range chat.UploadsOf(m.Attachments) {
			if u := w.uploads[id]; u != nil && u.MessageID == "" && !u.Erased {
				u.MessageID = m.ID
			}
		}
	})
}

func (w *world) EraseUploads(_ context.Context, m chat.Message, _ time.Time) (ids []chat.UploadID, err error) {
	err = w.step("EraseUploads", func() {
		for _, id := range m.DetachedUploads() {
			if u := w.uploads[id]; u != nil && (u.MessageID == "" || u.MessageID == m.ID) {
				u.Erased = true
				ids = append(ids, id)
			}
		}
	})
	return ids, err
}

// The bytes are sweep's.

func (w *world) Keep(_ context.Context, id chat.UploadID) error {
	return w.step("Keep", func() { w.kept = append(w.kept, id) })
}

func (w *world) Erase(_ context.Context, id chat.UploadID) error {
	return w.step("Erase", func() { w.erased = append(w.erased, id) })
}

// finishes is sweep, which has the bytes.
func (w *world) finishes(t *testing.T, m chat.Message) string {
	t.Helper()
	left, err := w.handler().WithObjects(w).Finish(t.Context(), w.conversation, m)
	if err != nil {
		t.Fatal(err)
	}
	if left == nil {
		return ""
	}
	return dueText(left)
}

const (
	photo chat.UploadID = "upl_00000000000000000000000000000001"
	sound chat.UploadID = "upl_00000000000000000000000000000002"
	older chat.UploadID = "upl_00000000000000000000000000000003"
	alien chat.UploadID = "upl_00000000000000000000000000000004"
	away  chat.UploadID = "upl_00000000000000000000000000000005"
	taken chat.UploadID = "upl_00000000000000000000000000000006"
	ended chat.UploadID = "upl_00000000000000000000000000000007"
	lost  chat.UploadID = "upl_00000000000000000000000000000008" // nobody knows it
)

func worldOfUploads() *world {
	w, now := newWorld(), time.Now()
	of := func(id chat.UploadID, media string, change func(*chat.Upload)) {
		u := chat.Upload{ID: id, ConversationID: "c1", By: user, Name: "file", Type: media, Size: 3, CreatedAt: now}
		change(&u)
		w.uploads[id] = &u
	}
	w.uploads = map[chat.UploadID]*chat.Upload{}
	of(photo, "image/png", func(*chat.Upload) {})
	of(sound, "audio/mp4", func(*chat.Upload) {})
	of(older, "image/png", func(u *chat.Upload) { u.CreatedAt = now.Add(-chat.AttachWithin) })
	of(alien, "image/png", func(u *chat.Upload) { u.By = agent })
	of(away, "image/png", func(u *chat.Upload) { u.ConversationID = "c2" })
	of(taken, "image/png", func(u *chat.Upload) { u.MessageID = "m0" })
	of(ended, "image/png", func(u *chat.Upload) { u.Erased = true })
	return w
}

func attaching(ids ...chat.UploadID) protocol.MessageInput {
	in := protocol.MessageInput{ConversationID: "c1", ClientMessageID: "a"}
	for _, id := range ids {
		in.Attachments = append(in.Attachments, id.Attachment())
	}
	return in
}

// What is not the sender's to attach is refused, whichever it is, and nothing is stored.
func TestAttachWhatIsNotOnesOwn(t *testing.T) {
	voice := &protocol.Voice{DurationMs: 1200}
	with := func(in protocol.MessageInput, v *protocol.Voice) protocol.MessageInput { in.Voice = v; return in }
	for name, tt := range map[string]struct {
		in    protocol.MessageInput
		field string
	}{
		"one's own":           {attaching(photo), ""},
		"a voice":             {with(attaching(sound), voice), ""},
		"of another service":  {protocol.MessageInput{ConversationID: "c1", ClientMessageID: "a", Attachments: []chat.Attachment{"document:upl_1", "document:x"}}, ""},
		"too late":            {attaching(older), "attachments"},
		"of somebody else":    {attaching(photo, alien), "attachments"},
		"elsewhere":           {attaching(away), "attachments"},
		"of another message":  {attaching(taken), "attachments"},
		"erased":              {attaching(ended), "attachments"},
		"unknown":             {attaching(lost), "attachments"},
		"a voice of a photo":  {with(attaching(photo), voice), "voice"},
		"a voice of two":      {with(attaching(sound, photo), voice), "voice"},
		"a voice of nothing":  {with(attaching(), voice), "voice"},
		"a voice of a link":   {with(protocol.MessageInput{ConversationID: "c1", ClientMessageID: "a", Attachments: []chat.Attachment{"https://a.example/b.mp4"}}, voice), "voice"},
		"a voice too long":    {with(attaching(sound), &protocol.Voice{DurationMs: chat.MaxVoice.Milliseconds() + 1}), "voice.durationMs"},
		"a voice of no time":  {with(attaching(sound), &protocol.Voice{}), "voice.durationMs"},
		"a voice before time": {with(attaching(sound), &protocol.Voice{DurationMs: -1}), "voice.durationMs"},
		"a voice for ever":    {with(attaching(sound), &protocol.Voice{DurationMs: 1 << 62}), "voice.durationMs"},
		"a long waveform":     {with(attaching(sound), &protocol.Voice{DurationMs: 1, Waveform: make([]byte, chat.MaxWaveform+1)}), "voice.waveform"},
	} {
		w := worldOfUploads()
		err := w.sendREST(t.Context(), tt.in)
		var e *chat.Error
		errors.As(err, &e)
		switch {
		case tt.field == "" && (err != nil || len(w.log) != 1):
			t.Errorf("%s: %v", name, err)
		case tt.field != "" && (e == nil || e.Code != chat.ValidationFailed || e.Details[tt.field] == nil || len(w.log) > 0):
			t.Errorf("%s: %v %+v, %d messages", name, err, e, len(w.log))
		}
		if used := slices.Contains(w.steps, "Attachable"); used != (len(chat.UploadsOf(tt.in.Attachments)) > 0 && !strings.HasPrefix(tt.field, "voice.") && name != "a voice of two") {
			t.Errorf("%s: the steps were %v", name, w.steps)
		}
	}
}

// A repeat is answered as ever, though what it attaches is attached since, or too old.
func TestRepeatOfWhatAttaches(t *testing.T) {
	w := worldOfUploads()
	for range 2 {
		if err := w.sendREST(t.Context(), attaching(photo)); err != nil {
			t.Fatal(err)
		}
	}
	if len(w.acks) != 2 || !w.acks[1].Duplicate || len(w.log) != 1 {
		t.Errorf("answers are %+v", w.acks)
	}
	if err := w.sendREST(t.Context(), attaching(sound)); chat.CodeOf(err) != chat.Conflict {
		t.Errorf("another body under the same id: %v", err)
	}
}

// Whoever hears of the message may read what it attaches; its bytes are sweep's.
func TestAttachBeforeAnybodyIsTold(t *testing.T) {
	w := worldOfUploads()
	if err := w.sendREST(t.Context(), attaching(photo, sound)); err != nil {
		t.Fatal(err)
	}
	attached, told := slices.Index(w.steps, "AttachUploads"), slices.Index(w.steps, "Audience")
	if attached < 0 || told < attached || w.uploads[photo].MessageID != "m1" {
		t.Errorf("the steps were %v", w.steps)
	}
	if got := w.due(); got != "attach" || len(w.kept) > 0 {
		t.Fatalf("due is %q", got)
	}
	if left := w.finishes(t, w.log[0]); left != "" || !slices.Equal(w.kept, []chat.UploadID{photo, sound}) || w.due() != "" {
		t.Errorf("left is %q, kept %v, due %q", left, w.kept, w.due())
	}
}

// Wherever the function dies, what was attached is attached in the end, and what was erased is
// erased, and neither is done to what is not to be.
func TestUploadsOfTheDead(t *testing.T) {
	for lives := range 12 {
		w := worldOfUploads()
		w.mortal, w.lives = true, lives
		_ = w.sendREST(t.Context(), attaching(photo))
		w.mortal = false
		if len(w.log) == 0 {
			if w.uploads[photo].MessageID != "" {
				t.Errorf("%d steps: attached to nothing", lives)
			}
			continue
		}
		if m := w.log[0]; m.Due != nil {
			w.finishes(t, m)
		}
		if w.due() != "" || w.uploads[photo].MessageID != "m1" || !slices.Contains(w.kept, photo) {
			t.Errorf("%d steps: due %q, %+v, kept %v", lives, w.due(), w.uploads[photo], w.kept)
		}
	}
	// The message is deleted, attached already or not.
	for _, before := range []chat.MessageID{"", "m1", "m0"} {
		for lives := range 6 {
			w := worldOfUploads()
			w.fill(1, time.Now())
			w.uploads[photo].MessageID = before
			m := w.log[0]
			m.Deleted, m.Uploads, m.Due = true, []chat.UploadID{photo}, &chat.Due{At: time.Now(), Left: []chat.Effect{chat.EffectAttach, chat.EffectErase}}
			w.log[0] = m
			w.mortal, w.lives = true, lives
			w.handler().Changed(t.Context(), chat.Connection{Principal: user}, w.conversation, m, delivery.Once, "", func() {})
			w.mortal = false
			if now := w.log[0]; now.Due != nil {
				w.finishes(t, now)
			}
			mine := before != "m0" // it is another message's
			if w.due() != "" || w.uploads[photo].Erased != mine || slices.Contains(w.erased, photo) != mine || len(w.kept) > 0 {
				t.Errorf("of %q after %d steps: due %q, %+v, erased %v", before, lives, w.due(), w.uploads[photo], w.erased)
			}
			// The effect of who had sent it, and was slow, comes now.
			if err := w.AttachUploads(t.Context(), chat.Message{ID: "m1", Draft: chat.Draft{Attachments: []chat.Attachment{photo.Attachment()}}}); err != nil || mine && w.uploads[photo].MessageID != before {
				t.Errorf("what is erased is attached: %+v, %v", w.uploads[photo], err)
			}
		}
	}
}

// What fails stays due, and the rest is done.
func TestUploadsThatFailStayDue(t *testing.T) {
	for fail, want := range map[string]string{"AttachUploads": "attach", "Keep": "attach", "EraseUploads": "erase", "Erase": "erase"} {
		w := worldOfUploads()
		w.fill(1, time.Now())
		w.fail[fail] = fmt.Errorf("no route to host")
		m := w.log[0]
		m.Attachments, m.Uploads = []chat.Attachment{photo.Attachment()}, []chat.UploadID{photo, sound}
		m.Due = &chat.Due{At: time.Now(), Left: []chat.Effect{chat.EffectAttach, chat.EffectErase}}
		w.log[0] = m
		if got := w.finishes(t, m); got != want {
			t.Errorf("%s fails: left is %q", fail, got)
		}
		delete(w.fail, fail)
		if got := w.finishes(t, w.log[0]); got != "" || !slices.Contains(w.kept, photo) || !slices.Contains(w.erased, sound) || slices.Contains(w.erased, photo) {
			t.Errorf("after %s: left is %q, kept %v, erased %v", fail, got, w.kept, w.erased)
		}
	}
}

// Bytes that are not there yet may come for as long as their link is good.
func TestKeepWhatComesLate(t *testing.T) {
	for age, want := range map[time.Duration]string{0: "attach", chat.UploadPatience + time.Second: ""} {
		w := worldOfUploads()
		w.fill(1, time.Now().Add(-age))
		w.fail["Keep"] = chat.Errorf(chat.NotFound, "there is none")
		m := w.log[0]
		m.Attachments, m.Due = []chat.Attachment{photo.Attachment()}, &chat.Due{At: time.Now(), Left: []chat.Effect{chat.EffectAttach}}
		if got := w.finishes(t, m); got != want {
			t.Errorf("after %v left is %q", age, got)
		}
	}
}
