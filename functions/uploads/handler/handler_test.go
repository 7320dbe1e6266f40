package handler_test

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-lambda-go/events"

	"aiwm-chat/functions/uploads/handler"
	"aiwm-chat/shared/chat"
	"aiwm-chat/shared/gateway"
	"aiwm-chat/shared/protocol"
)

var (
	errDown  = errors.New("no route to host")
	uploader = chat.Principal{Type: chat.User, ID: "u1", OrgID: "acme"}
	member   = chat.Principal{Type: chat.User, ID: "u2", OrgID: "acme"}
	stranger = chat.Principal{Type: chat.User, ID: "x", OrgID: "acme"}
)

const known chat.UploadID = "upl_0123456789abcdef0123456789abcdef"

// A world is one conversation and one upload, and who asks.
type world struct {
	caller  chat.Principal
	status  chat.ConversationStatus
	upload  chat.Upload
	message chat.Message // that it is attached to
	created []chat.Upload
	steps   []string
	fail    map[string]error
	off     bool
}

func newWorld(caller chat.Principal) *world {
	return &world{caller: caller, status: chat.Active, fail: map[string]error{}, upload: chat.Upload{
		ID: known, ConversationID: "c1", By: uploader, Name: "a.png", Type: "image/png", Size: 3, CreatedAt: time.Now(),
	}, message: chat.Message{ID: "m1", ConversationID: "c1", Sender: uploader, Draft: chat.Draft{Attachments: []chat.Attachment{known.Attachment()}}, Uploads: []chat.UploadID{known}}}
}

func (w *world) step(name string) error {
	w.steps = append(w.steps, name)
	return w.fail[name]
}

func (w *world) Verify(context.Context, string) (chat.Bearer, error) {
	return chat.Bearer{Principal: w.caller, ExpiresAt: time.Now().Add(time.Hour)}, nil
}

func (w *world) Allow(_ context.Context, _ chat.Principal, u chat.Use) (*chat.Quota, error) {
	return nil, w.step("allow " + string(u))
}

func (w *world) Conversation(_ context.Context, p chat.Principal, id chat.ConversationID) (chat.Conversation, error) {
	if err := w.step("conversation " + string(id)); err != nil {
		return chat.Conversation{}, err
	}
	if id != "c1" || p == stranger {
		return chat.Conversation{}, chat.Errorf(chat.NotFound, "there is no such conversation")
	}
	return chat.Conversation{ID: id, OrgID: p.OrgID, Status: w.status}, nil
}

func (w *world) CreateUpload(_ context.Context, u chat.Upload, quota int64) error {
	if quota != 7 {
		panic("another quota")
	}
	err := w.step("create")
	if err == nil {
		w.created = append(w.created, u)
	}
	return err
}

func (w *world) Upload(_ context.Context, org chat.OrgID, id chat.UploadID) (chat.Upload, error) {
	if err := w.step("upload"); err != nil {
		return chat.Upload{}, err
	}
	if id != known || org != "acme" {
		return chat.Upload{}, chat.Errorf(chat.NotFound, "there is no such document")
	}
	return w.upload, nil
}

func (w *world) Message(_ context.Context, org chat.OrgID, id chat.MessageID) (chat.Message, error) {
	if err := w.step("message"); err != nil {
		return chat.Message{}, err
	}
	if id != w.message.ID || org != "acme" {
		return chat.Message{}, chat.Errorf(chat.NotFound, "there is no such message")
	}
	return w.message, nil
}

func (w *world) PutLink(_ context.Context, u chat.Upload, patience time.Duration) (chat.Link, error) {
	if patience != 15*time.Minute {
		panic("another time")
	}
	return chat.Link{URL: "https://put/" + string(u.ID), Headers: map[string]string{"content-type": u.Type}}, w.step("put link")
}

func (w *world) GetLink(_ context.Context, u chat.Upload, good time.Duration) (string, error) {
	if good != 5*time.Minute {
		panic("another time")
	}
	return "https://get/" + string(u.ID), w.step("get link")
}

func (w *world) ask(t *testing.T, key, id, body string) (int, string, map[string]string) {
	t.Helper()
	method, _, _ := strings.Cut(key, " ")
	event := events.APIGatewayV2HTTPRequest{
		RouteKey: key, Body: body, Headers: map[string]string{"authorization": "Bearer x", "content-type": "application/json"}, PathParameters: map[string]string{"id": id},
	}
	event.RequestContext.HTTP.Method = method
	answer, err := gateway.HTTP(w, w, handler.New(w, w, handler.Options{Quota: 7, Off: w.off}).Routes())(t.Context(), event)
	if err != nil {
		t.Fatal(err)
	}
	return answer.StatusCode, answer.Body, answer.Headers
}

