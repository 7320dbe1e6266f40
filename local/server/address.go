package server

import (
	"fmt"
	"net/http"
	"path"
	"strings"

	"aiwm-chat/local/aws/account"
	"aiwm-chat/local/aws/lambda"
	"aiwm-chat/local/aws/template"
)

// The ids that the APIs have here, where AWS makes some up.
const (
	webSocketID = "localws000"
	httpID      = "localhttp0"
)

// apiHost is the host of an API on AWS.
func apiHost(id string) string { return id + ".execute-api." + account.Region + ".amazonaws.com" }

// values are what the template's references to APIs and functions stand for.
func (s *Server) values() map[string]string {
	values := s.queues.values(s.template, s.reach(s.queues.addr()))
	for _, a := range s.template.WebSocketAPIs {
		values[a.LogicalID], values[a.LogicalID+".ApiEndpoint"] = webSocketID, "wss://"+apiHost(webSocketID)
	}
	for _, a := range s.template.HTTPAPIs {
		values[a.LogicalID], values[a.LogicalID+".ApiEndpoint"] = httpID, "https://"+apiHost(httpID)
	}
	for _, b := range s.template.Buckets {
		values[b.LogicalID], values[b.LogicalID+".Arn"] = b.Name, "arn:aws:s3:::"+b.Name
	}
	for _, f := range s.template.Functions {
		values[f.LogicalID], values[f.LogicalID+".Arn"], values[f.LogicalID+".Alias"] = f.LogicalID, lambda.ARN(f.LogicalID), lambda.ARN(f.LogicalID)
	}
	return values
}

// here replaces the addresses that the APIs have on AWS, in whatever variable a
// function wants them, with this server's.
func (s *Server) here() *strings.Replacer {
	addr := s.reach(s.listener.Addr().String())
	var pairs []string
	for _, id := range []string{webSocketID, httpID} {
		host := apiHost(id)
		pairs = append(pairs, "https://"+host, "http://"+addr, "wss://"+host, "ws://"+addr, host, addr)
	}
	return strings.NewReplacer(pairs...)
}

// mappingKey is the path under which the WebSocket API is found without its
// stage, as behind a custom domain.
const mappingKey = "ws"

// isWebSocket reports whether a request is the WebSocket API's. On AWS the two
// APIs have hosts of their own; here a path that both have is the HTTP API's
// for those who do not ask for an upgrade.
func (s *Server) isWebSocket(r *http.Request) bool {
	if s.websocket == nil {
		return false
	}
	name := strings.Trim(r.URL.Path, "/")
	return strings.EqualFold(r.Header.Get("Upgrade"), "websocket") || (name == mappingKey || name == s.stage) && !s.shared[name]
}

// collisions finds the HTTP routes at paths of the WebSocket API. Shared are
// the paths that a route names; warnings tell what becomes of each.
func collisions(api template.HTTPAPI, stage string) (shared map[string]bool, warnings []string) {
	shared = map[string]bool{}
	for _, r := range api.Routes {
		route := "the HTTP route " + r.Method + " " + r.Path
		if path.Base(path.Dir(r.Path)) == "@connections" {
			warnings = append(warnings, route+" is never reached: the WebSocket API's @connections is there")
		}
		for _, name := range []string{mappingKey, stage} {
			switch at := "/" + name; {
			case api.StageName == "$default" && r.Path == at, api.StageName == name && r.Path == "/":
				shared[name] = true
				warnings = append(warnings, fmt.Sprintf("%s shares %s with the WebSocket API, which gets what asks for an upgrade", route, at))
			case api.StageName == "$default" && coversName(r.Path):
				warnings = append(warnings, fmt.Sprintf("%s does not get %s: the WebSocket API is there", route, at))
			}
		}
	}
	return shared, warnings
}

// coversName tells whether a route matches paths of one segment, whatever it
// is.
func coversName(route string) bool {
	name, variable := strings.CutPrefix(route, "/{")
	return route == "$default" || variable && strings.IndexByte(name, '}') == len(name)-1
}
