package migrate

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"aiwm-chat/shared/chat"
	"aiwm-chat/shared/mongostore"
)

// A writer brings the messages of one conversation into its log, behind what is
// there, and then the conversation.
type writer struct {
	*mover
	c       taken
	log     log
	kept    bool                    // the backup has what was there
	was     bson.Raw                // the conversation as it is there; nil: it is not
	isNew   bool                    // this run brings the conversation
	ours    map[chat.MessageID]bool // what this run brought before it was interrupted
	outcome outcome

	aliases map[string]chat.MessageID // what messages are called by those that answer them
	seen    map[string]bool           // ids and client's ids of this log, of the rows so far
	last    *chat.Message             // the newest
}

func (w *writer) write(ctx context.Context, ks []key) error {
	for len(ks) > 0 {
		n := min(w.batch, len(ks))
		batch, err := rows(ctx, w.from.messages, ks[:n])
		if err != nil {
			return err
		}
		w.outcome.gone(n - len(batch))
		ks = ks[n:]
		var pending []chat.Message
		for _, r := range batch {
			if m := w.read(r); m != nil {
				pending = append(pending, *m)
			}
		}
		if err := w.append(ctx, pending); err != nil {
			return err
		}
	}
	return w.finish(ctx)
}

// read returns the message of a row, nil where it is there already or cannot be
// taken.
func (w *writer) read(r *row) *chat.Message {
	m, err := messageOf(r, &w.c.Conversation)
	if err == nil && w.seen[string(m.ID)] {
		err = errors.New("another message has this messageId")
	}
	if err != nil {
		w.outcome.refuse("messages", r.id(), err.Error())
		return nil
	}
	client := clientKey(m.Sender, m.ClientMessageID)
	head, there := w.log.have[m.ID]
	if w.seen[client] {
		if !there || w.ours[m.ID] {
			r.note("its clientMessageId is that of another message, and a new one made")
		}
		m.ClientMessageID = madeID(m.ID)
	} else if w.log.clients[client] && !there {
		w.outcome.refuse("messages", r.id(), sentSince)
		return nil
	}
	w.seen[string(m.ID)], w.seen[client] = true, true
	if parent := r.text("parentMessageId", "parentId"); parent != "" && !m.Deleted {
		if m.ParentID = w.aliases[parent]; m.ParentID == "" {
			r.note("what it answers, %s, is not there before it", cut(parent, chat.MaxID))
		}
	}
	w.aliases[r.text("_id")], w.aliases[string(m.ID)] = m.ID, m.ID
	w.outcome.mend("messages", r)
	if there {
		m.Seq, m.RunningTokens = head.Seq, head.RunningTokens
		w.newest(&m)
		if w.ours[m.ID] {
			w.outcome.Taken++
		} else {
			w.outcome.There++
		}
		return nil
	}
	return &m
}

func (w *writer) newest(m *chat.Message) {
	if w.last == nil || m.Seq > w.last.Seq {
		w.last = m
	}
}

const sentSince = "a message with its clientMessageId was sent since"

// tries is how often an insert is tried that somebody else came before.
const tries = 10

// append inserts messages behind the end of the log. Where somebody else wrote there
// at the same moment it looks again.
func (w *writer) append(ctx context.Context, pending []chat.Message) error {
	for try := 0; len(pending) > 0; try++ {
		last := w.last
		docs, ids, err := w.place(pending)
		if err != nil {
			return err
		}
		if w.run == 0 {
			w.outcome.Taken += len(pending)
			return nil
		}
		if err := w.keep(ctx); err != nil {
			return err
		}
		if err := w.journal.adds(ctx, w.run, w.c.ID, ids); err != nil {
			return err
		}
		if err := w.journal.step(); err != nil {
			return err
		}
		_, err = w.messages.InsertMany(ctx, docs)
		if err == nil {
			w.outcome.Taken += len(pending)
			return w.journal.unlessTaken(ctx, w.run, func() error {
				_, err := w.messages.DeleteMany(ctx, bson.M{"conversationId": w.c.ID, "_id": bson.M{"$in": ids}})
				return err
			})
		}
		if !mongo.IsDuplicateKeyError(err) || try == tries {
			return fmt.Errorf("add messages: %w", err)
		}
		w.last = last
		if pending, err = w.collided(ctx, pending); err != nil {
			return err
		}
	}
	return nil
}

// place gives messages their places in the log.
func (w *writer) place(pending []chat.Message) (docs []any, ids []chat.MessageID, err error) {
	for i := range pending {
		m := &pending[i]
		w.log.head.Seq++
		w.log.head.RunningTokens += m.Tokens()
		m.Seq, m.RunningTokens = w.log.head.Seq, w.log.head.RunningTokens
		doc, err := mongostore.MessageDocument(*m)
		if err != nil {
			return nil, nil, fmt.Errorf("message %s: %w", m.ID, faults(err))
		}
		docs, ids = append(docs, doc), append(ids, m.ID)
		w.newest(m)
	}
	return docs, ids, nil
}

