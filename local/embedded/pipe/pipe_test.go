package pipe_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"testing"
	"time"

	"go.uber.org/goleak"
	"golang.org/x/sync/errgroup"

	"aiwm-chat/local/embedded/pipe"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// Both directions at once, in pieces of any size, far beyond the buffer.
func TestBytesArriveInOrder(t *testing.T) {
	a, b := pipe.New()
	sent := make([]byte, 5<<20)
	for i := range sent {
		sent[i] = byte(rand.Uint32())
	}
	var g errgroup.Group
	for _, ends := range [][2]io.ReadWriteCloser{{a, b}, {b, a}} {
		g.Go(func() error {
			for rest := sent; len(rest) > 0; {
				n, err := ends[0].Write(rest[:min(len(rest), 1+rand.IntN(100_000))])
				if err != nil {
					return err
				}
				rest = rest[n:]
			}
			return nil
		})
		g.Go(func() error {
			got := make([]byte, len(sent))
			if _, err := io.ReadFull(ends[1], got); err != nil {
				return err
			}
			if !bytes.Equal(got, sent) {
				return errors.New("the bytes differ")
			}
			return nil
		})
	}
	if err := g.Wait(); err != nil {
		t.Fatal(err)
	}
}

func TestAWholePipelineIsWrittenBeforeTheFirstAnswerIsRead(t *testing.T) {
	a, _ := pipe.New()
	if n, err := a.Write(make([]byte, 500_000)); n != 500_000 || err != nil {
		t.Fatalf("wrote %d: %v", n, err)
	}
}

func TestDeadlines(t *testing.T) {
	a, b := pipe.New()
	past, soon := time.Now().Add(-time.Second), time.Now().Add(5*time.Millisecond)
	tests := []struct {
		name string
		do   func() error
	}{
		{"a read past its deadline", func() error { _ = a.SetReadDeadline(past); _, err := a.Read(make([]byte, 1)); return err }},
		{"a read that waits until it", func() error { _ = a.SetReadDeadline(soon); _, err := a.Read(make([]byte, 1)); return err }},
		{"a write into a full buffer", func() error { _ = b.SetDeadline(soon); _, err := b.Write(make([]byte, 2<<20)); return err }},
		{"a deadline set while waiting", func() error {
			_ = a.SetDeadline(time.Time{})
			_, _ = io.ReadFull(a, make([]byte, 1<<20)) // what the write above left
			time.AfterFunc(time.Millisecond, func() { _ = a.SetReadDeadline(past) })
			_, err := a.Read(make([]byte, 1))
			return err
		}},
	}
	for _, tt := range tests {
		if err := tt.do(); !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("%s: %v", tt.name, err)
		}
	}
	_ = a.SetReadDeadline(time.Time{})
	_ = b.SetDeadline(time.Time{})
	if _, err := b.Write([]byte("x")); err != nil {
		t.Error(err)
	}
	if n, err := a.Read(make([]byte, 8)); n != 1 || err != nil {
		t.Errorf("after the deadlines are lifted: %d, %v", n, err)
	}
}

func TestClose(t *testing.T) {
	a, b := pipe.New()
	if _, err := a.Write([]byte("last words")); err != nil {
		t.Fatal(err)
	}
	waiting := make(chan error)
	go func() { _, err := a.Read(make([]byte, 1)); waiting <- err }()
	if err := a.Close(); err != nil {
		t.Fatal(err)
	}
	if err := <-waiting; !errors.Is(err, io.EOF) {
		t.Errorf("the read that waited: %v", err)
	}
	if got, err := io.ReadAll(b); string(got) != "last words" || err != nil {
		t.Errorf("the other end read %q, %v", got, err)
	}
	if _, err := b.Write([]byte("x")); !errors.Is(err, io.ErrClosedPipe) {
		t.Errorf("the other end wrote: %v", err)
	}
}

func BenchmarkRoundTrip(b *testing.B) {
	x, y := pipe.New()
	done := make(chan error, 1)
	go func() { _, err := io.Copy(y, y); done <- err }()
	buf := make([]byte, 300)
	for b.Loop() {
		if _, err := x.Write(buf); err != nil {
			b.Fatal(err)
		}
		if _, err := io.ReadFull(x, buf); err != nil {
			b.Fatal(err)
		}
	}
	_ = x.Close()
	<-done
}

func TestListener(t *testing.T) {
	l := pipe.Listen()
	served := make(chan error, 1)
	go func() {
		c, err := l.Accept()
		if err == nil {
			_, err = io.Copy(c, c)
		}
		served <- err
	}()
	c, err := l.DialContext(t.Context(), "tcp", "anywhere")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.Write([]byte("echo")); err != nil {
		t.Fatal(err)
	}
	got := make([]byte, 4)
	if _, err := io.ReadFull(c, got); err != nil || string(got) != "echo" {
		t.Errorf("got %q, %v", got, err)
	}
	_ = c.Close()
	if err := <-served; err != nil {
		t.Error(err)
	}
	_ = l.Close()
	if _, err := l.Accept(); !errors.Is(err, net.ErrClosed) {
		t.Errorf("accept on a closed listener: %v", err)
	}
	if _, err := l.DialContext(t.Context(), "", ""); !errors.Is(err, net.ErrClosed) {
		t.Errorf("dial to a closed listener: %v", err)
	}
	full := pipe.Listen()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := full.DialContext(ctx, "", ""); !errors.Is(err, context.Canceled) {
		t.Errorf("dial where nobody accepts: %v", err)
	}
}
