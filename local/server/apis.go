package server

import (
	"log/slog"
	"net/http"
	"strings"
	"time"

	"aiwm-chat/local/aws/httpapi"
	"aiwm-chat/local/aws/template"
	"aiwm-chat/local/aws/wsapi"
)

// serve mounts the emulated APIs on the listener.
func (s *Server) serve() error {
	var connect, management http.Handler
	var api *httpapi.Handler // nil: the template has none
	var err error
	for _, api := range s.template.WebSocketAPIs {
		if s.websocket, err = s.newWebSocketAPI(api); err != nil {
			return err
		}
		connect, management = s.websocket.ConnectHandler(), s.websocket.ManagementHandler()
	}
	rest := http.Handler(http.HandlerFunc(notFound))
	for _, a := range s.template.HTTPAPIs {
		if api, err = s.newHTTPAPI(a); err != nil {
			return err
		}
		rest = api
		if s.websocket != nil {
			var warnings []string
			s.shared, warnings = collisions(a, s.stage)
			for _, w := range warnings {
				s.options.Logger.Warn(s.options.Template + ": " + w)
			}
		}
	}
	s.openPages(api)
	s.http = &http.Server{
		Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			switch {
			case s.websocket != nil && wsapi.IsManagement(r):
				management.ServeHTTP(w, r)
			case s.isWebSocket(r):
				connect.ServeHTTP(w, r)
			case s.bucket(r) != nil && routeOf(api, r) == "":
				s.bucket(r).ServeHTTP(w, r)
			case s.page(r) != nil && routeOf(api, r) == "":
				s.page(r).ServeHTTP(w, r)
			default:
				s.meter.requests.Add(1)
				rest.ServeHTTP(w, r)
			}
		}),
		ReadHeaderTimeout: 10 * time.Second,
		ReadTimeout:       s.options.ReadTimeout,
		IdleTimeout:       2 * time.Minute,
		ErrorLog:          slog.NewLogLogger(s.options.Logger.Handler(), slog.LevelDebug),
	}
	listener := wsapi.KeepHeaderCase(s.http, s.listener)
	go func() { s.served <- s.http.Serve(listener) }()
	return nil
}

// notFound answers where the template has no HTTP API, as one without routes.
func notFound(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(http.StatusNotFound)
	_, _ = w.Write([]byte(`{"message":"Not Found"}`))
}

func (s *Server) newHTTPAPI(api template.HTTPAPI) (*httpapi.Handler, error) {
	o := httpapi.Options{
		APIID: httpID, Stage: api.StageName, StageVariables: api.StageVariables,
		Logger: s.options.Logger, Unproven: s.options.Unproven.HTTP,
	}
	for _, r := range api.Routes {
		o.Routes = append(o.Routes, httpapi.Route{Method: r.Method, Path: r.Path, Function: r.Function, Timeout: r.IntegrationTimeout})
	}
	if c := api.CORS; c != nil {
		origins := c.AllowOrigins
		if own := s.options.Getenv("ALLOWED_ORIGINS"); own != "" { // both APIs obey it
			origins = strings.FieldsFunc(own, func(r rune) bool { return r == ',' || r == ' ' })
		}
		o.CORS = &httpapi.CORS{
			AllowOrigins: origins, AllowMethods: c.AllowMethods, AllowHeaders: c.AllowHeaders,
			ExposeHeaders: c.ExposeHeaders, AllowCredentials: c.AllowCredentials, MaxAge: c.MaxAge,
		}
	}
	return httpapi.New(o, s.invoker)
}

func (s *Server) newWebSocketAPI(api template.WebSocketAPI) (*wsapi.API, error) {
	o := wsapi.Options{
		APIID: webSocketID, Stage: api.StageName, MappingKey: mappingKey,
		RouteSelectionExpression: api.RouteSelectionExpression, StageVariables: api.StageVariables,
		IdleTimeout: s.scaled(10 * time.Minute), MaxDuration: s.scaled(2 * time.Hour),
		Unproven: s.options.Unproven.WebSocket, Faults: s.options.Faults, Logger: s.options.Logger,
	}
	if s.options.Lambda == "" { // elsewhere functions sign with keys of their own
		o.SigningKeys = map[string]wsapi.SigningKey{accessKey: {Secret: secretKey, Token: sessionToken}}
	}
	if a := api.Authorizer; a != nil {
		o.Authorizer, o.IdentitySource = a.Function, a.IdentitySource
	}
	for _, r := range api.Routes {
		o.Routes = append(o.Routes, wsapi.Route{Key: r.Key, Function: r.Function, RouteResponse: r.RouteResponse, Timeout: r.IntegrationTimeout})
	}
	return wsapi.New(o, s.invoker)
}
