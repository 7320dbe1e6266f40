package mongostore

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo/options"
	"golang.org/x/sync/errgroup"

	"aiwm-chat/shared/chat"
)

// The bounds of one call of Backlog.
const (
	maxBacklog          = 200 // messages
	backlogTime         = 7 * 24 * time.Hour
	backlogBack         = 1000 // messages of one log
	backlogAtOnce       = 8    // conversations
	backlogBatch  int32 = 50   // messages of one log that come in a round trip
)

// Backlog returns what users said after the agent's own last message, and after its
// mark, in each active conversation in which the agent takes part: what it has to
// answer. Where it has said nothing of what it has read its mark is the end of the log
// when it was added: what was said before that nobody asked it.
// Conversations come with the oldest activity first, the messages of one in the
// order of its log; deleted ones are left out, and what is more than 1,000
// messages back or in conversations without activity for a week.
//
// Which conversations those are the projection tells, but it is only a hint:
// the log decides. A page has at most limit (200) messages, about 0.75 MB of
// them, and comes from at most 100 conversations, so it may be empty although
// there is more. If there
// is, next is the cursor of the page that follows; the first page has none.
// Where something is said between two pages, that conversation comes again,
// later: nothing is skipped.
//
// It takes one round trip, with a cursor two, to find the conversations, and
// three for each eight of them; one more for each 50 messages of a single one.
func (s *Store) Backlog(ctx context.Context, agent chat.Principal, cursor string, limit int) (messages []chat.Message, next string, err error) {
	var from place
	if cursor != "" {
		if from, err = parsePlace(cursor); err != nil {
			return nil, "", err
		}
	}
	limit = min(max(limit, 1), maxBacklog)
	waiting, more, err := s.waiting(ctx, agent, from)
	if err != nil {
		return nil, "", err
	}
	size := 0
	for chunk := range slices.Chunk(waiting, backlogAtOnce) {
		logs, err := s.backlogs(ctx, agent, chunk, from, limit-len(messages))
		if err != nil {
			return nil, "", err
		}
		for i, log := range logs {
			said := log.said[:min(len(log.said), limit-len(messages))]
			said = said[:fitting(said, &size, len(messages) == 0)]
			messages = append(messages, said...)
			at := place{chunk[i].UpdatedAt, chunk[i].ID, log.after}
			if len(said) > 0 {
				at.seq = said[len(said)-1].Seq
			}
			last := at.id == waiting[len(waiting)-1].ID
			switch {
			case log.more || len(said) < len(log.said), len(messages) == limit && !last, last && more:
				return messages, at.cursor(), nil
			case last:
				return messages, "", nil
			}
		}
	}
	return messages, "", nil
}

// fitting is how many of the messages fit a page that has size bytes already: it
// must not be longer than Lambda may return. One message always fits an empty
// page.
func fitting(said []chat.Message, size *int, empty bool) int {
	for n := range said {
		if *size += weight(&said[n]); *size > maxMessageBytes && !(empty && n == 0) {
			return n
		}
	}
	return len(said)
}

// weight is about how many bytes a message has.
func weight(m *chat.Message) int {
	const rest = 1 << 10 // ids, times, names
	n := rest + len(m.Content) + len(m.Error)
	for _, a := range m.Attachments {
		n += len(a)
	}
	return n // users set nothing else
}

// waiting returns the conversations that may wait for the agent's answer, the
// oldest activity first, from a place on, and whether there are more.
func (s *Store) waiting(ctx context.Context, agent chat.Principal, from place) (docs []headDoc, more bool, err error) {
	const step = "list what waits for an answer"
	filter := served(agent)
	filter["status"] = chat.Active // another takes no answer
	filter["unanswered"] = agent.ID
	opts := options.Find().SetSort(by("updatedAt", "_id")).SetLimit(maxConversations + 1).
		SetProjection(bson.M{"updatedAt": 1, "totalMessages": 1})
	since := time.Now().Add(-backlogTime)
	if from.id != "" {
		// Those of the same moment first, and not at the same time: activity
		// only moves forward, so what leaves them is in the second list.
		filter["updatedAt"] = bson.M{"$eq": from.updatedAt, "$gte": since}
		filter["_id"] = bson.M{"$gte": from.id}
		if docs, err = find[headDoc](ctx, s.conversations, filter, step, opts); err != nil {
			return nil, false, err
		}
		delete(filter, "_id")
	}
	filter["updatedAt"] = bson.M{"$gt": from.updatedAt, "$gte": since}
	later, err := find[headDoc](ctx, s.conversations, filter, step, opts)
	if err != nil {
		return nil, false, err
	}
	for _, d := range later {
		if !slices.ContainsFunc(docs, func(e headDoc) bool { return e.ID == d.ID }) {
			docs = append(docs, d)
		}
	}
	if len(docs) > maxConversations {
		return docs[:maxConversations], true, nil
	}
	return docs, false, nil
}

