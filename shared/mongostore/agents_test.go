package mongostore_test

import (
	"testing"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"golang.org/x/sync/errgroup"

	"aiwm-chat/shared/chat"
)

func (f fixture) agentStatus(t *testing.T, p chat.Principal) string {
	t.Helper()
	doc, err := f.db.Collection("agents").FindOne(t.Context(), bson.M{"orgId": p.OrgID, "agentId": p.ID}).Raw()
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
		if got := f.agentStatus(t, bot); got != step.want {
			t.Errorf("step %d: the agent is %s, want %s", i, got, step.want)
		}
	}
}

func TestAgentsOfTwoOrganisationsAreTwo(t *testing.T) {
	f := open(t)
	namesake := chat.Principal{Type: chat.Agent, ID: bot.ID, OrgID: "o2"}
	for i, step := range []struct {
		agent  chat.Principal
		online bool
		want   string // of bot and namesake
	}{{bot, true, "online none"}, {namesake, false, "online offline"}, {namesake, true, "online online"}, {bot, false, "offline online"}} {
		if err := f.SetAgentStatus(t.Context(), step.agent, step.online, start.Add(time.Duration(i)*time.Second)); err != nil {
			t.Fatal(err)
		}
		other := "none"
		if i > 0 {
			other = f.agentStatus(t, namesake)
		}
		if got := f.agentStatus(t, bot) + " " + other; got != step.want {
			t.Errorf("step %d: the agents are %s, want %s", i, got, step.want)
		}
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
	if got := f.agentStatus(t, bot); got != "online" {
		t.Errorf("the agent is %s, want online as the last event says", got)
	}
}

// Who is online for a minute or more comes, each in its turn.
func TestUncheckedAgents(t *testing.T) {
	f := open(t)
	agent := func(id chat.PrincipalID) chat.Principal {
		return chat.Principal{Type: chat.Agent, ID: id, OrgID: bot.OrgID}
	}
	now := start.Add(time.Hour)
	set := func(id chat.PrincipalID, online bool, at time.Time) {
		t.Helper()
		if err := f.SetAgentStatus(t.Context(), agent(id), online, at); err != nil {
			t.Fatal(err)
		}
	}
	for _, id := range []chat.PrincipalID{"a", "b", "c"} {
		set(id, true, start)
	}
	set("opening", true, now.Add(-50*time.Second))
	set("away", false, start)
	namesake := chat.Principal{Type: chat.Agent, ID: "a", OrgID: "o2"}
	if err := f.SetAgentStatus(t.Context(), namesake, true, start); err != nil {
		t.Fatal(err)
	}
	foreign := bson.M{"_id": bson.NewObjectID(), "orgId": "o3", "agentId": "a", "status": "online", "lastConnectedAt": start}
	if _, err := f.db.Collection("agents").InsertOne(t.Context(), foreign); err != nil {
		t.Fatal(err)
	}
	if got, err := f.UncheckedAgents(t.Context(), now.Add(-time.Second), 5); err != nil || len(got) != 4 { // beside what others keep there
		t.Errorf("%v, %v", got, err)
	}
	if _, err := f.db.Collection("agents").DeleteOne(t.Context(), bson.M{"_id": foreign["_id"]}); err != nil {
		t.Fatal(err)
	}
	turns := map[chat.Principal]int{}
	for i := range 4 { // four agents, three at a time
		got, err := f.UncheckedAgents(t.Context(), now.Add(time.Duration(i)*time.Second), 3)
		if err != nil {
			t.Fatal(err)
		}
		if len(got) != 3 {
			t.Errorf("look %d: %v", i, got)
		}
		for _, a := range got {
			turns[a]++
		}
		if i == 1 && len(turns) != 4 {
			t.Errorf("in two looks only %v had their turn", turns)
		}
	}
	for _, a := range []chat.Principal{namesake, agent("a"), agent("b"), agent("c")} {
		if turns[a] < 2 {
			t.Errorf("the turns are %v", turns)
		}
	}
}
