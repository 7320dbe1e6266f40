package template

import (
	"strings"
	"time"

	"go.yaml.in/yaml/v3"
)

// webSocketAPI reads an AWS::Serverless::WebSocketApi. Its rules are those of
// SAM's own transform.
func (p *parser) webSocketAPI(r resource) {
	api := WebSocketAPI{
		LogicalID:                r.id,
		StageName:                p.text(r.properties, "StageName", "default"),
		StageVariables:           p.textMap(r.properties, "StageVariables"),
		RouteSelectionExpression: p.text(r.properties, "RouteSelectionExpression", ""),
	}
	if api.RouteSelectionExpression == "" {
		p.fail(r.at, "the API has no RouteSelectionExpression")
	}
	if api.StageName == "$default" {
		p.fail(r.at, "a WebSocket stage cannot be named $default")
	}
	ids := map[string]string{}
	for e := range entries(p.mapping(r.properties, "Routes")) {
		id, ok := routeID(e.key)
		if !ok {
			p.fail(e.at, "the route key %q is neither alphanumeric nor $connect, $disconnect or $default", e.key)
			continue
		}
		if other, taken := ids[id]; taken {
			p.fail(e.at, "the routes %s and %s get the same logical id", other, e.key)
			continue
		}
		ids[id] = e.key
		if route, ok := p.webSocketRoute(e); ok {
			route.RouteResponse = p.responses[r.id+id+"Route"] &&
				p.text(e.value, "RouteResponseSelectionExpression", "") == "$default"
			api.Routes = append(api.Routes, route)
		}
	}
	if len(ids) == 0 {
		p.fail(r.at, "the API has no routes")
	}
	if auth := p.mapping(r.properties, "Auth"); auth != nil {
		if _, connect := ids["Connect"]; !connect {
			p.fail(auth, "authorization takes a $connect route")
		}
		api.Authorizer = p.authorizer(auth)
	}
	p.t.WebSocketAPIs = append(p.t.WebSocketAPIs, api)
}

func (p *parser) webSocketRoute(e entry) (WebSocketRoute, bool) {
	n := p.property(e.value, "FunctionArn")
	if n == nil {
		p.fail(e.at, "the route %s has no FunctionArn", e.key)
		return WebSocketRoute{}, false
	}
	function, ok := p.reference(n, "AWS::Serverless::Function", "Arn")
	return WebSocketRoute{
		Key:                e.key,
		Function:           function,
		IntegrationTimeout: time.Duration(p.number(e.value, "IntegrationTimeout", 29000, 50, 29000)) * time.Millisecond,
	}, ok
}

func (p *parser) authorizer(auth *yaml.Node) *Authorizer {
	switch kind := strings.ToUpper(p.text(auth, "AuthType", "")); kind {
	case "NONE":
		return nil
	case "CUSTOM":
	default:
		p.fail(auth, "the AuthType %q is not emulated", kind)
		return nil
	}
	n := p.property(auth, "AuthArn")
	if n == nil {
		p.fail(auth, "AuthType CUSTOM takes an AuthArn")
		return nil
	}
	function, _ := p.reference(n, "AWS::Serverless::Function", "Arn")
	return &Authorizer{Function: function, IdentitySource: p.texts(auth, "IdentitySource")}
}

// routeID is the part of a logical id that SAM makes of a route key: without $,
// and in Python's capitalize() form, so that keys which differ in case alone
// collide.
func routeID(key string) (string, bool) {
	switch key {
	case "$connect", "$disconnect", "$default":
		key = key[1:]
	case "":
		return "", false
	}
	for _, c := range []byte(key) {
		if !(c >= '0' && c <= '9' || c >= 'A' && c <= 'Z' || c >= 'a' && c <= 'z') {
			return "", false
		}
	}
	return strings.ToUpper(key[:1]) + strings.ToLower(key[1:]), true
}

// routeResponse reads an AWS::ApiGatewayV2::RouteResponse. SAM makes none, so
// it refers to the route by the logical id that SAM generates.
func (p *parser) routeResponse(r resource) {
	if n := p.property(r.properties, "RouteId"); n != nil {
		_, arg := intrinsic(n)
		p.responses[arg.Value] = true
	}
}
