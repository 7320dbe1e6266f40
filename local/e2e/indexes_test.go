package e2e_test

import (
	"bytes"
	"io"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"aiwm-chat/local/embedded/mongod"
	"aiwm-chat/local/indexes"
)

// slowBuild is longer than a database may take to answer at the start.
const slowBuild = 5 * time.Second

// Building indexes takes as long as it takes: the server starts, and the
// command ends well.
func TestIndexesMayTakeLong(t *testing.T) {
	if testing.Short() {
		t.Skip("half a minute, most of it waiting")
	}
	t.Parallel()
	builder := newSlowBuilder(t)
	getenv := func(name string) string {
		if name == "MONGODB_URI" {
			return "mongodb://" + builder.listener.Addr().String() + "/?directConnection=true"
		}
		return ""
	}
	var wg sync.WaitGroup
	defer wg.Wait()
	wg.Go(func() {
		var out strings.Builder
		if err := indexes.Command(t.Context(), nil, &out, getenv); err != nil || !strings.Contains(out.String(), "exist") {
			t.Errorf("the command says %q, %v", out.String(), err)
		}
	})
	o := options()
	o.Getenv, o.Exec = getenv, ""
	s := startBare(t, o)
	stop(t, s)
	if n := builder.built.Load(); n < 3 {
		t.Errorf("%d index builds were slow", n)
	}
}

// A slowBuilder stands before a MongoDB and makes each index build slow.
type slowBuilder struct {
	listener net.Listener
	built    atomic.Int64
}

func newSlowBuilder(t *testing.T) *slowBuilder {
	t.Helper()
	mongo, err := mongod.Listen("127.0.0.1:0", mongod.Options{})
	if err != nil {
		t.Fatal(err)
	}
	b := &slowBuilder{}
	if b.listener, err = net.Listen("tcp", "127.0.0.1:0"); err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	wg.Go(func() {
		for {
			client, err := b.listener.Accept()
			if err != nil {
				return
			}
			behind, err := net.Dial("tcp", mongo.Addr())
			if err != nil {
				client.Close()
				continue
			}
			wg.Go(func() { defer client.Close(); _, _ = io.Copy(client, behind) })
			wg.Go(func() { defer behind.Close(); b.forward(behind, client) })
		}
	})
	t.Cleanup(func() { b.listener.Close(); mongo.Close(); wg.Wait() })
	return b
}

func (b *slowBuilder) forward(to io.Writer, from io.Reader) {
	for buffer := make([]byte, 64<<10); ; {
		n, err := from.Read(buffer)
		if err != nil {
			return
		}
		if bytes.Contains(buffer[:n], []byte("createIndexes")) {
			b.built.Add(1)
			time.Sleep(slowBuild)
		}
		if _, err := to.Write(buffer[:n]); err != nil {
			return
		}
	}
}
