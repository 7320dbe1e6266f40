package mongostore_test

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"

	"aiwm-chat/shared/chat"
)

func uploadID(n int) chat.UploadID { return chat.NewUploadID([16]byte{15: byte(n), 14: byte(n >> 8)}) }

// upload creates an upload that its quota has room for.
func (f fixture) upload(t testing.TB, n int, by chat.Principal, in chat.ConversationID, at time.Time) chat.UploadID {
	t.Helper()
	u, err := chat.NewUpload(uploadID(n), in, by, "Übersicht 1.png", "image/png", 1000, at)
	if err == nil {
		err = f.CreateUpload(t.Context(), u, 0)
	}
	if err != nil {
		t.Fatal(err)
	}
	return u.ID
}

func attachments(ids ...chat.UploadID) (all []chat.Attachment) {
	for _, id := range ids {
		all = append(all, id.Attachment())
	}
	return all
}

func (f fixture) stateOf(t testing.TB, id chat.UploadID) string {
	t.Helper()
	u, err := f.Upload(t.Context(), alice.OrgID, id)
	if err != nil {
		t.Fatal(err)
	}
	var raw bson.M
	if err := f.db.Collection("uploads").FindOne(t.Context(), bson.M{"_id": id}).Decode(&raw); err != nil {
		t.Fatal(err)
	}
	_, forgotten := raw["forgetAt"]
	state := []string{}
	for word, is := range map[string]bool{"attached": u.MessageID != "", "erased": u.Erased, "named": u.Name != "", "forgotten": forgotten} {
		if is {
			state = append(state, word)
		}
	}
	slices.Sort(state)
	return strings.Join(state, " ")
}

func TestUploadIsStored(t *testing.T) {
	f := open(t)
	c := f.newConversation(t, "t", start)
	id := f.upload(t, 1, alice, c.ID, start)
	u, err := f.Upload(t.Context(), alice.OrgID, id)
	want := chat.Upload{ID: id, ConversationID: c.ID, By: alice, Name: "Übersicht 1.png", Type: "image/png", Size: 1000, CreatedAt: start.Truncate(time.Millisecond)}
	if err != nil || u != want {
		t.Errorf("got %+v, %v\nwant %+v", u, err, want)
	}
	for org, other := range map[chat.OrgID]chat.UploadID{"other": id, alice.OrgID: uploadID(9)} {
		if _, err := f.Upload(t.Context(), org, other); chat.CodeOf(err) != chat.NotFound {
			t.Errorf("%s in %s: %v", other, org, err)
		}
	}
}

