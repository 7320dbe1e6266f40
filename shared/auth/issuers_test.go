package auth_test

import (
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"aiwm-chat/shared/auth"
	"aiwm-chat/shared/chat"
)

// The tokens of common issuers, as their documentation shows them: the header and
// the claims in their shapes, and what has to be set to know who it is. exp is put
// in by the test.
var issuers = []struct {
	name, header, claims string
	names                auth.Claims
	issuer, audience     string
	want                 chat.Principal
	roles                []string
}{
	{
		name: "our own IAM service, a user", header: `{"alg":"RS256","typ":"JWT","kid":"k"}`,
		claims: `{"sub":"u1","type":"user","userId":"u1","username":"Ada","roles":["admin"],"orgId":"acme"`,
		want:   chat.Principal{Type: chat.User, ID: "u1", OrgID: "acme"}, roles: []string{"admin"},
	},
	{
		name: "our own IAM service, an agent", header: `{"alg":"RS256","typ":"JWT","kid":"k"}`,
		claims: `{"sub":"u1","type":"agent","userId":"u1","agentId":"a1","username":"Ada","roles":[],"orgId":"acme"`,
		want:   chat.Principal{Type: chat.Agent, ID: "a1", OrgID: "acme"},
	},
	{
		name: "Auth0, default profile", header: `{"alg":"RS256","typ":"JWT","kid":"k"}`,
		claims: `{"https://chat.example.org/roles":["editor","agents:write"],"iss":"https://acme.eu.auth0.com/","sub":"auth0|5f7c8ec7c33c6c004bbafe82",
			"aud":["https://chat.example.org","https://acme.eu.auth0.com/userinfo"],"iat":1799999990,"azp":"my_client_id","scope":"openid profile","org_id":"org_9ybsU1dN2dKfDkBi","permissions":["read:chat"]`,
		names:  auth.Claims{Org: []string{"org_id"}, Roles: []string{"https://chat.example.org/roles"}},
		issuer: "https://acme.eu.auth0.com/", audience: "https://chat.example.org",
		want: chat.Principal{Type: chat.User, ID: "auth0|5f7c8ec7c33c6c004bbafe82", OrgID: "org_9ybsU1dN2dKfDkBi"}, roles: []string{"editor", "agents:write"},
	},
	{
		name: "Auth0, RFC 9068 profile, a machine", header: `{"typ":"at+jwt","alg":"RS256","kid":"k"}`,
		claims: `{"iss":"https://acme.eu.auth0.com/","sub":"aBcD1234@clients","aud":"https://chat.example.org","iat":1799999990,"jti":"x","client_id":"aBcD1234","scope":"agents:write read:chat"`,
		names:  auth.Claims{Roles: []string{"scope"}}, audience: "https://chat.example.org",
		want: chat.Principal{Type: chat.User, ID: "aBcD1234@clients", OrgID: chat.DefaultOrg}, roles: []string{"agents:write", "read:chat"},
	},
	{
		name: "Cognito, access token", header: `{"kid":"k","alg":"RS256"}`,
		claims: `{"sub":"aaaaaaaa-bbbb-cccc-dddd-eeeeeeeeeeee","device_key":"d","cognito:groups":["admin"],"iss":"https://cognito-idp.eu-west-1.amazonaws.com/eu-west-1_x","version":2,
			"client_id":"57cbishk4j24pabc1234567890","origin_jti":"o","event_id":"e","token_use":"access","scope":"phone openid","auth_time":1799999990,"iat":1799999990,"jti":"j","username":"my-test-user"`,
		names: auth.Claims{Roles: []string{"cognito:groups"}, Audience: []string{"client_id"}}, audience: "57cbishk4j24pabc1234567890",
		want: chat.Principal{Type: chat.User, ID: "aaaaaaaa-bbbb-cccc-dddd-eeeeeeeeeeee", OrgID: chat.DefaultOrg}, roles: []string{"admin"},
	},
	{
		name: "Cognito, ID token", header: `{"kid":"k","alg":"RS256"}`,
		claims: `{"sub":"aaaaaaaa-bbbb-cccc-dddd-eeeeeeeeeeee","cognito:groups":["a","b"],"email_verified":true,"cognito:preferred_role":"arn:aws:iam::111122223333:role/x","iss":"https://cognito-idp.eu-west-1.amazonaws.com/eu-west-1_x",
			"cognito:username":"Ada Lovelace","custom:orgId":"acme","nonce":"n","origin_jti":"o","aud":"57cb","identities":[{"userId":"123","providerName":"Google","primary":"true","dateCreated":"1642699117273"}],"event_id":"e","token_use":"id","auth_time":1799999990,"iat":1799999990,"jti":"j","email":"ada@example.org"`,
		names: auth.Claims{User: []string{"sub"}, Org: []string{"custom:orgId"}}, audience: "57cb",
		want: chat.Principal{Type: chat.User, ID: "aaaaaaaa-bbbb-cccc-dddd-eeeeeeeeeeee", OrgID: "acme"},
	},
	{
		name: "Entra, version 2", header: `{"typ":"JWT","alg":"RS256","kid":"k"}`,
		claims: `{"aud":"6e74172b-be56-4843-9ff4-e66a39bb12e3","iss":"https://login.microsoftonline.com/72f988bf-86f1-41af-91ab-2d7cd011db47/v2.0","iat":1799999990,"nbf":1799999990,"aio":"AXQAi/8IAAAA==","azp":"6e74","azpacr":"0","name":"Ada Lovelace",
			"oid":"690222be-ff1a-4d56-abd1-7e4f7d38e474","preferred_username":"ada@example.org","rh":"0.","roles":["admin","Chat.ReadWrite"],"scp":"access_as_user","sub":"HKZpfaHyWadeOouYlitjrI-KffTm222X5rrV3xDqfKQ","tid":"72f988bf-86f1-41af-91ab-2d7cd011db47","uti":"fqiBqXLPj0eQa82S-IYFAA","ver":"2.0"`,
		names: auth.Claims{User: []string{"oid"}, Org: []string{"tid"}}, audience: "6e74172b-be56-4843-9ff4-e66a39bb12e3",
		want: chat.Principal{Type: chat.User, ID: "690222be-ff1a-4d56-abd1-7e4f7d38e474", OrgID: "72f988bf-86f1-41af-91ab-2d7cd011db47"}, roles: []string{"admin", "Chat.ReadWrite"},
	},
	{
		name: "Entra, version 1, x5t beside kid", header: `{"typ":"JWT","alg":"RS256","x5t":"i6lGk3FZzxRcUb2C3nEQ7syHJlY","kid":"k"}`,
		claims: `{"aud":"api://chat","iss":"https://sts.windows.net/fa15d692/","iat":1799999990,"nbf":1799999990,"acr":"1","amr":["pwd","rsa"],"appid":"x","appidacr":"0","ipaddr":"203.0.113.7","oid":"e602ad32","scp":"agents:write user.read","sub":"l3_roISQU222bULS9yi2k0XpqpOiMz5H3ZACo1GeXA","tid":"fa15d692","unique_name":"ada@example.org","upn":"ada@example.org","ver":"1.0","wids":["62e90394"],"groups":["0d19a2c4"],"_claim_names":{"groups":"src1"}`,
		names:  auth.Claims{User: []string{"oid", "sub"}, Roles: []string{"roles", "scp"}}, audience: "api://chat",
		want: chat.Principal{Type: chat.User, ID: "e602ad32", OrgID: chat.DefaultOrg}, roles: []string{"agents:write", "user.read"},
	},
	{
		name: "Firebase", header: `{"alg":"RS256","kid":"k","typ":"JWT"}`,
		claims: `{"name":"Ada","picture":"https://example.org/a.jpg","admin":true,"iss":"https://securetoken.google.com/acme-chat","aud":"acme-chat","auth_time":1799999990,"user_id":"Dj9QZ7b0xHQ2","sub":"Dj9QZ7b0xHQ2","iat":1799999990,"email":"ada@example.org","email_verified":false,"phone_number":"+4912345","role":"staff",
			"firebase":{"identities":{"google.com":["1234"],"email":["ada@example.org"]},"sign_in_provider":"google.com","tenant":"acme-x1"}`,
		names: auth.Claims{Org: []string{"firebase.tenant"}, Roles: []string{"role"}}, issuer: "https://securetoken.google.com/acme-chat", audience: "acme-chat",
		want: chat.Principal{Type: chat.User, ID: "Dj9QZ7b0xHQ2", OrgID: "acme-x1"}, roles: []string{"staff"},
	},
	{
		name: "Keycloak", header: `{"alg":"RS256","typ":"JWT","kid":"k"}`,
		claims: `{"iat":1799999990,"auth_time":1799999990,"jti":"onrtac:x","iss":"https://id.example.org/realms/acme","aud":["account","chat"],"sub":"f:5c3b:a+b@example.org","typ":"Bearer","azp":"web.app","sid":"s","acr":"1","allowed-origins":["*"],
			"realm_access":{"roles":["offline_access","admin"]},"resource_access":{"web.app":{"roles":["editor"]},"account":{"roles":["view-profile"]}},"scope":"openid email","email_verified":true,"name":"Ada","groups":["/acme/staff"],"tenant":"acme","preferred_username":"ada","userName":"ada"`,
		names: auth.Claims{Org: []string{"tenant"}, Roles: []string{"resource_access.web.app.roles"}}, audience: "chat",
		want: chat.Principal{Type: chat.User, ID: "f:5c3b:a+b@example.org", OrgID: "acme"}, roles: []string{"editor"},
	},
	{
		name: "Keycloak, a service account that is an agent", header: `{"alg":"RS256","typ":"at+jwt","kid":"k"}`,
		claims: `{"iss":"https://id.example.org/realms/acme","sub":"f1","clientHost":"10.0.0.1","client_id":"bot-1","chat":{"agent":"bot-1"},"realm_access":{"roles":["admin"]},"preferred_username":"service-account-bot-1"`,
		names:  auth.Claims{Agent: []string{"chat.agent"}, Roles: []string{"realm_access.roles"}},
		want:   chat.Principal{Type: chat.Agent, ID: "bot-1", OrgID: chat.DefaultOrg}, roles: []string{"admin"},
	},
	{
		name: "Okta", header: `{"kid":"k","alg":"RS256"}`,
		claims: `{"ver":1,"jti":"AT.0mP4JKAZX1iACIT4vbEDF7LpvDVjxypPMf0D7uX39RE","iss":"https://acme.okta.com/oauth2/default","aud":"api://default","sub":"a+b@example.org","iat":1799999990,"cid":"nmdP1fcyvdVO11AL7ECm","uid":"00ujmkLgagxeRrAg20g3","scp":["openid","email"],"auth_time":1799999990,"groups":["Everyone","Chat Admins"]`,
		names:  auth.Claims{Roles: []string{"groups"}}, issuer: "https://acme.okta.com/oauth2/default", audience: "api://default",
		want: chat.Principal{Type: chat.User, ID: "a+b@example.org", OrgID: chat.DefaultOrg}, roles: []string{"Everyone", "Chat Admins"},
	},
	{
		name: "Clerk, version 1", header: `{"alg":"RS256","cat":"cl_B7d4PD111AAA","kid":"k","typ":"JWT"}`,
		claims: `{"azp":"https://app.example.org","fva":[3,-1],"iat":1799999990,"iss":"https://clerk.example.org","nbf":1799999980,"org_id":"org_2a","org_permissions":[],"org_role":"org:admin","org_slug":"acme","sid":"sess_2b","sub":"user_2c"`,
		names:  auth.Claims{Org: []string{"org_id"}, Roles: []string{"org_role"}, Audience: []string{"azp"}}, audience: "https://app.example.org",
		want: chat.Principal{Type: chat.User, ID: "user_2c", OrgID: "org_2a"}, roles: []string{"org:admin"},
	},
	{
		name: "Clerk, version 2", header: `{"alg":"RS256","cat":"cl_B7d4PD111AAA","kid":"k","typ":"JWT"}`,
		claims: `{"azp":"https://app.example.org","fea":"o:chat","fva":[3,-1],"iat":1799999990,"iss":"https://clerk.example.org","jti":"j","nbf":1799999980,"o":{"fpm":"3","id":"org_2a","per":"manage,read","rol":"admin","slg":"acme"},"pla":"o:pro","sid":"sess_2b","sub":"user_2c","v":2`,
		names:  auth.Claims{Org: []string{"org_id", "o.id"}, Roles: []string{"org_role", "o.rol"}}, issuer: "https://clerk.example.org",
		want: chat.Principal{Type: chat.User, ID: "user_2c", OrgID: "org_2a"}, roles: []string{"admin"},
	},
}

