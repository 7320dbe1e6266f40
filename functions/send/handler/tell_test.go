package handler_test

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"aiwm-chat/shared/chat"
	"aiwm-chat/shared/delivery"
	"aiwm-chat/shared/protocol"
)

// Which reactions are whose is told the devices of who changed them, and nobody else.
func TestOwnDevicesHearWhatIsTheirs(t *testing.T) {
	t.Parallel()
	const yours = `"reactions":[{"key":"👍","count":2,"mine":true}],"yours":true`
	for name, tt := range map[string]struct {
		caller chat.Connection
		want   map[chat.ConnectionID]bool
	}{
		"by frame":   {in(userConnection, "phone=", chat.Lean), map[chat.ConnectionID]bool{"desk=": true, "other=": false}},
		"over REST":  {chat.Connection{Principal: user}, map[chat.ConnectionID]bool{"phone=": true, "desk=": true, "other=": false}},
		"by a sweep": {chat.Connection{}, map[chat.ConnectionID]bool{"phone=": false, "desk=": false, "other=": false}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld()
			w.fill(1, time.Now())
			w.room = []chat.Connection{in(userConnection, "phone=", chat.Lean), in(userConnection, "desk=", chat.AIWM), in(agentConnection, "other=", chat.Lean)}
			m := w.log[0]
			m.ConversationID, m.ReactionVersion = "c1", 2
			m.Reactions = []chat.Reaction{{Key: "👍", By: agent}, {Key: "👍", By: user}}
			m.Due = &chat.Due{At: time.Now(), Left: []chat.Effect{chat.EffectTellReactions}}
			w.handler().Changed(t.Context(), tt.caller, w.conversation, m, delivery.Patient, chat.EffectTellReactions, func() {})
			got := map[chat.ConnectionID]bool{}
			for _, p := range w.posts {
				if got[p.To.ID] = strings.Contains(string(p.Frame), yours); !got[p.To.ID] && strings.Contains(string(p.Frame), "yours") {
					t.Errorf("%s is told %s", p.To.ID, p.Frame)
				}
			}
			if !maps.Equal(got, tt.want) {
				t.Errorf("told %v, want %v", got, tt.want)
			}
		})
	}
}

// Who changes a message hears what its answer does not say, of what others left due too: also
// the message itself, which somebody sent and died.
func TestWhoChangedHearsTheRest(t *testing.T) {
	const deliver, tell, reactions = chat.EffectDeliver, chat.EffectTell, chat.EffectTellReactions
	for _, tt := range []struct {
		name     string
		left     []chat.Effect
		answered chat.Effect
		dialect  chat.Dialect
		deleted  bool
		want     []string
	}{
		{"a reaction", []chat.Effect{reactions}, reactions, chat.Lean, false, nil},
		{"a reaction, in aiwm", []chat.Effect{reactions}, reactions, chat.AIWM, false, []string{protocol.EventReactions}},
		{"a reaction to what was edited", []chat.Effect{tell, reactions}, reactions, chat.Lean, false, []string{protocol.EventMessageUpdated}},
		{"a reaction beside a deletion", []chat.Effect{tell, reactions}, reactions, chat.Lean, true, []string{protocol.EventMessageDeleted}},
		{"an edit", []chat.Effect{tell}, tell, chat.Lean, false, nil},
		{"an edit of what was reacted to", []chat.Effect{tell, reactions}, tell, chat.Lean, false, nil},
		{"a reaction to what is not delivered", []chat.Effect{deliver, reactions}, reactions, chat.Lean, false, []string{protocol.EventMessageNew}},
		{"over REST", []chat.Effect{tell, reactions}, "", chat.Lean, false, []string{protocol.EventMessageUpdated, protocol.EventReactions}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld()
			w.fill(1, time.Now().Add(-time.Minute))
			by := userConnection
			by.Dialect = tt.dialect
			w.room[0] = by
			m := w.log[0]
			m.ConversationID, m.Sender, m.Deleted = "c1", agent, tt.deleted
			m.Due = &chat.Due{At: time.Now(), Left: tt.left}
			caller := by
			if tt.answered == "" {
				caller = chat.Connection{Principal: user}
			}
			answered := false
			w.handler().Changed(t.Context(), caller, w.conversation, m, delivery.Patient, tt.answered, func() { answered = true })
			var got []string
			for key := range w.delivered {
				var event, id string
				if n, _ := fmt.Sscan(key, &event, &id); n == 2 && id == string(by.ID) {
					got = append(got, event)
				}
			}
			slices.Sort(got)
			if slices.Sort(tt.want); !slices.Equal(got, tt.want) || !answered {
				t.Errorf("who changed it gets %v, want %v, answered %v", got, tt.want, answered)
			}
			if n := len(w.settled); n != 1 || w.settled[0] != nil {
				t.Errorf("settled %v", w.settled)
			}
		})
	}
}

