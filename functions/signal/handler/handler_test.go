package handler_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-lambda-go/events"

	"aiwm-chat/functions/signal/handler"
	"aiwm-chat/shared/chat"
	"aiwm-chat/shared/delivery"
	"aiwm-chat/shared/gateway"
	"aiwm-chat/shared/protocol"
)

var (
	errDown = errors.New("no route to host")
	alice   = chat.Principal{Type: chat.User, ID: "alice", OrgID: "acme"}
	bob     = chat.Principal{Type: chat.User, ID: "bob", OrgID: "acme"}
	agent   = chat.Principal{Type: chat.Agent, ID: "bot", OrgID: "acme"}
	eve     = chat.Principal{Type: chat.User, ID: "eve", OrgID: "acme"}
)

// A world is one conversation. It records the steps of a call and fails those it is told to.
type world struct {
	c     chat.Conversation
	steps []string
	fail  map[string]error
	over  chat.LiveCallID // in the way of the first invite
	state chat.LiveCall   // after a step
	known bool

	answer string // what the caller is told
}

func newWorld() *world {
	return &world{fail: map[string]error{}, known: true, state: chat.LiveCall{ID: "k", State: chat.CallRinging}, c: chat.Conversation{
		ID: "c1", OrgID: "acme", Status: chat.Active,
		Participants: []chat.Participant{{Type: chat.User, ID: "alice"}, {Type: chat.User, ID: "bob"}, {Type: chat.Agent, ID: "bot"}},
	}}
}

func (w *world) step(name string, args ...any) error {
	w.steps = append(w.steps, strings.TrimSpace(name+" "+fmt.Sprint(args...)))
	return w.fail[name]
}

func (w *world) Conversation(_ context.Context, p chat.Principal, id chat.ConversationID) (chat.Conversation, error) {
	if id != w.c.ID || !w.c.HasParticipant(p) {
		return chat.Conversation{}, chat.Errorf(chat.NotFound, "there is no such conversation")
	}
	return w.c, nil
}

func (w *world) AllowIn(_ context.Context, _ chat.Principal, u chat.Use, _ chat.ConversationID) (*chat.Quota, error) {
	return nil, w.fail["allow "+string(u)]
}

func (w *world) WatchCall(_ context.Context, c chat.WatchedCall) error { return w.step("watch", c.ID) }

func (w *world) UnwatchCall(_ context.Context, c chat.WatchedCall) { w.step("unwatch", c.ID) }

func (w *world) Signal(_ context.Context, in chat.Signal) (chat.LiveCall, chat.LiveCallID, error) {
	err := w.step(string(in.Kind), in.CallID, " ", in.By, " ", in.PartyID, " ", in.Invitees)
	over := w.over
	w.over = ""
	c := w.state
	c.Next = time.Now().Add(chat.RingTime)
	return c, over, err
}

func (w *world) LookAtCall(_ context.Context, _ chat.ConversationID, call chat.LiveCallID) (chat.LiveCall, bool, error) {
	err := w.step("look", call)
	c := w.state
	if call != "k" {
		c = chat.LiveCall{ID: call, State: chat.CallEnded, Outcome: chat.CallMissed}
	}
	c.Next = time.Now().Add(30 * time.Second)
	return c, w.known, err
}

func (w *world) Connections(_ context.Context, ps ...chat.Principal) (all []chat.Connection, err error) {
	for _, p := range ps {
		all = append(all, chat.Connection{ID: chat.ConnectionID(p.ID + "="), Principal: p}, chat.Connection{ID: chat.ConnectionID(p.ID + "2="), Principal: p})
	}
	return all, w.step("connections", len(ps))
}

func (w *world) Rooms(context.Context, ...chat.ConversationID) ([]chat.Room, error) {
	return []chat.Room{{{ID: "bob=", Principal: bob}, {ID: "eve=", Principal: eve}}}, w.step("room")
}

