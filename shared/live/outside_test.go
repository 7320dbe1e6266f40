package live_test

import (
	"testing"
	"time"

	"aiwm-chat/shared/chat"
	"aiwm-chat/shared/live"
	"aiwm-chat/shared/protocol"
)

func TestAdded(t *testing.T) {
	w := &world{devices: append(members("ann", "bob"), member("cid"))}
	w.devices = append(w.devices, chat.Connection{ID: "bob2=", Principal: member("bob").Principal, ExpiresAt: member("bob").ExpiresAt})
	c := chat.Conversation{ID: "c1", OrgID: "acme", Title: "t"}
	live.NewAnnouncer(w, w, w).Added(t.Context(), c, member("bob").Principal)
	if len(w.heard) != 2 || len(w.heard["bob="]) != 1 || len(w.heard["bob2="]) != 1 {
		t.Errorf("heard %v", w.heard)
	}
	w = &world{fail: map[string]error{"connections": errDown}, devices: members("bob")}
	live.NewAnnouncer(w, w, w).Added(t.Context(), c, member("bob").Principal)
	if w.posts != 0 {
		t.Errorf("without Redis: %v", w.heard)
	}
}

// Who is a participant hears it once, in the room or not; a stranger in the room does not.
func TestEverywhere(t *testing.T) {
	c := chat.Conversation{ID: "c1", OrgID: "acme"}
	for _, id := range []chat.PrincipalID{"ann", "bob"} {
		c.Participants = append(c.Participants, chat.Participant{Type: chat.User, ID: id})
	}
	w := &world{rooms: map[chat.ConversationID]chat.Room{"c1": members("ann", "removed")}, devices: members("ann", "bob", "removed")}
	frame := protocol.Frame("news", "", 1, time.Now())
	live.NewAnnouncer(w, w, w).Everywhere(t.Context(), c, frame)
	mustBeHeard(t, w, map[chat.ConnectionID][]string{"ann=": {"news 1"}, "bob=": {"news 1"}})
	for len(c.Participants) <= chat.MaxOutside {
		c.Participants = append(c.Participants, c.Participants[0])
	}
	w = &world{rooms: map[chat.ConversationID]chat.Room{"c1": members("ann")}, devices: members("ann", "bob")}
	live.NewAnnouncer(w, w, w).Everywhere(t.Context(), c, frame)
	mustBeHeard(t, w, map[chat.ConnectionID][]string{"ann=": {"news 1"}})
}

func TestLeft(t *testing.T) {
	bob := member("bob")
	other := bob
	other.ID = "bob2="
	w := &world{devices: []chat.Connection{bob, other, member("ann")}}
	live.NewAnnouncer(w, w, w).Left(t.Context(), "c1", bob.Principal, []chat.Connection{bob})
	if len(w.heard) != 1 || len(w.heard["bob2="]) != 1 {
		t.Errorf("heard %v", w.heard)
	}
}

func TestActivity(t *testing.T) {
	w := &world{devices: members("ann", "bob", "cid", "dan"), gone: map[chat.ConnectionID]bool{"cid=": true}}
	c := chat.Conversation{ID: "c1", OrgID: "acme", TotalMessages: 5}
	for _, id := range []chat.PrincipalID{"ann", "bob", "cid"} {
		c.Participants = append(c.Participants, chat.Participant{Type: chat.User, ID: id})
	}
	live.NewAnnouncer(w, w, w).Activity(t.Context(), c, 7, members("ann", "removed"))
	if len(w.heard) != 1 || len(w.heard["bob="]) == 0 {
		t.Errorf("heard %v, the steps were %v", w.heard, w.steps)
	}
	for len(c.Participants) <= chat.MaxOutside {
		c.Participants = append(c.Participants, c.Participants[0])
	}
	w = &world{devices: members("ann", "bob")}
	live.NewAnnouncer(w, w, w).Activity(t.Context(), c, 8, nil)
	if w.posts != 0 {
		t.Errorf("of a large one: %v", w.heard)
	}
}
