package handler_test

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-lambda-go/events"
	"go.uber.org/goleak"

	"aiwm-chat/functions/join/handler"
	"aiwm-chat/shared/chat"
	"aiwm-chat/shared/gateway"
	"aiwm-chat/shared/protocol"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var (
	errDown = errors.New("no route to host")
	user    = chat.Principal{Type: chat.User, ID: "u1", OrgID: "acme"}
	agent   = chat.Principal{Type: chat.Agent, ID: "a1", OrgID: "acme"}
)

// A world is a conversation of a user and an agent, its log and its room; it
// is also the connection of the caller. Each of its steps takes a moment, by the
// clock of the test.
type world struct {
	mu       sync.Mutex
	steps    []string
	began    map[string]time.Duration
	ended    map[string]time.Duration
	start    time.Time
	fail     map[string]error
	hangs    string        // this step does not come back before its time is up
	standing chat.Standing // empty: registered
	agentOut bool          // the agent is no participant
	managed  bool          // the backend answers for the agent
	invited  bool          // the user was added by somebody
	out      int           // how often a confirm finds the entry out
	log      []chat.Message
	total    int64
	company  chat.Company
	query    chat.MessageQuery
	frames   []frame
	final    bool // of streams only the ends are wanted
	streams  map[string]chat.Stream

	after       chat.ChangeCursor // that Changes got
	changed     []chat.Message
	moreChanged bool
}

const moment = 10 * time.Millisecond

type frame struct {
	Event, ID string
	Data      struct {
		LastSeq     int64
		Members     []protocol.Identity
		MemberCount int
		AgentOnline bool
		Typing      []protocol.Identity
		Messages    []json.RawMessage
		HasMore     bool
		StreamID    string
		Parts       []protocol.StreamText

		ChangedAfter string
	}
	Error struct{ Code chat.Code }
}

func (w *world) step(ctx context.Context, name string) error {
	w.mu.Lock()
	w.steps = append(w.steps, name)
	w.began[name] = time.Since(w.start)
	w.mu.Unlock()
	if w.hangs == name {
		<-ctx.Done()
		return ctx.Err()
	}
	time.Sleep(moment)
	w.mu.Lock()
	w.ended[name] = time.Since(w.start)
	w.mu.Unlock()
	return w.fail[name]
}

var (
	removed = chat.Principal{Type: chat.User, ID: "removed", OrgID: "acme"}
	room    = chat.Room{{ID: "A=", Principal: user}, {ID: "B=", Principal: agent}}
)

// mine fails the test where an entry is not the one that was made.
func mine(e chat.Entry) {
	if e.Connection.ID != "A=" || e.Connection.Principal != user || e.ConversationID != "c1" || e.Generation != "g1" {
		panic(fmt.Sprint("the entry is ", e))
	}
}

func (w *world) Conversation(ctx context.Context, p chat.Principal, id chat.ConversationID) (chat.Conversation, error) {
	if p != user || id != "c1" {
		panic(fmt.Sprint("conversation ", id, " of ", p))
	}
	c := chat.Conversation{
		ID: "c1", OrgID: "acme", AgentID: agent.ID, TotalMessages: w.total,
		Participants: []chat.Participant{{Type: user.Type, ID: user.ID}, {Type: agent.Type, ID: agent.ID}},
	}
	c.Participants[0].Invited = w.invited
	if w.agentOut {
		c.Participants = c.Participants[:1]
	}
	return c, w.step(ctx, "Conversation")
}

func (w *world) Accept(ctx context.Context, p chat.Principal, id chat.ConversationID) error {
	return w.step(ctx, "Accept")
}

func (w *world) Messages(ctx context.Context, _ chat.ConversationID, q chat.MessageQuery) ([]chat.Message, bool, error) {
	w.query = q
	return w.log, false, w.step(ctx, "Messages")
}

