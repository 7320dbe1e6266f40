package auth

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"aiwm-chat/shared/chat"
)

// Claims are the names of the claims that say who somebody is, each a list of
// alternatives of which the first that is there counts. A name may be a path
// with dots into objects: "realm_access.roles". A claim whose own name has dots,
// such as "https://example.org/roles", is found by it as it is.
type Claims struct {
	User     []string // default userId, sub
	Agent    []string // default agentId: a token with one is an agent's
	Org      []string // default orgId; where there is none, chat.DefaultOrg
	Roles    []string // default roles
	Audience []string // default aud
}

func (n Claims) withDefaults() Claims {
	or := func(names []string, otherwise ...string) []string {
		if len(names) == 0 {
			return otherwise
		}
		return names
	}
	return Claims{
		User: or(n.User, "userId", "sub"), Agent: or(n.Agent, "agentId"), Org: or(n.Org, "orgId"),
		Roles: or(n.Roles, "roles"), Audience: or(n.Audience, "aud"),
	}
}

// claims are what a token says. A claim that is null counts as left out. Those
// that decide must be of their type and must not be there in another case, where
// somebody else could read another principal; all others are the issuer's
// business, whatever they look like.
type claims struct{ members }

// members are the members of a JSON object.
type members map[string]jsontext.Value

func parseClaims(b []byte) (claims, error) {
	var m members
	if json.Unmarshal(b, &m) != nil || m == nil {
		return claims{}, errors.New("the claims are not a strict JSON object")
	}
	return claims{m}, nil
}

// principal returns who the token speaks for. One that names an agent is the
// agent's, whatever its type; one of type agent that names none is nobody's.
func (c claims) principal(names Claims) (chat.Principal, error) {
	kind, typed, err := c.text("type")
	agent, isAgent, err2 := c.text(names.Agent...)
	user, _, err3 := c.text(names.User...)
	org, inOrg, err4 := c.text(names.Org...)
	if err := errors.Join(err, err2, err3, err4); err != nil {
		return chat.Principal{}, err
	}
	p := chat.Principal{Type: chat.User, ID: chat.PrincipalID(user), OrgID: chat.DefaultOrg}
	if typed {
		p.Type = chat.PrincipalType(kind)
	}
	if inOrg {
		p.OrgID = chat.OrgID(org)
	}
	switch {
	case !p.Type.Valid():
		return chat.Principal{}, errors.New("the claim type is neither user nor agent")
	case isAgent:
		p.Type, p.ID = chat.Agent, chat.PrincipalID(agent)
	case p.Type == chat.Agent:
		return chat.Principal{}, fmt.Errorf("the token of an agent lacks the claim %s", strings.Join(names.Agent, ", "))
	}
	switch {
	case p.ID == "" && p.Type == chat.User:
		return chat.Principal{}, fmt.Errorf("the claim %s is missing or empty", strings.Join(names.User, ", "))
	case !chat.ValidID(p.ID):
		return chat.Principal{}, fmt.Errorf("the id of the %s is not 1 to %d characters of %s", p.Type, chat.MaxID, chat.IDAlphabet)
	case !chat.ValidID(p.OrgID):
		return chat.Principal{}, fmt.Errorf("the id of the organisation is not 1 to %d characters of %s", chat.MaxID, chat.IDAlphabet)
	}
	return p, nil
}

// roles returns what the issuer says the caller may do. They are no reason to
// refuse a token: of a form that is not understood there are none.
func (c claims) roles(names []string) []string {
	name, v, err := c.first(names)
	if err != nil || v == nil {
		return nil
	}
	if texts, ok := textOrList(v); ok {
		// A scope is a list in one text (RFC 8693 §4.2); the name of a role may have spaces.
		if len(texts) == 1 && (name == "scope" || name == "scp") {
			return strings.Fields(texts[0])
		}
		return texts
	}
	return nil
}

// maxTime is the last second of the year 9999 less the leeway, in Unix seconds:
// beyond it times have no common written form.
const maxTime = 253_402_300_799 - int64(Leeway/time.Second)

