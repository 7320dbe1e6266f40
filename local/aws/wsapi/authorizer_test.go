package wsapi

import (
	"strings"
	"testing"
)

func TestAuthorizerPolicy(t *testing.T) {
	const arn = "arn:aws:execute-api:us-east-1:1:api/prod/$connect"
	statements := func(list string) string {
		return `{"principalId":"u","policyDocument":{"Version":"2012-10-17","Statement":[` + list + `]}}`
	}
	for _, c := range []struct{ name, result, want string }{
		{"allow all", statements(`{"Effect":"Allow","Action":"execute-api:Invoke","Resource":"*"}`), "allow"},
		{"allow the very resource", statements(`{"Effect":"Allow","Action":"execute-api:Invoke","Resource":"` + arn + `"}`), "allow"},
		{"lists", statements(`{"Effect":"Allow","Action":["x:Y","execute-api:*"],"Resource":["arn:a","arn:aws:execute-api:*:*:api/prod/*"]}`), "allow"},
		{"action is not case-sensitive", statements(`{"Effect":"Allow","Action":"Execute-API:invoke","Resource":"*"}`), "allow"},
		{"question mark", statements(`{"Effect":"Allow","Action":"*","Resource":"arn:aws:execute-api:us-east-?:1:api/prod/?connect"}`), "allow"},
		{"resource is case-sensitive", statements(`{"Effect":"Allow","Action":"*","Resource":"` + strings.ToUpper(arn) + `"}`), "deny"},
		{"another stage", statements(`{"Effect":"Allow","Action":"*","Resource":"arn:aws:execute-api:us-east-1:1:api/dev/*"}`), "deny"},
		{"another action", statements(`{"Effect":"Allow","Action":"execute-api:ManageConnections","Resource":"*"}`), "deny"},
		{"explicit deny wins", statements(`{"Effect":"Allow","Action":"*","Resource":"*"},{"Effect":"Deny","Action":"*","Resource":"*/$connect"}`), "deny"},
		{"a deny of something else does not", statements(`{"Effect":"Deny","Action":"*","Resource":"*/$other"},{"Effect":"Allow","Action":"*","Resource":"*"}`), "allow"},
		{"unknown effect", statements(`{"Effect":"allow","Action":"*","Resource":"*"}`), "malformed"},
		{"no action", statements(`{"Effect":"Allow","Resource":"*"}`), "malformed"},
		{"no statement", statements(``), "malformed"},
		{"condition", statements(`{"Effect":"Allow","Action":"*","Resource":"*","Condition":{"Bool":{"a":"true"}}}`), "malformed"},
		{"no principal", `{"policyDocument":{"Statement":[{"Effect":"Allow","Action":"*","Resource":"*"}]}}`, "malformed"},
		{"no policy", `{"principalId":"u"}`, "malformed"},
		{"an object in the context", `{"principalId":"u","context":{"a":{}},"policyDocument":{"Statement":[{"Effect":"Allow","Action":"*","Resource":"*"}]}}`, "malformed"},
		{"no JSON", `yes`, "malformed"},
		{"[D] more than 8 KB", statements(`{"Effect":"Allow","Action":"*","Resource":"*"}`) + strings.Repeat(" ", 8<<10), "malformed"},
	} {
		t.Run(c.name, func(t *testing.T) {
			got := "deny"
			if r, err := parseAuthorizerResult([]byte(c.result)); err != nil {
				got = "malformed"
			} else if r.allows(arn) {
				got = "allow"
			}
			if got != c.want {
				t.Errorf("%s, want %s", got, c.want)
			}
		})
	}
}

func TestLike(t *testing.T) {
	for _, c := range []struct {
		pattern, s string
		want       bool
	}{
		{"", "", true}, {"", "a", false}, {"*", "", true}, {"a*c", "abbc", true}, {"a*c", "abb", false}, {"*b*", "abc", true}, {"a?c", "abc", true},
		{"a?c", "ac", false}, {"**a", "ba", true}, {"a*b*c", "aXbYbZc", true}, {"abc", "ab", false}, {"ab*", "ab", true},
	} {
		if got := like(c.pattern, c.s); got != c.want {
			t.Errorf("like(%q, %q) = %v", c.pattern, c.s, got)
		}
	}
}