func (w *world) Changes(ctx context.Context, _ chat.ConversationID, after chat.ChangeCursor, limit int) ([]chat.Message, chat.ChangeCursor, bool, error) {
	w.after = after
	return w.changed, chat.ChangeCursor{Since: after.Since + 1}, w.moreChanged, w.step(ctx, "Changes")
}

func (w *world) ChangeCursor(ctx context.Context, _ chat.ConversationID) (chat.ChangeCursor, error) {
	return chat.ChangeCursor{Since: 7}, w.step(ctx, "ChangeCursor")
}

func (w *world) Enter(ctx context.Context, c chat.Connection, id chat.ConversationID, final bool) (chat.Entry, error) {
	w.final = final
	err := w.step(ctx, "Enter")
	return chat.Entry{Connection: c, ConversationID: id, Generation: "g1"}, err
}

func (w *world) Stream(ctx context.Context, id chat.ConversationID, stream string) (chat.Stream, error) {
	st := w.streams[stream]
	st.ConversationID, st.ID = id, stream
	return st, w.step(ctx, "Stream")
}

func (w *world) Standing(ctx context.Context, _ chat.Connection) (chat.Standing, error) {
	return cmp.Or(w.standing, chat.StandingOpen), w.step(ctx, "Standing")
}

func (w *world) Confirm(ctx context.Context, e chat.Entry, a chat.Principal) (chat.Company, bool, error) {
	mine(e)
	if a != agent {
		panic(fmt.Sprint("the agent is ", a))
	}
	w.out--
	return w.company, w.out < 0, w.step(ctx, "Confirm")
}

func (w *world) Withdraw(ctx context.Context, e chat.Entry) {
	mine(e)
	inTime(ctx)
	w.step(ctx, "Withdraw")
}

func (w *world) PutOut(ctx context.Context, entries []chat.Entry) error {
	if len(entries) != 1 {
		panic(fmt.Sprint("put out ", entries))
	}
	mine(entries[0])
	inTime(ctx)
	return w.step(ctx, "PutOut")
}

// inTime fails the test where an undo has no time, or too much.
func inTime(ctx context.Context) {
	deadline, bounded := ctx.Deadline()
	if err := ctx.Err(); err != nil || !bounded || time.Until(deadline) > time.Second {
		panic(fmt.Sprint("an undo until ", deadline, err))
	}
}

func (w *world) Joined(ctx context.Context, p chat.Principal, id chat.ConversationID, to chat.Room) {
	if err := ctx.Err(); err != nil || p != user || id != "c1" || len(to) != len(room) {
		panic(fmt.Sprint("announced ", p, id, to, err))
	}
	w.step(ctx, "user:joined")
}

func (w *world) Agent(_ context.Context, p chat.Principal) (chat.AgentProfile, error) {
	if p != agent || !w.managed {
		return chat.AgentProfile{}, chat.Errorf(chat.NotFound, "no such agent")
	}
	return chat.AgentProfile{ID: agent.ID, Managed: &chat.Managed{}}, nil
}

func (w *world) Post(ctx context.Context, _ chat.Connection, b []byte) error {
	var f frame
	if err := json.Unmarshal(b, &f); err != nil {
		return err
	}
	w.frames = append(w.frames, f)
	return w.step(ctx, f.Event)
}

func (w *world) Close(context.Context, chat.Connection) {}

// join plays one join, in a function that has five seconds.
func (w *world) join(t *testing.T, more string) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		w.start, w.began, w.ended = time.Now(), map[string]time.Duration{}, map[string]time.Duration{}
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
		defer cancel()
		_, err := gateway.Frames(w, gateway.Decoded(handler.New(w, w, w).Handle))(ctx, events.APIGatewayWebsocketProxyRequest{
			Body: `{"action":"join","id":"f1","conversationId":"c1"` + more + `}`,
			RequestContext: events.APIGatewayWebsocketProxyRequestContext{
				ConnectionID: "A=", RouteKey: "join", Authorizer: gateway.AuthorizerContext(user, time.Now().Add(time.Hour), chat.AIWM),
			},
		})
		if err != nil {
			t.Fatal(err)
		}
	})
}

