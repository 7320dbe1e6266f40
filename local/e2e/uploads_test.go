package e2e_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"aiwm-chat/local/server"
	"aiwm-chat/shared/chat"
	"aiwm-chat/shared/protocol"
)

// begin has a say what is about to be uploaded.
func (a *actor) begin(id chat.ConversationID, name, media string, size int) protocol.Upload {
	a.t.Helper()
	var u protocol.Upload
	a.call(http.MethodPost, "/uploads", fields{"conversationId": id, "name": name, "type": media, "size": size}, &u)
	watched.secret(u.URL)
	return u
}

// upload puts bytes where they are to be, and returns the upload.
func (a *actor) upload(id chat.ConversationID, name, media, content string) protocol.Upload {
	a.t.Helper()
	u := a.begin(id, name, media, len(content))
	if status, answer := putBytes(a.t, u.URL, u.Headers, content); status != http.StatusOK {
		a.t.Fatalf("put %s: %d %s", name, status, answer)
	}
	return u
}

// bucket asks S3, whose answers are not those of the contract.
var bucket = &http.Client{}

func putBytes(t *testing.T, link string, headers map[string]string, content string) (int, string) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPut, link, strings.NewReader(content))
	if err != nil {
		t.Fatal(err)
	}
	for name, value := range headers {
		r.Header.Set(name, value)
	}
	return answerTo(t, r)
}

func answerTo(t *testing.T, r *http.Request) (int, string) {
	t.Helper()
	response, err := bucket.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	b, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return response.StatusCode, string(b)
}

// reads asks where a document is, and gets it.
func (a *actor) readsDocument(id chat.UploadID) (protocol.DocumentLink, string) {
	a.t.Helper()
	var d protocol.DocumentLink
	a.call(http.MethodGet, "/documents/"+string(id), nil, &d)
	watched.secret(d.URL)
	r, err := http.NewRequestWithContext(a.t.Context(), http.MethodGet, d.URL, nil)
	if err != nil {
		a.t.Fatal(err)
	}
	status, body := answerTo(a.t, r)
	if status != http.StatusOK {
		a.t.Fatalf("get %s: %d %s", id, status, body)
	}
	return d, body
}

func (a *actor) mayRead(id chat.UploadID) bool {
	a.t.Helper()
	err := a.try(http.MethodGet, "/documents/"+string(id), nil, nil)
	if err != nil && code(a.t, err) != chat.NotFound {
		a.t.Fatal(err)
	}
	return err == nil
}

// bucketOf is the real client of the server's bucket, as the functions are given it.
func bucketOf(t *testing.T, s *server.Server) (*s3.Client, *string) {
	t.Helper()
	environment, err := s.Environment()
	if err != nil {
		t.Fatal(err)
	}
	env := environment["UploadsFunction"]
	return s3.New(s3.Options{
		Region: env["AWS_REGION"], BaseEndpoint: aws.String(env["AWS_ENDPOINT_URL_S3"]), UsePathStyle: true, Retryer: aws.NopRetryer{},
		Credentials: aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
			return aws.Credentials{AccessKeyID: env["AWS_ACCESS_KEY_ID"], SecretAccessKey: env["AWS_SECRET_ACCESS_KEY"], SessionToken: env["AWS_SESSION_TOKEN"]}, nil
		}),
	}), aws.String(env["UPLOADS_BUCKET"])
}

// tags are those of the bytes of an upload; there is says whether there are any.
func tagsOf(t *testing.T, s *server.Server, id chat.UploadID) (tags string, there bool) {
	t.Helper()
	c, bucket := bucketOf(t, s)
	out, err := c.GetObjectTagging(t.Context(), &s3.GetObjectTaggingInput{Bucket: bucket, Key: aws.String(string(id))})
	if err != nil && strings.Contains(err.Error(), "NoSuchKey") {
		return "", false
	}
	if err != nil {
		t.Fatal(err)
	}
	for _, tag := range out.TagSet {
		tags += *tag.Key + "=" + *tag.Value + " "
	}
	return strings.TrimSpace(tags), true
}

// swept is a server whose sweep comes each second.
func swept(t *testing.T) *server.Server {
	t.Helper()
	o := options()
	o.TimeScale = 60
	return start(t, o)
}

