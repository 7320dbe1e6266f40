package apigateway

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/aws/smithy-go/encoding/httpbinding"

	"aiwm-chat/shared/chat"
)

// service is the name that the Management API has in signatures.
const service = "execute-api"

// connections returns the URL that ends with @connections/, where the SDK would
// look for it.
func connections(endpoint *url.URL) url.URL {
	raw := endpoint.RawPath
	if raw == "" {
		raw = endpoint.Path
	}
	const path = "/@connections/"
	return url.URL{
		Scheme: endpoint.Scheme, Host: endpoint.Host,
		Path: strings.TrimSuffix(endpoint.Path, "/") + path, RawPath: strings.TrimSuffix(raw, "/") + path,
	}
}

// request returns the request that the SDK's PostToConnection would send, less
// what it says about itself. The SDK builds and takes down a stack of some
// twenty middlewares for each call, which costs more than all the rest, and a
// message is posted to everyone in the room.
func (p *Poster) request(ctx context.Context, id chat.ConnectionID, frame []byte) (*http.Request, error) {
	if id == "" {
		return nil, errors.New("no connection id")
	}
	keys, err := p.credentials.Retrieve(ctx)
	if err != nil {
		return nil, fmt.Errorf("credentials: %w", err)
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, "", bytes.NewReader(frame))
	if err != nil {
		return nil, err
	}
	*r.URL = p.connections
	r.URL.Path += string(id)
	r.URL.RawPath += httpbinding.EscapePath(string(id), true)
	r.Header["Content-Type"] = octets
	hash := sha256.Sum256(frame)
	return r, p.signer.SignHTTP(ctx, keys, r, hex.EncodeToString(hash[:]), service, p.region, time.Now())
}

var octets = []string{"application/octet-stream"} // a header of all requests, never changed
