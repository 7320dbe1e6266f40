package chat

import (
	"slices"
	"time"
)

// A ReactionKey is what somebody reacts with: an emoji, or a name such as ":party:".
type ReactionKey string

// Limits of the reactions of one message.
const (
	MaxReactions    = 200
	MaxReactionKeys = 20
	MaxReactionKey  = 64 // bytes
)

// A Reaction is that of one principal with one key.
type Reaction struct {
	Key ReactionKey
	By  Principal
	At  time.Time
}

// A ReactionChange says that somebody reacts with a key, or does so no more.
type ReactionChange struct {
	ConversationID ConversationID
	MessageID      MessageID
	Key            ReactionKey
	On             bool
}

// Reacted reports whether p has reacted to m with a key.
func (m *Message) Reacted(p Principal, key ReactionKey) bool {
	return slices.ContainsFunc(m.Reactions, func(r Reaction) bool { return r.Key == key && r.By == p })
}

// RoomFor returns why m takes no more reactions with a key: nil where it does.
func (m *Message) RoomFor(key ReactionKey) error {
	if len(m.Reactions) >= MaxReactions {
		return Errorf(Conflict, "a message has at most %d reactions", MaxReactions)
	}
	keys := map[ReactionKey]bool{key: true}
	for _, r := range m.Reactions {
		keys[r.Key] = true
	}
	if len(keys) > MaxReactionKeys {
		return Errorf(Conflict, "a message has at most %d different reactions", MaxReactionKeys)
	}
	return nil
}
