package mongostore

import (
	"context"
	"encoding/base64"
	"slices"
	"strconv"
	"strings"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo/options"
	"golang.org/x/sync/errgroup"

	"aiwm-chat/shared/chat"
)

// maxConversations bounds one page.
const maxConversations = 100

// Conversations returns a page of the conversations of which p is a
// participant. A user in q is a participant besides p; a limit over 100 is 100;
// without a sort it is the newest activity first.
//
// By cursor, what does not change between two pages comes once. What does moves
// to where it belongs now: of the newest activity first, to the front.
//
// It takes two round trips at the same time, with a cursor three.
func (s *Store) Conversations(ctx context.Context, p chat.Principal, q chat.ConversationQuery) (chat.ConversationPage, error) {
	o, ok := orders[q.Sort]
	if !ok { // it becomes a part of the query
		return chat.ConversationPage{}, chat.Invalid("sort", "is not an order of conversations")
	}
	limit := min(max(q.Limit, 1), maxConversations)
	opts := options.Find().SetSort(o.sort()).SetLimit(int64(limit) + 1).SetBatchSize(int32(limit) + 1)
	var from *listPlace
	if q.Cursor != "" {
		if from, ok = parseListPlace(q.Sort, q.Cursor); !ok {
			return chat.ConversationPage{}, badCursor()
		}
	} else {
		opts.SetSkip(int64(max(q.Page, 1)-1) * int64(limit))
	}
	var docs []conversationDoc
	var page chat.ConversationPage
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() (err error) {
		docs, err = s.listFrom(ctx, p, q, o, from, opts)
		return err
	})
	g.Go(func() (err error) {
		page.Total, page.TotalIsMore, err = s.countUpTo(ctx, listFilter(p, q), chat.MaxTotal)
		return err
	})
	if err := g.Wait(); err != nil {
		return chat.ConversationPage{}, err
	}
	if len(docs) > limit {
		docs = docs[:limit]
		page.Next = o.placeOf(&docs[limit-1]).cursor(q.Sort)
	}
	page.Conversations = make([]chat.Conversation, len(docs))
	for i := range docs {
		page.Conversations[i] = docs[i].conversation()
	}
	return page, nil
}

const listStep = "list conversations"

// listFrom reads what comes after a place, nil for the beginning. Of those that
// have the same value in the order the id decides: they are read beside those
// that come after it.
func (s *Store) listFrom(ctx context.Context, p chat.Principal, q chat.ConversationQuery, o order, from *listPlace, opts *options.FindOptionsBuilder) ([]conversationDoc, error) {
	if from == nil {
		return find[conversationDoc](ctx, s.conversations, listFilter(p, q), listStep, opts)
	}
	beyond := "$gt"
	if o.descending {
		beyond = "$lt"
	}
	same, later := listFilter(p, q), listFilter(p, q)
	same[o.field], same["_id"] = from.value, bson.M{beyond: from.id}
	later[o.field] = bson.M{beyond: from.value}
	parts := make([][]conversationDoc, 2)
	g, ctx := errgroup.WithContext(ctx)
	for i, filter := range []bson.M{same, later} {
		g.Go(func() (err error) {
			parts[i], err = find[conversationDoc](ctx, s.conversations, filter, listStep, opts)
			return err
		})
	}
	if err := g.Wait(); err != nil {
		return nil, err
	}
	docs := parts[0]
	for _, d := range parts[1] { // one may have moved from the one into the other
		if !slices.ContainsFunc(parts[0], func(e conversationDoc) bool { return e.ID == d.ID }) {
			docs = append(docs, d)
		}
	}
	return docs, nil
}

// countUpTo counts what a filter finds as far as limit.
func (s *Store) countUpTo(ctx context.Context, filter bson.M, limit int64) (n int64, more bool, err error) {
	err = s.attempt(ctx, func(ctx context.Context) (err error) {
		n, err = s.conversations.now().CountDocuments(ctx, filter, options.Count().SetLimit(limit+1))
		return failed(listStep, err)
	})
	return min(n, limit), n > limit, err
}

func listFilter(p chat.Principal, q chat.ConversationQuery) bson.M {
	filter := served(p)
	if q.Status != "" {
		filter["status"] = q.Status
	}
	if q.AgentID != "" {
		filter["agentId"] = q.AgentID
	}
	if q.Tag != "" {
		filter["tags"] = q.Tag
	}
	if q.UserID != "" {
		filter["$and"] = bson.A{bson.M{"participants": has(chat.Principal{Type: chat.User, ID: q.UserID})}}
	}
	return filter
}

// An order is how a list is sorted: by a field, and then by id.
type order struct {
	field      string
	descending bool
	value      func(d *conversationDoc) any
}

func activityOf(d *conversationDoc) any  { return d.Activity }
func createdAtOf(d *conversationDoc) any { return d.CreatedAt }
func titleKeyOf(d *conversationDoc) any  { return d.TitleKey }

// orders are those that a list may have. The index of each is listIndex.
var orders = map[chat.ConversationSort]order{
	"":                  {"activity", true, activityOf},
	chat.NewestActivity: {"activity", true, activityOf},
	chat.OldestActivity: {"activity", false, activityOf},
	chat.NewestFirst:    {"createdAt", true, createdAtOf},
	chat.OldestFirst:    {"createdAt", false, createdAtOf},
	chat.TitleAToZ:      {"titleKey", false, titleKeyOf},
	chat.TitleZToA:      {"titleKey", true, titleKeyOf},
}

func (o order) sort() bson.D {
	if o.descending {
		return by("-"+o.field, "-_id")
	}
	return by(o.field, "_id")
}

func (o order) placeOf(d *conversationDoc) listPlace { return listPlace{o.value(d), d.ID} }

// A listPlace is where a page of a list ends: at a time or a title's key, and the
// id of a conversation.
type listPlace struct {
	value any
	id    chat.ConversationID
}

// cursor names a place, and the order in which it is one.
func (p listPlace) cursor(sort chat.ConversationSort) string {
	value, _ := p.value.(string)
	if t, ok := p.value.(time.Time); ok {
		value = strconv.FormatInt(t.UnixMilli(), 10)
	}
	return base64.RawURLEncoding.EncodeToString([]byte(string(sort) + "/" + value + "/" + string(p.id)))
}

// parseListPlace reads the cursor of an order.
func parseListPlace(sort chat.ConversationSort, cursor string) (*listPlace, bool) {
	b, err := base64.RawURLEncoding.Strict().DecodeString(cursor)
	parts := strings.Split(string(b), "/")
	if err != nil || len(parts) != 3 || parts[0] != string(sort) || !chat.ValidID(chat.ConversationID(parts[2])) {
		return nil, false
	}
	p := &listPlace{parts[1], chat.ConversationID(parts[2])}
	if strings.HasSuffix(string(sort), "title") {
		_, err = sortable.DecodeString(parts[1])
		return p, err == nil
	}
	at, err := strconv.ParseInt(parts[1], 10, 64)
	p.value = time.UnixMilli(at).UTC()
	return p, err == nil
}
