package mongostore_test

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"aiwm-chat/shared/chat"
)

func (f fixture) react(t testing.TB, by chat.Principal, m chat.Message, key chat.ReactionKey, on bool) (chat.Message, bool) {
	t.Helper()
	m, done, err := f.React(t.Context(), by, chat.ReactionChange{ConversationID: m.ConversationID, MessageID: m.ID, Key: key, On: on}, start, start)
	if err != nil {
		t.Fatal(err)
	}
	return m, done
}

func (f fixture) edit(t testing.TB, m chat.Message, content string) chat.Message {
	t.Helper()
	m, _, err := f.EditMessage(t.Context(), m.Sender, chat.Edit{ConversationID: m.ConversationID, MessageID: m.ID, Content: content, Edits: m.Edits}, start)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// keys are the reactions of m in their order.
func keys(m chat.Message) string {
	var all []string
	for _, r := range m.Reactions {
		all = append(all, fmt.Sprint(r.By.ID, r.Key))
	}
	return strings.Join(all, " ")
}

func TestReactIsIdempotentBothWays(t *testing.T) {
	f := open(t)
	c := f.newConversation(t, "t", start)
	m := f.append(t, newMessage(t, c.ID, alice, "m", draftOf("x")))
	for _, step := range []struct {
		by      chat.Principal
		key     chat.ReactionKey
		on      bool
		want    string
		version int64
		done    bool
	}{
		{alice, "👍", false, "", 0, false},
		{alice, "👍", true, "alice👍", 1, true},
		{alice, "👍", true, "alice👍", 1, false},
		{bot, "👍", true, "alice👍 bot👍", 2, true},
		{alice, "🎉", true, "alice👍 bot👍 alice🎉", 3, true},
		{alice, "👍", false, "bot👍 alice🎉", 4, true},
		{alice, "👍", false, "bot👍 alice🎉", 4, false},
	} {
		got, done := f.react(t, step.by, m, step.key, step.on)
		if keys(got) != step.want || got.ReactionVersion != step.version || got.Version != 0 || done != step.done {
			t.Errorf("%+v: %s, version %d, done %v", step, keys(got), got.ReactionVersion, done)
		}
		if due := got.Due.Has(chat.EffectTellReactions); due != (step.version > 0) {
			t.Errorf("%+v: due are %+v", step, got.Due)
		}
	}
	stored, err := f.Message(t.Context(), alice.OrgID, m.ID)
	if err != nil || keys(stored) != "bot👍 alice🎉" || !stored.Reactions[0].At.Equal(start.Truncate(time.Millisecond)) || stored.Reactions[0].By != bot || stored.ChangedAt.IsZero() {
		t.Errorf("stored is %+v, %v", stored, err)
	}
}

func TestReactionsHaveTheirLimits(t *testing.T) {
	f := open(t)
	c := f.newConversation(t, "t", start)
	m := f.append(t, newMessage(t, c.ID, alice, "m", draftOf("x")))
	by := func(i int) chat.Principal {
		return chat.Principal{Type: chat.User, ID: chat.PrincipalID(fmt.Sprint("u", i)), OrgID: alice.OrgID}
	}
	refused := func(by chat.Principal, key chat.ReactionKey) {
		t.Helper()
		_, _, err := f.React(t.Context(), by, chat.ReactionChange{ConversationID: c.ID, MessageID: m.ID, Key: key, On: true}, start, start)
		wantCode(t, err, chat.Conflict)
	}
	for i := range chat.MaxReactionKeys {
		f.react(t, by(0), m, chat.ReactionKey(fmt.Sprint(":k", i, ":")), true)
	}
	refused(by(1), ":another:")
	f.react(t, by(1), m, ":k3:", true) // one that is there
	f.react(t, by(0), m, ":k0:", false)
	f.react(t, by(1), m, ":another:", true) // 21 reactions, 20 keys
	refused(by(1), ":k0:")
	for i := 2; ; i++ {
		got, _ := f.react(t, by(i), m, ":k3:", true)
		if len(got.Reactions) == chat.MaxReactions {
			break
		}
	}
	refused(by(1), ":k4:")
	got, done := f.react(t, by(0), m, ":k3:", true)
	if done || len(got.Reactions) != chat.MaxReactions {
		t.Errorf("what is there already: %d, done %v", len(got.Reactions), done)
	}
}

// Of those who react at once none is lost, and none beyond the limits.
func TestReactionsAtOnce(t *testing.T) {
	f := open(t)
	c := f.newConversation(t, "t", start)
	m := f.append(t, newMessage(t, c.ID, alice, "m", draftOf("x")))
	const n = 60
	codes := make([]chat.Code, n)
	var g sync.WaitGroup
	for i := range n {
		g.Go(func() {
			by := chat.Principal{Type: chat.User, ID: chat.PrincipalID(fmt.Sprint("u", i)), OrgID: alice.OrgID}
			_, _, err := f.React(t.Context(), by, chat.ReactionChange{ConversationID: c.ID, MessageID: m.ID, Key: chat.ReactionKey(fmt.Sprint(":k", i%30, ":")), On: true}, start, start)
			codes[i] = chat.CodeOf(err)
		})
	}
	g.Wait()
	stored, err := f.Message(t.Context(), alice.OrgID, m.ID)
	if err != nil {
		t.Fatal(err)
	}
	different, accepted := map[chat.ReactionKey]bool{}, 0
	for _, r := range stored.Reactions {
		different[r.Key] = true
	}
	for i, code := range codes {
		if code == chat.Conflict {
			continue
		}
		accepted++
		if by := chat.PrincipalID(fmt.Sprint("u", i)); code != "" && code != chat.Internal || !slices.ContainsFunc(stored.Reactions, func(r chat.Reaction) bool { return r.By.ID == by }) {
			t.Errorf("%s got %q and is not there", by, code)
		}
	}
	if len(different) != chat.MaxReactionKeys || accepted != len(stored.Reactions) || stored.ReactionVersion != int64(accepted) {
		t.Errorf("%d keys, %d of %d accepted, version %d", len(different), len(stored.Reactions), accepted, stored.ReactionVersion)
	}
}

func TestReactToNothing(t *testing.T) {
	f := open(t)
	c, other := f.newConversation(t, "t", start), f.newConversation(t, "t", start)
	m := f.append(t, newMessage(t, c.ID, alice, "m", draftOf("x")))
	gone := f.append(t, newMessage(t, c.ID, alice, "gone", draftOf("x")))
	f.react(t, alice, gone, "👍", true)
	erased, err := f.DeleteMessage(t.Context(), gone, alice, start)
	if err != nil || len(erased.Reactions) > 0 || erased.ReactionVersion != 1 {
		t.Errorf("erased %+v, %v", erased, err)
	}
	for _, r := range []chat.ReactionChange{
		{ConversationID: other.ID, MessageID: m.ID, Key: "👍", On: true},
		{ConversationID: c.ID, MessageID: "none", Key: "👍", On: true},
		{ConversationID: c.ID, MessageID: gone.ID, Key: "👍", On: true},
		{ConversationID: c.ID, MessageID: gone.ID, Key: "👍"},
	} {
		_, _, err := f.React(t.Context(), alice, r, start, start)
		wantCode(t, err, chat.NotFound)
	}
}

func TestEdit(t *testing.T) {
	f := open(t)
	c := f.newConversation(t, "t", start)
	m := f.append(t, newMessage(t, c.ID, alice, "m", chat.Draft{Content: "one", Attachments: []chat.Attachment{"document:d1"}}))
	tool := f.append(t, newMessage(t, c.ID, bot, "t", chat.Draft{Content: "x", Type: chat.TypeToolCall, ToolCalls: rawObjects(`{}`)}))
	f.react(t, bot, m, "👍", true)
	edit := func(by chat.Principal, id chat.MessageID, content string, edits int64, attachments ...chat.Attachment) (chat.Message, bool, error) {
		return f.EditMessage(t.Context(), by, chat.Edit{ConversationID: c.ID, MessageID: id, Content: content, Edits: edits, Attachments: attachments}, start)
	}
	got, done, err := edit(alice, m.ID, "two", 0)
	if err != nil || !done || got.Content != "two" || got.Edits != 1 || got.Version != 1 || got.Seq != 1 || got.EditedAt.IsZero() || keys(got) != "bot👍" ||
		len(got.Attachments) != 1 || !got.Due.Has(chat.EffectForget) || !got.Due.Has(chat.EffectTell) || !got.Due.Has(chat.EffectTellReactions) {
		t.Errorf("edited: %+v, %v", got, err)
	}
	if got, done, err = edit(alice, m.ID, "two", 0); err != nil || done || got.Edits != 1 { // a repeat whose answer was lost
		t.Errorf("repeated: %+v, %v", got, err)
	}
	_, _, err = edit(alice, m.ID, "three", 0)
	wantCode(t, err, chat.Conflict)
	if e := chat.Public(err); e.Details["content"] != "two" || e.Details["edits"] != int64(1) {
		t.Errorf("the conflict says %v", e.Details)
	}
	f.react(t, alice, m, "🎉", true) // makes no conflict
	if got, done, err = edit(alice, m.ID, "three", 1, []chat.Attachment{}...); err != nil || !done || got.Edits != 2 {
		t.Errorf("again: %+v, %v", got, err)
	}
	_, _, err = edit(bob, m.ID, "x", 2)
	wantCode(t, err, chat.Forbidden)
	_, _, err = edit(bot, tool.ID, "x", 0)
	wantCode(t, err, chat.Forbidden)
	_, _, err = edit(alice, "none", "x", 0)
	wantCode(t, err, chat.NotFound)
	if _, err := f.DeleteMessage(t.Context(), m, alice, start); err != nil {
		t.Fatal(err)
	}
	_, _, err = edit(alice, m.ID, "x", 2)
	wantCode(t, err, chat.NotFound)
	f.wantNoTrace(t, "three")
	f.wantNoTrace(t, "document:d1")
}

// Whatever the order of what follows from two changes, the last message says what the
// message says.
func TestLateEffectsBringNothingBack(t *testing.T) {
	for _, deleted := range []bool{false, true} {
		for _, order := range [][]int{{0, 1, 2}, {2, 1, 0}, {1, 2, 0}, {2, 0, 1}} {
			f := open(t)
			c := f.newConversation(t, "t", start)
			states := []chat.Message{f.append(t, newMessage(t, c.ID, alice, "m", draftOf("zero")))}
			states = append(states, f.edit(t, states[0], "one"))
			want := "two"
			if deleted {
				gone, err := f.DeleteMessage(t.Context(), states[1], alice, start)
				if err != nil {
					t.Fatal(err)
				}
				states, want = append(states, gone), ""
			} else {
				states = append(states, f.edit(t, states[1], "two"))
			}
			for _, i := range order {
				var err error
				if i == 0 { // the send's own
					err = f.Project(t.Context(), c, states[0])
				} else {
					_, _, err = f.ForgetMessage(t.Context(), c, states[i])
				}
				if err != nil {
					t.Fatal(err)
				}
			}
			if got := f.read(t, c.ID); got.LastMessage.Content != want || got.TotalMessages != 1 || got.Erasures != 2 {
				t.Errorf("deleted %v, order %v: %+v", deleted, order, got.LastMessage)
			}
		}
	}
}

// Of two deletions at once the first stays, and nothing follows from the other.
func TestDeletedTwiceAtOnce(t *testing.T) {
	f := open(t)
	c := f.newConversation(t, "t", start)
	m := f.append(t, newMessage(t, c.ID, alice, "m", draftOf("x")))
	first, err := f.DeleteMessage(t.Context(), m, alice, start)
	if err != nil || first.Version != 1 || first.DeletedBy != nil || first.Due == nil {
		t.Fatalf("%+v, %v", first, err)
	}
	f.untilMajority(t)
	second, err := f.DeleteMessage(t.Context(), m, bob, start)
	if err != nil || !second.Deleted || second.Version != 1 || second.DeletedBy != nil || second.Due == nil {
		t.Errorf("the second sees %+v, %v", second, err) // what is due may be of who died
	}
	if err := f.Settle(t.Context(), first, nil); err != nil {
		t.Fatal(err)
	}
	f.untilMajority(t)
	if third, err := f.DeleteMessage(t.Context(), m, bob, start); err != nil || third.Due != nil || third.Version != 1 {
		t.Errorf("the third sees %+v, %v", third, err)
	}
}

// Who made an earlier change settles nothing of a later one, but what the send left: that no
// change leaves again.
func TestSettleLeavesALaterChangeDue(t *testing.T) {
	f := open(t)
	c := f.newConversation(t, "t", start)
	m := f.appendDue(t, c.ID, "m", start)
	first, _ := f.react(t, alice, m, "👍", true)
	second, _ := f.react(t, bob, m, "👍", true)
	for _, before := range []chat.Message{m, first} {
		for _, left := range []*chat.Due{nil, {At: before.Due.At, Left: []chat.Effect{chat.EffectProject}}} {
			if err := f.Settle(t.Context(), before, left); err != nil {
				t.Fatal(err)
			}
		}
	}
	f.untilMajority(t)
	stored, err := f.Message(t.Context(), alice.OrgID, m.ID)
	if want := []chat.Effect{chat.EffectTellReactions}; err != nil || !slices.Equal(stored.Due.Left, want) {
		t.Errorf("due are %+v, want %v, %v", stored.Due, want, err)
	}
	if err := f.Settle(t.Context(), second, nil); err != nil {
		t.Fatal(err)
	}
	f.untilMajority(t)
	if stored, err = f.Message(t.Context(), alice.OrgID, m.ID); err != nil || stored.Due != nil {
		t.Errorf("at the end due are %+v, %v", stored.Due, err)
	}
}

// Whom a message mentions is stored with it and with what is due; an edit tells those who are
// new, and nobody twice; a deletion leaves none.
func TestMentions(t *testing.T) {
	f := open(t)
	c := f.newConversation(t, "t", start)
	of := func(ids ...chat.PrincipalID) []chat.Mention {
		ms := []chat.Mention{}
		for _, id := range ids {
			ms = append(ms, chat.Mention{Type: chat.MentionUser, ID: id})
		}
		return ms
	}
	all := chat.Mention{Type: chat.Everybody}
	draft := newMessage(t, c.ID, alice, "m", chat.Draft{Content: "one", Mentions: of(bob.ID)})
	draft.Due = chat.NewDue(start, time.Second).Noticing(chat.NoticesOf(alice, nil, draft.Mentions))
	m := f.append(t, draft)
	stored, err := f.Message(t.Context(), alice.OrgID, m.ID)
	if err != nil || !slices.Equal(stored.Mentions, of(bob.ID)) || !stored.Due.Has(chat.EffectMention) || !slices.Equal(stored.Due.Notices.To, of(bob.ID)) {
		t.Errorf("stored %+v, due %+v, %v", stored.Mentions, stored.Due, err)
	}
	settled := func(left *chat.Due) {
		t.Helper()
		now, err := f.Message(t.Context(), alice.OrgID, m.ID)
		if err != nil {
			t.Fatal(err)
		}
		if err := f.Settle(t.Context(), now, left); err != nil {
			t.Fatal(err)
		}
	}
	edits := int64(0)
	edit := func(ms []chat.Mention) chat.Message {
		t.Helper()
		got, done, err := f.EditMessage(t.Context(), alice, chat.Edit{ConversationID: c.ID, MessageID: m.ID, Content: "x", Mentions: ms, Edits: edits}, start)
		if err != nil || !done {
			t.Fatal(done, err)
		}
		edits++
		return got
	}
	for _, step := range []struct {
		name    string
		ms      []chat.Mention // nil: they stay
		settled bool           // before it
		want    []chat.Mention
		to, but []chat.Mention // due then
	}{
		{"what was due stays due", nil, false, of(bob.ID), of(bob.ID), nil},
		{"one more beside what is due", of(bob.ID, "cid", "cid"), false, of(bob.ID, "cid"), of(bob.ID, "cid"), nil},
		{"one more", of(bob.ID, "cid", "dan"), true, of(bob.ID, "cid", "dan"), of("dan"), nil},
		{"the same", of(bob.ID, "cid", "dan"), true, of(bob.ID, "cid", "dan"), nil, nil},
		{"fewer", of("dan"), true, of("dan"), nil, nil},
		{"all", append(of("dan"), all), true, append(of("dan"), all), []chat.Mention{all}, of("dan")},
		{"none", of(), true, nil, nil, nil},
		{"oneself", of(alice.ID), true, of(alice.ID), nil, nil},
		{"another, for what follows", of(bob.ID), true, of(bob.ID), of(bob.ID), nil},
	} {
		if step.settled {
			settled(nil)
		}
		got := edit(step.ms)
		if !slices.Equal(got.Mentions, step.want) || !slices.Equal(got.Due.Notices.To, step.to) || !slices.Equal(got.Due.Notices.But, step.but) ||
			got.Due.Has(chat.EffectMention) != (step.to != nil) || !got.Due.Has(chat.EffectTell) {
			t.Errorf("%s: %v, due %+v", step.name, got.Mentions, got.Due)
		}
	}
	// A repeat whose answer was lost changes nothing; one that wants something else is refused.
	again := chat.Edit{ConversationID: c.ID, MessageID: m.ID, Content: "x", Mentions: append(of(bob.ID), of(bob.ID)...), Edits: edits - 1}
	if _, done, err := f.EditMessage(t.Context(), alice, again, start); err != nil || done {
		t.Errorf("the repeat: %v, %v", done, err)
	}
	again.Mentions = of("cid")
	_, _, err = f.EditMessage(t.Context(), alice, again, start)
	wantCode(t, err, chat.Conflict)
	_, _, err = f.EditMessage(t.Context(), bob, chat.Edit{ConversationID: c.ID, MessageID: m.ID, Content: "x", Mentions: of(), Edits: edits}, start)
	wantCode(t, err, chat.Forbidden)
	// What is left is what was not reached.
	now, err := f.Message(t.Context(), alice.OrgID, m.ID)
	if err != nil {
		t.Fatal(err)
	}
	settled(&chat.Due{At: now.Due.At, Left: []chat.Effect{chat.EffectMention}, Notices: chat.Notices{To: of("cid"), But: of("dan")}})
	claimed, mine, err := f.Claim(t.Context(), now, start.Add(time.Hour)) // which reads what one server has
	if err != nil || !mine || !slices.Equal(claimed.Due.Notices.To, of("cid")) || !slices.Equal(claimed.Due.Notices.But, of("dan")) {
		t.Errorf("left %+v, %v", claimed.Due, err)
	}
	gone, err := f.DeleteMessage(t.Context(), now, alice, start)
	if err != nil || len(gone.Mentions) > 0 || gone.Noticed(c) != nil {
		t.Errorf("deleted %+v, %v", gone, err)
	}
}

// Of two edits at once that mention people one is made, and it alone tells whom.
func TestMentionsAtOnce(t *testing.T) {
	f := open(t)
	c := f.newConversation(t, "t", start)
	m := f.append(t, newMessage(t, c.ID, alice, "m", draftOf("x")))
	const n = 8
	made := make([]bool, n)
	var g sync.WaitGroup
	for i := range n {
		g.Go(func() {
			e := chat.Edit{ConversationID: c.ID, MessageID: m.ID, Content: fmt.Sprint(i), Mentions: []chat.Mention{{Type: chat.MentionUser, ID: chat.PrincipalID(fmt.Sprint("u", i))}}}
			_, made[i], _ = f.EditMessage(t.Context(), alice, e, start)
		})
	}
	g.Wait()
	stored, err := f.Message(t.Context(), alice.OrgID, m.ID)
	if err != nil || stored.Edits != 1 || len(stored.Mentions) != 1 || !slices.Equal(stored.Mentions, stored.Due.Notices.To) {
		t.Fatalf("%+v, due %+v, %v", stored.Mentions, stored.Due, err)
	}
	for i, one := range made {
		if one != (stored.Content == fmt.Sprint(i)) {
			t.Errorf("edit %d was made: %v, and it says %q", i, one, stored.Content)
		}
	}
}

// Whom an edit names who were all mentioned before is told, if nobody is known to have been told
// yet; and nobody is spared who has not been.
func TestMentionsOfThoseWhoAreStillToBeTold(t *testing.T) {
	f := open(t)
	c := chat.Conversation{ID: "c", OrgID: alice.OrgID, Participants: []chat.Participant{{Type: chat.User, ID: alice.ID}, {Type: chat.User, ID: bob.ID}, {Type: chat.User, ID: "cid"}}}
	all, one := chat.Mention{Type: chat.Everybody}, chat.MentionOf(bob)
	for name, tt := range map[string]struct {
		edits [][]chat.Mention
		want  []chat.PrincipalID
	}{
		"one":              {[][]chat.Mention{{one}}, []chat.PrincipalID{bob.ID}},
		"one and all anew": {[][]chat.Mention{{one}, {all}}, []chat.PrincipalID{bob.ID, "cid"}},
		"one beside all":   {[][]chat.Mention{{all, one}, {one}}, []chat.PrincipalID{bob.ID}},
		"all still":        {[][]chat.Mention{{all}}, []chat.PrincipalID{bob.ID, "cid"}},
	} {
		draft := newMessage(t, c.ID, alice, strings.ReplaceAll(name, " ", "-"), chat.Draft{Content: "x", Mentions: []chat.Mention{all}})
		draft.Due = chat.NewDue(start, time.Second).Noticing(chat.NoticesOf(alice, nil, draft.Mentions))
		m := f.append(t, draft) // and its sender dies
		for i, ms := range tt.edits {
			var err error
			if m, _, err = f.EditMessage(t.Context(), alice, chat.Edit{ConversationID: c.ID, MessageID: m.ID, Content: "y", Mentions: ms, Edits: int64(i)}, start); err != nil {
				t.Fatal(err)
			}
		}
		var told []chat.PrincipalID
		for _, p := range m.Noticed(c) {
			told = append(told, p.ID)
		}
		if !slices.Equal(told, tt.want) {
			t.Errorf("%s: %v are told, want %v; due %+v", name, told, tt.want, m.Due.Notices)
		}
	}
}
