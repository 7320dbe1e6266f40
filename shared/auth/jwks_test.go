package auth_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/MicahParks/jwkset"
	"github.com/golang-jwt/jwt/v5"
	"go.uber.org/goleak"

	"aiwm-chat/shared/auth"
	"aiwm-chat/shared/chat"
)

// An issuer publishes what it is told to, and counts who asks.
type issuer struct {
	*httptest.Server
	body     atomic.Value // string
	status   atomic.Int32
	requests atomic.Int32
}

func newIssuer(t *testing.T, body string) *issuer {
	i := &issuer{}
	i.publish(http.StatusOK, body)
	i.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		i.requests.Add(1)
		w.WriteHeader(int(i.status.Load()))
		_, _ = w.Write([]byte(i.body.Load().(string)))
	}))
	t.Cleanup(i.Close)
	return i
}

func (i *issuer) publish(status int, body string) {
	i.body.Store(body)
	i.status.Store(int32(status))
}

// A watch is a clock that tests move.
type watch struct{ passed atomic.Int64 }

func (w *watch) now() time.Time          { return now.Add(time.Duration(w.passed.Load())) }
func (w *watch) advance(d time.Duration) { w.passed.Add(int64(d)) }

type keyName struct {
	public any
	id     string
}

func jwks(t testing.TB, keys ...keyName) string {
	t.Helper()
	set := jwkset.JWKSMarshal{Keys: []jwkset.JWKMarshal{}}
	for _, k := range keys {
		jwk, err := jwkset.NewJWKFromKey(k.public, jwkset.JWKOptions{Metadata: jwkset.JWKMetadataOptions{KID: k.id}})
		if err != nil {
			t.Fatal(err)
		}
		set.Keys = append(set.Keys, jwk.Marshal())
	}
	return string(must(json.Marshal(set)))
}

