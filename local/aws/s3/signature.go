package s3

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/aws/smithy-go/encoding/httpbinding"
)

// Signature Version 4 as S3 has it: over the method, the path as it is, the query, some headers,
// and the body's hash, or that it is not signed. It stands in the Authorization header, or in the
// query, where it is good for so many seconds and everybody may use it. Written from its
// specification, and tested against the SDK, which signs.

const (
	algorithm  = "AWS4-HMAC-SHA256"
	stampForm  = "20060102T150405Z"
	unsigned   = "UNSIGNED-PAYLOAD"
	maxExpires = 7 * 24 * time.Hour
	maxSkew    = 15 * time.Minute
)

func denied(message string) *Error { return &Error{http.StatusForbidden, "AccessDenied", message} }

var (
	errDenied    = denied("Access Denied")
	errExpired   = denied("Request has expired")
	errUnsigned  = denied("There were headers present in the request which were not signed")
	errKeyID     = &Error{http.StatusForbidden, "InvalidAccessKeyId", "The AWS Access Key Id you provided does not exist in our records."}
	errToken     = &Error{http.StatusBadRequest, "InvalidToken", "The provided token is malformed or otherwise invalid."}
	errSignature = &Error{http.StatusForbidden, "SignatureDoesNotMatch", "The request signature we calculated does not match the signature you provided. Check your key and signing method."}
	errSkewed    = &Error{http.StatusForbidden, "RequestTimeTooSkewed", "The difference between the request time and the current time is too large."}
	errQuery     = &Error{http.StatusBadRequest, "AuthorizationQueryParametersError", "Error parsing the X-Amz parameters."}
	errHeader    = &Error{http.StatusBadRequest, "AuthorizationHeaderMalformed", "The authorization header is malformed."}
)

// A signature is one that a request has.
type signature struct {
	credential, date, headers, hex, token, payload string
}

// has reports whether the body is the one that was signed.
func (s signature) has(body []byte) bool {
	if s.payload == unsigned {
		return true
	}
	sum := sha256.Sum256(body)
	return s.payload == hex.EncodeToString(sum[:])
}

// verify returns the signature of a request, or why it is refused.
func (b *Bucket) verify(r *http.Request, query url.Values) (signature, error) {
	s, err := b.signatureOf(r, query)
	if err != nil {
		return s, err
	}
	id, scope, _ := strings.Cut(s.credential, "/")
	i := slices.IndexFunc(b.options.Keys, func(k Key) bool { return k.ID == id })
	switch {
	case i < 0:
		return s, errKeyID
	case b.options.Keys[i].Token != s.token:
		return s, errToken
	}
	parts := strings.Split(scope, "/") // date, region, service, aws4_request
	if len(parts) != 4 || !strings.HasPrefix(s.date, parts[0]) || parts[2] != "s3" || parts[3] != "aws4_request" {
		return s, errSignature
	}
	signed := strings.Split(s.headers, ";")
	if !slices.Contains(signed, "host") {
		return s, errUnsigned
	}
	for name := range r.Header {
		if name = strings.ToLower(name); strings.HasPrefix(name, "x-amz-") && !slices.Contains(signed, name) && name != "x-amz-content-sha256" {
			return s, errUnsigned
		}
	}
	key := []byte("AWS4" + b.options.Keys[i].Secret)
	for _, part := range parts {
		key = mac(key, part)
	}
	hash := sha256.Sum256([]byte(canonical(r, query, signed, s.payload)))
	want := mac(key, strings.Join([]string{algorithm, s.date, scope, hex.EncodeToString(hash[:])}, "\n"))
	given, err := hex.DecodeString(s.hex)
	if err != nil || !hmac.Equal(want, given) {
		return s, errSignature
	}
	return s, nil
}

// signatureOf reads the signature of a request, and whether it is of this time.
func (b *Bucket) signatureOf(r *http.Request, query url.Values) (s signature, err error) {
	header := r.Header.Get("Authorization")
	switch linked := query.Has("X-Amz-Signature") || query.Has("X-Amz-Algorithm"); {
	case linked && header != "":
		return s, &Error{http.StatusBadRequest, "InvalidArgument", "Only one auth mechanism allowed"}
	case linked:
		return b.linkOf(query)
	case header == "":
		return s, errDenied
	}
	fields, ok := strings.CutPrefix(header, algorithm+" ")
	if !ok {
		return s, errHeader
	}
	for field := range strings.SplitSeq(fields, ",") {
		switch name, value, _ := strings.Cut(strings.TrimSpace(field), "="); name {
		case "Credential":
			s.credential = value
		case "SignedHeaders":
			s.headers = value
		case "Signature":
			s.hex = value
		}
	}
	s.date, s.token, s.payload = r.Header.Get("X-Amz-Date"), r.Header.Get("X-Amz-Security-Token"), r.Header.Get("X-Amz-Content-Sha256")
	at, err := time.Parse(stampForm, s.date)
	switch {
	case err != nil || s.payload == "":
		return s, errHeader
	case b.now().Sub(at).Abs() > maxSkew:
		return s, errSkewed
	}
	return s, nil
}

// linkOf is the signature of a link.
func (b *Bucket) linkOf(query url.Values) (s signature, err error) {
	s = signature{
		credential: query.Get("X-Amz-Credential"), date: query.Get("X-Amz-Date"), headers: query.Get("X-Amz-SignedHeaders"),
		hex: query.Get("X-Amz-Signature"), token: query.Get("X-Amz-Security-Token"), payload: unsigned,
	}
	at, err := time.Parse(stampForm, s.date)
	seconds, invalid := strconv.ParseInt(query.Get("X-Amz-Expires"), 10, 32)
	good := time.Duration(seconds) * time.Second
	switch now := b.now(); {
	case query.Get("X-Amz-Algorithm") != algorithm, err != nil, invalid != nil, good < time.Second, good > maxExpires:
		return s, errQuery
	case at.After(now.Add(maxSkew)):
		return s, denied("Request is not valid yet")
	case now.After(at.Add(good)):
		return s, errExpired
	}
	return s, nil
}

// canonical is the request in the form that is signed.
func canonical(r *http.Request, query url.Values, signed []string, payload string) string {
	var pairs []string
	for name, values := range query {
		for _, v := range values {
			if name != "X-Amz-Signature" {
				pairs = append(pairs, escaped(name)+"="+escaped(v))
			}
		}
	}
	slices.Sort(pairs)
	lines := []string{r.Method, httpbinding.EscapePath(r.URL.Path, false), strings.Join(pairs, "&")}
	for _, name := range signed {
		lines = append(lines, name+":"+headerOf(r, name))
	}
	return strings.Join(append(lines, "", strings.Join(signed, ";"), payload), "\n")
}

// escaped is s as S3 escapes queries: all but letters, digits and -._~.
func escaped(s string) string { return strings.ReplaceAll(url.QueryEscape(s), "+", "%20") }

// headerOf is a header as it came; Go's server has two of them elsewhere.
func headerOf(r *http.Request, name string) string {
	switch name {
	case "host":
		return r.Host
	case "content-length":
		return strconv.FormatInt(r.ContentLength, 10)
	}
	values := slices.Clone(r.Header.Values(name))
	for i, v := range values {
		values[i] = strings.Join(strings.Fields(v), " ")
	}
	return strings.Join(values, ",")
}

func mac(key []byte, text string) []byte {
	h := hmac.New(sha256.New, key)
	h.Write([]byte(text))
	return h.Sum(nil)
}