const body = `{"conversationId":"c1","name":"a.png","type":"image/png","size":3}`

func TestCreate(t *testing.T) {
	for name, tt := range map[string]struct {
		caller chat.Principal
		body   string
		status chat.ConversationStatus
		fail   map[string]error
		code   int
		want   string // in the answer
		steps  string
	}{
		"begun":                {uploader, body, chat.Active, nil, 201, `"method":"PUT"`, "allow write,allow upload,conversation c1,put link,create"},
		"by a stranger":        {stranger, body, chat.Active, nil, 404, "not_found", "allow write,allow upload,conversation c1"},
		"closed":               {uploader, body, chat.Closed, nil, 409, "conversation_closed", "allow write,allow upload,conversation c1"},
		"too often":            {uploader, body, chat.Active, map[string]error{"allow upload": chat.LimitedFor(time.Second)}, 429, "rate_limited", "allow write,allow upload"},
		"over the quota":       {uploader, body, chat.Active, map[string]error{"create": chat.LimitedFor(time.Hour)}, 429, "rate_limited", "allow write,allow upload,conversation c1,put link,create"},
		"off":                  {uploader, body, chat.Active, map[string]error{"put link": chat.Errorf(chat.Forbidden, "uploads are off")}, 403, "uploads are off", "allow write,allow upload,conversation c1,put link"},
		"no database":          {uploader, body, chat.Active, map[string]error{"create": chat.Unavailablef(errDown, "try again")}, 503, "unavailable", "allow write,allow upload,conversation c1,put link,create"},
		"a path":               {uploader, strings.Replace(body, "a.png", "../../a.png", 1), chat.Active, nil, 400, `"name"`, "allow write"},
		"26 MB":                {uploader, strings.Replace(body, `:3`, `:27262976`, 1), chat.Active, nil, 400, `"size"`, "allow write"},
		"a page":               {uploader, strings.Replace(body, "image/png", "text/html", 1), chat.Active, nil, 400, `"type"`, "allow write"},
		"with a parameter":     {uploader, strings.Replace(body, "image/png", "audio/webm;codecs=opus", 1), chat.Active, nil, 201, `"content-type":"audio/webm"`, "allow write,allow upload,conversation c1,put link,create"},
		"for somebody else":    {uploader, strings.Replace(body, `"size"`, `"by":"u2","size"`, 1), chat.Active, nil, 400, `"by"`, "allow write"},
		"an id of one's own":   {uploader, strings.Replace(body, `"size"`, `"id":"upl_1","size"`, 1), chat.Active, nil, 400, `"id"`, "allow write"},
		"no size":              {uploader, strings.Replace(body, `,"size":3`, ``, 1), chat.Active, nil, 400, `"size"`, "allow write"},
		"a size of a fraction": {uploader, strings.Replace(body, `:3`, `:3.5`, 1), chat.Active, nil, 400, `"size"`, "allow write"},
	} {
		w := newWorld(tt.caller)
		w.status, w.fail = tt.status, tt.fail
		code, answer, headers := w.ask(t, "POST /uploads", "", tt.body)
		if code != tt.code || !strings.Contains(answer, tt.want) || strings.Join(w.steps, ",") != tt.steps || strings.Contains(answer, errDown.Error()) {
			t.Errorf("%s: %d %s after %v", name, code, answer, w.steps)
		}
		if (code == 201) != (len(w.created) == 1) {
			t.Errorf("%s: created are %v", name, w.created)
		}
		if code != 201 {
			continue
		}
		var u protocol.Upload
		if err := json.Unmarshal([]byte(answer), &u); err != nil {
			t.Fatal(err)
		}
		made := w.created[0]
		if !u.ID.Valid() || u.ID != made.ID || u.Attachment != "document:"+chat.Attachment(u.ID) || u.URL != "https://put/"+string(u.ID) || headers["location"] != "/documents/"+string(u.ID) || made.By != uploader || made.Size != 3 || made.ConversationID != "c1" {
			t.Errorf("%s: %+v %+v %v", name, u, made, headers)
		}
		if at, err := time.Parse(time.RFC3339, u.ExpiresAt); err != nil || at.Sub(made.CreatedAt).Round(time.Second) != 15*time.Minute {
			t.Errorf("%s: until %s", name, u.ExpiresAt)
		}
	}
}