// collided returns what is left to insert after a duplicate key. What can never be
// inserted is left out: all of it at once, for a try more or less decides nothing then.
func (w *writer) collided(ctx context.Context, pending []chat.Message) (left []chat.Message, err error) {
	if w.log, err = w.readLog(ctx, w.c.ID); err != nil {
		return nil, err
	}
	elsewhere, err := w.elsewhere(ctx, pending)
	if err != nil {
		return nil, err
	}
	for _, m := range pending {
		if head, there := w.log.have[m.ID]; there {
			m.Seq, m.RunningTokens = head.Seq, head.RunningTokens
			w.newest(&m)
			w.outcome.Taken++
		} else if elsewhere[m.ID] {
			w.outcome.refuse("messages", string(m.ID), "a message of another conversation has this id already")
		} else if w.log.clients[clientKey(m.Sender, m.ClientMessageID)] {
			w.outcome.refuse("messages", string(m.ID), sentSince)
		} else {
			left = append(left, m)
		}
	}
	return left, nil
}

// elsewhere tells which ids other conversations have.
func (w *writer) elsewhere(ctx context.Context, pending []chat.Message) (map[chat.MessageID]bool, error) {
	ids := make([]chat.MessageID, len(pending))
	for i, m := range pending {
		ids[i] = m.ID
	}
	cursor, err := w.messages.Find(ctx, bson.M{"_id": bson.M{"$in": ids}, "conversationId": bson.M{"$ne": w.c.ID}}, options.Find().SetProjection(bson.M{"_id": 1}))
	if err != nil {
		return nil, fmt.Errorf("look ids up: %w", err)
	}
	var found []struct {
		ID chat.MessageID `bson:"_id"`
	}
	if err := cursor.All(ctx, &found); err != nil {
		return nil, fmt.Errorf("look ids up: %w", err)
	}
	all := make(map[chat.MessageID]bool, len(found))
	for _, d := range found {
		all[d.ID] = true
	}
	return all, nil
}

// keep notes what is there, before the first change.
func (w *writer) keep(ctx context.Context) error {
	if w.kept {
		return nil
	}
	w.kept = true
	return w.journal.keep(ctx, w.run, w.c.ID, w.was)
}

// finish writes the conversation, with what its messages come to.
func (w *writer) finish(ctx context.Context) error {
	w.outcome.Conversation = w.isNew
	if w.was != nil {
		if w.run == 0 || !w.kept {
			return nil // as it was
		}
		return w.project(ctx)
	}
	c := w.c.Conversation
	c.TotalMessages, c.TotalTokens = w.log.head.Seq, w.log.head.RunningTokens
	if w.last != nil {
		l := w.last.Last()
		c.LastMessage = &l
		if l.CreatedAt.After(c.UpdatedAt) {
			c.UpdatedAt = l.CreatedAt
		}
	}
	if c.ContextSummary != "" && c.TotalMessages > 0 {
		// It may repeat whatever it was made of: when any of that is erased it goes.
		c.Summary = &chat.Summary{FromSeq: 1, ToSeq: c.TotalMessages, Model: "aiwm", At: c.UpdatedAt}
	} else {
		c.ContextSummary = ""
	}
	c.Participants = slices.Clone(c.Participants)
	for i := range c.Participants {
		c.Participants[i].FromSeq = c.TotalMessages // nothing of what comes is unread
	}
	doc, err := mongostore.ConversationDocument(c, w.c.deleted)
	if err != nil || w.run == 0 {
		return err
	}
	if err := w.keep(ctx); err != nil {
		return err
	}
	if err := w.journal.became(ctx, w.run, c.ID, doc); err != nil {
		return err
	}
	if err := w.journal.write(func() error { _, err := w.conversations.InsertOne(ctx, doc); return err }, "add a conversation"); err != nil {
		if mongo.IsDuplicateKeyError(err) { // another migration was faster
			return w.project(ctx)
		}
		return err
	}
	if err := w.journal.unlessTaken(ctx, w.run, func() error { _, err := w.conversations.DeleteOne(ctx, bson.M{"_id": c.ID}); return err }); err != nil {
		return err
	}
	return w.journal.finished(ctx, w.run, c.ID, doc, w.outcome)
}

// project brings a conversation that is there up to its newest message.
func (w *writer) project(ctx context.Context) error {
	if w.last != nil {
		c, err := w.store.AnyConversation(ctx, w.c.OrgID, w.c.ID)
		if err == nil {
			err = w.journal.write(func() error { return w.store.Project(ctx, c, *w.last) }, "bring a conversation up to its messages")
		}
		if err != nil && chat.CodeOf(err) != chat.NotFound { // a deleted one has no totals to show
			return err
		}
	}
	now, err := w.conversations.FindOne(ctx, bson.M{"_id": w.c.ID}).Raw()
	if err != nil {
		return fmt.Errorf("read a conversation: %w", err)
	}
	return w.journal.finished(ctx, w.run, w.c.ID, now, w.outcome)
}
