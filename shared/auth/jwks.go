package auth

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
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
	jwksKeep    = 24 * time.Hour   // keys count this long while the issuer errs, unless Options say otherwise
	maxJWKS     = 256 << 10        // bytes
	maxKeys     = 100
)

// A keySet is what an issuer publishes at a URL (RFC 7517 §5). It is fetched
// when a token needs it and never in the background, which Lambda would
// freeze: when it is first used, when it is old, and when a token names a key
// that is not in it. Old keys stay in use while the issuer does not answer, or
// answers with none that can be used, but not for ever: a key that it would have
// withdrawn meanwhile must end too.
type keySet struct {
	url    string
	client *http.Client
	keep   time.Duration
	now    func() time.Time
	turn   chan struct{} // held by the one caller that fetches
	state  atomic.Pointer[published]
}

// published is what is known of the issuer's keys. It is never changed.
type published struct {
	keys    []publicKey
	gone    map[string]bool // ids of keys that were withdrawn
	fetched time.Time       // last success
	tried   time.Time       // last try
	err     error           // of the last try
}

type publicKey struct {
	id, algorithm string
	key           any
}

func newKeySet(url string, client *http.Client, keep time.Duration, now func() time.Time) *keySet {
	if client == nil {
		// One request an hour: a connection kept alive would only outlive the call.
		client = &http.Client{Timeout: jwksTimeout, Transport: &http.Transport{DisableKeepAlives: true, Proxy: http.ProxyFromEnvironment}}
	}
	direct := *client
	// Whoever could make the issuer redirect would choose whose keys count.
	direct.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	s := &keySet{url: url, client: &direct, keep: cmp.Or(keep, jwksKeep), now: now, turn: make(chan struct{}, 1)}
	s.state.Store(&published{})
	return s
}

// find returns the key that a token names. A token that names none is good
// where the issuer has a single key of that algorithm.
//
// A key that is not known is refused by who has just asked the issuer for it, or
// where it was withdrawn. In the pause after that it may have been published
// since: its bearer is told to try again.
func (s *keySet) find(ctx context.Context, algorithm, id string) (any, error) {
	known := s.state.Load()
	if key := known.find(algorithm, id); key != nil && s.now().Sub(known.fetched) < jwksMaxAge {
		return key, nil
	}
	known, asked, err := s.refresh(ctx, known)
	if err != nil {
		return nil, chat.Unavailablef(err, "tokens cannot be verified now")
	}
	if key := known.find(algorithm, id); key != nil && s.now().Sub(known.fetched) < s.keep {
		return key, nil
	}
	switch {
	case known.err != nil:
		return nil, s.later(known, "tokens cannot be verified now")
	case asked, known.gone[id], known.has(id):
		return nil, chat.Refused(errors.New("the key is not one of the issuer's"))
	}
	return nil, s.later(known, "the key of this token is not known yet; try again")
}

// later refuses until the issuer may be asked again.
func (s *keySet) later(known *published, text string) error {
	return chat.UnavailableFor(jwksPause-s.now().Sub(known.tried), known.err, "%s", text)
}

// newer returns the issuer's one key of an algorithm, asked for anew if that was not
// just done: of a key without a name nothing else tells that it was replaced. It is
// nil where there is none.
func (s *keySet) newer(ctx context.Context, algorithm string) (any, error) {
	known, asked, err := s.refresh(ctx, s.state.Load())
	switch {
	case err != nil:
		return nil, chat.Unavailablef(err, "tokens cannot be verified now")
	case asked && known.err != nil:
		return nil, s.later(known, "tokens cannot be verified now")
	}
	return known.find(algorithm, ""), nil
}

// has reports whether there is a key of that id, of whatever algorithm: it is
// none that was not known yet.
func (p *published) has(id string) bool {
	return id == "" || slices.ContainsFunc(p.keys, func(k publicKey) bool { return k.id == id })
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

// refresh returns newer keys than seen, unless it is too soon to ask again, and
// whether it was this caller who asked. One asks; those who come meanwhile wait
// for what it gets. The error is that of a caller who would not wait.
func (s *keySet) refresh(ctx context.Context, seen *published) (_ *published, asked bool, err error) {
	select {
	case s.turn <- struct{}{}:
		defer func() { <-s.turn }()
	case <-ctx.Done():
		return nil, false, ctx.Err()
	}
	last := s.state.Load()
	if last != seen || s.now().Sub(last.tried) < jwksPause {
		return last, false, nil
	}
	keys, err := s.fetch(ctx)
	if ctx.Err() != nil {
		return nil, true, ctx.Err() // this says nothing of the issuer
	}
	next := &published{keys: keys, fetched: s.now(), tried: s.now(), err: err}
	if err != nil {
		next.keys, next.gone, next.fetched = last.keys, last.gone, last.fetched
	} else {
		next.gone = last.withdrawn(next)
	}
	s.state.Store(next)
	return next, true, nil
}

// withdrawn returns the ids of p and of before it that next has no more; the
// older ones are forgotten where they become too many.
func (p *published) withdrawn(next *published) map[string]bool {
	gone := map[string]bool{}
	for _, k := range p.keys {
		gone[k.id] = true
	}
	for id := range p.gone {
		if len(gone) < maxKeys {
			gone[id] = true
		}
	}
	for _, k := range next.keys {
		delete(gone, k.id)
	}
	return gone
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
// encryption keys, are none of ours. A set without any is an error: it must not
// replace one that has some.
func parseJWKS(b []byte) ([]publicKey, error) {
	var set struct {
		Keys []jsontext.Value `json:"keys"`
	}
	if err := json.Unmarshal(b, &set); err != nil || len(set.Keys) > maxKeys {
		return nil, fmt.Errorf("fetch the issuer's keys: not a set of at most %d keys", maxKeys)
	}
	var keys []publicKey
	for _, raw := range set.Keys {
		public, err := publicPart(raw)
		if err != nil {
			continue
		}
		jwk, err := jwkset.NewJWKFromRawJSON(public, jwkset.JWKMarshalOptions{}, jwkset.JWKValidateOptions{})
		if err != nil {
			continue
		}
		m := jwk.Marshal()
		algorithm := algorithmOf(jwk.Key())
		if algorithm == "" || m.ALG != "" && m.ALG.String() != algorithm || !verifies(m) {
			continue
		}
		keys = append(keys, publicKey{id: m.KID, algorithm: algorithm, key: jwk.Key()})
	}
	if len(keys) == 0 {
		return nil, errors.New("fetch the issuer's keys: there is none that can be used")
	}
	return keys, nil
}

// publicPart returns a key without the certificate that is published beside it
// (RFC 7517 §4.6 to §4.9): nobody asks that, and issuers err in its form. A key that
// was published with its private part is none, for everybody can sign with it.
func publicPart(raw jsontext.Value) ([]byte, error) {
	var key members
	if err := json.Unmarshal(raw, &key); err != nil {
		return nil, err
	}
	if key["d"] != nil {
		return nil, errors.New("it is private")
	}
	for _, name := range []string{"x5u", "x5c", "x5t", "x5t#S256"} {
		delete(key, name)
	}
	return json.Marshal(key)
}

// verifies reports whether a key is for signatures (RFC 7517 §4.2, §4.3).
func verifies(m jwkset.JWKMarshal) bool {
	return (m.USE == "" || m.USE == jwkset.UseSig) && (m.KEYOPS == nil || slices.Contains(m.KEYOPS, jwkset.KeyOpsVerify))
}
