package main

import (
	"slices"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"

	"aiwm-chat/shared/config"
)

// holds decides a function of CloudFormation's Rules for parameters.
func holds(t *testing.T, n *yaml.Node, parameters map[string]string) bool {
	t.Helper()
	of := func(n *yaml.Node) string {
		if n.Tag == "!Ref" {
			value, ok := parameters[n.Value]
			if !ok {
				t.Fatalf("line %d: there is no parameter %s", n.Line, n.Value)
			}
			return value
		}
		return n.Value
	}
	var truths []bool
	if n.Tag == "!And" || n.Tag == "!Or" || n.Tag == "!Not" {
		for _, c := range n.Content {
			truths = append(truths, holds(t, c, parameters))
		}
	}
	switch n.Tag {
	case "!Equals":
		return of(n.Content[0]) == of(n.Content[1])
	case "!Contains":
		return slices.ContainsFunc(n.Content[0].Content, func(c *yaml.Node) bool { return of(c) == of(n.Content[1]) })
	case "!Not":
		return !truths[0]
	case "!And", "!Or":
		if len(truths) < 2 || len(truths) > 10 { // CloudFormation takes no others
			t.Fatalf("line %d: %d conditions", n.Line, len(truths))
		}
		if n.Tag == "!Or" {
			return slices.Contains(truths, true)
		}
		return !slices.Contains(truths, false)
	}
	t.Fatalf("line %d: %s is no function of rules", n.Line, n.Tag)
	return false
}

// refusals are the sentences with which CloudFormation refuses parameters.
func refusals(t *testing.T, d document, given map[string]string) (said []string) {
	t.Helper()
	parameters := map[string]string{}
	for name, p := range d.Parameters {
		parameters[name] = p.Default
	}
	for name, value := range given {
		parameters[name] = value
	}
	for _, rule := range d.Rules {
		if rule.Condition.Kind != 0 && !holds(t, &rule.Condition, parameters) {
			continue
		}
		for _, a := range rule.Assertions {
			if !holds(t, &a.Assert, parameters) {
				said = append(said, a.Description)
			}
		}
	}
	slices.Sort(said)
	return said
}

const (
	someARN = "arn:aws:secretsmanager:eu-west-1:123456789012:secret:chat/x-AbCdEf"
	somePEM = "-----BEGIN PUBLIC KEY-----\nMCow\n-----END PUBLIC KEY-----\n"
	someURL = "https://iam.example.org/jwks"
)

// What does not go together is refused before anything is deployed.
func TestRules(t *testing.T) {
	d := readDocument(t)
	for name, tt := range map[string]struct {
		given map[string]string
		want  string // a part of the one sentence; "" is none
	}{
		"enough":             {nil, ""},
		"no MongoDB":         {map[string]string{"MongodbUriArn": ""}, "There is no MongoDB"},
		"plain text":         {map[string]string{"MongodbUriArn": "", "MongodbUri": "mongodb://h"}, "MongodbUri is plain text"},
		"plain, allowed":     {map[string]string{"MongodbUriArn": "", "MongodbUri": "mongodb://h", "PlainSecrets": "allowed"}, ""},
		"a secret twice":     {map[string]string{"JwtSecret": strings.Repeat("x", 32), "PlainSecrets": "allowed"}, "Give JwtSecretArn or JwtSecret"},
		"no key":             {map[string]string{"JwtSecretArn": ""}, "No token could be verified"},
		"two public keys":    {map[string]string{"JwtPublicKey": somePEM, "JwtJwksUrl": someURL}, "Give JwtPublicKey or JwtJwksUrl"},
		"half a VPC":         {map[string]string{"SubnetIds": "subnet-1"}, "Give both SubnetIds"},
		"a VPC":              {map[string]string{"SubnetIds": "subnet-1", "SecurityGroupIds": "sg-1"}, ""},
		"no certificate":     {map[string]string{"HttpDomainName": "a.example.org"}, "need CertificateArn"},
		"one domain":         {map[string]string{"HttpDomainName": "a.example.org", "WebSocketDomainName": "a.example.org", "CertificateArn": "arn"}, "must differ"},
		"HS256":              {map[string]string{"JwtAlgorithms": "HS256"}, ""},
		"RS256 of a secret":  {map[string]string{"JwtAlgorithms": "RS256"}, "They need JwtPublicKey or JwtJwksUrl"},
		"HS256 of a JWKS":    {map[string]string{"JwtSecretArn": "", "JwtJwksUrl": someURL, "JwtAlgorithms": "RS256,HS256"}, "HS256 needs JwtSecretArn"},
		"all of a JWKS":      {map[string]string{"JwtSecretArn": "", "JwtJwksUrl": someURL, "JwtAlgorithms": "EdDSA,RS256,ES256"}, ""},
		"two of one key":     {map[string]string{"JwtPublicKey": somePEM, "JwtAlgorithms": "RS256,ES256"}, "is one key"},
		"one and the secret": {map[string]string{"JwtPublicKey": somePEM, "JwtAlgorithms": "RS256,HS256"}, ""},
	} {
		given := map[string]string{"MongodbUriArn": someARN, "JwtSecretArn": someARN, "RedisAddress": "r:6379"}
		for parameter, value := range tt.given {
			given[parameter] = value
		}
		said := refusals(t, d, given)
		if tt.want == "" && len(said) > 0 || tt.want != "" && (len(said) != 1 || !strings.Contains(said[0], tt.want)) {
			t.Errorf("%s: %q", name, said)
		}
	}
}

// Of keys and algorithms the rules refuse what a function would not start with, and
// nothing else.
func TestAlgorithmsOfRulesAndFunctions(t *testing.T) {
	d := readDocument(t)
	names := []string{"HS256", "RS256", "ES256", "EdDSA"}
	lists := []string{""}
	for _, a := range names {
		lists = append(lists, a)
		for _, b := range names {
			if a != b {
				lists = append(lists, a+","+b)
			}
		}
	}
	lists = append(lists, "RS256,EdDSA,ES256", "ES256,HS256,RS256,EdDSA")
	for _, keys := range []map[string]string{
		{"JwtSecret": strings.Repeat("x", 32)}, {"JwtJwksUrl": someURL}, {"JwtPublicKey": somePEM},
		{"JwtSecret": strings.Repeat("x", 32), "JwtJwksUrl": someURL}, {"JwtSecret": strings.Repeat("x", 32), "JwtPublicKey": somePEM},
	} {
		for _, list := range lists {
			given := map[string]string{"MongodbUriArn": someARN, "RedisAddress": "r:6379", "PlainSecrets": "allowed", "JwtAlgorithms": list}
			for name, value := range keys {
				given[name] = value
			}
			said := refusals(t, d, given)
			env := map[string]string{
				"JWT_SECRET": given["JwtSecret"], "JWT_JWKS_URL": given["JwtJwksUrl"], "JWT_PUBLIC_KEY": given["JwtPublicKey"], "JWT_ALGORITHMS": list,
			}
			_, err := config.Load(func(name string) string { return env[name] }, config.JWT)
			several := given["JwtPublicKey"] != "" && strings.Count(strings.ReplaceAll(","+list, ",HS256", ""), ",") > 1
			if refused := len(said) > 0; refused != (err != nil || several) {
				t.Errorf("%v with %q: the rules say %q, the function %v", keys, list, said, err)
			}
		}
	}
}
