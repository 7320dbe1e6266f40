package e2e_test

import (
	"context"
	"errors"
	"net/http"
	"os/exec"
	"strconv"
	"testing"
	"time"

	"aiwm-chat/local/checker"
	"aiwm-chat/local/checker/evidence"
	"aiwm-chat/local/client"
	"aiwm-chat/shared/chat"
	"aiwm-chat/shared/protocol"
)

// runOnFullDisk starts a server no file of which may be longer than some bytes.
func runOnFullDisk(t *testing.T, dir string, bytes int) *process {
	t.Helper()
	shell, err := exec.LookPath("bash")
	if err != nil {
		t.Skip("no bash, which limits how long files may be")
	}
	cmd := command(t, dir, nil)
	limit := []string{shell, "-c", `ulimit -f "$1" && shift && exec "$@"`, "bash", strconv.Itoa(bytes >> 10)}
	cmd.Path, cmd.Args = shell, append(limit, append([]string{cmd.Path}, cmd.Args[1:]...)...)
	return greeted(t, cmd)
}

// G1, G2 and G8 where the disk is full: what cannot be stored is refused as
// unavailable, over both interfaces, and what was acknowledged is there when the
// server is started again where there is room.
func TestFullDisk(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	p := runOnFullDisk(t, dir, 256<<10)
	k, m := sceneIn(t, p)
	const most = 10_000 // far more than there is room for
	var refused []*utterance
	for n := 0; len(refused) < 10; n++ {
		u := k.utter(m, n%2 == 1)
		err := k.try(u)
		if err == nil && len(refused) > 0 {
			t.Error("something was stored on a full disk")
		}
		if err != nil {
			refused = append(refused, u)
			if e, is := errors.AsType[*client.Error](err); !is || e.Code != chat.Unavailable || !e.Retryable {
				t.Errorf("on a full disk %d is refused with %v", n, err)
			}
		}
		if n == most {
			t.Fatal("the disk does not fill")
		}
	}
	if _, acknowledged := k.record.Acknowledged(); acknowledged < 20 {
		t.Fatalf("%d messages were acknowledged", acknowledged)
	}
	if err := m.try(http.MethodGet, "/health", nil, nil); err == nil {
		t.Error("on a full disk it is healthy")
	}
	for _, f := range m.Frames() {
		k.note(m, m.link, f)
	}
	if err := p.cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	p.wait(t)
	k.close(m)

	p = runLocal(t, dir, "-timescale", "20") // a sweep every three seconds
	m.rest = p.rest(t, p.userToken)
	for _, u := range refused { // as it says that one may
		u.rest = true
		persist(t, "send again", func(context.Context) error { return k.try(u) })
	}
	var end checker.Conversation
	eventually(t, "the totals are those of the log", func() bool { // what was left was left to sweep
		var err error
		end, err = evidence.Conversation(t.Context(), m.rest, k.id, m.principal.OrgID)
		return err == nil && end.Total == int64(len(end.Log))
	})
	clear(end.Online)
	k.check(end, time.Now())
	if _, acknowledged := k.record.Acknowledged(); acknowledged != len(end.Log) {
		t.Errorf("%d were acknowledged, %d are in the log", acknowledged, len(end.Log))
	}
}

// sceneIn is one of a user alone, who is in the room, on a server that is a process.
func sceneIn(t *testing.T, p *process) (*scene, *member) {
	t.Helper()
	m := &member{link: unique("link"), actor: &actor{t: t, token: p.userToken, rest: p.rest(t, p.userToken), Client: p.connect(t, p.userToken)}}
	greeting := data[protocol.Connected](t, m.expect(protocol.EventConnected))
	m.principal = chat.Principal{Type: chat.User, ID: greeting.UserID, OrgID: chat.DefaultOrg}
	var c protocol.Conversation
	m.call(http.MethodPost, "/conversations", fields{"title": "t", "agentId": "demo-agent"}, &c)
	k := &scene{t: t, record: checker.NewRecorder(), bounds: killedBounds, id: c.ID, members: []*member{m}}
	k.record.Member(k.id, m.principal)
	k.record.Open(m.link, m.principal)
	k.join(m)
	return k, m
}
