package s3

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/smithy-go"
)

// A scene is a bucket that is served, and the real client of it.
type scene struct {
	*Bucket
	url    string
	client *s3.Client
	links  *s3.PresignClient
}

var key = Key{ID: "AKID", Secret: "secret/with+signs", Token: "token=="}

func serve(t *testing.T, o Options) *scene {
	t.Helper()
	o.Name, o.Keys = "files", []Key{key}
	b, err := Open(o)
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(b)
	t.Cleanup(server.Close)
	c := clientOf(server.URL, key)
	return &scene{b, server.URL, c, s3.NewPresignClient(c)}
}

func clientOf(url string, k Key) *s3.Client {
	return s3.New(s3.Options{
		Region: "eu-west-1", BaseEndpoint: aws.String(url), UsePathStyle: true, Retryer: aws.NopRetryer{},
		RequestChecksumCalculation: aws.RequestChecksumCalculationWhenRequired,
		Credentials: aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
			return aws.Credentials{AccessKeyID: k.ID, SecretAccessKey: k.Secret, SessionToken: k.Token}, nil
		}),
	})
}

func in(s string) *string { return aws.String(s) }

// names are keys that are hard to escape.
var names = []string{"a", "a b/c+d", "ü/€/𝄞", "..", "../../etc/passwd", "a//b", "%2e%2e%2f", "~!*'()&=?#", strings.Repeat("x", 900)}

func TestClient(t *testing.T) {
	t.Parallel()
	for _, dir := range []string{"", t.TempDir()} {
		s := serve(t, Options{Dir: dir})
		ctx := t.Context()
		for _, name := range names {
			if _, err := s.client.PutObject(ctx, &s3.PutObjectInput{Bucket: in("files"), Key: &name, Body: strings.NewReader(name), ContentType: in("text/plain"), Tagging: in("a=1&b=x%20y")}); err != nil {
				t.Fatalf("%q: %v", name, err)
			}
		}
		if dir != "" { // kept, and nothing else is anywhere
			s = serve(t, Options{Dir: dir})
			files, err := os.ReadDir(dir)
			if err != nil || len(files) != 2*len(names) {
				t.Errorf("%d files, %v", len(files), err)
			}
			if others, _ := filepath.Glob(filepath.Join(filepath.Dir(dir), "*")); len(others) > 1 && !strings.Contains(others[0], filepath.Base(dir)) {
				t.Errorf("beside it there is %v", others)
			}
		}
		for _, name := range names {
			got, err := s.client.GetObject(ctx, &s3.GetObjectInput{Bucket: in("files"), Key: &name})
			if err != nil {
				t.Fatalf("%q: %v", name, err)
			}
			body, err := io.ReadAll(got.Body)
			if err != nil || string(body) != name || *got.ContentType != "text/plain" || *got.TagCount != 2 {
				t.Errorf("%q: %q, %+v, %v", name, body, got, err)
			}
			part, err := s.client.GetObject(ctx, &s3.GetObjectInput{Bucket: in("files"), Key: &name, Range: in("bytes=0-0")})
			if err != nil || *part.ContentLength != 1 {
				t.Errorf("%q: a part is %+v, %v", name, part, err)
			}
			tags, err := s.client.GetObjectTagging(ctx, &s3.GetObjectTaggingInput{Bucket: in("files"), Key: &name})
			if err != nil || len(tags.TagSet) != 2 {
				t.Errorf("%q: tags are %+v, %v", name, tags, err)
			}
			if _, err := s.client.DeleteObjectTagging(ctx, &s3.DeleteObjectTaggingInput{Bucket: in("files"), Key: &name}); err != nil {
				t.Errorf("%q: %v", name, err)
			}
			if tags, err = s.client.GetObjectTagging(ctx, &s3.GetObjectTaggingInput{Bucket: in("files"), Key: &name}); err != nil || len(tags.TagSet) != 0 {
				t.Errorf("%q: tags are %+v, %v", name, tags, err)
			}
			for range 2 {
				if _, err := s.client.DeleteObject(ctx, &s3.DeleteObjectInput{Bucket: in("files"), Key: &name}); err != nil {
					t.Errorf("%q: %v", name, err)
				}
			}
			_, err = s.client.GetObject(ctx, &s3.GetObjectInput{Bucket: in("files"), Key: &name})
			if code(err) != "NoSuchKey" {
				t.Errorf("%q: %v", name, err)
			}
			_, err = s.client.DeleteObjectTagging(ctx, &s3.DeleteObjectTaggingInput{Bucket: in("files"), Key: &name})
			if code(err) != "NoSuchKey" {
				t.Errorf("%q: %v", name, err)
			}
		}
		if dir == "" {
			continue
		}
		if files, err := os.ReadDir(dir); err != nil || len(files) > 0 {
			t.Errorf("%v are left, %v", files, err)
		}
	}
}

