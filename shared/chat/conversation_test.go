package chat_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"aiwm-chat/shared/chat"
)

func TestNewConversation(t *testing.T) {
	c, err := chat.NewConversation(user, "Title", "About", "a1", []string{"x"}, now)
	if err != nil {
		t.Fatal(err)
	}
	want := []chat.Participant{{Type: chat.User, ID: "u1", Joined: now}, {Type: chat.Agent, ID: "a1", Joined: now}}
	if c.Title != "Title" || c.Description != "About" || c.AgentID != "a1" || c.OrgID != "o1" || c.Status != chat.Active || !slices.Equal(c.Tags, []string{"x"}) ||
		!slices.Equal(c.Participants, want) || c.CreatedBy != want[0] || !c.CreatedAt.Equal(now) || !c.UpdatedAt.Equal(now) || c.Head() != (chat.Head{}) || c.ID != "" {
		t.Errorf("%+v", c)
	}
	if c.Agent() != agent {
		t.Errorf("agent %v", c.Agent())
	}
	own, err := chat.NewConversation(agent, "Title", "", "a1", nil, now)
	if err != nil || len(own.Participants) != 1 {
		t.Errorf("an agent's own: %+v, %v", own.Participants, err)
	}
	// A user and an agent of the same id are two principals.
	twin, err := chat.NewConversation(user, "Title", "", "u1", nil, now)
	if err != nil || len(twin.Participants) != 2 {
		t.Errorf("user and agent of one id: %+v, %v", twin.Participants, err)
	}
}

func TestNewConversationRefused(t *testing.T) {
	many := make([]string, chat.MaxTags+1)
	for i := range many {
		many[i] = fmt.Sprint(i)
	}
	long := strings.Repeat("é", chat.MaxTag)
	for name, tt := range map[string]struct {
		title, description string
		agent              chat.PrincipalID
		tags               []string
		want               []string
	}{
		"largest":              {strings.Repeat("é", chat.MaxTitle), strings.Repeat("é", chat.MaxDescription), "a1", append(many[:chat.MaxTags-1:chat.MaxTags-1], long), nil},
		"no title":             {"", "", "a1", nil, []string{"title"}},
		"white space":          {" \n", "", "a1", nil, []string{"title"}},
		"title too long":       {strings.Repeat("x", chat.MaxTitle+1), "", "a1", nil, []string{"title"}},
		"description too long": {"t", strings.Repeat("x", chat.MaxDescription+1), "a1", nil, []string{"description"}},
		"no agent":             {"t", "", "", nil, []string{"agentId"}},
		"agent":                {"t", "", "a{1}", nil, []string{"agentId"}},
		"too many tags":        {"t", "", "a1", many, []string{"tags"}},
		"empty tag":            {"t", "", "a1", []string{"x", " "}, []string{"tags"}},
		"tag too long":         {"t", "", "a1", []string{long + "é"}, []string{"tags"}},
		"tag twice":            {"t", "", "a1", []string{"x", "y", "x"}, []string{"tags"}},
		"everything":           {"", strings.Repeat("x", chat.MaxDescription+1), "", []string{""}, []string{"agentId", "description", "tags", "title"}},
	} {
		_, err := chat.NewConversation(user, tt.title, tt.description, tt.agent, tt.tags, now)
		if got := faults(t, err); !slices.Equal(got, tt.want) {
			t.Errorf("%s: faults in %v, want %v", name, got, tt.want)
		}
	}
}

func TestHasParticipant(t *testing.T) {
	c := chat.Conversation{OrgID: "o1", Participants: []chat.Participant{{Type: chat.User, ID: "u1"}, {Type: chat.Agent, ID: "a1"}}}
	for p, want := range map[chat.Principal]bool{
		user:                                     true,
		agent:                                    true,
		{Type: chat.User, ID: "u2", OrgID: "o1"}: false,
		{Type: chat.User, ID: "a1", OrgID: "o1"}: false, // an agent's id
		{Type: chat.Agent, ID: "u1", OrgID: "o1"}: false,
		{Type: chat.User, ID: "u1", OrgID: "o2"}:  false, // of another organisation
		{Type: chat.User, ID: "u1"}:               false,
		{}:                                        false,
	} {
		if got := c.HasParticipant(p); got != want {
			t.Errorf("HasParticipant(%+v) = %v", p, got)
		}
	}
}

func TestHead(t *testing.T) {
	c := chat.Conversation{TotalMessages: 12, TotalTokens: 340}
	if c.Head() != (chat.Head{Seq: 12, RunningTokens: 340}) {
		t.Errorf("%+v", c.Head())
	}
}

func TestConnectionExpired(t *testing.T) {
	c := chat.Connection{ExpiresAt: now}
	for after, want := range map[time.Duration]bool{-time.Second: false, 0: true, time.Second: true} {
		if got := c.Expired(now.Add(after)); got != want {
			t.Errorf("Expired %v after = %v", after, got)
		}
	}
}

func TestPrincipal(t *testing.T) {
	if user.String() != "user:u1" || agent.String() != "agent:a1" || user.IsZero() || !(chat.Principal{}).IsZero() {
		t.Error("a principal's forms are wrong")
	}
}
