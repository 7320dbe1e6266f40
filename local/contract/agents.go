package contract

import (
	"encoding/json"
	"reflect"
	"time"

	"github.com/google/jsonschema-go/jsonschema"

	"aiwm-chat/shared/chat"
	"aiwm-chat/shared/protocol"
)

// The agent that the backend runs, its answer to the question, and the call in it that waits.
var (
	helper = profileExample(createExample())
	run    = runExample()
	waits  = chat.Message{
		ID: "6b066937df81089594050140", ConversationID: conversation.ID, Seq: 2, Sender: helper.Principal(), Status: chat.StatusSent,
		Draft: chat.Draft{
			Role: chat.RoleAgent, Type: chat.TypeToolCall, ParentID: question.ID, Approval: &chat.Approval{Verdict: chat.VerdictPending, ExpiresAt: answered.Add(24 * time.Hour)},
			ToolCalls: []json.RawMessage{json.RawMessage(`{"id":"` + string(call) + `","modelId":"call_0","name":"orders__cancel_order","server":"orders","tool":"cancel_order","arguments":{"order":4711},"approval":true}`)},
			Usage:     &chat.Usage{PromptTokens: 380, CompletionTokens: 32, TotalTokens: 412},
		},
		ClientMessageID: run.ID.Step(0), Streamed: true, CreatedAt: answered, UpdatedAt: answered,
	}
	call     = run.ID.Call(0, 1)
	decision = decisionExample()
)

func createExample() protocol.CreateAgent {
	return protocol.CreateAgent{AgentID: "support", Name: "Support", Description: "Knows all orders", Managed: managedExample()}
}

func managedExample() *protocol.Managed {
	return &protocol.Managed{
		Instructions: "You help {{user.name}} with orders.", Provider: "openai", Model: "gpt-6-luna", Temperature: new(0.2), ReasoningEffort: "low",
		MaxOutputTokens: 1024, History: &protocol.AgentHistory{Messages: 30, Tokens: 8000, Summary: new(true)},
		Tools:    []protocol.ToolSelection{{Server: "orders", Allow: []string{"find_*"}, Ask: []string{"cancel_order"}, Deny: []string{"delete_*"}}},
		MaxSteps: 10, MaxSeconds: 300, ApprovalSeconds: 3600, Respond: chat.RespondAlways, Busy: chat.BusyEnqueue,
		Budget: &protocol.Budget{TokensPerConversation: 100_000, TokensPerDay: 1_000_000},
	}
}

func profileExample(in protocol.CreateAgent) chat.AgentProfile {
	a := in.Agent(user)
	a.Version, a.CreatedAt, a.UpdatedAt = 1, asked, asked
	return a
}

func runExample() chat.Run {
	r := chat.NewRun(helper, question, 0, user.ID, question.Seq, asked)
	r.Status, r.Steps, r.StartedAt, r.Usage = chat.RunWaiting, 1, asked, chat.Usage{PromptTokens: 380, CompletionTokens: 32, TotalTokens: 412}
	r.WaitsFor, r.ExpiresAt = r.ID.Call(0, 1), answered.Add(24*time.Hour)
	return r
}

func queuedExample() chat.Run {
	return chat.NewRun(helper, question, 1, user.ID, question.Seq, answered)
}

func stoppedExample() chat.Run {
	r := chat.NewRun(helper, question, 0, user.ID, question.Seq, asked)
	r.Status, r.Stop, r.EndedAt = chat.RunCancelled, &chat.RunStop{By: user.ID, At: answered}, answered
	return r
}

func decisionExample() chat.Message {
	m, err := chat.NewDecision(user.OrgID, conversation.ID, chat.VerdictApproved, chat.Decision{
		CallID: call, By: user.ID, Reason: "it is still here", Arguments: json.RawMessage(`{"order":4711}`),
	}, answered)
	if err != nil {
		panic("contract: an example: " + err.Error()) // a mistake in the program
	}
	m.ID, m.Seq = "6b066937df81089594050141", 3
	return m
}

// decidedExample is what somebody who decides is told in the dialect aiwm.
func decidedExample() protocol.Sent {
	sent := protocol.SentOf(decision, false)
	sent.AgentOnline = new(true)
	return sent
}

func approveAction(e protocol.Envelope) action {
	of := func(d protocol.Decide) protocol.Approve {
		return protocol.Approve{Envelope: e, ConversationID: conversation.ID, ToolCallID: call, Decide: d}
	}
	examples := map[string]any{}
	for name, d := range decisions() {
		examples[name] = of(d.(protocol.Decide))
	}
	return action{
		name: protocol.ActionApprove, frame: reflect.TypeFor[protocol.Approve](), replies: []string{protocol.EventMessageSent}, examples: examples,
		codes: codesOfApprovals,
	}
}

