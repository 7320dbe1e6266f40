package mongostore

import (
	"context"
	"errors"
	"maps"
	"slices"
	"strconv"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"aiwm-chat/shared/chat"
)

// A message's place in the log never changes. What else changes of it does so by one
// update, which checks and changes, counts one of two versions up, notes the time by the
// database's clock, and adds what follows from it to what is due. So:
//
//   - Who dies after it leaves its effects to sweep; who made an earlier change cannot
//     settle them, because Settle wants the versions that it knows.
//   - Whoever is told of a change is told all of that part of the message with its
//     version: clients keep the larger one, in whatever order they come, and what comes
//     twice does no harm.
//   - Who was away asks for what changed since (Changes).

// errNoMatch says that a change found no message that is as it has to be. The read that
// follows may find one that is, where another change came between: then it is tried again.
var errNoMatch = errors.New("no message matches")

// The versions of a message.
const (
	versionOfText      = "version"
	versionOfReactions = "reactionVersion"
)

// changeMessage makes a change and returns the message as it is then. due is when somebody
// else takes its effects up. Where the filter finds nothing the error is errNoMatch, also if
// an attempt whose answer was lost had made the change.
func (s *Store) changeMessage(ctx context.Context, step string, filter, update bson.M, version string, due time.Time, effects ...chat.Effect) (chat.Message, error) {
	update = maps.Clone(update)
	update["$inc"] = with(update["$inc"], bson.M{version: 1})
	update["$set"] = with(update["$set"], bson.M{"due.at": millis(due)})
	update["$unset"] = with(update["$unset"], bson.M{"due.to": "", "due.tries": ""})
	update["$addToSet"] = with(update["$addToSet"], bson.M{"due.left": bson.M{"$each": effects}})
	update["$currentDate"] = with(update["$currentDate"], bson.M{"changedAt": true})
	var d messageDoc
	err := s.attempt(ctx, func(ctx context.Context) error {
		after := options.FindOneAndUpdate().SetReturnDocument(options.After)
		return decode(s.messages.now().FindOneAndUpdate(ctx, filter, update, after), &d, step, errNoMatch)
	})
	if err != nil {
		return chat.Message{}, err
	}
	return d.message(), nil
}

// with returns a part of an update and more in it.
func with(part any, more bson.M) bson.M {
	had, _ := part.(bson.M)
	out := maps.Clone(more)
	maps.Copy(out, had)
	return out
}

// in is the filter of a message of a conversation.
func in(c chat.ConversationID, id chat.MessageID) bson.M {
	return bson.M{"_id": id, "conversationId": c}
}

// messageIn returns a message of a conversation, also a deleted one.
func (s *Store) messageIn(ctx context.Context, c chat.ConversationID, id chat.MessageID) (chat.Message, error) {
	var d messageDoc
	if err := findOne(ctx, s.messages, in(c, id), &d, "read a message", noMessage()); err != nil {
		return chat.Message{}, err
	}
	return d.message(), nil
}

// DeleteMessage erases what m says from the database, with its mentions and reactions, and marks it as
// deleted by somebody; its place in the log and its tokens stay. It returns m as it is then,
// with what is due of it, which somebody else takes up at due if the caller does not do it.
// Where it is deleted already it stays as it is, also by whom. It takes one round trip, and
// one more where nothing changes.
func (s *Store) DeleteMessage(ctx context.Context, m chat.Message, by chat.Principal, due time.Time) (chat.Message, error) {
	set := bson.M{"isDeleted": true}
	if by != m.Sender {
		set["deletedBy"] = principalDoc{by.Type, by.ID}
	}
	effects := []chat.Effect{chat.EffectForget, chat.EffectTell, chat.EffectSearch}
	if m.ThreadID != "" {
		effects = append(effects, chat.EffectReplies)
	}
	filter := where(m)
	filter["isDeleted"] = notDeleted
	for wait := time.Duration(0); ; wait = min(2*wait+minWait, maxWait) {
		all := effects
		filter["uploads"] = missing
		if len(m.Uploads) > 0 {
			delete(filter, "uploads")
			all = append(slices.Clip(effects), chat.EffectErase)
		}
		now, err := s.changeMessage(ctx, "delete a message", filter, bson.M{
			"$set": set,
			"$unset": bson.M{
				"content": "", "name": "", "attachments": "", "voice": "", "thinking": "", "toolCalls": "", "toolResults": "", "error": "", "approval": "",
				"reactions": "", "mentions": "",
			},
			"$currentDate": bson.M{"updatedAt": true},
		}, versionOfText, due, all...)
		if !errors.Is(err, errNoMatch) {
			return now, err
		}
		if now, err = s.messageIn(ctx, m.ConversationID, m.ID); err != nil || now.Deleted {
			return now, err
		}
		m.Uploads = now.Uploads // an edit may have added some
		if err := pause(ctx, "delete a message", wait); err != nil {
			return now, err
		}
	}
}

// EditMessage replaces what its author said in a message, if that was edited as often as
// they know, and returns it as it is then, with what is due of it. Where it says that
// already, done is false and nothing changes. Whether those are participants whom it mentions
// is the caller's to check. It takes one round trip, one more where it says whom it mentions,
// and one more where nothing changes or it is refused.
func (s *Store) EditMessage(ctx context.Context, author chat.Principal, e chat.Edit, due time.Time) (m chat.Message, done bool, err error) {
	for wait := time.Duration(0); ; wait = min(2*wait+minWait, maxWait) {
		m, err = s.edit(ctx, author, e, due)
		if !errors.Is(err, errNoMatch) {
			return m, err == nil, err
		}
		if m, err = s.messageIn(ctx, e.ConversationID, e.MessageID); err != nil {
			return m, false, err
		}
		err = e.Refusal(m, author)
		switch {
		case chat.CodeOf(err) == chat.Conflict && e.Is(m):
			return m, false, nil
		case err != nil:
			return chat.Message{}, false, err
		}
		if err := pause(ctx, "edit a message", wait); err != nil {
			return chat.Message{}, false, err
		}
	}
}

