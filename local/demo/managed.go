package demo

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/go-json-experiment/json"

	"aiwm-chat/local/client"
	"aiwm-chat/local/scripted"
	"aiwm-chat/shared/chat"
	"aiwm-chat/shared/protocol"
)

// Model is how fast the scripted model speaks: slowly enough for pieces.
var Model = scripted.Options{Delay: 10 * time.Millisecond}

// assistant is the agent that the demo creates.
const assistant chat.PrincipalID = "demo-assistant"

// What the user asks the assistant. Its model is scripted: it calls the tool after #tool.
const (
	whereQuestion  = `Where is my order? #tool shop__get_order {"order": "1042"}`
	refundQuestion = `Please pay it back. #tool shop__refund_order {"order": "1042"}`
)

// hire creates an agent that the backend runs, and opens a conversation with it. Who
// creates it may write agents; the user may not.
func (d *demo) hire(ctx context.Context) error {
	d.print.heading("A third conversation, with an agent that the backend runs")
	in := protocol.CreateAgent{AgentID: assistant, Name: "Assistant", Managed: &protocol.Managed{
		Instructions: "You help the customers of a shop.", Provider: d.target.Provider, Model: "scripted",
		Tools: []protocol.ToolSelection{{Server: d.target.ToolServer, Allow: []string{"get_*"}, Ask: []string{"refund_*"}}},
	}}
	d.print.sent("admin", "POST /agents", "%s: may call get_*, asks before refund_*", assistant)
	rest := client.NewREST(d.target.HTTPURL, d.target.AdminToken)
	defer rest.Close()
	var a protocol.Agent
	if err := rest.Do(ctx, http.MethodPost, "/agents", in, &a); err != nil {
		return err
	}
	if !a.IsManaged || a.Managed == nil || a.Managed.MaxSteps != chat.DefaultSteps {
		return fmt.Errorf("the agent is %+v", a)
	}
	d.print.received("admin", "201 Created", "version %d, at most %d steps, responds %s", a.Version, a.Managed.MaxSteps, a.Respond)
	if err := d.create(ctx, protocol.CreateConversation{Title: "Order 1042", AgentID: assistant}); err != nil {
		return err
	}
	_, err := d.join(ctx, d.user)
	return err
}

// called has the assistant use a tool that it may call, and answer.
func (d *demo) called(ctx context.Context) error {
	d.print.heading("It calls a tool, and answers")
	s := &screen{side: d.user}
	if _, err := d.asks(ctx, 1, whereQuestion); err != nil {
		return err
	}
	if _, err := d.toolCall(ctx); err != nil {
		return err
	}
	if err := d.toolResult(ctx); err != nil {
		return err
	}
	return d.answers(ctx, s)
}

// approve has it wait before it uses another one, and the user approve that.
func (d *demo) approve(ctx context.Context) error {
	d.print.heading("It asks before it uses another one")
	s := &screen{side: d.user}
	if _, err := d.asks(ctx, 5, refundQuestion); err != nil {
		return err
	}
	call, err := d.toolCall(ctx)
	if err != nil {
		return err
	}
	if call.Approval == nil || call.Approval.Status != chat.VerdictPending {
		return fmt.Errorf("the call does not wait: %+v", call.Approval)
	}
	run, err := d.latest(ctx, chat.RunWaiting)
	if err != nil {
		return err
	}
	d.print.sent(d.user.name, "GET …/runs", "")
	d.print.received(d.user.name, "the run", "%s: nothing runs, and nothing is billed", run.Status)
	d.print.sent(d.user.name, protocol.ActionApprove, "yes")
	yes := map[string]any{"conversationId": d.conversation, "toolCallId": run.ToolCallID, "approved": true}
	reply, err := d.user.Request(ctx, protocol.ActionApprove, yes)
	if err != nil {
		return fmt.Errorf("user: %w", err)
	}
	d.print.received(d.user.name, reply.Event, "")
	m, err := d.hears(ctx, d.user, func(m protocol.Message) bool { return m.ParticipantType == chat.System })
	if err != nil {
		return err
	}
	d.print.received(d.user.name, protocol.EventMessageNew, "seq %d, %s: %s by %s", m.Seq, m.Type, m.Approval.Status, m.Approval.By)
	if err := d.toolResult(ctx); err != nil {
		return err
	}
	if err := d.answers(ctx, s); err != nil {
		return err
	}
	return d.cost(ctx)
}

