package mongostore_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"sync"
	"testing"
	"time"

	"aiwm-chat/local/embedded/mongod"
	"aiwm-chat/shared/chat"
)

// replicaSet starts one of three. It is not for tests of another server.
func replicaSet(t testing.TB, o mongod.Replica) *mongod.Server {
	t.Helper()
	if os.Getenv("MONGODB_URI") != "" {
		t.Skip("the tests run on another server than their own")
	}
	o.Members = 3
	s, err := mongod.Listen("127.0.0.1:0", mongod.Options{Replica: &o})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

// All that holds on a standalone server holds on a replica set whose majority
// lags: the tests run again, on that.
func TestAllOnAReplicaSet(t *testing.T) { // not in parallel: each attempt has two seconds, on a busy machine too
	if testing.Short() {
		t.Skip("half a minute, most of it waiting for the majority")
	}
	s := replicaSet(t, mongod.Replica{Lag: 4 * time.Millisecond})
	// What moves megabytes is no other on it, and slow enough on a standalone one.
	tests := exec.CommandContext(t.Context(), os.Args[0], "-test.timeout=5m", "-test.skip=Bounded")
	tests.Env = append(os.Environ(), "MONGODB_URI="+s.URI())
	if out, err := tests.CombinedOutput(); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
}

// on returns a fixture on a replica set.
func on(t testing.TB, s *mongod.Server) fixture {
	t.Helper()
	f := openAt(t, s.URI())
	if err := f.CreateIndexes(t.Context()); err != nil {
		t.Fatal(err)
	}
	return f
}

// Where the majority lags, who finds a change made already is answered with what it made of
// the message, and not with what a read shows of the time before.
func TestAChangeThatIsMadeAlready(t *testing.T) {
	t.Parallel()
	f := on(t, replicaSet(t, mongod.Replica{Lag: 100 * time.Millisecond}))
	c := f.newConversation(t, "t", start)
	m := f.append(t, newMessage(t, c.ID, alice, "m", draftOf("x")))
	twice := func(what string, change func() (chat.Message, error), made func(chat.Message) bool) {
		t.Helper()
		var wg sync.WaitGroup
		for i := range 2 {
			wg.Go(func() {
				time.Sleep(time.Duration(i) * 30 * time.Millisecond)
				if got, err := change(); err != nil || !made(got) {
					t.Errorf("%s, time %d: %+v, %v", what, i, got, err)
				}
			})
		}
		wg.Wait()
	}
	twice("edit", func() (chat.Message, error) {
		got, _, err := f.EditMessage(t.Context(), alice, chat.Edit{ConversationID: c.ID, MessageID: m.ID, Content: "y"}, start)
		return got, err
	}, func(m chat.Message) bool { return m.Content == "y" && m.Edits == 1 && m.Due != nil })
	twice("react", func() (chat.Message, error) {
		got, _, err := f.React(t.Context(), bob, chat.ReactionChange{ConversationID: c.ID, MessageID: m.ID, Key: "👍", On: true}, start, start)
		return got, err
	}, func(m chat.Message) bool { return m.Reacted(bob, "👍") && m.ReactionVersion == 1 })
	twice("delete", func() (chat.Message, error) { return f.DeleteMessage(t.Context(), m, alice, start) },
		func(m chat.Message) bool { return m.Deleted && m.Version == 2 })
}

// What happens to a write on the way is not the caller's to see: it is done
// once, and the answer is right.
func TestWritesAreDoneOnceWhateverHappens(t *testing.T) {
	t.Parallel()
	var wg sync.WaitGroup
	defer wg.Wait()
	for name, fault := range map[string]mongod.Fault{
		"answer lost": mongod.LoseReply, "not the primary": mongod.NotPrimary, "failover": mongod.Failover,
	} {
		wg.Go(func() {
			t.Run(name, func(t *testing.T) {
				s := replicaSet(t, mongod.Replica{Lag: 3 * time.Millisecond, Election: 20 * time.Millisecond})
				f := on(t, s)
				c := f.newConversation(t, "t", start)

				s.FailNext("insert", fault)
				m := newMessage(t, c.ID, alice, "m1", draftOf("x"))
				m.Due = chat.NewDue(start, 0)
				stored, duplicate, err := f.Append(t.Context(), chat.Head{}, m)
				if err != nil || duplicate || stored.Seq != 1 {
					t.Fatalf("Append = seq %d, duplicate %v, %v", stored.Seq, duplicate, err)
				}
				s.FailNext("findAndModify", fault)
				f.claim(t, stored, start.Add(time.Minute), true)
				s.FailNext("findAndModify", fault)
				if got, err := f.AddParticipant(t.Context(), alice, c.ID, bob, start); err != nil || len(got.Participants) != 3 {
					t.Errorf("AddParticipant: %d, %v", len(got.Participants), err)
				}
				// Not attempted twice by the store, and exact by its number.
				s.FailNext("findAndModify", fault)
				if got, _, err := f.RemoveParticipant(t.Context(), alice, c.ID, bob, start); err != nil || len(got.Participants) != 2 {
					t.Errorf("RemoveParticipant: %d, %v", len(got.Participants), err)
				}
				s.FailNext("findAndModify", fault)
				if _, saved, err := f.SaveSummary(t.Context(), c, "s", chat.Summary{FromSeq: 1, ToSeq: 1, At: start}); err != nil || !saved {
					t.Errorf("SaveSummary: %v, %v", saved, err)
				}
				s.FailNext("findAndModify", fault)
				if m, _ := f.react(t, bob, stored, "👍", true); m.ReactionVersion != 1 || len(m.Reactions) != 1 || m.Due == nil {
					t.Errorf("React: %+v", m)
				}
				s.FailNext("findAndModify", fault)
				if m := f.edit(t, stored, "edited"); m.Edits != 1 || m.Version != 1 || m.Content != "edited" || m.Due == nil {
					t.Errorf("EditMessage: %+v", m)
				}
				s.FailNext("findAndModify", fault)
				gone, err := f.DeleteMessage(t.Context(), stored, alice, start)
				if err != nil || gone.Version != 2 || !gone.Deleted || gone.Due == nil {
					t.Errorf("DeleteMessage: %+v, %v", gone, err)
				}
				s.FailNext("update", fault)
				if err := f.Settle(t.Context(), gone, nil); err != nil {
					t.Errorf("Settle: %v", err)
				}
				s.FailNext("findAndModify", fault)
				if _, err := f.DeleteConversation(t.Context(), alice, c.ID, start); err != nil {
					t.Errorf("DeleteConversation: %v", err)
				}
				if page, _, err := f.Messages(t.Context(), c.ID, chat.MessageQuery{Limit: 9}); err != nil || len(page) != 1 {
					t.Errorf("the log has %d messages, %v", len(page), err)
				}
				if n := s.Happened(); n != 10 {
					t.Errorf("%d faults happened, want 10", n)
				}
			})
		})
	}
}

// A message that a majority does not have yet is not acknowledged, not shown,
// and keeps its seq: a failover may take it, and nothing that was acknowledged.
func TestAMessageTheMajorityHasNot(t *testing.T) {
	t.Parallel()
	for name, lost := range map[string]bool{"it comes": false, "a failover takes it": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := replicaSet(t, mongod.Replica{Election: 20 * time.Millisecond})
			f := on(t, s)
			c := f.newConversation(t, "t", start)
			f.append(t, newMessage(t, c.ID, alice, "m1", draftOf("first")))

			release := s.HoldMajority()
			// Its author goes before anybody knows: nobody repeats it.
			ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
			defer cancel()
			_, _, err := f.Append(ctx, chat.Head{Seq: 1}, newMessage(t, c.ID, alice, "m2", draftOf("second")))
			wantCode(t, err, chat.Unavailable)
			if page, _, err := f.Messages(t.Context(), c.ID, chat.MessageQuery{Limit: 9}); err != nil || len(page) != 1 {
				t.Errorf("the log shows %d messages, %v, want 1", len(page), err)
			}
			// Another finds the seq taken, by what it cannot see.
			type result struct {
				m   chat.Message
				err error
			}
			next := make(chan result, 1)
			go func() {
				m, _, err := f.Append(t.Context(), chat.Head{Seq: 1}, newMessage(t, c.ID, bot, "b1", draftOf("answer")))
				next <- result{m, err}
			}()
			time.Sleep(50 * time.Millisecond)
			if lost {
				s.Failover()
			}
			release()
			want := int64(3)
			if lost {
				want = 2
			}
			if r := <-next; r.err != nil || r.m.Seq != want {
				t.Errorf("the other has seq %d, %v, want %d", r.m.Seq, r.err, want)
			}
			// The author comes back.
			again, duplicate, err := f.Append(t.Context(), chat.Head{}, newMessage(t, c.ID, alice, "m2", draftOf("second")))
			if err != nil || duplicate == lost || again.Seq != 5-want {
				t.Errorf("the repeat: seq %d, duplicate %v, %v", again.Seq, duplicate, err)
			}
		})
	}
}

