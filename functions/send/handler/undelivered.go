package handler

import (
	"slices"

	"aiwm-chat/shared/chat"
)

// An outcome is what came of a delivery: to whom it was posted in each part, who of
// them was not reached, and who in the room is none of the agent's. Where a part of
// the audience was not known nothing was posted.
type outcome struct {
	noRoom, noAgents bool
	room, agents     []chat.ConnectionID
	others           []chat.ConnectionID
	unreached        []chat.ConnectionID
}

var unposted = outcome{noRoom: true, noAgents: true}

// A share is who of one part has not got a message: all, some, or nobody.
type share struct {
	all  bool
	some []chat.ConnectionID
}

func (s share) none() bool { return !s.all && len(s.some) == 0 }

// undelivered adds to left what is left of the delivery of m. Nobody gets a message
// again because somebody else did not: what was posted is done, and who was not
// reached is named. Only the agent that is asked has all of it again: it may have
// connected meanwhile, and finds what waits for it by the projection, which is not
// there.
func undelivered(left *chat.Due, m chat.Message, o outcome, again bool) {
	if m.Due.GivesUp(m.CreatedAt) {
		o.unreached = nil // given up
	}
	if len(o.unreached) > 0 {
		left.Tries++
	}
	room, agent := o.shares(m.Due)
	if again {
		agent = share{all: true}
	}
	if len(both(room.some, agent.some)) > chat.MaxDueTo {
		room, agent = share{all: !room.none()}, share{all: !agent.none()}
	}
	parts, to := o.due(room, agent)
	left.Left, left.To = append(left.Left, parts...), to
}

// shares returns who has not got what is due: of a part that is not known all to
// whom it is due, save who is known to be of the other one.
func (o outcome) shares(due *chat.Due) (room, agent share) {
	if due.ToRoom() {
		room = share{all: len(due.To) == 0, some: due.To}
		if !o.noRoom {
			room = share{some: intersection(o.room, o.unreached)}
		}
	}
	if due.ToAgent() {
		agent = share{all: len(due.To) == 0 || due.Has(chat.EffectDeliverRoom), some: without(due.To, o.others)}
		if !o.noAgents {
			agent = share{some: intersection(o.agents, o.unreached)}
		}
	}
	return room, agent
}

// due says in the terms of a chat.Due who has not got a message. One list of names
// serves both parts, so all of the room and some of the agent's are everybody; and
// names of a part that was not known are looked for there alone.
func (o outcome) due(room, agent share) (parts []chat.Effect, to []chat.ConnectionID) {
	const whole, toRoom, toAgent = chat.EffectDeliver, chat.EffectDeliverRoom, chat.EffectDeliverAgent
	switch {
	case room.none() && agent.none():
		return nil, nil
	case room.all && agent.none():
		return []chat.Effect{toRoom}, nil
	case room.all:
		return []chat.Effect{whole}, nil
	case agent.all && room.none():
		return []chat.Effect{toAgent}, nil
	case agent.all:
		return []chat.Effect{toRoom, toAgent}, room.some
	case agent.none() && o.noRoom:
		return []chat.Effect{toRoom}, room.some
	case room.none() && o.noAgents:
		return []chat.Effect{toAgent}, agent.some
	default:
		return []chat.Effect{whole}, both(room.some, agent.some)
	}
}

func intersection(a, b []chat.ConnectionID) []chat.ConnectionID {
	return slices.DeleteFunc(slices.Clone(a), func(id chat.ConnectionID) bool { return !slices.Contains(b, id) })
}

func without(a, b []chat.ConnectionID) []chat.ConnectionID {
	return slices.DeleteFunc(slices.Clone(a), func(id chat.ConnectionID) bool { return slices.Contains(b, id) })
}

// both returns the union.
func both(a, b []chat.ConnectionID) []chat.ConnectionID { return slices.Concat(a, without(b, a)) }
