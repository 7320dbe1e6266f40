package e2e_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os/exec"
	"slices"
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
	c, err := reach(t.Context(), p.webSocket, p.userToken)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	greeting, err := c.Next(t.Context(), protocol.EventConnected)
	if err != nil {
		t.Fatal(err)
	}
	user := chat.Principal{Type: chat.User, ID: data[protocol.Connected](t, greeting).UserID, OrgID: chat.DefaultOrg}
	var talk protocol.Conversation
	rest := p.rest(t, p.userToken)
	if err := rest.Do(t.Context(), http.MethodPost, "/conversations", fields{"title": "t", "agentId": "demo-agent"}, &talk); err != nil {
		t.Fatal(err)
	}
	record := checker.NewRecorder()
	record.Member(talk.ID, user)
	record.Open("before", user)
	if _, err := c.Request(t.Context(), "join", fields{"conversationId": talk.ID, "afterSeq": 0}); err != nil {
		t.Fatal(err)
	}
	record.Join("before", user, talk.ID, 0)
	say := func(rest *client.REST, n int) error {
		key := checker.Key{Conversation: talk.ID, Sender: user, Client: chat.ClientMessageID(fmt.Sprint("m", n))}
		text := fmt.Sprint("number ", n)
		attempt := record.Try(key, text, 0)
		in := fields{"conversationId": talk.ID, "content": text, "clientMessageId": key.Client}
		var sent protocol.Sent
		var f client.Frame
		var err error
		if rest != nil {
			err = rest.Do(t.Context(), http.MethodPost, "/messages", in, &sent)
		} else if f, err = c.Request(t.Context(), "send", in); err == nil {
			sent = data[protocol.Sent](t, f)
		}
		if err == nil {
			record.Acknowledge(attempt, sent.Seq, sent.MessageID)
		}
		return err
	}
	const most = 10_000 // far more than there is room for
	var refused []int
	for n := 0; len(refused) < 10; n++ {
		via := rest
		if n%2 == 0 {
			via = nil
		}
		err := say(via, n)
		if err == nil && len(refused) > 0 {
			t.Error("something was stored on a full disk")
		}
		if err != nil {
			refused = append(refused, n)
			if e, is := errors.AsType[*client.Error](err); !is || e.Code != chat.Unavailable || !e.Retryable {
				t.Errorf("on a full disk %d is refused with %v", n, err)
			}
		}
		if n == most {
			t.Fatal("the disk does not fill")
		}
	}
	if _, acknowledged := record.Acknowledged(); acknowledged < 20 {
		t.Fatalf("%d messages were acknowledged", acknowledged)
	}
	if err := rest.Do(t.Context(), http.MethodGet, "/health", nil, nil); err == nil {
		t.Error("on a full disk it is healthy")
	}
	note(record, c, "before", user)
	if err := p.cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	p.wait(t)
	record.Close("before")

	p = runLocal(t, dir, "-timescale", "20") // a sweep every three seconds
	rest = p.rest(t, p.userToken)
	for _, n := range refused { // as it says that one may
		persist(t, "send again", func(context.Context) error { return say(rest, n) })
	}
	var end checker.Conversation
	eventually(t, "the totals are those of the log", func() bool { // what was left was left to sweep
		end, err = evidence.Conversation(t.Context(), rest, talk.ID, user.OrgID)
		return err == nil && end.Total == int64(len(end.Log))
	})
	clear(end.Online)
	r := checker.Check(record.History(), checker.Final{At: time.Now(), Conversations: map[chat.ConversationID]checker.Conversation{talk.ID: end}}, killedBounds)
	attempts, acknowledged := record.Acknowledged()
	t.Logf("%d attempts, %d acknowledged, %d in the log: %v", attempts, acknowledged, len(end.Log), r)
	if !r.OK() {
		t.Error(r.Details())
	}
	if acknowledged != len(end.Log) {
		t.Errorf("%d were acknowledged, %d are in the log", acknowledged, len(end.Log))
	}
}

// note has the checker know what a connection got.
func note(record *checker.Recorder, c *client.Client, link string, p chat.Principal) {
	for _, f := range slices.Clone(c.Frames()) {
		if f.Event == protocol.EventMessageNew {
			if m, err := client.Data[protocol.Message](f); err == nil {
				record.Frame(link, p, m.ConversationID, evidence.Entry(m, p.OrgID))
			}
		}
	}
}
