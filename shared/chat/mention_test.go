package chat_test

import (
	"slices"
	"testing"

	"aiwm-chat/shared/chat"
)

var (
	ann, bob, cid = chat.PrincipalID("ann"), chat.PrincipalID("bob"), chat.PrincipalID("cid")
	all           = chat.Mention{Type: chat.Everybody}
)

// people mentions users.
func people(ids ...chat.PrincipalID) (ms []chat.Mention) {
	for _, id := range ids {
		ms = append(ms, chat.Mention{Type: chat.MentionUser, ID: id})
	}
	return ms
}

func helper() chat.Mention { return chat.Mention{Type: chat.MentionAgent, ID: "helper"} }

func TestMentionsOfParticipants(t *testing.T) {
	c := chat.Conversation{OrgID: "o", Participants: []chat.Participant{{Type: chat.User, ID: ann}, {Type: chat.Agent, ID: "helper"}}}
	for name, tt := range map[string]struct {
		ms   []chat.Mention
		want []string
	}{
		"none":             {nil, nil},
		"participants":     {append(people(ann), helper(), all), nil},
		"strangers":        {append(people(bob, ann, cid), all), []string{"mentions[0]", "mentions[2]"}},
		"of another type":  {[]chat.Mention{{Type: chat.MentionAgent, ID: ann}}, []string{"mentions[0]"}},
		"a stranger twice": {people(ann, bob, bob), []string{"mentions[1]", "mentions[2]"}},
	} {
		if got := faults(t, c.CheckMentions(tt.ms)); !slices.Equal(got, tt.want) {
			t.Errorf("%s: faults in %v, want %v", name, got, tt.want)
		}
	}
}

func TestDistinctMentions(t *testing.T) {
	if got := chat.Distinct(append(people(ann, bob, ann), all, all)); !slices.Equal(got, append(people(ann, bob), all)) {
		t.Errorf("%v", got)
	}
	if chat.Distinct(nil) != nil || chat.Distinct([]chat.Mention{}) == nil {
		t.Error("none and an empty list are not told apart")
	}
}

// Who is new is told, once; whoever knew it is not told again.
func TestNotices(t *testing.T) {
	author := chat.Principal{Type: chat.User, ID: ann, OrgID: "o"}
	c := chat.Conversation{OrgID: "o", Participants: []chat.Participant{
		{Type: chat.User, ID: ann}, {Type: chat.User, ID: bob}, {Type: chat.User, ID: cid}, {Type: chat.Agent, ID: "helper"},
	}}
	for name, tt := range map[string]struct {
		before, now []chat.Mention
		want        []chat.PrincipalID
	}{
		"none":                      {nil, nil, nil},
		"one":                       {nil, people(bob), []chat.PrincipalID{bob}},
		"one twice":                 {nil, people(bob, bob), []chat.PrincipalID{bob}},
		"oneself":                   {nil, people(ann), nil},
		"oneself and another":       {nil, people(ann, cid), []chat.PrincipalID{cid}},
		"an agent":                  {nil, []chat.Mention{helper()}, []chat.PrincipalID{"helper"}},
		"all":                       {nil, []chat.Mention{all}, []chat.PrincipalID{bob, cid}},
		"all and an agent":          {nil, []chat.Mention{helper(), all}, []chat.PrincipalID{bob, cid, "helper"}},
		"all and one of them":       {nil, append(people(bob), all), []chat.PrincipalID{bob, cid}},
		"no longer":                 {people(bob), []chat.Mention{}, nil},
		"still":                     {people(bob), people(bob), nil},
		"one more":                  {people(bob), people(bob, cid), []chat.PrincipalID{cid}},
		"another":                   {people(bob), people(cid), []chat.PrincipalID{cid}},
		"all after one":             {people(bob), []chat.Mention{all}, []chat.PrincipalID{cid}},
		"all after one, named":      {people(bob), append(people(bob), all), []chat.PrincipalID{cid}},
		"one after all":             {[]chat.Mention{all}, people(bob), nil},
		"an agent after all":        {[]chat.Mention{all}, []chat.Mention{helper(), all}, []chat.PrincipalID{"helper"}},
		"an agent that knew it":     {[]chat.Mention{all, helper()}, []chat.Mention{helper()}, nil},
		"who is not there any more": {nil, people("dan"), nil},
	} {
		m := chat.Message{Sender: author, Draft: chat.Draft{Mentions: tt.now}, Due: &chat.Due{Notices: chat.NoticesOf(author, tt.before, tt.now)}}
		if got := names(m.Noticed(c)); !slices.Equal(got, tt.want) {
			t.Errorf("%s: %v, want %v", name, got, tt.want)
		}
		m.Deleted = true
		if got := m.Noticed(c); got != nil {
			t.Errorf("%s: of what is deleted %v is told", name, got)
		}
	}
	// What is due is told as far as it is so still.
	due := &chat.Due{Notices: chat.Notices{To: append(people(bob, cid), all)}}
	for name, tt := range map[string]struct {
		now, but []chat.Mention
		want     []chat.PrincipalID
	}{
		"nobody is mentioned any more":    {nil, nil, nil},
		"one of them":                     {people(cid), nil, []chat.PrincipalID{cid}},
		"all, and two were not reached":   {[]chat.Mention{all}, nil, []chat.PrincipalID{bob, cid}},
		"all, of whom one knew it before": {[]chat.Mention{all}, people(bob), []chat.PrincipalID{bob, cid}}, // who is named is told
	} {
		m := chat.Message{Sender: author, Draft: chat.Draft{Mentions: tt.now}, Due: &chat.Due{Notices: chat.Notices{To: due.Notices.To, But: tt.but}}}
		if got := names(m.Noticed(c)); !slices.Equal(got, tt.want) {
			t.Errorf("%s: %v, want %v", name, got, tt.want)
		}
	}
}

func names(ps []chat.Principal) (ids []chat.PrincipalID) {
	for _, p := range ps {
		ids = append(ids, p.ID)
	}
	return ids
}
