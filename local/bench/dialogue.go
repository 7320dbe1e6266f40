package bench

import (
	"bytes"
	"context"
	"fmt"
	"sync/atomic"
	"time"
)

// A dialogue is one conversation of the closed loop: the user sends, waits for
// the ack and for the agent to have the message, and sends the next.
type dialogue struct {
	user, agent *conn
	frame       sendFrame
	scan        scanner
	deliveries  chan delivery
	done        *atomic.Int64 // messages of all dialogues

	acked, delivered []time.Duration // of measured messages; 16 bytes for each
}

type delivery struct {
	number int64
	at     time.Time
}

// speak is the user.
func (d *dialogue) speak(ctx context.Context, w window) error {
	for n := int64(1); ; n++ {
		start := time.Now()
		if !start.Before(w.to) {
			return nil
		}
		d.frame.set(n)
		if _, err := d.user.Write(d.frame.bytes); err != nil {
			return fmt.Errorf("send: %w", err)
		}
		acked, err := d.awaitAck(n)
		if err != nil {
			return fmt.Errorf("wait for the ack: %w", err)
		}
		delivered, err := d.awaitDelivery(ctx, n)
		if err != nil {
			return fmt.Errorf("wait for the delivery: %w", err)
		}
		d.done.Add(1)
		if !start.Before(w.from) && !acked.After(w.to) && !delivered.After(w.to) {
			d.acked = append(d.acked, acked.Sub(start))
			d.delivered = append(d.delivered, delivered.Sub(start))
		}
	}
}

func (d *dialogue) awaitAck(n int64) (time.Time, error) {
	for {
		frame, err := d.user.next()
		if err == nil {
			err = fault(frame)
		}
		if err != nil {
			return time.Time{}, err
		}
		if bytes.HasPrefix(frame, prefixSent) && d.scan.number(frame) == n {
			return time.Now(), nil
		}
	}
}

// awaitDelivery passes over what was delivered twice.
func (d *dialogue) awaitDelivery(ctx context.Context, n int64) (time.Time, error) {
	for {
		select {
		case got := <-d.deliveries:
			if got.number == n {
				return got.at, nil
			}
		case <-ctx.Done():
			return time.Time{}, ctx.Err()
		}
	}
}

// listen is the agent, until its connection ends.
func (d *dialogue) listen(ctx context.Context) error {
	for {
		frame, err := d.agent.next()
		if err == nil {
			err = fault(frame)
		}
		if err != nil {
			return fmt.Errorf("agent: %w", err)
		}
		if !bytes.HasPrefix(frame, prefixNew) {
			continue
		}
		select {
		case d.deliveries <- delivery{number: d.scan.number(frame), at: time.Now()}:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}
