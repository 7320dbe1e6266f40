package config

import (
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
)

// A reader reads variables and collects what is wrong with them.
type reader struct {
	getenv  func(string) string
	parts   []Part              // that are asked for
	secrets map[string]*Renewal // of the variables that are kept elsewhere
	unread  map[string]bool     // which of them could not be read: a fault already
	faults  []error
}

// A fault names a variable. Two parts may read the same one, and it is
// reported once.
type fault string

func (f fault) Error() string { return string(f) }

func (r *reader) fault(name, format string, args ...any) {
	if r.unread[name] {
		return
	}
	if r.secrets[name] != nil {
		name += " (of " + name + arnSuffix + ")"
	}
	f := fault(name + " " + fmt.Sprintf(format, args...))
	if !slices.Contains(r.faults, error(f)) {
		r.faults = append(r.faults, f)
	}
}

// raw returns a variable, from wherever it is kept.
func (r *reader) raw(name string) string {
	if s := r.secrets[name]; s != nil {
		return s.value
	}
	return r.getenv(name)
}

// text returns a variable without the white space that copying leaves around it.
func (r *reader) text(name string) string { return strings.TrimSpace(r.raw(name)) }

func (r *reader) textOr(name, otherwise string) string {
	if s := r.text(name); s != "" {
		return s
	}
	return otherwise
}

func (r *reader) required(name string) string {
	s := r.text(name)
	if s == "" {
		r.fault(name, "is required")
	}
	return s
}

// url returns an http(s) URL without the slash at its end, or "".
func (r *reader) url(name string) string {
	s := r.text(name)
	if s == "" {
		return ""
	}
	u, err := url.Parse(s)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Hostname() == "" {
		r.fault(name, "must be an http or https URL")
		return ""
	}
	return strings.TrimRight(s, "/")
}

// secureURL returns an https URL, or an http one of this machine, which on
// Lambda is nobody's: a developer's issuer.
func (r *reader) secureURL(name string) string {
	s := r.url(name)
	if u, err := url.Parse(s); err != nil || u.Scheme == "http" && !isLocal(u.Hostname()) {
		r.fault(name, "must be an https URL")
		return ""
	}
	return s
}

// isLocal reports whether a host is this machine, as a container of it may have
// to call it.
func isLocal(host string) bool {
	ip, err := netip.ParseAddr(host)
	return host == "localhost" || host == "host.docker.internal" || err == nil && ip.IsLoopback()
}

func (r *reader) requiredURL(name string) string {
	r.required(name)
	return r.url(name)
}

// list returns the elements of a comma-separated variable.
func (r *reader) list(name string) []string {
	var out []string
	for s := range strings.SplitSeq(r.text(name), ",") {
		if s = strings.TrimSpace(s); s != "" {
			out = append(out, s)
		}
	}
	return out
}

func (r *reader) listOr(name string, otherwise ...string) []string {
	if l := r.list(name); len(l) > 0 {
		return l
	}
	return otherwise
}

func (r *reader) flag(name, otherwise string) bool {
	v, err := strconv.ParseBool(r.textOr(name, otherwise))
	if err != nil {
		r.fault(name, "must be true or false")
	}
	return v
}

// limit returns a count; 0 is no limit.
func (r *reader) limit(name string, otherwise int) int {
	n, err := strconv.Atoi(r.textOr(name, strconv.Itoa(otherwise)))
	if err != nil || n < 0 || n > highest {
		r.fault(name, "must be a whole number from 0 to %d", highest)
		return 0
	}
	return n
}

// count returns a whole number of at least 1.
func (r *reader) count(name string, otherwise int) int {
	n, ok := positive(r.textOr(name, strconv.Itoa(otherwise)))
	if !ok {
		r.fault(name, "must be a whole number from 1 to %d", highest)
	}
	return n
}

func (r *reader) rate(name string, otherwise Rate) Rate {
	rate, ok := parseRate(r.textOr(name, otherwise.String()))
	if !ok {
		r.fault(name, "must be a rate such as %v, or 0 for none", otherwise)
	}
	return rate
}

func (r *reader) duration(name string, otherwise, longest time.Duration) time.Duration {
	d, err := time.ParseDuration(r.textOr(name, otherwise.String()))
	if err != nil || d <= 0 || d > longest {
		r.fault(name, "must be a duration such as %v, at most %v", otherwise, longest)
		return 0
	}
	return d
}

func isHostPort(s string) bool {
	host, port, err := net.SplitHostPort(s)
	if err != nil || host == "" {
		return false
	}
	n, err := strconv.ParseUint(port, 10, 16)
	return err == nil && n > 0
}