// code is S3's, of an error of the client.
func code(err error) string {
	if e, ok := errors.AsType[smithy.APIError](err); ok {
		return e.ErrorCode()
	}
	return ""
}

func TestPutOnce(t *testing.T) {
	t.Parallel()
	s := serve(t, Options{})
	put := func() error {
		_, err := s.client.PutObject(t.Context(), &s3.PutObjectInput{Bucket: in("files"), Key: in("a"), Body: strings.NewReader("x"), IfNoneMatch: in("*")})
		return err
	}
	if err := put(); err != nil {
		t.Fatal(err)
	}
	if err := put(); code(err) != "PreconditionFailed" {
		t.Errorf("again: %v", err)
	}
}

func TestWhoSignsWrongly(t *testing.T) {
	t.Parallel()
	s := serve(t, Options{})
	for want, k := range map[string]Key{
		"SignatureDoesNotMatch": {key.ID, "another", key.Token}, "InvalidAccessKeyId": {"other", key.Secret, key.Token}, "InvalidToken": {key.ID, key.Secret, "other"},
	} {
		_, err := clientOf(s.url, k).PutObject(t.Context(), &s3.PutObjectInput{Bucket: in("files"), Key: in("a"), Body: strings.NewReader("x")})
		if code(err) != want {
			t.Errorf("%v, want %s", err, want)
		}
	}
	if s.objects.find("a") != nil {
		t.Error("it is stored")
	}
	r, err := http.Get(s.url + "/files/a")
	if err != nil {
		t.Fatal(err)
	}
	r.Body.Close()
	if r.StatusCode != http.StatusForbidden {
		t.Errorf("without a signature: %s", r.Status)
	}
}

// put is a link to put three bytes, as uploads have it.
func (s *scene) put(t *testing.T) (link string, headers http.Header) {
	t.Helper()
	r, err := s.links.PresignPutObject(t.Context(), &s3.PutObjectInput{
		Bucket: in("files"), Key: in("a b/ü"), ContentLength: aws.Int64(3), ContentType: in("image/png"), IfNoneMatch: in("*"), Tagging: in("state=pending"),
	}, s3.WithPresignExpires(15*time.Minute))
	if err != nil {
		t.Fatal(err)
	}
	headers = r.SignedHeader.Clone()
	headers.Del("Host")
	headers.Del("Content-Length")
	return r.URL, headers
}

func do(t *testing.T, method, link string, headers http.Header, body io.Reader) (status int, answer string, h http.Header) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, link, body)
	if err != nil {
		t.Fatal(err)
	}
	r.Header = headers
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

