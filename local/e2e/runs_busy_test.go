package e2e_test

import (
	"net/http"
	"strings"
	"testing"

	"aiwm-chat/shared/chat"
	"aiwm-chat/shared/protocol"
)

// begun asks something that takes its time, and waits until the answer has begun.
func (a *asking) begun(question string) protocol.Sent {
	a.t.Helper()
	asked := a.say(a.id, question)
	a.run(asked, 0, "is active", func(r protocol.Run) bool { return r.Status == chat.RunActive })
	return asked
}

// What a second question does while the first is answered is the agent's policy.
func TestRunMeetsASecondQuestion(t *testing.T) {
	t.Parallel()
	for policy, tt := range map[string]struct{ first, second chat.RunStatus }{
		"enqueue":   {chat.RunComplete, chat.RunComplete},
		"interrupt": {chat.RunCancelled, chat.RunComplete},
		"reject":    {chat.RunComplete, chat.RunCancelled},
	} {
		t.Run(policy, func(t *testing.T) {
			t.Parallel()
			a := asks(t, shared, fields{"busy": policy})
			first := a.begun("One. #tokens 40 #slow 25")
			second := a.say(a.id, "Two.")
			one, saidFirst := a.over(first, 0)
			two, saidSecond := a.over(second, 0)
			if one.Status != tt.first || two.Status != tt.second {
				t.Fatalf("the first ended as %+v, the second as %+v", one, two)
			}
			m := answer(t, saidFirst)
			if want := map[chat.RunStatus]chat.MessageStatus{chat.RunComplete: chat.StatusSent, chat.RunCancelled: chat.StatusCancelled}[tt.first]; m.Status != want {
				t.Errorf("the first ended with %+v", m)
			}
			if tt.second == chat.RunCancelled {
				if len(saidSecond) > 0 {
					t.Errorf("the second is rejected, and answered with %+v", saidSecond)
				}
				return
			}
			if last := answer(t, saidSecond); last.Seq < m.Seq || last.Status != chat.StatusSent || !strings.Contains(last.Content, "Two.") {
				t.Errorf("the second ended with %+v", last)
			}
		})
	}
}

// Which messages call an agent it says itself.
func TestRunIsCalledFor(t *testing.T) {
	t.Parallel()
	for policy, called := range map[string][]bool{"always": {true, true}, "mention": {false, true}, "never": {false, false}} {
		t.Run(policy, func(t *testing.T) {
			t.Parallel()
			a := asks(t, shared, fields{"respond": policy})
			plain := a.say(a.id, "Hello.")
			named := a.say(a.id, "Hello @"+string(a.agent)+".")
			for i, q := range []protocol.Sent{plain, named} {
				if called[i] {
					if run, _ := a.over(q, 0); run.Status != chat.RunComplete {
						t.Errorf("%+v", run)
					}
				}
			}
			eventually(t, "all is done of both", func() bool { return due(t, mongoOf(t, shared), a.id) == 0 })
			var page protocol.RunPage
			a.call(http.MethodGet, "/conversations/"+string(a.id)+"/runs", nil, &page)
			want := 0
			for _, is := range called {
				if is {
					want++
				}
			}
			if len(page.Data) != want || len(a.log()) != 2+want {
				t.Errorf("there are %d runs and %d messages", len(page.Data), len(a.log()))
			}
		})
	}
}

// An agent that has spent its budget says so, and does not ask its model; elsewhere it
// goes on.
func TestRunHasABudget(t *testing.T) {
	t.Parallel()
	for bound, elsewhere := range map[string]chat.RunStatus{"tokensPerConversation": chat.RunComplete, "tokensPerDay": chat.RunFailed} {
		t.Run(bound, func(t *testing.T) {
			t.Parallel()
			a := asks(t, shared, fields{"budget": fields{bound: 60}})
			if run, _ := a.over(a.say(a.id, "One. #tokens 80"), 0); run.Status != chat.RunComplete {
				t.Fatalf("the first is %+v", run)
			}
			run, said := a.over(a.say(a.id, "Two."), 0)
			if m := answer(t, said); run.Status != chat.RunFailed || run.Error != "budget_exceeded" || m.Status != chat.StatusFailed || !strings.Contains(m.Content, "may spend") || run.Usage.TotalTokens != 0 {
				t.Errorf("over the budget it is %+v, with %+v", run, m)
			}
			a.another()
			if run, _ := a.over(a.say(a.id, "Three."), 0); run.Status != elsewhere {
				t.Errorf("elsewhere it is %+v", run)
			}
		})
	}
}

// An answer is given again, as a run and a message of its own, at once or by the message
// that it answers; while it is being given it is not.
func TestRunIsDoneAgain(t *testing.T) {
	t.Parallel()
	a := asks(t, shared, nil)
	before := a.tokens()
	question := a.say(a.id, "How is the sea?")
	first, said := a.over(question, 0)
	var again protocol.Run
	a.call(http.MethodPost, "/messages/"+string(answer(t, said).ID)+"/regenerate", nil, &again)
	second, saidAgain := a.over(question, 1)
	if again.ID != second.ID || again.N != 1 || second.Status != chat.RunComplete || answer(t, saidAgain).ID == answer(t, said).ID || answer(t, saidAgain).Content != answer(t, said).Content {
		t.Errorf("again it is %+v: %+v", second, saidAgain)
	}
	a.call(http.MethodPost, "/messages/"+string(question.MessageID)+"/regenerate", nil, nil)
	third, _ := a.over(question, 2)
	a.costs(before, first, second, third)

	slow := a.begun("#silent 1")
	if err := a.try(http.MethodPost, "/messages/"+string(slow.MessageID)+"/regenerate", nil, nil); code(t, err) != chat.Conflict {
		t.Errorf("while it is answered: %v", err)
	}
	if err := newUser(t, shared).try(http.MethodPost, "/messages/"+string(question.MessageID)+"/regenerate", nil, nil); code(t, err) != chat.NotFound {
		t.Errorf("a stranger: %v", err)
	}
	a.call(http.MethodPost, "/runs/"+string(a.runID(slow, 0))+"/stop", nil, nil)
	a.over(slow, 0)
}