// What is uploaded is its uploader's, then everybody's in the conversation, and then nobody's.
func TestUploadIsSharedAndErased(t *testing.T) {
	t.Parallel()
	s := swept(t)
	user, agent, id := talk(t, s)
	messages := mongoOf(t, s)
	done := func(what string, is func() bool) {
		t.Helper()
		eventually(t, what, func() bool { hasten(t, messages, id); return is() })
	}
	photo := user.upload(id, "Paket – 1.jpg", "image/jpeg", "a photo")
	sheet := user.upload(id, "list.csv", "text/csv", "a,b")
	if tags, there := tagsOf(t, s, photo.ID); tags != "state=pending" || !there {
		t.Errorf("before it is attached its tags are %q, there: %t", tags, there)
	}
	if !user.mayRead(photo.ID) || agent.mayRead(photo.ID) {
		t.Error("before it is attached it is its uploader's")
	}
	f := user.must("send", fields{"conversationId": id, "content": "look", "attachments": []any{photo.Attachment, sheet.Attachment, "https://a.example/x"}})
	sent := data[protocol.Sent](t, f)
	heard := data[protocol.Message](t, agent.expect(protocol.EventMessageNew))
	if len(heard.Attachments) != 3 || heard.Attachments[0] != photo.Attachment {
		t.Fatalf("heard is %+v", heard)
	}
	for _, a := range []*actor{user, agent} { // at once: whoever hears of it may read it
		d, body := a.readsDocument(photo.ID)
		if body != "a photo" || d.Name != "Paket – 1.jpg" || d.Type != "image/jpeg" || d.Size != 7 {
			t.Errorf("%s reads %+v: %q", a.principal, d, body)
		}
	}
	done("it is kept", func() bool { tags, there := tagsOf(t, s, photo.ID); return there && tags == "" })
	done("nothing is due", func() bool { return due(t, messages, id) == 0 })

	// What an edit takes away goes.
	user.must("edit", fields{"conversationId": id, "messageId": sent.MessageID, "content": "see", "attachments": []any{photo.Attachment}, "edits": 0})
	if user.mayRead(sheet.ID) || agent.mayRead(sheet.ID) || !agent.mayRead(photo.ID) {
		t.Error("after the edit the one is there, and the other is not")
	}
	done("it is erased", func() bool { _, there := tagsOf(t, s, sheet.ID); return !there })
	if err := user.try(http.MethodPut, "/messages/"+string(sent.MessageID), fields{"content": "see", "attachments": []any{sheet.Attachment}, "edits": 1}, nil); code(t, err) != chat.ValidationFailed {
		t.Errorf("what is erased is attached again: %v", err)
	}

	user.call(http.MethodDelete, "/messages/"+string(sent.MessageID), nil, nil)
	if user.mayRead(photo.ID) || agent.mayRead(photo.ID) {
		t.Error("after the deletion somebody reads it")
	}
	done("it is erased", func() bool { _, there := tagsOf(t, s, photo.ID); return !there })
	done("nothing is due", func() bool { return due(t, messages, id) == 0 })
	// Nothing that it was called is anywhere.
	cursor, err := messages.Database().Collection("uploads").Find(t.Context(), fields{"conversationId": id})
	if err != nil {
		t.Fatal(err)
	}
	for cursor.Next(t.Context()) {
		if strings.Contains(cursor.Current.String(), "Paket") || strings.Contains(cursor.Current.String(), "list.csv") {
			t.Errorf("it is remembered: %s", cursor.Current)
		}
	}
}

