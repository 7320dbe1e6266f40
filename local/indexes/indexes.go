// Package indexes is the explicit step before the first deployment.
package indexes

import (
	"context"
	"flag"
	"fmt"
	"io"

	"aiwm-chat/local/command"
	"aiwm-chat/shared/config"
	"aiwm-chat/shared/mongostore"
)

// Command creates the indexes in the MongoDB of MONGODB_URI: functions that
// write messages refuse to start without the unique ones.
func Command(ctx context.Context, args []string, out io.Writer, getenv func(string) string) error {
	if err := command.Parse(flag.NewFlagSet("indexes", flag.ContinueOnError), args); err != nil {
		return err
	}
	cfg, err := config.Load(getenv, config.Mongo)
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
