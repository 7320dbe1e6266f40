package auth_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"aiwm-chat/shared/auth"
	"aiwm-chat/shared/chat"
)

var (
	secret = []byte("0123456789abcdef0123456789abcdef")
	now    = time.Unix(1_800_000_000, 0)
	user   = chat.Principal{Type: chat.User, ID: "u1", OrgID: "o1"}
)

func clock() time.Time { return now }

func verifier(t testing.TB, o auth.Options) *auth.Verifier {
	t.Helper()
	o.Now = clock
	v, err := auth.NewVerifier(o)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// sign makes a token of exactly this header and these claims.
func sign(t testing.TB, method jwt.SigningMethod, key any, header, claims string) string {
	t.Helper()
	enc := base64.RawURLEncoding
	signed := enc.EncodeToString([]byte(header)) + "." + enc.EncodeToString([]byte(claims))
	sig, err := method.Sign(signed, key)
	if err != nil {
		t.Fatal(err)
	}
	return signed + "." + enc.EncodeToString(sig)
}

func hs256(t testing.TB, claims string) string {
	return sign(t, jwt.SigningMethodHS256, secret, `{"alg":"HS256","typ":"JWT"}`, claims)
}

func claimsAt(exp time.Time) string {
	return fmt.Sprintf(`{"sub":"u1","orgId":"o1","exp":%d}`, exp.Unix())
}

var good = claimsAt(now.Add(time.Hour))

// keys are made once: an RSA key takes a while.
var (
	rsaKey          = must(rsa.GenerateKey(rand.Reader, 2048))
	ecKey           = must(ecdsa.GenerateKey(elliptic.P256(), rand.Reader))
	edPublic, edKey = mustEd()
)

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

func mustEd() (ed25519.PublicKey, ed25519.PrivateKey) {
	public, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		panic(err)
	}
	return public, private
}

func pemOf(public any) string {
	return string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: must(x509.MarshalPKIXPublicKey(public))}))
}

func TestAlgorithms(t *testing.T) {
	tests := []struct {
		method jwt.SigningMethod
		key    any
		o      auth.Options
	}{
		{jwt.SigningMethodHS256, secret, auth.Options{Secret: secret}},
		{jwt.SigningMethodRS256, rsaKey, auth.Options{PublicKeyPEM: pemOf(&rsaKey.PublicKey)}},
		{jwt.SigningMethodES256, ecKey, auth.Options{PublicKeyPEM: pemOf(&ecKey.PublicKey)}},
		{jwt.SigningMethodEdDSA, edKey, auth.Options{PublicKeyPEM: pemOf(edPublic)}},
	}
	for _, signed := range tests {
		alg := signed.method.Alg()
		token := sign(t, signed.method, signed.key, `{"alg":"`+alg+`","kid":"any","x":1}`, good)
		for _, accepts := range tests {
			b, err := verifier(t, accepts.o).Verify(t.Context(), token)
			if accepts.method != signed.method {
				if chat.CodeOf(err) != chat.Unauthorized {
					t.Errorf("%s token, %s key: error %v", alg, accepts.method.Alg(), err)
				}
				continue
			}
			if err != nil || b.Principal != user || !b.ExpiresAt.Equal(now.Add(time.Hour+auth.Leeway)) {
				t.Errorf("%s: %+v, %v", alg, b, err)
			}
		}
	}
}

func TestSecretAndPublicKeyTogether(t *testing.T) {
	v := verifier(t, auth.Options{Secret: secret, PublicKeyPEM: pemOf(&ecKey.PublicKey)})
	for _, token := range []string{hs256(t, good), sign(t, jwt.SigningMethodES256, ecKey, `{"alg":"ES256"}`, good)} {
		if _, err := v.Verify(t.Context(), token); err != nil {
			t.Error(err)
		}
	}
	only := verifier(t, auth.Options{Algorithms: []string{"ES256"}, Secret: secret, PublicKeyPEM: pemOf(&ecKey.PublicKey)})
	if _, err := only.Verify(t.Context(), hs256(t, good)); chat.CodeOf(err) != chat.Unauthorized {
		t.Errorf("an algorithm that is not allowed: %v", err)
	}
}

