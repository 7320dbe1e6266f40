package auth

import (
	"aiwm-chat/shared/config"
	"aiwm-chat/shared/wire"
)

// In returns the verifier of a process that needs config.JWT.
func In(p *wire.Process) *Verifier { return wire.Client(p, open) }

func open(c config.Config) (*Verifier, error) {
	return NewVerifier(Options{
		Algorithms: c.JWT.Algorithms, Secret: c.JWT.Secret, Renewal: c.JWT.Renewal, PublicKeyPEM: c.JWT.PublicKey, JWKSURL: c.JWT.JWKSURL,
		Issuer: c.JWT.Issuer, Audience: c.JWT.Audience, KeepKeys: c.JWT.JWKSKeep,
		Claims: Claims{
			User: c.JWT.ClaimUser, Agent: c.JWT.ClaimAgent, Org: c.JWT.ClaimOrg, Roles: c.JWT.ClaimRoles, Audience: c.JWT.ClaimAudience,
		},
	})
}
