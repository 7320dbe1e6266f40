//go:build unix

package wsapi

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	mgmt "github.com/aws/aws-sdk-go-v2/service/apigatewaymanagementapi"
	"github.com/gobwas/ws"
)

// The benchmarks show what the emulator adds to the WebSocket library it is
// made of: the same clients drive a bare echo server and an echo function that
// is reached and answers as in production.

const (
	benchConnections = 50
	idleConnections  = 5000
)

var benchMessage = []byte(`{"action":"send","id":"1","conversationId":"conversation-1","content":"How do I reset my password? I cannot find it."}`)

// bareServer echoes with gobwas/ws and nothing else.
func bareServer(b *testing.B) (address string) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { listener.Close() })
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			go func() {
				defer conn.Close()
				if _, err := ws.Upgrade(conn); err != nil {
					return
				}
				r := bufio.NewReaderSize(conn, smallReadBuffer)
				for {
					h, err := ws.ReadHeader(r)
					if err != nil || h.OpCode == ws.OpClose {
						return
					}
					frame := make([]byte, headerRoom+h.Length)
					if _, err := io.ReadFull(r, frame[headerRoom:]); err != nil {
						return
					}
					ws.Cipher(frame[headerRoom:], h.Mask, 0)
					if _, err := conn.Write(seal(ws.OpText, frame)); err != nil {
						return
					}
				}
			}()
		}
	}()
	return listener.Addr().String()
}

func dialBench(b *testing.B, address string) net.Conn {
	conn, _, _, err := ws.Dialer{Timeout: patience}.Dial(context.Background(), "ws://"+address+"/prod")
	if err != nil {
		b.Fatal(err)
	}
	return conn
}

// roundTrips measures b.N echoes over 50 connections, each waiting for its
// answer before it sends again.
func roundTrips(b *testing.B, address string) {
	frame := ws.MustCompileFrame(ws.MaskFrame(ws.NewTextFrame(benchMessage)))
	conns := make([]net.Conn, benchConnections)
	for i := range conns {
		conns[i] = dialBench(b, address)
		defer conns[i].Close()
	}
	var left atomic.Int64
	left.Store(int64(b.N))
	var clients sync.WaitGroup
	b.ReportAllocs()
	b.ResetTimer()
	before := cpu()
	for _, conn := range conns {
		clients.Go(func() {
			answer := make([]byte, 2+len(benchMessage)) // under 126 bytes: a header of two
			for left.Add(-1) >= 0 {
				if _, err := conn.Write(frame); err != nil {
					b.Error(err)
					return
				}
				if _, err := io.ReadFull(conn, answer); err != nil || string(answer[2:]) != string(benchMessage) {
					b.Errorf("answer %q, %v", answer, err)
					return
				}
			}
		})
	}
	clients.Wait()
	b.StopTimer()
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "roundtrips/s")
	// Unlike the rate this stays true on a machine that has other things to do.
	b.ReportMetric(float64((cpu()-before).Nanoseconds())/1000/float64(b.N), "cpu-µs/op")
}

