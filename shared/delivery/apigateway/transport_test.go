package apigateway

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"aiwm-chat/shared/delivery"
)

// serve answers requests on c, each after a time of its own; then it is silent.
func serve(c net.Conn, after ...time.Duration) {
	defer c.Close()
	in := bufio.NewReader(c)
	for _, wait := range after {
		r, err := http.ReadRequest(in)
		if err != nil {
			return
		}
		io.Copy(io.Discard, r.Body)
		time.Sleep(wait)
		io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}")
	}
	io.Copy(io.Discard, in)
}

func TestTheTimeRunsFromTheConnection(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const dial, most = 900 * time.Millisecond, delivery.AttemptTime
		transport := newTransport()
		transport.DialContext = func(context.Context, string, string) (net.Conn, error) {
			time.Sleep(dial)
			client, server := net.Pipe()
			go serve(server, most-time.Millisecond, most-time.Millisecond)
			return client, nil
		}
		defer transport.CloseIdleConnections()
		p, err := New(Options{Endpoint: "http://ws.example.com/prod", AWS: testAWS, Transport: transport})
		if err != nil {
			t.Fatal(err)
		}
		post := func(name string, want error, took time.Duration) {
			t.Helper()
			begun := time.Now()
			if err := p.Post(t.Context(), "c", []byte("{}")); !errors.Is(err, want) || time.Since(begun) != took {
				t.Errorf("%s: %v after %v, want %v after %v", name, err, time.Since(begun), want, took)
			}
		}
		post("new", nil, dial+most-time.Millisecond)
		post("kept", nil, most-time.Millisecond)
		post("silent", errSlow, most)
		post("new again", nil, dial+most-time.Millisecond)

		begun := time.Now()
		transport.CloseIdleConnections()
		ctx, cancel := context.WithTimeout(t.Context(), dial/2)
		defer cancel()
		if err := p.Post(ctx, "c", []byte("{}")); !errors.Is(err, context.DeadlineExceeded) || !retryable(err) || time.Since(begun) != dial/2 {
			t.Errorf("not connected: %v after %v", err, time.Since(begun))
		}
		time.Sleep(dial) // the transport keeps the connection for the next
	})
}

// silent is a transport within the process that never answers.
type silent struct{}

func (silent) RoundTrip(r *http.Request) (*http.Response, error) {
	<-r.Context().Done()
	return nil, r.Context().Err()
}

func TestWithoutConnectionsTheTimeRunsAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, err := New(Options{Endpoint: "http://ws.example.com/prod", AWS: testAWS, Transport: silent{}})
		if err != nil {
			t.Fatal(err)
		}
		begun := time.Now()
		if err := p.Post(t.Context(), "c", nil); !errors.Is(err, errSlow) || !retryable(err) || time.Since(begun) != delivery.AttemptTime {
			t.Errorf("post: %v after %v", err, time.Since(begun))
		}
		begun = time.Now()
		if err := p.Close(t.Context(), "c"); !errors.Is(err, errSlow) || !retryable(err) || time.Since(begun) != delivery.AttemptTime {
			t.Errorf("close: %v after %v", err, time.Since(begun))
		}
	})
}
