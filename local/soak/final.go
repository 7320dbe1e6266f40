package soak

import (
	"context"
	"slices"
	"strings"
	"time"

	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"aiwm-chat/local/checker"
	"aiwm-chat/local/checker/evidence"
	"aiwm-chat/shared/chat"
)

// final reads what REST says, and what only the database knows: what is due.
func (s *soak) final(ctx context.Context) (checker.Final, error) {
	f := checker.Final{Conversations: map[chat.ConversationID]checker.Conversation{}, Reacted: map[checker.Reaction]bool{}}
	for _, t := range s.talks {
		c, err := evidence.Conversation(ctx, t.members[0].rest, t.id, chat.DefaultOrg)
		if err != nil {
			return f, err
		}
		f.Conversations[t.id] = c
	}
	for _, d := range s.devices {
		if !slices.Contains(s.leavers, d) {
			f.Screens, f.Shelves = append(f.Screens, d.screens()...), append(f.Shelves, d.shelves()...)
		}
	}
	var err error
	if f.Read, err = s.readings(ctx); err != nil {
		return f, err
	}
	f.At, s.ended = time.Now(), endsOf(f)
	return f, s.due(ctx, f)
}

// ends are how many streams became messages of each status.
type ends map[chat.MessageStatus]int

func endsOf(f checker.Final) ends {
	n := ends{}
	for _, c := range f.Conversations {
		for _, e := range c.Log {
			if strings.HasPrefix(string(e.Client), streamPrefix) {
				n[e.Status]++
			}
		}
	}
	return n
}

func (n ends) all() (all int) {
	for _, one := range n {
		all += one
	}
	return all
}

// due counts what is left to do: no client can see it.
func (s *soak) due(ctx context.Context, f checker.Final) error {
	m, err := mongo.Connect(options.Client().ApplyURI(s.databases.mongo.URI()))
	if err != nil {
		return err
	}
	defer m.Disconnect(context.WithoutCancel(ctx)) //nolint:errcheck // nothing is lost with it
	messages := m.Database("aiwm_chat").Collection("messages")
	for id, c := range f.Conversations {
		if err := evidence.Reacted(ctx, messages, id, chat.DefaultOrg, f.Reacted); err != nil {
			return err
		}
		if c.Due, err = evidence.Due(ctx, messages, id); err != nil {
			return err
		}
		f.Conversations[id] = c
	}
	return nil
}
