package mongostore

import (
	"context"
	"errors"
	"maps"
	"slices"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"
	"golang.org/x/sync/errgroup"

	"aiwm-chat/shared/chat"
	"aiwm-chat/shared/terms"
)

// What a message is found by is kept in a collection of its own, because it is made by us:
// the search of MongoDB knows neither Vietnamese nor Chinese, Japanese, Korean or Thai. It is
// written by an effect, which may come late, twice, or after that of a later change:
//
//	E1 insert, edit or delete a message, with due {search} and another version
//	E2 put what it says now into its entry, if that has a smaller version
//	E3 take out what is due
//
//   - The function dies after E1: sweep does E2, from the message as it is then.
//   - E2 of an earlier version comes after E2 of a later one: the entry has a larger
//     version, and stays. Where there was no entry yet the unique _id keeps the two apart:
//     one inserts, the other one finds it and is compared, or is refused and tries again.
//   - A deletion before the insert's E2: it leaves an entry without terms, whose version is
//     larger. It stays for a week, longer than anything is due.
//   - A text is never read from here: who finds an entry reads the message, and looks
//     whether that says what was looked for.

// entryDoc is a document of search.
type entryDoc struct {
	ID             chat.MessageID      `bson:"_id"`
	ConversationID chat.ConversationID `bson:"conversationId"`
	At             time.Time           `bson:"at"`
	Role           chat.Role           `bson:"role"`
	Version        int64               `bson:"version"`
	Terms          []string            `bson:"terms"`
	GoneAt         *time.Time          `bson:"goneAt,omitempty"`
}

// goneFor is how long the entry of a deleted message stays.
const goneFor = 7 * 24 * time.Hour

// searchIndexes are the messages of a term in a conversation, the newest first, and the
// entries that are to go.
func searchIndexes() []mongo.IndexModel {
	return []mongo.IndexModel{
		{Keys: by("conversationId", "terms", "-at", "-_id")},
		{Keys: by("goneAt"), Options: options.Index().SetExpireAfterSeconds(int32(goneFor / time.Second))},
	}
}

// searchable reports whether a message is found by what it says: tools and thoughts are not.
func searchable(m chat.Message) bool { return m.Type == chat.TypeText && !m.Deleted }

// IndexMessage makes a message findable by what it says, and no more by what it said before,
// unless that is known of a later version of it. It may be repeated, and come late. It takes
// one round trip, none of what was never found.
func (s *Store) IndexMessage(ctx context.Context, m chat.Message) error {
	filter, update, ok := entry(m, bson.M{"$lt": m.Version})
	if !ok {
		return nil
	}
	for {
		err := s.attempt(ctx, func(ctx context.Context) error {
			_, err := s.search.now().UpdateOne(ctx, filter, update, options.UpdateOne().SetUpsert(true))
			return failed("index a message", err)
		})
		if !mongo.IsDuplicateKeyError(err) {
			return err
		}
		// Somebody has an entry: of as large a version, or just made of a smaller one.
		var d entryDoc
		if err := findOne(ctx, s.search, bson.M{"_id": m.ID}, &d, "read an entry", errNone); err == nil && d.Version >= m.Version {
			return nil
		} else if err != nil && !errors.Is(err, errNone) {
			return err
		}
	}
}

// entry is the update that brings the entry of a message up to it, where its version meets a
// condition; not of what has none and needs none.
func entry(m chat.Message, version bson.M) (filter bson.M, update bson.M, ok bool) {
	words := []string{}
	if searchable(m) {
		words = terms.Of(m.Content)
	}
	if len(words) == 0 && m.Version == 0 {
		return nil, nil, false
	}
	if len(words) > 0 {
		words = append(words, everyTerm)
	}
	set := bson.M{"at": millis(m.CreatedAt), "role": m.Role, "version": m.Version, "terms": words}
	update = bson.M{"$set": set}
	if m.Deleted {
		set["goneAt"] = millis(m.LastChange())
	} else {
		update["$unset"] = bson.M{"goneAt": ""}
	}
	return bson.M{"_id": m.ID, "conversationId": m.ConversationID, "version": version}, update, true
}