// A voice message is heard as one, and edited to have a text.
func TestVoiceMessage(t *testing.T) {
	t.Parallel()
	user, agent, id := talk(t, shared)
	u := user.upload(id, "voice.m4a", "audio/mp4;codecs=mp4a.40.2", "hello hello")
	waveform := []byte{0, 1, 254, 255}
	in := fields{"conversationId": id, "attachments": []any{u.Attachment}, "voice": fields{"durationMs": 1234, "waveform": waveform}, "clientMessageId": "v"}
	sent, again := data[protocol.Sent](t, user.must("send", in)), data[protocol.Sent](t, user.must("send", in))
	if again.MessageID != sent.MessageID || !again.Duplicate {
		t.Errorf("sent again it is %+v, and was %+v", again, sent)
	}
	m := data[protocol.Message](t, agent.expect(protocol.EventMessageNew))
	if m.Voice == nil || m.Voice.DurationMs != 1234 || !bytes.Equal(m.Voice.Waveform, waveform) || m.Content != "" {
		t.Fatalf("heard is %+v", m)
	}
	if _, body := agent.readsDocument(u.ID); body != "hello hello" {
		t.Errorf("it says %q", body)
	}
	user.must("edit", fields{"conversationId": id, "messageId": m.ID, "content": "Hello, hello.", "edits": 0})
	if m = data[protocol.Message](t, agent.expect(protocol.EventMessageUpdated)); m.Voice == nil || m.Content != "Hello, hello." {
		t.Errorf("written down it is %+v", m)
	}
	photo := user.upload(id, "a.png", "image/png", "x")
	for name, in := range map[string]fields{
		"a photo":   {"conversationId": id, "attachments": []any{photo.Attachment}, "voice": fields{"durationMs": 1}},
		"nothing":   {"conversationId": id, "content": "x", "voice": fields{"durationMs": 1}},
		"too long":  {"conversationId": id, "attachments": []any{photo.Attachment}, "voice": fields{"durationMs": 900_001}},
		"no time":   {"conversationId": id, "attachments": []any{photo.Attachment}, "voice": fields{"durationMs": 0}},
		"too fine":  {"conversationId": id, "attachments": []any{photo.Attachment}, "voice": fields{"durationMs": 1, "waveform": make([]byte, 257)}},
		"elsewhere": {"conversationId": id, "attachments": []any{"https://a.example/b.mp4"}, "voice": fields{"durationMs": 1}},
	} {
		if _, err := user.ask("send", in); code(t, err) != chat.ValidationFailed || !strings.Contains(err.Error(), "voice") {
			t.Errorf("a voice of %s: %v", name, err)
		}
	}
}

// Each wrong use of a link is refused, by the bucket, in words that say why; nothing is stored.
func TestLinksAreRefused(t *testing.T) {
	t.Parallel()
	user, _, id := talk(t, shared)
	change := func(link, from, to string) string {
		if !strings.Contains(link, from) {
			t.Fatalf("%s has no %s", link, from)
		}
		return strings.Replace(link, from, to, 1)
	}
	for name, tt := range map[string]struct {
		change  func(link string, headers map[string]string) string
		content string
		want    string
	}{
		"a byte more":        {nil, "abcd", "SignatureDoesNotMatch"},
		"a byte less":        {nil, "ab", "SignatureDoesNotMatch"},
		"26 MB":              {nil, strings.Repeat("x", 26<<20), "SignatureDoesNotMatch"},
		"another type":       {func(l string, h map[string]string) string { h["content-type"] = "text/html"; return l }, "abc", "SignatureDoesNotMatch"},
		"over what is there": {func(l string, h map[string]string) string { delete(h, "if-none-match"); return l }, "abc", "SignatureDoesNotMatch"},
		"to stay":            {func(l string, h map[string]string) string { delete(h, "x-amz-tagging"); return l }, "abc", "SignatureDoesNotMatch"},
		"public":             {func(l string, h map[string]string) string { h["x-amz-acl"] = "public-read"; return l }, "abc", "not signed"},
		"a wrong signature":  {func(l string, _ map[string]string) string { return change(l, "X-Amz-Signature=", "X-Amz-Signature=0") }, "abc", "SignatureDoesNotMatch"},
		"another name":       {func(l string, _ map[string]string) string { return change(l, "/upl_", "/upl_0") }, "abc", "SignatureDoesNotMatch"},
		"a path":             {func(l string, _ map[string]string) string { return change(l, "/upl_", "/..%2Fupl_") }, "abc", "SignatureDoesNotMatch"},
		"for longer": {func(l string, _ map[string]string) string {
			return change(l, "X-Amz-Expires=900", "X-Amz-Expires=9000")
		}, "abc", "SignatureDoesNotMatch"},
		"signed long ago": {func(l string, _ map[string]string) string { return change(l, "X-Amz-Date=20", "X-Amz-Date=19") }, "abc", "expired"},
		"no signature":    {func(l string, _ map[string]string) string { before, _, _ := strings.Cut(l, "?"); return before }, "abc", "AccessDenied"},
	} {
		u := user.begin(id, "a.png", "image/png", 3)
		link := u.URL
		if tt.change != nil {
			link = tt.change(link, u.Headers)
		}
		status, answer := putBytes(t, link, u.Headers, tt.content)
		if status != http.StatusForbidden || !strings.Contains(answer, tt.want) {
			t.Errorf("%s: %d %s", name, status, answer)
		}
		if _, there := tagsOf(t, shared, u.ID); there {
			t.Errorf("%s: it is stored", name)
		}
	}
	// One that the real client signed, and that was good.
	c, bucket := bucketOf(t, shared)
	signed, err := s3.NewPresignClient(c).PresignPutObject(t.Context(), &s3.PutObjectInput{Bucket: bucket, Key: aws.String("late"), ContentLength: aws.Int64(3)}, s3.WithPresignExpires(time.Second))
	if err != nil {
		t.Fatal(err)
	}
	time.Sleep(2100 * time.Millisecond)
	if status, answer := putBytes(t, signed.URL, nil, "abc"); status != http.StatusForbidden || !strings.Contains(answer, "Request has expired") {
		t.Errorf("expired: %d %s", status, answer)
	}
	// Once it is there it is not replaced.
	u := user.upload(id, "a.png", "image/png", "abc")
	if status, answer := putBytes(t, u.URL, u.Headers, "xyz"); status != http.StatusPreconditionFailed {
		t.Errorf("again: %d %s", status, answer)
	}
	if _, body := user.readsDocument(u.ID); body != "abc" {
		t.Errorf("it is %q", body)
	}
}

