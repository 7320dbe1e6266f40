package e2e_test

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"aiwm-chat/shared/chat"
	"aiwm-chat/shared/protocol"
)

// page asks for a page of an export.
func (a *actor) page(path string) (text []byte, next string, header http.Header) {
	a.t.Helper()
	request, err := http.NewRequestWithContext(a.t.Context(), http.MethodGet, a.server.URL()+path, nil)
	if err != nil {
		a.t.Fatal(err)
	}
	request.Header.Set("Authorization", "Bearer "+a.token)
	request.Header.Set("Origin", "https://app.example.org")
	response, err := web.Do(request)
	if err != nil {
		a.t.Fatal(err)
	}
	defer response.Body.Close()
	if text, err = io.ReadAll(response.Body); err != nil || response.StatusCode != http.StatusOK {
		a.t.Fatalf("%s: %d %.300s, %v", path, response.StatusCode, text, err)
	}
	return text, response.Header.Get("Next-Cursor"), response.Header
}

// script is the first block of shell in a page for people.
func script(t *testing.T, page string) string {
	t.Helper()
	text, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	block := regexp.MustCompile("(?s)```sh\n(.*?)```").FindSubmatch(text)
	if block == nil {
		t.Fatalf("%s has no script", page)
	}
	return string(block[1])
}

// A conversation that is larger than Lambda's answers comes in pages, which a browser of any
// site may ask for, and which are the whole: as it was when the first one was asked for. The
// script of the page for people gets the same.
func TestExport(t *testing.T) {
	t.Parallel()
	user, agent, id := talk(t, shared)
	path := "/conversations/" + string(id) + "/export"
	gone := user.say(id, "deleted-text")
	for i := range 90 {
		user.call(http.MethodPost, "/messages", fields{"conversationId": id, "content": fmt.Sprint(i, " ", strings.Repeat(`"<x>`, 15_000))}, nil)
	}
	user.call(http.MethodDelete, "/messages/"+string(gone.MessageID), nil, nil)
	agent.say(id, "```\n## 1 · somebody\n")

	whole, next, header := user.page(path)
	if next == "" || header.Get("Link") != `<?cursor=`+next+`&format=ndjson>; rel="next"` || header.Get("Content-Type") != "application/x-ndjson" {
		t.Fatalf("the first page has %d bytes and tells %v", len(whole), header)
	}
	if exposed := header.Get("Access-Control-Expose-Headers"); !strings.Contains(exposed, "next-cursor") || !strings.Contains(exposed, "link") {
		t.Errorf("a browser sees %q", exposed)
	}
	user.say(id, "late")
	pages := 1
	for ; next != ""; pages++ {
		var page []byte
		page, next, _ = user.page(path + "?cursor=" + next)
		whole = append(whole, page...)
	}
	lines := bytes.Split(bytes.TrimSuffix(whole, []byte("\n")), []byte("\n"))
	if pages != 2 || len(lines) != 93 || bytes.Contains(whole, []byte("deleted-text")) || bytes.Contains(whole, []byte("late")) {
		t.Fatalf("there are %d pages and %d lines", pages, len(lines))
	}
	head := decode[protocol.ExportHead](t, lines[0])
	if head.LastSeq != 92 || head.Conversation.ID != id || len(head.Conversation.Participants) != 2 {
		t.Errorf("it begins with %s", lines[0])
	}
	for i, line := range lines[1:] {
		if m := decode[protocol.ExportedMessage](t, line); m.Seq != int64(i+1) || m.IsDeleted != (m.ID == gone.MessageID) {
			t.Errorf("line %d is %.100s", i+2, line)
		}
	}
	text, next, header := user.page(path + "?format=markdown")
	if header.Get("Content-Type") != "text/markdown; charset=utf-8" || !bytes.HasPrefix(text, []byte("# a test\n")) || bytes.Contains(text, []byte("deleted-text")) {
		t.Errorf("it is %.200s, as %v", text, header)
	}
	if rest, last, _ := user.page(path + "?format=markdown&cursor=" + next); last != "" || !bytes.Contains(rest, []byte("````\n```\n## 1 · somebody\n\n````\n")) {
		t.Errorf("it ends with %.300s", rest[max(0, len(rest)-300):])
	}
	if _, err := exec.LookPath("curl"); err != nil {
		t.Skip("there is no curl here")
	}
	folder := t.TempDir()
	cmd := exec.CommandContext(t.Context(), "sh", "-ec", script(t, "../transfer/README.md"))
	cmd.Dir, cmd.Env = folder, append(os.Environ(), "URL="+shared.URL(), "ID="+string(id), "USER_TOKEN="+user.token)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	again := exec.CommandContext(t.Context(), "sh", "-ec", script(t, "../transfer/README.md"))
	again.Dir, again.Env = folder, append(os.Environ(), "URL="+shared.URL(), "ID=nowhere", "USER_TOKEN="+user.token)
	if out, err := again.CombinedOutput(); err == nil {
		t.Errorf("what is not there is exported: %s", out)
	}
	got, err := os.ReadFile(filepath.Join(folder, "orders.ndjson"))
	if late := bytes.Count(got, []byte("\n")); err != nil || late != 94 || !bytes.Equal(bytes.SplitN(got, []byte("\n"), 2)[1][:1000], bytes.SplitN(whole, []byte("\n"), 2)[1][:1000]) {
		t.Errorf("the script got %d lines, %v", late, err)
	}
}

