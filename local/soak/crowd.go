package soak

import (
	"context"
	"fmt"
	"net/http"
	"time"

	"aiwm-chat/local/client"
	"aiwm-chat/shared/chat"
	"aiwm-chat/shared/protocol"
)

// A talk is a conversation of the crowd. The first of its members created it,
// and stays to the end.
type talk struct {
	id      chat.ConversationID
	members []*device
	guests  []chat.Principal
}

// gather makes the crowd: each conversation has a user, an agent on two
// devices, and two guests, who take part in others as well.
func (s *soak) gather(ctx context.Context) error {
	agents, guests := s.Conversations/4+1, s.Conversations/2+2
	var agentDevices [][]*device
	for i := range agents {
		p := chat.Principal{Type: chat.Agent, ID: chat.PrincipalID(fmt.Sprint("agent", i)), OrgID: chat.DefaultOrg}
		var both []*device
		for n := range 2 {
			d, err := s.newDevice(p, fmt.Sprintf("agent%d.%d", i, n))
			if err != nil {
				return err
			}
			both = append(both, d)
		}
		agentDevices = append(agentDevices, both)
	}
	user := func(name string) (*device, error) {
		return s.newDevice(chat.Principal{Type: chat.User, ID: chat.PrincipalID(name), OrgID: chat.DefaultOrg}, name)
	}
	var guestDevices []*device
	for i := range guests {
		d, err := user(fmt.Sprint("guest", i))
		if err != nil {
			return err
		}
		d.endsOnly = i%3 == 2
		guestDevices = append(guestDevices, d)
	}
	for i := range s.Conversations {
		creator, err := user(fmt.Sprint("user", i))
		if err != nil {
			return err
		}
		members := append([]*device{creator}, agentDevices[i%agents]...)
		members = append(members, guestDevices[i%guests], guestDevices[(i+1)%guests])
		if err := s.open(ctx, members); err != nil {
			return err
		}
	}
	// Who goes for good, and the rest are not to look for them.
	s.leavers = append([]*device{guestDevices[guests-1]}, agentDevices[agents-1]...)
	return nil
}

func (s *soak) newDevice(p chat.Principal, name string) (*device, error) {
	token, err := s.server.Token(p, 3*time.Hour)
	if err != nil {
		return nil, err
	}
	d := &device{
		soak: s, name: name, principal: p, token: token, rest: client.NewREST(s.server.URL(), token),
		again: make(chan struct{}, 1), rooms: map[chat.ConversationID]*progress{}, screen: newScreen(), shelf: newShelf(), behind: make(chan chat.ConversationID, 100),
	}
	s.devices = append(s.devices, d)
	return d, nil
}

// open creates a conversation of the first, with the agent of the second, and
// adds the others.
func (s *soak) open(ctx context.Context, members []*device) error {
	creator := members[0]
	t := &talk{members: members}
	var c protocol.Conversation
	err := s.persist(ctx, "create", func(ctx context.Context) error {
		in := protocol.CreateConversation{Title: "soak", AgentID: members[1].principal.ID}
		return creator.rest.Do(ctx, http.MethodPost, "/conversations", in, &c)
	})
	if err != nil {
		return err
	}
	t.id = c.ID
	for _, d := range members {
		s.record.Member(t.id, d.principal)
		d.rooms[t.id] = &progress{held: map[int64]bool{}}
		d.order = append(d.order, t.id)
		if d.principal.Type == chat.Agent || d == creator {
			continue
		}
		t.guests = append(t.guests, d.principal)
		err := s.persist(ctx, "add", func(ctx context.Context) error {
			in := protocol.AddParticipant{Type: d.principal.Type, ID: d.principal.ID}
			return creator.rest.Do(ctx, http.MethodPost, "/conversations/"+string(t.id)+"/participants", in, nil)
		})
		if err != nil {
			return err
		}
	}
	s.talks = append(s.talks, t)
	return nil
}