// What a browser gets it saves, and does not run.
func TestDocumentIsSavedNotRun(t *testing.T) {
	t.Parallel()
	user, _, id := talk(t, shared)
	u := user.upload(id, `a "b" ü.txt`, "text/plain", "<script>alert(1)</script>")
	d, _ := user.readsDocument(u.ID)
	response, err := bucket.Get(d.URL)
	if err != nil {
		t.Fatal(err)
	}
	response.Body.Close()
	h := response.Header
	if got := h.Get("Content-Disposition"); got != `attachment; filename="a _b_ _.txt"; filename*=UTF-8''a%20%22b%22%20%C3%BC.txt` {
		t.Errorf("the disposition is %s", got)
	}
	if h.Get("Content-Type") != "text/plain" || h.Get("X-Content-Type-Options") != "nosniff" || !strings.HasPrefix(h.Get("Cache-Control"), "private") {
		t.Errorf("the headers are %v", h)
	}
	inline := strings.Replace(d.URL, url.QueryEscape("attachment"), "inline", 1)
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, inline, nil)
	if err != nil {
		t.Fatal(err)
	}
	if status, body := answerTo(t, r); status != http.StatusForbidden || !strings.Contains(body, "SignatureDoesNotMatch") {
		t.Errorf("inline: %d %s", status, body)
	}
}