// The tokens of common issuers work as they come, with keys from where those
// publish them.
func TestIssuers(t *testing.T) {
	i := newIssuer(t, jwks(t, keyName{&rsaKey.PublicKey, "k"}))
	for _, tt := range issuers {
		t.Run(tt.name, func(t *testing.T) {
			v := verifier(t, auth.Options{JWKSURL: i.URL, Issuer: tt.issuer, Audience: tt.audience, Claims: tt.names})
			token := sign(t, jwt.SigningMethodRS256, rsaKey, tt.header, tt.claims+`,"exp":1800003600}`)
			b, err := v.Verify(t.Context(), token)
			if err != nil || b.Principal != tt.want || !slices.Equal(b.Roles, tt.roles) {
				t.Errorf("got %+v, %v", b, err)
			}
			if !b.ExpiresAt.Equal(time.Unix(1_800_003_600, 0).Add(auth.Leeway)) {
				t.Errorf("it counts until %v", b.ExpiresAt)
			}
			requireRefused(t, verifier(t, auth.Options{JWKSURL: i.URL, Audience: "another", Claims: tt.names}), "another audience", token, chat.Unauthorized)
		})
	}
}

// A claim is found by its own name before it is taken for a path, and what could
// be read in two ways is not read at all.
func TestClaimPaths(t *testing.T) {
	user := func(names ...string) auth.Claims { return auth.Claims{User: names} }
	for _, tt := range []struct {
		claims string
		names  auth.Claims
		want   chat.PrincipalID // "": refused
		reason string
	}{
		{`"a":{"b":{"c":"u"}}`, user("a.b.c"), "u", ""},
		{`"a.b":{"c":"u"}`, user("a.b.c"), "u", ""},
		{`"a":{"b.c":"u"}`, user("a.b.c"), "u", ""},
		{`"a.b.c":"u"`, user("a.b.c"), "u", ""},
		{`"a.b.c":"u","a":{"b":"x"}`, user("a.b.c"), "u", ""},
		{`"https://x.org/id":"u"`, user("https://x.org/id"), "u", ""},
		{`"https://x.org/":{"id":"u"}`, user("https://x.org/.id"), "u", ""},
		{`"a":"u","b":"v"`, user("a", "b"), "u", ""},
		{`"b":"v"`, user("a", "b"), "v", ""},
		{`"a":null,"b":"v"`, user("a", "b"), "v", ""},
		{`"a":"u","userId":"x","sub":7`, user("a"), "u", ""},
		{`"a":"u","USERID":"x"`, user("a"), "u", ""},
		{`"a":{"b":"u"},"a.b":"v"`, user("a.b"), "", "the claim a.b can be read in two ways"},
		{`"a":{"b":"u"},"a.b":null`, user("a.b"), "u", ""},
		{`"a":{"b":"u","B":"v"}`, user("a.b"), "", "a claim is much like b, but not it"},
		{`"A":{"b":"u"}`, user("a.b"), "", "a claim is much like a, but not it"},
		{`"a":"u","B":"v"`, user("a", "b"), "", "a claim is much like b, but not it"},
		{`"a":["u"]`, user("a"), "", "the claim a is not a text"},
		{`"a":{"b":1}`, user("a.b"), "", "the claim a.b is not a text"},
		{`"a":[{"b":"u"}]`, user("a.b"), "", "the claim a.b is missing or empty"},
		{`"a":"u"`, user("a.b"), "", "the claim a.b is missing or empty"},
		{`"a":"","b":"v"`, user("a", "b"), "", "the claim a, b is missing or empty"},
		{`"sub":"u"`, user("a"), "", "the claim a is missing or empty"},
		{`"a":"u/1"`, user("a"), "", "the id of the user is not 1 to 128 characters of " + chat.IDAlphabet},
		{`"sub":"u","o":"a b"`, auth.Claims{Org: []string{"o"}}, "", "the id of the organisation is not 1 to 128 characters of " + chat.IDAlphabet},
		{`"sub":"u","type":"agent"`, auth.Claims{Agent: []string{"bot.id"}}, "", "the token of an agent lacks the claim bot.id"},
		{`"sub":"u","type":"access"`, auth.Claims{}, "", "the claim type is neither user nor agent"},
		{`"sub":"u","iat":1900000000`, auth.Claims{}, "", "the token is not valid yet: its iat is in the future"},
		{`"sub":"u","nbf":"now"`, auth.Claims{}, "", "the claim nbf is not a number"},
	} {
		v := verifier(t, auth.Options{Secret: secret, Claims: tt.names})
		b, err := v.Verify(t.Context(), hs256(t, `{`+tt.claims+`,"exp":1800003600}`))
		if b.Principal.ID != tt.want || (err == nil) != (tt.want != "") {
			t.Errorf("%s, %v: %+v, %v", tt.claims, tt.names, b, err)
		}
		if err != nil && !strings.HasSuffix(err.Error(), ": "+tt.reason) {
			t.Errorf("%s, %v: the reason is %v, want %s", tt.claims, tt.names, err, tt.reason)
		}
	}
}

