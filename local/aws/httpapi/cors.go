package httpapi

import (
	"net/http"
	"slices"
	"strconv"
	"strings"
)

// isPreflight says whether a request asks for permission: without both headers
// OPTIONS is a method like others.
func isPreflight(r *http.Request) bool {
	return r.Method == http.MethodOptions && r.Header.Get("Origin") != "" && r.Header.Get("Access-Control-Request-Method") != ""
}

// preflight is the gateway's own answer, for any path: with no headers if the
// origin is not allowed, and otherwise with all that is configured, whatever
// was asked for. The browser compares.
func (c *CORS) preflight(origin string) response {
	resp := response{status: http.StatusNoContent, header: http.Header{}}
	if !c.allows(origin) {
		return resp
	}
	set := func(name string, values []string) {
		if len(values) > 0 {
			resp.header.Set(name, strings.Join(values, ","))
		}
	}
	set("Access-Control-Allow-Methods", c.AllowMethods)
	set("Access-Control-Allow-Headers", c.AllowHeaders)
	if c.MaxAge != 0 {
		resp.header.Set("Access-Control-Max-Age", strconv.Itoa(int(c.MaxAge.Seconds())))
	}
	return resp
}

// apply makes the CORS headers of any response the configured ones.
func (c *CORS) apply(h http.Header, origin string) {
	if !c.allows(origin) {
		return
	}
	if slices.Contains(c.AllowOrigins, "*") {
		origin = "*"
	}
	h.Set("Access-Control-Allow-Origin", origin)
	if c.AllowCredentials {
		h.Set("Access-Control-Allow-Credentials", "true")
	}
	if len(c.ExposeHeaders) > 0 {
		h.Set("Access-Control-Expose-Headers", strings.Join(c.ExposeHeaders, ","))
	}
}

// allows compares an origin with the configured ones; "https://*" stands for
// any origin that begins so.
func (c *CORS) allows(origin string) bool {
	if origin == "" {
		return false
	}
	return slices.ContainsFunc(c.AllowOrigins, func(allowed string) bool {
		if prefix, ok := strings.CutSuffix(allowed, "*"); ok {
			return strings.HasPrefix(origin, prefix)
		}
		return allowed == origin
	})
}

// drop takes away the CORS headers a function returned: with a CORS
// configuration the gateway ignores them.
func (c *CORS) drop(h http.Header) {
	for _, name := range []string{"Allow-Origin", "Allow-Methods", "Allow-Headers", "Allow-Credentials", "Expose-Headers", "Max-Age"} {
		delete(h, "Access-Control-"+name)
	}
}
