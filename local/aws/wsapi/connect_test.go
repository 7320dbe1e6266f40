package wsapi

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"testing"

	"github.com/coder/websocket"
)

// policy is an authorizer's result for one effect on every resource.
func policy(effect string) string {
	return `{"principalId":"u1","policyDocument":{"Statement":[{"Action":"execute-api:Invoke","Effect":"` + effect + `","Resource":"*"}]}}`
}

func TestHandshake(t *testing.T) {
	allow := returns(policy("Allow"))
	for _, c := range []struct {
		fact      string
		options   Options
		functions functions
		path      string
		header    string
		status    int
		body      string // exact, or the beginning if it ends in …
	}{
		{fact: "[D] $connect is optional", functions: functions{"$default": ok}, status: 101},
		{fact: "[D] 2xx completes the upgrade", functions: functions{"$connect": returns(`{"statusCode":204}`)}, status: 101},
		{fact: "a status may be a string of digits", functions: functions{"$connect": returns(`{"statusCode":"200"}`)}, status: 101},
		{fact: "[R] 301 from $connect", functions: functions{"$connect": returns(`{"statusCode":301,"body":"moved"}`)}, status: 301, body: "moved"},
		{fact: "[R] 400 from $connect", functions: functions{"$connect": returns(`{"statusCode":400,"body":"bm8=","isBase64Encoded":true}`)}, status: 400, body: "no"},
		{fact: "[R] 401 from $connect", functions: functions{"$connect": returns(`{"statusCode":401,"body":"who?"}`)}, status: 401, body: "who?"},
		{fact: "[R] 501 from $connect", functions: functions{"$connect": returns(`{"statusCode":501}`)}, status: 501},
		{fact: "[R] exception in $connect is 502", functions: functions{"$connect": fails(functionError("boom"))}, status: 502, body: `{"message": "Internal server error", "connectionId":"…`},
		{fact: "[?] malformed response is 502: no status", functions: functions{"$connect": returns(`{"body":"x"}`)}, status: 502, body: "…"},
		{fact: "[?] malformed response is 502: no JSON", functions: functions{"$connect": returns(`nope`)}, status: 502, body: "…"},
		{fact: "[?] malformed response is 502: null", functions: functions{"$connect": returns(`null`)}, status: 502, body: "…"},
		{fact: "malformed response is 502: an unknown member", functions: functions{"$connect": returns(`{"statusCode":200,"foo":1}`)}, status: 502, body: "…"},
		{fact: "malformed response is 502: cookies", functions: functions{"$connect": returns(`{"statusCode":200,"cookies":["a=b"]}`)}, status: 502, body: "…"},
		{fact: "[?] malformed response is 502: status 99", functions: functions{"$connect": returns(`{"statusCode":99}`)}, status: 502, body: "…"},
		{fact: "[?] $connect cannot be invoked", functions: functions{"$connect": fails(errors.New("no such function"))}, status: 500, body: "…"},
		{fact: "[?] $connect cannot be invoked, switched", options: Options{Unproven: Unproven{ConnectNotInvoked: 502}}, functions: functions{"$connect": fails(errors.New("no such function"))}, status: 502, body: "…"},
		{fact: "[?] throttled $connect", functions: functions{"$connect": fails(throttledError{})}, status: 502, body: "…"},
		{fact: "[?] throttled $connect, switched", options: Options{Unproven: Unproven{ConnectThrottled: 429}}, functions: functions{"$connect": fails(throttledError{})}, status: 429, body: "…"},

		{fact: "[D] authorizer allows", options: Options{Authorizer: "a"}, functions: functions{"a": allow, "$connect": ok}, status: 101},
		{fact: "[D] authorizer denies", options: Options{Authorizer: "a"}, functions: functions{"a": returns(policy("Deny")), "$connect": ok}, status: 403, body: `{"message": "Forbidden", "connectionId":"…`},
		{fact: "[D] authorizer throws Unauthorized", options: Options{Authorizer: "a"}, functions: functions{"a": fails(functionError("Unauthorized"))}, status: 401, body: `{"message": "Unauthorized", "connectionId":"…`},
		{fact: "[D] authorizer throws anything else", options: Options{Authorizer: "a"}, functions: functions{"a": fails(functionError("unauthorized!"))}, status: 500, body: `{"message": "Internal server error", "connectionId":"…`},
		{fact: "[D] authorizer cannot be invoked", options: Options{Authorizer: "a"}, functions: functions{"a": fails(errors.New("no such function"))}, status: 500, body: "…"},
		{fact: "[D] authorizer returns nonsense", options: Options{Authorizer: "a"}, functions: functions{"a": returns(`{"isAuthorized":true}`)}, status: 500, body: "…"},
		{fact: "[D] missing identity source is 401 and asks nobody", options: Options{Authorizer: "a", IdentitySource: []string{"route.request.header.Auth"}}, functions: functions{"a": nil}, status: 401, body: `{"message": "Unauthorized", "connectionId":"…`},
		{fact: "[D] missing identity source: query", options: Options{Authorizer: "a", IdentitySource: []string{"route.request.querystring.token"}}, functions: functions{"a": nil}, path: "/prod?tokens=1", status: 401, body: "…"},
		{fact: "[D] identity source present", options: Options{Authorizer: "a", IdentitySource: []string{"route.request.header.Auth", "route.request.querystring.token", "stageVariables.v"}, StageVariables: map[string]string{"v": "1"}},
			functions: functions{"a": allow}, path: "/prod?token=1", header: "auth: x", status: 101},

		{fact: "the mapping key of a custom domain", path: "/ws", status: 101},
		{fact: "[?] unknown stage is 403", path: "/dev", status: 403, body: `{"message": "Forbidden", "connectionId":"…`},
		{fact: "[?] unknown stage, switched", options: Options{Unproven: Unproven{UnknownStageStatus: 404}}, path: "/dev", status: 404, body: "…"},
		{fact: "[?] plain GET is 426", header: "Upgrade:", status: 426, body: "…"},
		{fact: "[?] plain GET, switched", options: Options{Unproven: Unproven{HidePlainGET: true}}, header: "Upgrade:", status: 403, body: "…"},
		{fact: "[D] URL of 4096 characters at most", path: "/prod?" + strings.Repeat("x", 4096), status: 414, body: "…"},
		{fact: "[?] header limit, switched on", options: Options{Unproven: Unproven{MaxHeaderBytes: 10240}}, header: "X-Big: " + strings.Repeat("x", 10240), status: 431, body: "…"},
		{fact: "[?] no header limit", header: "X-Big: " + strings.Repeat("x", 10240), status: 101},
		{fact: "RFC 6455: wrong version", header: "Sec-WebSocket-Version: 8", status: 400, body: "…"},
		{fact: "RFC 6455: no key", header: "Sec-WebSocket-Key:", status: 400, body: "…"},
		{fact: "no origin check", header: "Origin: https://evil.example", status: 101},
	} {
		t.Run(c.fact, func(t *testing.T) {
			h := start(t, c.options, c.functions)
			if c.path == "" {
				c.path = "/prod"
			}
			resp, body := h.handshake(c.path, c.header)
			begin, prefix := strings.CutSuffix(c.body, "…")
			if resp.StatusCode != c.status || prefix && !strings.HasPrefix(body, begin) || !prefix && body != c.body {
				t.Errorf("status %d, body %q; want %d, %q", resp.StatusCode, body, c.status, c.body)
			}
			if resp.StatusCode == 101 && resp.Header.Get("Sec-WebSocket-Accept") != "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=" {
				t.Errorf("accept %q", resp.Header.Get("Sec-WebSocket-Accept"))
			}
			if resp.StatusCode != 101 && h.api.Connections() != 0 {
				t.Error("a refused connection is registered")
			}
		})
	}
}

