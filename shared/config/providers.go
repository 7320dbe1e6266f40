package config

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"regexp"
	"slices"
	"strings"
)

// A Provider is a service with OpenAI's chat completions that agents may name.
type Provider struct {
	URL string // without a slash at its end: /chat/completions follows
	// MaxTokens is the member of a request that bounds the answer:
	// max_completion_tokens (default), which models that reason want, or max_tokens.
	MaxTokens   string
	Temperature bool // it may be set, default true: some models allow no other than their own
}

// The members that bound an answer.
const (
	MaxCompletionTokens = "max_completion_tokens"
	MaxTokens           = "max_tokens"
)

const maxProviders = 64

var validProvider = regexp.MustCompile(`^[A-Za-z0-9_-]{1,64}$`) // as chat.ValidProvider

// ParseProviders reads {"<name>": {"url": "https://…", "maxTokens"?: "max_completion_tokens" or
// "max_tokens", "temperature"?: true}}; an empty text is no provider. Where local is set, http and
// private addresses are allowed as well. The error has each fault with its field.
func ParseProviders(text string, local bool) (map[string]Provider, error) {
	if text = strings.TrimSpace(text); text == "" {
		return nil, nil
	}
	members, err := membersOf([]byte(text))
	if err != nil {
		return nil, err
	}
	if len(members) > maxProviders {
		return nil, fmt.Errorf("must be at most %d providers", maxProviders)
	}
	providers := map[string]Provider{}
	var faults []error
	for _, m := range members {
		if !validProvider.MatchString(m.name) {
			faults = append(faults, fmt.Errorf("%.70q must be a name of 1 to 64 characters of A-Z a-z 0-9 _ -", m.name))
			continue
		}
		p, err := parseProvider(m.name, m.value, local)
		faults = append(faults, err)
		providers[m.name] = p
	}
	if err := errors.Join(faults...); err != nil {
		return nil, err
	}
	return providers, nil
}

func parseProvider(name string, value json.RawMessage, local bool) (Provider, error) {
	p := Provider{MaxTokens: MaxCompletionTokens, Temperature: true}
	members, err := membersOf(value)
	if err != nil {
		return p, fmt.Errorf("%s %w", name, err)
	}
	var faults []error
	fault := func(field, what string) { faults = append(faults, fmt.Errorf("%s.%s %s", name, field, what)) }
	given := false
	for _, m := range members {
		ok := false
		switch m.name {
		case "url":
			given = true
			if p.URL, ok = textOf(m.value); !ok {
				p.URL = ""
			}
			if wrong := wrongBase(p.URL, local); wrong != "" {
				fault("url", wrong)
			}
			p.URL = strings.TrimRight(p.URL, "/")
		case "maxTokens":
			if p.MaxTokens, ok = textOf(m.value); !ok || !slices.Contains([]string{MaxCompletionTokens, MaxTokens}, p.MaxTokens) {
				fault("maxTokens", "must be max_completion_tokens or max_tokens")
			}
		case "temperature":
			if s := string(m.value); s != "true" && s != "false" {
				fault("temperature", "must be true or false")
			}
			p.Temperature = string(m.value) == "true"
		default:
			fault(fmt.Sprintf("%.40q", m.name), "is unknown: url, maxTokens and temperature are known")
		}
	}
	if !given {
		fault("url", "is required")
	}
	return p, errors.Join(faults...)
}

// wrongBase is what is wrong with an URL that paths are appended to, "" where nothing is.
func wrongBase(s string, local bool) string {
	u, err := url.Parse(s)
	switch {
	case err != nil || u.Hostname() == "" || u.Scheme != "https" && !(local && u.Scheme == "http") ||
		u.User != nil || u.RawQuery != "" || strings.ContainsAny(s, "?#"):
		return "must be an https URL, without credentials, query and fragment"
	case !local && ownHost(u.Hostname()):
		return "must not be of a private network or of the machine itself"
	}
	return ""
}

// ParseProviderKeys reads "name=key, other=key": commas and white space separate.
func ParseProviderKeys(text string) (map[string]string, error) {
	keys := map[string]string{}
	for _, each := range strings.FieldsFunc(text, func(r rune) bool { return strings.ContainsRune(", \t\r\n", r) }) {
		name, key, ok := strings.Cut(each, "=")
		switch {
		case !ok || key == "" || !validProvider.MatchString(name):
			return nil, errors.New("must be names of providers with their keys, such as openai=KEY, separated by commas")
		case keys[name] != "":
			return nil, fmt.Errorf("must not have a key of %s twice", name)
		}
		keys[name] = key
	}
	return keys, nil
}

// readProviders checks where providers may be in the functions that have the switch for it,
// among their ToolServers: who calls providers has. Others look at the names.
func readProviders(r *reader, c *Config) {
	local := !slices.Contains(r.parts, ToolServers) || r.flag("TOOL_SERVERS_LOCAL", "false")
	var err error
	if c.Providers, err = ParseProviders(r.text("PROVIDERS"), local); err != nil {
		for _, e := range strings.Split(err.Error(), "\n") {
			r.fault("PROVIDERS", "is not valid: %s", e)
		}
	}
}

func readProviderKeys(r *reader, c *Config) {
	var err error
	if c.ProviderKeys.Keys, err = ParseProviderKeys(r.text("PROVIDER_KEYS")); err != nil {
		r.fault("PROVIDER_KEYS", "%v", err)
	}
	c.ProviderKeys.Renewal = r.secrets["PROVIDER_KEYS"]
}
