package handler

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"aiwm-chat/shared/chat"
)

// connections are those of the given ids.
func connections(ids ...chat.ConnectionID) (cs []chat.Connection) {
	for _, id := range ids {
		cs = append(cs, chat.Connection{ID: id})
	}
	return cs
}

func TestVouched(t *testing.T) {
	tests := []struct {
		name   string
		caller chat.ConnectionID
		room   []chat.Connection
		trial  bool
		agents []chat.Connection
		want   bool
	}{
		{"all are in the room", "c=", connections("c=", "a="), false, connections("a="), true},
		{"and others", "c=", connections("x=", "c=", "y=", "a="), false, connections("a="), true},
		{"no agent is asked", "c=", connections("c="), false, nil, true},
		{"without a caller", "", connections("x=", "a="), false, connections("a="), true},
		{"without anybody", "", nil, false, nil, true},
		{"somebody is on trial", "c=", connections("c=", "a="), true, connections("a="), false},
		{"somebody is on trial, without a caller", "", connections("x="), true, nil, false},
		{"the caller is outside", "c=", connections("a="), false, connections("a="), false},
		{"the caller is alone, outside", "c=", nil, false, nil, false},
		{"the agent is outside", "c=", connections("c="), false, connections("a="), false},
		{"one of the agent's is outside", "c=", connections("c=", "a="), false, connections("a=", "b="), false},
		{"the agent is outside, without a caller", "", connections("x="), false, connections("a="), false},
		{"the room is not known", "", nil, false, connections("a="), false},
	}
	for _, tt := range tests {
		a := chat.Audience{Room: tt.room, Vouched: !tt.trial, Agents: tt.agents}
		if got := vouched(chat.Connection{ID: tt.caller}, a); got != tt.want {
			t.Errorf("%s: %v", tt.name, got)
		}
	}
}

