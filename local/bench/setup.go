package bench

import (
	"bytes"
	"context"
	"fmt"
	"net/http"

	"aiwm-chat/local/client"
	"aiwm-chat/shared/chat"
	"aiwm-chat/shared/protocol"
)

// setupWidth is how many connections or conversations are made at a time.
const setupWidth = 32

// principal returns the i-th user or agent of a kind of this run.
func (b *bench) principal(t chat.PrincipalType, kind string, i int) chat.Principal {
	id := chat.PrincipalID(fmt.Sprintf("bench-%s-%s%d", b.run, kind, i))
	return chat.Principal{Type: t, ID: id, OrgID: chat.DefaultOrg}
}

// create makes a conversation of a user and an agent, and of others.
func (b *bench) create(ctx context.Context, user, agent chat.Principal, others ...chat.Principal) (chat.ConversationID, error) {
	token, err := b.Token(user, tokenTTL)
	if err != nil {
		return "", fmt.Errorf("make a token: %w", err)
	}
	rest := client.NewREST(b.HTTPURL, token)
	defer rest.Close()
	var c protocol.Conversation
	in := protocol.CreateConversation{Title: "bench " + b.run, AgentID: agent.ID}
	if err := rest.Do(ctx, http.MethodPost, "/conversations", in, &c); err != nil {
		return "", err
	}
	for _, p := range others {
		in := protocol.AddParticipant{Type: p.Type, ID: p.ID}
		if err := rest.Do(ctx, http.MethodPost, "/conversations/"+string(c.ID)+"/participants", in, nil); err != nil {
			return "", err
		}
	}
	return c.ID, nil
}

// join brings a new connection of p into a conversation.
func (b *bench) join(ctx context.Context, l *lines, p chat.Principal, id chat.ConversationID) (*conn, error) {
	c, err := b.open(ctx, l, p)
	if err != nil {
		return nil, err
	}
	frame, err := joinFrame(id)
	if err != nil {
		return nil, err
	}
	if _, err := c.Write(frame); err != nil {
		return nil, fmt.Errorf("join: %w", err)
	}
	for { // the history ends what follows a join
		frame, err := c.next()
		if err == nil {
			err = fault(frame)
		}
		if err != nil {
			return nil, fmt.Errorf("join: %w", err)
		}
		if bytes.HasPrefix(frame, prefixHistory) {
			return c, nil
		}
	}
}
