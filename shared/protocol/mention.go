package protocol

import "aiwm-chat/shared/chat"

// Mention is of somebody who is meant to look at a message.
type Mention struct {
	Type chat.MentionType `json:"type"`        // user, agent, or all: every user of the conversation, and no agent; only a user mentions all
	ID   chat.PrincipalID `json:"id,omitzero"` // of the participant; not with all
}

func mentioned(in []Mention) []chat.Mention {
	if in == nil {
		return nil
	}
	out := make([]chat.Mention, len(in))
	for i, m := range in {
		out[i] = chat.Mention(m)
	}
	return out
}

func mentionsOf(ms []chat.Mention) (out []Mention) {
	for _, m := range ms {
		out = append(out, Mention(m))
	}
	return out
}

// EventNotification tells somebody, on all their devices, of what concerns them in a
// conversation in whose room they are not.
const EventNotification = "notification" // a message mentions you: to all your devices, where none is in its room

// A NotificationKind says why somebody is told.
type NotificationKind string

// NotificationMention is of a message that mentions who is told.
const NotificationMention NotificationKind = "mention"

// Notification is the data of notification. It may come twice.
type Notification struct {
	ConversationID chat.ConversationID `json:"conversationId"`
	Seq            int64               `json:"seq"`  // the message's place in the log
	Kind           NotificationKind    `json:"kind"` // why
}

// NotificationOf tells of a message.
func NotificationOf(m chat.Message, kind NotificationKind) Notification {
	return Notification{ConversationID: m.ConversationID, Seq: m.Seq, Kind: kind}
}
