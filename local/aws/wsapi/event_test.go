package wsapi

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-lambda-go/events"
	"github.com/coder/websocket"
)

var idForm = regexp.MustCompile(`^[A-Za-z0-9_-]{15}=$`)

func TestIDs(t *testing.T) {
	now := time.UnixMilli(1_700_000_000_000)
	end := newTail()
	connection, message := newID(now, end), newID(now.Add(time.Second), end)
	t.Run("[R] 16 characters of base64url, the last is =", func(t *testing.T) {
		if !idForm.MatchString(connection) || !possibleID(connection) {
			t.Errorf("id %q", connection)
		}
	})
	t.Run("[R] messageId ends like its connectionId", func(t *testing.T) {
		if connection[10:] != message[10:] {
			t.Errorf("%s and %s", connection, message)
		}
	})
	t.Run("[R] prefix is time-ordered", func(t *testing.T) {
		soon := newID(now.Add(10*time.Millisecond), newTail())
		if connection[:4] != soon[:4] || connection[:6] == message[:6] {
			t.Errorf("%s, 10 ms later %s, 1 s later %s", connection, soon, message)
		}
	})
	t.Run("unique", func(t *testing.T) {
		seen := map[string]bool{}
		for range 50_000 {
			id := newID(now, end)
			if seen[id] {
				t.Fatalf("%s came twice", id)
			}
			seen[id] = true
		}
	})
	for _, bad := range []string{"", "x", strings.Repeat("a", 16), "../../etc/passwd", "550e8400-e29b-41d4-a716-446655440000"} {
		if possibleID(bad) {
			t.Errorf("%q could be an id", bad)
		}
	}
}