// Who is over the quota of a day is refused, and then nothing is stored: also of many at once
// none too much.
func TestQuotaOfUploads(t *testing.T) {
	f := open(t)
	create := func(n int, by chat.Principal, at time.Time) error {
		u, err := chat.NewUpload(uploadID(n), "c1", by, "a", "image/png", 1000, at)
		if err != nil {
			t.Fatal(err)
		}
		return f.CreateUpload(t.Context(), u, 3500)
	}
	noon := time.Date(2026, 7, 1, 12, 0, 0, 0, time.UTC)
	for n := range 5 {
		err := create(n, alice, noon)
		if n < 3 && err != nil || n >= 3 && chat.CodeOf(err) != chat.RateLimited {
			t.Errorf("upload %d: %v", n, err)
		}
		if e, ok := err.(*chat.Error); ok && e.Details["retryAfterMs"] != (12*time.Hour).Milliseconds() {
			t.Errorf("upload %d: wait %v", n, e.Details)
		}
	}
	for name, err := range map[string]error{"somebody else": create(10, bot, noon), "the next day": create(11, alice, noon.Add(12*time.Hour)), "the day before": create(12, alice, noon.Add(-13*time.Hour))} {
		if err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	other := alice
	other.OrgID = "other"
	var wg sync.WaitGroup
	var passed atomic.Int64
	for n := range 20 {
		wg.Go(func() {
			if create(100+n, other, noon) == nil {
				passed.Add(1)
			}
		})
	}
	wg.Wait()
	n, err := f.db.Collection("uploads").CountDocuments(t.Context(), bson.M{"orgId": "other"})
	if err != nil || n != passed.Load() || n > 3 {
		t.Errorf("%d are stored and %d passed: %v", n, passed.Load(), err)
	}
}

func TestAttachable(t *testing.T) {
	f := open(t)
	c := f.newConversation(t, "t", start)
	own, other, old, foreign := f.upload(t, 1, alice, c.ID, start), f.upload(t, 2, alice, "c9", start), f.upload(t, 3, alice, c.ID, start.Add(-chat.AttachWithin)), f.upload(t, 4, bot, c.ID, start)
	ask := func(to chat.MessageID, ids ...chat.UploadID) error {
		found, err := f.Attachable(t.Context(), alice, c.ID, to, ids, start)
		if err == nil && len(found) != len(ids) {
			t.Errorf("of %v there are %v", ids, found)
		}
		return err
	}
	if err := ask("", own); err != nil {
		t.Error(err)
	}
	for _, ids := range [][]chat.UploadID{{other}, {old}, {foreign}, {uploadID(99)}, {own, foreign}} {
		if err := ask("", ids...); err != chat.ErrAttachments {
			t.Errorf("%v: %v", ids, err)
		}
	}
	m := newMessage(t, c.ID, alice, "m", chat.Draft{Attachments: attachments(own)})
	m = f.append(t, m)
	if err := f.AttachUploads(t.Context(), m); err != nil {
		t.Fatal(err)
	}
	if err := ask("", own); err != chat.ErrAttachments {
		t.Errorf("to another message: %v", err)
	}
	if err := ask(m.ID, own); err != nil {
		t.Errorf("to its own message: %v", err)
	}
}

// A message keeps the ids of all that it ever had: what it has not any more is erased.
func TestUploadsOfAMessage(t *testing.T) {
	f := open(t)
	c := f.newConversation(t, "t", start)
	one, two, three := f.upload(t, 1, alice, c.ID, start), f.upload(t, 2, alice, c.ID, start), f.upload(t, 3, alice, c.ID, start)
	m := f.append(t, newMessage(t, c.ID, alice, "m", chat.Draft{Attachments: append(attachments(one, two), "document:other"), Voice: nil}))
	if !slices.Equal(m.Uploads, []chat.UploadID{one, two}) {
		t.Fatalf("uploads are %v", m.Uploads)
	}
	follow := func(m chat.Message, erased ...chat.UploadID) {
		t.Helper()
		for range 2 { // again it does no harm
			if err := f.AttachUploads(t.Context(), m); err != nil {
				t.Fatal(err)
			}
			got, err := f.EraseUploads(t.Context(), m, start)
			slices.Sort(got)
			if err != nil || !slices.Equal(got, erased) {
				t.Errorf("erased are %v, %v; want %v", got, err, erased)
			}
		}
	}
	states := func(want ...string) {
		t.Helper()
		for i, id := range []chat.UploadID{one, two, three} {
			if got := f.stateOf(t, id); got != want[i] {
				t.Errorf("%s is %q, want %q", id, got, want[i])
			}
		}
	}
	states("forgotten named", "forgotten named", "forgotten named")
	before := m
	follow(m)
	states("attached named", "attached named", "forgotten named")
	m, done, err := f.EditMessage(t.Context(), alice, chat.Edit{ConversationID: c.ID, MessageID: m.ID, Content: "x", Attachments: attachments(two, three)}, start)
	if err != nil || !done || !m.Due.Has(chat.EffectAttach) || !m.Due.Has(chat.EffectErase) || !slices.Equal(m.Uploads, []chat.UploadID{one, two, three}) {
		t.Fatalf("edited: %+v, %v", m, err)
	}
	follow(m, one)
	states("attached erased forgotten", "attached named", "attached named")
	m, _, err = f.EditMessage(t.Context(), alice, chat.Edit{ConversationID: c.ID, MessageID: m.ID, Content: "y", Edits: 1}, start)
	if err != nil || len(m.Attachments) != 2 {
		t.Fatalf("edited: %+v, %v", m, err)
	}
	// Who deletes has read it before the edits.
	before.Uploads = nil
	m, err = f.DeleteMessage(t.Context(), before, alice, start)
	if err != nil || !m.Due.Has(chat.EffectErase) || m.Attachments != nil || len(m.Uploads) != 3 {
		t.Fatalf("deleted: %+v, %v", m, err)
	}
	follow(m, one, two, three)
	states("attached erased forgotten", "attached erased forgotten", "attached erased forgotten")
	if err := f.AttachUploads(t.Context(), before); err != nil { // late
		t.Fatal(err)
	}
	states("attached erased forgotten", "attached erased forgotten", "attached erased forgotten")
}

// A message that had no uploads leaves none due.
func TestDeletionWithoutUploads(t *testing.T) {
	f := open(t)
	c := f.newConversation(t, "t", start)
	m := f.append(t, newMessage(t, c.ID, alice, "m", draftOf("x")))
	m, err := f.DeleteMessage(t.Context(), m, alice, start)
	if err != nil || m.Due.Has(chat.EffectErase) {
		t.Errorf("%+v, %v", m.Due, err)
	}
}

// An upload is one message's, and nobody else's: two that come at once, a sender who names
// what is not theirs, and a message that is deleted before what it has is attached.
func TestUploadIsOneMessages(t *testing.T) {
	f := open(t)
	c := f.newConversation(t, "t", start)
	id, foreign := f.upload(t, 1, alice, c.ID, start), f.upload(t, 2, bot, c.ID, start)
	var messages []chat.Message
	for i := range 2 {
		m := newMessage(t, c.ID, alice, fmt.Sprint("m", i), chat.Draft{Attachments: attachments(id, foreign)})
		m, _, err := f.Append(t.Context(), chat.Head{Seq: int64(i)}, m)
		if err != nil {
			t.Fatal(err)
		}
		messages = append(messages, m)
	}
	for _, m := range messages {
		if err := f.AttachUploads(t.Context(), m); err != nil {
			t.Fatal(err)
		}
	}
	u, err := f.Upload(t.Context(), alice.OrgID, id)
	if err != nil || u.MessageID != messages[0].ID {
		t.Fatalf("%+v, %v", u, err)
	}
	gone := func(m chat.Message) []chat.UploadID {
		m, err := f.DeleteMessage(t.Context(), m, alice, start)
		if err != nil {
			t.Fatal(err)
		}
		ids, err := f.EraseUploads(t.Context(), m, start)
		if err != nil {
			t.Fatal(err)
		}
		return ids
	}
	if ids := gone(messages[1]); len(ids) > 0 || f.stateOf(t, id) != "attached named" {
		t.Errorf("the other's is erased: %v, it is %s", ids, f.stateOf(t, id))
	}
	if ids := gone(messages[0]); !slices.Equal(ids, []chat.UploadID{id}) || f.stateOf(t, id) != "attached erased forgotten" {
		t.Errorf("erased is %v, it is %s", ids, f.stateOf(t, id))
	}
	if got := f.stateOf(t, foreign); got != "forgotten named" {
		t.Errorf("somebody else's is %s", got)
	}
	// Deleted before it was attached.
	late := f.upload(t, 3, alice, c.ID, start)
	m, _, err := f.Append(t.Context(), chat.Head{Seq: 2}, newMessage(t, c.ID, alice, "m3", chat.Draft{Attachments: attachments(late)}))
	if err != nil {
		t.Fatal(err)
	}
	if ids := gone(m); !slices.Equal(ids, []chat.UploadID{late}) || f.stateOf(t, late) != "erased forgotten" {
		t.Errorf("erased is %v, it is %s", ids, f.stateOf(t, late))
	}
}

// What is said aloud is stored, and goes with what it is heard in.
func TestVoiceIsStored(t *testing.T) {
	f := open(t)
	c := f.newConversation(t, "t", start)
	id, other := f.upload(t, 1, alice, c.ID, start), f.upload(t, 2, alice, c.ID, start)
	voice := chat.Voice{Duration: 1234 * time.Millisecond, Waveform: []byte{0, 255, 7}}
	m := f.append(t, newMessage(t, c.ID, alice, "m", chat.Draft{Attachments: attachments(id), Voice: &voice}))
	same := func(m chat.Message) bool {
		return m.Voice != nil && m.Voice.Duration == voice.Duration && slices.Equal(m.Voice.Waveform, voice.Waveform)
	}
	if !same(m) {
		t.Fatalf("%+v", m.Voice)
	}
	m = f.edit(t, m, "what is said")
	if !same(m) || m.Content != "what is said" {
		t.Errorf("with a text it is %+v", m)
	}
	m, _, err := f.EditMessage(t.Context(), alice, chat.Edit{ConversationID: c.ID, MessageID: m.ID, Content: "x", Attachments: attachments(other), Edits: 1}, start)
	if err != nil || m.Voice != nil {
		t.Errorf("of other attachments it is %+v, %v", m.Voice, err)
	}
	m = f.append(t, func() chat.Message {
		m := newMessage(t, c.ID, alice, "m2", chat.Draft{Attachments: attachments(f.upload(t, 3, alice, c.ID, start)), Voice: &voice})
		return m
	}())
	if m, err = f.DeleteMessage(t.Context(), m, alice, start); err != nil || m.Voice != nil {
		t.Errorf("deleted it is %+v, %v", m.Voice, err)
	}
}

// What an edit took out of a message is on its way to be erased: no later edit puts it back, also
// where that has not come yet.
func TestUploadThatWasTakenOut(t *testing.T) {
	f := open(t)
	c := f.newConversation(t, "t", start)
	one, two := f.upload(t, 1, alice, c.ID, start), f.upload(t, 2, alice, c.ID, start)
	m := f.append(t, newMessage(t, c.ID, alice, "m", chat.Draft{Attachments: attachments(one, two)}))
	edit := func(edits int64, with ...chat.UploadID) (chat.Message, error) {
		e := chat.Edit{ConversationID: c.ID, MessageID: m.ID, Content: "x", Attachments: attachments(with...), Edits: edits}
		now, _, err := f.EditMessage(t.Context(), alice, e, start)
		return now, err
	}
	if err := f.AttachUploads(t.Context(), m); err != nil {
		t.Fatal(err)
	}
	without, err := edit(0, two)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := edit(1, one, two); chat.CodeOf(err) != chat.ValidationFailed {
		t.Errorf("put back before it is erased: %v", err)
	}
	if _, err := f.EraseUploads(t.Context(), without, start); err != nil {
		t.Fatal(err)
	}
	now, err := f.Message(t.Context(), alice.OrgID, m.ID)
	if err != nil {
		t.Fatal(err)
	}
	for _, id := range chat.UploadsOf(now.Attachments) {
		if state := f.stateOf(t, id); state != "attached named" {
			t.Errorf("%s is shown and %s", id, state)
		}
	}
	if now, err = edit(now.Edits, two); err != nil || len(now.Attachments) != 1 { // what it has it may keep
		t.Errorf("%+v, %v", now.Attachments, err)
	}
}
