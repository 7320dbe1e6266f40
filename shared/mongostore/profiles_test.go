package mongostore_test

import (
	"encoding/json"
	"fmt"
	"reflect"
	"testing"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"golang.org/x/sync/errgroup"

	"aiwm-chat/shared/chat"
)

// profile is one that has everything.
func profile(id chat.PrincipalID) chat.AgentProfile {
	hot := 0.5
	return chat.AgentProfile{
		OrgID: "o1", ID: id, Name: "Helper", Description: "helps", CreatedBy: alice.ID, CreatedAt: start.Truncate(time.Millisecond),
		Managed: &chat.Managed{
			Instructions: "be {{user.name}}", Provider: "p", Model: "m", Temperature: &hot, ReasoningEffort: "low", MaxOutputTokens: 1,
			History: chat.History{Messages: 2, Tokens: 3, Summary: true}, Tools: []chat.ToolSelection{{Server: "s", Allow: []string{"a*"}, Ask: []string{"b"}, Deny: []string{"c"}}},
			MaxSteps: 4, MaxSeconds: 5, ApprovalSeconds: 6, Respond: chat.RespondMention, Busy: chat.BusyReject,
			Budget: chat.Budget{TokensPerConversation: 7, TokensPerDay: 8},
		},
	}
}

func TestTheLifeOfAnAgent(t *testing.T) {
	f := open(t)
	ctx := t.Context()
	a := profile("helper")
	made, err := f.CreateAgent(ctx, a)
	if err != nil || made.Version != 1 {
		t.Fatal(made.Version, err)
	}
	read, err := f.Agent(ctx, a.Principal())
	if err != nil || !reflect.DeepEqual(read, made) {
		t.Errorf("%+v, %v", read, err)
	}
	a.Version, a.UpdatedAt = 1, a.CreatedAt
	if !reflect.DeepEqual(read, a) {
		t.Errorf("%+v\nwant\n%+v", read, a)
	}
	_, err = f.CreateAgent(ctx, profile("helper"))
	wantCode(t, err, chat.Conflict)
	a.Name, a.Managed = "Other", nil
	changed, err := f.UpdateAgent(ctx, a, later(time.Minute))
	if err != nil || changed.Version != 2 || changed.Name != "Other" || changed.Managed != nil || changed.CreatedBy != alice.ID {
		t.Errorf("%+v, %v", changed, err)
	}
	_, err = f.UpdateAgent(ctx, a, later(time.Minute))
	if wantCode(t, err, chat.Conflict); chat.Public(err).Details["version"] != int64(2) {
		t.Errorf("details %v", chat.Public(err).Details)
	}
	if err := f.DeleteAgent(ctx, a.Principal(), later(time.Hour)); err != nil {
		t.Fatal(err)
	}
	_, err = f.Agent(ctx, a.Principal())
	wantCode(t, err, chat.NotFound)
	wantCode(t, f.DeleteAgent(ctx, a.Principal(), later(time.Hour)), chat.NotFound)
	_, err = f.UpdateAgent(ctx, changed, start)
	wantCode(t, err, chat.NotFound)
	if again, err := f.CreateAgent(ctx, profile("helper")); err != nil || again.Version != 4 {
		t.Errorf("created again: version %d, %v", again.Version, err) // no version comes twice
	}
}

// An agent that only connects is one too, and what is known of its connections stays.
func TestAgentsThatConnect(t *testing.T) {
	f := open(t)
	ctx := t.Context()
	if err := f.SetAgentStatus(ctx, bot, true, start); err != nil {
		t.Fatal(err)
	}
	a, err := f.Agent(ctx, bot)
	if err != nil || !a.Online || a.Managed != nil || a.Version != 0 || a.LastConnectedAt.IsZero() {
		t.Errorf("%+v, %v", a, err)
	}
	_, err = f.UpdateAgent(ctx, a, start)
	wantCode(t, err, chat.NotFound)
	wantCode(t, f.DeleteAgent(ctx, bot, start), chat.NotFound)
	made, err := f.CreateAgent(ctx, profile(bot.ID))
	if err != nil || !made.Online || made.Managed == nil || made.Version != 1 {
		t.Errorf("%+v, %v", made, err)
	}
	if err := f.SetAgentStatus(ctx, bot, false, later(time.Minute)); err != nil {
		t.Fatal(err)
	}
	if a, err := f.Agent(ctx, bot); err != nil || a.Online || a.Managed == nil || a.Version != 1 {
		t.Errorf("%+v, %v", a, err)
	}
	_, err = f.Agent(ctx, chat.Principal{Type: chat.Agent, ID: bot.ID, OrgID: "o2"})
	wantCode(t, err, chat.NotFound)
}

