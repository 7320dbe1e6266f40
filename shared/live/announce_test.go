package live_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"aiwm-chat/shared/chat"
	"aiwm-chat/shared/delivery"
	"aiwm-chat/shared/live"
	"aiwm-chat/shared/protocol"
)

var errDown = errors.New("no route to host")

// A world has rooms and connections. It records the steps, what each connection
// hears, and fails the steps it is told to.
type world struct {
	rooms   map[chat.ConversationID]chat.Room
	gone    map[chat.ConnectionID]bool
	devices []chat.Connection // in a room or not
	dies    chat.ConnectionID // is gone after the first broadcast
	fail    map[string]error
	of      map[chat.PrincipalID][]chat.ConversationID

	mu    sync.Mutex
	steps []string
	heard map[chat.ConnectionID][]string
	posts int
}

// member returns the connection "bob=" of the user bob, or "agent-a1=" of the
// agent agent-a1.
func member(name string) chat.Connection {
	c := connection(chat.ConnectionID(name+"="), chat.PrincipalID(name), time.Now().Add(time.Hour))
	if strings.HasPrefix(name, "agent") {
		c.Principal.Type = chat.Agent
	}
	return c
}

func members(names ...string) (room chat.Room) {
	for _, name := range names {
		room = append(room, member(name))
	}
	return room
}

// crowd returns n members.
func crowd(n int) chat.Room {
	names := make([]string, n)
	for i := range names {
		names[i] = fmt.Sprintf("m%03d", i)
	}
	return members(names...)
}

func (w *world) step(name string, args ...any) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.steps = append(w.steps, fmt.Sprint(append([]any{name}, args...)...))
	return w.fail[name]
}

func (w *world) Rooms(_ context.Context, ids ...chat.ConversationID) ([]chat.Room, error) {
	rooms := make([]chat.Room, len(ids))
	for i, id := range ids {
		rooms[i] = w.rooms[id]
	}
	return rooms, w.fail["rooms"]
}

// Connections are the devices of principals.
func (w *world) Connections(_ context.Context, ps ...chat.Principal) (all []chat.Connection, err error) {
	for _, c := range w.devices {
		if slices.Contains(ps, c.Principal) {
			all = append(all, c)
		}
	}
	return all, w.fail["connections"]
}

// Prune takes a while, and in this world ends the only connection of each. It decides
// before that, and of the agent ahead at another time, as after a clock that was.
func (w *world) Prune(_ context.Context, gone []chat.Gone, also chat.ConversationID) (d chat.Departure, err error) {
	at := time.Now()
	time.Sleep(10 * time.Millisecond)
	err = w.step("prune", " ", len(gone), " ", also)
	for _, g := range gone {
		d.Offline = append(d.Offline, chat.Absence{Principal: g.Connection.Principal, At: at})
		for _, id := range slices.Sorted(maps.Keys(w.rooms)) {
			room := w.rooms[id]
			if len(room.Without(g.Connection.Principal)) == len(room) {
				continue
			}
			w.rooms[id] = room.Without(g.Connection.Principal)
			d.Partings = append(d.Partings, chat.Parting{ConversationID: id, Principal: g.Connection.Principal, Left: w.rooms[id]})
		}
	}
	return d, err
}

func (w *world) Bury(ctx context.Context, c chat.Connection) (chat.Departure, error) {
	d, _ := w.Prune(ctx, []chat.Gone{{Connection: c}}, "")
	return d, w.step("bury", " ", c.ID)
}

func (w *world) Broadcast(ctx context.Context, to []chat.Connection, frame []byte, passes delivery.Passes) delivery.Result {
	posts := make([]delivery.Post, len(to))
	for i, c := range to {
		posts[i] = delivery.Post{To: c, Frame: frame}
	}
	return w.Deliver(ctx, posts, passes)
}