func TestNewVerifierRefuses(t *testing.T) {
	small := must(rsa.GenerateKey(rand.Reader, 1024))
	p384 := must(ecdsa.GenerateKey(elliptic.P384(), rand.Reader))
	private := string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: must(x509.MarshalPKCS8PrivateKey(ecKey))}))
	for name, o := range map[string]auth.Options{
		"no key":                      {},
		"short secret":                {Secret: secret[:31]},
		"unknown algorithm":           {Secret: secret, Algorithms: []string{"HS256", "none"}},
		"HS512":                       {Secret: secret, Algorithms: []string{"HS512"}},
		"HS256 with a public key":     {PublicKeyPEM: pemOf(&rsaKey.PublicKey), Algorithms: []string{"HS256"}},
		"HS256 with a JWKS":           {JWKSURL: "http://127.0.0.1:1", Algorithms: []string{"HS256"}},
		"RS256 with a P-256 key":      {PublicKeyPEM: pemOf(&ecKey.PublicKey), Algorithms: []string{"RS256"}},
		"RS256 with a secret":         {Secret: secret, Algorithms: []string{"RS256"}},
		"small RSA key":               {PublicKeyPEM: pemOf(&small.PublicKey)},
		"P-384":                       {PublicKeyPEM: pemOf(&p384.PublicKey)},
		"private key":                 {PublicKeyPEM: private},
		"not PEM":                     {PublicKeyPEM: "hello"},
		"PEM of rubbish":              {PublicKeyPEM: "-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n"},
		"public key as well as a URL": {PublicKeyPEM: pemOf(edPublic), JWKSURL: "http://127.0.0.1:1"},
	} {
		if v, err := auth.NewVerifier(o); err == nil || v != nil {
			t.Errorf("%s: accepted", name)
		}
	}
}

// Whoever gives the key of one algorithm and the name of another is told of both.
func TestAlgorithmOfAnotherKey(t *testing.T) {
	_, err := auth.NewVerifier(auth.Options{Secret: secret, PublicKeyPEM: pemOf(&ecKey.PublicKey), Algorithms: []string{"HS256", "RS256"}})
	if err == nil || !strings.Contains(err.Error(), "algorithm RS256 has no key: the public key is for ES256") {
		t.Errorf("got %v", err)
	}
}

