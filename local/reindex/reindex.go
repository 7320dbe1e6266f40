// Package reindex makes the index of search for what is stored: once after an upgrade from a
// version without it, after an import, or when the rules of terms have changed.
package reindex

import (
	"context"
	"flag"
	"fmt"
	"io"

	"aiwm-chat/local/command"
	"aiwm-chat/shared/chat"
	"aiwm-chat/shared/config"
	"aiwm-chat/shared/mongostore"
	"aiwm-chat/shared/secrets"
)

const (
	batch = 500 // messages at a time
	every = 20  // batches between two lines of progress
)

// Command indexes all messages in the MongoDB of MONGODB_URI, or of the secret that
// MONGODB_URI_ARN names. It may run beside everything, and be ended at any moment: what it has
// printed last says how to go on.
func Command(ctx context.Context, args []string, out io.Writer, getenv func(string) string) error {
	flags := flag.NewFlagSet("reindex", flag.ContinueOnError)
	after := flags.String("after", "", "the id of the message to go on after, as it was printed")
	if err := command.Parse(flags, args); err != nil {
		return err
	}
	cfg, err := config.LoadWith(ctx, getenv, secrets.In(getenv), config.Mongo)
	if err != nil {
		return err
	}
	store, err := mongostore.Open(cfg.Mongo.URI, cfg.Mongo.Database, mongostore.OptionsOf(cfg))
	if err != nil {
		return fmt.Errorf("MONGODB_URI: %w", err)
	}
	defer store.Close(context.WithoutCancel(ctx)) //nolint:errcheck // the process ends
	return all(ctx, store, chat.MessageID(*after), batch, out)
}

type store interface {
	Reindex(ctx context.Context, after chat.MessageID, limit int) (last chat.MessageID, n int, err error)
}

// all indexes what follows a message.
func all(ctx context.Context, s store, after chat.MessageID, limit int, out io.Writer) error {
	total := 0
	for i := 1; ; i++ {
		last, n, err := s.Reindex(ctx, after, limit)
		if err != nil {
			return fmt.Errorf("after %d messages; go on with -after %q: %w", total, after, err)
		}
		if n == 0 {
			_, err := fmt.Fprintf(out, "%d messages are indexed\n", total)
			return err
		}
		if total, after = total+n, last; i%every == 0 {
			if _, err := fmt.Fprintf(out, "%d messages, to go on: -after %q\n", total, after); err != nil {
				return err
			}
		}
	}
}