func (w *world) Place(_ context.Context, m chat.Message) (chat.Message, bool, error) {
	return m, true, w.step("place", m.ClientMessageID, " ", m.Sender, " ", m.Role, " ", m.Type, " ", m.Content)
}

func (w *world) EnqueueStream(_ context.Context, job protocol.StreamJob, delay time.Duration) error {
	return w.step("job", job.CallID, " ", job.ConversationID, " ", job.OrgID, " ", delay)
}

func (w *world) Broadcast(_ context.Context, to []chat.Connection, frame []byte, passes delivery.Passes) delivery.Result {
	var f struct {
		Event string
		Data  protocol.CallSignal
	}
	if err := json.Unmarshal(frame, &f); err != nil {
		panic(err)
	}
	line := fmt.Sprint(f.Event, " ", f.Data.Kind, " from ", f.Data.From.ID, ":")
	for _, c := range to {
		line += " " + string(c.ID)
	}
	if passes != delivery.Once {
		line += " with patience"
	}
	w.step(line)
	return delivery.Result{}
}

func (w *world) Forget(context.Context, []chat.Gone, chat.ConversationID) {}

func (w *world) Post(_ context.Context, _ chat.Connection, frame []byte) error {
	w.answer += string(frame)
	return nil
}

func (w *world) Close(context.Context, chat.Connection) {}

// ask is a frame of somebody.
func (w *world) ask(t *testing.T, by chat.Principal, in protocol.Signal) {
	t.Helper()
	in.Envelope = protocol.Envelope{Action: "signal", ID: "f1"}
	in.ConversationID, in.CallID, in.PartyID = "c1", "k", "tab"
	body, err := protocol.Marshal(in)
	if err != nil {
		t.Fatal(err)
	}
	synctest.Test(t, func(t *testing.T) {
		handle := gateway.Frames(w, gateway.Routed(map[string]gateway.FrameHandler{"signal": gateway.Decoded(handler.New(w, w, w, w, w, w).Handle)}))
		if _, err := handle(t.Context(), events.APIGatewayWebsocketProxyRequest{
			Body:           string(body),
			RequestContext: events.APIGatewayWebsocketProxyRequestContext{ConnectionID: string(by.ID) + "=", RouteKey: "signal", Authorizer: gateway.AuthorizerContext(by, time.Now().Add(time.Hour), chat.AIWM)},
		}); err != nil {
			t.Fatal(err)
		}
	})
}