// TestForms are tokens whose signature is right for what they are.
func TestForms(t *testing.T) {
	v := verifier(t, auth.Options{Secret: secret})
	token := hs256(t, good)
	head, rest, _ := strings.Cut(token, ".")
	body, sig, _ := strings.Cut(rest, ".")
	// The last character of a 32-byte signature has two bits that count for
	// nothing: another character with the same other bits is the same signature.
	last := strings.IndexByte("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_", sig[len(sig)-1])
	malleable := sig[:len(sig)-1] + string("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"[last|1])
	with := func(header string) string { return sign(t, jwt.SigningMethodHS256, secret, header, good) }
	pub := []byte(pemOf(&rsaKey.PublicKey))
	for name, bad := range map[string]string{
		"nothing":                   "",
		"one part":                  head,
		"two parts":                 head + "." + body,
		"no signature":              head + "." + body + ".",
		"no claims":                 head + ".." + sig,
		"four parts":                token + ".x",
		"dot at the end":            token + ".",
		"white space before":        " " + token,
		"white space after":         token + " ",
		"line break after":          token + "\n",
		"line break inside":         head + ".\n" + body + "." + sig,
		"carriage return inside":    head + "." + body + "." + sig[:4] + "\r" + sig[4:],
		"padding":                   token + "=",
		"padding of the header":     head + "=." + body + "." + sig,
		"standard alphabet":         head + "." + body + "." + strings.Repeat("+", len(sig)),
		"trailing bits":             head + "." + body + "." + malleable,
		"byte after the signature":  token + "AA",
		"JSON form":                 `{"protected":"` + head + `","payload":"` + body + `","signature":"` + sig + `"}`,
		"five parts":                token + "." + head + "." + body,
		"another signature":         head + "." + body + "." + strings.Repeat("A", len(sig)),
		"other claims":              head + "." + base64.RawURLEncoding.EncodeToString([]byte(strings.Replace(good, "u1", "u2", 1))) + "." + sig,
		"other header":              base64.RawURLEncoding.EncodeToString([]byte(`{"alg":"HS256"}`)) + "." + body + "." + sig,
		"too long":                  with(`{"alg":"HS256","x":"` + strings.Repeat("x", auth.MaxToken) + `"}`),
		"none":                      base64.RawURLEncoding.EncodeToString([]byte(`{"alg":"none"}`)) + "." + body + ".",
		"none with a signature":     with(`{"alg":"none"}`),
		"None":                      with(`{"alg":"None"}`),
		"lower case":                with(`{"alg":"hs256"}`),
		"no alg":                    with(`{"typ":"JWT"}`),
		"null alg":                  with(`{"alg":null}`),
		"alg is a list":             with(`{"alg":["HS256"]}`),
		"HS512":                     sign(t, jwt.SigningMethodHS512, secret, `{"alg":"HS512"}`, good),
		"alg twice":                 with(`{"alg":"HS256","alg":"HS256"}`),
		"alg twice, escaped":        with(`{"alg":"HS256","al\u0067":"none"}`),
		"Alg":                       with(`{"alg":"HS256","Alg":"none"}`),
		"crit":                      with(`{"alg":"HS256","crit":["exp"]}`),
		"empty crit":                with(`{"alg":"HS256","crit":[]}`),
		"null crit":                 with(`{"alg":"HS256","crit":null}`),
		"Crit":                      with(`{"alg":"HS256","Crit":["exp"]}`),
		"b64":                       with(`{"alg":"HS256","b64":true}`),
		"another typ":               with(`{"alg":"HS256","typ":"JOSE+JSON"}`),
		"a logout token":            with(`{"alg":"HS256","typ":"logout+jwt"}`),
		"a proof of possession":     with(`{"alg":"HS256","typ":"dpop+jwt"}`),
		"a media type of nothing":   with(`{"alg":"HS256","typ":"application/"}`),
		"typ is a number":           with(`{"alg":"HS256","typ":1}`),
		"kid is a number":           with(`{"alg":"HS256","kid":1}`),
		"header is a list":          with(`[]`),
		"header is null":            with(`null`),
		"bytes after the header":    with(`{"alg":"HS256"}{}`),
		"header is not UTF-8":       with("{\"alg\":\"HS256\",\"x\":\"\xff\"}"),
		"lone surrogate":            with(`{"alg":"HS256","x":"\ud800"}`),
		"signed with a public key":  sign(t, jwt.SigningMethodHS256, pub, `{"alg":"HS256"}`, good),
		"signed with an empty key":  sign(t, jwt.SigningMethodHS256, []byte{}, `{"alg":"HS256"}`, good),
		"RS256 without such a key":  sign(t, jwt.SigningMethodRS256, rsaKey, `{"alg":"RS256"}`, good),
		"jwk of the sender's own":   sign(t, jwt.SigningMethodEdDSA, edKey, `{"alg":"EdDSA","jwk":{"kty":"OKP"}}`, good),
		"arrays without end":        with(`{"alg":"HS256","x":` + strings.Repeat("[", 4000) + `}`),
		"ES256 claimed for an HMAC": with(`{"alg":"ES256"}`),
	} {
		requireRefused(t, v, name, bad, chat.Unauthorized)
	}
	if _, err := v.Verify(t.Context(), token); err != nil {
		t.Errorf("the token all of them are made from: %v", err)
	}
}

// TestConfusion signs with a public key as if it were a secret, in each form
// in which the two could be mixed up.
func TestConfusion(t *testing.T) {
	for name, public := range map[string]any{"RSA": &rsaKey.PublicKey, "EC": &ecKey.PublicKey, "Ed25519": edPublic} {
		text := pemOf(public)
		der := must(x509.MarshalPKIXPublicKey(public))
		for _, o := range []auth.Options{{PublicKeyPEM: text}, {PublicKeyPEM: text, Secret: secret}} {
			v := verifier(t, o)
			for _, key := range [][]byte{[]byte(text), []byte(strings.TrimSpace(text)), der} {
				requireRefused(t, v, name, sign(t, jwt.SigningMethodHS256, key, `{"alg":"HS256"}`, good), chat.Unauthorized)
			}
		}
	}
}