// check refuses a token that is not for us or not yet valid, and returns when it
// expires: whether it has is asked last, by Verify.
func (c claims) check(issuer, audience string, names []string, now time.Time) (expires time.Time, err error) {
	if err := c.checkIssuer(issuer); err != nil {
		return time.Time{}, err
	}
	if err := c.checkAudience(audience, names); err != nil {
		return time.Time{}, err
	}
	exp, err := c.seconds("exp")
	if err == nil && (exp == nil || *exp < 0 || *exp > float64(maxTime)) {
		err = errors.New("the claim exp is missing or out of range")
	}
	if err != nil {
		return time.Time{}, err
	}
	for _, name := range []string{"nbf", "iat"} {
		t, err := c.seconds(name)
		if err == nil && t != nil && *t > float64(now.Add(Leeway).Unix()) {
			err = fmt.Errorf("the token is not valid yet: its %s is in the future", name)
		}
		if err != nil {
			return time.Time{}, err
		}
	}
	return time.Unix(int64(*exp), 0), nil
}

func (c claims) checkIssuer(wanted string) error {
	issuer, _, err := c.text("iss")
	if err == nil && wanted != "" && issuer != wanted {
		err = errors.New("the claim iss names another issuer")
	}
	return err
}

// checkAudience: it is one name or a list of them (RFC 7519 §4.1.3).
func (c claims) checkAudience(wanted string, names []string) error {
	name, v, err := c.first(names)
	if err != nil {
		return err
	}
	texts, ok := []string(nil), true
	if v != nil {
		texts, ok = textOrList(v)
	}
	switch {
	case !ok:
		return fmt.Errorf("the claim %s is neither a text nor a list of them", name)
	case wanted != "" && !slices.Contains(texts, wanted):
		return fmt.Errorf("the claim %s does not name us", strings.Join(names, ", "))
	}
	return nil
}

// text returns the first of the claims that is there.
func (c claims) text(names ...string) (text string, found bool, err error) {
	name, v, err := c.first(names)
	if err != nil || v == nil {
		return "", false, err
	}
	if v.Kind() != '"' || json.Unmarshal(v, &text) != nil {
		return "", false, fmt.Errorf("the claim %s is not a text", name)
	}
	return text, true, nil
}

// seconds returns a time (RFC 7519 §2), nil where it is not there.
func (c claims) seconds(name string) (*float64, error) {
	_, v, err := c.first([]string{name})
	if err != nil || v == nil {
		return nil, err
	}
	var t float64
	if v.Kind() != '0' || json.Unmarshal(v, &t) != nil {
		return nil, fmt.Errorf("the claim %s is not a number", name)
	}
	return &t, nil
}

// first returns the first of the claims that is there, and its name. All of them
// are looked at: none may be there in another case.
func (c claims) first(names []string) (name string, v jsontext.Value, err error) {
	for _, n := range names {
		found, err := c.lookup(n)
		switch {
		case err != nil:
			return "", nil, err
		case len(found) > 1:
			return "", nil, fmt.Errorf("the claim %s can be read in two ways", n)
		case len(found) == 1 && v == nil:
			name, v = n, found[0]
		}
	}
	return name, v, nil
}

// lookup returns every value that a path may name.
func (m members) lookup(path string) (found []jsontext.Value, err error) {
	v, err := m.member(path)
	if err != nil {
		return nil, err
	}
	if v != nil {
		found = append(found, v)
	}
	for i := range len(path) {
		if path[i] != '.' {
			continue
		}
		v, err := m.member(path[:i])
		if err != nil {
			return nil, err
		}
		var inner members
		if v == nil || v.Kind() != '{' || json.Unmarshal(v, &inner) != nil {
			continue
		}
		more, err := inner.lookup(path[i+1:])
		if err != nil {
			return nil, err
		}
		found = append(found, more...)
	}
	return found, nil
}

// member returns a member, nil where it is not there or null.
func (m members) member(name string) (jsontext.Value, error) {
	for other := range m {
		if other != name && strings.EqualFold(other, name) {
			return nil, fmt.Errorf("a claim is much like %s, but not it", name)
		}
	}
	v := m[name]
	if v.Kind() == 'n' {
		return nil, nil
	}
	return v, nil
}

// textOrList returns a text, or the texts of a list.
func textOrList(v jsontext.Value) (texts []string, ok bool) {
	if v.Kind() == '"' {
		texts = make([]string, 1)
		return texts, json.Unmarshal(v, &texts[0]) == nil
	}
	if v.Kind() != '[' || json.Unmarshal(v, &texts) != nil {
		return nil, false
	}
	return texts, true
}