// Roles are no reason to refuse anybody: what is no list of texts is none.
func TestRoles(t *testing.T) {
	for roles, want := range map[string][]string{
		`["a","b c"]`: {"a", "b c"}, `"admin"`: {"admin"}, `"not admin"`: {"not admin"}, `[]`: {}, `null`: nil, `7`: nil, `{"admin":true}`: nil, `["a",7]`: nil, `[["a"]]`: nil,
	} {
		b, err := verifier(t, auth.Options{Secret: secret}).Verify(t.Context(), hs256(t, fmt.Sprintf(`{"sub":"u","roles":%s,"exp":1800003600}`, roles)))
		if err != nil || !slices.Equal(b.Roles, want) {
			t.Errorf("%s: %q, %v", roles, b.Roles, err)
		}
	}
}

// FuzzClaimPath looks for a panic and for a principal that is none, whatever the
// names and the claims.
func FuzzClaimPath(f *testing.F) {
	for _, tt := range issuers {
		f.Add(strings.Join(append(slices.Clone(tt.names.User), tt.names.Org...), "."), tt.claims+`,"exp":1800003600}`)
	}
	f.Add("a.b.c", `{"a":{"b":{"c":"u"}},"a.b":{"c":"v"},"exp":1800003600}`)
	f.Add("....", `{"":{"":{"":{"":{"":"u"}}}},"exp":1800003600}`)
	f.Fuzz(func(t *testing.T, name, claims string) {
		v := verifier(t, auth.Options{Secret: secret, Claims: auth.Claims{User: []string{name}, Org: []string{name}, Roles: []string{name}}})
		b, err := v.Verify(t.Context(), hs256(t, claims))
		if (err == nil) != (b.Principal.Type.Valid() && chat.ValidID(b.Principal.ID) && chat.ValidID(b.Principal.OrgID)) {
			t.Errorf("%s in %s: %+v, %v", name, claims, b, err)
		}
	})
}

