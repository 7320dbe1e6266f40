package chat_test

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"aiwm-chat/shared/chat"
)

const upload chat.UploadID = "upl_0123456789abcdef0123456789abcdef"

func TestUploadID(t *testing.T) {
	if id := chat.NewUploadID([16]byte{0: 1, 15: 255}); id != "upl_010000000000000000000000000000ff" || !id.Valid() || !chat.ValidID(id) {
		t.Errorf("it is %q", id)
	}
	for _, s := range []chat.UploadID{"", "upl_", "x", upload + "0", upload[:35], "UPL" + upload[3:], upload[:35] + "F", upload[:35] + "/", "507f1f77bcf86cd799439011"} {
		if s.Valid() {
			t.Errorf("%q is one", s)
		}
	}
	got := chat.UploadsOf([]chat.Attachment{"https://a.example/" + chat.Attachment(upload), "document:other", upload.Attachment(), upload.Attachment(), "document:upl_1"})
	if !slices.Equal(got, []chat.UploadID{upload}) {
		t.Errorf("there are %v", got)
	}
}

func TestNewUpload(t *testing.T) {
	now := time.Now()
	by := chat.Principal{Type: chat.User, ID: "u1", OrgID: "o1"}
	for _, tt := range []struct {
		name, media string
		size        int64
		field       string
	}{
		{"a.png", "image/png", 1, ""},
		{"a.png", "image/png", chat.MaxUpload, ""},
		{"Übersicht (1) – final.pdf", "application/pdf", 9, ""},
		{"báo cáo.docx", "application/vnd.openxmlformats-officedocument.wordprocessingml.document", 9, ""},
		{"👩‍👩‍👧 ❤️.jpeg", "image/jpeg", 9, ""},
		{"می\u200cخواهم.txt", "text/plain;charset=utf-8", 9, ""},
		{".profile", "text/plain", 9, ""},
		{"voice", "audio/webm;codecs=opus", 9, ""},
		{"voice", "Audio/MP4", 9, ""},
		{strings.Repeat("é", 127), "image/png", 9, ""},
		{"", "image/png", 9, "name"},
		{".", "image/png", 9, "name"},
		{"..", "image/png", 9, "name"},
		{"../../etc/passwd", "image/png", 9, "name"},
		{"a/b.png", "image/png", 9, "name"},
		{`..\a.png`, "image/png", 9, "name"},
		{"/etc/passwd", "image/png", 9, "name"},
		{"a\x00.png", "image/png", 9, "name"},
		{"a\nb.png", "image/png", 9, "name"},
		{"a\u202egnp.exe", "image/png", 9, "name"},
		{"a\u2066b.png", "image/png", 9, "name"},
		{"a\u200bb.png", "image/png", 9, "name"},
		{"a\u00a0b.png", "image/png", 9, "name"},
		{"a\ufeff.png", "image/png", 9, "name"},
		{" a.png", "image/png", 9, "name"},
		{"a.png ", "image/png", 9, "name"},
		{"a\xff.png", "image/png", 9, "name"},
		{strings.Repeat("é", 128), "image/png", 9, "name"},
		{"a.png", "", 9, "type"},
		{"a.png", "image", 9, "type"},
		{"a.png", "image/*", 9, "type"},
		{"a.png", "image/png, text/html", 9, "type"},
		{"a.svg", "image/svg+xml", 9, "type"},
		{"a.html", "text/html", 9, "type"},
		{"a.html", "text/plain;x=\"", 9, "type"},
		{"a.js", "text/javascript", 9, "type"},
		{"a.exe", "application/x-msdownload", 9, "type"},
		{"a.bin", "application/octet-stream", 9, "type"},
		{"a.png", "image/png", 0, "size"},
		{"a.png", "image/png", -1, "size"},
		{"a.png", "image/png", chat.MaxUpload + 1, "size"},
		{"a.png", "image/png", 26 << 20, "size"},
	} {
		u, err := chat.NewUpload(upload, "c1", by, tt.name, tt.media, tt.size, now)
		var e *chat.Error
		errors.As(err, &e)
		switch {
		case tt.field == "" && (err != nil || u.Name != tt.name || strings.ContainsAny(u.Type, ";A") || u.Size != tt.size || u.By != by):
			t.Errorf("%q, %s: %+v, %v", tt.name, tt.media, u, err)
		case tt.field != "" && (e == nil || e.Code != chat.ValidationFailed || len(e.Details) != 1 || e.Details[tt.field] == nil || u != chat.Upload{}):
			t.Errorf("%q, %s, %d: %v, want a fault of %s", tt.name, tt.media, tt.size, err, tt.field)
		}
	}
}

