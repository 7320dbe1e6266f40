// Package indexes is the explicit step before the first deployment.
package indexes

import (
	"cmp"
	"context"
	"flag"
	"fmt"
	"io"
	"time"

	"aiwm-chat/local/command"
	"aiwm-chat/shared/mongostore"
)

// Command creates the indexes in the MongoDB of MONGODB_URI: functions that
// write messages refuse to start without the unique ones.
func Command(ctx context.Context, args []string, out io.Writer, getenv func(string) string) error {
	if err := command.Parse(flag.NewFlagSet("indexes", flag.ContinueOnError), args); err != nil {
		return err
	}
	uri, db := getenv("MONGODB_URI"), cmp.Or(getenv("MONGODB_DB"), "aiwm_chat")
	if uri == "" {
		return fmt.Errorf("MONGODB_URI is required: the local server creates the indexes of its own database")
	}
	store, err := mongostore.Open(uri, db)
	if err != nil {
		return fmt.Errorf("MONGODB_URI: %w", err)
	}
	defer store.Close(context.WithoutCancel(ctx)) //nolint:errcheck // the process ends
	ctx, cancel := context.WithTimeout(ctx, 5*time.Minute)
	defer cancel()
	if err := store.CreateIndexes(ctx); err != nil {
		return fmt.Errorf("create the indexes: %w", err)
	}
	_, err = fmt.Fprintf(out, "the indexes of %s exist\n", db)
	return err
}