func TestAgentsOfAnOrganisation(t *testing.T) {
	f := open(t)
	ctx := t.Context()
	for i := range 5 {
		if _, err := f.CreateAgent(ctx, profile(chat.PrincipalID(fmt.Sprint("a", i)))); err != nil {
			t.Fatal(err)
		}
	}
	other := profile("a0")
	other.OrgID = "o2"
	if _, err := f.CreateAgent(ctx, other); err != nil {
		t.Fatal(err)
	}
	if err := f.DeleteAgent(ctx, chat.Principal{Type: chat.Agent, ID: "a3", OrgID: "o1"}, start); err != nil {
		t.Fatal(err)
	}
	var ids []chat.PrincipalID
	for after := chat.PrincipalID(""); ; {
		page, more, err := f.Agents(ctx, "o1", after, 2)
		if err != nil {
			t.Fatal(err)
		}
		for _, a := range page {
			ids = append(ids, a.ID)
		}
		if !more {
			break
		}
		after = ids[len(ids)-1]
	}
	if fmt.Sprint(ids) != "[a0 a1 a2 a4]" {
		t.Errorf("%v", ids)
	}
}

func TestOneOfManyCreatesAnAgent(t *testing.T) {
	f := open(t)
	var g errgroup.Group
	made := make(chan chat.AgentProfile, 8)
	for range 8 {
		g.Go(func() error {
			a, err := f.CreateAgent(t.Context(), profile("helper"))
			if err == nil {
				made <- a
			} else if chat.CodeOf(err) != chat.Conflict {
				return err
			}
			return nil
		})
	}
	if err := g.Wait(); err != nil || len(made) != 1 {
		t.Errorf("%d created it, %v", len(made), err)
	}
}

// A call that waits, and the decision, come back as they were written.
func TestApprovalsAreStored(t *testing.T) {
	f := open(t)
	c := f.newConversation(t, "t", start)
	m := newMessage(t, c.ID, bot, "k", chat.Draft{Type: chat.TypeToolCall, ToolCalls: []json.RawMessage{json.RawMessage(`{"id":"x"}`)}})
	m.Approval = &chat.Approval{Verdict: chat.VerdictPending, ExpiresAt: later(time.Hour).Truncate(time.Millisecond).UTC()}
	stored := f.append(t, m)
	call := chat.NewRunID(bot, "m1", 0).Call(0, 1)
	decision, err := chat.NewDecision("o1", c.ID, chat.VerdictApproved,
		chat.Decision{CallID: call, By: alice.ID, Reason: "ok", Arguments: json.RawMessage(`{"b":1,"a":{"$x":[2.5]}}`)}, start)
	if err != nil {
		t.Fatal(err)
	}
	decision.Due = chat.NewDue(start, 0).With(chat.EffectCall)
	f.append(t, decision)
	if got, err := f.Message(t.Context(), "o1", stored.ID); err != nil || !reflect.DeepEqual(got.Approval, m.Approval) {
		t.Errorf("%+v, %v", got.Approval, err)
	}
	got, found, err := f.Sent(t.Context(), c.ID, chat.Backend("o1"), chat.DecisionID(call))
	d, decided := got.Decided()
	if err != nil || !found || !decided || !reflect.DeepEqual(d, *decision.Approval) || !got.Due.Has(chat.EffectCall) {
		t.Errorf("%+v, %v, %v, %v", d, found, decided, err)
	}
	// The first decision counts, whoever makes the second.
	other, err := chat.NewDecision("o1", c.ID, chat.VerdictDenied, chat.Decision{CallID: call, By: bob.ID}, start)
	if err != nil {
		t.Fatal(err)
	}
	_, _, err = f.Append(t.Context(), chat.Head{}, other)
	wantCode(t, err, chat.Conflict)
	deleted, err := f.DeleteMessage(t.Context(), stored, stored.Sender, start)
	if err != nil || deleted.Approval != nil {
		t.Errorf("%+v, %v", deleted.Approval, err)
	}
	if n, err := f.db.Collection("messages").CountDocuments(t.Context(), bson.M{"approval.toolCallId": call}); n != 1 || err != nil {
		t.Error(n, err)
	}
}