func TestSignal(t *testing.T) {
	toBob, toAgent, toEve, toSelf := &protocol.Identity{Type: chat.User, ID: "bob"}, &protocol.Identity{Type: chat.Agent, ID: "bot"}, &protocol.Identity{Type: chat.User, ID: "eve"}, &protocol.Identity{Type: chat.User, ID: "alice"}
	over := chat.LiveCall{ID: "k", State: chat.CallEnded, Outcome: chat.CallOver, Duration: 205 * time.Second}
	everybody := "alice2= bob= bob2= bot= bot2="
	for _, tt := range []struct {
		name   string
		by     chat.Principal
		in     protocol.Signal
		change func(*world)
		code   chat.Code // "": it is answered
		steps  []string
	}{
		{"invite", alice, protocol.Signal{Kind: chat.SignalInvite}, nil, "", []string{"watch k", "invite k user:alice tab 1", "job k c1 acme 1m0s", "connections 3", "call:signal invite from alice: " + everybody}},
		{"invite one", alice, protocol.Signal{Kind: chat.SignalInvite, To: toBob}, nil, "", []string{"watch k", "invite k user:alice tab 1", "job k c1 acme 1m0s", "connections 1", "call:signal invite from alice: bob= bob2="}},
		{"invite an agent", alice, protocol.Signal{Kind: chat.SignalInvite, To: toAgent}, nil, "", []string{"watch k", "invite k user:alice tab 1", "job k c1 acme 1m0s", "connections 1", "call:signal invite from alice: bot= bot2="}},
		{"invite a stranger", alice, protocol.Signal{Kind: chat.SignalInvite, To: toEve}, nil, chat.ValidationFailed, nil},
		{"invite oneself", alice, protocol.Signal{Kind: chat.SignalInvite, To: toSelf}, nil, chat.ValidationFailed, nil},
		{"invite as a stranger", eve, protocol.Signal{Kind: chat.SignalInvite}, nil, chat.NotFound, nil},
		{"invite where it is closed", alice, protocol.Signal{Kind: chat.SignalInvite}, func(w *world) { w.c.Status = chat.Closed }, chat.ConversationClosed, nil},
		{"too many", alice, protocol.Signal{Kind: chat.SignalInvite}, func(w *world) { w.fail["allow signal"] = chat.LimitedFor(time.Second) }, chat.RateLimited, nil},
		{"a stranger's too many", eve, protocol.Signal{Kind: chat.SignalInvite}, func(w *world) { w.fail["allow signal"] = chat.LimitedFor(time.Second) }, chat.NotFound, nil},
		{"not watched", alice, protocol.Signal{Kind: chat.SignalInvite}, func(w *world) { w.fail["watch"] = errDown }, chat.Internal, []string{"watch k"}},
		{"refused", alice, protocol.Signal{Kind: chat.SignalInvite}, func(w *world) { w.fail["invite"] = chat.Errorf(chat.Conflict, "another") }, chat.Conflict, []string{"watch k", "invite k user:alice tab 1"}},
		{"no job", alice, protocol.Signal{Kind: chat.SignalInvite}, func(w *world) { w.fail["job"] = errDown }, chat.Internal, []string{"watch k", "invite k user:alice tab 1", "job k c1 acme 1m0s"}},
		{"nobody to be found", alice, protocol.Signal{Kind: chat.SignalInvite}, func(w *world) { w.fail["connections"] = errDown }, "", []string{"watch k", "invite k user:alice tab 1", "job k c1 acme 1m0s", "connections 3"}},
		{"one that was left", alice, protocol.Signal{Kind: chat.SignalInvite}, func(w *world) { w.over = "old" }, "", []string{
			"watch k", "invite k user:alice tab 1", "look old", "place call:old system:aiwm system system Missed call", "unwatch old", "invite k user:alice tab 1", "job k c1 acme 1m0s", "connections 3", "call:signal invite from alice: " + everybody,
		}},
		{"answer", bob, protocol.Signal{Kind: chat.SignalAnswer}, nil, "", []string{"answer k user:bob tab 1", "connections 3", "call:signal answer from bob: alice= alice2= bob2= bot= bot2="}},
		{"answer in a crowd", bob, protocol.Signal{Kind: chat.SignalAnswer}, func(w *world) {
			for i := range chat.MaxLively {
				w.c.Participants = append(w.c.Participants, chat.Participant{Type: chat.User, ID: chat.PrincipalID(fmt.Sprint("u", i))})
			}
		}, "", []string{"answer k user:bob tab 51", "room", "call:signal answer from bob:"}},
		{"alive", bob, protocol.Signal{Kind: chat.SignalAlive}, nil, "", []string{"alive k user:bob tab 1"}},
		{"hang up", bob, protocol.Signal{Kind: chat.SignalHangup}, func(w *world) { w.state = over }, "", []string{
			"hangup k user:bob tab 1", "connections 3", "call:signal hangup from bob: alice= alice2= bob2= bot= bot2=", "place call:k system:aiwm system system Call ended after 3:25", "unwatch k",
		}},
		{"hang up where it is closed", bob, protocol.Signal{Kind: chat.SignalHangup}, func(w *world) { w.state, w.c.Status = over, chat.Closed; w.fail["place"] = chat.ErrConversationClosed }, "", []string{
			"hangup k user:bob tab 1", "connections 3", "call:signal hangup from bob: alice= alice2= bob2= bot= bot2=", "place call:k system:aiwm system system Call ended after 3:25", "unwatch k",
		}},
		{"hang up without the log", bob, protocol.Signal{Kind: chat.SignalHangup}, func(w *world) { w.state = over; w.fail["place"] = errDown }, "", []string{
			"hangup k user:bob tab 1", "connections 3", "call:signal hangup from bob: alice= alice2= bob2= bot= bot2=", "place call:k system:aiwm system system Call ended after 3:25",
		}},
		{"hang up another's", bob, protocol.Signal{Kind: chat.SignalHangup}, func(w *world) { w.fail["hangup"] = chat.Errorf(chat.Forbidden, "no") }, chat.Forbidden, []string{"hangup k user:bob tab 1"}},
		{"decline", bob, protocol.Signal{Kind: chat.SignalReject}, func(w *world) { w.state = chat.LiveCall{ID: "k", State: chat.CallEnded, Outcome: chat.CallDeclined} }, "", []string{
			"reject k user:bob tab 1", "connections 3", "call:signal reject from bob: alice= alice2= bob2= bot= bot2=", "place call:k system:aiwm system system Call declined", "unwatch k",
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld()
			if tt.change != nil {
				tt.change(w)
			}
			w.ask(t, tt.by, tt.in)
			want := fmt.Sprintf(`"event":"call:state","id":"f1","data":{"conversationId":"c1","callId":"k","state":"%s"`, w.state.State)
			if tt.code != "" {
				want = fmt.Sprintf(`"code":"%s"`, tt.code)
			}
			if !strings.Contains(w.answer, want) || strings.Count(w.answer, `"id":"f1"`) != 1 {
				t.Errorf("answered %s, want %s", w.answer, want)
			}
			if !slices.Equal(w.steps, tt.steps) {
				t.Errorf("did\n%q\nwant\n%q", w.steps, tt.steps)
			}
		})
	}
}