// edit tries once to make an edit.
func (s *Store) edit(ctx context.Context, author chat.Principal, e chat.Edit, due time.Time) (chat.Message, error) {
	filter := in(e.ConversationID, e.MessageID)
	filter["participantType"], filter["participantId"] = author.Type, author.ID
	filter["type"], filter["isDeleted"] = chat.TypeText, notDeleted
	filter["role"] = bson.M{"$in": bson.A{chat.RoleUser, chat.RoleAgent}}
	filter["edits"] = upTo(0)
	if e.Edits > 0 {
		filter["edits"] = e.Edits
	}
	set := bson.M{"content": e.Content}
	add := bson.M{} // to sets
	update := bson.M{"$set": set, "$inc": bson.M{"edits": 1}, "$currentDate": bson.M{"editedAt": true, "updatedAt": true}, "$addToSet": add}
	effects := []chat.Effect{chat.EffectForget, chat.EffectTell, chat.EffectSearch}
	if e.Attachments != nil { // what was said aloud goes with them
		set["attachments"] = e.Attachments
		update["$unset"] = bson.M{"voice": ""}
		effects = append(effects, chat.EffectAttach, chat.EffectErase)
		if ids := chat.UploadsOf(e.Attachments); len(ids) > 0 {
			add["uploads"] = bson.M{"$each": ids}
			filter["$and"] = noneTakenOut(ids)
		}
	}
	if e.Mentions != nil {
		set["mentions"] = append([]mentionDoc{}, mentionDocs(chat.Distinct(e.Mentions))...)
		// Who is mentioned changes by edits alone: what is read here is what the update finds.
		m, err := s.messageIn(ctx, e.ConversationID, e.MessageID)
		if err != nil {
			return m, err
		}
		if m.Edits != e.Edits {
			return m, errNoMatch
		}
		if n := chat.NoticesOf(author, m.Informed(), e.Mentions); !n.None() {
			effects = append(effects, chat.EffectMention)
			add["due.mentions"] = bson.M{"$each": mentionDocs(n.To)}
			if len(n.But) > 0 {
				add["due.spared"] = bson.M{"$each": mentionDocs(n.But)}
			}
		}
	}
	return s.changeMessage(ctx, "edit a message", filter, update, versionOfText, due, effects...)
}

// noneTakenOut are the conditions that a message has those of uploads that it ever had: see
// chat.Edit.Refusal.
func noneTakenOut(ids []chat.UploadID) (all bson.A) {
	for _, id := range ids {
		all = append(all, bson.M{"$or": bson.A{bson.M{"uploads": bson.M{"$ne": id}}, bson.M{"attachments": id.Attachment()}}})
	}
	return all
}

// React sets or takes back a reaction of somebody, and returns the message as it is then,
// with what is due of it. Where it is so already, done is false and nothing changes. It takes
// one round trip; one more where nothing changes or it is refused, and two more where there
// are chat.MaxReactionKeys reactions or more and none with the key.
func (s *Store) React(ctx context.Context, by chat.Principal, r chat.ReactionChange, now, due time.Time) (m chat.Message, done bool, err error) {
	own := bson.M{"key": r.Key, "type": by.Type, "id": by.ID}
	filter := in(r.ConversationID, r.MessageID)
	filter["isDeleted"] = notDeleted
	update := bson.M{"$pull": bson.M{"reactions": own}}
	if r.On {
		update = bson.M{"$push": bson.M{"reactions": reactionDoc{r.Key, by.Type, by.ID, millis(now)}}}
		filter["reactions"] = bson.M{"$not": bson.M{"$elemMatch": own}}
		filter[element("reactions", chat.MaxReactions-1)] = missing
		// So few reactions have few keys.
		filter["$or"] = bson.A{bson.M{"reactions.key": r.Key}, bson.M{element("reactions", chat.MaxReactionKeys-1): missing}}
	} else {
		filter["reactions"] = bson.M{"$elemMatch": own}
	}
	for wait := time.Duration(0); ; wait = min(2*wait+minWait, maxWait) {
		m, err = s.changeMessage(ctx, "react to a message", filter, update, versionOfReactions, due, chat.EffectTellReactions)
		if !errors.Is(err, errNoMatch) {
			return m, err == nil, err
		}
		if m, err = s.messageIn(ctx, r.ConversationID, r.MessageID); err != nil {
			return m, false, err
		}
		switch {
		case m.Deleted:
			return chat.Message{}, false, noMessage()
		case m.Reacted(by, r.Key) == r.On:
			return m, false, nil
		case r.On:
			if err := m.RoomFor(r.Key); err != nil {
				return chat.Message{}, false, err
			}
		}
		filter = unchanged(m) // there is room in it as it is now
		if err := pause(ctx, "react to a message", wait); err != nil {
			return chat.Message{}, false, err
		}
	}
}

// element is the path of an element of an array.
func element(array string, i int) string { return array + "." + strconv.Itoa(i) }
