package handler

import (
	"context"
	"fmt"
	"slices"
	"time"

	"aiwm-chat/shared/chat"
	"aiwm-chat/shared/delivery"
	"aiwm-chat/shared/observe"
	"aiwm-chat/shared/protocol"
)

// notify tells those whom a message mentions, on all their devices, if they are not in the
// room, where they see it. It returns who is to be told still. The conversation is read again:
// nobody vouches for those outside the room, and who was removed is not to learn that it goes
// on. One round trip to MongoDB, one to Redis, and the fan-out.
func (h *Handler) notify(ctx context.Context, c chat.Conversation, m chat.Message, passes delivery.Passes) (still chat.Notices, err error) {
	still = m.Due.Notices
	if c, err = h.store.AnyConversation(ctx, c.OrgID, c.ID); err != nil {
		if chat.CodeOf(err) == chat.NotFound {
			err = nil // deleted: there is nothing to look at
		}
		return still, err
	}
	who := m.Noticed(c)
	if len(who) == 0 {
		return still, nil
	}
	found, err := h.presence.Mentioned(ctx, c.ID, who...)
	if err != nil {
		return still, err
	}
	present := map[chat.Principal]bool{}
	for _, one := range found.Room {
		present[one.Principal] = true
	}
	frame := protocol.Frame(protocol.EventNotification, "", protocol.NotificationOf(m, protocol.NotificationMention), time.Now())
	var posts []delivery.Post
	for _, device := range found.Devices {
		if !present[device.Principal] {
			posts = append(posts, delivery.Post{To: device, Frame: frame})
		}
	}
	if len(posts) == 0 {
		return still, nil
	}
	result := h.deliver.Deliver(ctx, turned(posts, m.Due.Tries), passes)
	observe.Of(ctx).Record(observe.FanOut, float64(len(posts)))
	h.announce.Forget(ctx, result.Gone, "")
	missed := slices.Concat(result.Failed, result.Refused)
	if len(missed) == 0 || m.Due.GivesUp(m.LastChange()) {
		return still, nil
	}
	return unnoticed(still, missed), fmt.Errorf("%d posts of a mention failed", len(missed))
}

// unnoticed names those of whom a device was missed, where they are few: nobody else is told
// again.
func unnoticed(all chat.Notices, missed []chat.Connection) chat.Notices {
	var few chat.Notices
	for _, device := range missed {
		if one := chat.MentionOf(device.Principal); !slices.Contains(few.To, one) {
			few.To = append(few.To, one)
		}
	}
	if len(few.To) > chat.MaxDueTo {
		return all
	}
	return few
}
