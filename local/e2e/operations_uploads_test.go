package e2e_test

import (
	"context"
	"net/http"

	"aiwm-chat/shared/chat"
	"aiwm-chat/shared/protocol"
)

// uploading are the operations whose messages have uploads.
func uploading() []operation {
	return []operation{
		killedAttach("send an upload", "SendFunction", func(*killing) {}),
		killedAttach("sweep an upload", "SweepFunction", func(k *killing) { _ = k.sweep() }),
		killedErasure("DELETE a message with an upload", "MessagesFunction", func(*killing) {}),
		killedErasure("sweep an erased upload", "SweepFunction", func(k *killing) { _ = k.sweep() }),
	}
}

// swept has everything done that is due.
func (k *killing) swept() {
	k.t.Helper()
	eventually(k.t, "nothing is due", func() bool {
		if err := k.sweep(); err != nil {
			k.t.Error("sweep:", err)
		}
		return due(k.t, k.messages, k.id) == 0
	})
}

// killedAttach sends a message with an upload. Whatever died, it is there and everybody may read
// what it has, which stays; or it is not there, and its uploader alone may. The clock is what dies
// if it comes after the message.
func killedAttach(name, function string, clock func(*killing)) operation {
	var u protocol.Upload
	var said *utterance
	framed := function == "SendFunction"
	send := func(k *killing) error { return k.try(said) }
	return operation{
		name: name, function: function, framed: framed,
		prepare: func(k *killing) {
			everybodyIn(k)
			u = k.user.upload(k.id, "a.png", "image/png", "a picture")
			said = k.utter(k.user, false)
			said.with = []chat.Attachment{u.Attachment}
			if !framed {
				persist(k.t, "send", func(context.Context) error { return send(k) })
			}
		},
		run: func(k *killing) {
			if framed {
				_ = send(k)
			}
			clock(k)
		},
		heal: func(k *killing, repeats bool) {
			if framed && repeats {
				persist(k.t, "send", func(context.Context) error { return send(k) })
			}
			k.swept()
			k.reached()
			var page protocol.MessagePage
			k.agent.call(http.MethodGet, "/messages?limit=1&conversationId="+string(k.id), nil, &page)
			there := len(page.Data) > 0 && page.Data[0].Content == said.text
			tags, kept := tagsOf(k.t, k.server, u.ID)
			if !kept || there != (tags == "") || k.guest.mayRead(u.ID) != there || !k.user.mayRead(u.ID) {
				k.t.Errorf("the message is there: %t, its file: %t, with the tags %q; the guest may read it: %t", there, kept, tags, k.guest.mayRead(u.ID))
			}
			if repeats && !there {
				k.t.Error("it was answered and is not there")
			}
		},
	}
}

// killedErasure deletes a message with an upload. Whatever died, the message is there, and its
// file, or neither is.
func killedErasure(name, function string, clock func(*killing)) operation {
	var u protocol.Upload
	var id chat.MessageID
	direct := function == "MessagesFunction"
	remove := func(k *killing) error {
		deletion := k.record.Delete(id)
		err := k.user.try(http.MethodDelete, "/messages/"+string(id), nil, nil)
		if err == nil {
			k.record.Deleted(deletion)
		}
		return err
	}
	return operation{
		name: name, function: function,
		prepare: func(k *killing) {
			everybodyIn(k)
			u = k.user.upload(k.id, "a.png", "image/png", "a picture")
			said := k.utter(k.user, false)
			said.with = []chat.Attachment{u.Attachment}
			persist(k.t, "send", func(context.Context) error { return k.try(said) })
			k.swept()
			k.reached()
			var page protocol.MessagePage
			k.agent.call(http.MethodGet, "/messages?limit=1&conversationId="+string(k.id), nil, &page)
			id = page.Data[0].ID
			if !direct {
				persist(k.t, "delete", func(context.Context) error { return remove(k) })
			}
		},
		run: func(k *killing) {
			if direct {
				_ = remove(k)
			}
			clock(k)
		},
		heal: func(k *killing, repeats bool) {
			if direct && repeats {
				persist(k.t, "delete", func(context.Context) error { return remove(k) })
			}
			k.swept()
			var page protocol.MessagePage
			k.agent.call(http.MethodGet, "/messages?limit=1&conversationId="+string(k.id), nil, &page)
			gone := page.Data[0].IsDeleted
			_, kept := tagsOf(k.t, k.server, u.ID)
			if kept == gone || k.guest.mayRead(u.ID) == gone || k.user.mayRead(u.ID) == gone {
				k.t.Errorf("the message is gone: %t, its file is there: %t, and read: %t", gone, kept, k.guest.mayRead(u.ID))
			}
			if repeats && !gone {
				k.t.Error("it was answered and is there")
			}
		},
	}
}
