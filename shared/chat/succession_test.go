package chat_test

import (
	"testing"
	"time"

	"aiwm-chat/shared/chat"
)

func TestSuccession(t *testing.T) {
	at := func(typ chat.PrincipalType, id chat.PrincipalID, minute int) chat.Participant {
		return chat.Participant{Type: typ, ID: id, Joined: now.Add(time.Duration(minute) * time.Minute)}
	}
	ann, bob, cid := at(chat.User, "ann", 0), at(chat.User, "bob", 2), at(chat.User, "cid", 1)
	bot, old := at(chat.Agent, "bot", 0), at(chat.Agent, "old", -1)
	called := at(chat.User, "called", 0)
	called.Invited = true
	who := func(p chat.Participant) chat.Principal { return chat.Principal{Type: p.Type, ID: p.ID, OrgID: "o1"} }
	for _, tt := range []struct {
		name         string
		creator      chat.Participant
		participants []chat.Participant
		leaver       chat.Participant
		closes       bool
		heir         chat.PrincipalID
	}{
		{"the creator", ann, []chat.Participant{ann, bot, bob, cid}, ann, false, "cid"},
		{"the creator, of equals the first", ann, []chat.Participant{ann, at(chat.User, "x", 5), at(chat.User, "y", 5)}, ann, false, "x"},
		{"the creator, before one who never came", ann, []chat.Participant{ann, called, bob, cid}, ann, false, "cid"},
		{"the creator, and nobody else ever came", ann, []chat.Participant{ann, bot, called}, ann, false, "called"},
		{"the last who ever came", bob, []chat.Participant{bob, called}, bob, false, "called"},
		{"another user", ann, []chat.Participant{ann, bot, bob}, bob, false, ""},
		{"an agent", ann, []chat.Participant{ann, bot, bob}, bot, false, ""},
		{"the only user", ann, []chat.Participant{ann, bot}, ann, true, ""},
		{"the last user, not the creator", bot, []chat.Participant{bot, bob}, bob, true, ""},
		{"the last of all", bot, []chat.Participant{bot}, bot, true, ""},
		{"an agent that is the creator", bot, []chat.Participant{bot, old, bob, cid}, bot, false, "cid"},
		{"an agent that is the creator, among agents", bot, []chat.Participant{bot, at(chat.Agent, "new", 3), old}, bot, false, "old"},
		{"a namesake of the creator", ann, []chat.Participant{ann, at(chat.Agent, "ann", 0), bob}, at(chat.Agent, "ann", 0), false, ""},
		{"one of those whom the creator left earlier", ann, []chat.Participant{bot, bob, cid}, bob, false, "cid"},
	} {
		c := chat.Conversation{OrgID: "o1", CreatedBy: tt.creator, Participants: tt.participants}
		got := c.SuccessionOf(who(tt.leaver))
		heir := chat.PrincipalID("")
		if got.Heir != nil {
			heir = got.Heir.ID
		}
		if got.Closes != tt.closes || heir != tt.heir || (got.Witness == nil) != tt.closes || heir != "" && got.Witness != got.Heir {
			t.Errorf("%s: %+v, heir %q", tt.name, got, heir)
		}
	}
}
