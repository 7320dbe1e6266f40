package wsapi

import (
	"bytes"
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"errors"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
)

// signatureAge is how far X-Amz-Date may be from the server's clock when signatures are verified.
const signatureAge = 5 * time.Minute

// The texts are those of API Gateway and IAM.
var (
	errUnsigned  = errors.New("Missing Authentication Token") //nolint:staticcheck // shown to the client as it is
	errMalformed = errors.New("Authorization header requires 'Credential' parameter, 'SignedHeaders' parameter, 'Signature' parameter and an 'X-Amz-Date' header")
	errKey       = errors.New("The security token included in the request is invalid.")                        //nolint:staticcheck // as above
	errSignature = errors.New("The request signature we calculated does not match the signature you provided") //nolint:staticcheck // as above
)

// checkSignature requires a well-formed Signature Version 4 in the Authorization header, and with SigningKeys a valid one.
func (a *API) checkSignature(r *http.Request, now time.Time) error {
	header := r.Header.Get("Authorization")
	if header == "" {
		return errUnsigned
	}
	s, ok := parseSignature(header)
	date := r.Header.Get("X-Amz-Date")
	if !ok || len(date) != len("20060102T150405Z") || !strings.HasPrefix(date, s.date) {
		return errMalformed
	}
	if len(a.options.SigningKeys) == 0 {
		return nil
	}
	secret, known := a.options.SigningKeys[s.key]
	if !known {
		return errKey
	}
	at, err := time.Parse("20060102T150405Z", date)
	if err != nil || at.Before(now.Add(-signatureAge)) || at.After(now.Add(signatureAge)) {
		return errSignature
	}
	return a.verify(r, s, secret, at)
}

// signature is an Authorization header taken apart.
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
	// An access key id of a test may itself contain a slash, the date and the region cannot.
	rest, s.region, _ = cutLast(rest)
	s.key, s.date, _ = cutLast(rest)
	return s, s.key != "" && len(s.date) == 8 && s.region != "" && len(s.hex) == 64 && strings.Trim(s.hex, "0123456789abcdef") == "" &&
		strings.Contains(";"+s.headers+";", ";host;")
}

func cutLast(s string) (before, after string, found bool) {
	i := strings.LastIndexByte(s, '/')
	if i < 0 {
		return "", s, false
	}
	return s[:i], s[i+1:], true
}

// verify signs the same request with the SDK's own signer and compares. It reads the body and puts it back.
func (a *API) verify(r *http.Request, s signature, secret string, at time.Time) error {
	body, err := io.ReadAll(io.LimitReader(r.Body, int64(a.options.Unproven.MaxPost)+1))
	if err != nil {
		return errSignature
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
	if err := v4.NewSigner().SignHTTP(context.Background(), credentials, again, hex.EncodeToString(hash[:]), "execute-api", s.region, at); err != nil {
		return errSignature
	}
	want, _ := parseSignature(again.Header.Get("Authorization"))
	if subtle.ConstantTimeCompare([]byte(want.hex), []byte(s.hex)) != 1 {
		return errSignature
	}
	return nil
}
