package transfer

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"strings"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"aiwm-chat/shared/chat"
	"aiwm-chat/shared/mongostore"
	"aiwm-chat/shared/protocol"
)

// An importer brings the conversations of a file into the database.
//
// It reads the file twice: first it looks for what is wrong with it, or in the way, and then it
// writes. Messages come first and their conversation last, so nobody sees half of one:
//
//   - Who dies before the conversation leaves messages that belong to nobody. They are those
//     of the file, to the member: the next run finds them and adds the rest.
//   - Two at once write the same documents, of which each is there once.
//   - A conversation that is there is left as it is, with what was said, changed and deleted
//     in it since: an import brings no text back.
//   - A read that fails ends the run.
type importer struct {
	database
	out      io.Writer
	now      time.Time
	batch    int          // messages that are looked up and written at a time
	step     func() error // before each write: a test dies there
	progress progress
	there    struct{ conversations, messages int64 }
}

const messagesAtOnce = 500

func newImporter(db database, out io.Writer) *importer {
	return &importer{database: db, out: out, now: time.Now(), batch: messagesAtOnce, step: func() error { return nil }, progress: newProgress(out)}
}

func (im *importer) file(ctx context.Context, name string) error {
	if err := im.read(ctx, name, "checking", im.check); err != nil {
		return fmt.Errorf("%w; nothing is imported", err)
	}
	if err := im.store.CheckIndexes(ctx); err != nil {
		if err := im.store.CreateIndexes(ctx); err != nil {
			return fmt.Errorf("create the indexes: %w", err)
		}
	}
	im.progress = newProgress(im.out)
	if err := im.read(ctx, name, "importing", im.write); err != nil {
		return fmt.Errorf("%w; begin again to go on", err)
	}
	fmt.Fprintf(im.out, "conversations: %d imported, %d were there\n", im.progress.conversations, im.there.conversations)
	fmt.Fprintf(im.out, "messages: %d imported, %d were there\n", im.progress.messages, im.there.messages)
	return nil
}

// A part is some messages of a conversation, in their order.
type part struct {
	c        chat.Conversation
	there    bool  // it is in the database
	last     int64 // how many messages it has
	messages []chat.Message
	line     int // of the first of them
	tokens   int64
	newest   *chat.Message
}

func (p *part) ends() bool {
	return p.newest == nil && p.last == 0 || p.newest != nil && p.newest.Seq == p.last
}

// A lineError says which line is at fault, and which field of it.
type lineError struct {
	line int
	err  error
}

func (e *lineError) Error() string {
	var public *chat.Error
	if !errors.As(e.err, &public) {
		return fmt.Sprintf("line %d: %v", e.line, e.err)
	}
	if len(public.Details) == 0 {
		return fmt.Sprintf("line %d: %s", e.line, public.Message)
	}
	var faults []string
	for _, field := range slices.Sorted(maps.Keys(public.Details)) {
		faults = append(faults, fmt.Sprintf("%s %v", field, public.Details[field]))
	}
	return fmt.Sprintf("line %d: %s", e.line, strings.Join(faults, ", "))
}

// read reads the file once and gives each part of it to do.
func (im *importer) read(ctx context.Context, name, doing string, do func(context.Context, *part) error) (err error) {
	f, err := os.Open(name)
	if err != nil {
		return err
	}
	defer f.Close() //nolint:errcheck // it was only read
	lines := bufio.NewScanner(f)
	lines.Buffer(make([]byte, 64<<10), protocol.MaxExportLine+1)
	var p *part
	seen := map[chat.ConversationID]bool{}
	var ids map[chat.MessageID]bool
	n := 0
	for lines.Scan() {
		n++
		if p == nil {
			p, ids = &part{}, map[chat.MessageID]bool{}
			if p.c, p.last, err = protocol.DecodeExportHead(lines.Bytes()); err == nil && seen[p.c.ID] {
				err = chat.Invalid("conversation.id", "is in the file twice")
			}
			if err != nil {
				return &lineError{n, err}
			}
			seen[p.c.ID] = true
			if p.there, err = im.stored(ctx, p.c); err != nil {
				return &lineError{n, err}
			}
		} else {
			m, err := protocol.DecodeExportedMessage(lines.Bytes(), p.c, p.place()+1)
			if err == nil && ids[m.ID] {
				err = chat.Invalid("id", "is in the conversation twice")
			}
			if err != nil {
				return &lineError{n, err}
			}
			ids[m.ID] = true
			if len(p.messages) == 0 {
				p.line = n
			}
			p.add(m, im.now)
		}
		if len(p.messages) == im.batch || p.ends() {
			if err := do(ctx, p); err != nil {
				return err
			}
			if p.messages = nil; p.ends() {
				p = nil
			}
			im.progress.show(fmt.Sprintf("%s, line %d", doing, n))
		}
	}
	switch err := lines.Err(); {
	case errors.Is(err, bufio.ErrTooLong):
		return fmt.Errorf("line %d: is longer than %d bytes", n+1, protocol.MaxExportLine)
	case err != nil:
		return err
	case p != nil:
		return fmt.Errorf("line %d: the file ends after message %d of %d", n, p.place(), p.last)
	case n == 0:
		return errors.New("there is nothing in the file")
	}
	return nil
}