func TestClaims(t *testing.T) {
	const hour = `"exp":1800003600`
	type principal = chat.Principal
	v := verifier(t, auth.Options{Secret: secret})
	for claims, want := range map[string]principal{
		`{"sub":"u1",` + hour + `}`:                                                       {Type: chat.User, ID: "u1", OrgID: chat.DefaultOrg},
		`{"sub":"x","userId":"u1","orgId":"o1",` + hour + `}`:                             {Type: chat.User, ID: "u1", OrgID: "o1"},
		`{"type":"user","userId":"a.b_c@d:e-f",` + hour + `}`:                             {Type: chat.User, ID: "a.b_c@d:e-f", OrgID: chat.DefaultOrg},
		`{"sub":"u1","type":null,"agentId":null,"userId":null,"orgId":null,` + hour + `}`: {Type: chat.User, ID: "u1", OrgID: chat.DefaultOrg},
		`{"sub":"u1","agentId":"a1",` + hour + `}`:                                        {Type: chat.Agent, ID: "a1", OrgID: chat.DefaultOrg},
		`{"sub":"u1","type":"agent","userId":"u1","agentId":"a1",` + hour + `}`:           {Type: chat.Agent, ID: "a1", OrgID: chat.DefaultOrg},
		`{"sub":"u1","username":"Ü","roles":["x"],"scope":"y","email":{"a":[1]},` + hour + `}`: {
			Type: chat.User, ID: "u1", OrgID: chat.DefaultOrg},
		`{"sub":"auth0|5f7c",` + hour + `}`:                                                   {Type: chat.User, ID: "auth0|5f7c", OrgID: chat.DefaultOrg},
		`{"sub":"a+b@example.org",` + hour + `}`:                                              {Type: chat.User, ID: "a+b@example.org", OrgID: chat.DefaultOrg},
		`{"sub":7,"userId":"u1",` + hour + `}`:                                                {Type: chat.User, ID: "u1", OrgID: chat.DefaultOrg},
		`{"sub":"u1","username":1,"userName":"x","UserName":{},"roles":"admin",` + hour + `}`: {Type: chat.User, ID: "u1", OrgID: chat.DefaultOrg},
		`{"sub":"u1","roles":{"a":1},"Type ":2,"x":[[{}]],"org":{"id":{}},` + hour + `}`:      {Type: chat.User, ID: "u1", OrgID: chat.DefaultOrg},
		`{"sub":"u1","exp":253402300769}`:                                                     {Type: chat.User, ID: "u1", OrgID: chat.DefaultOrg},
		`{"sub":"u1","exp":1800003600.5,"nbf":1.8e9,"iat":1800000029}`:                        {Type: chat.User, ID: "u1", OrgID: chat.DefaultOrg},
		`{"sub":"u1","iss":"anyone","aud":["any","one"],"jti":"x",` + hour + `}`:              {Type: chat.User, ID: "u1", OrgID: chat.DefaultOrg},
	} {
		if b, err := v.Verify(t.Context(), hs256(t, claims)); err != nil || b.Principal != want {
			t.Errorf("%s: %+v, %v", claims, b, err)
		}
	}
	for _, claims := range []string{
		``, `null`, `[]`, `"x"`, `{`, `{} {}`, "{\"sub\":\"\xff\"," + hour + "}",
		`{` + hour + `}`,                                // nobody
		`{"sub":"",` + hour + `}`,                       //
		`{"sub":1,` + hour + `}`,                        // wrong types
		`{"sub":["u1"],` + hour + `}`,                   //
		`{"sub":"u1","userId":7,` + hour + `}`,          //
		`{"sub":"u1","userId":{"$ne":""},` + hour + `}`, //
		`{"sub":"u1","agentId":false,` + hour + `}`,     //
		`{"sub":"u1","orgId":1,` + hour + `}`,           //
		`{"sub":"u1","type":1,` + hour + `}`,            //
		`{"sub":"u1","aud":1,` + hour + `}`,             //
		`{"sub":"u1","aud":[1],` + hour + `}`,           //
		`{"sub":"u1","iss":[],` + hour + `}`,            //
		`{"sub":"u1","type":"admin",` + hour + `}`,      // wrong values
		`{"sub":"aiwm","type":"system",` + hour + `}`,   // the backend itself is nobody's token
		`{"sub":"aiwm","type":"system","agentId":"aiwm",` + hour + `}`,
		`{"sub":"u1","type":"User",` + hour + `}`,  //
		`{"sub":"u1","type":"",` + hour + `}`,      //
		`{"sub":"u1","type":"agent",` + hour + `}`, // an agent without agentId
		`{"sub":"u1","agentId":"",` + hour + `}`,   // ids that are not
		`{"sub":"u1","userId":"",` + hour + `}`,    //
		`{"sub":"u1","orgId":"",` + hour + `}`,     //
		`{"sub":"u{1}",` + hour + `}`,              //
		`{"sub":"u1\u0000",` + hour + `}`,          //
		`{"sub":"u1","orgId":"o 1",` + hour + `}`,  //
		`{"sub":"` + strings.Repeat("u", 129) + `",` + hour + `}`,
		`{"sub":"u1","sub":"u1",` + hour + `}`,        // twice
		`{"sub":"u1","s\u0075b":"u2",` + hour + `}`,   //
		`{"sub":"u1","x":{"y":1,"y":2},` + hour + `}`, //
		`{"sub":"u1",` + hour + `,` + hour + `}`,      //
		`{"sub":"u1","Sub":"u2",` + hour + `}`,        // in another case
		`{"sub":"u1","userid":"u2",` + hour + `}`,     //
		`{"sub":"u1","agentID":"a1",` + hour + `}`,    //
		`{"sub":"u1","ORGID":"o1",` + hour + `}`,      //
		`{"sub":"u1","Exp":1,` + hour + `}`,           //
		`{"sub":"u1"}`,                                // without exp
		`{"sub":"u1","exp":null}`,                     //
		`{"sub":"u1","exp":"1800003600"}`,             //
		`{"sub":"u1","exp":true}`,                     //
		`{"sub":"u1","exp":1e300}`,                    //
		`{"sub":"u1","exp":1e999}`,                    //
		`{"sub":"u1","exp":-1}`,                       //
		`{"sub":"u1","exp":253402300770}`,             // with the leeway in the year 10000
		`{"sub":"u1","nbf":1800000031,` + hour + `}`,  // too early
		`{"sub":"u1","iat":1800000031,` + hour + `}`,  //
		`{"sub":"u1","nbf":"0",` + hour + `}`,         //
		`{"sub":"u1","iat":"0",` + hour + `}`,         //
		`{"sub":"u1","type":"admin","exp":1}`,         // expired, and wrong besides
		`{"sub":"u1","nbf":1800000031,"exp":1}`,       //
		`{"sub":"u{1}","exp":1}`,                      //
	} {
		requireRefused(t, v, claims, hs256(t, claims), chat.Unauthorized)
	}
}

