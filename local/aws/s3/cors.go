package s3

import (
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
)

// A CORSRule lets pages of some origins use the bucket.
type CORSRule struct {
	Origins, Methods, Headers, Expose []string // a star in an origin or a header stands for anything
	MaxAge                            time.Duration
}

func (c CORSRule) allows(origin, method string, headers []string) bool {
	if !slices.ContainsFunc(c.Origins, func(o string) bool { return matches(o, origin) }) || !slices.Contains(c.Methods, method) {
		return false
	}
	return !slices.ContainsFunc(headers, func(h string) bool {
		return !slices.ContainsFunc(c.Headers, func(allowed string) bool { return matches(strings.ToLower(allowed), h) })
	})
}

func matches(pattern, s string) bool {
	before, after, star := strings.Cut(pattern, "*")
	if !star {
		return pattern == s
	}
	return len(s) >= len(before)+len(after) && strings.HasPrefix(s, before) && strings.HasSuffix(s, after)
}

// cors adds what browsers ask for, and answers a preflight: done says so.
func (b *Bucket) cors(w http.ResponseWriter, r *http.Request) (done bool) {
	origin := r.Header.Get("Origin")
	preflight := r.Method == http.MethodOptions
	method, headers := r.Method, []string(nil)
	if preflight {
		method = r.Header.Get("Access-Control-Request-Method")
		for h := range strings.SplitSeq(r.Header.Get("Access-Control-Request-Headers"), ",") {
			if h = strings.ToLower(strings.TrimSpace(h)); h != "" {
				headers = append(headers, h)
			}
		}
	}
	i := slices.IndexFunc(b.options.CORS, func(c CORSRule) bool { return origin != "" && c.allows(origin, method, headers) })
	if i < 0 {
		if preflight {
			http.Error(w, "AccessForbidden: CORSResponse: This CORS request is not allowed.", http.StatusForbidden)
		}
		return preflight
	}
	rule, h := b.options.CORS[i], w.Header()
	h.Add("Vary", "Origin, Access-Control-Request-Headers, Access-Control-Request-Method")
	h.Set("Access-Control-Allow-Origin", origin)
	if slices.Contains(rule.Origins, "*") {
		h.Set("Access-Control-Allow-Origin", "*")
	}
	h.Set("Access-Control-Allow-Methods", strings.Join(rule.Methods, ", "))
	if len(rule.Expose) > 0 {
		h.Set("Access-Control-Expose-Headers", strings.Join(rule.Expose, ", "))
	}
	if preflight {
		h.Set("Access-Control-Allow-Headers", strings.Join(headers, ", "))
		h.Set("Access-Control-Max-Age", strconv.Itoa(int(rule.MaxAge.Seconds())))
	}
	return preflight
}