func messages(from, n int) (log []chat.Message) {
	for i := range n {
		log = append(log, chat.Message{Seq: int64(from + i), Draft: chat.Draft{Content: strings.Repeat("x", 5000)}})
	}
	return log
}

// company is what a new member finds: itself, the agent, and one who is not out
// of the room yet.
func company() chat.Company {
	return chat.Company{New: true, Members: []chat.Principal{user, removed, agent}, Room: room, AgentOnline: true, Typing: []chat.Principal{agent}}
}

func TestJoin(t *testing.T) {
	w := &world{log: messages(1, 12), total: 10, company: company()}
	w.join(t, "")
	joined := w.frames[0]
	if joined.Event != "conversation:joined" || joined.ID != "f1" || !joined.Data.AgentOnline {
		t.Errorf("the reply is %+v", joined)
	}
	if joined.Data.LastSeq != 12 { // the projection lags behind the log
		t.Errorf("the last seq is %d", joined.Data.LastSeq)
	}
	if want := []protocol.Identity{{Type: "user", ID: "u1"}, {Type: "agent", ID: "a1"}}; !slices.Equal(joined.Data.Members, want) || joined.Data.MemberCount != 2 {
		t.Errorf("the members are %v, %d", joined.Data.Members, joined.Data.MemberCount)
	}
	if !slices.Equal(joined.Data.Typing, []protocol.Identity{{Type: "agent", ID: "a1"}}) {
		t.Errorf("who types is %v", joined.Data.Typing)
	}
	got := 0
	for i, f := range w.frames[1:] {
		if f.Event != "messages:history" || f.ID != "f1" || f.Data.HasMore != (i < len(w.frames)-2) {
			t.Errorf("frame %d is %+v", i, f)
		}
		got += len(f.Data.Messages)
	}
	if got != 12 || len(w.frames) < 4 {
		t.Errorf("%d messages in %d frames", got, len(w.frames)-1)
	}
	if w.query.Limit != 50 || w.query.AfterSeq != nil {
		t.Errorf("asked for %+v", w.query)
	}
}

// Who was here before gets what changed since, after the history; who was not the cursor
// for the next time.
func TestChanges(t *testing.T) {
	w := &world{log: messages(5, 1), company: company()}
	w.join(t, "")
	if joined := w.frames[0].Data; joined.ChangedAfter != "7" || len(w.frames) != 2 {
		t.Errorf("a first join: %+v", w.frames)
	}
	for _, more := range []bool{false, true} {
		w = &world{log: messages(5, 1), company: company(), changed: messages(1, 12), moreChanged: more}
		w.join(t, `,"afterSeq":4,"changedAfter":"30-40-m1"`)
		if want := (chat.ChangeCursor{Since: 30, At: 40, ID: "m1"}); w.after != want || w.frames[0].Data.ChangedAfter != "" || w.frames[1].Event != "messages:history" {
			t.Errorf("asked after %v: %+v", w.after, w.frames[:2])
		}
		got := 0
		for i, f := range w.frames[2:] {
			last := i == len(w.frames)-3
			if f.Event != "messages:changed" || f.ID != "f1" || f.Data.HasMore != (last && more) || (f.Data.ChangedAfter == "31") != last {
				t.Errorf("frame %d is %+v", i, f)
			}
			got += len(f.Data.Messages)
		}
		if got != 12 || len(w.frames) < 5 {
			t.Errorf("%d messages in %d frames", got, len(w.frames)-2)
		}
	}
	w = &world{company: company()}
	w.join(t, `,"changedAfter":"yesterday"`)
	if len(w.steps) != 1 || w.frames[0].Error.Code != chat.ValidationFailed {
		t.Errorf("a cursor of another time: %v %+v", w.steps, w.frames)
	}
}

