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
// RFC 7797), or names our members in another case.
func (h *header) check() error {
	if h.Type != "" && !strings.EqualFold(h.Type, "JWT") {
		return errors.New("the header's typ is not JWT")
	}
	return checkNames(h.Other, []string{"alg", "kid", "typ", "crit", "b64"})
}

// checkNames refuses members that some reader could take for one of names.
// Duplicates are already refused by the parser.
func checkNames(members map[string]jsontext.Value, names []string) error {
	for m := range members {
		if slices.ContainsFunc(names, func(n string) bool { return strings.EqualFold(n, m) }) {
			return errors.New("a member of the token is misspelt or not supported")
		}
	}
	return nil
}