// toolCall waits for the assistant to call a tool.
func (d *demo) toolCall(ctx context.Context) (protocol.Message, error) {
	m, err := d.hears(ctx, d.user, func(m protocol.Message) bool { return m.Type == chat.TypeToolCall })
	if err != nil {
		return m, err
	}
	if len(m.ToolCalls) != 1 {
		return m, fmt.Errorf("a message with %d calls, not one", len(m.ToolCalls))
	}
	var call struct {
		Tool      string `json:"tool"`
		Arguments any    `json:"arguments"`
	}
	if err := json.Unmarshal(m.ToolCalls[0], &call, json.RejectUnknownMembers(false)); err != nil {
		return m, fmt.Errorf("read a call: %w", err)
	}
	arguments, err := json.Marshal(call.Arguments)
	if err != nil {
		return m, fmt.Errorf("read a call: %w", err)
	}
	waits := ""
	if m.Approval != nil {
		waits = ", which is " + string(m.Approval.Status)
	}
	d.print.received(d.user.name, protocol.EventMessageNew, "seq %d, %s: %s %s%s", m.Seq, m.Type, call.Tool, spaced(arguments), waits)
	return m, nil
}

func (d *demo) toolResult(ctx context.Context) error {
	m, err := d.hears(ctx, d.user, func(m protocol.Message) bool { return m.Type == chat.TypeToolResult })
	if err != nil {
		return err
	}
	d.print.received(d.user.name, protocol.EventMessageNew, "seq %d, %s: %s", m.Seq, m.Type, m.Content)
	return nil
}

// answers waits for an answer, of which the pieces come as the model says them: how many
// there are is no two times the same.
func (d *demo) answers(ctx context.Context, s *screen) error {
	var m protocol.Message
	pieces, before := 0, "" // what was shown before the message
	for {
		frame, err := d.user.Await(ctx, func(f client.Frame) bool {
			return f.Event == protocol.EventStreamDelta || f.Event == protocol.EventMessageNew
		})
		if err != nil {
			return fmt.Errorf("user waits for an answer: %w", err)
		}
		if err := s.Frame(frame, time.Now()); err != nil {
			return err
		}
		if frame.Event == protocol.EventStreamDelta {
			delta, err := client.Data[protocol.StreamDelta](frame)
			if err != nil {
				return err
			}
			if shown, ok := s.Show(d.conversation, delta.StreamID, time.Now()); ok && delta.Text != "" && shown.Message == nil {
				before, pieces = shown.Text(protocol.PartContent), pieces+1
			}
			continue
		}
		if m, err = client.Data[protocol.Message](frame); err != nil {
			return err
		}
		if m.ParticipantID == assistant && m.Type == chat.TypeText && m.Seq > d.user.heard {
			d.user.heard = m.Seq
			break
		}
	}
	if pieces == 0 { // the message has overtaken them
		if _, err := d.user.Next(ctx, protocol.EventStreamDelta); err != nil {
			return fmt.Errorf("user: %w", err)
		}
	}
	if m.Status != chat.StatusSent || m.Usage == nil || !strings.HasPrefix(m.Content, before) {
		return fmt.Errorf("the answer is %+v, shown was %q", m, before)
	}
	d.print.received(d.user.name, protocol.EventStreamDelta, "…")
	d.print.received(d.user.name, protocol.EventMessageNew, "seq %d, %s: %s", m.Seq, m.Status, m.Content)
	return nil
}

// latest waits until the latest run is of a status.
func (d *demo) latest(ctx context.Context, status chat.RunStatus) (protocol.Run, error) {
	for {
		runs, err := d.runs(ctx)
		if err != nil {
			return protocol.Run{}, err
		}
		if len(runs) > 0 && runs[0].Status == status {
			return runs[0], nil
		}
		select {
		case <-time.After(20 * time.Millisecond):
		case <-ctx.Done():
			return protocol.Run{}, fmt.Errorf("the runs are %+v: %w", runs, ctx.Err())
		}
	}
}

func (d *demo) runs(ctx context.Context) ([]protocol.Run, error) {
	var page protocol.RunPage
	err := d.rest.Do(ctx, http.MethodGet, "/conversations/"+string(d.conversation)+"/runs", nil, &page)
	return page.Data, err
}

// cost reads the runs, and holds what they cost against the messages.
func (d *demo) cost(ctx context.Context) error {
	if _, err := d.latest(ctx, chat.RunComplete); err != nil {
		return err
	}
	runs, err := d.runs(ctx)
	if err != nil {
		return err
	}
	var page protocol.MessagePage
	if err := d.rest.Do(ctx, http.MethodGet, "/messages?limit=100&conversationId="+string(d.conversation), nil, &page); err != nil {
		return err
	}
	var ofRuns, ofMessages int64
	for _, r := range runs {
		ofRuns += r.Usage.TotalTokens
	}
	for _, m := range page.Data {
		if m.Usage != nil {
			ofMessages += m.Usage.TotalTokens
		}
	}
	if ofRuns == 0 || ofRuns != ofMessages {
		return fmt.Errorf("the runs cost %d tokens, their messages %d", ofRuns, ofMessages)
	}
	d.print.printf("\n%d runs are %s; they cost %d tokens, as their messages do.\n", len(runs), runs[0].Status, ofRuns)
	return nil
}
