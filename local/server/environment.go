package server

import (
	"maps"
	"net"
	"strings"

	"aiwm-chat/local/aws/account"
	"aiwm-chat/local/aws/template"
)

// Environment returns the variables of every function, by its logical id, with
// the secret of this machine among them: what functions that are invoked
// elsewhere must be given so that they find what is here.
func (s *Server) Environment() (map[string]map[string]string, error) {
	all := map[string]map[string]string{}
	for _, f := range s.template.Functions {
		var err error
		if all[f.LogicalID], err = s.environment(f.LogicalID); err != nil {
			return nil, err
		}
	}
	return all, nil
}

// environment returns the variables of a function as the template has them,
// with everything that is elsewhere on AWS replaced by what is here.
func (s *Server) environment(function string) (map[string]string, error) {
	env, err := s.template.Environment(function, template.Resolver{
		Values:    s.values(),
		Variables: s.overrides(function),
	})
	if err != nil {
		return nil, err
	}
	here := s.here()
	for name, value := range env {
		env[name] = here.Replace(value)
	}
	if s.secrets != nil {
		s.secrets.hide(env, s.template.Variables(function), "http://"+s.reach(s.secrets.listener.Addr().String()))
	}
	env["AWS_ENDPOINT_URL_S3"] = "http://" + s.reach(s.listener.Addr().String())
	env["AWS_REGION"] = account.Region
	env["AWS_ACCESS_KEY_ID"], env["AWS_SECRET_ACCESS_KEY"], env["AWS_SESSION_TOKEN"] = accessKey, secretKey, sessionToken
	return env, nil
}

// The credentials that functions are given, and with which @connections checks
// their signatures: no secrets, for they are the same everywhere.
const (
	accessKey    = "local"
	secretKey    = "local"
	sessionToken = "local"
)

// overrides are the variables that differ from the template's: where things
// are on this machine, and whatever the user's own environment sets.
func (s *Server) overrides(function string) map[string]string {
	o := map[string]string{
		"MONGODB_URI": s.databases.mongoURI, "MONGODB_DB": s.databases.mongoDB,
		"REDIS_ADDR": s.databases.redisAddr, "REDIS_TLS": "false",
	}
	if s.stage != "" {
		o["CONNECTIONS_URL"] = "http://" + s.reach(s.listener.Addr().String()) + "/" + s.stage
	}
	if m := s.databases.mongo; m != nil {
		o["MONGODB_URI"] = strings.Replace(m.URI(), m.Addr(), s.reach(m.Addr()), 1)
	}
	if s.databases.redis != nil {
		o["REDIS_ADDR"] = s.reach(s.databases.redisAddr)
	}
	if s.ownKeys() {
		o["JWT_SECRET"] = string(s.options.Secret)
	}
	maps.Copy(o, s.agentVariables())
	for _, name := range s.template.Variables(function) {
		_, ours := o[name]
		if value := s.options.Getenv(name); value != "" && (!ours || name == "REDIS_TLS") {
			o[name] = value
		}
	}
	return o
}

// reach is the address at which functions find what listens on addr here.
func (s *Server) reach(addr string) string {
	_, port, err := net.SplitHostPort(addr)
	if err != nil || s.options.Host == "" {
		return addr
	}
	return net.JoinHostPort(s.options.Host, port)
}

// ownKeys reports whether tokens are signed with the secret of this machine.
func (s *Server) ownKeys() bool {
	for _, name := range []string{"JWT_SECRET", "JWT_PUBLIC_KEY", "JWT_JWKS_URL"} {
		if strings.TrimSpace(s.options.Getenv(name)) != "" {
			return false
		}
	}
	return true
}
