package console_test

import (
	"bytes"
	"compress/gzip"
	"io"
	"net/http"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/go-json-experiment/json"

	"aiwm-chat/local/console"
	"aiwm-chat/local/contract"
	"aiwm-chat/local/faults"
	"aiwm-chat/local/logline"
	"aiwm-chat/local/server"
	"aiwm-chat/local/server/servertest"
)

func options(t *testing.T) console.Options {
	t.Helper()
	f, err := faults.New(1, nil)
	if err != nil {
		t.Fatal(err)
	}
	return console.Options{
		Tokens: func() (console.Tokens, error) {
			return console.Tokens{User: "u.s.er", Agent: "a.gen.t", Assistant: "assistant", AgentID: "demo-agent", TTL: time.Hour}, nil
		},
		Usage: func() server.Usage { return server.Usage{} }, Faults: f, Log: logline.NewTail(10),
	}
}

func start(t *testing.T, o console.Options) *server.Server {
	t.Helper()
	return servertest.Start(t, server.Options{Faults: o.Faults, Pages: func(s *server.Server, routes []string) map[string]http.Handler {
		o.Usage = s.Usage
		return console.Pages(o, routes)
	}})
}

// ask sends a request as a browser does, with headers that take the place of its own;
// "Host" is the name under which it goes.
func ask(t *testing.T, method, url, body string, headers map[string]string) (*http.Response, []byte) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	for name, value := range headers {
		if name == "Host" {
			r.Host = value
		} else {
			r.Header.Set(name, value)
		}
	}
	response, err := http.DefaultTransport.RoundTrip(r)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return response, text
}

// Tokens are handed to this very page on this machine, and to nobody else.
func TestSessionIsForThisPageAlone(t *testing.T) {
	t.Parallel()
	s := start(t, options(t))
	host := strings.TrimPrefix(s.URL(), "http://")
	port := host[strings.LastIndexByte(host, ':'):]
	good := map[string]string{"X-Console": "1", "Sec-Fetch-Site": "same-origin"}
	with := func(name, value string) map[string]string {
		h := map[string]string{name: value}
		for k, v := range good {
			if _, own := h[k]; !own {
				h[k] = v
			}
		}
		return h
	}
	for name, tt := range map[string]struct {
		headers map[string]string
		ok      bool
	}{
		"the page":                         {good, true},
		"the page, with its origin":        {with("Origin", s.URL()), true},
		"by the name localhost":            {with("Host", "localhost"+port), true},
		"through a forwarded port":         {with("Host", "127.0.0.1:8080"), true},
		"over IPv6":                        {with("Host", "[::1]"+port), true},
		"another site":                     {with("Sec-Fetch-Site", "cross-site"), false},
		"another port of this machine":     {with("Sec-Fetch-Site", "same-site"), false},
		"typed into the address bar":       {with("Sec-Fetch-Site", "none"), false},
		"another origin":                   {with("Origin", "https://evil.example"), false},
		"an origin that nobody knows":      {with("Origin", "null"), false},
		"an old browser, without a header": {map[string]string{}, false},
		"a rebound name":                   {with("Host", "evil.example"+port), false},
		"a rebound name of this machine":   {with("Host", "localhost.evil.example"), false},
		"a rebound number":                 {with("Host", "10.1.2.3"+port), false},
		"no port":                          {with("Host", "127.0.0.1:x;"), false},
		"nothing":                          {with("Host", "0.0.0.0"+port), false},
	} {
		for _, path := range []string{"/console/session", "/console/meter", "/console/faults", "/console/log"} {
			response, body := ask(t, "GET", s.URL()+path, "", tt.headers)
			h := response.Header
			if ok := response.StatusCode == http.StatusOK; ok != tt.ok && !(response.StatusCode == http.StatusBadRequest && !tt.ok) {
				t.Errorf("%s: GET %s: %s", name, path, response.Status)
			}
			if strings.Contains(string(body), "u.s.er") != (tt.ok && path == "/console/session") {
				t.Errorf("%s: GET %s: %s", name, path, body)
			}
			if response.StatusCode != http.StatusBadRequest && (h.Get("Cache-Control") != "no-store" || h.Get("Access-Control-Allow-Origin") != "" || h.Get("X-Content-Type-Options") != "nosniff") {
				t.Errorf("%s: GET %s: %v", name, path, h)
			}
		}
		if response, _ := ask(t, "PUT", s.URL()+"/console/faults", `{}`, tt.headers); (response.StatusCode == http.StatusOK) != tt.ok {
			t.Errorf("%s: PUT: %s", name, response.Status)
		}
	}
	for _, method := range []string{"POST", "DELETE", "PUT"} {
		if response, body := ask(t, method, s.URL()+"/console/session", "", good); response.StatusCode != http.StatusNotFound || strings.Contains(string(body), "u.s.er") {
			t.Errorf("%s: %s", method, response.Status)
		}
	}
	preflight := map[string]string{"Origin": "https://evil.example", "Access-Control-Request-Method": "GET", "Access-Control-Request-Headers": "x-console"}
	if response, _ := ask(t, "OPTIONS", s.URL()+"/console/session", "", preflight); strings.Contains(strings.ToLower(response.Header.Get("Access-Control-Allow-Headers")), "x-console") {
		t.Errorf("another site may send the header: %v", response.Header)
	}
}

