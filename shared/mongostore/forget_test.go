package mongostore_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"

	"aiwm-chat/shared/chat"
)

// erase deletes a message and does what follows from that, but for the job.
func (f fixture) erase(t testing.TB, m chat.Message, at time.Time) {
	t.Helper()
	m, err := f.DeleteMessage(t.Context(), m, m.Sender, at.Add(20*time.Second))
	if err != nil {
		t.Fatal(err)
	}
	f.forget(t, m)
}

func (f fixture) forget(t testing.TB, m chat.Message) {
	t.Helper()
	if _, _, err := f.ForgetMessage(t.Context(), chat.Conversation{}, m); err != nil {
		t.Fatal(err)
	}
	if err := f.Settle(t.Context(), m, m.Due.Without(chat.EffectForget).Without(chat.EffectTell)); err != nil {
		t.Fatal(err)
	}
}

func (f fixture) save(t testing.TB, c chat.Conversation, text string, to int64) (saved bool) {
	t.Helper()
	_, saved, err := f.SaveSummary(t.Context(), c, text, chat.Summary{FromSeq: 1, ToSeq: to, Model: "m", At: start})
	if err != nil {
		t.Fatal(err)
	}
	return saved
}

func (f fixture) read(t testing.TB, id chat.ConversationID) chat.Conversation {
	t.Helper()
	c, err := f.AnyConversation(t.Context(), alice.OrgID, id)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestForgetDropsOnlyASummaryThatCovers(t *testing.T) {
	for to, dropped := range map[int64]bool{0: false, 1: false, 2: true, 3: true} {
		f := open(t)
		c := f.newConversation(t, "t", start)
		var log []chat.Message
		for i := range 3 {
			m := f.append(t, newMessage(t, c.ID, alice, fmt.Sprint(i), draftOf(fmt.Sprint("said ", i))))
			if err := f.Project(t.Context(), chat.Conversation{}, m); err != nil {
				t.Fatal(err)
			}
			log = append(log, m)
		}
		if to > 0 {
			f.save(t, c, "a summary", to)
		}
		m, err := f.DeleteMessage(t.Context(), log[1], alice, start.Add(time.Minute))
		if err != nil || !m.Due.Has(chat.EffectForget) || !m.Due.At.Equal(start.Add(time.Minute).Truncate(time.Millisecond)) || !m.Deleted || m.Content != "" {
			t.Fatalf("erased: %+v, %v", m, err)
		}
		due, err := f.DueBefore(t.Context(), start.Add(time.Hour), 9)
		if err != nil || len(due) != 1 || due[0].ID != m.ID {
			t.Errorf("due are %+v, %v", due, err)
		}
		for i := range 2 { // again changes nothing but the count
			got, now, err := f.ForgetMessage(t.Context(), chat.Conversation{}, m)
			if err != nil || now != (dropped && i == 0) || got.Erasures != int64(i+1) || (got.Summary == nil) != (dropped || to == 0) || (got.ContextSummary == "") != (dropped || to == 0) {
				t.Errorf("summary to %d, time %d: dropped %v, %+v, %v", to, i, now, got, err)
			}
			if got.LastMessage.Content != "said 2" || got.TotalMessages != 3 {
				t.Errorf("the last message is %+v", got.LastMessage)
			}
		}
	}
	f := open(t)
	_, _, err := f.ForgetMessage(t.Context(), chat.Conversation{}, chat.Message{ConversationID: "none", Seq: 1})
	wantCode(t, err, chat.NotFound)
}

// A send that ends while its message is erased leaves due what it knows nothing
// of, in whatever order.
func TestSettleLeavesAnErasureDue(t *testing.T) {
	for _, left := range []*chat.Due{nil, {At: start, Left: []chat.Effect{chat.EffectDeliver}}} {
		f := open(t)
		c := f.newConversation(t, "t", start)
		m := f.appendDue(t, c.ID, "m", start)
		// At the very time that was due before: clocks differ.
		erased, err := f.DeleteMessage(t.Context(), m, alice, start)
		if err != nil || !erased.Due.Has(chat.EffectForget) || !erased.Due.Has(chat.EffectDeliver) {
			t.Fatalf("erased: %+v, %v", erased.Due, err)
		}
		if err := f.Settle(t.Context(), m, left); err != nil {
			t.Fatal(err)
		}
		stored, err := f.Message(t.Context(), alice.OrgID, m.ID)
		if err != nil || !stored.Due.Has(chat.EffectForget) {
			t.Errorf("due is %+v, %v", stored.Due, err)
		}
		f.forget(t, erased)
		if err := f.Settle(t.Context(), erased, nil); err != nil {
			t.Fatal(err)
		}
		f.untilMajority(t)
		if stored, err = f.Message(t.Context(), alice.OrgID, m.ID); err != nil || stored.Due != nil {
			t.Errorf("at the end due is %+v, %v", stored.Due, err)
		}
	}
}

// Every order of the steps of an erasure and of a summary, with the function that
// erases dying after any of them and sweep doing the rest: in the end no summary
// knows what was said, and the next round can be saved.
func TestNoSummaryOutlivesAnErasure(t *testing.T) {
	const secret = "card 4111"
	orders := merges("DF", "RMS") // delete, forget; read, messages, save
	if len(orders) != 10 {
		t.Fatalf("%d orders", len(orders))
	}
	for _, before := range []int64{0, 1, 2} { // what the old summary covers; the secret is said in 2
		for _, order := range orders {
			for _, dies := range []bool{false, true} { // before what follows from the erasure
				f := open(t)
				c := f.newConversation(t, "t", start)
				var log []chat.Message
				for i, text := range []string{"hello", secret, "bye"} {
					log = append(log, f.append(t, newMessage(t, c.ID, alice, fmt.Sprint(i), draftOf(text))))
				}
				if err := f.Project(t.Context(), chat.Conversation{}, log[2]); err != nil {
					t.Fatal(err)
				}
				if before > 0 {
					f.save(t, c, textOf(log[:before]), before)
				}
				var read chat.Conversation
				var text string
				erased := log[1]
				for _, step := range order {
					switch step {
					case 'D':
						var err error
						if erased, err = f.DeleteMessage(t.Context(), erased, erased.Sender, start); err != nil {
							t.Fatal(err)
						}
					case 'F':
						if !dies {
							f.forget(t, erased)
						}
					case 'R':
						read = f.read(t, c.ID)
					case 'M':
						text = read.ContextSummary + f.since(t, read)
					case 'S':
						f.save(t, read, text, 3)
					}
				}
				if dies {
					due, err := f.DueBefore(t.Context(), start.Add(time.Minute), 9)
					if err != nil || len(due) != 1 {
						t.Fatalf("%s: due are %+v, %v", order, due, err)
					}
					f.forget(t, due[0])
				}
				got := f.read(t, c.ID)
				if strings.Contains(got.ContextSummary, secret) || strings.Contains(got.LastMessage.Content, secret) {
					t.Errorf("%s, summary to %d, dies %v: it says %q", order, before, dies, got.ContextSummary)
				}
				if got.Summary == nil && !f.save(t, got, f.since(t, got), 3) {
					t.Errorf("%s, summary to %d, dies %v: the next cannot be saved", order, before, dies)
				}
				f.wantNoTrace(t, secret)
			}
		}
	}
}

// since is what a round reads after the summary of c.
func (f fixture) since(t *testing.T, c chat.Conversation) string {
	t.Helper()
	after := int64(0)
	if c.Summary != nil {
		after = c.Summary.ToSeq
	}
	messages, _, err := f.Messages(t.Context(), c.ID, chat.MessageQuery{AfterSeq: &after, Limit: 9})
	if err != nil {
		t.Fatal(err)
	}
	return textOf(messages)
}

func textOf(messages []chat.Message) (text string) {
	for _, m := range messages {
		text += m.Content + "; "
	}
	return text
}

// merges returns every order of the steps of two, each of which keeps its own.
func merges(a, b string) []string {
	if a == "" || b == "" {
		return []string{a + b}
	}
	var all []string
	for _, rest := range merges(a[1:], b) {
		all = append(all, a[:1]+rest)
	}
	for _, rest := range merges(a, b[1:]) {
		all = append(all, b[:1]+rest)
	}
	return all
}

// A summary is saved between looking for one to drop and counting the erasure.
func TestForgetLooksAgain(t *testing.T) {
	f := open(t)
	c := f.newConversation(t, "t", start)
	m := f.append(t, newMessage(t, c.ID, alice, "m", draftOf("secret")))
	read := f.read(t, c.ID)
	done := make(chan struct{})
	go func() {
		defer close(done)
		for to := int64(1); to <= 200; to++ {
			f.SaveSummary(t.Context(), read, "of the secret", chat.Summary{FromSeq: 1, ToSeq: to}) //nolint:errcheck // refused in the end
		}
	}()
	f.erase(t, m, start)
	<-done
	if got := f.read(t, c.ID); got.ContextSummary != "" || got.Summary != nil {
		t.Errorf("it is %q", got.ContextSummary)
	}
}

// A message that is deleted before it was projected must not hide from an agent
// what was said before it and is not projected yet either.
func TestADeletedMessageHidesNothingThatIsNotProjected(t *testing.T) {
	f := open(t)
	c := f.newConversation(t, "t", time.Now())
	var log []chat.Message
	head := chat.Head{}
	for _, text := range []string{"question", "erased"} { // both functions die after the commit
		m, _, err := f.Append(t.Context(), head, newMessage(t, c.ID, alice, bson.NewObjectID().Hex(), draftOf(text)))
		if err != nil {
			t.Fatal(err)
		}
		m.CreatedAt = time.Now()
		log, head = append(log, m), chat.Head{Seq: m.Seq}
	}
	erased, err := f.DeleteMessage(t.Context(), log[1], log[1].Sender, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := f.ForgetMessage(t.Context(), served(bot.ID), erased); err != nil {
		t.Fatal(err)
	}
	for _, m := range log { // as sweep does
		if err := f.Project(t.Context(), served(bot.ID), m); err != nil {
			t.Fatal(err)
		}
	}
	f.wantBacklog(t, bot, "question")
}