// A link binds all that the SDK has signed: it lets through that, and nothing else.
func TestLinkBinds(t *testing.T) {
	t.Parallel()
	set := func(name, value string) func(*string, http.Header) {
		return func(_ *string, h http.Header) { h.Set(name, value) }
	}
	query := func(name, value string) func(*string, http.Header) {
		return func(link *string, _ http.Header) {
			u, err := url.Parse(*link)
			if err != nil {
				panic(err)
			}
			q := u.Query()
			q.Set(name, value)
			u.RawQuery = q.Encode()
			*link = u.String()
		}
	}
	long := io.Reader(struct{ io.Reader }{strings.NewReader("abc")}) // of unknown length
	for name, tt := range map[string]struct {
		change func(*string, http.Header)
		body   io.Reader
		after  time.Duration
		want   string // in the answer
	}{
		"as it is":             {nil, nil, 0, ""},
		"at the last moment":   {nil, nil, 15*time.Minute - 2*time.Second, ""},
		"expired":              {nil, nil, 15*time.Minute + 2*time.Second, "Request has expired"},
		"before it was signed": {nil, nil, -16 * time.Minute, "Request is not valid yet"},
		"longer":               {nil, strings.NewReader("abcd"), 0, "SignatureDoesNotMatch"},
		"shorter":              {nil, strings.NewReader("ab"), 0, "SignatureDoesNotMatch"},
		"empty":                {nil, http.NoBody, 0, "SignatureDoesNotMatch"},
		"of unknown length":    {nil, long, 0, "SignatureDoesNotMatch"},
		"another type":         {set("Content-Type", "text/html"), nil, 0, "SignatureDoesNotMatch"},
		"a type with more":     {set("Content-Type", "image/png; charset=x"), nil, 0, "SignatureDoesNotMatch"},
		"over what is there":   {func(_ *string, h http.Header) { h.Del("If-None-Match") }, nil, 0, "SignatureDoesNotMatch"},
		"no tag":               {func(_ *string, h http.Header) { h.Del("X-Amz-Tagging") }, nil, 0, "SignatureDoesNotMatch"},
		"another tag":          {set("X-Amz-Tagging", "state=kept"), nil, 0, "SignatureDoesNotMatch"},
		"public":               {set("X-Amz-Acl", "public-read"), nil, 0, "not signed"},
		"another key":          {func(link *string, _ http.Header) { *link = strings.Replace(*link, "/files/a", "/files/b", 1) }, nil, 0, "SignatureDoesNotMatch"},
		"a path":               {func(link *string, _ http.Header) { *link = strings.Replace(*link, "/files/a", "/files/..%2Fa", 1) }, nil, 0, "SignatureDoesNotMatch"},
		"for longer":           {query("X-Amz-Expires", "604800"), nil, 0, "SignatureDoesNotMatch"},
		"for ever":             {query("X-Amz-Expires", "6048000"), nil, 0, "AuthorizationQueryParametersError"},
		"for no time":          {query("X-Amz-Expires", "-1"), nil, 0, "AuthorizationQueryParametersError"},
		"for less signed":      {query("X-Amz-SignedHeaders", "host"), nil, 0, "not signed"},
		"another signature":    {query("X-Amz-Signature", strings.Repeat("0", 64)), nil, 0, "SignatureDoesNotMatch"},
		"no signature":         {query("X-Amz-Signature", ""), nil, 0, "SignatureDoesNotMatch"},
		"another algorithm":    {query("X-Amz-Algorithm", "none"), nil, 0, "AuthorizationQueryParametersError"},
		"another key id":       {query("X-Amz-Credential", "x/20260101/eu-west-1/s3/aws4_request"), nil, 0, "InvalidAccessKeyId"},
		"another service":      {query("X-Amz-Credential", "AKID/20260101/eu-west-1/sqs/aws4_request"), nil, 0, "SignatureDoesNotMatch"},
		"another token":        {query("X-Amz-Security-Token", "x"), nil, 0, "InvalidToken"},
		"more in the query":    {query("x-id", "DeleteObject"), nil, 0, "SignatureDoesNotMatch"},
		"signed twice":         {set("Authorization", "AWS4-HMAC-SHA256 Credential=a"), nil, 0, "InvalidArgument"},
	} {
		s := serve(t, Options{})
		s.now = func() time.Time { return time.Now().Add(tt.after) }
		link, headers := s.put(t)
		if tt.change != nil {
			tt.change(&link, headers)
		}
		body := tt.body
		if body == nil {
			body = strings.NewReader("abc")
		}
		status, answer, _ := do(t, http.MethodPut, link, headers, body)
		stored := s.objects.find("a b/ü") != nil
		if tt.want == "" && (status != http.StatusOK || !stored) || tt.want != "" && (status < 400 || stored || !strings.Contains(answer, tt.want)) {
			t.Errorf("%s: %d %s, stored %v, want %q", name, status, answer, stored, tt.want)
		}
	}
}

// The same link is good for one object, by its method alone.
func TestLinkIsUsedOnce(t *testing.T) {
	t.Parallel()
	s := serve(t, Options{})
	link, headers := s.put(t)
	for i, want := range []int{http.StatusOK, http.StatusPreconditionFailed} {
		if status, answer, _ := do(t, http.MethodPut, link, headers, strings.NewReader("abc")); status != want {
			t.Errorf("%d: %d %s", i, status, answer)
		}
	}
	for _, method := range []string{http.MethodGet, http.MethodDelete, http.MethodHead} {
		if status, _, _ := do(t, method, link, headers, nil); status != http.StatusForbidden {
			t.Errorf("%s: %d", method, status)
		}
	}
}

// What a link says of the answer is in it.
func TestLinkToGet(t *testing.T) {
	t.Parallel()
	s := serve(t, Options{})
	link, headers := s.put(t)
	do(t, http.MethodPut, link, headers, strings.NewReader("abc"))
	get, err := s.links.PresignGetObject(t.Context(), &s3.GetObjectInput{
		Bucket: in("files"), Key: in("a b/ü"), ResponseContentType: in("text/plain"), ResponseContentDisposition: in(`attachment; filename="ü b"`), ResponseCacheControl: in("private"),
	}, s3.WithPresignExpires(time.Minute))
	if err != nil {
		t.Fatal(err)
	}
	status, body, h := do(t, http.MethodGet, get.URL, http.Header{}, nil)
	if status != http.StatusOK || body != "abc" || h.Get("Content-Type") != "text/plain" || h.Get("Content-Disposition") != `attachment; filename="ü b"` || h.Get("Cache-Control") != "private" || h.Get("X-Content-Type-Options") != "nosniff" {
		t.Errorf("%d %q %v", status, body, h)
	}
	if status, body, _ := do(t, http.MethodGet, get.URL, http.Header{"Range": {"bytes=1-"}}, nil); status != http.StatusPartialContent || body != "bc" {
		t.Errorf("a part is %d %q", status, body)
	}
	inline := strings.Replace(get.URL, "attachment", "inline", 1)
	if status, body, _ := do(t, http.MethodGet, inline, http.Header{}, nil); status != http.StatusForbidden || !strings.Contains(body, "SignatureDoesNotMatch") {
		t.Errorf("inline: %d %s", status, body)
	}
	s.now = func() time.Time { return time.Now().Add(2 * time.Minute) }
	if status, body, _ := do(t, http.MethodGet, get.URL, http.Header{}, nil); status != http.StatusForbidden || !strings.Contains(body, "Request has expired") {
		t.Errorf("later: %d %s", status, body)
	}
}