// Every refusal says why in the log, no two for the same reason say so by chance,
// and no client sees any of it.
func TestReasonsAreForTheLog(t *testing.T) {
	v := verifier(t, auth.Options{Secret: secret, Issuer: "iam", Audience: "chat"})
	of := map[string]string{}
	for name, token := range map[string]string{
		"algorithm": sign(t, jwt.SigningMethodHS512, secret, `{"alg":"HS512"}`, good),
		"signature": sign(t, jwt.SigningMethodHS256, []byte("another"), `{"alg":"HS256"}`, good),
		"typ":       sign(t, jwt.SigningMethodHS256, secret, `{"alg":"HS256","typ":"logout+jwt"}`, good),
		"issuer":    hs256(t, `{"sub":"u","iss":"x","aud":"chat","exp":1800003600}`),
		"audience":  hs256(t, `{"sub":"u","iss":"iam","aud":"x","exp":1800003600}`),
		"expiry":    hs256(t, `{"sub":"u","iss":"iam","aud":"chat"}`),
		"claims":    hs256(t, `[]`),
		"parts":     "x.y",
	} {
		_, err := v.Verify(t.Context(), token)
		_, reason, said := strings.Cut(fmt.Sprint(err), "a valid token is required: ")
		if !said || chat.Public(err).Message != "a valid token is required" || slices.Contains(slices.Collect(maps.Values(of)), reason) {
			t.Errorf("%s: %v", name, err)
		}
		of[name] = reason
	}
	if _, err := auth.TokenFrom(http.Header{}, nil); !strings.HasSuffix(fmt.Sprint(err), "no token is given") {
		t.Errorf("no token: %v", err)
	}
}
