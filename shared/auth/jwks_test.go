package auth_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"math/big"
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

func es256Until(t testing.TB, key *ecdsa.PrivateKey, kid string, exp time.Time) string {
	return sign(t, jwt.SigningMethodES256, key, `{"alg":"ES256","kid":"`+kid+`"}`, claimsAt(exp))
}

func code(t *testing.T, v *auth.Verifier, token string) chat.Code {
	t.Helper()
	_, err := v.Verify(t.Context(), token)
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
		{"unknown kid, in the pause after a request", es256(t, ecKey, "other"), chat.Unavailable},
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

// A key that is not for signatures of ours is as good as none, and a set without
// any other is the issuer's error, not the bearer's.
func TestJWKSKeysNotForUs(t *testing.T) {
	ec := strings.TrimSuffix(strings.TrimPrefix(jwks(t, keyName{&ecKey.PublicKey, "k"}), `{"keys":[`), `]}`)
	with := func(member string) string { return strings.Replace(ec, `{`, `{`+member+`,`, 1) }
	oct := `{"kty":"oct","kid":"k","k":"` + "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY" + `"}`
	for name, key := range map[string]string{
		"symmetric":               oct,
		"for encryption":          with(`"use":"enc"`),
		"for wrapping":            with(`"key_ops":["wrapKey"]`),
		"for signing only":        with(`"key_ops":["sign"]`),
		"for nothing":             with(`"key_ops":[]`),
		"use says yes, ops no":    with(`"use":"sig","key_ops":["encrypt"]`),
		"another algorithm":       with(`"alg":"ES384"`),
		"not on the curve":        `{"kty":"EC","crv":"P-256","kid":"k","x":"AQ","y":"AQ"}`,
		"of a kind not known":     `{"kty":"new","kid":"k"}`,
		"a private key":           `{"kty":"OKP","crv":"Ed25519","kid":"k","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo","d":"nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A"}`,
		"RSA of less than 2 kbit": strings.TrimSuffix(strings.TrimPrefix(jwks(t, keyName{&must(rsa.GenerateKey(rand.Reader, 1024)).PublicKey, "k"}), `{"keys":[`), `]}`),
	} {
		alone := fromJWKS(t, newIssuer(t, `{"keys":[`+key+`]}`).URL, &watch{})
		if got := code(t, alone, es256(t, ecKey, "k")); got != chat.Unavailable {
			t.Errorf("%s, alone: %q, want unavailable", name, got)
		}
		beside := fromJWKS(t, newIssuer(t, `{"keys":[`+key+`,`+strings.Replace(ec, `"k"`, `"good"`, 1)+`]}`).URL, &watch{})
		for _, tt := range []struct {
			token string
			want  chat.Code
		}{
			{es256(t, ecKey, "k"), chat.Unauthorized}, {es256(t, ecKey, "good"), ""}, {es256(t, ecKey, ""), ""},
			{sign(t, jwt.SigningMethodHS256, secret, `{"alg":"HS256","kid":"k"}`, good), chat.Unauthorized},
		} {
			if got := code(t, beside, tt.token); got != tt.want {
				t.Errorf("%s, beside a good one: %q, want %q", name, got, tt.want)
			}
		}
	}
	for _, ops := range []string{`"key_ops":["verify"]`, `"key_ops":["sign","verify"],"use":"sig"`} {
		if got := code(t, fromJWKS(t, newIssuer(t, `{"keys":[`+with(ops)+`]}`).URL, &watch{}), es256(t, ecKey, "k")); got != "" {
			t.Errorf("%s: %q", ops, got)
		}
	}
	if got := code(t, fromJWKS(t, newIssuer(t, `{"keys":[]}`).URL, &watch{}), es256(t, ecKey, "k")); got != chat.Unavailable {
		t.Errorf("no keys: %q", got)
	}
	two := fromJWKS(t, newIssuer(t, jwks(t, keyName{&ecKey.PublicKey, "a"}, keyName{&ecKey.PublicKey, "b"})).URL, &watch{})
	for range 2 { // the second in the pause
		if got := code(t, two, es256(t, ecKey, "")); got != chat.Unauthorized {
			t.Errorf("two keys and no kid: %q", got)
		}
	}
}

// The certificate beside a key is of no account, whatever it and its thumbprint
// look like: Auth0 has published thumbprints in hexadecimal, others a chain that
// Go does not read, or that is of an older key.
func TestJWKSCertificatesAreNotAsked(t *testing.T) {
	ec := jwks(t, keyName{&ecKey.PublicKey, "k"})
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: now}
	of := func(key *ecdsa.PrivateKey) string {
		return base64.StdEncoding.EncodeToString(must(x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)))
	}
	own, other := of(ecKey), of(must(ecdsa.GenerateKey(elliptic.P256(), rand.Reader)))
	for name, members := range map[string]string{
		"a thumbprint in hexadecimal":   `"x5c":["` + own + `"],"x5t":"NjVBRjY5MDlCMUIwNzU4RTA2QzZFMDQ4QzQ2MDAyQjVDNjk1RTM2Qg"`,
		"a certificate of another key":  `"x5c":["` + other + `"]`,
		"one that cannot be read":       `"x5c":["AAAA"]`,
		"no list":                       `"x5c":"` + own + `"`,
		"an address that is not secure": `"x5u":"http://issuer.example.org/c"`,
	} {
		i := newIssuer(t, strings.Replace(ec, `{"kty"`, `{`+members+`,"kty"`, 1))
		if got := code(t, fromJWKS(t, i.URL, &watch{}), es256(t, ecKey, "k")); got != "" {
			t.Errorf("%s: %q", name, got)
		}
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
	step("new key, at once", "new", next, chat.Unavailable, 1)
	w.advance(10 * time.Second)
	step("new key", "new", next, "", 2)
	for range 20 {
		step("unknown keys ask no more often", "other", next, chat.Unavailable, 2)
	}
	w.advance(10 * time.Second)
	step("unknown key, asked for", "other", next, chat.Unauthorized, 3)
	step("unknown key, again in the pause", "other", next, chat.Unavailable, 3)
	step("kid of a key of another algorithm", "old", next, chat.Unauthorized, 3) // the wrong key, in truth
	i.publish(http.StatusOK, jwks(t, newKey))
	step("withdrawn key, while fresh", "old", ecKey, "", 3)
	w.advance(time.Hour)
	step("withdrawn key", "old", ecKey, chat.Unauthorized, 4)
	step("withdrawn key, in the pause", "old", ecKey, chat.Unauthorized, 4)
	i.publish(http.StatusServiceUnavailable, "")
	w.advance(time.Hour)
	step("issuer down", "new", next, "", 5)
	step("issuer down, key unknown", "old", ecKey, chat.Unavailable, 5)
	i.publish(http.StatusOK, jwks(t, newKey))
	w.advance(10 * time.Second)
	step("issuer back", "old", ecKey, chat.Unauthorized, 6)
}

