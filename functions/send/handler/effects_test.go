package handler

import (
	"errors"
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

func TestRemaining(t *testing.T) {
	const project, summarise, deliver = chat.EffectProject, chat.EffectSummarise, chat.EffectDeliver
	bad := errors.New("no route to host")
	some := func(n int) (ids []chat.ConnectionID) {
		for i := range n {
			ids = append(ids, chat.ConnectionID(fmt.Sprint("c", i)))
		}
		return ids
	}
	named := some(2)
	tests := []struct {
		name                                        string
		tries                                       int
		asked                                       bool // an agent is
		young                                       bool
		to                                          []chat.ConnectionID
		projected, summarised, forgotten, delivered error
		unreached                                   []chat.ConnectionID
		left                                        []chat.Effect // none: nothing is due
		leftTries                                   int
		leftTo                                      []chat.ConnectionID
	}{
		{name: "all is done"},
		{name: "all is done, at last", tries: 2, to: named},
		{name: "no projection", projected: bad, left: []chat.Effect{project}},
		{name: "not forgotten", forgotten: bad, left: []chat.Effect{chat.EffectForget}},
		{name: "no summary", summarised: bad, left: []chat.Effect{summarise}},
		{name: "nothing", projected: bad, summarised: bad, delivered: bad, left: []chat.Effect{project, summarise, deliver}},
		{name: "no projection, and who is named is reached", tries: 2, to: named, projected: bad, left: []chat.Effect{project}, leftTries: 2},

		// An audience that is not known costs no try, and changes nobody's name.
		{name: "no audience", delivered: bad, left: []chat.Effect{deliver}},
		{name: "no audience of who is named", tries: 1, to: named, delivered: bad, left: []chat.Effect{deliver}, leftTries: 1, leftTo: named},
		{name: "no audience at the last try", tries: 2, to: named, delivered: bad, left: []chat.Effect{deliver}, leftTries: 2, leftTo: named},
		{name: "part of an audience, and one of it not reached", delivered: bad, unreached: some(1), left: []chat.Effect{deliver}},
		{name: "part of an audience of who is named", tries: 2, to: named, delivered: bad, unreached: some(1), left: []chat.Effect{deliver}, leftTries: 2, leftTo: named},

		// An agent that connected before the projection is made good was not told.
		{name: "no projection of what an agent is asked", asked: true, tries: 1, to: named, projected: bad, left: []chat.Effect{project, deliver}, leftTries: 1},
		{name: "nor is everybody reached", asked: true, projected: bad, unreached: named, left: []chat.Effect{project, deliver}},
		{name: "an agent is asked, and all is done", asked: true},

		// Who is not reached is tried three times in all, and for two minutes.
		{name: "one, third, young", young: true, tries: 2, to: some(1), unreached: some(1), left: []chat.Effect{deliver}, leftTries: 3, leftTo: some(1)},
		{name: "one, first", unreached: some(1), left: []chat.Effect{deliver}, leftTries: 1, leftTo: some(1)},
		{name: "one, second", tries: 1, to: some(1), unreached: some(1), left: []chat.Effect{deliver}, leftTries: 2, leftTo: some(1)},
		{name: "one, third", tries: 2, to: some(1), unreached: some(1)},
		{name: "one, beyond", tries: 3, to: some(1), unreached: some(1)},
		{name: "one of two, second", tries: 1, to: named, unreached: some(1), left: []chat.Effect{deliver}, leftTries: 2, leftTo: some(1)},
		{name: "the most that are named", unreached: some(chat.MaxDueTo), left: []chat.Effect{deliver}, leftTries: 1, leftTo: some(chat.MaxDueTo)},
		{name: "one more", unreached: some(chat.MaxDueTo + 1), left: []chat.Effect{deliver}, leftTries: 1},
		{name: "one more, second", tries: 1, unreached: some(chat.MaxDueTo + 1), left: []chat.Effect{deliver}, leftTries: 2},
		{name: "one more, third", tries: 2, unreached: some(chat.MaxDueTo + 1)},
		{name: "given up, with something else left", tries: 2, to: named, summarised: bad, unreached: named, left: []chat.Effect{summarise}, leftTries: 2},
		{name: "one, with something else left", projected: bad, unreached: some(1), left: []chat.Effect{project, deliver}, leftTries: 1, leftTo: some(1)},
	}
	at := time.Unix(1, 0)
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			due := &chat.Due{At: at, Left: []chat.Effect{deliver, project, summarise}, To: tt.to, Tries: tt.tries}
			m := chat.Message{Due: due, CreatedAt: time.Now().Add(-maxAge)}
			if tt.young {
				m.CreatedAt = time.Now().Add(-maxAge + time.Second*30)
			}
			left := remaining(m, tt.asked, tt.projected, tt.summarised, tt.forgotten, tt.delivered, tt.unreached)
			if (left == nil) != (tt.left == nil) {
				t.Fatalf("left is %+v", left)
			}
			if left != nil && (!left.At.Equal(at) || !slices.Equal(left.Left, tt.left) || left.Tries != tt.leftTries || !slices.Equal(left.To, tt.leftTo)) {
				t.Errorf("left is %+v, want %v of %v after %d", left, tt.left, tt.leftTo, tt.leftTries)
			}
			if due.Tries != tt.tries || len(due.Left) != 3 || !slices.Equal(due.To, tt.to) {
				t.Errorf("what was due has changed: %+v", due)
			}
		})
	}
}
