package soak

import (
	"context"
	"fmt"
	"net/http"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"aiwm-chat/local/checker"
	"aiwm-chat/shared/chat"
	"aiwm-chat/shared/protocol"
)

// final reads what REST says, and what only the database knows: what is due.
func (s *soak) final(ctx context.Context) (checker.Final, error) {
	f := checker.Final{Conversations: map[chat.ConversationID]checker.Conversation{}}
	for _, t := range s.talks {
		c, err := s.read(ctx, t)
		if err != nil {
			return f, err
		}
		f.Conversations[t.id] = c
	}
	f.At = time.Now()
	return f, s.due(ctx, f)
}

func (s *soak) read(ctx context.Context, t *talk) (c checker.Conversation, err error) {
	rest := t.members[0].rest
	var stored protocol.Conversation
	if err := rest.Do(ctx, http.MethodGet, "/conversations/"+string(t.id), nil, &stored); err != nil {
		return c, err
	}
	c.Total, c.Tokens = stored.TotalMessages, stored.TotalTokens
	if l := stored.LastMessage; l != nil {
		c.LastSeq, c.Last = l.Seq, checker.ContentOf(l.Content)
	}
	if r := stored.Summary; r != nil {
		c.Summary = &checker.Range{From: r.FromSeq, To: r.ToSeq}
	}
	for after, more := int64(0), true; more; {
		var page protocol.MessagePage
		path := fmt.Sprintf("/messages?conversationId=%s&afterSeq=%d&limit=100", t.id, after)
		if err := rest.Do(ctx, http.MethodGet, path, nil, &page); err != nil {
			return c, err
		}
		for _, m := range page.Data {
			c.Log = append(c.Log, entryOf(m, chat.DefaultOrg))
		}
		after, more = page.Pagination.NextAfterSeq, page.Pagination.HasMore
	}
	var online protocol.PresencePage
	if err := rest.Do(ctx, http.MethodGet, "/presence?conversationId="+string(t.id), nil, &online); err != nil {
		return c, err
	}
	c.Online = map[chat.Principal]bool{}
	for _, p := range online.Data {
		c.Online[chat.Principal{Type: p.Type, ID: p.ID, OrgID: chat.DefaultOrg}] = p.Status == protocol.Online
	}
	return c, nil
}

// due counts what is left to do, past the proxy: no client can see it.
func (s *soak) due(ctx context.Context, f checker.Final) error {
	m, err := mongo.Connect(options.Client().ApplyURI(s.databases.mongo.URI()))
	if err != nil {
		return err
	}
	defer m.Disconnect(context.WithoutCancel(ctx)) //nolint:errcheck // nothing is lost with it
	messages := m.Database("aiwm_chat").Collection("messages")
	for id, c := range f.Conversations {
		n, err := messages.CountDocuments(ctx, bson.M{"conversationId": id, "due.at": bson.M{"$exists": true}})
		if err != nil {
			return err
		}
		c.Due = int(n)
		f.Conversations[id] = c
	}
	return nil
}
