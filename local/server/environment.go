package server

import (
	"strings"

	"aiwm-chat/local/template"
)

// What the functions see of an account that nobody owns.
const (
	region    = "us-east-1"
	accountID = "123456789012"
)

// environment returns the variables of a function as the template has them,
// with everything that is elsewhere on AWS replaced by what is here.
func (s *Server) environment(function string) (map[string]string, error) {
	env, err := s.template.Environment(function, template.Resolver{
		Values:    s.queues.values(s.template),
		Variables: s.overrides(function),
	})
	if err != nil {
		return nil, err
	}
	env["AWS_REGION"] = region
	env["AWS_ACCESS_KEY_ID"] = "local"
	env["AWS_SECRET_ACCESS_KEY"] = "local"
	env["AWS_ENDPOINT_URL_SQS"] = s.queues.url
	return env, nil
}

// overrides are the variables that differ from the template's: where things
// are on this machine, and whatever the user's own environment sets.
func (s *Server) overrides(function string) map[string]string {
	o := map[string]string{
		"MONGODB_URI": s.databases.mongoURI, "MONGODB_DB": s.databases.mongoDB,
		"REDIS_ADDR": s.databases.redisAddr, "REDIS_TLS": "false",
		"CONNECTIONS_URL": s.ConnectionsURL(),
	}
	if s.ownKeys() {
		o["JWT_SECRET"] = string(s.options.Secret)
	}
	for _, name := range s.template.Variables(function) {
		_, ours := o[name]
		if value := s.options.Getenv(name); value != "" && (!ours || name == "REDIS_TLS") {
			o[name] = value
		}
	}
	return o
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