// cpu returns the processor time that the process has used.
func cpu() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// BenchmarkEcho compares round trips per second: bare, then through event,
// function and a POST made in three ways.
func BenchmarkEcho(b *testing.B) {
	b.Run("bare", func(b *testing.B) { roundTrips(b, bareServer(b)) })
	type event struct {
		Body           string
		RequestContext struct{ ConnectionID string }
	}
	through := func(b *testing.B, prepare func(*harness), post func(h *harness, id, body string) error) {
		var h *harness
		h = start(b, Options{}, functions{"$default": func(_ context.Context, in []byte) ([]byte, error) {
			var e event
			if err := json.Unmarshal(in, &e); err != nil {
				return nil, err
			}
			return []byte(`{"statusCode":200}`), post(h, e.RequestContext.ConnectionID, e.Body)
		}})
		prepare(h)
		roundTrips(b, strings.TrimPrefix(h.url, "http://"))
	}
	b.Run("lean-post", func(b *testing.B) {
		pool := make(chan *leanConn, benchConnections)
		defer func() {
			for len(pool) > 0 {
				(<-pool).Close()
			}
		}()
		through(b, func(*harness) {}, func(h *harness, id, body string) error {
			return leanPost(pool, strings.TrimPrefix(h.url, "http://"), id, body)
		})
	})
	for _, inProcess := range []bool{false, true} {
		use := func(h *harness) {
			if inProcess {
				h.http.Transport = h.api.Transport()
			}
		}
		suffix := map[bool]string{true: "-in-process"}[inProcess]
		b.Run("http-post"+suffix, func(b *testing.B) {
			through(b, use, func(h *harness, id, body string) error {
				_, _, err := h.tryManage(http.MethodPost, "/prod/@connections/"+id, body)
				return err
			})
		})
		b.Run("sdk-post"+suffix, func(b *testing.B) {
			var client *mgmt.Client
			through(b, func(h *harness) { use(h); client = h.sdk("/prod", 1) }, func(h *harness, id, body string) error {
				_, err := client.PostToConnection(context.Background(), &mgmt.PostToConnectionInput{ConnectionId: aws.String(id), Data: []byte(body)})
				return err
			})
		})
	}
}

type leanConn struct {
	net.Conn
	r *bufio.Reader
}

// leanPost is the least that can be done to post: one write and one read on a
// kept connection.
func leanPost(pool chan *leanConn, address, id, body string) error {
	var c *leanConn
	select {
	case c = <-pool:
	default:
		conn, err := net.Dial("tcp", address)
		if err != nil {
			return err
		}
		c = &leanConn{conn, bufio.NewReader(conn)}
	}
	_, err := fmt.Fprintf(c, "POST /prod/@connections/%s HTTP/1.1\r\nHost: x\r\nAuthorization: %s\r\nX-Amz-Date: 20260101T000000Z\r\nContent-Length: %d\r\n\r\n%s", id, signed, len(body), body)
	for line := "x"; err == nil && line != "\r\n"; {
		line, err = c.r.ReadString('\n')
	}
	pool <- c
	return err
}

// BenchmarkIdle holds 5,000 connections and reports the memory that each costs
// the process, the client's end included in both.
func BenchmarkIdle(b *testing.B) {
	hold := func(b *testing.B, address string) {
		for b.Loop() {
			before := memory()
			conns := make([]net.Conn, idleConnections)
			for i := range conns {
				conns[i] = dialBench(b, address)
			}
			b.ReportMetric(float64(memory()-before)/idleConnections, "B/connection")
			for _, conn := range conns {
				conn.Close()
			}
		}
	}
	b.Run("bare", func(b *testing.B) { hold(b, bareServer(b)) })
	b.Run("emulator", func(b *testing.B) {
		h := start(b, Options{}, functions{"$connect": ok, "$default": ok, "$disconnect": ok})
		hold(b, strings.TrimPrefix(h.url, "http://"))
	})
}

// memory returns heap and stacks in use after a collection.
func memory() uint64 {
	runtime.GC()
	time.Sleep(50 * time.Millisecond) // stacks of goroutines that just ended
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapInuse + m.StackInuse
}

// BenchmarkConnect measures handshakes, $connect included, from 16 clients at
// once.
func BenchmarkConnect(b *testing.B) {
	dial := func(b *testing.B, address string) {
		var left atomic.Int64
		left.Store(int64(b.N))
		var clients sync.WaitGroup
		b.ResetTimer()
		for range 16 {
			clients.Go(func() {
				for left.Add(-1) >= 0 {
					conn, _, _, err := ws.Dialer{}.Dial(context.Background(), "ws://"+address+"/prod")
					if err != nil {
						b.Error(err)
						return
					}
					conn.Close()
				}
			})
		}
		clients.Wait()
		b.StopTimer()
		b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "connects/s")
	}
	b.Run("bare", func(b *testing.B) { dial(b, bareServer(b)) })
	b.Run("emulator", func(b *testing.B) {
		h := start(b, Options{Authorizer: "authorizer"}, functions{"authorizer": returns(policy("Allow")), "$connect": ok, "$disconnect": ok})
		dial(b, strings.TrimPrefix(h.url, "http://"))
	})
}
