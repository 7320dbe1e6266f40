package handler

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"aiwm-chat/functions/answer/runlog"
	"aiwm-chat/functions/answer/tools"
	"aiwm-chat/shared/chat"
	"aiwm-chat/shared/protocol"
)

// settle brings a call to its result, or has the run wait for the decision.
func (w *work) settle(ctx, inner context.Context, c *runlog.Call) error {
	if c.Approval && c.Decision == nil {
		return w.wait(ctx, c)
	}
	if !c.Approval || c.Decision.Verdict == chat.VerdictApproved {
		// A stream is not to be open while the run waits: who waits gives no sign of life.
		if len(w.log.Undecided()) == 0 {
			if err := w.shown(ctx, inner, w.log.Next(), usingTool); err != nil {
				return err
			}
		}
		return w.execute(ctx, inner, c)
	}
	return w.result(ctx, c, tools.Result{Text: refusal(*c.Decision), IsError: true}, string(c.Decision.Verdict))
}

// execute makes a call, if nobody has begun it. What was begun and has no result may have
// been executed: it is made again only where that does no harm.
func (w *work) execute(ctx, inner context.Context, c *runlog.Call) error {
	tool, known := w.tool(c.Name)
	if err := w.admitted(ctx); err != nil {
		return err
	}
	// What the call says of itself is of the day when the model wanted it.
	unapproved := tool.Ask && (c.Decision == nil || c.Decision.Verdict != chat.VerdictApproved)
	verdict, err := w.h.store.BeginCall(ctx, w.run(), c.ID)
	switch {
	case err != nil:
		return err
	case verdict == chat.RunStopped:
		w.hold.stop()
		return errStopped
	case verdict == chat.RunBegun && (!tool.Idempotent || !known || unapproved):
		return w.result(ctx, c, tools.Result{Text: "The call was begun, and what came of it is not known. It is not made again.", IsError: true, Unknown: true}, "unknown")
	case verdict != chat.RunHeld && verdict != chat.RunBegun:
		w.hold.cancel(errLost)
		return errLost
	case !known:
		return w.result(ctx, c, tools.Result{Text: "The agent has no such tool. Nothing was called.", IsError: true}, "unknown_tool")
	case unapproved:
		return w.result(ctx, c, tools.Result{Text: "This tool now needs approval; nothing was called.", IsError: true}, "needs_approval")
	}
	got, err := w.session.Call(inner, tool, given(*c))
	if err != nil {
		return errors.Join(context.Cause(inner), err)
	}
	outcome := "done"
	switch {
	case got.Unknown:
		outcome = "unknown"
	case got.IsError:
		outcome = "failed"
	}
	return w.result(ctx, c, got, outcome)
}

// result commits what came of a call. What another attempt has committed is adopted.
func (w *work) result(ctx context.Context, c *runlog.Call, r tools.Result, outcome string) error {
	brief, err := protocol.Marshal(struct {
		ToolCallID chat.CallID `json:"toolCallId"`
		Name       string      `json:"name"`
		Outcome    string      `json:"outcome"` // done, failed, unknown, unknown_tool, needs_approval, denied or expired
		IsError    bool        `json:"isError"`
	}{c.ID, c.Name, outcome, r.IsError})
	if err != nil {
		return err
	}
	d := chat.Draft{
		Role: chat.RoleTool, Type: chat.TypeToolResult, Content: chat.TruncateUTF8(r.Text, chat.MaxContentStream),
		Name: chat.Preview(c.Name), ToolResults: []json.RawMessage{brief},
	}
	m, err := runlog.Message(w.run(), chat.ClientMessageID(c.ID), d, chat.StatusSent)
	if err != nil {
		return fmt.Errorf("make the result of a call: %w", err)
	}
	stored, _, err := w.h.place.Place(ctx, m)
	if err != nil {
		return err
	}
	c.Result = &stored
	return nil
}

// wait has the run wait for the decision about a call. Then it looks whether there is one, or
// a stop: what came while the run was still busy, nobody else goes on with.
func (w *work) wait(ctx context.Context, c *runlog.Call) error {
	step := w.log.Steps[len(w.log.Steps)-1].Message
	expires := time.Now().Add(time.Duration(w.agent.Managed.ApprovalSeconds) * time.Second)
	if step.Approval != nil && !step.Approval.ExpiresAt.IsZero() {
		expires = step.Approval.ExpiresAt
	}
	now, verdict, err := w.h.store.WaitRun(ctx, w.run(), c.ID, step.Seq, expires, time.Now())
	switch {
	case err != nil:
		return err
	case verdict == chat.RunStopped:
		return errStopped
	case verdict != chat.RunHeld:
		return errLost
	}
	if err := w.h.look(ctx, now); err != nil {
		return err
	}
	return errWaits
}