// A write of which the majority's acknowledgement failed is Unavailable, and a
// repeat finds it.
func TestAFailedAcknowledgementIsUnavailable(t *testing.T) {
	t.Parallel()
	s := replicaSet(t, mongod.Replica{})
	f := on(t, s)
	c := f.newConversation(t, "t", start)
	unavailable := 0
	for i := range 12 { // for both kinds of it: the driver repeats what has a label
		m := newMessage(t, c.ID, alice, fmt.Sprint("m", i), draftOf("x"))
		s.FailNext("insert", mongod.NoMajority)
		stored, duplicate, err := f.Append(t.Context(), chat.Head{Seq: int64(i)}, m)
		if err != nil {
			wantCode(t, err, chat.Unavailable)
			unavailable++
			if stored, duplicate, err = f.Append(t.Context(), chat.Head{Seq: int64(i)}, m); !duplicate {
				t.Errorf("the repeat of %d is no duplicate", i)
			}
		} else if duplicate {
			t.Errorf("%d is a duplicate", i)
		}
		if err != nil || stored.Seq != int64(i)+1 {
			t.Errorf("%d: seq %d, %v", i, stored.Seq, err)
		}
	}
	if unavailable == 0 || unavailable == 12 {
		t.Errorf("%d of 12 were unavailable", unavailable)
	}
}