func TestWhoseUploadItIs(t *testing.T) {
	now := time.Now()
	own, other := chat.Principal{Type: chat.User, ID: "u1", OrgID: "o1"}, chat.Principal{Type: chat.Agent, ID: "u1", OrgID: "o1"}
	of := func(change func(*chat.Upload)) *chat.Upload {
		u := chat.Upload{ID: upload, ConversationID: "c1", By: own, CreatedAt: now}
		change(&u)
		return &u
	}
	for name, tt := range map[string]struct {
		u                        *chat.Upload
		attach, again, own, rest bool
	}{
		"new":            {of(func(*chat.Upload) {}), true, true, true, false},
		"almost too old": {of(func(u *chat.Upload) { u.CreatedAt = now.Add(time.Second - chat.AttachWithin) }), true, true, true, false},
		"too old":        {of(func(u *chat.Upload) { u.CreatedAt = now.Add(-chat.AttachWithin) }), false, false, true, false},
		"elsewhere":      {of(func(u *chat.Upload) { u.ConversationID = "c2" }), false, false, true, false},
		"attached":       {of(func(u *chat.Upload) { u.MessageID, u.CreatedAt = "m1", time.Time{} }), false, true, true, true},
		"to another":     {of(func(u *chat.Upload) { u.MessageID = "m2" }), false, false, true, true},
		"erased":         {of(func(u *chat.Upload) { u.MessageID, u.Erased = "m1", true }), false, false, false, false},
	} {
		if tt.u.Attachable(own, "c1", "", now) != tt.attach || tt.u.Attachable(own, "c1", "m1", now) != tt.again || tt.u.Attachable(other, "c1", "m1", now) {
			t.Errorf("%s: attachable", name)
		}
		if tt.u.ReadableBy(own) != tt.own || tt.u.ReadableBy(other) != tt.rest {
			t.Errorf("%s: readable", name)
		}
	}
}

func TestDetachedUploads(t *testing.T) {
	const other chat.UploadID = "upl_ffffffffffffffffffffffffffffffff"
	m := chat.Message{Uploads: []chat.UploadID{upload, other}}
	m.Attachments = []chat.Attachment{other.Attachment()}
	if got := m.DetachedUploads(); !slices.Equal(got, []chat.UploadID{upload}) {
		t.Errorf("%v", got)
	}
	m.Deleted = true
	if got := m.DetachedUploads(); len(got) != 2 {
		t.Errorf("deleted: %v", got)
	}
}

func TestDayEnd(t *testing.T) {
	at := time.Date(2026, 2, 28, 23, 30, 0, 0, time.FixedZone("", -2*3600)) // it is March in UTC
	if got := chat.DayEnd(at).Sub(at); got != 22*time.Hour+30*time.Minute {
		t.Errorf("in %v", got)
	}
}

// A draft that is spoken is another one than one that is not.
func TestVoiceIsInTheFingerprint(t *testing.T) {
	seen := map[string]bool{}
	for _, v := range []*chat.Voice{nil, {Duration: time.Second}, {Duration: 2 * time.Second}, {Duration: time.Second, Waveform: []byte{1}}} {
		m, err := chat.NewMessage("c1", chat.Principal{Type: chat.User, ID: "u1"}, "m", chat.Draft{Attachments: []chat.Attachment{upload.Attachment()}, Voice: v}, 100, time.Now())
		if err != nil || seen[m.Fingerprint] {
			t.Errorf("%+v: %v", v, err)
		}
		seen[m.Fingerprint] = true
	}
}

func FuzzNewUpload(f *testing.F) {
	f.Add("a.png", "image/png", int64(3))
	f.Add("..\u202e/x", "audio/webm;codecs=opus", int64(-1))
	f.Fuzz(func(t *testing.T, name, media string, size int64) {
		u, err := chat.NewUpload(upload, "c1", chat.Principal{}, name, media, size, time.Time{})
		if err != nil {
			return
		}
		if !slices.Contains(chat.UploadTypes(), u.Type) || u.Size < 1 || u.Size > chat.MaxUpload || strings.ContainsAny(u.Name, "/\\\x00\n\r\u202e\u2028") || u.Name == "" || len(u.Name) > chat.MaxUploadName {
			t.Errorf("%+v", u)
		}
	})
}
