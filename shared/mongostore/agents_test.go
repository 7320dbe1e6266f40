package mongostore_test

import (
	"testing"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"golang.org/x/sync/errgroup"

	"aiwm-chat/shared/chat"
)

func (f fixture) agentStatus(t *testing.T, id chat.PrincipalID) string {
	t.Helper()
	doc, err := f.db.Collection("agents").FindOne(t.Context(), bson.M{"_id": id}).Raw()
	if err != nil {
		t.Fatal(err)
	}
	return doc.Lookup("status").StringValue()
}

func TestSetAgentStatusKeepsTheNewestEvent(t *testing.T) {
	f := open(t)
	for i, step := range []struct {
		online bool
		at     time.Duration
		want   string
	}{
		{true, 2 * time.Minute, "online"},
		{false, time.Minute, "online"}, // late
		{false, 3 * time.Minute, "offline"},
		{true, 2 * time.Minute, "offline"}, // late
		{true, 4 * time.Minute, "online"},
	} {
		if err := f.SetAgentStatus(t.Context(), bot, step.online, start.Add(step.at)); err != nil {
			t.Fatal(err)
		}
		if got := f.agentStatus(t, bot.ID); got != step.want {
			t.Errorf("step %d: the agent is %s, want %s", i, got, step.want)
		}
	}
	// Another organisation's agent of the same id changes nothing.
	if err := f.SetAgentStatus(t.Context(), chat.Principal{Type: chat.Agent, ID: bot.ID, OrgID: "o2"}, false, start.Add(time.Hour)); err != nil {
		t.Fatal(err)
	}
	if got := f.agentStatus(t, bot.ID); got != "online" {
		t.Errorf("the agent is %s, want online", got)
	}
}

func TestConcurrentAgentEventsKeepTheNewest(t *testing.T) {
	f := open(t)
	var g errgroup.Group
	for i := range 20 {
		g.Go(func() error {
			return f.SetAgentStatus(t.Context(), bot, i == 19, start.Add(time.Duration(i)*time.Second))
		})
	}
	if err := g.Wait(); err != nil {
		t.Fatal(err)
	}
	if got := f.agentStatus(t, bot.ID); got != "online" {
		t.Errorf("the agent is %s, want online as the last event says", got)
	}
}
