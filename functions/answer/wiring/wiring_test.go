package wiring

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"

	"aiwm-chat/shared/completion"
	"aiwm-chat/shared/config"
	"aiwm-chat/shared/outside"
)

// Whatever the name of a provider, it is the address that counts, once the name is resolved.
func TestProvidersAtPrivateAddressesAreNotCalled(t *testing.T) {
	var asked atomic.Int64
	h := http.HandlerFunc(func(http.ResponseWriter, *http.Request) { asked.Add(1) })
	server := httptest.NewServer(h)
	defer server.Close()
	var c config.Config
	c.Providers = map[string]config.Provider{"p": {URL: strings.Replace(server.URL, "127.0.0.1", "localhost", 1)}}
	ask := func() error {
		_, err := models(c)["p"].Stream(t.Context(), completion.Request{Model: "m", Messages: []completion.Message{{Role: completion.RoleUser, Content: "Hello"}}}, nil)
		return err
	}
	if err := ask(); !errors.Is(err, outside.ErrNotPublic) || completion.KindOf(err) != completion.Permanent || strings.Contains(err.Error(), "localhost") || asked.Load() != 0 {
		t.Errorf("%v, asked %d times", err, asked.Load())
	}
	c.ToolServers.Local = true
	if err := ask(); asked.Load() != 1 {
		t.Errorf("where it is local: %v, asked %d times", err, asked.Load())
	}
}
