package demo

import (
	"slices"
	"strings"
	"testing"
	"time"

	"aiwm-chat/shared/chat"
	"aiwm-chat/shared/protocol"
)

// The demo is to show everything that a message may consist of.
func TestTranscriptIsValidAndComplete(t *testing.T) {
	script, err := loadTranscript()
	if err != nil {
		t.Fatal(err)
	}
	if len(script.Messages) != 10 {
		t.Errorf("%d messages, want 10: the tenth sets off the summary", len(script.Messages))
	}
	missing := map[string]bool{"thinking": true, "tool call": true, "tool result": true, "usage": true, "url": true, "document": true}
	for i, l := range script.Messages {
		sender := chat.Principal{Type: l.From, ID: "p1", OrgID: chat.DefaultOrg}
		draft, err := l.Message.Draft(sender)
		if err != nil {
			t.Fatalf("message %d: %v", i+1, err)
		}
		if _, err := chat.NewMessage("c1", sender, clientMessageID(int64(i+1)), draft, chat.MaxContentFrame, time.Now()); err != nil {
			t.Errorf("message %d: %v %v", i+1, err, chat.Public(err).Details)
		}
		for _, a := range draft.Attachments {
			delete(missing, string(a.Type()))
		}
		for part, there := range map[string]bool{
			"thinking": draft.Thinking != nil, "tool call": draft.ToolCalls != nil, "tool result": draft.ToolResults != nil, "usage": draft.Usage != nil,
		} {
			if there {
				delete(missing, part)
			}
		}
	}
	if len(missing) > 0 {
		t.Errorf("no message has %v", missing)
	}
	if got := script.tokens(); got != 3968 {
		t.Errorf("all usage is %d tokens", got)
	}
}

func TestSameMessage(t *testing.T) {
	sent := protocol.MessageInput{Content: "hello", Attachments: []chat.Attachment{"document:d1"}}
	got := protocol.Message{Seq: 1, Content: "hello", Attachments: []chat.Attachment{"document:d1"}}
	if err := sameMessage(got, sent); err != nil {
		t.Error(err)
	}
	got.Attachments = nil
	if err := sameMessage(got, sent); err == nil {
		t.Error("a lost attachment went unnoticed")
	}
}

func TestWrap(t *testing.T) {
	for text, want := range map[string][]string{
		"":                {""},
		"one two three":   {"one two", "three"},
		"“one” two":       {"“one”", "two"},
		"aaaaaaaaaaaaa b": {"aaaaaaaaaaaaa", "b"},
	} {
		if got := wrap(text, 8); !slices.Equal(got, want) {
			t.Errorf("%q: got %s", text, strings.Join(got, "|"))
		}
	}
}
