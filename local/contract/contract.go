// Package contract says what clients may send and what they get, in the forms that
// tools read: OpenAPI 3.1 for REST, AsyncAPI 3.0 for the WebSocket.
//
// The documents are made from the Go types that are the protocol when somebody asks
// for them, so no copy of them can be stale. What Go types do not say is in four
// places: the comments of the types and constants (facts.json, which a test holds to
// them), the limits of what clients write (limits.go), the routes (routes.go) and the
// frames (events.go). Tests hold all of that against the decoders, the template and
// every answer and frame that the end-to-end suite sees.
package contract

import (
	"fmt"
	"net/url"
	"slices"
	"strings"
)

// Addresses are where an installation is. They are all that differs between the
// documents of two of them.
type Addresses struct {
	REST      string // "https://api.example.org"
	WebSocket string // "wss://ws.example.org/prod"
}

// Local are those of the local server, unless PORT says otherwise.
var Local = Addresses{REST: "http://127.0.0.1:3003", WebSocket: "ws://127.0.0.1:3003/ws"}

// Documents are the contract as JSON.
type Documents struct{ OpenAPI, AsyncAPI []byte }

// Routes are the keys of the routes that the contract is of.
func Routes() (keys []string) {
	for _, r := range routes() {
		keys = append(keys, r.method+" "+r.path)
	}
	return keys
}

// IsOf reports whether these routes, whatever their order, are those of the contract.
func IsOf(routes []string) bool {
	return slices.Equal(slices.Sorted(slices.Values(routes)), slices.Sorted(slices.Values(Routes())))
}

// New makes the documents of an installation.
func New(at Addresses) (Documents, error) {
	rest, err := parse(at.REST, "http", "https")
	if err != nil {
		return Documents{}, err
	}
	socket, err := parse(at.WebSocket, "ws", "wss")
	if err != nil {
		return Documents{}, err
	}
	b, err := newBuilder()
	if err != nil {
		return Documents{}, err
	}
	var d Documents
	if d.OpenAPI, err = document(b.openAPI(strings.TrimSuffix(rest.String(), "/"))); err != nil {
		return Documents{}, err
	}
	if b, err = newBuilder(); err != nil {
		return Documents{}, err
	}
	d.AsyncAPI, err = document(b.asyncAPI(socket.Host, socket.Scheme, strings.Trim(socket.Path, "/")))
	return d, err
}

func parse(address string, schemes ...string) (*url.URL, error) {
	u, err := url.Parse(address)
	if err != nil || u.Host == "" || u.Scheme != schemes[0] && u.Scheme != schemes[1] {
		return nil, fmt.Errorf("%q is no URL with %s:// or %s://", address, schemes[0], schemes[1])
	}
	return u, nil
}