// Who has to wait learns how long: until the issuer may be asked again.
func TestJWKSPauseIsTold(t *testing.T) {
	i := newIssuer(t, jwks(t, keyName{&ecKey.PublicKey, "k"}))
	w := &watch{}
	v := fromJWKS(t, i.URL, w)
	check := func(name, kid string, want int64) {
		t.Helper()
		_, err := v.Verify(t.Context(), es256(t, ecKey, kid))
		if e := chat.Public(err); e.Code != chat.Unavailable || e.Details["retryAfterMs"] != want {
			t.Errorf("%s: got %v, %v, want %d ms", name, err, e.Details, want)
		}
	}
	if got := code(t, v, es256(t, ecKey, "k")); got != "" {
		t.Fatal(got)
	}
	w.advance(3 * time.Second)
	check("a new key", "new", 7000)
	i.publish(http.StatusServiceUnavailable, "")
	w.advance(7 * time.Second)
	check("the issuer errs", "new", 10_000)
	w.advance(4 * time.Second)
	check("and was asked", "new", 6000)
}

// A key without a name is replaced without anybody telling: a signature that does
// not fit asks the issuer, no more often than an unknown name does.
func TestJWKSRotationWithoutNames(t *testing.T) {
	next, stranger := must(ecdsa.GenerateKey(elliptic.P256(), rand.Reader)), must(ecdsa.GenerateKey(elliptic.P256(), rand.Reader))
	i := newIssuer(t, jwks(t, keyName{&ecKey.PublicKey, ""}))
	w := &watch{}
	v := fromJWKS(t, i.URL, w)
	step := func(name string, key *ecdsa.PrivateKey, want chat.Code, requests int32) {
		t.Helper()
		if got := code(t, v, es256(t, key, "")); got != want || i.requests.Load() != requests {
			t.Errorf("%s: %q after %d requests, want %q after %d", name, got, i.requests.Load(), want, requests)
		}
	}
	step("first token", ecKey, "", 1)
	i.publish(http.StatusOK, jwks(t, keyName{&next.PublicKey, ""}))
	step("the next key, in the pause", next, chat.Unauthorized, 1)
	w.advance(10 * time.Second)
	step("the old one, while nobody has asked", ecKey, "", 1)
	step("the next key", next, "", 2)
	step("the old one", ecKey, chat.Unauthorized, 2)
	w.advance(10 * time.Second)
	step("a key that was never published", stranger, chat.Unauthorized, 3)
	step("and again", stranger, chat.Unauthorized, 3)
	i.publish(http.StatusServiceUnavailable, "")
	w.advance(10 * time.Second)
	step("while the issuer is down", stranger, chat.Unavailable, 4)
	step("and those that it has", next, "", 4)
}

