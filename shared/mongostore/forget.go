package mongostore

import (
	"context"

	"go.mongodb.org/mongo-driver/v2/bson"

	"aiwm-chat/shared/chat"
)

// What a message said is repeated in two places: the conversation's last message
// and its summary. Erasing or editing it takes several steps, of which the function may
// die between any two, and a summary takes several, whose model answers seconds later:
//
//	D1 change the message, with due {forget}    S1 read the conversation
//	D2 mend the last message                    S2 read the messages since its summary
//	D3 drop the summary, count the erasure      S3 save the new one, made of both
//	D4 enqueue a job that makes it again
//	D5 take out what is due
//
//   - The function dies after D1, D2, D3 or D4: what is due is there, and sweep
//     does D2 to D5 again. What was done is done twice at worst.
//   - S1 or S2 before D1 and S3 after D3: the new summary knows what was said. S3
//     saves only where the erasures are as many as at S1: not here.
//   - S1 before D1 and S3 between D1 and D3: it is saved, and D3 drops it, for
//     it covers the message.
//   - S1 between D1 and D3: S2 does not see the message any more, but the old
//     summary does. S3 before D3 is dropped by D3, S3 after D3 is not saved.
//   - S1 after D3: neither the log nor a summary has it.
//   - S3 between looking whether there is a summary to drop and counting: D3 is
//     one operation either way, whose filter looks.
//   - Two changes overlap: what the second left due is settled by who knows it alone
//     (see Settle), and D2 of the first, however late, does not take back that of the
//     second, whose version is larger.
//
// Whoever changes what a stored message says has to do the same.

// ForgetMessage takes what a message said before it was changed out of its conversation:
// out of the last message, which says what m says now, and with the summary, if that
// covers it, as dropped says. No summary that was begun before can be saved any more. It
// returns the conversation as it is then, also one that is deleted, and may be repeated,
// and come late: of two changes the later one stays. It takes three round trips, four
// where there is no summary to drop. The participants of c are enough.
func (s *Store) ForgetMessage(ctx context.Context, c chat.Conversation, m chat.Message) (now chat.Conversation, dropped bool, err error) {
	// Where the projection has not come to m yet it is brought there, so that a
	// late Project cannot show what is deleted; and an agent is asked as by Project,
	// for what was said before m may not have been projected either. Where it has,
	// who is to answer is not touched.
	if m.Deleted {
		m.Draft.Content = ""
	}
	if err := s.Project(ctx, c, m); err != nil {
		return chat.Conversation{}, false, err
	}
	if err := s.mendLast(ctx, m); err != nil {
		return chat.Conversation{}, false, err
	}
	this, covers := bson.M{"_id": m.ConversationID}, bson.M{"summary.toSeq": bson.M{"$gte": m.Seq}}
	drop := bson.M{"$set": bson.M{"contextSummary": ""}, "$unset": bson.M{"summary": ""}, "$inc": bson.M{"erasures": 1}}
	count := bson.M{"$inc": bson.M{"erasures": 1}}
	not := bson.M{"summary.toSeq": bson.M{"$not": bson.M{"$gte": m.Seq}}} // or missing
	for {
		c, err = s.change(ctx, s.attempt, "drop a summary", bson.M{"$and": bson.A{this, covers}}, drop)
		if chat.CodeOf(err) != chat.NotFound {
			return c, err == nil, err
		}
		c, err = s.change(ctx, s.attempt, "count an erasure", bson.M{"$and": bson.A{this, not}}, count)
		if chat.CodeOf(err) != chat.NotFound {
			return c, false, err
		}
		// A summary was saved between the two, or there is no conversation.
		if _, err := s.conversation(ctx, s.attempt, this); err != nil {
			return chat.Conversation{}, false, err
		}
	}
}

// mendLast makes the last message of a conversation say what m says, if it is m as it was
// before.
func (s *Store) mendLast(ctx context.Context, m chat.Message) error {
	filter := bson.M{
		"_id": m.ConversationID, "totalMessages": m.Seq, "lastMessage.version": bson.M{"$not": bson.M{"$gte": m.Version}}, // or missing
	}
	return s.attempt(ctx, func(ctx context.Context) error {
		_, err := s.conversations.now().UpdateOne(ctx, filter, bson.M{"$set": bson.M{"lastMessage": newLastMessageDoc(m)}})
		return failed("mend the last message", err)
	})
}

// SaveSummary stores the summary that was made of c and of messages since, unless
// the one that is there covers as much or more, or a message was erased since c
// was read: a late summary never replaces a newer one, and none brings back what
// is gone. It returns the conversation as it then is, and whether the summary was
// stored (false as well if that was by an attempt whose answer was lost). It
// takes one round trip, two if nothing was stored.
func (s *Store) SaveSummary(ctx context.Context, c chat.Conversation, text string, sum chat.Summary) (chat.Conversation, bool, error) {
	this := bson.M{"_id": c.ID, "isDeleted": notDeleted}
	older := bson.M{"summary.toSeq": bson.M{"$not": bson.M{"$gte": sum.ToSeq}}} // or missing
	same := bson.M{"erasures": bson.M{"$not": bson.M{"$gt": c.Erasures}}}       // or missing
	saved, err := s.change(ctx, s.attempt, "save a summary", bson.M{"$and": bson.A{this, older, same}}, bson.M{"$set": bson.M{
		"contextSummary": text,
		"summary":        summaryDoc{FromSeq: sum.FromSeq, ToSeq: sum.ToSeq, Model: sum.Model, At: sum.At},
	}})
	if chat.CodeOf(err) == chat.NotFound {
		now, err := s.conversation(ctx, s.attempt, this)
		return now, false, err
	}
	return saved, err == nil, err
}