// A look ends what is over and says so, whoever was to do it; what it cannot say is looked
// at again.
func TestLook(t *testing.T) {
	watched := chat.WatchedCall{OrgID: "acme", ConversationID: "c1", ID: "k"}
	for _, tt := range []struct {
		name   string
		change func(*world)
		fails  bool
		steps  []string
	}{
		{"it goes on", func(*world) {}, false, []string{"look k", "job k c1 acme 30s"}},
		{"it goes on, and the queue does not", func(w *world) { w.fail["job"] = errDown }, true, []string{"look k", "job k c1 acme 30s"}},
		{"nothing is known", func(w *world) { w.known = false }, false, []string{"look k", "unwatch k"}},
		{"no Redis", func(w *world) { w.fail["look"] = errDown }, true, []string{"look k"}},
		{"it is over", func(w *world) {
			w.state = chat.LiveCall{State: chat.CallEnded, Outcome: chat.CallOver, Duration: 3723 * time.Second}
		}, false, []string{"look k", "place call:k system:aiwm system system Call ended after 1:02:03", "unwatch k"}},
		{"it is over, and the log away", func(w *world) {
			w.state = chat.LiveCall{State: chat.CallEnded, Outcome: chat.CallMissed}
			w.fail["place"] = errDown
		}, true, []string{"look k", "place call:k system:aiwm system system Missed call"}},
		{"the conversation is gone", func(w *world) {
			w.state = chat.LiveCall{State: chat.CallEnded, Outcome: chat.CallMissed}
			w.fail["place"] = chat.Errorf(chat.NotFound, "no")
		}, false, []string{"look k", "place call:k system:aiwm system system Missed call", "unwatch k"}},
		{"another one went on", func(w *world) { w.state = chat.LiveCall{State: chat.CallEnded, Outcome: chat.CallSuperseded} }, false, []string{"look k", "unwatch k"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld()
				tt.change(w)
				if err := handler.New(w, w, w, w, w, w).Look(t.Context(), watched); (err != nil) != tt.fails {
					t.Errorf("got %v", err)
				}
				if !slices.Equal(w.steps, tt.steps) {
					t.Errorf("did\n%q\nwant\n%q", w.steps, tt.steps)
				}
			})
		})
	}
}