func fromJWKS(t *testing.T, url string, w *watch, algorithms ...string) *auth.Verifier {
	t.Helper()
	v, err := auth.NewVerifier(auth.Options{JWKSURL: url, Algorithms: algorithms, Now: w.now})
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func es256(t testing.TB, key *ecdsa.PrivateKey, kid string) string {
	header := `{"alg":"ES256","kid":"` + kid + `"}`
	if kid == "" {
		header = `{"alg":"ES256"}`
	}
	return sign(t, jwt.SigningMethodES256, key, header, claimsAt(now.Add(24*time.Hour)))
}

func code(t *testing.T, v *auth.Verifier, token string) chat.Code {
	t.Helper()
	_, _, err := v.Verify(t.Context(), token)
	if err == nil {
		return ""
	}
	return chat.CodeOf(err)
}

func TestJWKSAlgorithms(t *testing.T) {
	i := newIssuer(t, jwks(t, keyName{&rsaKey.PublicKey, "rsa"}, keyName{&ecKey.PublicKey, "ec"}, keyName{edPublic, "ed"}))
	v := fromJWKS(t, i.URL, &watch{})
	for _, tt := range []struct {
		name  string
		token string
		want  chat.Code
	}{
		{"RS256", sign(t, jwt.SigningMethodRS256, rsaKey, `{"alg":"RS256","kid":"rsa"}`, good), ""},
		{"ES256", es256(t, ecKey, "ec"), ""},
		{"EdDSA", sign(t, jwt.SigningMethodEdDSA, edKey, `{"alg":"EdDSA","kid":"ed"}`, good), ""},
		{"no kid, one such key", es256(t, ecKey, ""), ""},
		{"kid of another kind", es256(t, ecKey, "rsa"), chat.Unauthorized},
		{"unknown kid", es256(t, ecKey, "other"), chat.Unauthorized},
		{"HS256", hs256(t, good), chat.Unauthorized},
		{"HS256 naming a public key", sign(t, jwt.SigningMethodHS256, []byte(pemOf(&rsaKey.PublicKey)), `{"alg":"HS256","kid":"rsa"}`, good), chat.Unauthorized},
	} {
		if got := code(t, v, tt.token); got != tt.want {
			t.Errorf("%s: %q, want %q", tt.name, got, tt.want)
		}
	}
	if n := i.requests.Load(); n != 1 {
		t.Errorf("%d requests, want 1", n)
	}
}

func TestJWKSKeysNotForUs(t *testing.T) {
	ec := strings.TrimSuffix(strings.TrimPrefix(jwks(t, keyName{&ecKey.PublicKey, "k"}), `{"keys":[`), `]}`)
	oct := `{"kty":"oct","kid":"k","k":"` + "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY" + `"}`
	for name, body := range map[string]string{
		"symmetric":         `{"keys":[` + oct + `]}`,
		"for encryption":    `{"keys":[` + strings.Replace(ec, `{`, `{"use":"enc",`, 1) + `]}`,
		"another algorithm": `{"keys":[` + strings.Replace(ec, `{`, `{"alg":"ES384",`, 1) + `]}`,
		"not on the curve":  `{"keys":[{"kty":"EC","crv":"P-256","kid":"k","x":"AQ","y":"AQ"}]}`,
		"none":              `{"keys":[]}`,
		"two without kid":   jwks(t, keyName{&ecKey.PublicKey, "a"}, keyName{&ecKey.PublicKey, "b"}),
	} {
		v := fromJWKS(t, newIssuer(t, body).URL, &watch{})
		for _, token := range []string{es256(t, ecKey, "k"), es256(t, ecKey, ""), sign(t, jwt.SigningMethodHS256, secret, `{"alg":"HS256","kid":"k"}`, good)} {
			if got := code(t, v, token); got != chat.Unauthorized {
				t.Errorf("%s: %q, want unauthorized", name, got)
			}
		}
	}
	mixed := fromJWKS(t, newIssuer(t, `{"keys":[`+oct+`,{"kty":"new"},`+ec+`]}`).URL, &watch{})
	if got := code(t, mixed, es256(t, ecKey, "k")); got != "" {
		t.Errorf("a good key among others: %q", got)
	}
}

func TestJWKSRotation(t *testing.T) {
	next := must(ecdsa.GenerateKey(elliptic.P256(), rand.Reader))
	oldKey, newKey := keyName{&ecKey.PublicKey, "old"}, keyName{&next.PublicKey, "new"}
	i := newIssuer(t, jwks(t, oldKey))
	w := &watch{}
	v := fromJWKS(t, i.URL, w)
	step := func(name, kid string, key *ecdsa.PrivateKey, want chat.Code, requests int32) {
		t.Helper()
		if got := code(t, v, es256(t, key, kid)); got != want || i.requests.Load() != requests {
			t.Errorf("%s: %q after %d requests, want %q after %d", name, got, i.requests.Load(), want, requests)
		}
	}
	step("first token", "old", ecKey, "", 1)
	step("second token", "old", ecKey, "", 1)
	i.publish(http.StatusOK, jwks(t, oldKey, newKey))
	step("new key, at once", "new", next, chat.Unauthorized, 1)
	w.advance(10 * time.Second)
	step("new key", "new", next, "", 2)
	for range 20 {
		step("unknown keys ask no more often", "other", next, chat.Unauthorized, 2)
	}
	i.publish(http.StatusOK, jwks(t, newKey))
	step("withdrawn key, while fresh", "old", ecKey, "", 2)
	w.advance(time.Hour)
	step("withdrawn key", "old", ecKey, chat.Unauthorized, 3)
	i.publish(http.StatusServiceUnavailable, "")
	w.advance(time.Hour)
	step("issuer down", "new", next, "", 4)
	step("issuer down, key unknown", "old", ecKey, chat.Unavailable, 4)
	i.publish(http.StatusOK, jwks(t, newKey))
	w.advance(10 * time.Second)
	step("issuer back", "old", ecKey, chat.Unauthorized, 5)
}

func TestJWKSFailures(t *testing.T) {
	for name, tt := range map[string]struct {
		status int
		body   string
	}{
		"status":    {500, jwks(t, keyName{&ecKey.PublicKey, "k"})},
		"not JSON":  {200, "<html>"},
		"truncated": {200, `{"keys":[`},
		"too large": {200, `{"x":"` + strings.Repeat("x", 300<<10) + `","keys":[]}`},
		"too many":  {200, `{"keys":[` + strings.Repeat(`{},`, 100) + `{}]}`},
		"twice":     {200, `{"keys":[],"keys":[]}`},
	} {
		i := newIssuer(t, "")
		i.publish(tt.status, tt.body)
		if got := code(t, fromJWKS(t, i.URL, &watch{}), es256(t, ecKey, "k")); got != chat.Unavailable {
			t.Errorf("%s: %q, want unavailable", name, got)
		}
	}
	over := make(chan struct{})
	hung := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { <-over }))
	defer hung.Close()
	defer close(over)
	v, err := auth.NewVerifier(auth.Options{JWKSURL: hung.URL, HTTPClient: &http.Client{Timeout: 20 * time.Millisecond}, Now: clock})
	if err != nil {
		t.Fatal(err)
	}
	if got := code(t, v, es256(t, ecKey, "k")); got != chat.Unavailable {
		t.Errorf("no answer: %q, want unavailable", got)
	}
	down := httptest.NewServer(nil)
	down.Close()
	if got := code(t, fromJWKS(t, down.URL, &watch{}), es256(t, ecKey, "k")); got != chat.Unavailable {
		t.Errorf("nobody listens: %q, want unavailable", got)
	}
}

// TestJWKSImpatientCaller shows that a caller who leaves neither waits nor
// spoils the keys for the next.
func TestJWKSImpatientCaller(t *testing.T) {
	i := newIssuer(t, jwks(t, keyName{&ecKey.PublicKey, "k"}))
	v := fromJWKS(t, i.URL, &watch{})
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, _, err := v.Verify(ctx, es256(t, ecKey, "k")); chat.CodeOf(err) != chat.Unavailable {
		t.Errorf("cancelled: %v", err)
	}
	if got := code(t, v, es256(t, ecKey, "k")); got != "" {
		t.Errorf("the next caller: %q", got)
	}
}

func TestJWKSOneRequestForMany(t *testing.T) {
	i := newIssuer(t, jwks(t, keyName{&ecKey.PublicKey, "k"}))
	v := fromJWKS(t, i.URL, &watch{})
	token := es256(t, ecKey, "k")
	var wg sync.WaitGroup
	for range 50 {
		wg.Go(func() {
			if _, _, err := v.Verify(t.Context(), token); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if n := i.requests.Load(); n != 1 {
		t.Errorf("%d requests, want 1", n)
	}
}

// TestJWKSLeavesNothingRunning: Lambda freezes whatever a handler leaves.
func TestJWKSLeavesNothingRunning(t *testing.T) {
	i := newIssuer(t, jwks(t, keyName{&ecKey.PublicKey, "k"}))
	before := goleak.IgnoreCurrent()
	if got := code(t, fromJWKS(t, i.URL, &watch{}), es256(t, ecKey, "k")); got != "" {
		t.Fatal(got)
	}
	goleak.VerifyNone(t, before)
}