// TestEvents drives one connection through its life and looks at every event.
func TestEvents(t *testing.T) {
	connect, authorize, message, disconnect := newRecorder(), newRecorder(), newRecorder(), newRecorder()
	h := start(t, Options{Authorizer: "authorizer"}, functions{
		"authorizer": func(ctx context.Context, event []byte) ([]byte, error) {
			authorize <- event
			return []byte(`{"principalId":"u1","policyDocument":{"Version":"2012-10-17","Statement":[{"Action":"execute-api:Invoke","Effect":"Allow","Resource":"arn:aws:execute-api:us-east-1:123456789012:abcdef123/prod/$connect"}]},
				"context":{"numKey":1,"boolKey":true,"stringKey":"value","floatKey":1.50,"nullKey":null}}`), nil
		},
		"$connect": connect.serve, "send": message.serve, "$disconnect": disconnect.serve,
	})
	c, _, err := websocket.Dial(t.Context(), h.url+"/prod?token=a%20b&x=1&x=2", &websocket.DialOptions{
		HTTPClient: h.http,
		HTTPHeader: http.Header{"User-Agent": {"tester/1"}, "X-Many": {"one", "two"}, "X-Forwarded-For": {"192.0.2.1"}},
	})
	if err != nil {
		t.Fatal(err)
	}
	defer c.CloseNow()
	const text = "{\"action\":\"send\",\"content\":\"\\u00e9 é \\\" \u2028 <b>\"}"
	if err := c.Write(t.Context(), websocket.MessageText, []byte(text)); err != nil {
		t.Fatal(err)
	}
	authorized, connected, messaged := authorize.next(t), connect.next(t), message.next(t)
	c.Close(4001, "bye")
	disconnected := disconnect.next(t)

	const common = "apiId connectedAt connectionId domainName eventType extendedRequestId identity messageDirection requestId requestTime requestTimeEpoch routeKey stage"
	insert := func(list string, more ...string) string { return keysOf(list + " " + strings.Join(more, " ")) }
	for _, c := range []struct {
		fact  string
		event map[string]any
		path  string
		want  string
	}{
		{"[R] $connect keys", connected, "", "headers isBase64Encoded multiValueHeaders multiValueQueryStringParameters queryStringParameters requestContext"},
		{"[R] $connect context keys", connected, "requestContext", insert(common, "authorizer")},
		{"[R] $connect headers, no Connection or Upgrade", connected, "headers", "Accept-Encoding Host Sec-Websocket-Key Sec-Websocket-Version User-Agent X-Amzn-Trace-Id X-Forwarded-For X-Forwarded-Port X-Forwarded-Proto X-Many"},
		{"[D] authorizer event keys", authorized, "", "headers methodArn multiValueHeaders multiValueQueryStringParameters queryStringParameters requestContext stageVariables type"},
		{"[D] authorizer event context is like CONNECT, not yet authorized", authorized, "requestContext", common},
		{"[D] authorizer event headers include Connection, Upgrade, content-length", authorized, "headers", "Accept-Encoding Connection Host Sec-Websocket-Key Sec-Websocket-Version Upgrade User-Agent X-Amzn-Trace-Id X-Forwarded-For X-Forwarded-Port X-Forwarded-Proto X-Many content-length"},
		{"[D] stageVariables is {}", authorized, "stageVariables", ""},
		{"[R] MESSAGE has no headers and no query", messaged, "", "body isBase64Encoded requestContext"},
		{"[R] MESSAGE context has messageId", messaged, "requestContext", insert(common, "authorizer", "messageId")},
		{"[R] $disconnect keys", disconnected, "", "headers isBase64Encoded multiValueHeaders requestContext"},
		{"[R] $disconnect context", disconnected, "requestContext", insert(common, "authorizer", "disconnectStatusCode", "disconnectReason")},
		{"[R] $disconnect headers", disconnected, "headers", "Host X-Forwarded-For x-api-key x-restapi"},
		{"[I] authorizer context on every later route", disconnected, "requestContext authorizer", "boolKey floatKey integrationLatency numKey principalId stringKey"},
	} {
		t.Run(c.fact, func(t *testing.T) {
			if got := keys(at(c.event, strings.Fields(c.path)...)); c.path == "" && keys(c.event) != c.want || c.path != "" && got != c.want {
				t.Errorf("keys of %q are\n%s, want\n%s", c.path, got+keys(c.event), c.want)
			}
		})
	}
	for _, c := range []struct {
		fact  string
		event map[string]any
		path  string
		want  any
	}{
		{"[R] eventType", connected, "requestContext eventType", "CONNECT"},
		{"[R] eventType", messaged, "requestContext eventType", "MESSAGE"},
		{"[R] eventType", disconnected, "requestContext eventType", "DISCONNECT"},
		{"[R] routeKey", connected, "requestContext routeKey", "$connect"},
		{"[R] routeKey", messaged, "requestContext routeKey", "send"},
		{"[R] routeKey", disconnected, "requestContext routeKey", "$disconnect"},
		{"[R] stage", messaged, "requestContext stage", "prod"},
		{"[R] apiId", messaged, "requestContext apiId", "abcdef123"},
		{"[R] direction", messaged, "requestContext messageDirection", "IN"},
		{"an endpoint built from domainName works", messaged, "requestContext domainName", strings.TrimPrefix(h.url, "http://")},
		{"[R] sourceIp", messaged, "requestContext identity sourceIp", "127.0.0.1"},
		{"[R] userAgent if sent", messaged, "requestContext identity userAgent", "tester/1"},
		{"body is the text", messaged, "body", text},
		{"[R] isBase64Encoded", messaged, "isBase64Encoded", false},
		{"[R] port", connected, "headers X-Forwarded-Port", "443"},
		{"[R] proto", connected, "headers X-Forwarded-Proto", "https"},
		{"X-Forwarded-For is appended to", connected, "headers X-Forwarded-For", "192.0.2.1, 127.0.0.1"},
		{"last value of many", connected, "headers X-Many", "two"},
		{"query decoded", connected, "queryStringParameters token", "a b"},
		{"query, last value of many", connected, "queryStringParameters x", "2"},
		{"[D] type", authorized, "type", "REQUEST"},
		{"[D] methodArn", authorized, "methodArn", "arn:aws:execute-api:us-east-1:123456789012:abcdef123/prod/$connect"},
		{"[D] content-length", authorized, "headers content-length", "0"},
		{"[D] authorizer numbers are stringified", messaged, "requestContext authorizer numKey", "1"},
		{"[D] authorizer numbers as written", messaged, "requestContext authorizer floatKey", "1.50"},
		{"[D] authorizer booleans are stringified", messaged, "requestContext authorizer boolKey", "true"},
		{"principalId", connected, "requestContext authorizer principalId", "u1"},
		{"[?] client's close code", disconnected, "requestContext disconnectStatusCode", 4001.0},
		{"[?] client's close reason", disconnected, "requestContext disconnectReason", "bye"},
		{"[R] x-api-key is empty", disconnected, "headers x-api-key", ""},
	} {
		t.Run(c.fact+" "+c.path, func(t *testing.T) {
			if got := at(c.event, strings.Fields(c.path)...); got != c.want {
				t.Errorf("%v, want %v", got, c.want)
			}
		})
	}
	t.Run("[R] multi-value maps hold lists", func(t *testing.T) {
		if got := fmt.Sprint(at(connected, "multiValueHeaders", "X-Many"), at(connected, "multiValueQueryStringParameters", "x"), at(disconnected, "multiValueHeaders", "x-restapi")); got != "[one two] [1 2] []" {
			t.Errorf("%s", got)
		}
	})
	for _, event := range []map[string]any{authorized, connected, messaged, disconnected} {
		rc := event["requestContext"].(map[string]any)
		t.Run("[R] requestId == extendedRequestId "+rc["eventType"].(string), func(t *testing.T) {
			if id := rc["requestId"].(string); id != rc["extendedRequestId"] || !idForm.MatchString(id) {
				t.Errorf("requestId %v, extendedRequestId %v", id, rc["extendedRequestId"])
			}
		})
		t.Run("[R] requestTime is CLF, the epochs are ms "+rc["eventType"].(string), func(t *testing.T) {
			clf, err := time.Parse("02/Jan/2006:15:04:05 -0700", rc["requestTime"].(string))
			if err != nil || !strings.HasSuffix(rc["requestTime"].(string), " +0000") || clf.Unix() != int64(rc["requestTimeEpoch"].(float64))/1000 {
				t.Errorf("requestTime %v, requestTimeEpoch %v, %v", rc["requestTime"], rc["requestTimeEpoch"], err)
			}
			if rc["connectedAt"] != at(connected, "requestContext", "connectedAt") {
				t.Error("connectedAt changed")
			}
		})
	}
	if id := at(messaged, "requestContext", "messageId").(string); id[10:] != at(messaged, "requestContext", "connectionId").(string)[10:] {
		t.Errorf("messageId %s does not end like its connection", id)
	}
	if trace := at(connected, "headers", "X-Amzn-Trace-Id").(string); !regexp.MustCompile(`^Root=1-[0-9a-f]{8}-[0-9a-f]{24}$`).MatchString(trace) {
		t.Errorf("trace id %q", trace)
	}
}