// The log's promises while everything happens: no gap, nothing twice, nothing
// that was acknowledged lost, and nothing shown that is another message later.
func TestTheLogUnderFaults(t *testing.T) {
	t.Parallel()
	seed := rand.Uint64()
	s := replicaSet(t, mongod.Replica{
		Lag: 20 * time.Millisecond, Election: 10 * time.Millisecond, Seed: seed,
		Faults: mongod.Faults{LoseReply: 0.02, NotPrimary: 0.02, NoMajority: 0.03, Failover: 0.02},
	})
	s.Trouble(false)
	f := on(t, s)
	c := f.newConversation(t, "t", start)
	s.Trouble(true)
	const writers, times = 4, 6
	acknowledged := map[chat.ClientMessageID]int64{}
	shown := map[int64]chat.MessageID{}
	var mu sync.Mutex
	show := func() {
		page, _, _ := f.Messages(t.Context(), c.ID, chat.MessageQuery{Limit: 200, AfterSeq: new(int64)})
		mu.Lock()
		defer mu.Unlock()
		for _, m := range page {
			if id, ok := shown[m.Seq]; ok && id != m.ID {
				t.Errorf("seq %d was %s and is %s", m.Seq, id, m.ID)
			}
			shown[m.Seq] = m.ID
		}
	}
	var wg, reading sync.WaitGroup
	written := make(chan struct{})
	for w := range writers {
		wg.Go(func() {
			for i := range times {
				m := newMessage(t, c.ID, alice, fmt.Sprint(w, "-", i), draftOf("x"))
				m.Due = chat.NewDue(start, 0)
				for {
					stored, _, err := f.Append(t.Context(), chat.Head{}, m)
					if err == nil {
						mu.Lock()
						acknowledged[m.ClientMessageID] = stored.Seq
						mu.Unlock()
						_ = f.Settle(t.Context(), stored, nil) // as often as not
						break
					}
					if chat.CodeOf(err) != chat.Unavailable || t.Context().Err() != nil {
						t.Error(err)
						return
					}
				}
			}
		})
	}
	reading.Go(func() {
		for {
			select {
			case <-written:
				return
			case <-time.After(20 * time.Millisecond): // each fault has the driver wait for half a second
				show()
			}
		}
	})
	wg.Wait()
	close(written)
	reading.Wait()
	s.Trouble(false)
	show()
	page, _, err := f.Messages(t.Context(), c.ID, chat.MessageQuery{Limit: 200, AfterSeq: new(int64)})
	if err != nil || len(page) != writers*times {
		t.Errorf("%d messages, %v, want %d", len(page), err, writers*times)
	}
	for i, m := range page {
		if m.Seq != int64(i+1) || acknowledged[m.ClientMessageID] != m.Seq || shown[m.Seq] != m.ID {
			t.Errorf("place %d: seq %d, acknowledged as %d, shown as %s, is %s", i+1, m.Seq, acknowledged[m.ClientMessageID], shown[m.Seq], m.ID)
		}
	}
	if s.Happened() == 0 {
		t.Error("nothing happened")
	}
	if t.Failed() {
		t.Logf("seed %d, %d faults", seed, s.Happened())
	}
}