func decisions() map[string]any {
	return map[string]any{
		"yes":                  protocol.Decide{Approved: new(true)},
		"no":                   protocol.Decide{Approved: new(false), Reason: "ask the customer first"},
		"with other arguments": protocol.Decide{Approved: new(true), Arguments: []byte(`{"order":4712}`)},
	}
}

var codesOfApprovals = []chat.Code{chat.Forbidden, chat.NotFound, chat.Conflict, chat.ConversationClosed}

// neverTogether are members that a client does not send together.
var neverTogether = map[reflect.Type]*jsonschema.Schema{
	reflect.TypeFor[protocol.Mention](): { // all has no id, everybody else one
		AnyOf: []*jsonschema.Schema{
			{Required: []string{"id"}, Properties: map[string]*jsonschema.Schema{"type": constant(chat.Everybody)}},
			{Not: &jsonschema.Schema{AnyOf: []*jsonschema.Schema{{Required: []string{"id"}}, {Properties: map[string]*jsonschema.Schema{"type": constant(chat.Everybody)}}}}},
		},
	},
	reflect.TypeFor[protocol.Stop]():    {Required: []string{"streamId", "messageId"}},
	reflect.TypeFor[protocol.Decide]():  argumentsOfNo,
	reflect.TypeFor[protocol.Approve](): argumentsOfNo,
}

var argumentsOfNo = &jsonschema.Schema{
	Required: []string{"approved", "arguments"}, Properties: map[string]*jsonschema.Schema{"approved": constant(false)},
}

// agentValue is the schema of a member of an agent, or of a run, whose Go type says less
// than is known.
func agentValue(key string) *jsonschema.Schema {
	switch key {
	case "Managed.ReasoningEffort":
		return oneOf("none", "minimal", "low", "medium", "high", "xhigh")
	case "Run.Error":
		return &jsonschema.Schema{Type: "string"} // it has more values than the codes of errors
	}
	return nil
}

const ofAgents, ofRuns = "Agents", "Runs"

// agentRoutes are the routes of agents that the backend runs, and of what they do.
func agentRoutes() []route {
	theAgent := pathParameter("id", reflect.TypeFor[chat.PrincipalID](), "The agent.", string(helper.ID))
	anAgent := answerOf{status: 200, description: "The agent.", body: reflect.TypeFor[protocol.Agent](), example: protocol.AgentOf(helper, true)}
	created := anAgent
	created.status, created.created = 201, true
	page := []parameter{
		query("cursor", cursor, "That of the page before.", nil),
		query("limit", whole(1, 100, "50"), "The most entries of the page.", 50),
	}
	return append([]route{
		{
			method: "POST", path: "/agents", id: "createAgent", tag: ofAgents, summary: "Create an agent",
			description: "Only who has the role `admin` or `agents:write` in the token may. With `managed` the backend itself answers for it; without, a program that connects does. A name that is not configured, a variable that is unknown and a glob that decides nothing are refused here, with the field.",
			body:        reflect.TypeFor[protocol.CreateAgent](), bodies: map[string]any{
				"that the backend runs": createExample(),
				"that connects":         protocol.CreateAgent{AgentID: "support", Name: "Support"},
				"the least":             protocol.CreateAgent{AgentID: "support", Name: "Support", Managed: &protocol.Managed{Provider: "openai", Model: "gpt-6-luna"}},
			},
			answers: []answerOf{created}, codes: []chat.Code{chat.Forbidden, chat.Conflict},
		}, {
			method: "GET", path: "/agents", id: "listAgents", tag: ofAgents, summary: "List the agents of the organisation",
			description: "In the order of their ids, also those that only connected once. `managed` is shown to who may write agents.",
			parameters:  append(page[:2:2], getHeaders...),
			answers: []answerOf{{status: 200, description: "A page.", body: reflect.TypeFor[protocol.AgentPage](), example: protocol.AgentPage{
				Data: []protocol.Agent{protocol.AgentOf(helper, false)}, Pagination: protocol.CursorPage{Limit: 50},
			}}, notModified},
		}, {
			method: "GET", path: "/agents/{id}", id: "getAgent", tag: ofAgents, summary: "Read an agent",
			description: "`managed`, with all defaults, is shown to who may write agents.",
			parameters:  append([]parameter{theAgent}, getHeaders...),
			answers:     []answerOf{anAgent, notModified},
			codes:       []chat.Code{chat.NotFound},
		}, {
			method: "PUT", path: "/agents/{id}", id: "updateAgent", tag: ofAgents, summary: "Change an agent",
			description: "All of it: what is left out is the default. `version` is that of what was read; with another one it is a `conflict` whose details have the one of now. Runs that go on end as they began.",
			parameters:  []parameter{theAgent},
			body:        reflect.TypeFor[protocol.UpdateAgent](), bodies: map[string]any{
				"all of it": protocol.UpdateAgent{Version: 1, Name: "Support", Description: "Knows all orders", Managed: managedExample()},
			},
			answers: []answerOf{anAgent}, codes: []chat.Code{chat.Forbidden, chat.NotFound, chat.Conflict},
		}, {
			method: "DELETE", path: "/agents/{id}", id: "deleteAgent", tag: ofAgents, summary: "Delete an agent",
			description: "A run that goes on ends as it began; none begins any more. What it said stays.",
			parameters:  []parameter{theAgent},
			answers:     []answerOf{gone}, codes: []chat.Code{chat.Forbidden, chat.NotFound},
		},
	}, runRoutes(page)...)
}