func (w *world) Deliver(_ context.Context, posts []delivery.Post, passes delivery.Passes) (r delivery.Result) {
	if passes != delivery.Once {
		panic("a notice is told with patience")
	}
	for i, post := range posts {
		var f struct {
			Event string
			Data  json.RawMessage
		}
		if err := json.Unmarshal(post.Frame, &f); err != nil {
			panic(err)
		}
		if i == 0 {
			w.step("tell", " ", len(posts), " ", f.Event)
		}
		w.posts++
		if w.gone[post.To.ID] {
			r.Gone = append(r.Gone, chat.Gone{Connection: post.To, At: time.Now()})
			continue
		}
		if w.heard == nil {
			w.heard = map[chat.ConnectionID][]string{}
		}
		w.heard[post.To.ID] = append(w.heard[post.To.ID], f.Event+" "+string(f.Data))
	}
	if w.dies != "" {
		w.gone[w.dies] = true
	}
	return r
}

func (w *world) SetAgentStatus(_ context.Context, p chat.Principal, online bool, at time.Time) error {
	return w.step("status", " ", p, " ", online, " ", at.UTC().Format(protocol.Timestamp))
}

func (w *world) ConversationsOf(_ context.Context, p chat.Principal, limit int) ([]chat.ConversationID, error) {
	if limit != protocol.MaxPresenceConversations {
		panic(fmt.Sprint("conversations up to ", limit))
	}
	return w.of[p.ID], w.fail["conversations"]
}

// A room over the limit hears nothing of who comes and goes; who is also in a
// smaller one hears of it there.
func TestQuietRooms(t *testing.T) {
	who := member("ann").Principal
	for _, n := range []int{chat.MaxNoticed, chat.MaxNoticed + 1} {
		for name, announce := range map[string]func(context.Context, *live.Announcer, chat.Room){
			"joined": func(ctx context.Context, a *live.Announcer, room chat.Room) { a.Joined(ctx, who, "c1", room) },
			"left": func(ctx context.Context, a *live.Announcer, room chat.Room) {
				a.Parted(ctx, []chat.Parting{{ConversationID: "c1", Principal: who, Left: room}})
			},
			"presence": func(ctx context.Context, a *live.Announcer, _ chat.Room) {
				a.Presence(ctx, who, true, time.Now())
			},
		} {
			room := crowd(n)
			w := &world{
				rooms: map[chat.ConversationID]chat.Room{"c1": room, "c2": {room[0], member("bob")}},
				of:    map[chat.PrincipalID][]chat.ConversationID{who.ID: {"c1", "c2"}},
			}
			announce(t.Context(), live.NewAnnouncer(w, w, w), room)
			want := n
			if n > chat.MaxNoticed {
				want = 0
			}
			if name == "presence" {
				want = max(want+1, 2) // Bob; of the crowd one hears in the small room
			}
			if len(w.heard) != want || w.posts != want {
				t.Errorf("%s, a room of %d: %d hear of it in %d posts, want %d", name, n, len(w.heard), w.posts, want)
			}
		}
	}
}

// Of many who part from a room its members hear in one frame.
func TestPartedTogether(t *testing.T) {
	part := func(id chat.ConversationID, who string, left ...string) chat.Parting {
		return chat.Parting{ConversationID: id, Principal: member(who).Principal, Left: members(left...)}
	}
	w := &world{}
	live.NewAnnouncer(w, w, w).Parted(t.Context(), []chat.Parting{
		part("c1", "ann", "bob", "cid", "dan"), part("c2", "ann", "eve"), part("c1", "bob", "cid", "dan"), part("c1", "cid", "dan"), part("c3", "ann"),
	})
	want := map[chat.ConnectionID][]string{
		"dan=": {`user:left {"conversationId":"c1","type":"user","id":"ann","more":[{"type":"user","id":"bob"},{"type":"user","id":"cid"}]}`},
		"eve=": {`user:left {"conversationId":"c2","type":"user","id":"ann"}`},
	}
	mustBeHeard(t, w, want)
}

