package server

import (
	"context"
	"crypto/rand"
	"time"
)

// closeTime is how long With waits for what is running.
const closeTime = 10 * time.Second

// With runs a server in memory, on free ports and with a secret of its own,
// for as long as use takes.
func With(ctx context.Context, o Options, use func(*Server) error) (err error) {
	o.Addr, o.Dir, o.Secret = "127.0.0.1:0", "", []byte(rand.Text()+rand.Text())
	s, err := Start(ctx, o)
	if err != nil {
		return err
	}
	defer func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), closeTime)
		defer cancel()
		if closeErr := s.Close(ctx); err == nil {
			err = closeErr
		}
	}()
	return use(s)
}
