package auth

import (
	"errors"
	"slices"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"aiwm-chat/shared/chat"
)

// claims are what a token says. A claim that is null counts as left out.
// Claims that are not known here are the issuer's business, as long as they do
// not look like one that is.
type claims struct {
	Subject   chat.PrincipalID          `json:"sub"`
	Type      *chat.PrincipalType       `json:"type"`
	UserID    *chat.PrincipalID         `json:"userId"`
	AgentID   *chat.PrincipalID         `json:"agentId"`
	OrgID     *chat.OrgID               `json:"orgId"`
	Username  string                    `json:"username"`
	Roles     []string                  `json:"roles"`
	Issuer    string                    `json:"iss"`
	Audience  audience                  `json:"aud"`
	Expires   *float64                  `json:"exp"` // Unix seconds, as all times
	NotBefore *float64                  `json:"nbf"`
	IssuedAt  *float64                  `json:"iat"`
	Other     map[string]jsontext.Value `json:",embed"`
}

var claimNames = []string{
	"sub", "type", "userId", "agentId", "orgId", "username", "roles", "iss", "aud", "exp", "nbf", "iat",
}

// audience is one name or a list of them (RFC 7519 §4.1.3).
type audience []string

// UnmarshalJSON accepts both forms.
func (a *audience) UnmarshalJSON(b []byte) error {
	if jsontext.Value(b).Kind() == '"' {
		*a = make(audience, 1)
		return json.Unmarshal(b, &(*a)[0])
	}
	return json.Unmarshal(b, (*[]string)(a))
}

func parseClaims(b []byte) (*claims, error) {
	var c claims
	if json.Unmarshal(b, &c) != nil {
		return nil, errors.New("the claims are not strict JSON of the expected types")
	}
	return &c, checkNames(c.Other, claimNames)
}

// principal returns who the token speaks for. One that names an agent is the
// agent's, whatever its type; one of type agent that names none is nobody's.
func (c *claims) principal() (chat.Principal, error) {
	p := chat.Principal{Type: chat.User, ID: c.Subject, OrgID: chat.DefaultOrg}
	if c.Type != nil {
		p.Type = *c.Type
	}
	if c.OrgID != nil {
		p.OrgID = *c.OrgID
	}
	switch {
	case !p.Type.Valid():
		return chat.Principal{}, errors.New("the type is not user or agent")
	case c.AgentID != nil:
		p.Type, p.ID = chat.Agent, *c.AgentID
	case p.Type == chat.Agent:
		return chat.Principal{}, errors.New("the token of an agent has no agentId")
	case c.UserID != nil:
		p.ID = *c.UserID
	}
	if !chat.ValidID(p.ID) || !chat.ValidID(p.OrgID) {
		return chat.Principal{}, errors.New("an id is missing or not valid")
	}
	return p, nil
}

// maxTime is the last second of the year 9999, in Unix seconds: beyond it
// times have no common written form.
const maxTime = 253_402_300_799

// check refuses a token that is not for us or not yet valid. Whether it has
// expired is asked last, by Verify.
func (c *claims) check(issuer, wanted string, now time.Time) error {
	if issuer != "" && c.Issuer != issuer {
		return errors.New("the issuer is another one")
	}
	if wanted != "" && !slices.Contains(c.Audience, wanted) {
		return errors.New("the audience is another one")
	}
	if c.Expires == nil || *c.Expires < 0 || *c.Expires > maxTime {
		return errors.New("the expiry is missing or out of range")
	}
	latest := float64(now.Add(Leeway).Unix())
	if c.NotBefore != nil && *c.NotBefore > latest || c.IssuedAt != nil && *c.IssuedAt > latest {
		return errors.New("the token is not valid yet")
	}
	return nil
}

// expires returns exp, which check has found to be there, in whole seconds.
func (c *claims) expires() time.Time { return time.Unix(int64(*c.Expires), 0) }
