package wsapi

import (
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
)

func TestManagement(t *testing.T) {
	const unknown = "PJqB0fHsqRcCHlw="
	for _, c := range []struct {
		fact      string
		options   Options
		method    string
		path      string // ID stands for the connection's id, escaped
		body      string
		status    int
		errorType string
	}{
		{"[M] POST is 200", Options{}, "POST", "/prod/@connections/ID", "hello", 200, ""},
		{"[M] GET is 200", Options{}, "GET", "/prod/@connections/ID", "", 200, ""},
		{"[M] DELETE is 204", Options{}, "DELETE", "/prod/@connections/ID", "", 204, ""},
		{"[D] %40connections", Options{}, "POST", "/prod/%40connections/ID", "hello", 200, ""},
		{"[E] custom domain without stage", Options{}, "POST", "/@connections/ID", "hello", 200, ""},
		{"[E] custom domain with mapping key", Options{}, "POST", "/ws/@connections/ID", "hello", 200, ""},
		{"another stage", Options{}, "POST", "/dev/@connections/ID", "hello", 403, "ForbiddenException"},
		{"[M] unknown id: POST", Options{}, "POST", "/prod/@connections/" + url.PathEscape(unknown), "x", 410, "GoneException"},
		{"[M] unknown id: GET", Options{}, "GET", "/prod/@connections/" + unknown, "", 410, "GoneException"},
		{"[M] unknown id: DELETE", Options{}, "DELETE", "/prod/@connections/" + unknown, "", 410, "GoneException"},
		{"trap 8: %2F in an id", Options{}, "POST", "/prod/@connections/a%2Fb", "x", 400, "BadRequestException"},
		{"[I] malformed id", Options{}, "POST", "/prod/@connections/nope", "x", 400, "BadRequestException"},
		{"[I] malformed id: a line end", Options{}, "GET", "/prod/@connections/PJqB0fHsqRcCHlw%0A=", "", 400, "BadRequestException"},
		{"[I] malformed id: no padding", Options{}, "DELETE", "/prod/@connections/PJqB0fHsqRcCHlw", "", 400, "BadRequestException"},
		{"[?] malformed id, switched", Options{Unproven: Unproven{MalformedIDStatus: 410}}, "POST", "/prod/@connections/nope", "x", 410, "GoneException"},
		{"[?] no UTF-8, switched", Options{Unproven: Unproven{InvalidPostStatus: 400}}, "POST", "/prod/@connections/ID", "a\xff", 400, "BadRequestException"},
		{"[?] UTF-8, switched", Options{Unproven: Unproven{InvalidPostStatus: 400}}, "POST", "/prod/@connections/ID", "ü", 200, ""},
		{"[M] 128 KB", Options{}, "POST", "/prod/@connections/ID", strings.Repeat("x", 128<<10), 200, ""},
		{"[M] more than 128 KB", Options{}, "POST", "/prod/@connections/ID", strings.Repeat("x", 128<<10+1), 413, "PayloadTooLargeException"},
		{"[?] more than 32 KB", Options{}, "POST", "/prod/@connections/ID", strings.Repeat("x", 32<<10+1), 200, ""},
		{"[?] more than 32 KB, switched", Options{Unproven: Unproven{MaxPost: 32 << 10}}, "POST", "/prod/@connections/ID", strings.Repeat("x", 32<<10+1), 413, "PayloadTooLargeException"},
		{"another method", Options{}, "PUT", "/prod/@connections/ID", "x", 403, "ForbiddenException"},
	} {
		t.Run(c.fact, func(t *testing.T) {
			h := start(t, c.options, functions{})
			cl := h.dial()
			path := strings.Replace(c.path, "ID", url.PathEscape(h.only().id), 1)
			resp, body := h.manage(c.method, path, c.body)
			if resp.StatusCode != c.status || resp.Header.Get("x-amzn-ErrorType") != c.errorType {
				t.Errorf("%s %s, %s; want %d %s", resp.Status, resp.Header.Get("x-amzn-ErrorType"), body, c.status, c.errorType)
			}
			if !idForm.MatchString(resp.Header.Get("x-amzn-RequestId")) {
				t.Errorf("x-amzn-RequestId %q", resp.Header.Get("x-amzn-RequestId"))
			}
			if c.status >= 400 && !regexp.MustCompile(`^\{"message":".+"\}$`).MatchString(body) {
				t.Errorf("body %s", body)
			}
			if c.method == "POST" && c.status == 200 {
				if got := cl.receive(); got != c.body {
					t.Errorf("received %d bytes, want %d", len(got), len(c.body))
				}
			}
		})
	}
}

