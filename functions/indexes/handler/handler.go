// Package handler creates the indexes of MongoDB, as a step of each deployment.
package handler

import (
	"context"
	"errors"
	"fmt"
)

type store interface {
	CreateIndexes(ctx context.Context) error
}

// Handler handles what CloudFormation asks of the custom resource Indexes.
type Handler struct{ store store }

// New returns a Handler.
func New(s store) *Handler { return &Handler{store: s} }

// Handle creates the indexes that are missing; there may be none. Functions that
// write are deployed after it, since they do not start without the unique ones.
// Where it takes longer than a function may run it fails, and names the command
// that has no such limit.
func (h *Handler) Handle(ctx context.Context) error {
	err := h.store.CreateIndexes(ctx)
	if errors.Is(err, context.DeadlineExceeded) || ctx.Err() != nil {
		return fmt.Errorf(`the indexes of so many documents take longer than a function may run: run "go run ./local indexes" before the deployment (%w)`, err)
	}
	return err
}
