// Package evidence gathers, with the interfaces that a client has, what the
// checker judges; and past them what only the database knows.
package evidence

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"

	"aiwm-chat/local/checker"
	"aiwm-chat/local/client"
	"aiwm-chat/shared/chat"
	"aiwm-chat/shared/protocol"
)

// Entry is a message of an organisation as a client got it.
func Entry(m protocol.Message, org chat.OrgID) checker.Entry {
	e := checker.Entry{
		Seq: m.Seq, ID: m.ID, Client: m.ClientMessageID, Deleted: m.IsDeleted, Content: checker.ContentOf(m.Content), Length: len(m.Content), Preview: checker.ContentOf(chat.Preview(m.Content)),
		Status: m.Status, Cut: m.Truncated, Counts: slices.Contains(chat.UnreadTypes(), m.Type),
		Sender:  chat.Principal{Type: m.ParticipantType, ID: m.ParticipantID, OrgID: org},
		Version: m.Version, Edits: m.Edits, ReactionVersion: m.ReactionVersion, Reactions: Reactions(m.Reactions),
	}
	if m.Usage != nil {
		e.Tokens = m.Usage.TotalTokens
	}
	e.Created, _ = time.Parse(protocol.Timestamp, m.CreatedAt)
	return e
}

// Reactions are those of a message as a text.
func Reactions(counts []protocol.ReactionCount) string {
	var b strings.Builder
	for _, c := range counts {
		fmt.Fprintf(&b, "%s %d ", c.Key, c.Count)
	}
	return b.String()
}

// Conversation is what REST says of one to a participant of an organisation.
func Conversation(ctx context.Context, rest *client.REST, id chat.ConversationID, org chat.OrgID) (c checker.Conversation, err error) {
	var stored protocol.Conversation
	if err := rest.Do(ctx, http.MethodGet, "/conversations/"+string(id), nil, &stored); err != nil {
		return c, err
	}
	c.Total, c.Tokens, c.SummaryText = stored.TotalMessages, stored.TotalTokens, stored.ContextSummary
	if l := stored.LastMessage; l != nil {
		c.LastSeq, c.Last = l.Seq, checker.ContentOf(l.Content)
	}
	if r := stored.Summary; r != nil {
		c.Summary = &checker.Range{From: r.FromSeq, To: r.ToSeq}
	}
	for after, more := int64(0), true; more; {
		var page protocol.MessagePage
		path := fmt.Sprintf("/messages?conversationId=%s&afterSeq=%d&limit=100", id, after)
		if err := rest.Do(ctx, http.MethodGet, path, nil, &page); err != nil {
			return c, err
		}
		for _, m := range page.Data {
			c.Log = append(c.Log, Entry(m, org))
		}
		after, more = page.Pagination.NextAfterSeq, page.Pagination.HasMore
	}
	var streams protocol.Streams
	if err := rest.Do(ctx, http.MethodGet, "/conversations/"+string(id)+"/streams", nil, &streams); err != nil {
		return c, err
	}
	for _, st := range streams.Data {
		c.Open = append(c.Open, chat.ClientMessageID(st.StreamID))
	}
	var online protocol.PresencePage
	if err := rest.Do(ctx, http.MethodGet, "/presence?conversationId="+string(id), nil, &online); err != nil {
		return c, err
	}
	c.Online = map[chat.Principal]bool{}
	for _, p := range online.Data {
		c.Online[chat.Principal{Type: p.Type, ID: p.ID, OrgID: org}] = p.Status == protocol.Online
	}
	return c, nil
}

// Reacted adds who has reacted to messages of a conversation.
func Reacted(ctx context.Context, messages *mongo.Collection, id chat.ConversationID, org chat.OrgID, to map[checker.Reaction]bool) error {
	var docs []struct {
		ID        chat.MessageID `bson:"_id"`
		Reactions []struct {
			Key  string             `bson:"key"`
			Type chat.PrincipalType `bson:"type"`
			ID   chat.PrincipalID   `bson:"id"`
		} `bson:"reactions"`
	}
	found, err := messages.Find(ctx, bson.M{"conversationId": id, "changedAt": bson.M{"$exists": true}})
	if err != nil {
		return err
	}
	if err := found.All(ctx, &docs); err != nil {
		return err
	}
	for _, d := range docs {
		for _, r := range d.Reactions {
			to[checker.Reaction{ID: d.ID, By: chat.Principal{Type: r.Type, ID: r.ID, OrgID: org}, Key: r.Key}] = true
		}
	}
	return nil
}

// Due counts the messages of a conversation of which something is left to do,
// which no client can see.
func Due(ctx context.Context, messages *mongo.Collection, id chat.ConversationID) (int, error) {
	n, err := messages.CountDocuments(ctx, bson.M{"conversationId": id, "due.at": bson.M{"$exists": true}})
	return int(n), err
}
