package e2e_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"aiwm-chat/shared/auth"
	"aiwm-chat/shared/chat"
	"aiwm-chat/shared/protocol"
)

// G2 and G8: a repeat stores nothing, another body is refused, over either
// interface.
func TestRepeats(t *testing.T) {
	user, agent, id := talk(t, shared)
	first := data[protocol.Sent](t, user.must("send", fields{"conversationId": id, "content": "once", "clientMessageId": "m-1"}))
	again := data[protocol.Sent](t, user.must("send", fields{"conversationId": id, "content": "once", "clientMessageId": "m-1"}))
	if !again.Duplicate || again.MessageID != first.MessageID || again.Seq != first.Seq || again.CreatedAt != first.CreatedAt {
		t.Errorf("the repeat got %+v, the first %+v", again, first)
	}
	overREST := user.postMessage(string(id), "once", "m-1")
	if !overREST.Duplicate || overREST.MessageID != first.MessageID {
		t.Errorf("the repeat over REST got %+v", overREST)
	}
	_, err := user.ask("send", fields{"conversationId": id, "content": "twice", "clientMessageId": "m-1"})
	if code(t, err) != chat.Conflict {
		t.Errorf("another body got %v", err)
	}
	// The agent's ids are its own.
	if sent := data[protocol.Sent](t, agent.must("send", fields{"conversationId": id, "content": "once", "clientMessageId": "m-1"})); sent.Duplicate || sent.Seq != 2 {
		t.Errorf("the agent's own m-1 got %+v", sent)
	}
	// A repeat is answered also when the conversation was closed meanwhile.
	user.call(http.MethodPut, "/conversations/"+string(id), fields{"status": "closed"}, nil)
	if sent := user.postMessage(string(id), "once", "m-1"); !sent.Duplicate {
		t.Errorf("the repeat in a closed conversation got %+v", sent)
	}
	_, err = user.ask("send", fields{"conversationId": id, "content": "more"})
	if code(t, err) != chat.ConversationClosed {
		t.Errorf("a new message in a closed conversation got %v", err)
	}
	user.call(http.MethodPut, "/conversations/"+string(id), fields{"status": "active"}, nil)
	user.say(id, "more")
}

func TestIdempotencyKey(t *testing.T) {
	user := newUser(t, shared)
	id := user.open(newAgent(t, shared))
	body := `{"conversationId":"` + string(id) + `","content":"once","clientMessageId":"k-1"}`
	if status, _, b := user.raw(http.MethodPost, "/messages", "application/json", body); status != http.StatusCreated {
		t.Errorf("the first got %d: %s", status, b)
	}
	if status, _, b := user.raw(http.MethodPost, "/messages", "application/json", body); status != http.StatusOK || !strings.Contains(string(b), `"duplicate":true`) {
		t.Errorf("the repeat got %d: %s", status, b)
	}
}

// G4: who was away gets the rest by afterSeq, in frames that fit, or over REST.
func TestResume(t *testing.T) {
	user, agent, id := talk(t, shared)
	long := strings.Repeat("ü", 10_000)
	for i := range 6 {
		user.say(id, fmt.Sprint(i, long))
	}
	late := agent.device()
	late.must("join", fields{"conversationId": id, "afterSeq": 2})
	want := int64(3)
	for frames, more := 0, true; more; frames++ {
		if frames > 6 {
			t.Fatal("the history does not end")
		}
		f := late.expect(protocol.EventHistory)
		if len(f.Data) > protocol.MaxFrame {
			t.Errorf("a frame of %d bytes", len(f.Data))
		}
		h := data[protocol.History](t, f)
		for _, raw := range h.Messages {
			if m := decode[protocol.Message](t, raw); m.Seq != want || m.Truncated {
				t.Errorf("got seq %d (truncated: %t), want %d", m.Seq, m.Truncated, want)
			}
			want++
		}
		more = h.HasMore
		if more && h.NextAfterSeq != want-1 {
			t.Errorf("the cursor is %d after seq %d", h.NextAfterSeq, want-1)
		}
	}
	if want != 7 {
		t.Errorf("the history ended before seq %d", want)
	}
}

func TestHistoryIsTheNewestFifty(t *testing.T) {
	user, _, id := talk(t, shared)
	for i := range 55 {
		user.say(id, fmt.Sprint("message ", i+1))
	}
	late := user.device()
	if joined := late.join(id); joined.LastSeq != 55 {
		t.Errorf("joined with %+v", joined)
	}
	h := data[protocol.History](t, late.expect(protocol.EventHistory))
	first := decode[protocol.Message](t, h.Messages[0])
	if len(h.Messages) != 50 || first.Seq != 6 || !h.HasMore || h.NextBeforeSeq != 6 {
		t.Errorf("%d messages from seq %d, more: %t before %d", len(h.Messages), first.Seq, h.HasMore, h.NextBeforeSeq)
	}
	var page protocol.MessagePage
	user.call(http.MethodGet, fmt.Sprintf("/messages?conversationId=%s&beforeSeq=%d", id, h.NextBeforeSeq), nil, &page)
	if len(page.Data) != 5 || page.Data[0].Seq != 1 || page.Pagination.HasMore {
		t.Errorf("before it: %+v", page.Pagination)
	}
}

