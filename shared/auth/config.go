package auth

import "aiwm-chat/shared/config"

// OptionsOf returns what the JWT part of a Config says.
func OptionsOf(c config.Config) Options {
	return Options{
		Algorithms: c.JWT.Algorithms, Secret: c.JWT.Secret, PublicKeyPEM: c.JWT.PublicKey, JWKSURL: c.JWT.JWKSURL,
		Issuer: c.JWT.Issuer, Audience: c.JWT.Audience,
	}
}
