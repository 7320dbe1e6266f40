package e2e_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"

	"aiwm-chat/local/client"
	"aiwm-chat/local/server"
	"aiwm-chat/shared/chat"
	"aiwm-chat/shared/protocol"
)

// Operations on runs, each of which is killed at each of its steps (G12).

// runOperations are those of runs.
func runOperations() []operation {
	return []operation{killedQuestion(), killedAnswer(), killedApproval(), killedStopOfRun(false), killedStopOfRun(true)}
}

// A mortalRun is the answer to a question in a conversation of its own, of which a step
// dies.
type mortalRun struct {
	*asking
	order    string
	client   string // names the question
	question protocol.Sent
	call     chat.CallID
}

// open begins a conversation with the agent, which pays back without asking, or asks.
func (r *mortalRun) open(k *killing, policy string) {
	k.t.Helper()
	everybodyIn(k)
	if r.asking == nil {
		tools := []fields{{"server": server.ShopServer, policy: []string{"*"}}}
		r.asking = &asking{agent: hire(k.t, k.server, fields{"tools": tools})}
	}
	r.screen = newScreen(k.user.actor)
	r.another()
	r.order, r.client, r.question, r.call = order(), unique("q"), protocol.Sent{}, ""
}

// asked is the question, for the tool.
func (r *mortalRun) asked() fields {
	return fields{"conversationId": r.id, "clientMessageId": r.client, "content": fmt.Sprintf(`#tool shop__refund_order {"order": %q}`, r.order)}
}

// puts has the question in the log.
func (r *mortalRun) puts(k *killing, question fields) {
	k.t.Helper()
	r.question = data[protocol.Sent](k.t, k.user.insist("send", question))
}

// swept has the clock come until a run is as it should be: what is due is due now, and
// who died has lost the lease.
func (r *mortalRun) swept(k *killing, what string, dead bool, is func(protocol.Run) bool) {
	k.t.Helper()
	runs := k.messages.Database().Collection("runs")
	eventually(k.t, "the run "+what, func() bool {
		var run protocol.Run
		if r.try(http.MethodGet, "/runs/"+string(r.runID(r.question, 0)), nil, &run) == nil && is(run) {
			return true
		}
		past := time.Now().Add(-time.Second)
		set := bson.M{"dueAt": past}
		if dead && run.Status == chat.RunActive {
			set["leaseUntil"] = past
		}
		if _, err := runs.UpdateMany(k.t.Context(), bson.M{"conversationId": r.id, "dueAt": bson.M{"$exists": true}}, bson.M{"$set": set}); err != nil {
			k.t.Fatal(err)
		}
		hasten(k.t, k.messages, r.id)
		if err := k.sweep(); err != nil {
			k.t.Log("sweep:", err)
		}
		time.Sleep(quiet)
		return false
	})
}

func isOver(r protocol.Run) bool { return r.Status.Over() }

// is holds what there is in the end against what may be: one answer, and the tool was
// executed once at most.
func (r *mortalRun) is(k *killing, may ...chat.RunStatus) {
	k.t.Helper()
	for step := range 4 {
		(&mortalStream{id: r.id, stream: r.stream(r.question, step)}).silent(k)
	}
	run, said := r.over(r.question, 0)
	ends := 0
	for _, m := range said {
		if m.Type != chat.TypeToolCall && m.Type != chat.TypeToolResult {
			ends++
		}
	}
	if ends != 1 {
		k.t.Errorf("there are %d answers: %+v", ends, said)
	}
	if !slices.Contains(may, run.Status) {
		k.t.Errorf("it ended as %+v", run)
	}
	if n := r.server.Shop().Refunds(r.order); n > 1 {
		k.t.Errorf("the order was paid back %d times", n)
	}
}

