package config

import (
	"net/url"
	"slices"
	"strings"
)

// Origins are the web origins whose pages may use the chat, in the forms that
// the CORS of an HTTP API takes: each as a browser writes it, or *, https://* or
// http://* for all such.
type Origins []string

// Allows reports whether a page of an origin may connect. Who names none is no
// browser.
func (o Origins) Allows(origin string) bool {
	return origin == "" || slices.ContainsFunc(o, func(allowed string) bool {
		prefix, all := strings.CutSuffix(allowed, "*")
		return allowed == origin || all && strings.HasPrefix(origin, prefix)
	})
}

func readOrigins(r *reader, c *Config) {
	c.Origins = r.listOr("ALLOWED_ORIGINS", "*")
	for _, o := range c.Origins {
		if !isOrigin(o) {
			r.fault("ALLOWED_ORIGINS", "must be origins such as https://chat.example.org, separated by commas, or *")
		}
	}
}

// isOrigin reports whether a text is an origin as browsers send it (no path, no
// slash at the end, lower case), or stands for many.
func isOrigin(s string) bool {
	if s == "*" || s == "https://*" || s == "http://*" {
		return true
	}
	u, err := url.Parse(s)
	return err == nil && u.Host != "" && !strings.Contains(u.Host, "*") && s == strings.ToLower(u.Scheme+"://"+u.Host)
}
