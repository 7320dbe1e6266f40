package secrets_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"aiwm-chat/local/aws/secrets"
)

// Whoever does not sign, or signs something else, reads nothing. (That a right
// signature reads is tested with the package that reads.)
func TestUnsigned(t *testing.T) {
	s := secrets.New(secrets.Key{ID: "local", Secret: "local"})
	s.Put(secrets.ARN("x"), "hunter2")
	for target, want := range map[string]string{
		"secretsmanager.GetSecretValue": "InvalidSignatureException", "AmazonSSM.GetParameter": "InvalidSignatureException",
		"secretsmanager.DeleteSecret": "UnknownOperationException", "": "UnknownOperationException",
	} {
		r := httptest.NewRequest(http.MethodPost, "/", strings.NewReader(`{"SecretId":"`+secrets.ARN("x")+`"}`))
		r.Header.Set("X-Amz-Target", target)
		r.Header.Set("Authorization", "AWS4-HMAC-SHA256 Credential=local/20261128/us-east-1/secretsmanager/aws4_request, SignedHeaders=host, Signature=00")
		w := httptest.NewRecorder()
		s.ServeHTTP(w, r)
		if w.Code != 400 || !strings.Contains(w.Body.String(), want) || strings.Contains(w.Body.String(), "hunter2") {
			t.Errorf("%q: %d %s", target, w.Code, w.Body)
		}
	}
	if n := s.Reads(secrets.ARN("x")); n != 0 {
		t.Errorf("read %d times", n)
	}
}

func FuzzServeHTTP(f *testing.F) {
	f.Add("secretsmanager.GetSecretValue", "AWS4-HMAC-SHA256 Credential=local", `{"SecretId":"x"}`)
	f.Add("AmazonSSM.GetParameter", "", `{"Name":"x","WithDecryption":true}`)
	s := secrets.New(secrets.Key{ID: "local", Secret: "local"})
	s.Put("x", "hunter2")
	f.Fuzz(func(t *testing.T, target, authorization, body string) {
		r := httptest.NewRequest(http.MethodPost, "/", strings.NewReader(body))
		r.Header.Set("X-Amz-Target", target)
		r.Header.Set("Authorization", authorization)
		w := httptest.NewRecorder()
		if s.ServeHTTP(w, r); w.Code == http.StatusOK || strings.Contains(w.Body.String(), "hunter2") {
			t.Errorf("%q reads a secret", authorization)
		}
	})
}
