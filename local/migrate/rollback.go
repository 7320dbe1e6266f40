package migrate

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"aiwm-chat/shared/chat"
)

// rollback takes back the newest run, conversation by conversation, and leaves the
// database to the byte as it was before. A conversation in which something happened
// since stays as it is, with its backup, and is reported.
func (m *mover) rollback(ctx context.Context) error {
	last, err := m.journal.last(ctx)
	if err != nil {
		return err
	}
	if last == nil {
		return errors.New("there is no migration to take back")
	}
	m.run = last.Number
	if err := m.journal.setState(ctx, *last, undoing, running, done, undoing); err != nil {
		return err
	}
	cursor, err := m.journal.backup.Find(ctx, under(fmt.Sprintf("%06d/c", m.run)), options.Find().SetProjection(bson.M{"_id": 1}).SetBatchSize(10_000))
	if err != nil {
		return fmt.Errorf("read the backup: %w", err)
	}
	var entries []before
	if err := cursor.All(ctx, &entries); err != nil {
		return fmt.Errorf("read the backup: %w", err)
	}
	m.report.begin(len(entries), func() string { return "" })
	kept := 0
	for _, e := range entries {
		id := chat.ConversationID(e.ID[strings.LastIndexByte(e.ID, '/')+1:])
		stays, err := m.restore(ctx, id)
		if err != nil {
			return fmt.Errorf("conversation %s: %w", id, err)
		}
		if stays != "" {
			kept++
			m.report.refuse("conversations", string(id), stays)
		} else {
			m.report.Conversations++
		}
		m.report.progress(1)
	}
	m.report.line(true)
	if kept > 0 {
		return m.journal.setState(ctx, *last, done, undoing)
	}
	return m.journal.forget(ctx, *last, undoing)
}

// restore brings a conversation back to what it was. stays says why it does not.
func (m *mover) restore(ctx context.Context, id chat.ConversationID) (stays string, err error) {
	entry, err := m.journal.entry(ctx, m.run, id)
	if err != nil || entry == nil {
		return "", err
	}
	adds, ours, err := m.journal.added(ctx, m.run, id)
	if err != nil {
		return "", err
	}
	now, err := m.conversations.FindOne(ctx, bson.M{"_id": id}).Raw()
	if err != nil && !errors.Is(err, mongo.ErrNoDocuments) {
		return "", fmt.Errorf("read a conversation: %w", err)
	}
	// As it was: an earlier rollback was interrupted after it.
	if now != nil && !bytes.Equal(now, entry.Stored) && entry.Done && !bytes.Equal(hash(now), entry.After) {
		return "it was changed since", nil
	}
	if stays, err = m.writtenSince(ctx, id, entry, ours); stays != "" || err != nil {
		return stays, err
	}
	if err := m.journal.write(func() (err error) {
		if entry.Stored == nil {
			_, err = m.conversations.DeleteOne(ctx, bson.M{"_id": id})
		} else {
			_, err = m.conversations.ReplaceOne(ctx, bson.M{"_id": id}, bson.Raw(entry.Stored))
		}
		return err
	}, "restore a conversation"); err != nil {
		return "", err
	}
	for _, a := range adds {
		if err := m.journal.write(func() error {
			_, err := m.messages.DeleteMany(ctx, bson.M{"conversationId": id, "_id": bson.M{"$in": a.Messages}})
			return err
		}, "take back messages"); err != nil {
			return "", err
		}
	}
	if err := m.restoreMarks(ctx, id, entry.Stored == nil); err != nil {
		return "", err
	}
	// The entry of the conversation goes last: it is by that that all is found.
	if err := m.journal.write(func() error {
		_, err := m.journal.backup.DeleteMany(ctx, under(strings.TrimSuffix(addedID(m.run, id, ""), "/")))
		return err
	}, "forget a backup"); err != nil {
		return "", err
	}
	return "", m.journal.write(func() error {
		_, err := m.journal.backup.DeleteOne(ctx, bson.M{"_id": entry.ID})
		return err
	}, "forget a backup")
}

// restoreMarks takes the marks of a conversation back to the end of its log, as it is again:
// what is said there next has not been read before. Of one that is gone none is left.
func (m *mover) restoreMarks(ctx context.Context, id chat.ConversationID, gone bool) error {
	if gone {
		return m.journal.write(func() error {
			_, err := m.reads.DeleteMany(ctx, bson.M{"conversationId": id})
			return err
		}, "take back marks")
	}
	l, err := m.readLog(ctx, id)
	if err != nil {
		return err
	}
	for _, field := range []string{"seq", "publicSeq"} {
		back := bson.M{"$set": bson.M{field: l.head.Seq}, "$inc": bson.M{"version": int64(1)}}
		if err := m.journal.write(func() error {
			_, err := m.reads.UpdateMany(ctx, bson.M{"conversationId": id, field: bson.M{"$gt": l.head.Seq}}, back)
			return err
		}, "take back marks"); err != nil {
			return err
		}
	}
	return nil
}

// writtenSince says what was written to a conversation behind what the run
// brought, or changed of that: whoever did would lose it.
func (m *mover) writtenSince(ctx context.Context, id chat.ConversationID, entry *before, ours map[chat.MessageID]bool) (string, error) {
	cursor, err := m.messages.Find(ctx, bson.M{"conversationId": id}, options.Find().
		SetSort(bson.M{"seq": 1}).SetProjection(bson.M{"changedAt": 1}).SetBatchSize(10_000))
	if err != nil {
		return "", fmt.Errorf("read the log: %w", err)
	}
	var all []struct {
		ID      chat.MessageID `bson:"_id"`
		Changed any            `bson:"changedAt"`
	}
	if err := cursor.All(ctx, &all); err != nil {
		return "", fmt.Errorf("read the log: %w", err)
	}
	behind := entry.Stored == nil
	for _, d := range all {
		switch {
		case ours[d.ID] && d.Changed != nil:
			return "a message of it was deleted since", nil
		case ours[d.ID]:
			behind = true
		case behind:
			return "messages were sent in it since", nil
		}
	}
	return "", nil
}