func TestSession(t *testing.T) {
	t.Parallel()
	o := options(t)
	headers := map[string]string{"X-Console": "1", "Sec-Fetch-Site": "same-origin"}
	s := start(t, o)
	host := strings.TrimPrefix(s.URL(), "http://")
	_, body := ask(t, "GET", s.URL()+"/console/session", "", headers)
	var got map[string]any
	if err := json.Unmarshal(body, &got); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]any{
		"restUrl": "http://" + host, "webSocketUrl": "ws://" + host + "/ws", "token": "u.s.er", "agentToken": "a.gen.t", "assistant": "assistant", "agent": "demo-agent", "local": true,
	} {
		if got[name] != want {
			t.Errorf("%s is %v, want %v", name, got[name], want)
		}
	}
	if at, _ := got["expiresAt"].(float64); time.Until(time.UnixMilli(int64(at))) < 50*time.Minute {
		t.Errorf("it expires at %v", got["expiresAt"])
	}
	o.Tokens = nil // of another issuer
	_, body = ask(t, "GET", start(t, o).URL()+"/console/session", "", headers)
	if text := string(body); strings.Contains(text, "oken") || !strings.Contains(text, `"webSocketUrl":"ws://`) {
		t.Errorf("without tokens: %s", text)
	}
}

func TestFaultsAreSet(t *testing.T) {
	t.Parallel()
	o := options(t)
	s := start(t, o)
	headers := map[string]string{"X-Console": "1", "Sec-Fetch-Site": "same-origin"}
	for _, tt := range []struct {
		body   string
		status int
		faults string
	}{
		{`{"reorder": 0.25}`, 200, "-reorder 0.25 -seed 1"},
		{`{"throttle": 1, "reorder": 0}`, 200, "-throttle 1 -seed 1"},
		{`{"throttle": 0, "reorder": 1.5}`, 400, "-throttle 1 -seed 1"},
		{`{"throttle": 0, "nothing": 0}`, 400, "-throttle 1 -seed 1"},
		{`{"kill": 1}`, 400, "-throttle 1 -seed 1"},
		{`{"throttle": "0"}`, 400, "-throttle 1 -seed 1"},
		{`[]`, 400, "-throttle 1 -seed 1"},
		{`{"throttle": 0}` + strings.Repeat(" ", 5000), 400, "-throttle 1 -seed 1"},
		{`{"throttle": 0}`, 200, "none"},
	} {
		response, body := ask(t, "PUT", s.URL()+"/console/faults", tt.body, headers)
		if response.StatusCode != tt.status || o.Faults.String() != tt.faults {
			t.Errorf("%.40s: %s %s, and it is %s", tt.body, response.Status, body, o.Faults)
		}
	}
	_, body := ask(t, "GET", s.URL()+"/console/faults", "", headers)
	if text := string(body); strings.Contains(text, `"kill"`) || !strings.Contains(text, `{"kind":"latency","text":"an invocation`) {
		t.Errorf("got %s", text)
	}
}