func mustBeHeard(t *testing.T, w *world, want map[chat.ConnectionID][]string) {
	t.Helper()
	if len(w.heard) != len(want) {
		t.Errorf("heard by %v, want %v", w.heard, want)
	}
	for id, frames := range want {
		if !slices.Equal(w.heard[id], frames) {
			t.Errorf("%s hears\n%s\nwant\n%s", id, strings.Join(w.heard[id], "\n"), strings.Join(frames, "\n"))
		}
	}
}

// Who is found gone is pruned, the agents among them set offline, and those who
// are left are told, once.
func TestForget(t *testing.T) {
	const at = "2000-01-01T00:00:00.000Z" // before Redis was asked: of a connect that follows, "online" is later
	const offline = `presence:update {"type":"user","id":"ann","status":"offline","at":"` + at + `","more":[{"type":"agent","id":"agent-a1"}]}`
	const left = `user:left {"conversationId":"c1","type":"user","id":"ann","more":[{"type":"agent","id":"agent-a1"}]}`
	told := map[chat.ConnectionID][]string{"bob=": {offline, left}, "cid=": {offline, left}}
	steps := []string{"prune 2 c1", "status agent:agent-a1 false " + at, "tell 2 presence:update", "tell 2 user:left"}
	tests := []struct {
		name string
		fail map[string]error
		want []string
	}{
		{"well", nil, steps},
		{"no status", map[string]error{"status": errDown}, steps},
		{"pruned in part", map[string]error{"prune": errDown}, steps}, // what is known is told
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := &world{rooms: map[chat.ConversationID]chat.Room{"c1": members("ann", "agent-a1", "bob", "cid")}, fail: tt.fail}
				gone := []chat.Gone{{Connection: member("ann"), At: time.Now()}, {Connection: member("agent-a1"), At: time.Now()}}
				live.NewAnnouncer(w, w, w).Forget(t.Context(), gone, "c1")
				if !slices.Equal(w.steps, tt.want) {
					t.Errorf("the steps were %q, want %q", w.steps, tt.want)
				}
				mustBeHeard(t, w, told)
			})
		})
	}
}

// Each hears only of those with whom it shared a room, and of those in one frame.
func TestForgetTellsNothingOfOtherRooms(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &world{rooms: map[chat.ConversationID]chat.Room{
			"c1": members("ann", "cid", "eve"), "c2": members("bob", "dan", "eve"), "c3": append(crowd(chat.MaxNoticed+1), members("ann")...),
		}}
		gone := []chat.Gone{{Connection: member("ann"), At: time.Now()}, {Connection: member("bob"), At: time.Now()}}
		live.NewAnnouncer(w, w, w).Forget(t.Context(), gone, "")
		const start, end = `presence:update {"type":"user","id":`, `,"status":"offline","at":"2000-01-01T00:00:00.000Z"`
		for id, want := range map[chat.ConnectionID]string{
			"cid=": start + `"ann"` + end + `}`, "dan=": start + `"bob"` + end + `}`, "eve=": start + `"ann"` + end + `,"more":[{"type":"user","id":"bob"}]}`,
		} {
			if len(w.heard[id]) == 0 || w.heard[id][0] != want {
				t.Errorf("%s hears %q, want %s", id, w.heard[id], want)
			}
		}
		if len(w.heard) != 3 || w.posts != 3+2+2 {
			t.Errorf("%d posts: %v", w.posts, w.heard)
		}
	})
}