// While a message is under way whoever reacts to it tells of that alone: its send delivers it.
// Once that should be done, who changes it does it.
func TestAChangeLeavesTheSendItsEffects(t *testing.T) {
	const deliver, project, reactions = chat.EffectDeliver, chat.EffectProject, chat.EffectTellReactions
	for _, tt := range []struct {
		name   string
		age    time.Duration
		left   []chat.Effect
		news   bool
		due    string // at the end
		settle int
	}{
		{"at once", 0, []chat.Effect{deliver, project, reactions}, false, "deliver project", 1},
		{"of what mentions somebody", 0, []chat.Effect{deliver, chat.EffectMention, reactions}, false, "deliver mention", 1},
		{"what is so already", 0, []chat.Effect{deliver, project}, false, "deliver project", 0},
		{"the send is done", 0, []chat.Effect{reactions}, false, "", 1},
		{"later", 21 * time.Second, []chat.Effect{deliver, project, reactions}, true, "", 1},
		{"what is so already, later", 21 * time.Second, []chat.Effect{deliver, project}, true, "", 1},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld()
			w.fill(1, time.Now().Add(-tt.age))
			w.log[0].ConversationID, w.log[0].Due = "c1", &chat.Due{At: time.Now().Add(20 * time.Second), Left: tt.left}
			m := w.log[0]
			w.handler().Changed(t.Context(), agentConnection, w.conversation, m, delivery.Patient, reactions, func() {})
			if news := len(w.delivered["message:new user="]); (news > 0) != tt.news {
				t.Errorf("the message was posted %d times", news)
			}
			if told := len(w.delivered["message:reactions user="]); (told > 0) != m.Due.Has(reactions) {
				t.Errorf("the reaction was posted %d times", told)
			}
			if w.due() != tt.due || len(w.settled) != tt.settle {
				t.Errorf("due is %q, settled %v", w.due(), w.settled)
			}
			if due := w.log[0].Due; due != nil && tt.settle > 0 && due.At.After(m.CreatedAt.Add(20*time.Second)) {
				t.Errorf("it is due %v after it was sent", due.At.Sub(m.CreatedAt))
			}
		})
	}
}

// Who has heard of a change does not hear of it again because somebody else has not.
func TestWhoHasNotHeardIsToldAgain(t *testing.T) {
	const deliver, tell, reactions = chat.EffectDeliver, chat.EffectTell, chat.EffectTellReactions
	many := make([]chat.Connection, chat.MaxDueTo+1)
	for i := range many {
		many[i] = chat.Connection{ID: chat.ConnectionID(fmt.Sprint("m", i, "=")), Principal: user, ExpiresAt: time.Now().Add(time.Hour)}
	}
	for _, tt := range []struct {
		name  string
		room  []chat.Connection
		left  []chat.Effect
		to    []chat.ConnectionID
		fails []chat.ConnectionID
		away  bool
		due   string
		posts int // of what is done again
	}{
		{name: "one", left: []chat.Effect{reactions}, fails: []chat.ConnectionID{"agent="}, due: "tell-reactions [agent=] 1", posts: 1},
		{name: "one, of two effects", left: []chat.Effect{tell, reactions}, fails: []chat.ConnectionID{"agent="}, due: "tell tell-reactions [agent=] 1", posts: 2},
		{name: "one of who is named", left: []chat.Effect{tell}, to: []chat.ConnectionID{"agent="}, fails: []chat.ConnectionID{"agent="}, due: "tell [agent=] 1", posts: 1},
		{name: "the room is not known", left: []chat.Effect{tell}, away: true, due: "tell 1", posts: 2},
		{name: "that of who is named", left: []chat.Effect{tell}, to: []chat.ConnectionID{"agent="}, away: true, due: "tell [agent=] 1", posts: 1},
		{name: "more than are named", room: many, left: []chat.Effect{tell}, fails: idsIn(many), due: "tell 1", posts: len(many)},
		{name: "with a delivery", left: []chat.Effect{deliver, tell}, fails: []chat.ConnectionID{"agent="}, due: "deliver tell [agent=] 1", posts: 4},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld()
			if tt.room != nil {
				w.room = tt.room
			}
			w.fill(1, time.Now().Add(-time.Minute))
			w.log[0].ConversationID, w.log[0].ChangedAt = "c1", time.Now()
			w.log[0].Due = &chat.Due{At: time.Now(), Left: tt.left, To: tt.to}
			for _, id := range tt.fails {
				w.unreachable[id] = true
			}
			w.roomAway = tt.away
			w.handler().Changed(t.Context(), chat.Connection{Principal: user}, w.conversation, w.log[0], delivery.Once, "", func() {})
			if w.due() != tt.due {
				t.Errorf("due is %q, want %q", w.due(), tt.due)
			}
			clear(w.unreachable)
			w.roomAway, w.posts = false, nil
			if err := w.sweep(t.Context()); err != nil || w.due() != "" || len(w.posts) != tt.posts {
				t.Errorf("then there are %d posts, want %d, %v, and due is %q", len(w.posts), tt.posts, err, w.due())
			}
		})
	}
}
