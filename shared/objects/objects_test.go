package objects_test

import (
	"io"
	"mime"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"aiwm-chat/local/aws/s3"
	"aiwm-chat/shared/chat"
	"aiwm-chat/shared/config"
	"aiwm-chat/shared/objects"
)

var keys = config.AWS{Region: "eu-west-1", AccessKeyID: "AKID", SecretAccessKey: "secret", SessionToken: "token"}

func open(t *testing.T) *objects.Store {
	t.Helper()
	bucket, err := s3.Open(s3.Options{Name: "files", Keys: []s3.Key{{ID: keys.AccessKeyID, Secret: keys.SecretAccessKey, Token: keys.SessionToken}}})
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(bucket)
	t.Cleanup(server.Close)
	s, err := objects.New(objects.Options{AWS: keys, Bucket: "files", Endpoint: server.URL})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func uploadNamed(name string) chat.Upload {
	return chat.Upload{ID: "upl_0123456789abcdef0123456789abcdef", Name: name, Type: "image/png", Size: 3}
}

func send(t *testing.T, method, link string, headers map[string]string, body string) (int, string, http.Header) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, link, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	for name, value := range headers {
		r.Header.Set(name, value)
	}
	response, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	b, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return response.StatusCode, string(b), response.Header
}

// What is put by a link is got by one, until it is erased; and it stays once it is kept.
func TestBytes(t *testing.T) {
	t.Parallel()
	s, ctx := open(t), t.Context()
	for _, name := range []string{"a.png", `a "quoted"; b.png`, "Übersicht 100%.png", "日本 語.png", "👩‍👧.png", "a'b*c.png"} {
		u := uploadNamed(name)
		if err := s.Keep(ctx, u.ID); chat.CodeOf(err) != chat.NotFound {
			t.Errorf("before it is there: %v", err)
		}
		put, err := s.PutLink(ctx, u, time.Minute)
		if err != nil {
			t.Fatal(err)
		}
		if len(put.Headers) != 3 || put.Headers["content-type"] != "image/png" || put.Headers["if-none-match"] != "*" || put.Headers["x-amz-tagging"] != "state=pending" || strings.Contains(put.URL, "x-amz-checksum") {
			t.Errorf("the link is %+v", put)
		}
		if status, answer, _ := send(t, http.MethodPut, put.URL, put.Headers, "abcd"); status != http.StatusForbidden {
			t.Errorf("more than it is: %d %s", status, answer)
		}
		if status, answer, _ := send(t, http.MethodPut, put.URL, put.Headers, "abc"); status != http.StatusOK {
			t.Fatalf("%q: %d %s", name, status, answer)
		}
		get, err := s.GetLink(ctx, u, time.Minute)
		if err != nil {
			t.Fatal(err)
		}
		status, body, h := send(t, http.MethodGet, get, nil, "")
		kind, params, err := mime.ParseMediaType(h.Get("Content-Disposition"))
		if status != http.StatusOK || body != "abc" || h.Get("Content-Type") != "image/png" || err != nil || kind != "attachment" || params["filename"] != name {
			t.Errorf("%q: %d %q %v, %q %v", name, status, body, h, params, err)
		}
		if h.Get("X-Amz-Tagging-Count") != "1" {
			t.Errorf("its tags: %v", h)
		}
		for range 2 {
			if err := s.Keep(ctx, u.ID); err != nil {
				t.Fatal(err)
			}
		}
		if _, _, h := send(t, http.MethodGet, get, nil, ""); h.Get("X-Amz-Tagging-Count") != "" {
			t.Errorf("kept: %v", h)
		}
		for range 2 {
			if err := s.Erase(ctx, u.ID); err != nil {
				t.Fatal(err)
			}
		}
		if status, _, _ := send(t, http.MethodGet, get, nil, ""); status != http.StatusNotFound {
			t.Errorf("erased: %d", status)
		}
	}
}

// A link has its times, and no secret but those of its signature.
func TestLinks(t *testing.T) {
	t.Parallel()
	s := open(t)
	put, err := s.PutLink(t.Context(), uploadNamed("a.png"), chat.UploadPatience)
	if err != nil {
		t.Fatal(err)
	}
	u, err := url.Parse(put.URL)
	if err != nil || u.Query().Get("X-Amz-Expires") != "900" || u.Path != "/files/upl_0123456789abcdef0123456789abcdef" || strings.Contains(put.URL, keys.SecretAccessKey) {
		t.Errorf("%s, %v", put.URL, err)
	}
	if signed := u.Query().Get("X-Amz-SignedHeaders"); signed != "content-length;content-type;host;if-none-match;x-amz-tagging" {
		t.Errorf("signed are %s", signed)
	}
}

// On AWS the bucket has a host of its own.
func TestLinkOnAWS(t *testing.T) {
	t.Parallel()
	s, err := objects.New(objects.Options{AWS: keys, Bucket: "files"})
	if err != nil {
		t.Fatal(err)
	}
	put, err := s.PutLink(t.Context(), uploadNamed("a.png"), time.Minute)
	if err != nil || !strings.HasPrefix(put.URL, "https://files.s3.eu-west-1.amazonaws.com/upl_0123456789abcdef0123456789abcdef?") {
		t.Errorf("%s, %v", put.URL, err)
	}
}

// Where there is no bucket links are refused, and nothing is left to do.
func TestOff(t *testing.T) {
	t.Parallel()
	s, err := objects.New(objects.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.PutLink(t.Context(), uploadNamed("a"), time.Minute); err != chat.ErrNoUploads {
		t.Error(err)
	}
	if _, err := s.GetLink(t.Context(), uploadNamed("a"), time.Minute); err != chat.ErrNoUploads {
		t.Error(err)
	}
	for name, err := range map[string]error{"keep": s.Keep(t.Context(), "upl_1"), "erase": s.Erase(t.Context(), "upl_1")} {
		if err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := objects.New(objects.Options{Bucket: "files"}); err == nil {
		t.Error("without a region it is opened")
	}
}

// A bucket that does not answer, or refuses, is an error, which says nothing of the keys.
func TestFailures(t *testing.T) {
	t.Parallel()
	for name, status := range map[string]int{"forbidden": http.StatusForbidden, "broken": http.StatusInternalServerError} {
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(status) }))
		t.Cleanup(server.Close)
		s, err := objects.New(objects.Options{AWS: keys, Bucket: "files", Endpoint: server.URL})
		if err != nil {
			t.Fatal(err)
		}
		for step, err := range map[string]error{"keep": s.Keep(t.Context(), "upl_1"), "erase": s.Erase(t.Context(), "upl_1")} {
			if err == nil || chat.CodeOf(err) == chat.NotFound || strings.Contains(err.Error(), keys.SecretAccessKey) || strings.Contains(err.Error(), keys.SessionToken) {
				t.Errorf("%s, %s: %v", name, step, err)
			}
		}
	}
}