func TestEventOptions(t *testing.T) {
	connect, message, disconnect := newRecorder(), newRecorder(), newRecorder()
	h := start(t, Options{DomainName: "ws.example.com", StageVariables: map[string]string{"b": "2", "a": "1"}, Unproven: Unproven{DisconnectedClientIP: true}},
		functions{"$connect": connect.serve, "$default": message.serve, "$disconnect": disconnect.serve})
	r := h.raw()
	r.frame(true, 1, []byte("hi"))
	connected, messaged := connect.next(t), message.next(t)
	r.Close()
	disconnected := disconnect.next(t)
	for name, event := range map[string]map[string]any{"connect": connected, "message": messaged, "disconnect": disconnected} {
		if at(event, "requestContext", "domainName") != "ws.example.com" || at(event, "stageVariables", "a") != "1" {
			t.Errorf("%s: %v", name, event)
		}
		if at(event, "requestContext", "authorizer") != nil || strings.Contains(keys(at(event, "requestContext")), "authorizer") {
			t.Errorf("%s has an authorizer without one", name)
		}
	}
	if keys(at(messaged, "requestContext", "identity")) != "sourceIp" {
		t.Errorf("[R] userAgent only if the client sent one: %v", at(messaged, "requestContext", "identity"))
	}
	if strings.Contains(keys(connected), "query") {
		t.Error("[R] query keys are absent without a query")
	}
	if at(disconnected, "headers", "X-Forwarded-For") != "127.0.0.1" {
		t.Error("[?] DisconnectedClientIP has no effect")
	}
}