// killedQuestion is a question to a managed agent. Who repeats it gets one answer, and
// who does not gets it if the question is in the log.
func killedQuestion() operation {
	r := &mortalRun{}
	return operation{
		name: "question", function: "SendFunction", framed: true, scale: 10,
		prepare: func(k *killing) { r.open(k, "allow") },
		run:     func(k *killing) { _, _ = k.user.ask("send", r.asked()) },
		heal: func(k *killing, repeats bool) {
			if repeats {
				r.puts(k, r.asked())
			} else if log := r.log(); len(log) > 0 {
				r.question = protocol.Sent{MessageID: log[0].ID}
			} else {
				return
			}
			r.swept(k, "is over", false, isOver)
			r.is(k, chat.RunComplete)
			if n := r.server.Shop().Refunds(r.order); n != 1 {
				k.t.Errorf("the order was paid back %d times", n)
			}
		},
	}
}

// killedAnswer is the answer to one, with a call of a tool. What it died of may be the end
// of the run.
func killedAnswer() operation {
	r := &mortalRun{}
	return operation{
		name: "answer", function: "AnswerFunction", scale: 10, ticks: true,
		prepare: func(k *killing) { r.open(k, "allow") },
		run:     func(k *killing) { r.puts(k, r.asked()) },
		heal: func(k *killing, _ bool) {
			r.swept(k, "is over", true, isOver)
			r.is(k, chat.RunComplete, chat.RunFailed)
		},
	}
}

// killedApproval is the approval of a call. Who repeats it has decided it, and so has who
// does not, if the decision is in the log.
func killedApproval() operation {
	r := &mortalRun{}
	approval := func() fields { return fields{"conversationId": r.id, "toolCallId": r.call, "approved": true} }
	return operation{
		name: "approve", function: "ApproveFunction", framed: true, scale: 10,
		prepare: func(k *killing) {
			r.open(k, "ask")
			r.puts(k, r.asked())
			r.call = r.waits(r.question)
		},
		run: func(k *killing) { _, _ = k.user.ask(protocol.ActionApprove, approval()) },
		heal: func(k *killing, repeats bool) {
			decided := false
			for _, m := range r.log() {
				decided = decided || m.ParticipantType == chat.System
			}
			if repeats || !decided {
				persist(k.t, "approve", func(ctx context.Context) error {
					_, err := k.user.Request(ctx, protocol.ActionApprove, approval())
					if refusal, ok := errors.AsType[*client.Error](err); ok && refusal.Code == chat.Conflict && refusal.Details["by"] == string(k.user.principal.ID) {
						return nil // it was done
					}
					return err
				})
			}
			r.swept(k, "is over", false, isOver)
			r.is(k, chat.RunComplete)
			if n := r.server.Shop().Refunds(r.order); n != 1 {
				k.t.Errorf("the order was paid back %d times", n)
			}
		},
	}
}

// killedStopOfRun is the stop of a run whose model is silent. Who got no answer asks
// again.
func killedStopOfRun(rest bool) operation {
	r := &mortalRun{}
	stop := func(k *killing) error {
		if rest {
			return r.try(http.MethodPost, "/runs/"+string(r.runID(r.question, 0))+"/stop", nil, nil)
		}
		ctx, cancel := context.WithTimeout(k.t.Context(), patience)
		defer cancel()
		_, err := k.user.Request(ctx, protocol.ActionStop, fields{"conversationId": r.id, "messageId": r.question.MessageID})
		return err
	}
	op := operation{
		name: "stop of a run", function: "StreamFunction", framed: true, scale: 10,
		prepare: func(k *killing) {
			r.open(k, "allow")
			r.puts(k, fields{"conversationId": r.id, "clientMessageId": r.client, "content": "#silent 1"})
			r.run(r.question, 0, "is active", func(run protocol.Run) bool { return run.Status == chat.RunActive })
		},
		run: func(k *killing) { _ = stop(k) },
		heal: func(k *killing, _ bool) {
			persist(k.t, "stop", func(context.Context) error { return stop(k) })
			r.swept(k, "is over", false, isOver)
			r.is(k, chat.RunCancelled)
		},
	}
	if rest {
		op.name, op.function, op.framed = "POST stop", "AgentsFunction", false
	}
	return op
}