func (p *part) place() int64 {
	if p.newest == nil {
		return 0
	}
	return p.newest.Seq
}

// add adds the next message. What was changed before counts as changed now: to a client that
// knows the conversation of old this state of it may be new.
func (p *part) add(m chat.Message, now time.Time) {
	p.tokens += m.Tokens()
	m.RunningTokens = p.tokens
	if m.Version > 0 || m.ReactionVersion > 0 {
		m.ChangedAt = now
	}
	p.messages = append(p.messages, m)
	p.newest = &p.messages[len(p.messages)-1]
}

// stored reports whether a conversation of the file is in the database. It is an error
// where another one has its id there. Who created it may have handed it over since.
func (im *importer) stored(ctx context.Context, c chat.Conversation) (bool, error) {
	var d struct {
		OrgID     chat.OrgID `bson:"orgId"`
		CreatedAt time.Time  `bson:"createdAt"`
	}
	err := im.conversations.FindOne(ctx, bson.M{"_id": c.ID}).Decode(&d)
	if errors.Is(err, mongo.ErrNoDocuments) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("read a conversation: %w", err)
	}
	if d.OrgID != c.OrgID || !d.CreatedAt.Equal(c.CreatedAt) {
		return false, chat.Invalid("conversation.id", "is that of another conversation of the database")
	}
	return true, nil
}

// check looks for what is in the way of some messages.
func (im *importer) check(ctx context.Context, p *part) error {
	_, err := im.missing(ctx, p)
	if err != nil || !p.ends() || p.there {
		return err
	}
	return im.endsThere(ctx, p)
}

// endsThere is an error where messages are in the way that are in no file and belong to no
// conversation: of an import of another file, that never came to its end.
func (im *importer) endsThere(ctx context.Context, p *part) error {
	err := im.messages.FindOne(ctx, bson.M{"conversationId": p.c.ID, "seq": bson.M{"$gt": p.last}}).Err()
	if err == nil {
		return fmt.Errorf("conversation %s: the database has more messages of it than the file, of an import that was not finished", p.c.ID)
	}
	if !errors.Is(err, mongo.ErrNoDocuments) {
		return fmt.Errorf("look for messages: %w", err)
	}
	return nil
}

// missing returns the documents of the messages that are not there. One that is there must
// be the same: of a conversation that is there the same by id and place, because people may
// have changed it since.
func (im *importer) missing(ctx context.Context, p *part) (docs []any, err error) {
	if len(p.messages) == 0 {
		return nil, nil
	}
	byID, bySeq, err := im.lookUp(ctx, p)
	if err != nil {
		return nil, err
	}
	for i, m := range p.messages {
		line := p.line + i
		doc, err := mongostore.MessageDocument(m)
		if err != nil {
			return nil, &lineError{line, err}
		}
		there := byID[m.ID]
		switch {
		case there == nil && bySeq[m.Seq] != nil:
			return nil, &lineError{line, chat.Invalid("seq", "is that of another message of the database")}
		case there == nil && p.there:
			return nil, &lineError{line, chat.Invalid("id", "is not in the conversation of the database, which has its id")}
		case there == nil:
			docs = append(docs, doc)
		case !same(doc, there, p.there):
			return nil, &lineError{line, chat.Invalid("id", "is that of another message of the database")}
		}
	}
	return docs, nil
}

