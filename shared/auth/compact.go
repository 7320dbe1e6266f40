package auth

import (
	"encoding/base64"
	"errors"
	"slices"
	"strings"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// MaxToken is the longest token accepted, in bytes. API Gateway takes about
// 10 KB of headers, and a URL of 4 KB.
const MaxToken = 8 << 10

// compact is a token in JWS compact form (RFC 7515 §7.1), taken apart. Nothing
// in it is verified.
type compact struct {
	header    header
	claims    []byte
	signature []byte
	signed    string // what the signature covers
}

type header struct {
	Algorithm string                    `json:"alg"`
	KeyID     string                    `json:"kid"`
	Type      string                    `json:"typ"`
	Other     map[string]jsontext.Value `json:",embed"`
}

// parse takes a token apart: three parts of base64url and no other form.
func parse(token string) (compact, error) {
	if len(token) > MaxToken {
		return compact{}, errors.New("the token is too long")
	}
	parts := strings.Split(token, ".")
	if len(parts) != 3 {
		return compact{}, errors.New("the token does not have three parts")
	}
	var decoded [3][]byte
	for i, p := range parts {
		var err error
		if decoded[i], err = decodePart(p); err != nil {
			return compact{}, err
		}
	}
	t := compact{claims: decoded[1], signature: decoded[2], signed: token[:len(token)-len(parts[2])-1]}
	if json.Unmarshal(decoded[0], &t.header) != nil {
		return compact{}, errors.New("the header is not strict JSON of the expected types")
	}
	return t, t.header.check()
}

// strict refuses padding, and trailing bits that would let one token be
// written in several ways.
var strict = base64.RawURLEncoding.Strict()

func decodePart(s string) ([]byte, error) {
	// Go's decoder skips line breaks.
	if s == "" || strings.ContainsAny(s, "\r\n") {
		return nil, errors.New("a part is empty or contains a line break")
	}
	b, err := strict.DecodeString(s)
	if err != nil {
		return nil, errors.New("a part is not base64url without padding")
	}
	return b, nil
}

// check refuses what would change the meaning of the token (RFC 7515 §4.1.11,
// RFC 7797), or names our members in another case. A typ that says that the
// token is for something else (RFC 8725 §3.11) is none of a JWT or of an access
// token (RFC 9068 §2.1); "application/" may stand before it (RFC 7515 §4.1.9).
func (h *header) check() error {
	switch strings.ToLower(h.Type) {
	case "", "jwt", "at+jwt", "application/jwt", "application/at+jwt":
	default:
		return errors.New("the header's typ is neither JWT nor at+jwt")
	}
	for m := range h.Other { // duplicates are already refused by the parser
		if slices.ContainsFunc([]string{"alg", "kid", "typ", "crit", "b64"}, func(name string) bool { return strings.EqualFold(name, m) }) {
			return errors.New("a member of the header is misspelt or not supported")
		}
	}
	return nil
}
