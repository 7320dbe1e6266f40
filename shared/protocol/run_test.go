package protocol_test

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"aiwm-chat/shared/chat"
	"aiwm-chat/shared/protocol"
)

// What an agent is told comes back as it was given, with all defaults.
func TestAgentOf(t *testing.T) {
	in, err := protocol.Decode[protocol.CreateAgent]([]byte(`{"agentId":"a","name":"A","managed":{"provider":"p","model":"m","tools":[{"server":"s","ask":["b"]}]}}`))
	if err != nil {
		t.Fatal(err)
	}
	a := in.Agent(user)
	a.Version, a.LastConnectedAt, a.CreatedAt = 3, now, now
	got, err := protocol.Marshal(protocol.AgentOf(a, true))
	const head = `{"agentId":"a","orgId":"o1","name":"A","description":"","isManaged":true,"respond":"always","online":true,"lastSeen":"` + stamp + `","version":3,"createdAt":"` + stamp + `","createdBy":"u1"`
	want := head + `,"managed":{"provider":"p","model":"m","maxOutputTokens":1024,"history":{"messages":30,"tokens":8000,"summary":true},` +
		`"tools":[{"server":"s","ask":["b"]}],"maxSteps":10,"maxSeconds":300,"approvalSeconds":86400,"respond":"always","busy":"enqueue"}}`
	if err != nil || string(got) != want {
		t.Errorf("got %s, %v\nwant %s", got, err, want)
	}
	if got, err := protocol.Marshal(protocol.AgentOf(a, false)); err != nil || string(got) != head+"}" {
		t.Errorf("got %s, %v", got, err)
	}
}

func TestRunOf(t *testing.T) {
	r := chat.Run{
		ID: "r", ConversationID: "c1", AgentID: "a", Trigger: "m1", Status: chat.RunWaiting, UserID: "u1", CreatedAt: now,
		WaitsFor: "r:0:1", ExpiresAt: now.Add(time.Hour), Stop: &chat.RunStop{By: "u2"}, Usage: chat.Usage{TotalTokens: 3},
	}
	out := protocol.RunOf(r)
	if out.ToolCallID != "r:0:1" || out.ExpiresAt == "" || out.StoppedBy != "u2" || out.MessageID != "m1" || out.StartedAt != "" || out.Usage.TotalTokens != 3 {
		t.Errorf("%+v", out)
	}
	if r.Status = chat.RunComplete; protocol.RunOf(r).ToolCallID != "" {
		t.Error("a run that is over waits")
	}
	if job := protocol.RunJobOf(r); job.About() != "c1" || job.RunID != "r" {
		t.Errorf("%+v", job)
	}
}

func TestApprovalsInMessages(t *testing.T) {
	call := chat.NewRunID(agent, "m1", 0).Call(0, 1)
	m, err := chat.NewDecision("o1", "c1", chat.VerdictApproved, chat.Decision{CallID: call, By: "u1", Reason: "ok", Arguments: json.RawMessage(`{"a":1}`)}, now)
	if err != nil {
		t.Fatal(err)
	}
	got, err := protocol.Marshal(protocol.MessageOf(m).Approval)
	if want := `{"status":"approved","toolCallId":"` + string(call) + `","by":"u1","reason":"ok","arguments":{"a":1}}`; err != nil || string(got) != want {
		t.Errorf("got %s, %v", got, err)
	}
	m.Approval.Arguments = json.RawMessage(`{"a":"` + strings.Repeat("x", 40_000) + `"}`)
	frame := protocol.MessageFrame(protocol.EventMessageNew, m, now)
	if cut := dataOf[protocol.Message](t, frame); len(frame) > protocol.MaxFrame || !cut.Truncated || cut.Approval == nil || cut.Approval.Status != chat.VerdictApproved {
		t.Errorf("a frame of %d bytes: %+v", len(frame), cut.Approval)
	}
}