// What has a tag goes in time, and what has lost it stays.
func TestLifecycle(t *testing.T) {
	t.Parallel()
	s := serve(t, Options{Lifecycle: []Expiry{{"state", "pending", time.Hour}}})
	for name, tags := range map[string]string{"pending": "state=pending", "kept": "state=pending", "other": "state=x", "none": ""} {
		if _, err := s.client.PutObject(t.Context(), &s3.PutObjectInput{Bucket: in("files"), Key: &name, Body: strings.NewReader("x"), Tagging: &tags}); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := s.client.DeleteObjectTagging(t.Context(), &s3.DeleteObjectTaggingInput{Bucket: in("files"), Key: in("kept")}); err != nil {
		t.Fatal(err)
	}
	later := time.Now().Add(2 * time.Hour)
	for name, want := range map[string]bool{"pending": false, "kept": true, "other": true, "none": true} {
		s.now = func() time.Time { return later }
		if _, err := s.find(name); (err == nil) != want {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestCORS(t *testing.T) {
	t.Parallel()
	s := serve(t, Options{CORS: []CORSRule{{Origins: []string{"https://*.example"}, Methods: []string{"GET", "PUT"}, Headers: []string{"content-type", "x-amz-*"}, Expose: []string{"etag"}, MaxAge: time.Minute}}})
	ask := func(origin, method, headers string) (int, http.Header) {
		status, _, h := do(t, http.MethodOptions, s.url+"/files/a", http.Header{"Origin": {origin}, "Access-Control-Request-Method": {method}, "Access-Control-Request-Headers": {headers}}, nil)
		return status, h
	}
	if status, h := ask("https://a.example", "PUT", "Content-Type, x-amz-tagging"); status != http.StatusOK || h.Get("Access-Control-Allow-Origin") != "https://a.example" || h.Get("Access-Control-Max-Age") != "60" {
		t.Errorf("%d %v", status, h)
	}
	for _, no := range [][3]string{{"https://a.other", "PUT", ""}, {"https://a.example", "DELETE", ""}, {"https://a.example", "PUT", "authorization"}} {
		if status, h := ask(no[0], no[1], no[2]); status != http.StatusForbidden || h.Get("Access-Control-Allow-Origin") != "" {
			t.Errorf("%v: %d %v", no, status, h)
		}
	}
	if _, _, h := do(t, http.MethodGet, s.url+"/files/a", http.Header{"Origin": {"https://a.example"}}, nil); h.Get("Access-Control-Allow-Origin") != "https://a.example" || h.Get("Access-Control-Expose-Headers") != "etag" {
		t.Errorf("%v", h)
	}
}

// Nothing that is sent without a signature panics, or is stored.
func FuzzServe(f *testing.F) {
	f.Add("PUT", "/files/a", "X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Expires=1&X-Amz-Date=20260101T000000Z&X-Amz-Credential=AKID/20260101/r/s3/aws4_request", "AWS4-HMAC-SHA256 Credential=a/b, SignedHeaders=host, Signature=0", []byte("x"))
	f.Fuzz(func(t *testing.T, method, path, query, authorization string, body []byte) {
		b, err := Open(Options{Name: "files", Keys: []Key{key}})
		if err != nil {
			t.Fatal(err)
		}
		r := httptest.NewRequest(http.MethodPut, "http://h/files/a", bytes.NewReader(body))
		r.Method, r.URL.Path, r.URL.RawQuery = method, path, query
		r.Header.Set("Authorization", authorization)
		w := httptest.NewRecorder()
		b.ServeHTTP(w, r)
		if len(b.objects.objects) > 0 || method != http.MethodOptions && w.Code < 400 {
			t.Errorf("%d %s", w.Code, w.Body)
		}
	})
}
