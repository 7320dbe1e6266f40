package migrate

import (
	"context"
	"errors"
	"fmt"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"aiwm-chat/shared/chat"
	"aiwm-chat/shared/mongostore"
)

// How many rows are read and written at a time, unless a test says otherwise.
const (
	conversationsAtOnce = 100
	messagesAtOnce      = 200
)

// A mover brings the rows of the source into the database of the chat.
type mover struct {
	from                    source
	store                   *mongostore.Store
	conversations, messages *mongo.Collection
	reads                   *mongo.Collection
	journal                 *journal
	run                     int // 0: a dry run, which writes nothing
	known                   int // the newest run there is
	org                     chat.OrgID
	batch                   int // messages
	report                  *report
}

// move takes all conversations, one after the other. A conversation appears with
// the last of its writes, whole: until then nobody can read or write it.
func (m *mover) move(ctx context.Context) error {
	all, err := keys(ctx, m.from.conversations, bson.M{}, "conversationId")
	if err != nil {
		return err
	}
	if len(all) == 0 {
		return errNothing
	}
	met := roll{rowOf: map[string]bson.RawValue{}, refused: map[string]bool{}, names: map[string]bool{}}
	m.report.begin(len(all), m.report.moved)
	for len(all) > 0 {
		n := min(conversationsAtOnce, len(all))
		batch, err := rows(ctx, m.from.conversations, all[:n])
		if err != nil {
			return err
		}
		all = all[n:]
		for _, r := range batch {
			c, err := met.admit(r, m.org)
			if err != nil {
				m.report.refuse("conversations", r.id(), err.Error())
				continue
			}
			if err := m.conversation(ctx, r, c); err != nil {
				return fmt.Errorf("conversation %s: %w", c.ID, err)
			}
		}
		m.report.progress(n) // also those that are gone meanwhile
	}
	if err := m.orphans(ctx, met); err != nil {
		return err
	}
	m.report.line(true)
	return nil
}

// A roll is what a run has met of conversations.
type roll struct {
	rowOf          map[string]bson.RawValue // by the new id: which row has it
	names, refused map[string]bool          // by what messages name them
}

// admit returns the conversation of a row, or why it is not taken: of several rows of
// one id the first is.
func (l roll) admit(r *row, org chat.OrgID) (taken, error) {
	id, rowID := r.newID("conversationId"), r.raw.Lookup("_id")
	byID, byRow := nameOf(r.raw.Lookup("conversationId")), nameOf(rowID)
	l.names[byID], l.names[byRow] = true, true
	c, err := conversationOf(r, org)
	if err == nil && !l.rowOf[id].IsZero() {
		err = fmt.Errorf("the conversation %s has this conversationId already", shownID(l.rowOf[id]))
	}
	if err != nil {
		l.refused[byRow] = true
		if l.rowOf[id].IsZero() {
			l.refused[byID] = true
		}
		return taken{}, err
	}
	l.rowOf[id] = rowID
	delete(l.refused, byID) // by an earlier row of that name
	return c, nil
}

// conversation takes one with its messages.
func (m *mover) conversation(ctx context.Context, r *row, c taken) error {
	entry, err := m.journal.entry(ctx, m.run, c.ID)
	if err != nil {
		return err
	}
	if entry != nil && entry.Done { // by this run, before it was interrupted
		m.report.add(entry.Outcome)
		return nil
	}
	ks, err := m.from.log(ctx, r)
	if err != nil {
		return err
	}
	was, err := m.conversations.FindOne(ctx, bson.M{"_id": c.ID}).Raw()
	switch {
	case errors.Is(err, mongo.ErrNoDocuments):
		was = nil
	case err != nil:
		return fmt.Errorf("read a conversation: %w", err)
	case entry == nil:
		reason, err := m.foreign(ctx, c, was)
		if err != nil {
			return err
		}
		if reason != "" {
			m.report.refuse("conversations", r.id(), reason)
			for _, k := range ks {
				m.report.refuse("messages", shownID(k.id), notTaken)
			}
			return nil
		}
	}
	l, err := m.readLog(ctx, c.ID)
	if err != nil {
		return err
	}
	w := &writer{mover: m, c: c, log: l, kept: entry != nil, was: was, isNew: was == nil, aliases: map[string]chat.MessageID{}, seen: map[string]bool{}}
	if entry != nil { // begun by this run, before it was interrupted
		w.isNew = entry.Stored == nil
		if _, w.ours, err = m.journal.added(ctx, m.run, c.ID); err != nil {
			return err
		}
	}
	w.outcome.mend("conversations", r)
	if err := w.write(ctx, ks); err != nil {
		return err
	}
	m.report.add(w.outcome)
	return nil
}