// TestPostWithoutLength: a chunked body is measured as it comes.
func TestPostWithoutLength(t *testing.T) {
	h := start(t, Options{}, functions{})
	c := h.dial()
	for n, status := range map[int]int{0: 200, 5: 200, 100_000: 200, 128 << 10: 200, 128<<10 + 1: 413} {
		r, err := http.NewRequest(http.MethodPost, h.url+"/@connections/"+h.only().id, io.MultiReader(strings.NewReader(strings.Repeat("x", n))))
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Authorization", signed)
		r.Header.Set("X-Amz-Date", "20260101T000000Z")
		resp, err := h.http.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		if resp.StatusCode != status {
			t.Errorf("%d bytes: %s", n, resp.Status)
		}
		if status == 200 && len(c.receive()) != n {
			t.Errorf("%d bytes arrived otherwise", n)
		}
	}
}

func TestGet(t *testing.T) {
	h := start(t, Options{}, functions{})
	c := h.dial()
	get := func() map[string]any {
		_, body := h.manage(http.MethodGet, "/@connections/"+h.only().id, "")
		return decode(t, []byte(body))
	}
	before := get()
	if keys(before) != "connectedAt identity lastActiveAt" || keys(before["identity"]) != "sourceIp userAgent" {
		t.Errorf("[M] GET returns %v", before)
	}
	if _, err := time.Parse(time.RFC3339, before["connectedAt"].(string)); err != nil {
		t.Error(err)
	}
	time.Sleep(2 * time.Millisecond) // the times have milliseconds
	h.manage(http.MethodPost, "/@connections/"+h.only().id, "x")
	c.receive()
	if after := get(); after["lastActiveAt"].(string) <= before["lastActiveAt"].(string) || after["connectedAt"] != before["connectedAt"] {
		t.Errorf("before %v, after a post %v", before, after)
	}
}

func TestSignatureForm(t *testing.T) {
	h := start(t, Options{}, functions{})
	h.dial()
	for _, c := range []struct{ fact, authorization, date string }{
		{"[D] unsigned", "", "20260101T000000Z"},
		{"bearer token", "Bearer abc", "20260101T000000Z"},
		{"no date", signed, ""},
		{"another date", signed, "20260102T000000Z"},
		{"another service", strings.Replace(signed, "execute-api", "s3", 1), "20260101T000000Z"},
		{"no credential", strings.Replace(signed, "Credential", "X", 1), "20260101T000000Z"},
		{"no region", strings.Replace(signed, "/us-east-1", "", 1), "20260101T000000Z"},
		{"short signature", signed[:len(signed)-1], "20260101T000000Z"},
		{"signature that is no hex", signed[:len(signed)-1] + "g", "20260101T000000Z"},
		{"host is not signed", strings.Replace(signed, "host;", "", 1), "20260101T000000Z"},
	} {
		t.Run(c.fact, func(t *testing.T) {
			r := httptest.NewRequest(http.MethodPost, "/@connections/"+url.PathEscape(h.only().id), strings.NewReader("x"))
			r.Header.Set("Authorization", c.authorization)
			r.Header.Set("X-Amz-Date", c.date)
			w := httptest.NewRecorder()
			h.api.ManagementHandler().ServeHTTP(w, r)
			//lint:ignore SA1008 the header is written in AWS's spelling
			if w.Code != 403 || w.Header()["x-amzn-ErrorType"][0] != "ForbiddenException" {
				t.Errorf("%d %v", w.Code, w.Header())
			}
		})
	}
}

