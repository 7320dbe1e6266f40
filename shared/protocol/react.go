package protocol

import (
	"fmt"
	"regexp"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/rivo/uniseg"
	"golang.org/x/text/unicode/norm"

	"aiwm-chat/shared/chat"
)

// The action, and the event that answers it and tells the others.
const (
	ActionReact    = "react"
	EventReactions = "message:reactions" // answers react, with its id; without one it tells those in the room
)

// React sets a reaction of the caller to a message, or takes it back. Repeated it changes
// nothing.
type React struct {
	Envelope
	ConversationID chat.ConversationID `json:"conversationId"`
	MessageID      chat.MessageID      `json:"messageId"`
	Key            string              `json:"key"` // an emoji, or a name such as ":party:"; at most 64 bytes
	On             *bool               `json:"on"`  // false takes it back
}

// About returns the conversation that it is about.
func (r React) About() chat.ConversationID { return r.ConversationID }

// Check reports what is wrong with the fields.
func (r React) Check() error {
	var f chat.Faults
	chat.CheckID(&f, "conversationId", r.ConversationID)
	chat.CheckID(&f, "messageId", r.MessageID)
	if _, err := ParseReactionKey(r.Key); err != nil {
		f.Add("key", "%v", err)
	}
	if r.On == nil {
		f.Add("on", "is required")
	}
	return first(r.Envelope.Check(), f.Err())
}

// Change returns what is asked for, of a frame that was checked.
func (r React) Change() chat.ReactionChange {
	key, _ := ParseReactionKey(r.Key)
	return chat.ReactionChange{ConversationID: r.ConversationID, MessageID: r.MessageID, Key: key, On: *r.On}
}

var reactionName = regexp.MustCompile(`^:[A-Za-z0-9_+-]+:$`)

// ParseReactionKey returns a key in the one form that it is stored in (NFC): one character as
// people see it, however many code points that is, or a name between colons. The error says
// what it must be.
func ParseReactionKey(s string) (chat.ReactionKey, error) {
	const wanted = `must be one emoji, or a name such as ":party:", of at most %d bytes`
	refused := fmt.Errorf(wanted, chat.MaxReactionKey)
	if len(s) > 4*chat.MaxReactionKey || !utf8.ValidString(s) { // NFC may be shorter
		return "", refused
	}
	s = norm.NFC.String(s)
	if len(s) > chat.MaxReactionKey || s == "" {
		return "", refused
	}
	if reactionName.MatchString(s) {
		return chat.ReactionKey(s), nil
	}
	seen := strings.ContainsFunc(s, func(r rune) bool {
		return unicode.IsGraphic(r) && !unicode.IsSpace(r) && !unicode.IsMark(r)
	})
	if uniseg.GraphemeClusterCount(s) != 1 || !seen {
		return "", refused
	}
	return chat.ReactionKey(s), nil
}

// ReactionCount is how many have reacted with a key.
type ReactionCount struct {
	Key   chat.ReactionKey `json:"key"`
	Count int              `json:"count"`         // how many have
	Mine  bool             `json:"mine,omitzero"` // the caller is one of them: in answers to one caller only
}

// Reactions is the data of message:reactions: all reactions of a message. Of two the one
// with the larger version is the newer.
type Reactions struct {
	ConversationID  chat.ConversationID `json:"conversationId"`
	MessageID       chat.MessageID      `json:"messageId"`
	Seq             int64               `json:"seq"`             // its place in the log
	ReactionVersion int64               `json:"reactionVersion"` // of two the larger one is the newer
	Reactions       []ReactionCount     `json:"reactions"`       // in the order in which each key came first, at most 20
	Yours           bool                `json:"yours,omitzero"`  // they say which are one's own: in answers, and to the devices of who has changed them
}

// ReactionsOf returns the reactions of m for a caller, the zero one being everybody.
func ReactionsOf(m chat.Message, caller chat.Principal) Reactions {
	return Reactions{
		ConversationID: m.ConversationID, MessageID: m.ID, Seq: m.Seq, ReactionVersion: m.ReactionVersion,
		Reactions: append([]ReactionCount{}, countsOf(m, caller)...), Yours: caller != chat.Principal{},
	}
}

// countsOf counts the reactions of m by key.
func countsOf(m chat.Message, caller chat.Principal) (counts []ReactionCount) {
	at := map[chat.ReactionKey]int{}
	for _, r := range m.Reactions {
		i, known := at[r.Key]
		if !known {
			i = len(counts)
			at[r.Key], counts = i, append(counts, ReactionCount{Key: r.Key})
		}
		counts[i].Count++
		counts[i].Mine = counts[i].Mine || r.By == caller
	}
	return counts
}

// Reaction is that of one principal.
type Reaction struct {
	Key chat.ReactionKey `json:"key"`
	Identity
	At string `json:"at"` // when
}

// ReactionList is the body of GET /messages/{id}/reactions.
type ReactionList struct {
	Data []Reaction `json:"data"` // in the order in which they came, at most 200
}

// ReactionListOf returns who has reacted to m.
func ReactionListOf(m chat.Message) ReactionList {
	list := ReactionList{Data: make([]Reaction, 0, len(m.Reactions))}
	for _, r := range m.Reactions {
		list.Data = append(list.Data, Reaction{r.Key, IdentityOf(r.By), stamp(r.At)})
	}
	return list
}
