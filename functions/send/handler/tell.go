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

// Changed does what is due of a message that caller has changed, as it is then, and calls
// answer meanwhile, which is what the caller hears of the effect that answered names. What
// fails stays due: sweep does it. While whoever sent it may be at work what that is about is
// left to them: nobody gets the message again for a reaction. Besides the effects that were left
// before, one round trip to Redis and the fan-out, those of Forget where it says something
// else than before, and last one to MongoDB.
func (h *Handler) Changed(ctx context.Context, caller chat.Connection, c chat.Conversation, m chat.Message, passes delivery.Passes, answered chat.Effect, answer func()) {
	if m.Due == nil { // a repeat of what is done
		answer()
		return
	}
	h.finish(ctx, party{changer: caller, heard: answered, until: sentUntil(m)}, c, m, passes, answer)
}

// sentUntil is until when whoever sent a message may be at work; zero where that is over.
func sentUntil(m chat.Message) time.Time {
	if sent := m.CreatedAt.Add(patience); time.Now().Before(sent) {
		return sent
	}
	return time.Time{}
}

// A party is who brought about what is done: the connection that sent the message, or the
// one that changed it and heard of one effect by its answer.
type party struct {
	sender, changer chat.Connection
	heard           chat.Effect
	until           time.Time // until when somebody else is at what follows from the commit; zero: nobody is
}

// knows reports whether a connection has a frame about a change by its answer. An answer of
// what is said now has the reactions as well; what others left due it does not have.
func (p party) knows(to chat.Connection, about chat.Effect) bool {
	return to.ID == p.changer.ID && to.Dialect == chat.Lean && (p.heard == about || p.heard == chat.EffectTell)
}

// tell posts what of a message has changed, as it is now, to everybody in the room. Only who
// made the change and speaks lean has heard of that by the reply. What comes again, or late,
// does no harm: it has its version. Whom an error names alone has not got it; without names
// nobody has.
func (h *Handler) tell(ctx context.Context, by party, c chat.Conversation, m chat.Message, passes delivery.Passes) error {
	audience, err := h.presence.RoomAudience(ctx, c.ID)
	if err != nil {
		return err
	}
	allowed, _, err := h.entitled(ctx, c, audience, audience.Vouched)
	if err != nil {
		return fmt.Errorf("check the audience: %w", err)
	}
	allowed = slices.DeleteFunc(allowed, func(to chat.Connection) bool { return !m.Due.Tells(to.ID) })
	// Which reactions are one's own the devices of who has changed them are told: nobody else's have changed.
	now := time.Now()
	frames := changeFrames(m, chat.Principal{}, now)
	own := frames
	if m.Due.Has(chat.EffectTellReactions) {
		own = changeFrames(m, by.changer.Principal, now)
	}
	var posts []delivery.Post
	for _, to := range allowed {
		for i, f := range frames {
			if to.Principal == by.changer.Principal {
				f = own[i]
			}
			if !by.knows(to, f.about) {
				posts = append(posts, delivery.Post{To: to, Frame: f.frame})
			}
		}
	}
	result := h.deliver.Deliver(ctx, turned(posts, m.Due.Tries), passes)
	observe.Of(ctx).Record(observe.FanOut, float64(len(posts)))
	h.announce.Forget(ctx, result.Gone, c.ID)
	if failed := idsOf(append(result.Failed, result.Refused...)); len(failed) > 0 && !m.Due.GivesUp(m.LastChange()) {
		return unheard{failed}
	}
	return nil
}

// unheard says who has not heard of a change.
type unheard struct{ who []chat.ConnectionID }

func (e unheard) Error() string { return fmt.Sprintf("%d have not heard of a change", len(e.who)) }

// A changeFrame tells of one effect.
type changeFrame struct {
	about chat.Effect
	frame []byte
}

// changeFrames encodes what is due to be told to the devices of somebody, or to everybody.
func changeFrames(m chat.Message, to chat.Principal, now time.Time) (frames []changeFrame) {
	add := func(about chat.Effect, frame []byte) { frames = append(frames, changeFrame{about, frame}) }
	switch {
	case m.Due.Has(chat.EffectTell) && m.Deleted:
		add(chat.EffectTell, protocol.Frame(protocol.EventMessageDeleted, "", protocol.MessageGoneOf(m), now))
	case m.Due.Has(chat.EffectTell):
		add(chat.EffectTell, protocol.MessageUpdatedFrame("", protocol.MessageOf(m), now))
	}
	if m.Due.Has(chat.EffectTellReactions) && !m.Deleted {
		add(chat.EffectTellReactions, protocol.Frame(protocol.EventReactions, "", protocol.ReactionsOf(m, to), now))
	}
	return frames
}
