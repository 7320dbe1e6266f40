package apigateway

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
	mgmt "github.com/aws/aws-sdk-go-v2/service/apigatewaymanagementapi"

	"aiwm-chat/shared/chat"
)

// A capture keeps the request that it was given last.
type capture struct {
	*http.Request
	body []byte
}

func (c *capture) RoundTrip(r *http.Request) (*http.Response, error) {
	c.Request = r
	c.body = nil
	if r.Body != nil {
		c.body, _ = io.ReadAll(r.Body)
	}
	return &http.Response{StatusCode: http.StatusOK, Header: http.Header{}, Body: http.NoBody, Request: r}, nil
}

func (c *capture) host() string {
	if c.Host != "" {
		return c.Host
	}
	return c.URL.Host
}

// What the SDK's own operation sends is the measure. The SDK signs additional
// headers about itself, so its request is signed again without them.
func TestTheSDKSignsTheSame(t *testing.T) {
	for _, endpoint := range []string{
		"https://abc123.execute-api.us-east-1.amazonaws.com/prod", // a stage
		"https://ws.example.com/chat/v1",                          // a custom domain's mapping
		"https://ws.example.com/chat/",
		"https://ws.example.com",
		"https://ws.example.com/",
		"https://ws.example.com:443/prod",
		"https://ws.example.com/a%2Fb",
		"http://127.0.0.1:3001/ws",
	} {
		for _, id := range []string{"PJqB0fHsqRcCHlw=", "a-b_c==", "a+b/c=", "a", "L0SM9cOFvHcCIhw", "a b%é~.!*'()"} {
			for _, frame := range []string{`{"event":"message:new"}`, ""} {
				synctest.Test(t, func(t *testing.T) { // time stands still
					var sent capture
					p, err := New(Options{Endpoint: endpoint, AWS: testAWS, Transport: &sent})
					if err != nil {
						t.Fatal(err)
					}
					if err := p.Post(t.Context(), chat.ConnectionID(id), []byte(frame)); err != nil {
						t.Fatal(err)
					}
					ours := sent
					if _, err := p.client.PostToConnection(t.Context(), &mgmt.PostToConnectionInput{
						ConnectionId: aws.String(id), Data: []byte(frame),
					}); err != nil {
						t.Fatal(err)
					}
					theirs := sent

					where := func(c capture) string {
						return fmt.Sprintf("%s %s://%s%s?%s %q %d", c.Method, c.URL.Scheme, c.host(), c.URL.EscapedPath(), c.URL.RawQuery, c.body, c.ContentLength)
					}
					if got, want := where(ours), where(theirs); got != want {
						t.Errorf("sent %s, the SDK sends %s", got, want)
					}
					for _, c := range []capture{ours, theirs} {
						if got, want := c.Header.Get("Authorization"), sign(t, c, signedHeaders(c)); got != want {
							t.Errorf("%s: %s, verified as %s", where(c), got, want)
						}
					}
					names := signedHeaders(ours)
					if got, want := ours.Header.Get("Authorization"), sign(t, theirs, names); got != want {
						t.Errorf("%s: %s, the SDK's with equal headers is %s", where(ours), got, want)
					}
					for _, name := range names {
						if got, want := ours.Header.Values(name), theirs.Header.Values(name); !slices.Equal(got, want) {
							t.Errorf("%s: %q, the SDK sends %q", name, got, want)
						}
					}
					for _, name := range signedHeaders(theirs) {
						if !strings.HasPrefix(name, "amz-sdk-") && !slices.Contains(names, name) {
							t.Errorf("the SDK signs %s as well", name)
						}
					}
				})
			}
		}
	}
}

func signedHeaders(c capture) []string {
	_, list, _ := strings.Cut(c.Header.Get("Authorization"), "SignedHeaders=")
	list, _, _ = strings.Cut(list, ",")
	return strings.Split(list, ";")
}

// sign signs what arrived as a verifier would, over these headers, and returns
// the Authorization.
func sign(t *testing.T, c capture, headers []string) string {
	t.Helper()
	at, err := time.Parse("20060102T150405Z", c.Header.Get("X-Amz-Date"))
	if err != nil {
		t.Fatal(err)
	}
	again := (&http.Request{Method: c.Method, URL: c.URL, Host: c.host(), Header: http.Header{}}).Clone(context.Background())
	for _, name := range headers {
		switch name {
		case "host":
		case "content-length":
			again.ContentLength = int64(len(c.body))
		default:
			again.Header[http.CanonicalHeaderKey(name)] = c.Header.Values(name)
		}
	}
	hash := sha256.Sum256(c.body)
	keys := aws.Credentials{AccessKeyID: testAWS.AccessKeyID, SecretAccessKey: testAWS.SecretAccessKey, SessionToken: testAWS.SessionToken}
	if err := v4.NewSigner().SignHTTP(context.Background(), keys, again, hex.EncodeToString(hash[:]), service, testAWS.Region, at); err != nil {
		t.Fatal(err)
	}
	return again.Header.Get("Authorization")
}

// What arrives over HTTP is what was signed, and each request is its own.
func TestRequestsArriveAsSigned(t *testing.T) {
	var mu sync.Mutex
	seen := map[string]capture{}
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		mu.Lock()
		defer mu.Unlock()
		seen[r.URL.EscapedPath()] = capture{r, body}
	}))
	defer server.Close()
	transport := newTransport()
	defer transport.CloseIdleConnections()
	p, err := New(Options{Endpoint: server.URL + "/prod", AWS: testAWS, Transport: transport})
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			for j := range 10 {
				id := fmt.Sprintf("c%d-%d_=", i, j)
				if err := p.Post(t.Context(), chat.ConnectionID(id), []byte("frame of "+id)); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	if len(seen) != 80 {
		t.Errorf("%d connections were posted to, want 80", len(seen))
	}
	for path, c := range seen {
		if want := "/prod/@connections/" + strings.TrimPrefix(strings.TrimSuffix(string(c.body), "="), "frame of ") + "%3D"; path != want {
			t.Errorf("%q was posted to %s, want %s", c.body, path, want)
		}
		if got, want := c.Header.Get("Authorization"), sign(t, c, signedHeaders(c)); got != want {
			t.Errorf("signature %s, want %s", got, want)
		}
		names := slices.Sorted(maps.Keys(c.Header))
		if want := []string{"Authorization", "Content-Length", "Content-Type", "User-Agent", "X-Amz-Date", "X-Amz-Security-Token"}; !slices.Equal(names, want) {
			t.Errorf("headers %v, want %v", names, want)
		}
		if got := c.Header.Get("X-Amz-Security-Token"); got != testAWS.SessionToken {
			t.Errorf("session token %q", got)
		}
	}
}
