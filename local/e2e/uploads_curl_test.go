package e2e_test

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"aiwm-chat/shared/protocol"
)

// The story of a file by lines of curl, as the page of the protocol tells it.
func TestUploadByCurl(t *testing.T) {
	t.Parallel()
	if _, err := exec.LookPath("curl"); err != nil {
		t.Skip("there is no curl")
	}
	user, agent, id := talk(t, shared)
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "parcel.jpg"), []byte("a photo"), 0o600); err != nil {
		t.Fatal(err)
	}
	curl := func(args ...string) string {
		t.Helper()
		c := exec.CommandContext(t.Context(), "curl", append([]string{"--silent", "--show-error"}, args...)...)
		c.Dir = dir
		out, err := c.Output()
		if err != nil {
			t.Fatalf("curl %s: %v %s", args, err, out)
		}
		return string(out)
	}
	rest := func(by *actor, method, path, body string, out any) {
		t.Helper()
		args := []string{"-X", method, shared.URL() + path, "-H", "Authorization: Bearer " + by.token, "-w", "\n%{http_code}"}
		if body != "" {
			args = append(args, "-H", "Content-Type: application/json", "-d", body)
		}
		text, status, _ := strings.Cut(curl(args...), "\n")
		if !strings.HasPrefix(status, "2") {
			t.Fatalf("%s %s: %s %s", method, path, status, text)
		}
		if out != nil {
			if err := json.Unmarshal([]byte(text), out); err != nil {
				t.Fatal(err)
			}
		}
	}
	var u protocol.Upload
	rest(user, "POST", "/uploads", `{"conversationId": "`+string(id)+`", "name": "parcel.jpg", "type": "image/jpeg", "size": 7}`, &u)
	put := []string{"-T", "parcel.jpg", u.URL, "-w", "%{http_code}"}
	for name, value := range u.Headers {
		put = append(put, "-H", name+": "+value)
	}
	if got := curl(put...); got != "200" {
		t.Fatalf("put: %s", got)
	}
	if got := curl(put...); !strings.Contains(got, "PreconditionFailed") {
		t.Errorf("put again: %s", got)
	}
	var sent protocol.Sent
	rest(user, "POST", "/messages", `{"conversationId": "`+string(id)+`", "content": "Here it is", "attachments": ["`+string(u.Attachment)+`"]}`, &sent)
	var d protocol.DocumentLink
	rest(agent, "GET", "/documents/"+string(u.ID), "", &d)
	curl("--output", "got.jpg", "--dump-header", "headers", d.URL)
	got, err := os.ReadFile(filepath.Join(dir, "got.jpg"))
	headers, _ := os.ReadFile(filepath.Join(dir, "headers"))
	if err != nil || string(got) != "a photo" || !strings.Contains(string(headers), `attachment; filename="parcel.jpg"`) {
		t.Errorf("got %q, %v\n%s", got, err, headers)
	}
	rest(user, "DELETE", "/messages/"+string(sent.MessageID), "", nil)
	if answer := curl(shared.URL()+"/documents/"+string(u.ID), "-H", "Authorization: Bearer "+agent.token); !strings.Contains(answer, `"not_found"`) {
		t.Errorf("after the deletion: %s", answer)
	}
}
