package e2e_test

import (
	"net/http"
	"slices"
	"strings"

	"aiwm-chat/local/client"
	"aiwm-chat/shared/chat"
	"aiwm-chat/shared/protocol"
)

// changing are the operations that change a message.
var changing = []operation{
	killedChange("react", "AnnotateFunction", true, protocol.EventReactions, func(k *killing, m protocol.Message) error {
		_, err := k.guest.ask("react", fields{"conversationId": k.id, "messageId": m.ID, "key": "👍", "on": true})
		return err
	}, func(m protocol.Message) bool { return m.ReactionVersion > 0 }),
	killedChange("edit", "AnnotateFunction", true, protocol.EventMessageUpdated, func(k *killing, m protocol.Message) error {
		k.record.Edit(m.ID, "edited")
		_, err := k.user.ask("edit", fields{"conversationId": k.id, "messageId": m.ID, "content": "edited", "edits": 0})
		return err
	}, func(m protocol.Message) bool { return m.Edits > 0 }),
	killedMention(),
	killedChange("DELETE message", "MessagesFunction", false, protocol.EventMessageDeleted, func(k *killing, m protocol.Message) error {
		deletion := k.record.Delete(m.ID)
		err := k.user.try(http.MethodDelete, "/messages/"+string(m.ID), nil, nil)
		if err == nil {
			k.record.Deleted(deletion)
		}
		return err
	}, func(m protocol.Message) bool { return m.IsDeleted }),
}

// killedChange changes a message that nobody else knows of. Whatever died, either it is as it
// was, or everybody in the room is told what it is now.
func killedChange(name, function string, framed bool, event string, change func(*killing, protocol.Message) error, changed func(protocol.Message) bool) operation {
	var m protocol.Message
	read := func(k *killing) {
		var page protocol.MessagePage
		k.agent.call(http.MethodGet, "/messages?limit=1&conversationId="+string(k.id), nil, &page)
		m = page.Data[0]
	}
	return operation{
		name: name, function: function, framed: framed,
		prepare: func(k *killing) {
			everybodyIn(k)
			k.say(k.user)
			eventually(k.t, "nothing is due", func() bool { return due(k.t, k.messages, k.id) == 0 })
			read(k)
		},
		run: func(k *killing) { _ = change(k, m) },
		heal: func(k *killing, repeats bool) {
			for tries := 0; repeats; tries++ {
				if err := change(k, m); err == nil {
					break
				} else if tries == 5 {
					k.t.Fatal(name, "again:", err)
				}
			}
			eventually(k.t, "nothing is due", func() bool {
				if err := k.sweep(); err != nil {
					k.t.Error("sweep:", err)
				}
				return due(k.t, k.messages, k.id) == 0
			})
			read(k)
			if repeats && !changed(m) {
				k.t.Errorf("%s was answered and nothing changed: %+v", name, m)
			}
			if !changed(m) {
				return
			}
			for _, who := range []*member{k.agent, k.guest, k.user} {
				eventually(k.t, "it is told", func() bool {
					return slices.ContainsFunc(who.Frames(), func(f client.Frame) bool {
						return f.Event == event && strings.Contains(string(f.Data), string(m.ID))
					})
				})
			}
			if last := k.agent.conversation(k.id).LastMessage; event != protocol.EventReactions && last.Content != m.Content {
				k.t.Errorf("the last message says %q, the message %q", last.Content, chat.Preview(m.Content))
			}
		},
	}
}

// killedMention is an edit that mentions somebody who is not in the room. Whatever died, either
// nothing was edited, or they are told.
func killedMention() operation {
	var m protocol.Message
	read := func(k *killing) {
		var page protocol.MessagePage
		k.agent.call(http.MethodGet, "/messages?limit=1&conversationId="+string(k.id), nil, &page)
		m = page.Data[0]
	}
	ask := func(k *killing) error {
		k.record.Edit(m.ID, "edited")
		_, err := k.user.ask("edit", fields{"conversationId": k.id, "messageId": m.ID, "content": "edited", "edits": 0, "mentions": []any{fields{"type": "user", "id": k.guest.principal.ID}}})
		return err
	}
	return operation{
		name: "edit with a mention", function: "AnnotateFunction", framed: true,
		prepare: func(k *killing) {
			everybodyIn(k)
			k.say(k.user)
			eventually(k.t, "nothing is due", func() bool { return due(k.t, k.messages, k.id) == 0 })
			read(k)
			k.guest.insist("leave", fields{"conversationId": k.id})
			k.record.Leave(k.guest.link, k.id)
			k.guest.here = false
		},
		run: func(k *killing) { _ = ask(k) },
		heal: func(k *killing, repeats bool) {
			for tries := 0; repeats; tries++ {
				if err := ask(k); err == nil {
					break
				} else if tries == 5 {
					k.t.Fatal("edit again:", err)
				}
			}
			eventually(k.t, "nothing is due", func() bool {
				if err := k.sweep(); err != nil {
					k.t.Error("sweep:", err)
				}
				return due(k.t, k.messages, k.id) == 0
			})
			if read(k); m.Edits == 0 {
				return
			}
			eventually(k.t, "who is mentioned is told", func() bool {
				return slices.ContainsFunc(k.guest.Frames(), func(f client.Frame) bool {
					return f.Event == protocol.EventNotification && data[protocol.Notification](k.t, f).Seq == m.Seq
				})
			})
		},
	}
}
