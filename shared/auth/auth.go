// Package auth says who a JSON Web Token of the IAM service speaks for.
//
// The signature is checked by golang-jwt. What surrounds it is ours, and
// strict: a token must read the same to everyone, so nothing that could be read
// in two ways is accepted (duplicate members, names in another case, padding,
// trailing bits), and nothing that lets its sender choose how it is checked
// (an algorithm that the key is not for, crit, b64, a key of its own).
package auth

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"sync/atomic"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"aiwm-chat/shared/chat"
	"aiwm-chat/shared/config"
)

// Leeway is how far the clocks of the issuer and of this machine may differ.
const Leeway = 30 * time.Second

// MinSecret is the shortest secret for HS256, in bytes (RFC 7518 §3.2).
const MinSecret = 32

// Options says which tokens to accept. At least one key is needed.
type Options struct {
	Algorithms   []string        // of HS256, RS256, ES256, EdDSA; empty: all that the keys are good for
	Secret       []byte          // for HS256
	Renewal      *config.Renewal // reads Secret again; nil where it does not change
	PublicKeyPEM string          // for RS256 (2048 bits or more), ES256 or EdDSA: a PKIX "PUBLIC KEY"
	JWKSURL      string          // the issuer's published keys, instead of PublicKeyPEM
	Issuer       string          // required iss, "" for any
	Audience     string          // required audience, "" for any
	Claims       Claims          // where other issuers say who somebody is

	KeepKeys   time.Duration    // how long keys of JWKSURL count while the issuer errs; default 24 h
	Now        func() time.Time // default time.Now
	HTTPClient *http.Client     // for JWKSURL; default: one with a timeout of 3 s. It follows no redirect
}

// A Verifier checks tokens. It is safe for concurrent use.
type Verifier struct {
	allowed  map[string]jwt.SigningMethod
	keys     map[string]any         // by algorithm
	secret   atomic.Pointer[[]byte] // for HS256, in place of keys
	renewal  *config.Renewal
	jwks     *keySet // for algorithms not in keys; nil without JWKSURL
	issuer   string
	audience string
	claims   Claims
	now      func() time.Time
}

// methods are the algorithms that can be allowed.
var methods = map[string]jwt.SigningMethod{
	"HS256": jwt.SigningMethodHS256,
	"RS256": jwt.SigningMethodRS256,
	"ES256": jwt.SigningMethodES256,
	"EdDSA": jwt.SigningMethodEdDSA,
}

// NewVerifier returns a Verifier, or what is wrong with o. It does not
// call JWKSURL: the first token does.
func NewVerifier(o Options) (*Verifier, error) {
	v := &Verifier{
		allowed: map[string]jwt.SigningMethod{}, keys: map[string]any{},
		renewal: o.Renewal, issuer: o.Issuer, audience: o.Audience, claims: o.Claims.withDefaults(), now: o.Now,
	}
	if v.now == nil {
		v.now = time.Now
	}
	errs := []error{v.addKeys(o)}
	algorithms := o.Algorithms
	if len(algorithms) == 0 {
		algorithms = slices.DeleteFunc([]string{"HS256", "RS256", "ES256", "EdDSA"}, func(a string) bool { return !v.hasKey(a) })
	}
	for _, a := range algorithms {
		switch {
		case methods[a] == nil:
			errs = append(errs, fmt.Errorf("algorithm %q is not one of HS256, RS256, ES256 and EdDSA", a))
		case !v.hasKey(a):
			errs = append(errs, v.unfit(a))
		}
		v.allowed[a] = methods[a]
	}
	if len(algorithms) == 0 {
		errs = append(errs, errors.New("no key to verify tokens with"))
	}
	if err := errors.Join(errs...); err != nil {
		return nil, fmt.Errorf("set up token verification: %w", err)
	}
	return v, nil
}

func (v *Verifier) addKeys(o Options) error {
	if n := len(o.Secret); n >= MinSecret {
		secret := slices.Clone(o.Secret)
		v.secret.Store(&secret)
	} else if n > 0 {
		return fmt.Errorf("the secret must be at least %d bytes", MinSecret)
	}
	if o.PublicKeyPEM != "" && o.JWKSURL != "" {
		return errors.New("give a public key or a JWKS URL, not both")
	}
	if o.PublicKeyPEM != "" {
		key, err := parsePEM(o.PublicKeyPEM)
		if err != nil {
			return err
		}
		v.keys[algorithmOf(key)] = key
	}
	if o.JWKSURL != "" {
		v.jwks = newKeySet(o.JWKSURL, o.HTTPClient, o.KeepKeys, v.now)
	}
	return nil
}

