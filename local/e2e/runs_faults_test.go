package e2e_test

import (
	"strings"
	"testing"
	"unicode/utf8"

	"aiwm-chat/shared/chat"
	"aiwm-chat/shared/protocol"
)

// However a model fails, its run ends, people see a message that says so, with what had
// come, and the agent answers the next question.
func TestRunWhoseModelFails(t *testing.T) {
	if testing.Short() {
		t.Skip("many runs at once, which take their time on a slow machine")
	}
	t.Parallel()
	const (
		away   = "The model does not answer at the moment. Try again later."
		broken = "The model broke off its answer."
	)
	type fault struct {
		code  chat.Code // of a run that fails
		says  string    // the content has it
		error string    // why there is no more; "": there is no content but that
	}
	faults := map[string]fault{
		"#flaky 1":         {says: "You said"},
		"#flaky 2":         {says: "You said"},
		"#429 1":           {code: chat.Unavailable, says: away},
		"#429 3600":        {code: chat.Unavailable, says: away},
		"#500":             {code: chat.Unavailable, says: away},
		"#401":             {code: chat.Internal, says: "somebody has to look at how the agent is set up"},
		"#quota":           {code: chat.Internal, says: "somebody has to look at how the agent is set up"},
		"#refuse":          {code: chat.Forbidden, says: "The model declined to answer this."},
		"#filter 3":        {code: chat.Forbidden, says: "You said", error: "The model declined to answer this."},
		"#empty":           {code: chat.Unavailable, says: "The model answered with nothing."},
		"#break 5":         {code: chat.Unavailable, says: "You said", error: broken},
		"#garbage 5":       {code: chat.Unavailable, says: "You said", error: broken},
		"#silent 5":        {code: chat.Unavailable, says: "You said", error: "The agent took too long, and was stopped."},
		"#wait 20000":      {code: chat.Unavailable, says: "The agent took too long, and was stopped."},
		"#big":             {code: chat.PayloadTooLarge, says: "large large", error: "The answer was too long, and is cut."},
		"#big-event":       {code: chat.PayloadTooLarge, says: "The answer was too long, and is cut."},
		"#bad-utf8":        {says: "and goes on."},
		"#loop #tool none": {code: chat.Unavailable, says: "The agent did not come to an end in 3 steps."},
		`#tool shop__get_order {"order": "1042"} #bad-arguments`: {says: "arguments"},
	}
	// All at once: most of them wait.
	type asked struct {
		*asking
		protocol.Sent
	}
	all := map[string]asked{}
	for question, tt := range faults {
		with := fields{"maxSteps": 3}
		if strings.Contains(tt.says+tt.error, "took too long") {
			with["maxSeconds"] = 5 // before which what comes has come, also on a busy machine
		}
		a := asks(t, shared, with)
		all[question] = asked{a, a.say(a.id, question+" Hello?")}
	}
	for question, tt := range faults {
		t.Run(question, func(t *testing.T) {
			a := all[question]
			a.t = t
			run, said := a.over(a.Sent, 0)
			m := answer(t, said)
			status, ends := chat.RunComplete, chat.StatusSent
			if tt.code != "" {
				status, ends = chat.RunFailed, chat.StatusFailed
			}
			wantError := tt.error
			if tt.code != "" && wantError == "" {
				wantError = tt.says
			}
			if run.Status != status || run.Error != tt.code || m.Status != ends || !strings.Contains(m.Content, tt.says) || !strings.Contains(m.Error, wantError) {
				t.Errorf("the run is %+v, its end %q, %q, %s", run, chat.TruncateUTF8(m.Content, 200), m.Error, m.Status)
			}
			if !utf8.ValidString(m.Content) || len(m.Content) > chat.MaxContentStream || strings.ContainsRune(m.Content, 0) {
				t.Errorf("%d bytes were committed", len(m.Content))
			}
			for _, s := range said[:len(said)-1] {
				if s.Status != chat.StatusSent {
					t.Errorf("before the end there is %+v", s)
				}
			}
			if next, _ := a.over(a.say(a.id, "And now?"), 0); next.Status != chat.RunComplete {
				t.Errorf("the next question: %+v", next)
			}
		})
	}
}