func TestExpiry(t *testing.T) {
	v := verifier(t, auth.Options{Secret: secret})
	for _, tt := range []struct {
		exp time.Time
		ok  bool
	}{
		{now.Add(time.Second), true},
		{now, true},
		{now.Add(-auth.Leeway + time.Second), true},
		{now.Add(-auth.Leeway), false},
		{now.Add(-time.Hour), false},
		{time.Unix(0, 0), false},
	} {
		b, err := v.Verify(t.Context(), hs256(t, claimsAt(tt.exp)))
		if tt.ok && (err != nil || !b.ExpiresAt.Equal(tt.exp.Add(auth.Leeway))) {
			t.Errorf("exp %v: %v, %v", tt.exp, b.ExpiresAt, err)
		}
		// The same answer behind the door, at the same moment.
		if c := (chat.Connection{ExpiresAt: b.ExpiresAt}); c.Expired(now) == tt.ok {
			t.Errorf("exp %v: at the door %v, behind it %v", tt.exp, err, c.ExpiresAt)
		}
		if !tt.ok && chat.CodeOf(err) != chat.TokenExpired {
			t.Errorf("exp %v: %v, want token_expired", tt.exp, err)
		}
	}
	forged := sign(t, jwt.SigningMethodHS256, []byte("another"), `{"alg":"HS256"}`, claimsAt(now.Add(-time.Hour)))
	requireRefused(t, v, "expired and forged", forged, chat.Unauthorized)
}

