package e2e_test

import (
	"fmt"
	"maps"
	"net/http"
	"os"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"aiwm-chat/shared/chat"
	"aiwm-chat/shared/protocol"
)

// orders are numbers of orders: each test pays back its own.
var orders atomic.Int64

func order() string { return strconv.FormatInt(1000+orders.Add(1), 10) }

// refund asks for the refund of an order, which waits for approval.
func (a *asking) refund(order string) (question protocol.Sent, call chat.CallID) {
	a.t.Helper()
	question = a.say(a.id, fmt.Sprintf(`Pay it back, please. #tool shop__refund_order {"order": %q}`, order))
	return question, a.waits(question)
}

func (a *asking) approvals(call chat.CallID) string {
	return "/conversations/" + string(a.id) + "/approvals/" + string(call)
}

// byFrame decides over the WebSocket.
func (a *asking) byFrame(call chat.CallID, approved bool, with fields) error {
	a.t.Helper()
	in := fields{"conversationId": a.id, "toolCallId": call, "approved": approved}
	maps.Copy(in, with)
	_, err := a.ask("approve", in)
	return err
}

// refunded waits for the end of the run, and for who knows how often it paid an order back.
func (a *asking) refunded(question protocol.Sent, order string, times int, status chat.RunStatus, says string) {
	a.t.Helper()
	run, said := a.over(question, 0)
	if run.Status != status {
		a.t.Errorf("the run is %+v", run)
	}
	if m := answer(a.t, said); !strings.Contains(m.Content, says) {
		a.t.Errorf("the answer is %+v, want %q", m, says)
	}
	if n := a.server.Shop().Refunds(order); n != times {
		a.t.Errorf("%d refunds of the order, want %d", n, times)
	}
}

// A call that has to be approved waits, also while the server is started again, and is
// made once.
func TestRunWaitsThroughARestart(t *testing.T) {
	t.Parallel()
	if os.Getenv("MONGODB_URI") != "" {
		t.Skip("a real MongoDB is not restarted by this test")
	}
	o := options()
	o.Dir = t.TempDir()
	s := startBare(t, o)
	a := asks(t, s, nil)
	b := &asking{screen: newScreen(a.device()), agent: a.agent}
	b.another()
	ofA, ofB := order(), order()
	questionA, callA := a.refund(ofA)
	questionB, callB := b.refund(ofB)
	if s.Shop().Refunds(ofA)+s.Shop().Refunds(ofB) != 0 {
		t.Error("nobody approved it, and it was paid back")
	}
	stop(t, s)

	s = start(t, o)
	for _, one := range []*asking{a, b} {
		one.screen = newScreen(newActor(t, s, one.principal).connect())
		one.join(one.id)
	}
	if got := a.waits(questionA); got != callA {
		t.Errorf("it waits for %s, before for %s", got, callA)
	}
	if err := a.byFrame(callA, true, nil); err != nil {
		t.Error("approve:", err)
	}
	var decision protocol.Message
	b.call(http.MethodPost, b.approvals(callB), fields{"approved": true}, &decision)
	if d := decision.Approval; decision.ParticipantType != chat.System || d == nil || d.Status != chat.VerdictApproved || d.By != b.principal.ID || d.ToolCallID != callB {
		t.Errorf("the decision is %+v", decision)
	}
	a.refunded(questionA, ofA, 1, chat.RunComplete, "Order "+ofA+" is refunded (refund 1 of this order)")
	b.refunded(questionB, ofB, 1, chat.RunComplete, "Order "+ofB+" is refunded (refund 1 of this order)")
}

// What is decided is what happens, and what the model hears.
func TestRunIsDecided(t *testing.T) {
	t.Parallel()
	other := order()
	for name, tt := range map[string]struct {
		approved        bool
		with            fields
		refunds, others int
		says            string
	}{
		"approved":               {true, nil, 1, 0, "is refunded (refund 1"},
		"denied":                 {false, fields{"reason": "It was eaten."}, 0, 0, "did not allow this call. It was not made. Their reason: It was eaten."},
		"approved for something": {true, fields{"arguments": fields{"order": other}}, 0, 1, "Order " + other + " is refunded"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			a := asks(t, shared, nil)
			mine := order()
			question, call := a.refund(mine)
			if err := a.byFrame(call, tt.approved, tt.with); err != nil {
				t.Fatal("approve:", err)
			}
			a.refunded(question, mine, tt.refunds, chat.RunComplete, tt.says)
			if n := shared.Shop().Refunds(other); tt.others > 0 && n != tt.others {
				t.Errorf("%d refunds of the other order, want %d", n, tt.others)
			}
			if err := a.byFrame(call, tt.approved, tt.with); err != nil {
				t.Errorf("the same again, when the run is over: %v", err)
			}
			if err := a.byFrame(call, !tt.approved, nil); code(t, err) != chat.Conflict {
				t.Errorf("something else, when the run is over: %v", err)
			}
		})
	}
}