// unfit says why an algorithm has no key: the public one is for another.
func (v *Verifier) unfit(algorithm string) error {
	for is := range v.keys { // one at most
		if algorithm != "HS256" {
			return fmt.Errorf("algorithm %s has no key: the public key is for %s", algorithm, is)
		}
	}
	return fmt.Errorf("algorithm %s has no key", algorithm)
}

// hasKey reports whether tokens of an algorithm could be verified.
func (v *Verifier) hasKey(algorithm string) bool {
	if algorithm == "HS256" {
		return v.secret.Load() != nil
	}
	return v.keys[algorithm] != nil || v.jwks != nil
}

// Verify returns who token speaks for. The error is chat.TokenExpired where only
// the time is wrong, chat.Unavailable where the issuer's keys cannot be read or
// may not be the newest, and else always the same chat.Unauthorized; its text
// for the log names the reason, and never contains the token.
//
// A token counts for Leeway longer than its exp says, here and wherever the
// Bearer goes: ExpiresAt includes it, so that nobody passes the door and is put
// out behind it.
func (v *Verifier) Verify(ctx context.Context, token string) (chat.Bearer, error) {
	t, err := parse(token)
	if err != nil {
		return chat.Bearer{}, chat.Refused(err)
	}
	if err := v.checkSignature(ctx, t); err != nil {
		return chat.Bearer{}, err
	}
	b, err := v.read(t.claims)
	if err != nil {
		return chat.Bearer{}, chat.Refused(err)
	}
	if !v.now().Before(b.ExpiresAt) {
		return chat.Bearer{}, chat.Errorf(chat.TokenExpired, "the token has expired; get a new one and connect again")
	}
	return b, nil
}

// read returns what the claims say of a token that is signed and for us.
func (v *Verifier) read(raw []byte) (chat.Bearer, error) {
	c, err := parseClaims(raw)
	if err != nil {
		return chat.Bearer{}, err
	}
	p, err := c.principal(v.claims)
	if err != nil {
		return chat.Bearer{}, err
	}
	expires, err := c.check(v.issuer, v.audience, v.claims.Audience, v.now())
	if err != nil {
		return chat.Bearer{}, err
	}
	return chat.Bearer{Principal: p, Roles: c.roles(v.claims.Roles), ExpiresAt: expires.Add(Leeway)}, nil
}

func (v *Verifier) checkSignature(ctx context.Context, t compact) error {
	method, ok := v.allowed[t.header.Algorithm]
	if !ok {
		return chat.Refused(errors.New("the algorithm is not allowed"))
	}
	if t.header.Algorithm == "HS256" {
		return v.checkSecret(ctx, t)
	}
	if key, ok := v.keys[t.header.Algorithm]; ok {
		return signedBy(method, t, key)
	}
	key, err := v.jwks.find(ctx, t.header.Algorithm, t.header.KeyID)
	if err != nil {
		return err
	}
	wrong := signedBy(method, t, key)
	if wrong == nil || t.header.KeyID != "" {
		return wrong
	}
	if key, err = v.jwks.newer(ctx, t.header.Algorithm); key == nil || err != nil {
		return cmp.Or(err, wrong)
	}
	return signedBy(method, t, key)
}

func signedBy(method jwt.SigningMethod, t compact, key any) error {
	if method.Verify(t.signed, t.signature, key) != nil {
		return chat.Refused(errors.New("the signature is wrong"))
	}
	return nil
}

// checkSecret checks the signature of a token with our secret, and where it is
// wrong with the one that took its place. After that tokens of the old one are
// refused: a secret is changed because somebody may know it.
func (v *Verifier) checkSecret(ctx context.Context, t compact) error {
	secret := *v.secret.Load()
	if v.renewal.Old() {
		secret = v.renewed(ctx, secret)
	}
	if signedWith(t, secret) {
		return nil
	}
	if next := v.renewed(ctx, secret); !bytes.Equal(next, secret) && signedWith(t, next) {
		return nil
	}
	return chat.Refused(errors.New("the signature is wrong"))
}

func signedWith(t compact, secret []byte) bool {
	return jwt.SigningMethodHS256.Verify(t.signed, t.signature, secret) == nil
}

// renewed returns the secret in the place of used, which may be the same.
func (v *Verifier) renewed(ctx context.Context, used []byte) []byte {
	text, changed := v.renewal.Renew(ctx, string(used))
	if !changed {
		return used
	}
	next := []byte(text)
	v.secret.Store(&next)
	return next
}