func TestIssuerAndAudience(t *testing.T) {
	v := verifier(t, auth.Options{Secret: secret, Issuer: "iam", Audience: "chat"})
	for claims, ok := range map[string]bool{
		`"iss":"iam","aud":"chat"`:           true,
		`"iss":"iam","aud":["other","chat"]`: true,
		`"iss":"iam","aud":"chat2"`:          false,
		`"iss":"iam","aud":[]`:               false,
		`"iss":"iam","aud":null`:             false,
		`"iss":"iam"`:                        false,
		`"iss":"IAM","aud":"chat"`:           false,
		`"iss":"iam/","aud":"chat"`:          false,
		`"aud":"chat"`:                       false,
	} {
		token := hs256(t, `{"sub":"u1","exp":1800003600,`+claims+`}`)
		if _, err := v.Verify(t.Context(), token); (err == nil) != ok {
			t.Errorf("%s: %v", claims, err)
		}
	}
}

// requireRefused checks that a token is refused as every other one is, and
// that the error does not repeat it.
func requireRefused(t *testing.T, v *auth.Verifier, name, token string, want chat.Code) {
	t.Helper()
	b, err := v.Verify(t.Context(), token)
	if err == nil || !b.Principal.IsZero() || !b.ExpiresAt.IsZero() || b.Roles != nil {
		t.Errorf("%s: accepted as %+v", name, b)
		return
	}
	e := chat.Public(err)
	if e.Code != want || want == chat.Unauthorized && e.Message != "a valid token is required" || e.Details != nil {
		t.Errorf("%s: %v, want %s", name, err, want)
	}
	for part := range strings.SplitSeq(token, ".") {
		if len(part) > 8 && strings.Contains(err.Error(), part) {
			t.Errorf("%s: the error shows the token: %v", name, err)
		}
	}
}

func TestMint(t *testing.T) {
	v := verifier(t, auth.Options{Secret: secret})
	for _, p := range []chat.Principal{user, {Type: chat.Agent, ID: "a1", OrgID: "o2"}} {
		token, err := auth.Mint(secret, p, "Ada", time.Minute, now)
		if err != nil {
			t.Fatal(err)
		}
		got, err := v.Verify(t.Context(), token)
		if err != nil || got.Principal != p || !got.ExpiresAt.Equal(now.Add(time.Minute+auth.Leeway)) {
			t.Errorf("%v: %+v, %v", p, got, err)
		}
	}
	if _, err := auth.Mint(secret[:31], user, "", time.Minute, now); err == nil {
		t.Error("a short secret was accepted")
	}
}

