package lambda_test

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"

	"aiwm-chat/local/aws/lambda"
)

// TestRemoteFunctionErrors has the answers of the real service, and those of
// `sam local start-lambda`, which has no header of its own for the executed
// version and marks errors by looking at the response, if at all.
// [D] X-Amz-Function-Error, and [E] what sam local sniffs.
func TestRemoteFunctionErrors(t *testing.T) {
	const executed = "X-Amz-Executed-Version"
	for _, tt := range []struct {
		name    string
		headers map[string]string
		body    string
		failed  bool
	}{
		{"lambda, result", map[string]string{executed: "$LATEST"}, `{"ok":true}`, false},
		{"lambda, header", map[string]string{executed: "$LATEST", "X-Amz-Function-Error": "Unhandled"}, `{"errorMessage":"x"}`, true},
		{"lambda, result that looks like an error", map[string]string{executed: "$LATEST"}, `{"errorMessage":"x","errorType":"y"}`, false},
		{"lambda, empty result", map[string]string{executed: "$LATEST"}, ``, false},
		{"sam, header", map[string]string{"x-amz-function-error": "Unhandled"}, `{"errorMessage":"x","errorType":"y","requestId":"z"}`, true},
		{"sam, go error", nil, `{"errorMessage":"x","errorType":"y"}`, true},
		{"sam, python error", nil, `{"errorMessage":"x","errorType":"y","stackTrace":[]}`, true},
		{"sam, java error", nil, `{"errorMessage":"x","errorType":"y","stackTrace":[],"cause":{}}`, true},
		{"sam, result with one member more", nil, `{"errorMessage":"x","errorType":"y","statusCode":400}`, false},
		{"sam, result with one member less", nil, `{"errorMessage":"x"}`, false},
		{"sam, other result", nil, `[1]`, false},
		{"sam, killed at the timeout", nil, ``, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := remoteFor(t, lambda.RemoteOptions{}, func(w http.ResponseWriter, _ *http.Request) {
				for name, value := range tt.headers {
					w.Header().Set(name, value)
				}
				_, _ = w.Write([]byte(tt.body))
			})
			response, err := r.Invoke(t.Context(), "f", []byte(`{}`))
			var failed *lambda.FunctionError
			if errors.As(err, &failed) != tt.failed || !tt.failed && (err != nil || string(response) != tt.body) {
				t.Errorf("got %s, %v", response, err)
			}
		})
	}
}

// [D] 404 ResourceNotFoundException and 429 TooManyRequestsException.
func TestRemoteRefusals(t *testing.T) {
	for status, want := range map[int]string{
		http.StatusForbidden:           "not authorized",
		http.StatusInternalServerError: "500",
	} {
		r := remoteFor(t, lambda.RemoteOptions{}, func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(status)
			_, _ = w.Write([]byte(`{"message":"not authorized"}`))
		})
		if _, err := r.Invoke(t.Context(), "f", []byte(`{}`)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%d: %v", status, err)
		}
	}
	if _, err := lambda.NewRemote("127.0.0.1:3001", lambda.RemoteOptions{}); err == nil {
		t.Error("endpoint without a scheme accepted")
	}
}

func TestRemoteSigns(t *testing.T) {
	const want = "AWS4-HMAC-SHA256 Credential=AKID/"
	var authorization string
	handler := func(w http.ResponseWriter, r *http.Request) {
		authorization = r.Header.Get("Authorization")
		_, _ = w.Write([]byte(`null`))
	}
	credentials := aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
		return aws.Credentials{AccessKeyID: "AKID", SecretAccessKey: "secret"}, nil
	})
	if _, err := remoteFor(t, lambda.RemoteOptions{}, handler).Invoke(t.Context(), "f", []byte(`{}`)); err != nil || authorization != "" {
		t.Errorf("without credentials: %q, %v", authorization, err)
	}
	signing := lambda.RemoteOptions{Credentials: credentials, Region: "eu-west-1"}
	if _, err := remoteFor(t, signing, handler).Invoke(t.Context(), "f", []byte(`{}`)); err != nil {
		t.Fatal(err)
	}
	if !strings.HasPrefix(authorization, want) || !strings.Contains(authorization, "/eu-west-1/lambda/aws4_request") {
		t.Errorf("authorization = %q", authorization)
	}
}

func remoteFor(t *testing.T, o lambda.RemoteOptions, handler http.HandlerFunc) *lambda.Remote {
	t.Helper()
	server := httptest.NewServer(handler)
	t.Cleanup(server.Close)
	o.Logger = discardLogger()
	r, err := lambda.NewRemote(server.URL, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(r.Close)
	return r
}
