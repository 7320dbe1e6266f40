package template

import (
	"slices"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"
)

// implicitAPI is the API that SAM makes for HttpApi events that name none.
const implicitAPI = "ServerlessHttpApi"

// httpAPI reads an AWS::Serverless::HttpApi. Its routes come from the events of
// functions.
func (p *parser) httpAPI(r resource) {
	p.t.HTTPAPIs = append(p.t.HTTPAPIs, HTTPAPI{
		LogicalID:      r.id,
		StageName:      p.text(r.properties, "StageName", "$default"),
		StageVariables: p.textMap(r.properties, "StageVariables"),
		CORS:           p.cors(r),
	})
}

func (p *parser) cors(r resource) *CORS {
	n := p.property(r.properties, "CorsConfiguration")
	if n == nil || n.Value == "false" {
		return nil
	}
	if n.Value == "true" { // SAM's short form
		return &CORS{AllowOrigins: []string{"*"}}
	}
	c := p.mapping(r.properties, "CorsConfiguration")
	cors := &CORS{
		AllowOrigins:     p.texts(c, "AllowOrigins"),
		AllowMethods:     p.texts(c, "AllowMethods"),
		AllowHeaders:     p.texts(c, "AllowHeaders"),
		ExposeHeaders:    p.texts(c, "ExposeHeaders"),
		AllowCredentials: p.flag(c, "AllowCredentials", false),
		MaxAge:           p.seconds(c, "MaxAge", 0, -1, 86400),
	}
	// API Gateway: "allow-credentials is not supported if 'allow-origin' is *".
	if cors.AllowCredentials && slices.Contains(cors.AllowOrigins, "*") {
		p.fail(n, "AllowCredentials is not possible with the origin *")
	}
	return cors
}

// httpEvent reads a function's event of type HttpApi, which is one route.
func (p *parser) httpEvent(f Function, e entry) {
	properties := p.mapping(e.value, "Properties")
	if v := p.text(properties, "PayloadFormatVersion", "2.0"); v != "2.0" {
		p.fail(e.at, "payload format %s is not emulated", v)
	}
	route := HTTPRoute{
		Method:             strings.ToUpper(p.text(properties, "Method", "")),
		Path:               p.text(properties, "Path", ""),
		Function:           f.LogicalID,
		IntegrationTimeout: time.Duration(p.number(properties, "TimeoutInMillis", 30000, 50, 30000)) * time.Millisecond,
	}
	switch route.Method {
	case "*", "X-AMAZON-APIGATEWAY-ANY-METHOD":
		route.Method = "ANY"
	}
	switch {
	case route.Method == "" && route.Path == "": // SAM: the event without either catches everything
		route.Method, route.Path = "ANY", "$default"
	case route.Method == "" || route.Path == "":
		p.fail(e.at, "the event %s takes a Method and a Path, or neither", e.key)
		return
	case !strings.HasPrefix(route.Path, "/") && route.Path != "$default":
		p.fail(e.at, "the path %q does not begin with /", route.Path)
		return
	}
	api := p.apiOf(properties)
	if api == nil {
		return
	}
	for _, other := range api.Routes {
		if other.Method == route.Method && other.Path == route.Path {
			p.fail(e.at, "the route %s %s is given twice: to %s and %s", route.Method, route.Path, other.Function, f.LogicalID)
			return
		}
	}
	api.Routes = append(api.Routes, route)
}

// hasImplicitAPI tells whether an event makes SAM add an API, before any is
// read: a variable may refer to it.
func (p *parser) hasImplicitAPI() bool {
	for r := range entries(member(p.root, "Resources")) {
		for e := range entries(member(member(r.value, "Properties"), "Events")) {
			if t := member(e.value, "Type"); t != nil && t.Value == "HttpApi" && member(member(e.value, "Properties"), "ApiId") == nil {
				return true
			}
		}
	}
	return false
}

// apiOf finds the API an event belongs to; the implicit one begins to exist
// with its first event.
func (p *parser) apiOf(properties *yaml.Node) *HTTPAPI {
	id := implicitAPI
	if n := p.property(properties, "ApiId"); n != nil {
		var ok bool
		if id, ok = p.reference(n, "AWS::Serverless::HttpApi", ""); !ok {
			return nil
		}
	}
	i := slices.IndexFunc(p.t.HTTPAPIs, func(a HTTPAPI) bool { return a.LogicalID == id })
	if i < 0 {
		p.httpAPI(resource{id: id, properties: member(member(p.root, "Globals"), "HttpApi")})
		i = len(p.t.HTTPAPIs) - 1
	}
	return &p.t.HTTPAPIs[i]
}