func TestTokenFrom(t *testing.T) {
	type query = map[string][]string
	header := func(lines ...string) http.Header {
		h := http.Header{}
		for _, l := range lines {
			name, value, _ := strings.Cut(l, ": ")
			h.Add(name, value)
		}
		return h
	}
	for _, tt := range []struct {
		name string
		h    http.Header
		q    query
		want string // "": refused
	}{
		{"header", header("authorization: Bearer t"), nil, "t"},
		{"header, lower case", header("Authorization: bearer t"), nil, "t"},
		{"header, more spaces", header("Authorization: Bearer   t "), nil, "t"},
		{"subprotocol", header("Sec-WebSocket-Protocol: bearer, t"), nil, "t"},
		{"subprotocol without space", header("Sec-WebSocket-Protocol: bearer,t"), nil, "t"},
		{"subprotocol in two headers", header("Sec-WebSocket-Protocol: bearer", "Sec-WebSocket-Protocol: t"), nil, "t"},
		{"subprotocol among others", header("Sec-WebSocket-Protocol: chat, bearer, t, v2"), nil, "t"},
		{"query", nil, query{"token": {"t"}}, "t"},
		{"three times the same", header("Authorization: Bearer t", "Sec-WebSocket-Protocol: bearer, t"), query{"token": {"t", "t"}}, "t"},
		{"empty query beside a header", header("Authorization: Bearer t"), query{"token": {""}}, "t"},
		{"basic beside a query", header("Authorization: Basic x"), query{"token": {"t"}}, "t"},
		{"nothing", nil, nil, ""},
		{"basic", header("Authorization: Basic t"), nil, ""},
		{"no scheme", header("Authorization: t"), nil, ""},
		{"no token", header("Authorization: Bearer"), nil, ""},
		{"bearer alone", header("Sec-WebSocket-Protocol: bearer"), nil, ""},
		{"no bearer", header("Sec-WebSocket-Protocol: chat, t"), nil, ""},
		{"Token", nil, query{"Token": {"t"}}, ""},
		{"two headers", header("Authorization: Bearer t", "Authorization: Bearer u"), nil, ""},
		{"header and query", header("Authorization: Bearer t"), query{"token": {"u"}}, ""},
		{"subprotocol and query", header("Sec-WebSocket-Protocol: bearer, t"), query{"token": {"u"}}, ""},
		{"two subprotocols", header("Sec-WebSocket-Protocol: bearer, t, bearer, u"), nil, ""},
		{"two in the query", nil, query{"token": {"t", "u"}}, ""},
	} {
		got, err := auth.TokenFrom(tt.h, tt.q)
		if got != tt.want || (err == nil) != (tt.want != "") || err != nil && chat.CodeOf(err) != chat.Unauthorized {
			t.Errorf("%s: %q, %v", tt.name, got, err)
		}
	}
}

// FuzzVerify looks for a panic, and for a token that is accepted although it
// is not one that was signed.
func FuzzVerify(f *testing.F) {
	v := verifier(f, auth.Options{Secret: secret, PublicKeyPEM: pemOf(&ecKey.PublicKey)})
	signed := hs256(f, good)
	for _, seed := range []string{signed, signed + "=", strings.ToUpper(signed), "..", "eyJhbGciOiJub25lIn0.e30.", ""} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, token string) {
		if _, err := v.Verify(context.Background(), token); err == nil && token != signed {
			t.Errorf("accepted %q", token)
		}
	})
}

// FuzzClaims signs whatever it gets: what is accepted must be a principal.
func FuzzClaims(f *testing.F) {
	v := verifier(f, auth.Options{Secret: secret})
	f.Add(`{"alg":"HS256","typ":"JWT","kid":"k"}`, good)
	f.Add(`{"alg":"HS256"}`, `{"sub":"x","agentId":"a","aud":["x"],"exp":1900000000,"roles":["r"],"x":{"y":[]}}`)
	f.Fuzz(func(t *testing.T, header, claims string) {
		b, err := v.Verify(context.Background(), sign(t, jwt.SigningMethodHS256, secret, header, claims))
		if err != nil {
			return
		}
		p := b.Principal
		if !p.Type.Valid() || !chat.ValidID(p.ID) || !chat.ValidID(p.OrgID) || !b.ExpiresAt.After(now) || b.ExpiresAt.Year() > 9999 {
			t.Errorf("%s: %+v", claims, b)
		}
	})
}

func BenchmarkVerify(b *testing.B) {
	for alg, token := range map[string]string{
		"HS256": hs256(b, good),
		"ES256": sign(b, jwt.SigningMethodES256, ecKey, `{"alg":"ES256","typ":"JWT"}`, good),
	} {
		v := verifier(b, auth.Options{Secret: secret, PublicKeyPEM: pemOf(&ecKey.PublicKey)})
		b.Run(alg, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := v.Verify(b.Context(), token); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
