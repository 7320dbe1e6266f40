package console

import (
	"net"
	"net/http"
	"net/netip"
	"strings"
)

// askedBy is a header that the page sends and that no other site may without being
// allowed to.
const askedBy = "X-Console"

// ours lets only this very page in. What is behind it hands out tokens and changes the
// server, so other sites in the same browser are kept out: by what the browser says of
// where a request comes from, and by the name under which it was sent here, which a site
// whose name suddenly means this machine (DNS rebinding) cannot choose.
func ours(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		secure(w, "application/json")
		w.Header().Set("Cache-Control", "no-store")
		if !near(r) || !trusted(r) || !sameOrigin(r) {
			refuse(w, http.StatusForbidden, "this is for the console on this machine alone")
			return
		}
		next.ServeHTTP(w, r)
	})
}

// near reports whether the request comes from this machine. With -bind the server is there for
// functions in containers, and for others in the network: they get no token.
func near(r *http.Request) bool {
	from, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil {
		return false
	}
	return from.Addr().Unmap().IsLoopback() || from.Addr().Unmap() == arrivedAt(r)
}

// arrivedAt is the address of this machine at which a request came in.
func arrivedAt(r *http.Request) netip.Addr {
	local, ok := r.Context().Value(http.LocalAddrContextKey).(net.Addr)
	if !ok {
		return netip.Addr{}
	}
	here, err := netip.ParseAddrPort(local.String())
	if err != nil {
		return netip.Addr{}
	}
	return here.Addr().Unmap()
}

// sameOrigin reports whether the page of this very address asks.
func sameOrigin(r *http.Request) bool {
	if site := r.Header.Get("Sec-Fetch-Site"); site != "" && site != "same-origin" {
		return false
	}
	if origin, sent := r.Header["Origin"]; sent && (len(origin) != 1 || origin[0] != "http://"+r.Host) {
		return false
	}
	return r.Header.Get(askedBy) != ""
}

// trusted reports whether the request names this machine: localhost, a loopback address,
// or the very address at which it came in.
func trusted(r *http.Request) bool {
	host := r.Host
	if name, port, err := net.SplitHostPort(host); err == nil {
		if strings.Trim(port, "0123456789") != "" {
			return false
		}
		host = name
	}
	if strings.EqualFold(host, "localhost") {
		return true
	}
	ip, err := netip.ParseAddr(strings.TrimSuffix(strings.TrimPrefix(host, "["), "]"))
	if err != nil || ip.Zone() != "" {
		return false
	}
	return ip.IsLoopback() || ip.Unmap() == arrivedAt(r)
}