func TestUndelivered(t *testing.T) {
	const deliver, toRoom, toAgent = chat.EffectDeliver, chat.EffectDeliverRoom, chat.EffectDeliverAgent
	some := func(prefix string, n int) (ids []chat.ConnectionID) {
		for i := range n {
			ids = append(ids, chat.ConnectionID(fmt.Sprint(prefix, i)))
		}
		return ids
	}
	ids := func(ids ...chat.ConnectionID) []chat.ConnectionID { return ids }
	all, parts := []chat.Effect{deliver}, []chat.Effect{toRoom, toAgent}
	// In the room are a user, and one of the two connections of the agent.
	posted := outcome{room: ids("u", "a"), agents: ids("a", "b"), others: ids("u")}
	tests := []struct {
		name      string
		due       []chat.Effect // deliver if none
		to        []chat.ConnectionID
		tries     int
		young     bool
		unreached []chat.ConnectionID
		noRoom    bool
		noAgents  bool
		again     bool
		outcome   *outcome
		left      []chat.Effect // none: nothing
		leftTo    []chat.ConnectionID
		leftTries int
	}{
		{name: "all are reached"},
		{name: "all are reached, at last", to: ids("a"), tries: 2, leftTries: 2},
		{name: "not due", due: []chat.Effect{chat.EffectProject}, outcome: &outcome{}},
		{name: "not due, and the projection fails", due: []chat.Effect{chat.EffectProject}, outcome: &outcome{}, again: true, left: []chat.Effect{toAgent}},

		// An audience that is not known costs no try, and changes nobody's name.
		{name: "nothing is known", noRoom: true, noAgents: true, left: all},
		{name: "nothing is known of who is named", noRoom: true, noAgents: true, to: ids("u"), tries: 2, left: all, leftTo: ids("u"), leftTries: 2},
		{name: "nothing is known of the parts", due: parts, noRoom: true, noAgents: true, to: ids("u"), left: parts, leftTo: ids("u")},
		{name: "no room", noRoom: true, left: []chat.Effect{toRoom}},
		{name: "no room still", due: []chat.Effect{toRoom}, noRoom: true, left: []chat.Effect{toRoom}},
		{name: "no room of who is named", noRoom: true, to: ids("u"), left: []chat.Effect{toRoom}, leftTo: ids("u")},
		{name: "no room, and the agent is not reached", noRoom: true, unreached: ids("b"), left: all, leftTries: 1},
		{name: "no room, and the agent is not reached, at last", noRoom: true, unreached: ids("b"), tries: 2, left: []chat.Effect{toRoom}, leftTries: 2},
		{name: "no agent", noAgents: true, left: []chat.Effect{toAgent}},
		{name: "no agent still", due: []chat.Effect{toAgent}, noAgents: true, outcome: &outcome{others: ids("u")}, left: []chat.Effect{toAgent}},
		{name: "no agent, and who is named is not the agent's", noAgents: true, to: ids("u")},
		{name: "no agent, and who is named may be the agent's", noAgents: true, to: ids("u", "a", "b"), left: []chat.Effect{toAgent}, leftTo: ids("a", "b")},
		{name: "no agent, and one in the room is not reached", noAgents: true, unreached: ids("u"), left: parts, leftTo: ids("u"), leftTries: 1},
		{name: "no agent, and one who is named is not reached", noAgents: true, to: ids("u", "b"), tries: 1, unreached: ids("u"), left: all, leftTo: ids("u", "b"), leftTries: 2},
		{name: "the agent's part is done", due: parts, to: ids("u"), unreached: ids("u"), left: all, leftTo: ids("u"), leftTries: 1},

		// An agent that connected before the projection is made good was not told.
		{name: "no projection", again: true, left: []chat.Effect{toAgent}},
		{name: "no projection, and not all are reached", again: true, unreached: ids("u", "b"), left: parts, leftTo: ids("u"), leftTries: 1},
		{name: "no projection and no room", again: true, noRoom: true, left: all},

		// Who is not reached is tried three times in all, and for two minutes.
		{name: "one, third, young", young: true, tries: 2, to: ids("u"), unreached: ids("u"), left: all, leftTries: 3, leftTo: ids("u")},
		{name: "one, first", unreached: ids("u"), left: all, leftTries: 1, leftTo: ids("u")},
		{name: "one, second", tries: 1, to: ids("u"), unreached: ids("u"), left: all, leftTries: 2, leftTo: ids("u")},
		{name: "one, third", tries: 2, to: ids("u"), unreached: ids("u"), leftTries: 2},
		{name: "one, beyond", tries: 3, to: ids("u"), unreached: ids("u"), leftTries: 3},
		{name: "one in both parts", unreached: ids("a"), left: all, leftTries: 1, leftTo: ids("a")},
		{name: "one of each part", unreached: ids("u", "b"), left: all, leftTries: 1, leftTo: ids("u", "b")},
		{
			name: "the most that are named", outcome: &outcome{room: some("c", 100), unreached: some("c", chat.MaxDueTo)},
			left: all, leftTries: 1, leftTo: some("c", chat.MaxDueTo),
		},
		{name: "one more", outcome: &outcome{room: some("c", 100), unreached: some("c", chat.MaxDueTo+1)}, left: []chat.Effect{toRoom}, leftTries: 1},
		{name: "one more, third", tries: 2, outcome: &outcome{room: some("c", 100), unreached: some("c", chat.MaxDueTo+1)}, leftTries: 2},
		{
			name: "more, in both parts", tries: 1, outcome: &outcome{room: some("c", 30), agents: some("d", 30), unreached: append(some("c", 30), some("d", 30)...)},
			left: all, leftTries: 2,
		},
	}
	at := time.Unix(1, 0)
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			due := &chat.Due{At: at, Left: tt.due, To: tt.to, Tries: tt.tries}
			if len(due.Left) == 0 {
				due.Left = []chat.Effect{deliver, chat.EffectProject}
			}
			m := chat.Message{Due: due, CreatedAt: time.Now().Add(-chat.MaxDueAge)}
			if tt.young {
				m.CreatedAt = time.Now().Add(-chat.MaxDueAge + time.Second*30)
			}
			o := posted
			o.unreached, o.noRoom, o.noAgents = tt.unreached, tt.noRoom, tt.noAgents
			if o.noRoom {
				o.room, o.others = nil, nil
			}
			if o.noAgents {
				o.agents = nil
			}
			if tt.outcome != nil {
				o = *tt.outcome
				o.noAgents = tt.noAgents
			}
			left := &chat.Due{At: due.At, Tries: due.Tries}
			undelivered(left, m, o, tt.again)
			if !slices.Equal(left.Left, tt.left) || left.Tries != tt.leftTries || !slices.Equal(left.To, tt.leftTo) {
				t.Errorf("left is %+v, want %v of %v after %d", left, tt.left, tt.leftTo, tt.leftTries)
			}
			if due.Tries != tt.tries || !slices.Equal(due.To, tt.to) {
				t.Errorf("what was due has changed: %+v", due)
			}
		})
	}
}