// TestEventTypes: the events decode into the types that functions use.
func TestEventTypes(t *testing.T) {
	message := newRecorder()
	h := start(t, Options{}, functions{"$default": message.serve})
	r := h.raw()
	r.frame(true, 1, []byte(`{"x":1}`))
	var e events.APIGatewayWebsocketProxyRequest
	if err := json.Unmarshal(<-message, &e); err != nil {
		t.Fatal(err)
	}
	if e.RequestContext.ConnectionID != h.only().id || e.Body != `{"x":1}` || e.RequestContext.RouteKey != "$default" || e.RequestContext.DisconnectReason != nil {
		t.Errorf("decoded %+v", e)
	}
}

// TestHeaderCase: [R] headers have the original case of their names.
func TestHeaderCase(t *testing.T) {
	request := func(lines ...string) string {
		return "GET /prod HTTP/1.1\r\nhost: x\r\nconnection: Upgrade\r\nupgrade: websocket\r\nsec-websocket-version: 13\r\nSec-WEBSOCKET-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n" +
			strings.Join(append(lines, "\r\n"), "\r\n")
	}
	names := func(t *testing.T, h *harness, connect recorder, chunks ...string) string {
		conn, err := net.Dial("tcp", strings.TrimPrefix(h.url, "http://"))
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		for _, chunk := range chunks {
			if _, err := io.WriteString(conn, chunk); err != nil {
				t.Fatal(err)
			}
			time.Sleep(5 * time.Millisecond) // so that it is read by itself
		}
		return keys(connect.next(t)["headers"])
	}
	const gateway = "Host X-Amzn-Trace-Id X-Forwarded-For X-Forwarded-Port X-Forwarded-Proto "
	connect := newRecorder()
	h := start(t, Options{}, functions{"$connect": connect.serve})
	if got, want := names(t, h, connect, request("aUTHORIZATION: a", "x-forwarded-for: 192.0.2.1", "x-amzn-trace-id: forged")), keysOf(gateway+"Sec-WEBSOCKET-Key aUTHORIZATION sec-websocket-version"); got != want {
		t.Errorf("headers are %s, want %s", got, want)
	}
	whole := request("x-a: 1")
	if got, want := names(t, h, connect, whole[:30], whole[30:100], whole[100:]), keysOf(gateway+"Sec-WEBSOCKET-Key sec-websocket-version x-a"); got != want {
		t.Errorf("in pieces: headers are %s, want %s", got, want)
	}
	// The second request of a connection was not recorded; its names are
	// canonical.
	if got, want := names(t, h, connect, "GET /prod HTTP/1.1\r\nHost: x\r\n\r\n", whole), keysOf(gateway+"Sec-WebSocket-Key Sec-WebSocket-Version X-A"); got != want {
		t.Errorf("second request: headers are %s, want %s", got, want)
	}
}

// keysOf sorts a list of names as keys does.
func keysOf(list string) string {
	m := map[string]any{}
	for _, name := range strings.Fields(list) {
		m[name] = nil
	}
	return keys(m)
}