// The agent is online where it is connected, or the backend answers for it, and only if it
// takes part.
func TestAgentOnline(t *testing.T) {
	for _, tt := range []struct{ connected, managed, out, want bool }{
		{false, false, false, false},
		{true, false, false, true},
		{false, true, false, true},
		{true, false, true, false},
		{false, true, true, false},
	} {
		w := &world{company: company(), managed: tt.managed, agentOut: tt.out}
		w.company.AgentOnline = tt.connected
		w.join(t, "")
		if got := w.frames[0].Data.AgentOnline; got != tt.want {
			t.Errorf("%+v: got %t", tt, got)
		}
	}
}

// The room is entered before the right to it is looked up and the history is
// read, it is confirmed after that, and the caller hears of it before the others.
func TestOrder(t *testing.T) {
	w := &world{log: messages(1, 1), company: company()}
	w.join(t, "")
	stages := [][]string{{"Enter"}, {"Conversation", "Messages", "ChangeCursor", "Standing"}, {"Confirm"}, {"conversation:joined"}, {"messages:history"}, {"user:joined"}}
	for i, stage := range stages {
		for _, step := range stage {
			if at, want := w.began[step], time.Duration(i)*moment; at != want {
				t.Errorf("%s began after %v, want %v: one step after what is before it, beside its like", step, at, want)
			}
		}
	}
	if len(w.steps) != 9 {
		t.Errorf("the steps were %v", w.steps)
	}
}

// Who joins sees what has been written of the answers that are open, after the
// history and before what others are told; not of those that may not begin, or have
// ended, and not where only the ends are wanted.
func TestOpenStreams(t *testing.T) {
	for _, tt := range []struct {
		more, fail string
		final      bool
		want       []string
	}{
		{"", "", false, []string{"s1 Hel", "s4 "}},
		{`,"streams":"full"`, "", false, []string{"s1 Hel", "s4 "}},
		{`,"streams":"final"`, "", true, nil},
		{"", "Stream", false, nil},
	} {
		w := &world{log: messages(1, 1), company: company(), fail: map[string]error{tt.fail: errDown}}
		w.company.Streams = []string{"s1", "s2", "s3", "s4", "s5"}
		w.streams = map[string]chat.Stream{
			"s1": {State: chat.StreamOpen, Parts: []chat.StreamPart{{Name: "content", Text: "Hel"}}},
			"s2": {State: chat.StreamProvisional}, "s3": {State: chat.StreamEnded}, "s4": {State: chat.StreamOpen},
		}
		w.join(t, tt.more)
		var got []string
		for _, f := range w.frames {
			if f.Event == "stream:snapshot" {
				text := f.Data.StreamID + " "
				for _, p := range f.Data.Parts {
					text += p.Text
				}
				got = append(got, text)
			}
		}
		if !slices.Equal(got, tt.want) || w.final != tt.final || !slices.Contains(w.steps, "user:joined") || w.frames[1].Event != "messages:history" {
			t.Errorf("%+v: got %q, final %v, steps %v", tt, got, w.final, w.steps)
		}
	}
}

func TestResume(t *testing.T) {
	w := &world{total: 7, company: chat.Company{Members: []chat.Principal{user}, Room: room}}
	w.join(t, `,"afterSeq":7`)
	if w.query.AfterSeq == nil || *w.query.AfterSeq != 7 || w.query.Limit != 500 {
		t.Errorf("asked for %+v", w.query)
	}
	if len(w.frames) != 2 || w.frames[0].Data.LastSeq != 7 || w.frames[1].Event != "messages:history" || len(w.frames[1].Data.Messages) != 0 {
		t.Errorf("got %+v", w.frames)
	}
	if w.frames[0].Data.Typing != nil {
		t.Errorf("%v types", w.frames[0].Data.Typing)
	}
	if slices.Contains(w.steps, "user:joined") {
		t.Error("a second device was announced")
	}
}

