package e2e_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"sync"
	"testing"

	"aiwm-chat/local/client"
	"aiwm-chat/local/proxy"
	"aiwm-chat/shared/chat"
	"aiwm-chat/shared/protocol"
)

// G1, G2, G8 where MongoDB changes its primary at each of the commands of an
// operation: once it refuses the command, and once it does it and does not know
// whether it stays. Nothing is answered with an error
// that forbids a repeat, and the repeat brings one message.
func TestElectionAtEveryCommand(t *testing.T) {
	if testing.Short() {
		t.Skip("half a minute, most of it waiting")
	}
	if os.Getenv("MONGODB_URI") != "" {
		t.Skip("the commands are those of the embedded server")
	}
	t.Parallel()
	base := start(t, options())
	uri, err := url.Parse(base.MongoURI())
	if err != nil {
		t.Fatal(err)
	}
	var mu sync.Mutex
	var seen []string
	var at string
	var hit proxy.Verdict
	arm := func(command string, v proxy.Verdict) (took []string) {
		mu.Lock()
		defer mu.Unlock()
		took, seen, at, hit = seen, nil, command, v
		return took
	}
	gate, err := proxy.NewGate(uri.Host, proxy.MongoDB, func(c proxy.Command) proxy.Verdict {
		mu.Lock()
		defer mu.Unlock()
		seen = append(seen, c.Name)
		if c.Name != at || hit.Fate == proxy.Doubt && !c.Write {
			return proxy.Verdict{}
		}
		at = ""
		return hit
	})
	if err != nil {
		t.Fatal(err)
	}
	uri.Host = gate.Addr()
	o := options()
	o.TimeScale = 20 // a sweep every three seconds
	o.Getenv = set(map[string]string{"MONGODB_URI": uri.String()})
	s := start(t, o)
	t.Cleanup(func() { _ = gate.Close() })
	user, agent, id := talk(t, s)
	messages := mongoOf(t, base)
	seq := int64(0)
	send := func(rest bool) func(n int) error {
		return func(n int) error {
			in := fields{"conversationId": id, "content": "hello", "clientMessageId": fmt.Sprint("m", n)}
			var sent protocol.Sent
			var f client.Frame
			var err error
			if rest {
				err = user.try(http.MethodPost, "/messages", in, &sent)
			} else if f, err = user.ask("send", in); err == nil {
				sent = data[protocol.Sent](t, f)
			}
			if err == nil {
				if seq++; sent.Seq != seq {
					t.Errorf("seq %d, want %d", sent.Seq, seq)
				}
			}
			return err
		}
	}
	guest := newUser(t, s)
	user.add(guest, id)
	removed := fmt.Sprintf("/conversations/%s/participants/user/%s", id, guest.principal.ID)
	n := 0
	for name, do := range map[string]func(int) error{
		"send": send(false), "POST message": send(true),
		"join":   func(int) error { _, err := agent.ask("join", fields{"conversationId": id}); return err },
		"remove": func(int) error { return user.try(http.MethodDelete, removed, nil, nil) },
	} {
		arm("", proxy.Verdict{})
		if err := do(n); err != nil {
			t.Fatal(name, err)
		}
		n++
		eventually(t, "it is done", func() bool {
			hasten(t, messages, id) // what was not done after an answer is the sweep's
			return due(t, messages, id) == 0
		})
		for _, command := range arm("", proxy.Verdict{}) {
			for what, v := range map[string]proxy.Verdict{
				"refused":  {Fate: proxy.Refuse, Code: 10107, Reason: "not primary"},
				"doubtful": {Fate: proxy.Doubt, Code: 64, Reason: "waiting for replication timed out"},
			} {
				arm(command, v)
				err := do(n)
				for try := 0; err != nil && try < 10; try++ {
					refusal, ok := errors.AsType[*client.Error](err)
					if !ok || refusal.Code != chat.Unavailable || !refusal.Retryable {
						t.Errorf("%s, %s %s: %v", name, command, what, err)
					}
					err = do(n)
				}
				if err != nil {
					t.Fatalf("%s, %s %s: %v in the end", name, command, what, err)
				}
				n++
			}
		}
	}
	arm("", proxy.Verdict{})
	var page protocol.MessagePage
	persist(t, "read", func(ctx context.Context) error {
		return user.rest.Do(ctx, http.MethodGet, "/messages?limit=100&afterSeq=0&conversationId="+string(id), nil, &page)
	})
	once := map[chat.ClientMessageID]bool{}
	for i, m := range page.Data {
		if m.Seq != int64(i+1) || once[m.ClientMessageID] {
			t.Errorf("place %d has seq %d, %s", i+1, m.Seq, m.ClientMessageID)
		}
		once[m.ClientMessageID] = true
	}
	if int64(len(page.Data)) != seq {
		t.Errorf("the log has %d messages of %d", len(page.Data), seq)
	}
}