// Where uploads are switched off none begins, and what is there is read.
func TestOff(t *testing.T) {
	w := newWorld(uploader)
	w.off = true
	if code, answer, _ := w.ask(t, "POST /uploads", "", body); code != 403 || !strings.Contains(answer, "switched off") || len(w.created) > 0 {
		t.Errorf("%d %s", code, answer)
	}
	if code, answer, _ := w.ask(t, "GET /documents/{id}", string(known), ""); code != 200 {
		t.Errorf("%d %s", code, answer)
	}
}

// Ids are not to be guessed from others.
func TestIDsDiffer(t *testing.T) {
	w := newWorld(uploader)
	var ids []string
	for range 50 {
		w.ask(t, "POST /uploads", "", body)
	}
	for _, u := range w.created {
		ids = append(ids, string(u.ID[:12]))
	}
	slices.Sort(ids)
	if len(slices.Compact(ids)) != 50 {
		t.Error("some begin alike")
	}
}

// What a message had, and does not any more, is nobody's to read from that moment on: also where
// it is not erased yet, because who changed the message died.
func TestGetOfWhatIsGone(t *testing.T) {
	for name, change := range map[string]func(m *chat.Message){
		"deleted":   func(m *chat.Message) { m.Deleted, m.Attachments = true, nil },
		"taken out": func(m *chat.Message) { m.Attachments = []chat.Attachment{"document:other"} },
		"forgotten": func(m *chat.Message) { m.ID = "m2" },
	} {
		for _, caller := range []chat.Principal{uploader, member} {
			w := newWorld(caller)
			w.upload.MessageID = "m1"
			change(&w.message)
			code, answer, _ := w.ask(t, "GET /documents/{id}", string(known), "")
			if code != 404 || !strings.Contains(answer, "there is no such document") {
				t.Errorf("%s, to %s: %d %s", name, caller.ID, code, answer)
			}
		}
	}
}

func TestGet(t *testing.T) {
	attached := func(u *chat.Upload) { u.MessageID = "m1" }
	for name, tt := range map[string]struct {
		caller chat.Principal
		id     string
		change func(*chat.Upload)
		fail   map[string]error
		code   int
		steps  string
	}{
		"its uploader":                {uploader, string(known), nil, nil, 200, "upload,conversation c1,get link"},
		"a member, before":            {member, string(known), nil, nil, 404, "upload,conversation c1"},
		"a member":                    {member, string(known), attached, nil, 200, "upload,conversation c1,message,get link"},
		"a stranger":                  {stranger, string(known), attached, nil, 404, "upload,conversation c1"},
		"its uploader, erased":        {uploader, string(known), func(u *chat.Upload) { attached(u); u.Erased = true }, nil, 404, "upload,conversation c1"},
		"a member, erased":            {member, string(known), func(u *chat.Upload) { attached(u); u.Erased = true }, nil, 404, "upload,conversation c1"},
		"its uploader, elsewhere now": {uploader, string(known), func(u *chat.Upload) { u.ConversationID = "c2" }, nil, 404, "upload,conversation c2"},
		"one that is not there":       {uploader, "upl_" + strings.Repeat("0", 32), nil, nil, 404, "upload,conversation nowhere"},
		"of another service":          {uploader, "507f1f77bcf86cd799439011", nil, nil, 404, ""},
		"with its scheme":             {uploader, "document:" + string(known), nil, nil, 404, ""},
		"a path":                      {uploader, "..%2F" + string(known), nil, nil, 400, ""},
		"no database":                 {member, string(known), attached, map[string]error{"upload": chat.Unavailablef(errDown, "try again")}, 503, "upload"},
		"no database for the right":   {member, string(known), attached, map[string]error{"conversation c1": chat.Unavailablef(errDown, "try again")}, 503, "upload,conversation c1"},
		"no database for its message": {member, string(known), attached, map[string]error{"message": chat.Unavailablef(errDown, "try again")}, 503, "upload,conversation c1,message"},
		"off":                         {member, string(known), attached, map[string]error{"get link": chat.Errorf(chat.Forbidden, "off")}, 403, "upload,conversation c1,message,get link"},
	} {
		w := newWorld(tt.caller)
		w.fail = tt.fail
		if tt.change != nil {
			tt.change(&w.upload)
		}
		code, answer, _ := w.ask(t, "GET /documents/{id}", tt.id, "")
		want := strings.Trim("allow read,"+tt.steps, ",")
		if code != tt.code || strings.Join(w.steps, ",") != want || (code == 200) != strings.Contains(answer, "https://get/") {
			t.Errorf("%s: %d %s after %v", name, code, answer, w.steps)
		}
		if code == 404 && !strings.Contains(answer, "there is no such document") {
			t.Errorf("%s: it says more: %s", name, answer)
		}
	}
}
