package config_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"aiwm-chat/shared/chat"
	"aiwm-chat/shared/config"
)

func TestParseToolServers(t *testing.T) {
	got, err := config.ParseToolServers(` {"shop": {"url": "https://tools.example.org/mcp?key=1", "headers": {"Authorization": "Bearer x", "X-Team": "a b"}},
		"my_Docs-2": {"url": "https://docs.example.org"}} `, false)
	if err != nil || len(got) != 2 || got["my_Docs-2"].URL != "https://docs.example.org" || got["shop"].URL != "https://tools.example.org/mcp?key=1" ||
		!maps.Equal(got["shop"].Headers, map[string]string{"Authorization": "Bearer x", "X-Team": "a b"}) {
		t.Errorf("%+v, %v", got, err)
	}
	for _, nothing := range []string{"", " \n", "{}"} {
		if got, err := config.ParseToolServers(nothing, false); err != nil || len(got) != 0 {
			t.Errorf("%q: %v, %v", nothing, got, err)
		}
	}
	for _, here := range []string{"http://127.0.0.1:8080/mcp", "https://localhost", "http://tools.example.org", "http://10.0.0.1", "https://[::1]"} {
		text := fmt.Sprintf(`{"shop": {"url": %q}}`, here)
		if got, err := config.ParseToolServers(text, true); err != nil || got["shop"].URL != here {
			t.Errorf("%s where it is local: %v, %v", here, got, err)
		}
		if got, err := config.ParseToolServers(text, false); err == nil || got != nil {
			t.Errorf("%s where it is not: %v", here, got)
		}
	}
}

func TestParseToolServersRefused(t *testing.T) {
	server := func(member string) string { return `{"shop": {"url": "https://secret.example.org", ` + member + `}}` }
	at := func(url string) string { return fmt.Sprintf(`{"shop": {"url": %q}}`, url) }
	many := func(n int, format string) string {
		var all []string
		for i := range n {
			all = append(all, fmt.Sprintf(format, i))
		}
		return "{" + strings.Join(all, ",") + "}"
	}
	const text = "must be a text of at most 8192 visible ASCII characters"
	for name, tt := range map[string]struct {
		text string
		want string // all faults
	}{
		"not JSON":           {`secret`, `must be valid JSON`},
		"cut":                {`{"shop": {"url": "https://secret`, `must be valid JSON`},
		"two":                {`{} {}`, `must be valid JSON`},
		"a list":             {`["secret"]`, `must be a JSON object`},
		"a text":             {`"secret"`, `must be a JSON object`},
		"null":               {`null`, `must be a JSON object`},
		"twice":              {`{"shop": {"url": "https://secret.example.org"}, "shop": {"url": "https://secret.example.org"}}`, `must not have "shop" twice`},
		"too many":           {many(65, `"s%d": {"url": "https://secret.example.org"}`), `must be at most 64 servers`},
		"no name":            {`{"": {}}`, `"" must be a name of 1 to 32 characters of A-Z a-z 0-9 _ -`},
		"name":               {`{"my shop": {}}`, `"my shop" must be a name of 1 to 32 characters of A-Z a-z 0-9 _ -`},
		"long name":          {`{"` + strings.Repeat("x", 33) + `": {}}`, `"` + strings.Repeat("x", 33) + `" must be a name of 1 to 32 characters of A-Z a-z 0-9 _ -`},
		"server is a text":   {`{"shop": "https://secret.example.org"}`, `shop must be a JSON object`},
		"no URL":             {`{"shop": {}}`, `shop.url is required`},
		"case counts":        {`{"shop": {"URL": "https://secret.example.org"}}`, "shop.\"URL\" is unknown: url and headers are known\nshop.url is required"},
		"unknown":            {server(`"key": "secret"`), `shop."key" is unknown: url and headers are known`},
		"URL twice":          {server(`"url": "https://secret.example.org"`), `shop must not have "url" twice`},
		"URL is a number":    {`{"shop": {"url": 1}}`, `shop.url must be a URL of at most 2048 bytes`},
		"URL is null":        {`{"shop": {"url": null}}`, `shop.url must be a URL of at most 2048 bytes`},
		"URL is empty":       {at(""), `shop.url must be a URL of at most 2048 bytes`},
		"no host":            {at("https://"), `shop.url must be a URL of at most 2048 bytes`},
		"no scheme":          {at("secret.example.org"), `shop.url must be a URL of at most 2048 bytes`},
		"control":            {at("https://secret.example.org/\n"), `shop.url must be a URL of at most 2048 bytes`},
		"long URL":           {at("https://secret.example.org/" + strings.Repeat("x", 2048)), `shop.url must be a URL of at most 2048 bytes`},
		"http":               {at("http://secret.example.org"), `shop.url must be an https URL`},
		"file":               {at("file://secret/etc"), `shop.url must be an https URL`},
		"credentials":        {at("https://user:secret@example.org"), `shop.url must not contain credentials: send them in headers`},
		"fragment":           {at("https://secret.example.org/#a"), `shop.url must not have a fragment`},
		"this machine":       {at("https://localhost/secret"), `shop.url must not be of a private network or of the machine itself`},
		"private":            {at("https://10.1.2.3/secret"), `shop.url must not be of a private network or of the machine itself`},
		"metadata":           {at("https://169.254.169.254/secret"), `shop.url must not be of a private network or of the machine itself`},
		"mapped":             {at("https://[::ffff:127.0.0.1]/secret"), `shop.url must not be of a private network or of the machine itself`},
		"headers are a list": {server(`"headers": ["secret"]`), `shop.headers must be a JSON object`},
		"header":             {server(`"headers": {"A B": "secret"}`), `shop.headers."A B" must be the name of an HTTP header`},
		"header's line":      {server(`"headers": {"A": "secret\r\nB: c"}`), `shop.headers.A ` + text},
		"header is a number": {server(`"headers": {"A": 1}`), `shop.headers.A ` + text},
		"header is empty":    {server(`"headers": {"A": ""}`), `shop.headers.A ` + text},
		"header is long":     {server(`"headers": {"A": "` + strings.Repeat("x", 8193) + `"}`), `shop.headers.A ` + text},
		"header's letters":   {server(`"headers": {"A": "é"}`), `shop.headers.A ` + text},
		"header twice":       {server(`"headers": {"A": "secret", "a": "secret"}`), `shop.headers.a must not repeat`},
		"host":               {server(`"headers": {"Host": "secret"}`), `shop.headers.Host is set by the protocol itself`},
		"session":            {server(`"headers": {"mcp-session-id": "secret"}`), `shop.headers.mcp-session-id is set by the protocol itself`},
		"too many headers":   {server(`"headers": ` + many(17, `"h%d": "secret"`)), `shop.headers must be at most 16`},
		"all at once":        {`{"a": {"url": "http://secret"}, "b": {}, "c": 1}`, "a.url must be an https URL\nb.url is required\nc must be a JSON object"},
	} {
		got, err := config.ParseToolServers(tt.text, false)
		if err == nil || err.Error() != tt.want || got != nil || strings.Contains(err.Error(), "secret") {
			t.Errorf("%s: %+v, %v", name, got, err)
		}
	}
}