// Who was told that somebody came is told that they are gone, in whatever room of
// theirs, and in one frame.
func TestForgetTellsAllConversations(t *testing.T) {
	const start, end = `presence:update {"type":"user","id":`, `,"status":"offline","at":"2000-01-01T00:00:00.000Z"`
	for _, tt := range []struct {
		fails string
		want  map[chat.ConnectionID]string
	}{
		{"", map[chat.ConnectionID]string{
			"cid=": start + `"ann"` + end + `}`, "dan=": start + `"ann"` + end + `}`, "eve=": start + `"ann"` + end + `,"more":[{"type":"user","id":"bob"}]}`,
		}},
		{"conversations", map[chat.ConnectionID]string{"cid=": start + `"ann"` + end + `}`}},
		{"rooms", map[chat.ConnectionID]string{"cid=": start + `"ann"` + end + `}`}},
	} {
		synctest.Test(t, func(t *testing.T) {
			w := &world{
				rooms: map[chat.ConversationID]chat.Room{
					"c1": members("ann", "cid"), "c2": members("dan", "eve"), "c3": members("eve"), "c4": crowd(chat.MaxNoticed + 1), "c5": members("fay"),
				},
				of: map[chat.PrincipalID][]chat.ConversationID{"ann": {"c1", "c2", "c3", "c4"}, "bob": {"c3"}},
			}
			if tt.fails != "" {
				w.fail = map[string]error{tt.fails: errDown}
				w.of = map[chat.PrincipalID][]chat.ConversationID{}
			}
			gone := []chat.Gone{{Connection: member("ann"), At: time.Now()}, {Connection: member("bob"), At: time.Now()}}
			live.NewAnnouncer(w, w, w).Forget(t.Context(), gone, "")
			for id, want := range tt.want {
				if len(w.heard[id]) == 0 || w.heard[id][0] != want {
					t.Errorf("%s: %s hears %q, want %s", tt.fails, id, w.heard[id], want)
				}
			}
			if len(w.heard) != len(tt.want) || w.posts != len(tt.want)+1 { // and Cid that Ann left
				t.Errorf("%s: %d posts: %v", tt.fails, w.posts, w.heard)
			}
		})
	}
}

// A connection that never opened departs like one that is gone.
func TestBury(t *testing.T) {
	for _, failure := range []error{nil, errDown} {
		w := &world{rooms: map[chat.ConversationID]chat.Room{"c1": members("agent-a1", "bob")}, fail: map[string]error{"bury": failure}}
		if err := live.NewAnnouncer(w, w, w).Bury(t.Context(), member("agent-a1")); !errors.Is(err, failure) {
			t.Errorf("got %v, want %v", err, failure)
		}
		if len(w.heard["bob="]) != 2 || !slices.ContainsFunc(w.steps, func(s string) bool { return strings.HasPrefix(s, "status agent:agent-a1 false") }) {
			t.Errorf("Bob hears %v, the steps were %v", w.heard, w.steps)
		}
	}
}

// The posts are linear in the connections, however many of them are gone: who is
// found gone while that is told is left to the next.
func TestPostsAreLinear(t *testing.T) {
	const all, dead = 100, 60
	room := crowd(all)
	room = append(room, members("x1", "x2", "x3", "x4", "x5", "x6", "x7", "x8", "x9", "y1", "y2", "y3", "y4", "y5", "y6", "y7", "y8", "y9", "z1", "z2", "z3")...)
	conversation := chat.Conversation{ID: "c1", OrgID: "acme"}
	for _, c := range room {
		conversation.Participants = append(conversation.Participants, chat.Participant{Type: c.Principal.Type, ID: c.Principal.ID})
	}
	const living = all + 21 - dead
	w := &world{rooms: map[chat.ConversationID]chat.Room{"c1": room}, gone: map[chat.ConnectionID]bool{}, dies: "z3="}
	for _, c := range room[:dead] {
		w.gone[c.ID] = true
	}
	live.NewAnnouncer(w, w, w).Tell(t.Context(), conversation, protocol.Frame("news", "", nil, time.Now()))
	want := []string{"tell 121 news", "prune 60 c1", "tell 61 presence:update", "tell 61 user:left"}
	if !slices.Equal(w.steps, want) || w.posts != all+21+2*living {
		t.Errorf("the steps were %q, want %q", w.steps, want)
	}
	if len(w.heard) != living || len(w.heard["x1="]) != 3 || len(w.heard["z3="]) != 1 {
		t.Errorf("%d hear of it, x1 %d frames, z3 %d", len(w.heard), len(w.heard["x1="]), len(w.heard["z3="]))
	}
}