// Search returns messages that have terms, the newest first. Access is the caller's to check.
// How many entries are read is bounded, whatever is asked for and however much was said:
//
//   - One whole term, and nothing else: its entries are in the order that is wanted. One round
//     trip.
//   - Else the latest firstLook entries of the first term, or where that is only a beginning the
//     latest of all, are looked at for the others. Of what comes often a page is full then. Two
//     round trips.
//   - Where it is not, another term may be rare: then its entries are all that there can be. Two
//     round trips more.
//   - Else the same with the latest chat.MaxCandidates, and the page says that it is bounded. Three
//     round trips more.
func (s *Store) Search(ctx context.Context, q chat.SearchQuery) (page chat.CandidatePage, err error) {
	if len(q.Conversations) == 0 {
		return page, nil
	}
	first, others := termsOf(q)
	if len(others) == 0 && q.Role == "" {
		return s.within(ctx, q, first, others, nil)
	}
	if page, err = s.look(ctx, q, first, others, firstLook); err != nil || !page.Bounded {
		return page, err
	}
	i, err := s.rare(ctx, q.Conversations, others)
	if err != nil {
		return page, err
	}
	if i >= 0 {
		rest := slices.Delete(slices.Clone(others), i, i+1)
		if first != everyTerm {
			rest = append(rest, first)
		}
		return s.within(ctx, q, others[i], rest, nil)
	}
	return s.look(ctx, q, first, others, chat.MaxCandidates)
}

const (
	// firstLook is how many entries are looked at first.
	firstLook = 400
	// maxRare is how many entries a term has that is rare: they are sorted in memory.
	maxRare = 1000
	// everyTerm is a term of each message that has one: its entries are all in the order of time.
	everyTerm = ""
)

// termsOf returns the conditions that an entry's terms meet: the one that bounds the search,
// whose entries are in the order of time, and the others.
func termsOf(q chat.SearchQuery) (first any, others []any) {
	first = everyTerm
	for i, term := range q.Whole {
		if i == 0 {
			first = term
		} else {
			others = append(others, term)
		}
	}
	for _, term := range q.Begins {
		others = append(others, beginning(term))
	}
	return first, others
}

// beginning is the condition that one term begins so: no character comes after the last one.
func beginning(of string) bson.M {
	return bson.M{"$elemMatch": bson.M{"$gte": of, "$lt": of + "\U0010FFFF"}}
}

// look finds what meets all conditions among the latest entries of the first one.
func (s *Store) look(ctx context.Context, q chat.SearchQuery, first any, others []any, among int) (page chat.CandidatePage, err error) {
	found, err := s.candidates(ctx, entries(q, first), among-1, 1)
	if err != nil {
		return page, err
	}
	if len(found) == 0 { // there are fewer
		return s.within(ctx, q, first, others, nil)
	}
	return s.within(ctx, q, first, others, &found[0])
}

// within returns entries that meet all conditions, as far as one of the first: nil is to the
// end.
func (s *Store) within(ctx context.Context, q chat.SearchQuery, first any, others []any, edge *chat.Candidate) (page chat.CandidatePage, err error) {
	filter := entries(q, first)
	all := bson.A{filter}
	if edge != nil {
		all = append(all, bson.M{"at": bson.M{"$gte": edge.At}})
	}
	for _, term := range others {
		all = append(all, bson.M{"terms": term})
	}
	if q.Role != "" {
		all = append(all, bson.M{"role": q.Role})
	}
	found, err := s.candidates(ctx, bson.M{"$and": all}, 0, q.Limit+1)
	if err != nil {
		return page, err
	}
	for _, c := range found {
		if edge == nil || c.At.After(edge.At) || c.MessageID >= edge.MessageID {
			page.Candidates = append(page.Candidates, c)
		}
	}
	switch n := len(page.Candidates); {
	case n > q.Limit:
		page.Candidates, page.More = page.Candidates[:q.Limit], true
		page.Next = page.Candidates[q.Limit-1].Cursor()
	case edge != nil:
		page.More, page.Bounded, page.Next = true, true, edge.Cursor()
	}
	return page, nil
}

// entries are those of a term in the conversations, of the time that is asked for, after the
// cursor.
func entries(q chat.SearchQuery, term any) bson.M {
	filter := bson.M{"conversationId": each(q.Conversations), "terms": term}
	at := bson.M{}
	if !q.From.IsZero() {
		at["$gte"] = q.From
	}
	if !q.To.IsZero() {
		at["$lt"] = q.To
	}
	if c := q.After; c.ID != "" {
		at["$lte"] = c.At
		filter["$or"] = bson.A{bson.M{"at": bson.M{"$lt": c.At}}, bson.M{"at": c.At, "_id": bson.M{"$lt": c.ID}}}
	}
	if len(at) > 0 {
		filter["at"] = at
	}
	return filter
}

