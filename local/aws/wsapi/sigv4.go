package wsapi

import (
	"bytes"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
)

// signatureAge is how far X-Amz-Date may be from the server's clock when
// signatures are verified.
const signatureAge = 5 * time.Minute

// Why a request is refused, in the words of API Gateway and IAM.
const (
	unsigned          = "Missing Authentication Token"
	malformedHeader   = "Authorization header requires 'Credential', 'SignedHeaders' and 'Signature' parameters and an 'X-Amz-Date' header"
	unknownKey        = "The security token included in the request is invalid."
	unreadable        = "Could not read the body"
	signatureMismatch = "The request signature we calculated does not match the signature you provided."
)

// checkSignature requires a well-formed Signature Version 4 in the
// Authorization header, and with keys a valid one. It returns why the request
// is refused, empty if it is not.
func (a *API) checkSignature(r *http.Request, keys map[string]SigningKey, now time.Time) (refusal string) {
	header := r.Header.Get("Authorization")
	if header == "" {
		return unsigned
	}
	s, ok := parseSignature(header)
	date := r.Header.Get("X-Amz-Date")
	if !ok || len(date) != len("20060102T150405Z") || !strings.HasPrefix(date, s.date) {
		return malformedHeader
	}
	if len(keys) == 0 {
		return ""
	}
	key, known := keys[s.key]
	if token := r.Header.Get("X-Amz-Security-Token"); !known || token != "" && token != key.Token {
		return unknownKey
	}
	at, err := time.Parse("20060102T150405Z", date)
	if err != nil || at.Before(now.Add(-signatureAge)) || at.After(now.Add(signatureAge)) {
		return signatureMismatch
	}
	return a.verify(r, s, key.Secret, at)
}

// A signature is an Authorization header taken apart.
type signature struct{ key, date, region, headers, hex string }

func parseSignature(header string) (s signature, ok bool) {
	header, ok = strings.CutPrefix(header, "AWS4-HMAC-SHA256 ")
	if !ok {
		return s, false
	}
	var credential string
	for field := range strings.SplitSeq(header, ",") {
		name, value, _ := strings.Cut(strings.TrimSpace(field), "=")
		switch name {
		case "Credential":
			credential = value
		case "SignedHeaders":
			s.headers = value
		case "Signature":
			s.hex = value
		}
	}
	rest, ok := strings.CutSuffix(credential, "/execute-api/aws4_request")
	if !ok {
		return s, false
	}
	// An access key id of a test may itself contain a slash, the date and the
	// region cannot.
	rest, s.region = cutLast(rest)
	s.key, s.date = cutLast(rest)
	return s, s.key != "" && len(s.date) == 8 && s.region != "" && len(s.hex) == 64 && strings.Trim(s.hex, "0123456789abcdef") == "" &&
		strings.Contains(";"+s.headers+";", ";host;")
}

// cutLast cuts at the last slash.
func cutLast(s string) (before, after string) {
	i := strings.LastIndexByte(s, '/')
	return s[:max(i, 0)], s[i+1:]
}

// verify signs the same request with the SDK's own signer and compares. It
// reads the body and puts it back.
func (a *API) verify(r *http.Request, s signature, secret string, at time.Time) (refusal string) {
	body, err := io.ReadAll(io.LimitReader(r.Body, int64(a.options.Unproven.MaxPost)+1))
	if err != nil {
		return unreadable
	}
	r.Body = io.NopCloser(io.MultiReader(bytes.NewReader(body), r.Body))
	again := &http.Request{Method: r.Method, URL: r.URL, Host: r.Host, Header: http.Header{}}
	for name := range strings.SplitSeq(s.headers, ";") {
		switch name {
		case "host":
		case "content-length":
			again.ContentLength = r.ContentLength
		default:
			again.Header[http.CanonicalHeaderKey(name)] = r.Header.Values(name)
		}
	}
	hash := sha256.Sum256(body)
	credentials := aws.Credentials{AccessKeyID: s.key, SecretAccessKey: secret, SessionToken: r.Header.Get("X-Amz-Security-Token")}
	if err := v4.NewSigner().SignHTTP(r.Context(), credentials, again, hex.EncodeToString(hash[:]), "execute-api", s.region, at); err != nil {
		return signatureMismatch
	}
	want, ok := parseSignature(again.Header.Get("Authorization"))
	if !ok || subtle.ConstantTimeCompare([]byte(want.hex), []byte(s.hex)) != 1 {
		return signatureMismatch
	}
	return ""
}