// Whatever an issuer answers that has no key in it, the keys that were good stay:
// for a day, or as long as is said.
func TestJWKSKeysOutliveErrors(t *testing.T) {
	ec := jwks(t, keyName{&ecKey.PublicKey, "k"})
	for name, tt := range map[string]struct {
		status int
		body   string
	}{
		"down": {503, ec}, "no keys": {200, `{"keys":[]}`}, "none of use": {200, strings.Replace(ec, `{"kty"`, `{"use":"enc","kty"`, 1)}, "no JSON": {200, "<html>"}, "gone": {404, ""},
	} {
		for keep, end := range map[time.Duration]time.Duration{0: 24 * time.Hour, 3 * time.Hour: 3 * time.Hour} {
			i, w := newIssuer(t, ec), &watch{}
			v, err := auth.NewVerifier(auth.Options{JWKSURL: i.URL, KeepKeys: keep, Now: w.now})
			if err != nil {
				t.Fatal(err)
			}
			token := es256Until(t, ecKey, "k", now.Add(72*time.Hour))
			step := func(at time.Duration, want chat.Code) {
				t.Helper()
				w.passed.Store(int64(at))
				if got := code(t, v, token); got != want {
					t.Errorf("%s, keep %v, after %v: %q, want %q", name, keep, at, got, want)
				}
			}
			step(0, "")
			i.publish(tt.status, tt.body)
			step(2*time.Hour, "")
			step(end-time.Second, "")
			step(end, chat.Unavailable)
			step(end+time.Hour, chat.Unavailable)
			i.publish(http.StatusOK, ec)
			step(end+2*time.Hour, "")
		}
	}
}

// A redirect would let whoever can make the issuer send one choose the keys.
func TestJWKSFollowsNoRedirect(t *testing.T) {
	target := newIssuer(t, jwks(t, keyName{&ecKey.PublicKey, "k"}))
	for _, status := range []int{301, 302, 303, 307, 308} {
		from := httptest.NewServer(http.RedirectHandler(target.URL, status))
		t.Cleanup(from.Close)
		for _, client := range []*http.Client{nil, {Timeout: time.Minute}} {
			v, err := auth.NewVerifier(auth.Options{JWKSURL: from.URL, HTTPClient: client, Now: clock})
			if err != nil {
				t.Fatal(err)
			}
			if got := code(t, v, es256(t, ecKey, "k")); got != chat.Unavailable {
				t.Errorf("%d: %q, want unavailable", status, got)
			}
		}
	}
	if n := target.requests.Load(); n != 0 {
		t.Errorf("%d requests reached the target", n)
	}
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
	if _, err := v.Verify(ctx, es256(t, ecKey, "k")); chat.CodeOf(err) != chat.Unavailable {
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
			if _, err := v.Verify(t.Context(), token); err != nil {
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
