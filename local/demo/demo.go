// Package demo plays three conversations: of ten messages between a user and an
// agent, as two WebSocket clients of a server that it knows by its URLs only; of answers
// that appear as they are written; and with an agent that the backend runs, which asks
// before it uses a tool. It prints what each side receives, and checks that it is what it
// should be.
package demo

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"time"

	"aiwm-chat/local/client"
	"aiwm-chat/shared/chat"
	"aiwm-chat/shared/protocol"
)

// A Target is the server to play against and who plays. The agent should not
// be connected elsewhere: it would be online before it comes.
type Target struct {
	WebSocketURL string // ws://host:port/ws
	HTTPURL      string // http://host:port
	UserToken    string
	AgentToken   string
	AdminToken   string // of a user who may write agents
	UserID       chat.PrincipalID
	AgentID      chat.PrincipalID

	// What the agent that is created is to name: local/scripted, and local/toolserver.
	Provider, ToolServer string
}

// longest bounds the whole play, which takes about two seconds.
const longest = time.Minute

// Run plays the conversation and writes it to out. The output has no ids and
// times of the server's making: two runs for the same principals print the
// same, apart from a summary that a model wrote. An error says what did not
// happen as it should.
func Run(ctx context.Context, t Target, out io.Writer) error {
	ctx, cancel := context.WithTimeout(ctx, longest)
	defer cancel()
	script, err := loadTranscript()
	if err != nil {
		return err
	}
	d := &demo{
		target: t, script: script, print: &printer{out: out}, rest: client.NewREST(t.HTTPURL, t.UserToken),
		user:  &side{name: "user", id: t.UserID, kind: chat.User},
		agent: &side{name: "agent", id: t.AgentID, kind: chat.Agent},
	}
	defer d.close()
	for _, act := range []func(context.Context) error{d.meet, d.talk, d.awaitSummary, d.resume, d.part, d.readBack, d.stream, d.stop, d.hire, d.called, d.approve} {
		if err := act(ctx); err != nil {
			return err
		}
	}
	return d.print.err
}

type demo struct {
	target       Target
	script       transcript
	print        *printer
	rest         *client.REST // the user's
	user, agent  *side
	conversation chat.ConversationID // the one that is being played
}

// A side is one of the two who talk.
type side struct {
	*client.Client
	name string
	id   chat.PrincipalID
	kind chat.PrincipalType
	// heard is the seq of the last message that was waited for: what comes twice is passed over.
	heard int64
}

func (s *side) String() string { return fmt.Sprintf("%s %s", s.kind, s.id) }

func (d *demo) close() {
	for _, s := range []*side{d.user, d.agent} {
		if s.Client != nil {
			s.Close()
		}
	}
	d.rest.Close()
}

// meet opens the conversation and brings both sides into it, the user first,
// who therefore sees the agent come.
func (d *demo) meet(ctx context.Context) error {
	d.print.heading("Both sides connect and join")
	if err := d.connect(ctx, d.user, d.target.UserToken); err != nil {
		return err
	}
	in := protocol.CreateConversation{Title: d.script.Title, Description: d.script.Description, Tags: d.script.Tags, AgentID: d.agent.id}
	if err := d.create(ctx, in); err != nil {
		return err
	}
	joined, err := d.join(ctx, d.user)
	if err != nil {
		return err
	}
	if err := d.connect(ctx, d.agent, d.target.AgentToken); err != nil {
		return err
	}
	if !joined.AgentOnline {
		if err := d.expectPresence(ctx, protocol.Online); err != nil {
			return err
		}
	}
	if _, err := d.join(ctx, d.agent); err != nil {
		return err
	}
	if _, err := d.user.Next(ctx, protocol.EventUserJoined); err != nil {
		return fmt.Errorf("user: %w", err)
	}
	d.print.received(d.user.name, protocol.EventUserJoined, "%s", d.agent)
	return nil
}

func (d *demo) connect(ctx context.Context, s *side, token string) (err error) {
	if s.Client, err = client.Dial(ctx, d.target.WebSocketURL, token); err != nil {
		return fmt.Errorf("%s: %w", s.name, err)
	}
	frame, err := s.Next(ctx, protocol.EventConnected)
	if err != nil {
		return fmt.Errorf("%s: %w", s.name, err)
	}
	me, err := client.Data[protocol.Connected](frame)
	if err != nil {
		return err
	}
	if me.Type != s.kind || me.UserID+me.AgentID != s.id {
		return fmt.Errorf("the server takes %s for %s %s", s, me.Type, me.UserID+me.AgentID)
	}
	d.print.received(s.name, protocol.EventConnected, "as %s", s)
	return nil
}

func (d *demo) create(ctx context.Context, in protocol.CreateConversation) error {
	d.print.sent(d.user.name, "POST /conversations", "%q with agent %s", in.Title, in.AgentID)
	var c protocol.Conversation
	if err := d.rest.Do(ctx, http.MethodPost, "/conversations", in, &c); err != nil {
		return err
	}
	d.print.received(d.user.name, "201 Created", "%s, %d participants, tags %v", c.Status, len(c.Participants), c.Tags)
	d.conversation, d.user.heard, d.agent.heard = c.ID, 0, 0
	return nil
}

func (d *demo) join(ctx context.Context, s *side) (protocol.Joined, error) {
	d.print.sent(s.name, protocol.ActionJoin, "")
	reply, err := s.Request(ctx, protocol.ActionJoin, protocol.Room{ConversationID: d.conversation})
	if err != nil {
		return protocol.Joined{}, fmt.Errorf("%s: %w", s.name, err)
	}
	joined, err := client.Data[protocol.Joined](reply)
	if err != nil {
		return protocol.Joined{}, err
	}
	d.print.received(s.name, reply.Event, "last seq %d, %d here, agent online: %t", joined.LastSeq, joined.MemberCount, joined.AgentOnline)
	frame, err := s.Next(ctx, protocol.EventHistory)
	if err != nil {
		return protocol.Joined{}, fmt.Errorf("%s: %w", s.name, err)
	}
	history, err := client.Data[protocol.History](frame)
	if err != nil {
		return protocol.Joined{}, err
	}
	d.print.received(s.name, frame.Event, "%d messages", len(history.Messages))
	return joined, nil
}

// expectPresence waits for the user to hear that the agent has come or gone.
func (d *demo) expectPresence(ctx context.Context, status string) error {
	frame, err := d.user.Next(ctx, protocol.EventPresence)
	if err != nil {
		return fmt.Errorf("user: %w", err)
	}
	p, err := client.Data[protocol.Presence](frame)
	if err != nil {
		return err
	}
	if p.Type != chat.Agent || p.ID != d.agent.id || p.Status != status {
		return fmt.Errorf("the user heard that %s %s is %s, want that %s is %s", p.Type, p.ID, p.Status, d.agent, status)
	}
	d.print.received(d.user.name, frame.Event, "%s is %s", d.agent, p.Status)
	return nil
}
