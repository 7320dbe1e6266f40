package config

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"net/url"
	"regexp"
	"slices"
	"strings"

	"aiwm-chat/shared/outside"
)

// A ToolServer is an MCP server, with Streamable HTTP, whose tools agents may use.
type ToolServer struct {
	URL     string
	Headers map[string]string // sent with each request: secrets
}

// Limits of what is configured of tool servers.
const (
	maxToolServers    = 64
	maxToolServerURL  = 2048
	maxToolHeaders    = 16
	maxToolHeaderText = 8 << 10
)

var (
	validToolServer = regexp.MustCompile(`^[A-Za-z0-9_-]{1,32}$`) // as chat.ValidToolServer
	validHeaderName = regexp.MustCompile("^[A-Za-z0-9!#$%&'*+.^_`|~-]{1,100}$")
)

// ParseToolServers reads {"<name>": {"url": "https://…", "headers": {"Authorization":
// "…"}}}; an empty text is no server. Where local is set, http and addresses of
// this machine are allowed as well. The error has each fault with its field, and
// never a value: URLs and headers are secrets.
func ParseToolServers(text string, local bool) (map[string]ToolServer, error) {
	if text = strings.TrimSpace(text); text == "" {
		return nil, nil
	}
	members, err := membersOf([]byte(text))
	if err != nil {
		return nil, err
	}
	if len(members) > maxToolServers {
		return nil, fmt.Errorf("must be at most %d servers", maxToolServers)
	}
	servers := map[string]ToolServer{}
	p := toolParser{local: local}
	for _, m := range members {
		if !validToolServer.MatchString(m.name) {
			p.fault(fmt.Sprintf("%.40q", m.name), "must be a name of 1 to 32 characters of A-Z a-z 0-9 _ -")
			continue
		}
		servers[m.name] = p.server(m.name, m.value)
	}
	if len(p.faults) > 0 {
		return nil, errors.Join(p.faults...)
	}
	return servers, nil
}

// A toolParser collects what is wrong.
type toolParser struct {
	local  bool
	faults []error
}

func (p *toolParser) fault(field, format string, args ...any) {
	p.faults = append(p.faults, fault(field+" "+fmt.Sprintf(format, args...)))
}

func (p *toolParser) server(field string, value json.RawMessage) (s ToolServer) {
	members, err := membersOf(value)
	if err != nil {
		p.fault(field, "%v", err)
		return s
	}
	found := false
	for _, m := range members {
		switch m.name {
		case "url":
			found = true
			s.URL = p.url(field+".url", m.value)
		case "headers":
			s.Headers = p.headers(field+".headers", m.value)
		default:
			p.fault(fmt.Sprintf("%s.%.40q", field, m.name), "is unknown: url and headers are known")
		}
	}
	if !found {
		p.fault(field+".url", "is required")
	}
	return s
}

func (p *toolParser) url(field string, value json.RawMessage) string {
	s, ok := textOf(value)
	u, err := url.Parse(s)
	switch {
	case !ok || s == "" || len(s) > maxToolServerURL || err != nil || u.Hostname() == "":
		p.fault(field, "must be a URL of at most %d bytes", maxToolServerURL)
	case u.Scheme != "https" && !(p.local && u.Scheme == "http"):
		p.fault(field, "must be an https URL")
	case u.User != nil:
		p.fault(field, "must not contain credentials: send them in headers")
	case u.Fragment != "" || strings.HasSuffix(s, "#"):
		p.fault(field, "must not have a fragment")
	case !p.local && ownHost(u.Hostname()):
		p.fault(field, "must not be of a private network or of the machine itself")
	}
	return s
}

// ownHost finds the plain cases early; what a name stands for is seen when it is called.
func ownHost(host string) bool {
	host = strings.ToLower(strings.TrimSuffix(host, "."))
	ip, err := netip.ParseAddr(host)
	return host == "localhost" || strings.HasSuffix(host, ".localhost") || err == nil && !outside.IsPublic(ip)
}

// ownHeaders are set by the protocols.
var ownHeaders = []string{"accept", "accept-encoding", "connection", "content-length", "content-type", "host", "last-event-id", "te", "trailer", "transfer-encoding", "upgrade"}

func (p *toolParser) headers(field string, value json.RawMessage) map[string]string {
	members, err := membersOf(value)
	if err != nil {
		p.fault(field, "%v", err)
		return nil
	}
	if len(members) > maxToolHeaders {
		p.fault(field, "must be at most %d", maxToolHeaders)
		return nil
	}
	headers, lower := map[string]string{}, map[string]bool{}
	for _, m := range members {
		if !validHeaderName.MatchString(m.name) {
			p.fault(fmt.Sprintf("%s.%.40q", field, m.name), "must be the name of an HTTP header")
			continue
		}
		name, each := strings.ToLower(m.name), field+"."+m.name
		text, ok := textOf(m.value)
		switch {
		case lower[name]:
			p.fault(each, "must not repeat")
		case slices.Contains(ownHeaders, name) || strings.HasPrefix(name, "mcp-") || strings.HasPrefix(name, "proxy-"):
			p.fault(each, "is set by the protocol itself")
		case !ok || text == "" || len(text) > maxToolHeaderText || strings.ContainsFunc(text, func(r rune) bool { return r < ' ' || r > '~' }):
			p.fault(each, "must be a text of at most %d visible ASCII characters", maxToolHeaderText)
		}
		headers[m.name], lower[name] = text, true
	}
	return headers
}

func readToolServers(r *reader, c *Config) {
	c.ToolServers.Local = r.flag("TOOL_SERVERS_LOCAL", "false")
	c.ToolServers.Renewal = r.secrets["TOOL_SERVERS"]
	var err error
	if c.ToolServers.Servers, err = ParseToolServers(r.text("TOOL_SERVERS"), c.ToolServers.Local); err != nil {
		for _, e := range strings.Split(err.Error(), "\n") {
			r.fault("TOOL_SERVERS", "is not valid: %s", e)
		}
	}
}
