package live_test

import (
	"testing"

	"aiwm-chat/shared/chat"
	"aiwm-chat/shared/live"
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