// Nobody attaches or reads what is not theirs to, and nobody learns that it is there.
func TestRightsOfUploads(t *testing.T) {
	t.Parallel()
	user, agent, id := talk(t, shared)
	guest, removed, stranger := newUser(t, shared), newUser(t, shared), newUser(t, shared)
	foreigner := newActor(t, shared, chat.Principal{Type: chat.User, ID: user.principal.ID, OrgID: "other"}) // of the same name
	for _, a := range []*actor{guest, removed} {
		user.add(a, id)
	}
	user.call(http.MethodDelete, "/conversations/"+string(id)+"/participants/user/"+string(removed.principal.ID), nil, nil)
	other := stranger.open(newAgent(t, shared))
	stranger.add(user, other)

	own, elsewhere := user.upload(id, "own.png", "image/png", "own"), user.upload(other, "elsewhere.png", "image/png", "elsewhere")
	attached, erased := user.upload(id, "attached.png", "image/png", "attached"), user.upload(id, "erased.png", "image/png", "erased")
	theirs := guest.upload(id, "theirs.png", "image/png", "theirs")
	user.must("send", fields{"conversationId": id, "attachments": []any{attached.Attachment}})
	gone := data[protocol.Sent](t, user.must("send", fields{"conversationId": id, "attachments": []any{erased.Attachment}}))
	user.call(http.MethodDelete, "/messages/"+string(gone.MessageID), nil, nil)
	mine := data[protocol.Sent](t, user.must("send", fields{"conversationId": id, "content": "to edit"}))
	unknown := "document:upl_" + strings.Repeat("0", 32)
	body := func(id chat.ConversationID) fields {
		return fields{"conversationId": id, "name": "a.png", "type": "image/png", "size": 1}
	}
	everybody := who{"the uploader": user, "an agent": agent, "a guest": guest, "removed": removed, "a stranger": stranger, "another organisation": foreigner}
	inside := who{"the uploader": user, "an agent": agent, "a guest": guest}
	outside := who{"removed": removed, "a stranger": stranger, "another organisation": foreigner}
	others := who{"an agent": agent, "a guest": guest, "removed": removed, "a stranger": stranger, "another organisation": foreigner}
	path := func(u protocol.Upload) string { return "/documents/" + string(u.ID) }
	send := func(to chat.ConversationID, what ...any) fields {
		return fields{"conversationId": to, "content": "x", "attachments": what}
	}
	for _, row := range []struct {
		name         string
		who          who
		method, path string
		in           any
		want         chat.Code
	}{
		{"begin", outside, "POST", "/uploads", body(id), chat.NotFound},
		{"begin", inside, "POST", "/uploads", body(id), ""},
		{"begin nowhere", everybody, "POST", "/uploads", body("nowhere"), chat.NotFound},
		{"read before", others, "GET", path(own), nil, chat.NotFound},
		{"read before", who{"the uploader": user}, "GET", path(own), nil, ""},
		{"read", outside, "GET", path(attached), nil, chat.NotFound},
		{"read", inside, "GET", path(attached), nil, ""},
		{"read what is erased", everybody, "GET", path(erased), nil, chat.NotFound},
		{"read what is not there", everybody, "GET", "/documents/" + unknown[9:], nil, chat.NotFound},
		{"read what is elsewhere", everybody, "GET", "/documents/507f1f77bcf86cd799439011", nil, chat.NotFound},
		{"attach", outside, "POST", "/messages", send(id, own.Attachment), chat.NotFound},
		{"attach another's", who{"an agent": agent, "a guest": guest}, "POST", "/messages", send(id, own.Attachment), chat.ValidationFailed},
		{"attach another's", who{"the uploader": user}, "POST", "/messages", send(id, theirs.Attachment), chat.ValidationFailed},
		{"attach another's beside one's own", who{"the uploader": user}, "POST", "/messages", send(id, own.Attachment, theirs.Attachment), chat.ValidationFailed},
		{"attach elsewhere", who{"the uploader": user}, "POST", "/messages", send(other, own.Attachment), chat.ValidationFailed},
		{"attach from elsewhere", who{"the uploader": user}, "POST", "/messages", send(id, elsewhere.Attachment), chat.ValidationFailed},
		{"attach again", who{"the uploader": user}, "POST", "/messages", send(id, attached.Attachment), chat.ValidationFailed},
		{"attach what is erased", who{"the uploader": user}, "POST", "/messages", send(id, erased.Attachment), chat.ValidationFailed},
		{"attach what is not there", inside, "POST", "/messages", send(id, unknown), chat.ValidationFailed},
		{"attach by an edit", who{"the uploader": user}, "PUT", "/messages/" + string(mine.MessageID), fields{"content": "x", "edits": 0, "attachments": []any{theirs.Attachment}}, chat.ValidationFailed},
		{"attach by an edit", who{"the uploader": user}, "PUT", "/messages/" + string(mine.MessageID), fields{"content": "x", "edits": 0, "attachments": []any{attached.Attachment}}, chat.ValidationFailed},
		{"attach by an edit", who{"the uploader": user}, "PUT", "/messages/" + string(mine.MessageID), fields{"content": "x", "edits": 0, "attachments": []any{elsewhere.Attachment}}, chat.ValidationFailed},
		{"attach to another's message", who{"a guest": guest}, "PUT", "/messages/" + string(mine.MessageID), fields{"content": "x", "edits": 0, "attachments": []any{theirs.Attachment}}, chat.Forbidden},
		{"of another service", inside, "POST", "/messages", send(id, "document:507f1f77bcf86cd799439011"), ""},
	} {
		for name, a := range row.who {
			err := a.try(row.method, row.path, row.in, nil)
			if got := code(t, err); got != row.want {
				t.Errorf("%s, %s: %s %s is %v, want %q", row.name, name, row.method, row.path, err, row.want)
			}
			if row.want == chat.ValidationFailed && (!strings.Contains(err.Error(), "attachments") || strings.Contains(err.Error(), "upl_")) {
				t.Errorf("%s, %s: it says %v", row.name, name, err)
			}
		}
	}
	for _, u := range []protocol.Upload{own, theirs} { // none of that has attached them
		if guest.mayRead(u.ID) == (u.ID == own.ID) {
			t.Errorf("%s was attached", u.ID)
		}
	}
	if _, body := user.readsDocument(own.ID); body != "own" {
		t.Errorf("it is %q", body)
	}
	// Also over WebSocket.
	if _, err := user.ask("send", send(id, theirs.Attachment)); code(t, err) != chat.ValidationFailed {
		t.Errorf("send: %v", err)
	}
	if _, err := user.ask("edit", fields{"conversationId": id, "messageId": mine.MessageID, "content": "x", "edits": 0, "attachments": []any{theirs.Attachment}}); code(t, err) != chat.ValidationFailed {
		t.Errorf("edit: %v", err)
	}
}