func TestSubprotocolAndExtensions(t *testing.T) {
	for _, c := range []struct {
		fact, response string
		options        Options
		header         string
		want           string
	}{
		{"[D] a subprotocol is never echoed automatically", `{"statusCode":200}`, Options{}, "Sec-WebSocket-Protocol", ""},
		{"[D] a subprotocol comes from $connect", `{"statusCode":200,"headers":{"Sec-WebSocket-Protocol":"bearer"}}`, Options{}, "Sec-WebSocket-Protocol", "bearer"},
		{"header names are not case-sensitive", `{"statusCode":200,"multiValueHeaders":{"sec-websocket-protocol":["bearer"]}}`, Options{}, "Sec-WebSocket-Protocol", "bearer"},
		{"[?] other headers do not reach the client", `{"statusCode":200,"headers":{"X-A":"1"}}`, Options{}, "X-A", ""},
		{"[?] other headers, switched on", `{"statusCode":200,"headers":{"X-A":1}}`, Options{Unproven: Unproven{ConnectHeaders: true}}, "X-A", "1"},
		{"[?] other headers of a refusal, switched on", `{"statusCode":302,"headers":{"Location":"/x"}}`, Options{Unproven: Unproven{ConnectHeaders: true}}, "Location", "/x"},
		{"permessage-deflate is never negotiated", `{"statusCode":200}`, Options{}, "Sec-WebSocket-Extensions", ""},
		{"hop headers are not $connect's to set", `{"statusCode":200,"headers":{"Sec-WebSocket-Extensions":"permessage-deflate"}}`, Options{Unproven: Unproven{ConnectHeaders: true}}, "Sec-WebSocket-Extensions", ""},
	} {
		t.Run(c.fact, func(t *testing.T) {
			h := start(t, c.options, functions{"$connect": returns(c.response)})
			resp, _ := h.handshake("/prod", "Sec-WebSocket-Protocol: bearer, abc", "Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits")
			if got := resp.Header.Get(c.header); got != c.want {
				t.Errorf("%s: %q, want %q", c.header, got, c.want)
			}
		})
	}
	t.Run("a client that asks for bearer connects", func(t *testing.T) {
		h := start(t, Options{}, functions{"$connect": returns(`{"statusCode":200,"headers":{"Sec-WebSocket-Protocol":"bearer"}}`)})
		c := h.dial(func(o *websocket.DialOptions) { o.Subprotocols = []string{"bearer", "token"} })
		if c.Subprotocol() != "bearer" {
			t.Errorf("subprotocol %q", c.Subprotocol())
		}
	})
}

