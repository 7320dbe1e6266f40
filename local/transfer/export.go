package transfer

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	"aiwm-chat/shared/chat"
	"aiwm-chat/shared/export"
	"aiwm-chat/shared/protocol"
)

// An exporter writes conversations one behind the other.
type exporter struct {
	database
	format   export.Format
	only     chat.ConversationID // "": all
	progress progress
}

// A place is how far an export has come: the zero one is the beginning.
type place struct {
	conversation chat.ConversationID // the last one that has begun
	seq, head    int64               // its last message that is there, and the last one of all
	size         int64               // of the file up to there
}

// toFile writes to a file that has its name when it is whole. Until then it ends in .part,
// and the next run goes on behind what is in there; Markdown, which is not made to be read
// by programs, is begun again.
func (e *exporter) toFile(ctx context.Context, name string) (err error) {
	if _, err := os.Lstat(name); !errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("-o: %s is there already", name)
	}
	part := name + ".part"
	f, err := os.OpenFile(part, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return fmt.Errorf("-o: %w", err)
	}
	defer func() { err = errors.Join(err, ignoreClosed(f.Close())) }()
	var from place
	if e.format == export.NDJSON {
		if from, err = placeIn(f); err != nil {
			return fmt.Errorf("%s: %w; delete it to begin again", part, err)
		}
		if from.conversation != "" && e.only != "" && from.conversation != e.only {
			return fmt.Errorf("%s is of the conversation %s; delete it to begin again", part, from.conversation)
		}
	}
	if err := f.Truncate(from.size); err != nil {
		return fmt.Errorf("-o: %w", err)
	}
	if _, err := f.Seek(from.size, io.SeekStart); err != nil {
		return fmt.Errorf("-o: %w", err)
	}
	if from.conversation != "" {
		fmt.Fprintf(e.progress.out, "going on behind message %d of the conversation %s\n", from.seq, from.conversation)
	}
	if err := e.write(ctx, f, from); err != nil {
		return fmt.Errorf("%w; begin again to go on", err)
	}
	if err := errors.Join(f.Sync(), f.Close(), os.Rename(part, name)); err != nil {
		return fmt.Errorf("-o: %w", err)
	}
	fmt.Fprintf(e.progress.out, "written: %d conversations, %d messages\n", e.progress.conversations, e.progress.messages)
	return nil
}

func ignoreClosed(err error) error {
	if errors.Is(err, os.ErrClosed) {
		return nil
	}
	return err
}

// write writes what follows a place.
func (e *exporter) write(ctx context.Context, out io.Writer, from place) error {
	if from.conversation != "" && from.seq < from.head {
		unfinished := false
		err := e.each(ctx, from.conversation, "", func(k known) error {
			unfinished = true
			c, err := e.store.AnyConversation(ctx, k.OrgID, k.ID)
			if err != nil {
				return err
			}
			page, next, err := export.Next(ctx, e.store, c, export.Cursor{Format: e.format, After: from.seq, Head: from.head})
			return e.pages(ctx, out, c, page, next, err)
		})
		if !unfinished && err != nil {
			return fmt.Errorf("%w any more, of which a part is in the file", err)
		}
		if err != nil {
			return err
		}
	}
	if e.only != "" && from.conversation != "" {
		return nil
	}
	return e.each(ctx, e.only, from.conversation, func(k known) error {
		c, err := e.store.AnyConversation(ctx, k.OrgID, k.ID)
		if err != nil && e.only == "" && chat.CodeOf(err) == chat.NotFound { // deleted just now
			return nil
		}
		if err != nil {
			return err
		}
		page, next, err := export.First(ctx, e.store, c, e.format)
		return e.pages(ctx, out, c, page, next, err)
	})
}

// pages writes a page and those after it.
func (e *exporter) pages(ctx context.Context, out io.Writer, c chat.Conversation, page []byte, next *export.Cursor, err error) error {
	for ; err == nil; page, next, err = export.Next(ctx, e.store, c, *next) {
		if _, err := out.Write(page); err != nil {
			return err
		}
		e.progress.messages += messagesIn(page, e.format)
		if next == nil {
			e.progress.conversations++
		}
		if e.progress.show("exporting"); next == nil {
			return nil
		}
	}
	return err
}

var headBegins, messageBegins = []byte(`{"format":`), []byte(`{"seq":`)

func messagesIn(page []byte, f export.Format) (n int64) {
	if f == export.Markdown {
		return int64(bytes.Count(page, []byte("\n## ")))
	}
	n = int64(bytes.Count(page, []byte("\n")))
	if bytes.HasPrefix(page, headBegins) {
		n--
	}
	return n
}

// placeIn is where the last whole line of a file leaves off.
func placeIn(f io.Reader) (at place, err error) {
	lines := bufio.NewReaderSize(f, 1<<20)
	for n := 1; ; n++ {
		line, err := lines.ReadBytes('\n')
		if errors.Is(err, io.EOF) { // what follows the last line's end is half a line
			return at, nil
		}
		if err != nil {
			return at, err
		}
		switch {
		case at.seq == at.head && bytes.HasPrefix(line, headBegins):
			c, last, err := protocol.DecodeExportHead(line)
			if err != nil {
				return at, fmt.Errorf("line %d is none of an export", n)
			}
			at.conversation, at.seq, at.head = c.ID, 0, last
		case at.seq < at.head && bytes.HasPrefix(line, messageBegins):
			at.seq++
		default:
			return at, fmt.Errorf("line %d is none of an export", n)
		}
		at.size += int64(len(line))
	}
}