func TestMeterCounts(t *testing.T) {
	t.Parallel()
	s := start(t, options(t))
	headers := map[string]string{"X-Console": "1"}
	type bill struct {
		Databases                                  bool
		RedisCommands, MongoOperations, RedisTrips float64
		Charges                                    []struct {
			Name               string
			Pieces, Per, Price float64
		}
		Functions []struct {
			Name                                   string
			Memory, Invocations, GBSeconds, Median float64
		}
	}
	read := func() (b bill) {
		_, body := ask(t, "GET", s.URL()+"/console/meter", "", headers)
		if err := json.Unmarshal(body, &b, json.MatchCaseInsensitiveNames(true)); err != nil {
			t.Fatal(err)
		}
		return b
	}
	before := read()
	ask(t, "GET", s.URL()+"/health", "", nil)
	after := read()
	if !after.Databases || after.MongoOperations < before.MongoOperations || len(after.Charges) != 6 {
		t.Errorf("got %+v", after)
	}
	for i, c := range after.Charges {
		grown := c.Pieces - before.Charges[i].Pieces
		if want := c.Name == "http-request" || c.Name == "invocation" || c.Name == "gb-second"; c.Price <= 0 || c.Per <= 0 || want && grown <= 0 || c.Name == "http-request" && grown != 1 {
			t.Errorf("%+v has grown by %v", c, grown)
		}
	}
	for _, f := range after.Functions {
		if f.Name == "health" && (f.Invocations != 1 || f.Memory < 128 || f.GBSeconds <= 0 || f.Median <= 0) {
			t.Errorf("got %+v", f)
		}
	}
}

// Other templates have other routes, and no console.
func TestOnlyOurRoutesHaveIt(t *testing.T) {
	t.Parallel()
	if console.Pages(options(t), []string{"GET /conversations"}) != nil {
		t.Error("it is there for a template of which it knows nothing")
	}
	if pages := console.Pages(options(t), contract.Routes()); pages[console.Path] == nil {
		t.Error("it is not there")
	}
}

var (
	linked   = regexp.MustCompile(`(?:src|href)="([^"]+)"`)
	imported = regexp.MustCompile(`(?m)^(?:import|export)[^"]*?from "(\./[^"]+)"`)
	// of vendor, in one line
	minified = regexp.MustCompile(`from"(\./[^"]+)"`)
)

// What a talk with an agent needs is small: the page, what it and its modules name, and
// Markdown. What is loaded when somebody asks for it is not much more.
func TestPageIsSmall(t *testing.T) {
	t.Parallel()
	s := start(t, options(t))
	size := map[string]int{}
	var load func(path string)
	load = func(path string) {
		if _, done := size[path]; done {
			return
		}
		response, packed := ask(t, "GET", s.URL()+path, "", map[string]string{"Accept-Encoding": "gzip"})
		if response.StatusCode != http.StatusOK {
			t.Errorf("GET %s: %s", path, response.Status)
			return
		}
		size[path] = len(packed)
		text := packed
		if response.Header.Get("Content-Encoding") == "gzip" {
			r, err := gzip.NewReader(bytes.NewReader(packed))
			if err != nil {
				t.Fatal(err)
			}
			if text, err = io.ReadAll(r); err != nil {
				t.Fatal(err)
			}
		}
		folder := path[:strings.LastIndexByte(path, '/')+1]
		if path == "/" {
			for _, m := range linked.FindAllSubmatch(text, -1) {
				load("/" + string(m[1]))
			}
			return
		}
		for _, p := range []*regexp.Regexp{imported, minified} {
			for _, m := range p.FindAllSubmatch(text, -1) {
				load(folder + strings.TrimPrefix(string(m[1]), "./"))
			}
		}
	}
	load("/")
	sum := func() (n int) {
		for _, one := range size {
			n += one
		}
		return n
	}
	first := sum()
	load("/console/markdown.js")
	talk := sum()
	if len(size) < 12 || talk > 60<<10 {
		t.Errorf("a talk takes %d bytes in %d files: %v", talk, len(size), size)
	}
	load("/console/call.js")
	load("/console/files.js")
	load("/console/panels.js")
	load("/console/dialogs.js")
	t.Logf("a first load takes %d bytes in all; a talk with an agent %d; with tools, panels and dialogs %d", first, talk, sum())
	if sum() > 70<<10 {
		t.Errorf("all of it takes %d bytes: %v", sum(), size)
	}
}