// Who may not be in the room is taken out, by whichever entry; after any other
// failure only the entry goes that this join made. What is not confirmed is not
// announced.
func TestFailures(t *testing.T) {
	notFound := chat.Errorf(chat.NotFound, "there is no such conversation")
	tests := []struct {
		name  string
		world *world
		want  chat.Code
		undo  string
	}{
		{"over the limit", &world{fail: map[string]error{"Enter": chat.LimitedFor(time.Second)}}, chat.RateLimited, ""},
		{"in too many rooms", &world{fail: map[string]error{"Enter": chat.Errorf(chat.TooManyRooms, "no")}}, chat.TooManyRooms, ""},
		{"not entered", &world{fail: map[string]error{"Enter": errDown}}, chat.Internal, ""},
		{"no participant", &world{fail: map[string]error{"Conversation": notFound}}, chat.NotFound, "PutOut"},
		{"not even taken out", &world{fail: map[string]error{"Conversation": notFound, "PutOut": errDown}}, chat.NotFound, "PutOut"},
		{"closed meanwhile", &world{standing: chat.StandingClosed}, chat.Unavailable, "PutOut"},
		{"no conversation to be read", &world{fail: map[string]error{"Conversation": errDown}}, chat.Internal, "Withdraw"},
		{"no history", &world{fail: map[string]error{"Messages": errDown}}, chat.Internal, "Withdraw"},
		{"MongoDB is away", &world{fail: map[string]error{"Messages": chat.Unavailablef(errDown, "try again")}}, chat.Unavailable, "Withdraw"},
		{"not known whether closed", &world{fail: map[string]error{"Standing": errDown}}, chat.Internal, "Withdraw"},
		{"no time left", &world{hangs: "Messages"}, chat.Unavailable, "Withdraw"},
		{"out again", &world{fail: map[string]error{"Confirm": chat.Errorf(chat.Unavailable, "try again")}}, chat.Unavailable, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			w := tt.world
			w.log, w.company = messages(1, 1), company()
			w.join(t, "")
			if len(w.frames) != 1 || w.frames[0].Error.Code != tt.want || w.frames[0].ID != "f1" {
				t.Errorf("got %+v", w.frames)
			}
			undone := slices.DeleteFunc(slices.Clone(w.steps), func(s string) bool { return s != "PutOut" && s != "Withdraw" })
			if strings.Join(undone, " ") != tt.undo {
				t.Errorf("undone by %v, want %q", undone, tt.undo)
			}
			if slices.Contains(w.steps, "user:joined") || slices.Contains(w.steps, "Confirm") != (tt.name == "out again") {
				t.Errorf("the steps were %v", w.steps)
			}
		})
	}
}

// Of two joins at once only the last one confirms: the other looks again, and is
// in by then. Who was put out meanwhile learns why. Who is not registered any more
// may be gone, and is not made a ghost by a second try.
func TestAJoinThatIsOutLooksAgain(t *testing.T) {
	once := []string{"Enter", "Standing", "Conversation", "Messages", "Confirm"}
	for _, tt := range []struct {
		out      int
		standing chat.Standing
		event    string
		code     chat.Code
		tries    int
	}{
		{1, chat.StandingOpen, "conversation:joined", "", 2}, {2, chat.StandingOpen, "error", chat.Unavailable, 2},
		{0, chat.StandingUnknown, "conversation:joined", "", 1}, {1, chat.StandingUnknown, "error", chat.Unavailable, 1},
	} {
		w := &world{out: tt.out, standing: tt.standing, company: company()}
		w.join(t, "")
		if len(w.frames) == 0 || w.frames[0].Event != tt.event || w.frames[0].Error.Code != tt.code {
			t.Errorf("out %d times: %+v", tt.out, w.frames)
		}
		for _, step := range once {
			n := 0
			for _, s := range w.steps {
				if s == step {
					n++
				}
			}
			if n != tt.tries {
				t.Errorf("out %d times: %d times %s in %v", tt.out, n, step, w.steps)
			}
		}
	}
}
