// Package indexes creates the indexes by hand: each deployment does it too, but has
// 15 minutes for it.
package indexes

import (
	"context"
	"flag"
	"fmt"
	"io"

	"aiwm-chat/local/command"
	"aiwm-chat/shared/config"
	"aiwm-chat/shared/mongostore"
	"aiwm-chat/shared/secrets"
)

// Command creates the indexes in the MongoDB of MONGODB_URI, or of the secret that
// MONGODB_URI_ARN names: functions that write messages refuse to start without the
// unique ones.
func Command(ctx context.Context, args []string, out io.Writer, getenv func(string) string) error {
	if err := command.Parse(flag.NewFlagSet("indexes", flag.ContinueOnError), args); err != nil {
		return err
	}
	cfg, err := config.LoadWith(ctx, getenv, secrets.In(getenv), config.Mongo)
	if err != nil {
		return fmt.Errorf("%w (the local server creates the indexes of its own database)", err)
	}
	store, err := mongostore.Open(cfg.Mongo.URI, cfg.Mongo.Database, mongostore.OptionsOf(cfg))
	if err != nil {
		return fmt.Errorf("MONGODB_URI: %w", err)
	}
	defer store.Close(context.WithoutCancel(ctx)) //nolint:errcheck // the process ends
	// On a large collection it takes as long as it takes; who waits can end it.
	if err := store.CreateIndexes(ctx); err != nil {
		return fmt.Errorf("create the indexes: %w", err)
	}
	_, err = fmt.Fprintf(out, "the indexes of %s exist\n", cfg.Mongo.Database)
	return err
}