// TestUpgradeWaits: trap 1 and trap 5, and posting inside $connect.
func TestUpgradeWaits(t *testing.T) {
	var h *harness
	var status int
	g := newGate()
	defer g.release()
	h = start(t, Options{}, functions{
		"$connect": func(ctx context.Context, event []byte) ([]byte, error) {
			id := at(decode(t, event), "requestContext", "connectionId").(string)
			resp, _, err := h.tryManage(http.MethodPost, "/prod/@connections/"+id, "hello")
			if err != nil {
				return nil, err
			}
			status = resp.StatusCode
			return g.serve(ctx, event)
		},
	})
	upgraded := make(chan int, 1)
	go func() {
		resp, _ := h.handshake("/prod")
		upgraded <- resp.StatusCode
	}()
	<-g.entered
	if status != http.StatusGone {
		t.Errorf("[D] posting inside $connect answers %d, want 410", status)
	}
	select {
	case <-upgraded:
		t.Error("[D] the upgrade did not wait for $connect")
	default:
	}
	if n := h.api.Connections(); n != 0 {
		t.Errorf("%d connections before $connect returned", n)
	}
	g.release()
	if got := <-upgraded; got != 101 {
		t.Errorf("status %d", got)
	}
}

func TestConnectTimeout(t *testing.T) {
	g := newGate()
	defer g.release()
	h := start(t, Options{IntegrationTimeout: 1}, functions{"$connect": g.serve})
	resp, body := h.handshake("/prod")
	if resp.StatusCode != 502 || !strings.HasPrefix(body, `{"message": "Endpoint request timed out"`) {
		t.Errorf("status %d, body %s", resp.StatusCode, body)
	}
}

func TestShutdownRefusesNewConnections(t *testing.T) {
	h := start(t, Options{}, functions{})
	if err := h.api.Shutdown(t.Context()); err != nil {
		t.Fatal(err)
	}
	if resp, _ := h.handshake("/prod"); resp.StatusCode != http.StatusServiceUnavailable {
		t.Errorf("status %d", resp.StatusCode)
	}
}

func TestNewChecksOptions(t *testing.T) {
	good := Options{APIID: "a", Stage: "s", RouteSelectionExpression: "$request.body.action"}
	for name, spoil := range map[string]func(*Options){
		"no api id":               func(o *Options) { o.APIID = "" },
		"no stage":                func(o *Options) { o.Stage = "" },
		"unknown expression":      func(o *Options) { o.RouteSelectionExpression = "$request.header.x" },
		"unknown identity source": func(o *Options) { o.IdentitySource = []string{"method.request.header.X"} },
	} {
		o := good
		spoil(&o)
		if _, err := New(o, functions{}); err == nil {
			t.Errorf("%s was accepted", name)
		}
	}
	if _, err := New(good, functions{}); err != nil {
		t.Error(err)
	}
}