func TestSignatureVerified(t *testing.T) {
	h := start(t, Options{SigningKeys: map[string]SigningKey{"AKIA/test": {Secret: "secret", Token: "token"}}}, functions{})
	c := h.dial()
	now := time.Now()
	sign := func(key, secret, token string, at time.Time, path, body string) *http.Request {
		r, err := http.NewRequest(http.MethodPost, h.url+path, strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Content-Type", "application/octet-stream")
		// SHA-256 of "hello"
		const hash = "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824"
		if err := v4.NewSigner().SignHTTP(t.Context(), aws.Credentials{AccessKeyID: key, SecretAccessKey: secret, SessionToken: token}, r, hash, "execute-api", "eu-west-1", at); err != nil {
			t.Fatal(err)
		}
		return r
	}
	path := "/prod/@connections/" + url.PathEscape(h.only().id)
	for _, x := range []struct {
		name    string
		request *http.Request
		status  int
	}{
		{"valid", sign("AKIA/test", "secret", "", now, path, "hello"), 200},
		{"valid with its token", sign("AKIA/test", "secret", "token", now, path, "hello"), 200},
		{"another token", sign("AKIA/test", "secret", "taken", now, path, "hello"), 403},
		{"another secret", sign("AKIA/test", "Secret", "", now, path, "hello"), 403},
		{"unknown key", sign("AKIA", "secret", "", now, path, "hello"), 403},
		{"another body", sign("AKIA/test", "secret", "", now, path, "hellO"), 403},
		{"too old", sign("AKIA/test", "secret", "", now.Add(-time.Hour), path, "hello"), 403},
		{"from the future", sign("AKIA/test", "secret", "", now.Add(time.Hour), path, "hello"), 403},
	} {
		resp, err := h.http.Do(x.request)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		if resp.StatusCode != x.status {
			t.Errorf("%s: %s, want %d", x.name, resp.Status, x.status)
		}
	}
	for range 2 { // as many as were let in
		if c.receive() != "hello" {
			t.Error("the body was lost by verifying it")
		}
	}
}

func TestIsManagement(t *testing.T) {
	for path, want := range map[string]bool{
		"/@connections/x": true, "/prod/%40connections/x%3D": true, "/@connections/": false, "/@connections": false, "/x": false, "/": false, "/@connections/x/y": false, "/x@connections/y": false,
	} {
		if got := IsManagement(httptest.NewRequest(http.MethodGet, path, nil)); got != want {
			t.Errorf("%s: %v", path, got)
		}
	}
}

// TestPostAfterClose: trap 8. Once a DELETE has been answered, no post
// succeeds, however they race.
func TestPostAfterClose(t *testing.T) {
	h := start(t, Options{}, functions{})
	for range 20 {
		c := h.dial()
		path := "/@connections/" + h.only().id
		go c.drain()
		var posters sync.WaitGroup
		for range 4 {
			posters.Go(func() {
				for {
					resp, _, err := h.tryManage(http.MethodPost, path, "x")
					if err != nil || resp.StatusCode == http.StatusGone {
						return
					}
				}
			})
		}
		h.manage(http.MethodDelete, path, "")
		if resp, _ := h.manage(http.MethodPost, path, "x"); resp.StatusCode != http.StatusGone {
			t.Fatalf("%s after the DELETE was answered", resp.Status)
		}
		posters.Wait()
	}
}

// TestSlowReader: a client that does not read gets 429 after a short wait,
// holds nobody else up, and what was accepted arrives whole and in order.
func TestSlowReader(t *testing.T) {
	t.Parallel()
	h := start(t, Options{}, functions{})
	slow := h.raw()
	path := "/@connections/" + h.only().id
	body := strings.Repeat("x", 128<<10)
	accepted := 0
	for {
		resp, _ := h.manage(http.MethodPost, path, body)
		if resp.StatusCode == http.StatusTooManyRequests {
			if resp.Header.Get("x-amzn-ErrorType") != "LimitExceededException" {
				t.Errorf("%v", resp.Header)
			}
			break
		}
		if resp.StatusCode != http.StatusOK {
			t.Fatalf("after %d posts: %s", accepted, resp.Status)
		}
		if accepted++; accepted > 1000 {
			t.Fatal("128 MB were taken for a client that does not read")
		}
	}
	var other *conn
	quick := h.dial()
	eventually(t, "the other client is connected", func() bool {
		h.api.mu.RLock()
		defer h.api.mu.RUnlock()
		for id, c := range h.api.connections {
			if !strings.HasSuffix(path, id) {
				other = c
			}
		}
		return other != nil
	})
	blocked := make(chan struct{})
	go func() {
		defer close(blocked)
		h.tryManage(http.MethodPost, path, body)
	}()
	if resp, _ := h.manage(http.MethodPost, "/@connections/"+other.id, "hi"); resp.StatusCode != 200 || quick.receive() != "hi" {
		t.Errorf("another client is held up: %s", resp.Status)
	}
	<-blocked
	for range accepted {
		if _, payload := slow.next(); string(payload) != body {
			t.Fatal("a frame arrived otherwise than it was sent")
		}
	}
	eventually(t, "posts succeed again", func() bool {
		resp, _ := h.manage(http.MethodPost, path, "again")
		return resp.StatusCode == http.StatusOK
	})
}

// TestSlowReaderIsDeleted: closing does not wait for a client that does not
// read.
func TestSlowReaderIsDeleted(t *testing.T) {
	t.Parallel()
	disconnect := newRecorder()
	h := start(t, Options{}, functions{"$disconnect": disconnect.serve})
	h.raw()
	path := "/@connections/" + h.only().id
	body := strings.Repeat("x", 128<<10)
	for {
		if resp, _ := h.manage(http.MethodPost, path, body); resp.StatusCode != http.StatusOK {
			break
		}
	}
	if resp, _ := h.manage(http.MethodDelete, path, ""); resp.StatusCode != http.StatusNoContent {
		t.Errorf("%s", resp.Status)
	}
	if code := at(disconnect.next(t), "requestContext", "disconnectStatusCode"); code != 1000.0 {
		t.Errorf("$disconnect with %v", code)
	}
}
