package reindex

import (
	"context"
	"errors"
	"strings"
	"testing"

	"aiwm-chat/shared/chat"
)

// A log is messages by their ids, of which some are indexed.
type log struct {
	ids     []chat.MessageID
	indexed []chat.MessageID
	failAt  chat.MessageID
}

func (l *log) Reindex(_ context.Context, after chat.MessageID, limit int) (last chat.MessageID, n int, err error) {
	for _, id := range l.ids {
		if id <= after || n == limit {
			continue
		}
		if id == l.failAt {
			return "", 0, errors.New("no database")
		}
		l.indexed, last = append(l.indexed, id), id
		n++
	}
	return last, n, nil
}

// All is indexed once, and what ends half-way says how to go on.
func TestResumes(t *testing.T) {
	l := &log{ids: []chat.MessageID{"a", "b", "c", "d", "e"}, failAt: "e"}
	var out strings.Builder
	err := all(t.Context(), l, "", 2, &out)
	if err == nil || !strings.Contains(err.Error(), `after 4 messages; go on with -after "d"`) {
		t.Fatalf("it ends with %v", err)
	}
	l.failAt = ""
	if err := all(t.Context(), l, "d", 2, &out); err != nil || len(l.indexed) != 5 || out.String() != "1 messages are indexed\n" {
		t.Errorf("%v, indexed %v, said %q", err, l.indexed, out.String())
	}
}

func TestNeedsADatabase(t *testing.T) {
	err := Command(t.Context(), nil, &strings.Builder{}, func(string) string { return "" })
	if err == nil || !strings.Contains(err.Error(), "MONGODB_URI") {
		t.Errorf("without a database: %v", err)
	}
}
