package mongostore_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"

	"aiwm-chat/shared/chat"
)

func named(name string) chat.Principal {
	return chat.Principal{Type: chat.User, ID: chat.PrincipalID(name), OrgID: "o1"}
}

// among makes a conversation of alice with bot and others, who came in that order.
func (f fixture) among(t testing.TB, names ...string) chat.Conversation {
	t.Helper()
	c := f.newConversation(t, "t", start)
	for i, name := range names {
		var err error
		if c, err = f.AddParticipant(t.Context(), alice, c.ID, named(name), start.Add(time.Duration(i+1)*time.Second)); err != nil {
			t.Fatal(err)
		}
	}
	return c
}

func TestTheCreatorHandsOver(t *testing.T) {
	f := open(t)
	ctx := t.Context()
	c := f.among(t, "bob", "cid")
	got, removed, err := f.RemoveParticipant(ctx, alice, c.ID, alice, start)
	if err != nil || !removed || !got.IsCreator(bob) || got.Status != chat.Active {
		t.Fatalf("got %+v, %v, %v", got, removed, err)
	}
	if _, _, err := f.RemoveParticipant(ctx, alice, c.ID, bob, start); chat.CodeOf(err) != chat.NotFound {
		t.Errorf("who handed over removes others: %v", err)
	}
	if _, err := f.AddParticipant(ctx, bob, c.ID, alice, start); err != nil {
		t.Fatal(err)
	}
	if _, _, err := f.RemoveParticipant(ctx, alice, c.ID, bob, start); chat.CodeOf(err) != chat.Forbidden {
		t.Errorf("who handed over, and is back, removes others: %v", err)
	}
	if _, err := f.DeleteConversation(ctx, alice, c.ID, start); chat.CodeOf(err) != chat.NotFound {
		t.Errorf("who handed over deletes: %v", err)
	}
	for _, p := range []chat.Principal{bob, named("cid"), alice} {
		if got, removed, err = f.RemoveParticipant(ctx, p, c.ID, p, start); err != nil || !removed {
			t.Fatal(removed, err)
		}
	}
	if got.Status != chat.Closed || len(got.Participants) != 1 {
		t.Errorf("when the last user is out: %+v", got)
	}
	if got, _, err = f.RemoveParticipant(ctx, bot, c.ID, bot, start); err != nil || got.Status != chat.Closed || len(got.Participants) != 0 {
		t.Errorf("when the last is out: %+v, %v", got, err)
	}
}

// However many leave at once, in whatever order they come: as long as a user is
// there, one of those who are has the creator's rights; and the last one closes.
func TestAllLeaveAtOnce(t *testing.T) {
	f := open(t)
	for round := range 20 {
		names := []string{"bob", "cid", "dan", "eve"}[:1+round%4]
		c := f.among(t, names...)
		states := make([]chat.Conversation, len(names)+1)
		var g errgroup.Group
		for i, p := range append([]chat.Principal{alice}, principals(names)...) {
			g.Go(func() error {
				got, removed, err := f.RemoveParticipant(t.Context(), p, c.ID, p, start)
				if states[i] = got; err == nil && !removed {
					err = fmt.Errorf("%s was not removed", p)
				}
				return err
			})
		}
		if err := g.Wait(); err != nil {
			t.Fatal(err)
		}
		closed := 0
		for _, s := range states {
			users := slices.DeleteFunc(slices.Clone(s.Participants), func(p chat.Participant) bool { return p.Type != chat.User })
			if s.Status == chat.Closed {
				closed++
			}
			if (s.Status == chat.Closed) != (len(users) == 0) {
				t.Errorf("with %d users it is %s", len(users), s.Status)
			}
			if by := s.CreatedBy; len(users) > 0 && !s.HasParticipant(chat.Principal{Type: by.Type, ID: by.ID, OrgID: s.OrgID}) {
				t.Errorf("%s has the creator's rights among %v", by.ID, users)
			}
		}
		if closed != 1 {
			t.Errorf("%d closed it", closed)
		}
	}
}

func principals(names []string) (ps []chat.Principal) {
	for _, name := range names {
		ps = append(ps, named(name))
	}
	return ps
}

// The creator removes one and leaves at once, which may hand over to that one: who
// is left has the creator's rights, whichever is first.
func TestRemovalAndHandOver(t *testing.T) {
	f := open(t)
	outcomes := map[string]int{}
	for range 20 {
		c := f.among(t, "bob", "cid")
		var g errgroup.Group
		var removal error
		g.Go(func() error { _, _, removal = f.RemoveParticipant(t.Context(), alice, c.ID, bob, start); return nil })
		g.Go(func() error { _, _, err := f.RemoveParticipant(t.Context(), alice, c.ID, alice, start); return err })
		if err := g.Wait(); err != nil {
			t.Fatal(err)
		}
		got, err := f.AnyConversation(t.Context(), "o1", c.ID)
		switch {
		case err != nil:
			t.Fatal(err)
		case removal == nil && !got.HasParticipant(bob) && got.IsCreator(named("cid")):
			outcomes["removed first"]++
		case chat.CodeOf(removal) == chat.NotFound && got.HasParticipant(bob) && got.IsCreator(bob):
			outcomes["handed over first"]++
		default:
			t.Errorf("the removal got %v, and it is %+v", removal, got)
		}
	}
	t.Log(outcomes)
}

// Who is added while the last one leaves keeps it open.
func TestAdditionWhileTheLastLeaves(t *testing.T) {
	f := open(t)
	for range 20 {
		c := f.among(t)
		var g errgroup.Group
		var addition error
		g.Go(func() error { _, addition = f.AddParticipant(t.Context(), bot, c.ID, bob, start); return nil })
		g.Go(func() error { _, _, err := f.RemoveParticipant(t.Context(), alice, c.ID, alice, start); return err })
		if err := g.Wait(); err != nil || addition != nil {
			t.Fatal(err, addition)
		}
		got, err := f.AnyConversation(t.Context(), "o1", c.ID)
		if err != nil || got.Status == chat.Active && !got.IsCreator(bob) || got.Status == chat.Closed && got.IsCreator(bob) {
			t.Errorf("it is %+v, %v", got, err)
		}
	}
}
