package mongostore_test

import (
	"context"
	"fmt"
	"net"
	"reflect"
	"sync"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"

	"aiwm-chat/shared/chat"
	"aiwm-chat/shared/mongostore"
)

func TestAppendReturnsWhatIsStored(t *testing.T) {
	f := open(t)
	c := f.newConversation(t, "t", start)
	m := newMessage(t, c.ID, bot, "m1", chat.Draft{
		Content: "hallo", Type: chat.TypeToolCall, Name: "Bot", ParentID: "p1",
		Attachments: []chat.Attachment{"https://example.org/a.png", "document:d1"},
		Thinking:    &chat.Thinking{Content: "hm", Visible: true, Duration: 1500*time.Millisecond + 7},
		Usage:       &chat.Usage{PromptTokens: 3, CompletionTokens: 4, TotalTokens: 7},
		Latency:     20*time.Millisecond + 9, Error: "partly",
	})
	stored := f.append(t, m)

	want := m
	want.ID, want.Seq, want.RunningTokens = stored.ID, 1, 7
	want.CreatedAt, want.UpdatedAt = start.Truncate(time.Millisecond), start.Truncate(time.Millisecond)
	want.Latency = 20 * time.Millisecond
	want.Thinking = &chat.Thinking{Content: "hm", Visible: true, Duration: 1500 * time.Millisecond}
	if stored.ID == "" || !reflect.DeepEqual(stored, want) {
		t.Errorf("Append = %+v\nwant %+v", stored, want)
	}
	read, err := f.Message(t.Context(), bot.OrgID, stored.ID)
	if err != nil || !reflect.DeepEqual(read, stored) {
		t.Errorf("Message = %+v, %v\nwant %+v", read, err, stored)
	}
	next := f.append(t, newMessage(t, c.ID, bot, "m2", chat.Draft{Content: "x", Usage: &chat.Usage{TotalTokens: 5}}))
	if next.Seq != 2 || next.RunningTokens != 12 {
		t.Errorf("seq %d with %d running tokens follows, want 2 with 12", next.Seq, next.RunningTokens)
	}
}

func TestAppendIsContiguousWith50Writers(t *testing.T) {
	const writers, each = 50, 4
	f := open(t)
	c := f.newConversation(t, "t", start)
	g, ctx := errgroup.WithContext(t.Context())
	for w := range writers {
		sender := chat.Principal{Type: chat.Agent, ID: chat.PrincipalID(fmt.Sprint("w", w)), OrgID: "o1"}
		g.Go(func() error {
			for i := range each {
				m, err := chat.NewMessage(c.ID, sender, chat.ClientMessageID(fmt.Sprint(i)),
					chat.Draft{Content: "x", Usage: &chat.Usage{TotalTokens: 2}}, chat.MaxContentREST, start)
				if err != nil {
					return err
				}
				err = persist(ctx, f, m)
				if err != nil {
					return err
				}
			}
			return nil
		})
	}
	if err := g.Wait(); err != nil {
		t.Fatal(err)
	}
	zero := int64(0)
	log, more, err := f.Messages(t.Context(), c.ID, chat.MessageQuery{AfterSeq: &zero, Limit: 1000})
	if err != nil || more || len(log) != writers*each {
		t.Fatalf("the log has %d messages (more: %v, %v), want %d", len(log), more, err, writers*each)
	}
	for i, m := range log {
		if m.Seq != int64(i+1) || m.RunningTokens != 2*m.Seq {
			t.Fatalf("message %d has seq %d and %d running tokens", i, m.Seq, m.RunningTokens)
		}
	}
}

// persist appends as clients do: what may be retried is, under the same id.
func persist(ctx context.Context, f fixture, m chat.Message) error {
	for {
		_, _, err := f.Append(ctx, chat.Head{}, m)
		if err == nil || chat.CodeOf(err) != chat.Unavailable || ctx.Err() != nil {
			return err
		}
	}
}

