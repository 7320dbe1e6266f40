package outside

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

// Of what really goes wrong the log has the class, and whoever asks the cause.
func TestClass(t *testing.T) {
	untrusted := httptest.NewUnstartedServer(http.NotFoundHandler())
	untrusted.Config.ErrorLog = nil
	untrusted.StartTLS()
	defer untrusted.Close()
	over := make(chan struct{})
	slow := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { <-over }))
	defer slow.Close()
	defer close(over)
	broken := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }))
	defer broken.Close()
	gone := httptest.NewServer(nil)
	gone.Close()
	for name, tt := range map[string]struct {
		url   string
		local bool
		want  string
	}{
		"no such name":      {"https://k3y.invalid", false, "dns"},
		"private":           {slow.URL, false, "address"},
		"not trusted":       {untrusted.URL, true, "tls"},
		"no TLS":            {strings.Replace(broken.URL, "http:", "https:", 1), true, "protocol"},
		"nobody there":      {gone.URL, true, "dial"},
		"broken off":        {broken.URL, true, "connection"},
		"no answer in time": {slow.URL, true, "timeout"},
	} {
		transport := Transport(tt.local)
		client := &http.Client{Transport: transport}
		if tt.want == "timeout" {
			client.Timeout = 50 * time.Millisecond
		}
		response, err := client.Get(tt.url)
		transport.CloseIdleConnections()
		if err == nil {
			response.Body.Close()
			t.Errorf("%s: status %d", name, response.StatusCode)
			continue
		}
		if got := Plain(fmt.Errorf("a library's: %w", err)); Class(err) != tt.want || got.Error() != "the request failed: "+tt.want || !errors.Is(got, err) {
			t.Errorf("%s: %v is %s, want %s", name, err, got, tt.want)
		}
	}
	for want, err := range map[string]error{
		"timeout": context.DeadlineExceeded, "connection": io.ErrUnexpectedEOF, "protocol": errors.New("k3y"),
		"tls": &net.OpError{Op: "remote error", Err: errors.New("tls: handshake failure")},
	} {
		if got := Class(err); got != want {
			t.Errorf("%v is %s, want %s", err, got, want)
		}
	}
}