// Files come under a policy that lets nothing in from elsewhere, and once.
func TestFiles(t *testing.T) {
	t.Parallel()
	s := start(t, options(t))
	host := strings.TrimPrefix(s.URL(), "http://")
	for path, media := range map[string]string{
		"/": "text/html; charset=utf-8", "/console/app.js": "text/javascript; charset=utf-8", "/console/style.css": "text/css; charset=utf-8",
		"/console/icon.svg": "image/svg+xml", "/console/vendor/preact.js": "text/javascript; charset=utf-8", "/console/vendor/LICENSES.txt": "text/plain; charset=utf-8",
	} {
		plain, body := ask(t, "GET", s.URL()+path, "", map[string]string{"Accept-Encoding": "identity"})
		h := plain.Header
		if plain.StatusCode != http.StatusOK || h.Get("Content-Type") != media || h.Get("Content-Encoding") != "" || len(body) == 0 {
			t.Errorf("GET %s: %s %v", path, plain.Status, h)
		}
		policy := h.Get("Content-Security-Policy")
		for _, part := range []string{"default-src 'none';", "script-src 'self';", "style-src 'self';", "connect-src 'self' ws://" + host + ";", "frame-ancestors 'none'", "base-uri 'none'", "require-trusted-types-for 'script'", "trusted-types 'none'"} {
			if !strings.Contains(policy, part) {
				t.Errorf("GET %s: the policy %q lacks %s", path, policy, part)
			}
		}
		if strings.Contains(policy, "unsafe") || h.Get("X-Content-Type-Options") != "nosniff" || h.Get("Referrer-Policy") != "no-referrer" {
			t.Errorf("GET %s: %v", path, h)
		}
		for _, encoding := range []string{"gzip", "identity"} {
			first, _ := ask(t, "GET", s.URL()+path, "", map[string]string{"Accept-Encoding": encoding})
			again, body := ask(t, "GET", s.URL()+path, "", map[string]string{"Accept-Encoding": encoding, "If-None-Match": first.Header.Get("ETag")})
			if again.StatusCode != http.StatusNotModified || len(body) != 0 {
				t.Errorf("GET %s again, %s: %s, %d bytes", path, encoding, again.Status, len(body))
			}
		}
	}
	written, err := os.ReadFile("assets/console/app.js")
	if err != nil {
		t.Fatal(err)
	}
	if _, text := ask(t, "GET", s.URL()+"/console/app.js", "", map[string]string{"Accept-Encoding": "identity"}); !bytes.Equal(text, written) {
		t.Error("who wants no gzip gets a script otherwise than it is written")
	}
	page, text := ask(t, "GET", s.URL()+"/", "", map[string]string{"Host": "evil.example;script-src *"})
	if p := page.Header.Get("Content-Security-Policy"); page.StatusCode == http.StatusOK && strings.Contains(p, "evil") {
		t.Errorf("a name gets into the policy: %s", p)
	}
	if strings.Contains(string(text), "<script>") || strings.Contains(string(text), "style=") {
		t.Error("the page has something inline")
	}
	for path, want := range map[string]int{"/console/": 404, "/console/nothing.js": 404, "/nothing": 404, "/health": 200} {
		if response, _ := ask(t, "GET", s.URL()+path, "", nil); response.StatusCode != want {
			t.Errorf("GET %s: %s", path, response.Status)
		}
	}
}
