package outside

import (
	"context"
	"errors"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/net/dns/dnsmessage"
)

// A name server answers each question with the next of its addresses, the last one for ever.
func nameServer(t *testing.T, addresses ...string) *net.Resolver {
	t.Helper()
	conn, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	go func() {
		asked := 0
		for b := make([]byte, 1500); ; {
			n, from, err := conn.ReadFrom(b)
			if err != nil {
				return
			}
			var m dnsmessage.Message
			if m.Unpack(b[:n]) != nil {
				return
			}
			m.Response, m.RecursionAvailable, m.Additionals = true, true, nil
			if q := m.Questions[0]; q.Type == dnsmessage.TypeA {
				a := netip.MustParseAddr(addresses[min(asked, len(addresses)-1)]).As4()
				asked++
				m.Answers = []dnsmessage.Resource{{Header: dnsmessage.ResourceHeader{Name: q.Name, Class: q.Class, TTL: 0}, Body: &dnsmessage.AResource{A: a}}}
			}
			if packed, err := m.Pack(); err == nil {
				_, _ = conn.WriteTo(packed, from)
			}
		}
	}()
	return &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, "udp", conn.LocalAddr().String())
	}}
}

// A name that stands for a public address when it is looked up first, and for a private one
// when it is called, is not called there.
func TestNamesThatChangeAreNotCalled(t *testing.T) {
	var called atomic.Int64
	server := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { called.Add(1) }))
	defer server.Close()
	port := server.URL[strings.LastIndex(server.URL, ":"):]
	names := nameServer(t, "8.8.8.8", "127.0.0.1")
	if first, err := names.LookupHost(t.Context(), "rebind.example."); err != nil || len(first) != 1 || first[0] != "8.8.8.8" {
		t.Fatal(first, err) // whoever checks the name alone lets it pass
	}
	for name, local := range map[string]bool{"on Lambda": false, "on a laptop": true} {
		transport := transport(local, names)
		client := &http.Client{Transport: transport, Timeout: 5 * time.Second}
		response, err := client.Get("http://rebind.example" + port)
		transport.CloseIdleConnections()
		if err == nil {
			response.Body.Close()
		}
		if !local && (!errors.Is(err, ErrNotPublic) || Class(err) != "address" || called.Load() != 0) {
			t.Errorf("%s: %v, called %d times", name, err, called.Load())
		}
		if local && err != nil { // the server is there
			t.Errorf("%s: %v", name, err)
		}
		called.Store(0)
	}
}
