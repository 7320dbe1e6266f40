package chat

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// A ChangeCursor is a place in the order in which the messages of a log changed, by time
// and id. The zero one is before all changes.
type ChangeCursor struct {
	Since int64     // milliseconds since 1970: where a first page begins, or where the last one will leave it
	At    int64     // of a page that follows it: the last message of the page before
	ID    MessageID // "" in a first page
}

// ChangeCursorPattern is what ChangeCursor.String writes, as a regular expression.
const ChangeCursorPattern = `^[0-9]{1,19}(-[0-9]{1,19}-[A-Za-z0-9._@:|+=~-]{1,128})?$`

// ChangesSettle is how long after its time a change may be seen first: the time is taken
// before a majority has it, and the clocks of servers that take turns differ. What is asked
// for again within it comes twice, which does no harm.
const ChangesSettle = time.Minute

// String is "<since>", or "<since>-<at>-<id>".
func (c ChangeCursor) String() string {
	if c.ID == "" {
		return strconv.FormatInt(c.Since, 10)
	}
	return fmt.Sprintf("%d-%d-%s", c.Since, c.At, c.ID)
}

// ParseChangeCursor reads what String has written.
func ParseChangeCursor(s string) (c ChangeCursor, err error) {
	since, rest, follows := strings.Cut(s, "-")
	c.Since, err = strconv.ParseInt(since, 10, 64)
	if err == nil && follows {
		at, id, _ := strings.Cut(rest, "-")
		c.ID = MessageID(id)
		c.At, err = strconv.ParseInt(at, 10, 64)
	}
	if err != nil || c.Since < 0 || c.At < 0 || follows && !ValidID(c.ID) {
		return ChangeCursor{}, fmt.Errorf("is no cursor that was given out here")
	}
	return c, nil
}

// After is the cursor after a page: a little before its last change, where that is all,
// but never before where it began. Where it is the last of many it is where they were to
// leave it: of what their first one could not show yet no later one tells.
func (c ChangeCursor) After(page []Message, more bool) ChangeCursor {
	if len(page) == 0 || c.ID != "" && !more {
		return ChangeCursor{Since: c.Since}
	}
	last := &page[len(page)-1]
	if more {
		return ChangeCursor{c.Since, last.ChangedAt.UnixMilli(), last.ID}
	}
	return ChangeCursor{Since: max(c.Since, Settled(last.ChangedAt).Since)}
}

// Settled is the cursor of who has all that had changed at a time.
func Settled(latest time.Time) ChangeCursor {
	return ChangeCursor{Since: max(0, latest.Add(-ChangesSettle).UnixMilli())}
}