// each is one conversation, or one of several.
func each(ids []chat.ConversationID) any {
	if len(ids) == 1 {
		return ids[0]
	}
	return bson.M{"$in": ids}
}

// rare returns which of several terms has the fewest entries, if these are few: -1 where none
// has. It takes one round trip, none without terms.
func (s *Store) rare(ctx context.Context, ids []chat.ConversationID, words []any) (rarest int, err error) {
	counts := make([]int64, len(words))
	g, ctx := errgroup.WithContext(ctx)
	for i, term := range words {
		g.Go(func() error {
			return s.attempt(ctx, func(ctx context.Context) (err error) {
				counts[i], err = s.search.now().CountDocuments(ctx, bson.M{"conversationId": each(ids), "terms": term}, options.Count().SetLimit(maxRare+1))
				return failed("count the entries of a term", err)
			})
		})
	}
	if err := g.Wait(); err != nil {
		return -1, err
	}
	rarest = -1
	for i, n := range counts {
		if n <= maxRare && (rarest < 0 || n < counts[rarest]) {
			rarest = i
		}
	}
	return rarest, nil
}

// newestFirst is the order of a search.
func newestFirst() bson.D { return by("-at", "-_id") }

// candidates reads entries without their terms.
func (s *Store) candidates(ctx context.Context, filter bson.M, skip, limit int) ([]chat.Candidate, error) {
	docs, err := find[entryDoc](ctx, s.search, filter, "search", options.Find().SetSort(newestFirst()).SetSkip(int64(skip)).
		SetLimit(int64(limit)).SetBatchSize(int32(limit)+1).SetProjection(bson.M{"conversationId": 1, "at": 1}))
	found := make([]chat.Candidate, len(docs))
	for i, d := range docs {
		found[i] = chat.Candidate{MessageID: d.ID, ConversationID: d.ConversationID, At: d.At}
	}
	return found, err
}

// Found reads messages that were found, in the order of the candidates, without those that are
// deleted or gone. It takes one round trip.
func (s *Store) Found(ctx context.Context, candidates []chat.Candidate) ([]chat.Message, error) {
	if len(candidates) == 0 {
		return nil, nil
	}
	ids, in := make([]chat.MessageID, len(candidates)), map[chat.ConversationID]bool{}
	for i, c := range candidates {
		ids[i], in[c.ConversationID] = c.MessageID, true
	}
	filter := bson.M{"_id": bson.M{"$in": ids}, "conversationId": bson.M{"$in": slices.Collect(maps.Keys(in))}, "isDeleted": notDeleted}
	docs, err := find[messageDoc](ctx, s.messages, filter, "read what was found", options.Find().SetBatchSize(int32(len(ids))+1).
		SetProjection(bson.M{
			"conversationId": 1, "orgId": 1, "seq": 1, "participantId": 1, "participantType": 1, "role": 1, "type": 1, "content": 1, "createdAt": 1, "version": 1,
		}))
	if err != nil {
		return nil, err
	}
	at := map[chat.MessageID]chat.Message{}
	for i := range docs {
		at[docs[i].ID] = docs[i].message()
	}
	var messages []chat.Message
	for _, id := range ids {
		if m, ok := at[id]; ok {
			messages = append(messages, m)
		}
	}
	return messages, nil
}

// Latest returns the conversations of somebody that were active last, with an agent where one
// is given; more says that there are others. It takes one round trip.
func (s *Store) Latest(ctx context.Context, p chat.Principal, agent chat.PrincipalID, limit int) (ids []chat.ConversationID, more bool, err error) {
	docs, err := find[struct {
		ID chat.ConversationID `bson:"_id"`
	}](ctx, s.conversations, listFilter(p, chat.ConversationQuery{AgentID: agent}), "list the latest conversations",
		options.Find().SetSort(orders[chat.NewestActivity].sort()).SetLimit(int64(limit)+1).SetBatchSize(int32(limit)+1).SetProjection(bson.M{"_id": 1}))
	for _, d := range docs[:min(len(docs), limit)] {
		ids = append(ids, d.ID)
	}
	return ids, len(docs) > limit, err
}