// Whatever is told, who is found gone in it is pruned once; without the agents
// that a prune may have to set offline, nothing is.
func TestGoneInNotices(t *testing.T) {
	everybody := members("ann", "bob", "cid")
	bob := []chat.Gone{{Connection: member("bob"), At: time.Now()}}
	for name, tt := range map[string]struct {
		announce func(context.Context, *live.Announcer)
		prune    string
	}{
		"presence": {func(ctx context.Context, a *live.Announcer) {
			_ = a.Presence(ctx, everybody[0].Principal, true, time.Now())
		}, "prune 1 "},
		"joined": {func(ctx context.Context, a *live.Announcer) { a.Joined(ctx, everybody[0].Principal, "c1", everybody) }, "prune 1 "},
		"parted": {func(ctx context.Context, a *live.Announcer) {
			a.Parted(ctx, []chat.Parting{{ConversationID: "c1", Principal: everybody[0].Principal, Left: everybody[1:]}})
		}, "prune 1 "},
		"tell": {func(ctx context.Context, a *live.Announcer) {
			c := chat.Conversation{ID: "c1", OrgID: "acme", Participants: []chat.Participant{{Type: chat.User, ID: "bob"}, {Type: chat.User, ID: "cid"}}}
			a.Tell(ctx, c, protocol.Frame("news", "", nil, time.Now()))
		}, "prune 1 c1"},
		"forget":  {func(ctx context.Context, a *live.Announcer) { a.Forget(ctx, bob, "c1") }, "prune 1 c1"},
		"nothing": {func(ctx context.Context, a *live.Announcer) { a.Forget(ctx, nil, "c1") }, ""},
	} {
		for _, withAgents := range []bool{true, false} {
			if name == "presence" && !withAgents {
				continue // it asks the store too
			}
			w := &world{
				rooms: map[chat.ConversationID]chat.Room{"c1": everybody}, gone: map[chat.ConnectionID]bool{"bob=": true},
				of: map[chat.PrincipalID][]chat.ConversationID{"ann": {"c1"}},
			}
			a := live.NewAnnouncer(w, w, nil)
			want := tt.prune
			if withAgents {
				a = live.NewAnnouncer(w, w, w)
			} else {
				want = ""
			}
			tt.announce(t.Context(), a)
			pruned := slices.DeleteFunc(slices.Clone(w.steps), func(s string) bool { return !strings.HasPrefix(s, "prune") })
			if strings.Join(pruned, "; ") != want {
				t.Errorf("%s, with agents %v: pruned %q, want %q", name, withAgents, pruned, want)
			}
		}
	}
}

// Who cannot be announced, because MongoDB does not say where, is reported: whoever
// asked has it made up for.
func TestPresenceWithoutMongoDB(t *testing.T) {
	w := &world{rooms: map[chat.ConversationID]chat.Room{"c1": members("ann", "bob")}, fail: map[string]error{"conversations": errDown}}
	if err := live.NewAnnouncer(w, w, w).Presence(t.Context(), member("ann").Principal, true, time.Now()); !errors.Is(err, errDown) || w.posts != 0 {
		t.Errorf("got %v, told %v", err, w.heard)
	}
}

// A frame about a conversation is for its participants, though others may not be
// out of its room yet.
func TestTell(t *testing.T) {
	c := chat.Conversation{ID: "c1", OrgID: "acme", Participants: []chat.Participant{{Type: chat.User, ID: "ann"}, {Type: chat.User, ID: "bob"}}}
	w := &world{rooms: map[chat.ConversationID]chat.Room{"c1": members("ann", "bob", "removed")}}
	live.NewAnnouncer(w, w, w).Tell(t.Context(), c, protocol.Frame("news", "", 1, time.Now()))
	mustBeHeard(t, w, map[chat.ConnectionID][]string{"ann=": {"news 1"}, "bob=": {"news 1"}})

	w = &world{fail: map[string]error{"rooms": errDown}}
	live.NewAnnouncer(w, w, w).Tell(t.Context(), c, protocol.Frame("news", "", 1, time.Now()))
	if w.posts != 0 {
		t.Errorf("without Redis: %v", w.heard)
	}
}