// backlogLog is what one log has for Backlog.
type backlogLog struct {
	after int64          // where it begins
	said  []chat.Message // ascending
	more  bool           // after those
}

// backlogs reads the logs of some conversations at the same time.
func (s *Store) backlogs(ctx context.Context, agent chat.Principal, conversations []headDoc, from place, limit int) ([]backlogLog, error) {
	read, err := s.readBy(ctx, agent, conversations)
	if err != nil {
		return nil, err
	}
	logs := make([]backlogLog, len(conversations))
	g, ctx := errgroup.WithContext(ctx)
	for i, c := range conversations {
		g.Go(func() (err error) {
			after := max(c.TotalMessages-backlogBack, read[c.ID])
			if c.ID == from.id {
				after = max(after, from.seq)
			}
			logs[i], err = s.backlogOf(ctx, agent, c.ID, after, limit)
			return err
		})
	}
	return logs, g.Wait()
}

// readBy returns the agent's mark in each of some conversations. Of who was added by an
// earlier version it is 0, where nothing else is known.
func (s *Store) readBy(ctx context.Context, agent chat.Principal, in []headDoc) (map[chat.ConversationID]int64, error) {
	var members []conversationDoc
	var marks map[chat.ConversationID]*markDoc
	ids := make([]chat.ConversationID, len(in))
	for i := range in {
		ids[i] = in[i].ID
	}
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() (err error) {
		members, err = find[conversationDoc](ctx, s.conversations, bson.M{"_id": bson.M{"$in": ids}}, "read since when an agent takes part",
			options.Find().SetBatchSize(int32(len(ids))+1).SetProjection(bson.M{"orgId": 1, "participants.type": 1, "participants.id": 1, "participants.fromSeq": 1}))
		return err
	})
	g.Go(func() (err error) {
		marks, err = s.marksIn(ctx, agent, ids)
		return err
	})
	if err := g.Wait(); err != nil {
		return nil, err
	}
	read := make(map[chat.ConversationID]int64, len(ids))
	for i := range members {
		c := members[i].conversation() // without a number of messages, so that who has no beginning begins at 0
		read[c.ID] = markOf(&c, agent, marks[c.ID]).Seq
	}
	return read, nil
}

// backlogOf reads what users said in a conversation after a seq and after the
// agent's own last message, at most limit messages. Both reads go along the log
// and are bounded by it; only what is returned is transferred.
func (s *Store) backlogOf(ctx context.Context, agent chat.Principal, id chat.ConversationID, after int64, limit int) (backlogLog, error) {
	const step = "read what waits for an answer"
	filter := func(more bson.M) bson.M {
		more["conversationId"], more["seq"] = id, bson.M{"$gt": after}
		return more
	}
	var own messageDoc
	err := findOne(ctx, s.messages, filter(bson.M{"participantType": agent.Type, "participantId": agent.ID}), &own, step, errNone,
		options.FindOne().SetSort(by("-seq")).SetProjection(bson.M{"seq": 1}))
	if err == nil {
		after = own.Seq
	} else if !errors.Is(err, errNone) {
		return backlogLog{}, err
	}
	docs, more, err := findWithin[messageDoc](ctx, s.messages, filter(bson.M{"participantType": chat.User, "isDeleted": notDeleted}), step,
		options.Find().SetSort(by("seq")).SetLimit(int64(limit)+1).SetBatchSize(min(int32(limit)+1, backlogBatch)), maxMessageBytes)
	if err != nil {
		return backlogLog{}, err
	}
	if len(docs) > limit {
		docs, more = docs[:limit], true
	}
	return backlogLog{after: after, said: toMessages(docs), more: more}, nil
}

// A place in a backlog: after a message, of a conversation as it was.
type place struct {
	updatedAt time.Time
	id        chat.ConversationID
	seq       int64
}

func (p place) cursor() string {
	return base64.RawURLEncoding.EncodeToString(fmt.Appendf(nil, "%d/%s/%d", p.updatedAt.UnixMilli(), p.id, max(p.seq, 0)))
}

func parsePlace(cursor string) (place, error) {
	b, err := base64.RawURLEncoding.Strict().DecodeString(cursor)
	parts := strings.Split(string(b), "/")
	if err != nil || len(parts) != 3 {
		return place{}, badCursor()
	}
	at, err := strconv.ParseUint(parts[0], 10, 63)
	seq, err2 := strconv.ParseUint(parts[2], 10, 63)
	id := chat.ConversationID(parts[1])
	if err != nil || err2 != nil || !chat.ValidID(id) {
		return place{}, badCursor()
	}
	return place{time.UnixMilli(int64(at)), id, int64(seq)}, nil
}

func badCursor() error { return chat.Invalid("cursor", "is not one that was given for the next page") }