// foreign says why nothing may be added to a conversation that is there: no run
// brought it, or one did for other people.
func (m *mover) foreign(ctx context.Context, c taken, was bson.Raw) (reason string, err error) {
	ours, err := m.journal.earlier(ctx, m.known, c.ID)
	if err != nil {
		return "", err
	}
	if !ours {
		return "there is another conversation with this id already", nil
	}
	if org := was.Lookup("orgId"); textOf(org) != string(c.OrgID) {
		return fmt.Sprintf("it is there already, in the organisation %s", textOf(org)), nil
	}
	return "", nil
}

const notTaken = "its conversation is not taken: see there"

// orphans reports the messages that no conversation was asked for.
func (m *mover) orphans(ctx context.Context, met roll) error {
	total, err := m.from.messages.CountDocuments(ctx, bson.M{})
	if err != nil {
		return fmt.Errorf("count the messages: %w", err)
	}
	if total == m.report.messages() {
		return nil
	}
	ks, err := keys(ctx, m.from.messages, bson.M{}, "messageId")
	if err != nil {
		return err
	}
	for _, k := range ks {
		name := nameOf(k.ref)
		switch {
		case name == "":
			m.report.refuse("messages", shownID(k.id), "conversationId is missing")
		case met.refused[name]:
			m.report.refuse("messages", shownID(k.id), notTaken)
		case !met.names[name]:
			m.report.refuse("messages", shownID(k.id), "there is no conversation "+cut(name, chat.MaxID))
		}
	}
	return nil
}

// A log is what the database has of a conversation's messages.
type log struct {
	head    chat.Head
	have    map[chat.MessageID]chat.Head
	clients map[string]bool // the client's ids that are taken
}

func clientKey(sender chat.Principal, id chat.ClientMessageID) string {
	return sender.String() + "/" + string(id)
}

func (m *mover) readLog(ctx context.Context, id chat.ConversationID) (log, error) {
	l := log{have: map[chat.MessageID]chat.Head{}, clients: map[string]bool{}}
	fields := bson.M{"seq": 1, "runningTokens": 1, "participantType": 1, "participantId": 1, "clientMessageId": 1}
	cursor, err := m.messages.Find(ctx, bson.M{"conversationId": id}, options.Find().SetProjection(fields).SetBatchSize(10_000))
	if err != nil {
		return l, fmt.Errorf("read the log: %w", err)
	}
	defer cursor.Close(context.WithoutCancel(ctx)) //nolint:errcheck // it was only read
	for cursor.Next(ctx) {
		var d struct {
			ID     chat.MessageID       `bson:"_id"`
			Seq    int64                `bson:"seq"`
			Tokens int64                `bson:"runningTokens"`
			Type   chat.PrincipalType   `bson:"participantType"`
			Sender chat.PrincipalID     `bson:"participantId"`
			Client chat.ClientMessageID `bson:"clientMessageId"`
		}
		if err := cursor.Decode(&d); err != nil {
			return l, fmt.Errorf("read the log: %w", err)
		}
		l.have[d.ID] = chat.Head{Seq: d.Seq, RunningTokens: d.Tokens}
		l.clients[clientKey(chat.Principal{Type: d.Type, ID: d.Sender}, d.Client)] = true
		if d.Seq > l.head.Seq {
			l.head = l.have[d.ID]
		}
	}
	if err := cursor.Err(); err != nil {
		return l, fmt.Errorf("read the log: %w", err)
	}
	return l, nil
}