func TestAppendRepeatsNothing(t *testing.T) {
	f := open(t)
	c := f.newConversation(t, "t", start)
	first := f.append(t, newMessage(t, c.ID, alice, "m1", draftOf("one")))
	f.append(t, newMessage(t, c.ID, alice, "m2", draftOf("two")))

	for _, head := range []chat.Head{{}, {Seq: 1}, {Seq: 2}} { // stale, stale, right
		again, duplicate, err := f.Append(t.Context(), head, newMessage(t, c.ID, alice, "m1", draftOf("one")))
		if err != nil || !duplicate || !reflect.DeepEqual(again, first) {
			t.Errorf("the same again after %d: %+v, duplicate %v, error %v", head.Seq, again, duplicate, err)
		}
		_, _, err = f.Append(t.Context(), head, newMessage(t, c.ID, alice, "m1", draftOf("another")))
		wantCode(t, err, chat.Conflict)
	}
	// The id is the sender's own.
	if m := f.append(t, newMessage(t, c.ID, bob, "m1", draftOf("one"))); m.Seq != 3 {
		t.Errorf("another sender's m1 has seq %d, want 3", m.Seq)
	}
}

func TestConcurrentAppendsOfOneIDMakeOneMessage(t *testing.T) {
	f := open(t)
	c := f.newConversation(t, "t", start)
	var mu sync.Mutex
	fresh, ids := 0, map[chat.MessageID]bool{}
	var g errgroup.Group
	for range 20 {
		g.Go(func() error {
			m, duplicate, err := f.Append(t.Context(), chat.Head{}, newMessage(t, c.ID, alice, "m1", draftOf("one")))
			mu.Lock()
			defer mu.Unlock()
			ids[m.ID] = true
			if !duplicate {
				fresh++
			}
			return err
		})
	}
	if err := g.Wait(); err != nil {
		t.Fatal(err)
	}
	if fresh != 1 || len(ids) != 1 {
		t.Errorf("%d appends were no duplicates, of %d messages; want 1 of 1", fresh, len(ids))
	}
}

func TestSentFindsOnlyTheSendersOwn(t *testing.T) {
	f := open(t)
	c := f.newConversation(t, "t", start)
	m := f.append(t, newMessage(t, c.ID, alice, "m1", draftOf("one")))
	found, ok, err := f.Sent(t.Context(), c.ID, alice, "m1")
	if err != nil || !ok || !reflect.DeepEqual(found, m) {
		t.Errorf("Sent = %+v, %v, %v", found, ok, err)
	}
	for name, look := range map[string]func() (chat.Message, bool, error){
		"another id":           func() (chat.Message, bool, error) { return f.Sent(t.Context(), c.ID, alice, "m2") },
		"another sender":       func() (chat.Message, bool, error) { return f.Sent(t.Context(), c.ID, bob, "m1") },
		"another organisation": func() (chat.Message, bool, error) { return f.Sent(t.Context(), c.ID, mallory, "m1") },
		"another conversation": func() (chat.Message, bool, error) { return f.Sent(t.Context(), "c2", alice, "m1") },
	} {
		if _, ok, err := look(); ok || err != nil {
			t.Errorf("%s: found %v, error %v", name, ok, err)
		}
	}
}

// A server that accepts and never answers, and one that is gone.
func TestAnUnreachableServerIsUnavailable(t *testing.T) {
	silent, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer silent.Close()
	gone, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	gone.Close()
	for name, addr := range map[string]net.Addr{"silent": silent.Addr(), "gone": gone.Addr()} {
		t.Run(name, func(t *testing.T) {
			s, err := mongostore.Open("mongodb://user:sEcret@"+addr.String()+"/?directConnection=true", "db", mongostore.Options{})
			if err != nil {
				t.Fatal(err)
			}
			defer s.Close(context.Background())
			ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
			defer cancel()
			_, _, err = s.Append(ctx, chat.Head{}, newMessage(t, "c1", alice, "m1", draftOf("x")))
			wantCode(t, err, chat.Unavailable)
			_, err = s.Conversation(ctx, alice, "c1")
			wantCode(t, err, chat.Unavailable)
			wantCode(t, s.Ping(ctx), chat.Unavailable)
			wantCode(t, s.CheckIndexes(ctx), chat.Unavailable)
		})
	}
}

func TestACancelledAppendIsUnavailable(t *testing.T) {
	f := open(t)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, _, err := f.Append(ctx, chat.Head{}, newMessage(t, "c1", alice, "m1", draftOf("x")))
	wantCode(t, err, chat.Unavailable)
}