// What is accepted is what it says, and what can be selected; what is refused is said.
func FuzzParseToolServers(f *testing.F) {
	f.Add(`{"shop": {"url": "https://tools.example.org", "headers": {"Authorization": "Bearer x"}}}`, false)
	f.Add(`{"shop": {"url": "http://localhost:1"}, "b": {"url": "https://[::1]"}}`, true)
	f.Add(`{"a":{"url":"https://a"},"a":{}}`, false)
	f.Add(strings.Repeat(`{"a":`, 100), false)
	f.Fuzz(func(t *testing.T, text string, local bool) {
		servers, err := config.ParseToolServers(text, local)
		if err != nil {
			if servers != nil || err.Error() == "" {
				t.Errorf("%+v, %q", servers, err)
			}
			return
		}
		for name, s := range servers {
			if !chat.ValidToolServer(name) || s.URL == "" || !local && !strings.HasPrefix(strings.ToLower(s.URL), "https://") {
				t.Errorf("%q: %+v", name, s)
			}
		}
		if len(servers) == 0 {
			return
		}
		// The same, written by who knows the form.
		again := map[string]map[string]any{}
		for name, s := range servers {
			again[name] = map[string]any{"url": s.URL}
			if s.Headers != nil {
				again[name]["headers"] = s.Headers
			}
		}
		rewritten, err := json.Marshal(again)
		if err != nil {
			t.Fatal(err)
		}
		same, err := config.ParseToolServers(string(rewritten), local)
		if err != nil || !slices.Equal(slices.Sorted(maps.Keys(same)), slices.Sorted(maps.Keys(servers))) {
			t.Errorf("%s: %v", rewritten, err)
		}
		for name, s := range same {
			if s.URL != servers[name].URL || !maps.Equal(s.Headers, servers[name].Headers) {
				t.Errorf("%q: %+v, before %+v", name, s, servers[name])
			}
		}
	})
}