// Of two who decide at once one does, and the other learns what was decided and by whom.
func TestRunIsDecidedByTwo(t *testing.T) {
	t.Parallel()
	a := asks(t, shared, nil)
	guest := newUser(t, shared).connect()
	a.add(guest, a.id)
	other := *a
	other.screen = newScreen(guest)
	for range 3 {
		mine := order()
		question, call := a.refund(mine)
		var errs [2]error
		each(2, 2, func(i int) {
			if i == 0 {
				errs[0] = a.byFrame(call, true, nil)
			} else {
				errs[1] = other.try(http.MethodPost, other.approvals(call), fields{"approved": false}, nil)
			}
		})
		won, by, status, refunds, says := 0, a.principal, chat.VerdictApproved, 1, "is refunded (refund 1"
		if errs[0] != nil {
			won, by, status, refunds, says = 1, guest.principal, chat.VerdictDenied, 0, "did not allow"
		}
		if errs[won] != nil || code(t, errs[1-won]) != chat.Conflict {
			t.Fatalf("the two were told %v", errs)
		}
		if d := refusalOf(t, errs[1-won]).Details; d["by"] != string(by.ID) || d["status"] != string(status) || d["messageId"] == "" {
			t.Errorf("who came second was told %+v", d)
		}
		a.refunded(question, mine, refunds, chat.RunComplete, says)
	}
}

// Who takes no part decides nothing, nor who does no more, nor an agent.
func TestRunIsDecidedByNobodyElse(t *testing.T) {
	t.Parallel()
	a := asks(t, shared, nil)
	mine := order()
	question, call := a.refund(mine)
	stranger, removed, bot := newUser(t, shared), newUser(t, shared), newAgent(t, shared)
	own := newActor(t, shared, chat.Principal{Type: chat.Agent, ID: a.agent, OrgID: a.principal.OrgID})
	a.add(removed, a.id)
	a.add(bot, a.id)
	a.call(http.MethodDelete, "/conversations/"+string(a.id)+"/participants/user/"+string(removed.principal.ID), nil, nil)
	for name, tt := range map[string]struct {
		who  *actor
		code chat.Code
	}{
		"a stranger": {stranger, chat.NotFound}, "who was removed": {removed, chat.NotFound},
		"an agent": {bot, chat.Forbidden}, "the agent itself": {own, chat.Forbidden},
	} {
		if err := tt.who.try(http.MethodPost, a.approvals(call), fields{"approved": true}, nil); code(t, err) != tt.code {
			t.Errorf("%s, over REST: %v", name, err)
		}
		who := *a
		who.screen = newScreen(tt.who.connect())
		if err := who.byFrame(call, true, nil); code(t, err) != tt.code {
			t.Errorf("%s: %v", name, err)
		}
	}
	elsewhere := *a
	elsewhere.another()
	if err := elsewhere.byFrame(call, true, nil); code(t, err) != chat.NotFound {
		t.Errorf("in another conversation: %v", err)
	}
	time.Sleep(quiet)
	if got := a.waits(question); got != call || shared.Shop().Refunds(mine) != 0 {
		t.Errorf("it waits for %s", got)
	}
	a.call(http.MethodPost, "/runs/"+string(a.runID(question, 0))+"/stop", nil, nil)
	a.refunded(question, mine, 0, chat.RunCancelled, "")
	if err := a.byFrame(call, true, nil); code(t, err) != chat.Conflict || refusalOf(t, err).Details["status"] != string(chat.VerdictStopped) {
		t.Errorf("decided after the stop: %v", err)
	}
}

// A newer question takes the place of a call that waits.
func TestRunIsSuperseded(t *testing.T) {
	t.Parallel()
	a := asks(t, shared, nil)
	mine := order()
	question, call := a.refund(mine)
	if run, _ := a.over(a.say(a.id, "Never mind. How is the sea?"), 0); run.Status != chat.RunComplete {
		t.Errorf("the newer question: %+v", run)
	}
	run, _ := a.over(question, 0)
	if run.Status != chat.RunCancelled || shared.Shop().Refunds(mine) != 0 {
		t.Errorf("what waited ended as %+v", run)
	}
	if err := a.byFrame(call, true, nil); code(t, err) != chat.Conflict || refusalOf(t, err).Details["status"] != string(chat.VerdictSuperseded) {
		t.Errorf("decided after that: %v", err)
	}
}

// Nobody decides in time: the call is not made, and the model is told.
func TestRunIsNotDecided(t *testing.T) {
	t.Parallel()
	o := options()
	o.TimeScale = 30 // a sweep every two seconds
	a := asks(t, start(t, o), fields{"approvalSeconds": 1})
	mine := order()
	question, call := a.refund(mine)
	a.refunded(question, mine, 0, chat.RunComplete, "Nobody approved this call in time. It was not made.")
	if err := a.try(http.MethodPost, a.approvals(call), fields{"approved": true}, nil); code(t, err) != chat.Conflict || refusalOf(t, err).Details["status"] != string(chat.VerdictExpired) {
		t.Errorf("decided after that: %v", err)
	}
}