// lookUp returns what is stored under the ids and at the places of some messages.
func (im *importer) lookUp(ctx context.Context, p *part) (byID map[chat.MessageID]bson.Raw, bySeq map[int64]bson.Raw, err error) {
	ids := make([]chat.MessageID, len(p.messages))
	for i, m := range p.messages {
		ids[i] = m.ID
	}
	byID, bySeq = map[chat.MessageID]bson.Raw{}, map[int64]bson.Raw{}
	first, last := p.messages[0].Seq, p.newest.Seq
	for _, filter := range []bson.M{{"_id": bson.M{"$in": ids}}, {"conversationId": p.c.ID, "seq": bson.M{"$gte": first, "$lte": last}}} {
		cursor, err := im.messages.Find(ctx, filter, options.Find().SetBatchSize(int32(len(ids))+1))
		if err != nil {
			return nil, nil, fmt.Errorf("look messages up: %w", err)
		}
		var found []bson.Raw
		if err := cursor.All(ctx, &found); err != nil {
			return nil, nil, fmt.Errorf("look messages up: %w", err)
		}
		for _, d := range found {
			id, _ := d.Lookup("_id").StringValueOK()
			byID[chat.MessageID(id)] = d
			if in, _ := d.Lookup("conversationId").StringValueOK(); in == string(p.c.ID) {
				seq, _ := d.Lookup("seq").AsInt64OK()
				bySeq[seq] = d
			}
		}
	}
	return byID, bySeq, nil
}

// same reports whether a stored document is that of a message, or of what became of it.
func same(doc, stored bson.Raw, maybeChanged bool) bool {
	members := []string{"conversationId", "seq", "createdAt", "participantType", "participantId"}
	if !maybeChanged {
		all, err := doc.Elements()
		if err != nil {
			return false
		}
		members = nil
		for _, e := range all {
			members = append(members, e.Key())
		}
	}
	for _, name := range members {
		if name != "changedAt" && !doc.Lookup(name).Equal(stored.Lookup(name)) {
			return false
		}
	}
	return true
}

// write writes what is missing of some messages, and after the last ones the conversation.
func (im *importer) write(ctx context.Context, p *part) error {
	if p.there {
		if im.there.messages += int64(len(p.messages)); p.ends() {
			im.there.conversations++
		}
		return nil
	}
	docs, err := im.missing(ctx, p)
	if err != nil {
		return err
	}
	im.there.messages += int64(len(p.messages) - len(docs))
	if len(docs) > 0 {
		if err := im.step(); err != nil {
			return err
		}
		_, err := im.messages.InsertMany(ctx, docs, options.InsertMany().SetOrdered(false))
		if err != nil && !mongo.IsDuplicateKeyError(err) {
			return fmt.Errorf("add messages: %w", err)
		}
		if err != nil { // somebody imports the same at the same time, or something else
			left, err := im.missing(ctx, p)
			if err == nil && len(left) > 0 {
				err = fmt.Errorf("line %d: messages could not be added", p.line)
			}
			if err != nil {
				return err
			}
		}
		im.progress.messages += int64(len(docs))
	}
	// Also of what was there: who died may have died before this.
	if err := im.step(); err != nil {
		return err
	}
	if err := im.store.IndexMessages(ctx, p.messages); err != nil {
		return err
	}
	if !p.ends() {
		return nil
	}
	return im.appear(ctx, p)
}

// appear writes the conversation, with what its messages come to.
func (im *importer) appear(ctx context.Context, p *part) error {
	if err := im.endsThere(ctx, p); err != nil {
		return err
	}
	c := p.c
	c.TotalMessages, c.TotalTokens = p.last, p.tokens
	if p.newest != nil {
		last := p.newest.Last()
		c.LastMessage = &last
	}
	for i := range c.Participants {
		c.Participants[i].FromSeq = p.last // nothing of what comes is unread
	}
	doc, err := mongostore.ConversationDocument(c, nil)
	if err != nil {
		return err
	}
	if err := im.step(); err != nil {
		return err
	}
	_, err = im.conversations.InsertOne(ctx, doc)
	if mongo.IsDuplicateKeyError(err) { // who imported the same was faster
		if _, err = im.stored(ctx, p.c); err == nil {
			im.there.conversations++
			return nil
		}
	}
	if err != nil {
		return fmt.Errorf("add a conversation: %w", err)
	}
	im.progress.conversations++
	return nil
}
