package server

import (
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"

	"aiwm-chat/local/aws/httpapi"
)

// openPages makes the pages, and tells of those that nobody will see: on AWS they are
// nowhere, so whatever the template has at their paths goes before them.
func (s *Server) openPages(api *httpapi.Handler) {
	s.pages = map[string]http.Handler{metricsPath: http.HandlerFunc(s.serveMetrics)}
	var routes []string
	for _, a := range s.template.HTTPAPIs {
		for _, r := range a.Routes {
			routes = append(routes, strings.TrimPrefix(r.Method+" "+r.Path, " "))
		}
	}
	if s.options.Pages != nil {
		maps.Copy(s.pages, s.options.Pages(s, routes))
	}
	for _, key := range slices.Sorted(maps.Keys(s.pages)) {
		if why := s.hides(api, key); why != "" {
			s.options.Logger.Warn(fmt.Sprintf("%s: %s is not shown: %s is there", s.options.Template, key, why))
			delete(s.pages, key)
		}
	}
}

// methodAndPath takes the key of a page apart: a path is of GET.
func methodAndPath(key string) (method, path string) {
	if method, path, other := strings.Cut(key, " "); other {
		return method, path
	}
	return http.MethodGet, key
}

// hides says what of the template is at the path of a page.
func (s *Server) hides(api *httpapi.Handler, key string) string {
	method, path := methodAndPath(key)
	if name := strings.Trim(path, "/"); s.websocket != nil && (name == mappingKey || name == s.stage) {
		return "the WebSocket API"
	}
	if api != nil {
		if key := api.RouteKey(method, path); key != "" {
			return "the HTTP route " + key
		}
	}
	return ""
}

// page is the handler of a page, nil where there is none. One whose path ends in a slash
// has all below it, but for the root.
func (s *Server) page(r *http.Request) http.Handler {
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		return s.pages[r.Method+" "+r.URL.Path]
	}
	if page := s.pages[r.URL.Path]; page != nil {
		return page
	}
	for path, page := range s.pages {
		if path != "/" && strings.HasSuffix(path, "/") && strings.HasPrefix(r.URL.Path, path) {
			return page
		}
	}
	return nil
}

func routeOf(api *httpapi.Handler, r *http.Request) string {
	if api == nil {
		return ""
	}
	return api.RouteKey(r.Method, r.URL.Path)
}

// Shows reports whether there is a page at a path.
func (s *Server) Shows(path string) bool { return s.pages[path] != nil }