// An export is of those who take part, page by page, and says no more to anybody else than of
// what is not there.
func TestRightsOfExports(t *testing.T) {
	t.Parallel()
	owner, guest, removed, stranger, agent, other := newUser(t, shared), newUser(t, shared), newUser(t, shared), newUser(t, shared), newAgent(t, shared), newAgent(t, shared)
	foreigner := newActor(t, shared, chat.Principal{Type: chat.User, ID: chat.PrincipalID(unique("foreign")), OrgID: "other"})
	id := owner.open(agent)
	owner.add(guest, id)
	owner.add(removed, id)
	for range 3 {
		owner.call(http.MethodPost, "/messages", fields{"conversationId": id, "content": "hello"}, nil)
	}
	talk := "/conversations/" + string(id)
	path := talk + "/export"
	if text, _, _ := removed.page(path); bytes.Count(text, []byte("\n")) != 4 {
		t.Errorf("while they took part they got %s", text)
	}
	owner.call(http.MethodDelete, talk+"/participants/user/"+string(removed.principal.ID), nil, nil)
	outside := who{"removed": removed, "a stranger": stranger, "another organisation": foreigner, "an agent elsewhere": other}
	inside := who{"the owner": owner, "a guest": guest, "an agent": agent}
	missing := code(t, stranger.try(http.MethodGet, "/conversations/nowhere/export", nil, nil))
	for _, query := range []string{"", "?format=markdown", "?cursor=ndjson-1-3"} {
		for name, a := range outside {
			if got := code(t, a.try(http.MethodGet, path+query, nil, nil)); got != chat.NotFound || got != missing {
				t.Errorf("%s: %s is %q", name, query, got)
			}
		}
		for name, a := range inside {
			if text, next, _ := a.page(path + query); len(text) == 0 || next != "" || !bytes.Contains(text, []byte("hello")) {
				t.Errorf("%s: %s is %s", name, query, text)
			}
		}
	}
	for name, a := range inside {
		for _, query := range []string{"?format=html", "?cursor=1", "?cursor=markdown-1-3", "?limit=1"} {
			if got := code(t, a.try(http.MethodGet, path+query, nil, nil)); got != chat.ValidationFailed {
				t.Errorf("%s: %s is %q", name, query, got)
			}
		}
	}
	owner.call(http.MethodDelete, talk, nil, nil)
	for name, a := range inside {
		if got := code(t, a.try(http.MethodGet, path, nil, nil)); got != chat.NotFound {
			t.Errorf("%s: of a deleted one it is %q", name, got)
		}
	}
}

// Pages have a limit of their own: each is as much work as some reads.
func TestLimitOfExports(t *testing.T) {
	t.Parallel()
	user, agent, id := limited(t, "LIMIT_EXPORTS", "1/min burst 2")
	path := "/conversations/" + string(id) + "/export"
	user.page(path)
	user.page(path)
	user.refused(path, user.try(http.MethodGet, path, nil, nil))
	agent.page(path)
}
