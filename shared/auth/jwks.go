package auth

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/MicahParks/jwkset"
	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"aiwm-chat/shared/chat"
)

const (
	jwksTimeout = 3 * time.Second  // of one request, below authorize's own timeout of 5 s
	jwksMaxAge  = time.Hour        // keys older than this are fetched again
	jwksPause   = 10 * time.Second // at least this long between requests, however many unknown keys are named
	maxJWKS     = 256 << 10        // bytes
	maxKeys     = 100
)

// A keySet is what an issuer publishes at a URL (RFC 7517 §5). It is fetched
// when a token needs it and never in the background, which Lambda would
// freeze: when it is first used, when it is old, and when a token names a key
// that is not in it. Old keys stay in use while the issuer does not answer.
type keySet struct {
	url    string
	client *http.Client
	now    func() time.Time
	turn   chan struct{} // held by the one caller that fetches
	state  atomic.Pointer[published]
}

// published is what is known of the issuer's keys. It is never changed.
type published struct {
	keys    []publicKey
	fetched time.Time // last success
	tried   time.Time // last try
	err     error     // of the last try
}

type publicKey struct {
	id, algorithm string
	key           any
}

func newKeySet(url string, client *http.Client, now func() time.Time) *keySet {
	if client == nil {
		// One request an hour: a connection kept alive would only outlive the call.
		client = &http.Client{Timeout: jwksTimeout, Transport: &http.Transport{DisableKeepAlives: true, Proxy: http.ProxyFromEnvironment}}
	}
	s := &keySet{url: url, client: client, now: now, turn: make(chan struct{}, 1)}
	s.state.Store(&published{})
	return s
}

// find returns the key that a token names. A token that names none is good
// where the issuer has a single key of that algorithm.
func (s *keySet) find(ctx context.Context, algorithm, id string) (any, error) {
	known := s.state.Load()
	if key := known.find(algorithm, id); key != nil && s.now().Sub(known.fetched) < jwksMaxAge {
		return key, nil
	}
	known, err := s.refresh(ctx, known)
	if err != nil {
		return nil, chat.Unavailablef(err, "tokens cannot be verified now")
	}
	if key := known.find(algorithm, id); key != nil {
		return key, nil
	}
	if known.err != nil {
		return nil, chat.Unavailablef(known.err, "tokens cannot be verified now")
	}
	return nil, refused(errors.New("the key is not one of the issuer's"))
}

func (p *published) find(algorithm, id string) any {
	var found []any
	for _, k := range p.keys {
		if k.algorithm == algorithm && (k.id == id || id == "") {
			found = append(found, k.key)
		}
	}
	if len(found) == 0 || id == "" && len(found) > 1 {
		return nil
	}
	return found[0]
}

// refresh returns newer keys than seen, unless it is too soon to ask again.
// One caller asks; those who come meanwhile wait for what it gets. The error
// is that of a caller who would not wait.
func (s *keySet) refresh(ctx context.Context, seen *published) (*published, error) {
	select {
	case s.turn <- struct{}{}:
		defer func() { <-s.turn }()
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	last := s.state.Load()
	if last != seen || s.now().Sub(last.tried) < jwksPause {
		return last, nil
	}
	keys, err := s.fetch(ctx)
	if ctx.Err() != nil {
		return nil, ctx.Err() // this says nothing of the issuer
	}
	next := &published{keys: keys, fetched: s.now(), tried: s.now(), err: err}
	if err != nil {
		next.keys, next.fetched = last.keys, last.fetched
	}
	s.state.Store(next)
	return next, nil
}

func (s *keySet) fetch(ctx context.Context) ([]publicKey, error) {
	ctx, cancel := context.WithTimeout(ctx, jwksTimeout)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, s.url, nil)
	if err != nil {
		return nil, fmt.Errorf("fetch the issuer's keys: %w", err)
	}
	response, err := s.client.Do(request)
	if err != nil {
		return nil, fmt.Errorf("fetch the issuer's keys: %w", err)
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("fetch the issuer's keys: status %d", response.StatusCode)
	}
	b, err := io.ReadAll(io.LimitReader(response.Body, maxJWKS+1))
	if err != nil {
		return nil, fmt.Errorf("fetch the issuer's keys: %w", err)
	}
	if len(b) > maxJWKS {
		return nil, fmt.Errorf("fetch the issuer's keys: more than %d bytes", maxJWKS)
	}
	return parseJWKS(b)
}

// parseJWKS returns the keys that can be used here. The others, such as
// encryption keys, are none of ours.
func parseJWKS(b []byte) ([]publicKey, error) {
	var set struct {
		Keys []jsontext.Value `json:"keys"`
	}
	if err := json.Unmarshal(b, &set); err != nil || len(set.Keys) > maxKeys {
		return nil, fmt.Errorf("fetch the issuer's keys: not a set of at most %d keys", maxKeys)
	}
	var keys []publicKey
	for _, raw := range set.Keys {
		jwk, err := jwkset.NewJWKFromRawJSON([]byte(raw), jwkset.JWKMarshalOptions{}, jwkset.JWKValidateOptions{})
		if err != nil {
			continue
		}
		m := jwk.Marshal()
		algorithm := algorithmOf(jwk.Key())
		if algorithm == "" || m.ALG != "" && m.ALG.String() != algorithm || m.USE != "" && m.USE != jwkset.UseSig {
			continue
		}
		keys = append(keys, publicKey{id: m.KID, algorithm: algorithm, key: jwk.Key()})
	}
	return keys, nil
}