func runRoutes(page []parameter) []route {
	theRun := pathParameter("id", reflect.TypeFor[chat.RunID](), "The run.", string(run.ID))
	ofRun := reflect.TypeFor[protocol.Run]()
	return []route{
		{
			method: "GET", path: "/conversations/{id}/runs", id: "listRuns", tag: ofRuns, summary: "List the runs of a conversation",
			description: "The newest first. Only participants may.",
			parameters:  append(append([]parameter{theTalk}, page...), getHeaders...),
			answers: []answerOf{{status: 200, description: "A page.", body: reflect.TypeFor[protocol.RunPage](), example: protocol.RunPage{
				Data: []protocol.Run{protocol.RunOf(run)}, Pagination: protocol.CursorPage{Limit: 50},
			}}, notModified},
			codes: []chat.Code{chat.NotFound},
		}, {
			method: "GET", path: "/runs/{id}", id: "getRun", tag: ofRuns, summary: "Read a run",
			description: "Only participants of its conversation may.",
			parameters:  append([]parameter{theRun}, getHeaders...),
			answers:     []answerOf{{status: 200, description: "The run.", body: ofRun, example: protocol.RunOf(run)}, notModified},
			codes:       []chat.Code{chat.NotFound},
		}, {
			method: "POST", path: "/runs/{id}/stop", id: "stopRun", tag: ofRuns, summary: "Stop a run",
			description: "Any participant may, as often as they like. One that had not begun is `cancelled` at once, any other within half a second; one that is over stays as it is.",
			parameters:  []parameter{theRun},
			answers:     []answerOf{{status: 200, description: "The run as it is now.", body: ofRun, example: protocol.RunOf(stoppedExample())}},
			codes:       []chat.Code{chat.NotFound},
		}, {
			method: "POST", path: "/messages/{id}/regenerate", id: "regenerate", tag: ofRuns, summary: "Have a question answered once more",
			description: "The message is the question, or the answer to it. Users who take part may, 50 times for a question. While it is being answered it is a `conflict`, whose details have the `runId`.",
			parameters:  []parameter{theMessage},
			answers:     []answerOf{{status: 202, description: "The run that answers it.", body: ofRun, example: protocol.RunOf(queuedExample()), created: true}},
			codes:       []chat.Code{chat.Forbidden, chat.NotFound, chat.Conflict, chat.ConversationClosed},
		}, {
			method: "POST", path: "/conversations/{id}/approvals/{toolCallId}", id: "decide", tag: ofRuns, summary: "Approve or deny a tool call",
			description: "As the action `approve`: users who take part may, and the first decision counts. Another one is a `conflict` whose details have the first: `status`, `by`, `reason`, `messageId`, `seq`.",
			parameters:  []parameter{theTalk, pathParameter("toolCallId", reflect.TypeFor[chat.CallID](), "The call that waits.", string(call))},
			body:        reflect.TypeFor[protocol.Decide](), bodies: decisions(),
			answers: []answerOf{
				{status: 201, description: "The decision, which is a message.", body: reflect.TypeFor[protocol.Message](), example: protocol.MessageOf(decision)},
				{status: 200, description: "The caller had decided so before.", body: reflect.TypeFor[protocol.Message](), example: protocol.MessageOf(decision)},
			},
			codes: codesOfApprovals,
		}, {
			method: "GET", path: "/usage", id: "getUsage", tag: ofRuns, summary: "See what runs cost",
			description: "Those of the caller; of everybody in the organisation for who may write agents. At most 366 days, of UTC, by when the runs were asked for.",
			parameters: append([]parameter{
				query("from", of(reflect.TypeFor[chat.Day]()), "The first day.", "2026-11-01").must(),
				query("to", of(reflect.TypeFor[chat.Day]()), "The last day.", "2026-11-30").must(),
				query("groupBy", of(reflect.TypeFor[chat.UsageGroup]()), "What is added up.", string(chat.UsageByAgent)).must(),
			}, getHeaders...),
			answers: []answerOf{{status: 200, description: "The sums.", body: reflect.TypeFor[protocol.UsageReport](), example: usageExample()}, notModified},
			codes:   []chat.Code{chat.Forbidden},
		},
	}
}

func usageExample() protocol.UsageReport {
	return protocol.UsageReportOf(chat.UsageQuery{From: "2026-11-01", To: "2026-11-30", GroupBy: chat.UsageByAgent}, []chat.UsageSum{
		{Key: string(helper.ID), Runs: 1, Usage: run.Usage},
	})
}
