package mongostore_test

import (
	"bytes"
	"context"
	"errors"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"aiwm-chat/shared/mongostore"
)

// What is wrong outside of the URI is said, and nothing that is secret in it.
func TestOpenSaysWhatIsWrong(t *testing.T) {
	noDNS := &net.Resolver{PreferGo: true, Dial: func(context.Context, string, string) (net.Conn, error) {
		return nil, errors.New("no route")
	}}
	defer func(r *net.Resolver) { net.DefaultResolver = r }(net.DefaultResolver)
	net.DefaultResolver = noDNS
	empty := filepath.Join(t.TempDir(), "empty.pem")
	if err := os.WriteFile(empty, []byte("nothing"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct{ uri, want, not string }{
		{"mongodb+srv://bob:sEcret@cluster.example.invalid/", "the DNS does not tell the servers of _mongodb._tcp.cluster.example.invalid", "sEcret"},
		{"mongodb+srv://cluster.example.invalid/", "the DNS does not tell the servers of _mongodb._tcp.cluster.example.invalid", "not valid"},
		{"mongodb+srv://bob:x%2FsEcret.a.b@cluster.example.invalid/", "the DNS does not tell", "sEcret"},
		{"mongodb+srv://sEcret.a.b/x@cluster.example.invalid/", "open mongodb: ", "sEcret"},
		{"mongodb+srv://bob:p@sEcret.a.b/x@cluster.example.invalid/", "open mongodb: ", "sEcret"},
		{"mongodb://bob:sEcret@host/?tlsCAFile=/nowhere/ca.pem", "cannot be read, /nowhere/ca.pem: no such file", "sEcret"},
		{"mongodb://bob:sEcret@host/?tlsCertificateKeyFile=/nowhere/key.pem&tlsCertificateKeyFilePassword=sEcret", "/nowhere/key.pem: no such file", "sEcret"},
		{"mongodb://bob:sEcret@host/?tlsCAFile=" + empty, "no certificate in it", "sEcret"},
		{"mongodb://bob:sEcret@host/?nonsense", "the URI is not valid", "sEcret"},
	} {
		s, err := mongostore.Open(tt.uri, "db", mongostore.Options{})
		if err == nil {
			_ = s.Close(t.Context())
			t.Errorf("%s is accepted", tt.uri)
			continue
		}
		if !strings.Contains(err.Error(), tt.want) || strings.Contains(err.Error(), tt.not) {
			t.Errorf("%s: %v, want %q", tt.uri, err, tt.want)
		}
	}
}

// A tap sees what a client sends.
type tap struct{ sees *atomic.Pointer[[]byte] }

func (p tap) DialContext(ctx context.Context, network, address string) (net.Conn, error) {
	c, err := (&net.Dialer{}).DialContext(ctx, network, address)
	return tapped{c, p}, err
}

type tapped struct {
	net.Conn
	tap tap
}

func (c tapped) Write(b []byte) (int, error) {
	if bytes.Contains(b, []byte("listIndexes")) {
		seen := bytes.Clone(b)
		c.tap.sees.Store(&seen)
	}
	return c.Conn.Write(b)
}

// A version of the Stable API is declared with every command, and none if none
// is set.
func TestTheServerAPIIsDeclared(t *testing.T) {
	f := open(t)
	for version, want := range map[string]bool{"1": true, "": false} {
		p := tap{&atomic.Pointer[[]byte]{}}
		s, err := mongostore.Open(serverURI, f.db.Name(), mongostore.Options{ServerAPI: version, Dial: p})
		if err != nil {
			t.Fatal(err)
		}
		if err := s.CheckIndexes(t.Context()); err != nil {
			t.Error(err)
		}
		if err := s.Close(t.Context()); err != nil {
			t.Error(err)
		}
		sent := p.sees.Load()
		if sent == nil || bytes.Contains(*sent, []byte("\x02apiVersion\x00\x02\x00\x00\x001\x00")) != want {
			t.Errorf("version %q: sent %q", version, sent)
		}
	}
	if _, err := mongostore.Open(serverURI, "db", mongostore.Options{ServerAPI: "2"}); err == nil {
		t.Error("a version that there is not is accepted")
	}
}
