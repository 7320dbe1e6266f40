// Package outside is how services of others are reached: at addresses of the Internet
// alone, and without a word of theirs in our log.
package outside

import (
	"context"
	"errors"
	"net"
	"net/http"
	"net/netip"
	"syscall"
	"time"
)

// ErrNotPublic is the end of a request to an address that is not of the Internet.
var ErrNotPublic = errors.New("the address is not a public one")

// special are the blocks of public look that are none, of the registries of special
// addresses (RFC 6890), and where clouds have their metadata beside 169.254.169.254.
// Of IPv6 only 2000::/3 is given out, so that mapped, translated (64:ff9b::/96),
// private and local addresses are all outside.
var special = prefixes(
	"0.0.0.0/8", "100.64.0.0/10", "168.63.129.16/32", "192.0.0.0/24", "192.0.2.0/24", "192.31.196.0/24", "192.52.193.0/24",
	"192.88.99.0/24", "192.175.48.0/24", "198.18.0.0/15", "198.51.100.0/24", "203.0.113.0/24", "240.0.0.0/4",
	"2001::/23", "2001:db8::/32", "2002::/16", "2620:4f:8000::/48", "3fff::/20",
)

var givenOut = netip.MustParsePrefix("2000::/3")

func prefixes(texts ...string) (all []netip.Prefix) {
	for _, s := range texts {
		all = append(all, netip.MustParsePrefix(s))
	}
	return all
}

// IsPublic reports whether an address is one of the Internet: neither this machine nor
// a network around it, from which it would be called in the name of this backend.
func IsPublic(a netip.Addr) bool {
	a = a.Unmap()
	if !a.IsGlobalUnicast() || a.IsPrivate() || a.Zone() != "" || a.Is6() && !givenOut.Contains(a) {
		return false
	}
	for _, p := range special {
		if p.Contains(a) {
			return false
		}
	}
	return true
}

// publicOnly is asked for each connection once the name is resolved, so that no name
// can stand for one address when it is checked and for another when it is called.
func publicOnly(_ context.Context, _, address string, _ syscall.RawConn) error {
	ap, err := netip.ParseAddrPort(address)
	if err != nil || !IsPublic(ap.Addr()) {
		return ErrNotPublic
	}
	return nil
}

// Transport returns what connects to services of others: where local is set anywhere, else
// only at public addresses. It knows no proxy, for which the addresses behind it could not
// be checked.
func Transport(local bool) *http.Transport { return transport(local, nil) }

// transport is Transport with names that are resolved by r; nil is as usual.
func transport(local bool, r *net.Resolver) *http.Transport {
	dialer := net.Dialer{Timeout: 10 * time.Second, Resolver: r}
	if !local {
		dialer.ControlContext = publicOnly
	}
	return &http.Transport{
		DialContext:            dialer.DialContext,
		ForceAttemptHTTP2:      true,
		TLSHandshakeTimeout:    10 * time.Second,
		MaxResponseHeaderBytes: 64 << 10,
		IdleConnTimeout:        30 * time.Second,
	}
}