// What is wrong with an upload is said at once, and no link is given.
func TestUploadsThatAreRefused(t *testing.T) {
	t.Parallel()
	user, _, id := talk(t, shared)
	for field, rows := range map[string][]fields{
		"name": {{"name": "../../etc/passwd"}, {"name": `..\a`}, {"name": "."}, {"name": ".."}, {"name": ""}, {"name": "a\x00"}, {"name": "a\u202egnp.exe"}, {"name": strings.Repeat("x", 256)}},
		"type": {{"type": "text/html"}, {"type": "image/svg+xml"}, {"type": "application/x-msdownload"}, {"type": ""}},
		"size": {{"size": 26 << 20}, {"size": 0}, {"size": -1}},
	} {
		for _, row := range rows {
			in := fields{"conversationId": id, "name": "a.png", "type": "image/png", "size": 1}
			for name, v := range row {
				in[name] = v
			}
			err := user.try(http.MethodPost, "/uploads", in, nil)
			if code(t, err) != chat.ValidationFailed || !strings.Contains(err.Error(), field) {
				t.Errorf("%v: %v", row, err)
			}
		}
	}
	user.call(http.MethodPut, "/conversations/"+string(id), fields{"status": "closed"}, nil)
	if err := user.try(http.MethodPost, "/uploads", fields{"conversationId": id, "name": "a.png", "type": "image/png", "size": 1}, nil); code(t, err) != chat.ConversationClosed {
		t.Errorf("closed: %v", err)
	}
}

// Where the operator gives no bucket, uploads are refused, and all else goes on.
func TestUploadsAreOff(t *testing.T) {
	t.Parallel()
	o := options()
	o.Parameters = map[string]string{"UploadsEnabled": "false"}
	s := start(t, o)
	user, agent, id := talk(t, s)
	err := user.try(http.MethodPost, "/uploads", fields{"conversationId": id, "name": "a.png", "type": "image/png", "size": 1}, nil)
	if code(t, err) != chat.Forbidden || !strings.Contains(err.Error(), "switched off") {
		t.Errorf("it says %v", err)
	}
	if err := user.try(http.MethodGet, "/documents/upl_"+strings.Repeat("0", 32), nil, nil); code(t, err) != chat.NotFound {
		t.Errorf("reading: %v", err)
	}
	user.say(id, "hello")
	agent.expect(protocol.EventMessageNew)
}

// The limits of uploads: how many, and how much a day.
func TestLimitsOfUploads(t *testing.T) {
	t.Parallel()
	o := options()
	o.Getenv = func(name string) string {
		switch name {
		case "LIMIT_UPLOADS":
			return "1/min burst 4"
		case "LIMIT_UPLOAD_MEGABYTES":
			return "30"
		}
		return fromEnvironment(name)
	}
	s := start(t, o)
	user, agent, id := talk(t, s)
	begin := func(a *actor, megabytes int) error {
		return a.try(http.MethodPost, "/uploads", fields{"conversationId": id, "name": "a.png", "type": "image/png", "size": megabytes << 20}, nil)
	}
	for i, tt := range []struct {
		megabytes int
		want      chat.Code
	}{{20, ""}, {20, chat.RateLimited}, {10, ""}, {1, chat.RateLimited}} {
		err := begin(user, tt.megabytes)
		if code(t, err) != tt.want || err != nil && !strings.Contains(fmt.Sprint(err), "retryAfterMs") {
			t.Errorf("%d: %v", i, err)
		}
	}
	if err := begin(user, 1); code(t, err) != chat.RateLimited {
		t.Errorf("too many: %v", err)
	}
	if err := begin(agent, 20); err != nil {
		t.Errorf("somebody else: %v", err)
	}
}
