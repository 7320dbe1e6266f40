package auth

import (
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"errors"
)

// algorithmOf returns the one algorithm that a public key is used for, "" for
// a key that is used for none. The key decides, never the token: this is what
// keeps a public key from being taken for an HS256 secret.
//
// It does not look for RSA keys of the weak Infineon library (ROCA): the one Go
// package that knows them was last changed in 2017, and neither crypto/rsa nor
// what we use has a check.
func algorithmOf(key any) string {
	switch k := key.(type) {
	case *rsa.PublicKey:
		// Below 2048 bits RFC 7518 §3.3 forbids it; above 8192 it takes long to check.
		if n := k.N.BitLen(); n >= 2048 && n <= 8192 {
			return "RS256"
		}
	case *ecdsa.PublicKey:
		if k.Curve == elliptic.P256() {
			return "ES256"
		}
	case ed25519.PublicKey:
		return "EdDSA"
	}
	return ""
}

// parsePEM reads a public key. Its errors do not show the input, which may be
// a private key put in the wrong place.
func parsePEM(text string) (any, error) {
	block, _ := pem.Decode([]byte(text))
	if block == nil || block.Type != "PUBLIC KEY" {
		return nil, errors.New(`the public key is not a PEM block of type "PUBLIC KEY"`)
	}
	key, err := x509.ParsePKIXPublicKey(block.Bytes)
	if err != nil || algorithmOf(key) == "" {
		return nil, errors.New("the public key is not RSA of 2048 to 8192 bits, P-256 or Ed25519")
	}
	return key, nil
}