// A message that no frame can hold arrives cut and says so; REST has it whole.
func TestLongMessageArrivesCut(t *testing.T) {
	user, agent, id := talk(t, shared)
	content := strings.Repeat("long ", 12_000)
	sent := user.postMessage(string(id), content, "")
	got := data[protocol.Message](t, agent.expect(protocol.EventMessageNew))
	if !got.Truncated || !strings.HasPrefix(content, got.Content) || len(got.Content) < 20_000 {
		t.Errorf("the frame has %d bytes of content, truncated: %t", len(got.Content), got.Truncated)
	}
	var whole protocol.Message
	agent.call(http.MethodGet, "/messages/"+string(sent.MessageID), nil, &whole)
	if whole.Content != content || whole.Truncated {
		t.Errorf("REST has %d bytes, truncated: %t", len(whole.Content), whole.Truncated)
	}
}

// G5: Redis may be emptied at any moment.
func TestRedisEmptied(t *testing.T) {
	emptiesRedis(t)
	s := start(t, options())
	user, agent, id := talk(t, s)
	user.say(id, "before")
	if err := redisOf(t, s).FlushAll(t.Context()).Err(); err != nil {
		t.Fatal(err)
	}
	if sent := user.say(id, "after"); sent.Seq != 2 {
		t.Errorf("after the flush: %+v", sent)
	}
	for range 2 {
		user.expect(protocol.EventMessageNew) // the sender's connection was registered by its frame
	}
	f := agent.must("ping", nil)
	if pong := data[protocol.Pong](t, f); !pong.Resync {
		t.Errorf("the agent is not told to join again: %s", f.Data)
	}
	agent.must("join", fields{"conversationId": id, "afterSeq": 1})
	h := data[protocol.History](t, agent.expect(protocol.EventHistory))
	if len(h.Messages) != 1 || h.HasMore {
		t.Errorf("after joining again the agent got %+v", h)
	}
	user.say(id, "and on")
	if m := data[protocol.Message](t, agent.expect(protocol.EventMessageNew)); m.Seq == 1 {
		m = data[protocol.Message](t, agent.expect(protocol.EventMessageNew))
		if m.Seq != 3 {
			t.Errorf("the agent got seq %d", m.Seq)
		}
	}
	if pong := data[protocol.Pong](t, agent.must("ping", nil)); pong.Resync {
		t.Error("the agent is told to join again twice")
	}
}

// Nothing said to an agent that is away is lost.
func TestUnansweredMessagesWaitForTheAgent(t *testing.T) {
	user, agent := newUser(t, shared).connect(), newAgent(t, shared)
	first, second, answered := user.open(agent), user.open(agent), user.open(agent)
	if sent := user.say(first, "anybody there?"); sent.IsAgentOnline() {
		t.Error("an agent that never connected is online")
	}
	user.say(second, "and here?")
	user.say(answered, "thanks?")
	agent.postMessage(string(answered), "you are welcome", "")
	agent.connect()
	waiting := map[chat.ConversationID]string{}
	for range 2 {
		m := data[protocol.Message](t, agent.expect(protocol.EventMessageFromUser))
		waiting[m.ConversationID] = m.Content
	}
	if waiting[first] != "anybody there?" || waiting[second] != "and here?" {
		t.Errorf("the agent was given %v", waiting)
	}
	agent.expectNot(protocol.EventMessageFromUser)
}

// What one byte can become on its way out of Lambda must still fit: a history
// that cannot be read could never be recovered.
func TestHistoryOfControlCharacters(t *testing.T) {
	user := newUser(t, shared)
	id := user.open(newAgent(t, shared))
	for range 26 {
		user.postMessage(string(id), strings.Repeat("\x01", 40_000), "")
	}
	seen := int64(0)
	for more := true; more; {
		var page protocol.MessagePage
		user.call(http.MethodGet, fmt.Sprintf("/messages?conversationId=%s&afterSeq=%d", id, seen), nil, &page)
		for _, m := range page.Data {
			if seen++; m.Seq != seen {
				t.Fatalf("got seq %d, want %d", m.Seq, seen)
			}
		}
		more = page.Pagination.HasMore
	}
	if seen != 26 {
		t.Errorf("read %d messages of 26", seen)
	}
}

// An agent whose token expires has gone, for everybody and in every place.
func TestTokenThatExpiresWhileConnected(t *testing.T) {
	user, agent := newUser(t, shared).connect(), newAgent(t, shared)
	id := user.open(agent)
	user.join(id)
	token, err := shared.Token(agent.principal, 2*time.Second-auth.Leeway)
	if err != nil {
		t.Fatal(err)
	}
	agent.token = token
	agent.connect()
	user.expect(protocol.EventPresence)
	eventually(t, "the token has expired", func() bool {
		_, err := agent.ask("ping", nil)
		return code(t, err) == chat.TokenExpired
	})
	if p := data[protocol.Presence](t, user.expect(protocol.EventPresence)); p.ID != agent.principal.ID || p.Status != protocol.Offline {
		t.Errorf("the user hears %+v", p)
	}
}
