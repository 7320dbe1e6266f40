package secrets_test

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	fake "aiwm-chat/local/aws/secrets"
	"aiwm-chat/shared/config"
	"aiwm-chat/shared/secrets"
)

var keys = config.AWS{Region: "us-east-1", AccessKeyID: "local", SecretAccessKey: "local", SessionToken: "token"}

func store() *fake.Server { return fake.New(fake.Key{ID: "local", Secret: "local", Token: "token"}) }

func at(url string) func(string) string {
	return func(name string) string {
		if name == "AWS_ENDPOINT_URL_SECRETS_MANAGER" || name == "AWS_ENDPOINT_URL_SSM" {
			return url
		}
		return ""
	}
}

func TestReads(t *testing.T) {
	t.Parallel()
	s := store()
	server := httptest.NewServer(s)
	defer server.Close()
	fetch := secrets.In(at(server.URL))
	for _, arn := range []string{fake.ARN("db"), fake.ParameterARN("chat/db")} {
		s.Put(arn, "päss wörd\n")
		if got, err := fetch(t.Context(), keys, arn); err != nil || got != "päss wörd\n" {
			t.Errorf("%s is %q, %v", arn, got, err)
		}
	}
}

// What is wrong is told by its kind, and never shows what may be secret.
func TestRefusals(t *testing.T) {
	t.Parallel()
	s := store()
	server := httptest.NewServer(s)
	defer server.Close()
	s.Put(fake.ARN("db"), "hunter2")
	forged := keys
	forged.SecretAccessKey = "hunter2"
	for name, tt := range map[string]struct {
		a    config.AWS
		arn  string
		want string
	}{
		"not there":      {keys, fake.ARN("other"), `secretsmanager answers with status 400, "ResourceNotFoundException"`},
		"no parameter":   {keys, fake.ParameterARN("other"), `ssm answers with status 400, "ParameterNotFound"`},
		"signed wrongly": {forged, fake.ARN("db"), `"InvalidSignatureException"`},
		"of a bucket":    {keys, "arn:aws:s3:us-east-1:123456789012:bucket/x", "neither"},
		"no ARN":         {keys, "db", "no ARN"},
	} {
		got, err := secrets.In(at(server.URL))(t.Context(), tt.a, tt.arn)
		if got != "" || err == nil || !strings.Contains(err.Error(), tt.want) || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%s: %q, %v", name, got, err)
		}
	}
}

// A moment's trouble does not keep a function from starting; a refusal is not
// asked about twice.
func TestTriesAgain(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		answers []string // status and body; the last one goes on
		want    string
		asked   int64
	}{
		"an error of theirs":      {[]string{"500 {}", `400 {"__type":"ThrottlingException"}`, `200 {"SecretString":"s"}`}, "s", 3},
		"more often than one may": {[]string{`400 {"__type":"ThrottlingException"}`, `400 {"__type":"ThrottlingException"}`, `400 {"__type":"ThrottlingException"}`, `400 {"__type":"ThrottlingException"}`, `200 {"SecretString":"s"}`}, "s", 5},
		"for ever":                {[]string{`503 {"__type":"com.amazonaws#Down","message":"hunter2"}`}, `status 503, "Down"`, 3},
		"not allowed":             {[]string{`400 {"__type":"AccessDeniedException","Message":"hunter2"}`}, `status 400, "AccessDeniedException"`, 1},
		"binary":                  {[]string{`200 {"SecretBinary":"aHVudGVyMg=="}`}, "it is no text", 1},
		"no JSON":                 {[]string{"200 hunter2"}, "cannot be read", 1},
		"elsewhere":               {[]string{"302 "}, "status 302", 1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var asked atomic.Int64
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				n := asked.Add(1)
				status, body, _ := strings.Cut(tt.answers[min(int(n), len(tt.answers))-1], " ")
				w.Header().Set("Location", "http://127.0.0.1:1/")
				w.WriteHeader(map[string]int{"200": 200, "302": 302, "400": 400, "500": 500, "503": 503}[status])
				_, _ = io.WriteString(w, body)
			}))
			defer server.Close()
			got, err := secrets.In(at(server.URL))(t.Context(), keys, fake.ARN("x"))
			if err != nil {
				got = err.Error()
			}
			if !strings.Contains(got, tt.want) || strings.Contains(got, "hunter2") || asked.Load() != tt.asked {
				t.Errorf("got %q after %d requests", got, asked.Load())
			}
		})
	}
}

// Who is told to come less often comes back until the caller's time is over, and
// then says what it was told.
func TestThrottledForEver(t *testing.T) {
	t.Parallel()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusBadRequest)
		_, _ = io.WriteString(w, `{"__type":"ThrottlingException"}`)
	}))
	defer server.Close()
	ctx, cancel := context.WithTimeout(t.Context(), 500*time.Millisecond)
	defer cancel()
	if _, err := secrets.In(at(server.URL))(ctx, keys, fake.ARN("x")); err == nil || !strings.Contains(err.Error(), "ThrottlingException") {
		t.Errorf("got %v", err)
	}
}

// Without another address the service is that of the secret's own region, and
// of its partition.
func TestAddress(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	for arn, host := range map[string]string{
		"arn:aws:secretsmanager:eu-west-1:123456789012:secret:x-abcdef": "secretsmanager.eu-west-1.amazonaws.com",
		"arn:aws-cn:ssm:cn-north-1:123456789012:parameter/x":            "ssm.cn-north-1.amazonaws.com.cn",
	} {
		if got := secrets.AddressOf(arn); got != "https://"+host {
			t.Errorf("%s is read at %s", arn, got)
		}
		if _, err := secrets.In(func(string) string { return "" })(ctx, keys, arn); err == nil {
			t.Error("a caller who gave up got a secret")
		}
	}
}

func FuzzAnswers(f *testing.F) {
	f.Add(`{"SecretString":"s"}`, 200)
	f.Add(`{"Parameter":{"Value":"s"}}`, 200)
	f.Add(`{"__type":"a#b"}`, 400)
	f.Fuzz(func(t *testing.T, body string, status int) {
		secrets.Read([]byte(body), status) // a fault is fine, a panic is not
	})
}
