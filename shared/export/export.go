// Package export writes conversations out: as lines of JSON, which can be brought in again,
// or as Markdown, for people. It writes pages, which are the whole when they are put one
// behind the other.
package export

import (
	"context"
	"fmt"
	"strconv"
	"strings"

	"aiwm-chat/shared/chat"
	"aiwm-chat/shared/protocol"
)

// A Format is one in which a conversation is written out.
type Format string

// The formats.
const (
	NDJSON   Format = "ndjson"   // protocol.ExportHead, then a protocol.ExportedMessage a line
	Markdown Format = "markdown" // CommonMark
)

// Valid reports whether f is one of the two.
func (f Format) Valid() bool { return f == NDJSON || f == Markdown }

// Media is the media type of what is written.
func (f Format) Media() string {
	if f == Markdown {
		return "text/markdown; charset=utf-8"
	}
	return "application/x-ndjson"
}

// Extension is what a file of it is called at the end.
func (f Format) Extension() string {
	if f == Markdown {
		return ".md"
	}
	return ".ndjson"
}

// MaxPage is how many bytes a page has at most. Lambda returns 6 MB, and a page goes there in
// base64, four bytes for three, so that it is not larger for what is said in it: in JSON a
// control character takes six. A single message has less than that in either format.
const MaxPage = 4 << 20

// A Cursor is where the page after another one begins. It carries where the whole ends: the
// end of the log when the export began. What is said later is not in it, and of what is
// changed or deleted meanwhile each page has what it is then.
type Cursor struct {
	Format Format
	After  int64 // the last message of the page before
	Head   int64 // the last one of all
}

// CursorPattern is what Cursor.String writes, as a regular expression.
const CursorPattern = `^(ndjson|markdown)-[0-9]{1,19}-[0-9]{1,19}$`

// String is "<format>-<after>-<head>".
func (c Cursor) String() string { return fmt.Sprintf("%s-%d-%d", c.Format, c.After, c.Head) }

// ParseCursor reads what String has written.
func ParseCursor(s string) (Cursor, error) {
	parts := strings.Split(s, "-")
	if len(parts) == 3 {
		c := Cursor{Format: Format(parts[0])}
		var errAfter, errHead error
		c.After, errAfter = strconv.ParseInt(parts[1], 10, 64)
		c.Head, errHead = strconv.ParseInt(parts[2], 10, 64)
		if errAfter == nil && errHead == nil && c.Format.Valid() && 0 < c.After && c.After < c.Head && c.String() == s {
			return c, nil
		}
	}
	return Cursor{}, fmt.Errorf("is no cursor that was given out here")
}

// A Log is where the messages are.
type Log interface {
	Messages(ctx context.Context, id chat.ConversationID, q chat.MessageQuery) (messages []chat.Message, more bool, err error)
	Places(ctx context.Context, id chat.ConversationID, ids []chat.MessageID) (map[chat.MessageID]int64, error)
}

// messagesAtOnce is how many are read at a time: the store gives fewer where they are long.
const messagesAtOnce = 1000

// First returns the first page of a conversation that the caller may read, and where the
// next one begins: nil after the last.
func First(ctx context.Context, log Log, c chat.Conversation, f Format) ([]byte, *Cursor, error) {
	newest, _, err := log.Messages(ctx, c.ID, chat.MessageQuery{Limit: 1})
	if err != nil {
		return nil, nil, err
	}
	var head int64
	if len(newest) > 0 {
		head = newest[0].Seq
	}
	var page []byte
	if f == Markdown {
		page = appendTitle(page, c)
	} else {
		page = protocol.AppendExport(page, protocol.ExportHeadOf(c, head))
	}
	return extend(ctx, log, c, page, Cursor{Format: f, Head: head})
}

// Next returns the page that begins at a cursor, and where the next one does.
func Next(ctx context.Context, log Log, c chat.Conversation, from Cursor) ([]byte, *Cursor, error) {
	return extend(ctx, log, c, nil, from)
}

// extend adds messages to a page until it is full.
func extend(ctx context.Context, log Log, c chat.Conversation, page []byte, from Cursor) ([]byte, *Cursor, error) {
	for from.After < from.Head {
		before := from.Head + 1
		found, _, err := log.Messages(ctx, c.ID, chat.MessageQuery{AfterSeq: &from.After, BeforeSeq: &before, Limit: messagesAtOnce})
		if err != nil || len(found) == 0 { // a head that is beyond the log was made up
			return page, nil, err
		}
		write, err := writer(ctx, log, c, found, from.Format)
		if err != nil {
			return nil, nil, err
		}
		for _, m := range found {
			full := len(page)
			if page = write(page, m); len(page) > MaxPage && full > 0 {
				return page[:full], &from, nil
			}
			from.After = m.Seq
		}
	}
	return page, nil, nil
}

// writer returns what appends each of some messages.
func writer(ctx context.Context, log Log, c chat.Conversation, found []chat.Message, f Format) (func(page []byte, m chat.Message) []byte, error) {
	if f == NDJSON {
		return func(page []byte, m chat.Message) []byte {
			return protocol.AppendExport(page, protocol.ExportedMessageOf(m))
		}, nil
	}
	places, err := placesOfParents(ctx, log, c, found)
	return func(page []byte, m chat.Message) []byte { return appendMessage(page, m, places[m.ParentID]) }, err
}

// placesOfParents returns where the messages are that others answer. Those that are among
// them need not be looked for.
func placesOfParents(ctx context.Context, log Log, c chat.Conversation, found []chat.Message) (map[chat.MessageID]int64, error) {
	places := make(map[chat.MessageID]int64, len(found))
	for _, m := range found {
		places[m.ID] = m.Seq
	}
	var missing []chat.MessageID
	for _, m := range found {
		if _, known := places[m.ParentID]; !known && m.ParentID != "" {
			places[m.ParentID] = 0
			missing = append(missing, m.ParentID)
		}
	}
	if len(missing) == 0 {
		return places, nil
	}
	others, err := log.Places(ctx, c.ID, missing)
	for id, seq := range others {
		places[id] = seq
	}
	return places, err
}
