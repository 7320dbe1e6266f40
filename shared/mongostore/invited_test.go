package mongostore_test

import (
	"slices"
	"testing"

	"aiwm-chat/shared/chat"
)

// Who was added is seen nowhere until they join or write.
func TestInvited(t *testing.T) {
	f := open(t)
	ctx := t.Context()
	for name, accept := range map[string]func(c chat.Conversation) error{
		"joins": func(c chat.Conversation) error { return f.Accept(ctx, bob, c.ID) },
		"writes": func(c chat.Conversation) error {
			return f.Project(ctx, c, f.append(t, newMessage(t, c.ID, bob, "m", draftOf("x"))))
		},
	} {
		c := f.among(t, "bob")
		seen := func(want bool) {
			t.Helper()
			now, err := f.Conversation(ctx, bob, c.ID)
			if err != nil || now.IsInvited(bob) == want {
				t.Errorf("%s: invited %v, %v", name, now.IsInvited(bob), err)
			}
			ids, err := f.ConversationsOf(ctx, bob, 10)
			if err != nil || slices.Contains(ids, c.ID) != want {
				t.Errorf("%s: seen in %v, %v", name, ids, err)
			}
			if c = now; now.IsInvited(alice) || now.IsInvited(bot) {
				t.Errorf("%s: the creator and the agent are invited", name)
			}
		}
		seen(false)
		if err := f.Accept(ctx, alice, c.ID); err != nil { // another one
			t.Fatal(err)
		}
		seen(false)
		for range 2 {
			if err := accept(c); err != nil && name == "joins" {
				t.Fatal(err)
			}
			if name == "writes" {
				break
			}
		}
		seen(true)
		if _, err := f.AddParticipant(ctx, alice, c.ID, bob, start); err != nil {
			t.Fatal(err)
		}
		seen(true)
		if _, _, err := f.RemoveParticipant(ctx, bob, c.ID, bob, start); err != nil {
			t.Fatal(err)
		}
		if _, err := f.AddParticipant(ctx, alice, c.ID, bob, start); err != nil {
			t.Fatal(err)
		}
		seen(false)
	}
}
