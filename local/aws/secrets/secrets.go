// Package secrets is a small AWS Secrets Manager and Parameter Store for
// development: it reads out what was put into it, to callers who sign with the
// right key. Clients find it by their endpoint URL.
//
// It has GetSecretValue and GetParameter, by name or ARN, and AWS's typed errors;
// versions, binary secrets, rotation functions and permissions are not there.
package secrets

import (
	"bytes"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"

	"aiwm-chat/local/aws/account"
)

// maxRequest is more than the name of a secret needs.
const maxRequest = 16 << 10

// ARN is that of a secret in Secrets Manager, which puts six characters of its
// own behind the name.
func ARN(name string) string {
	return "arn:aws:secretsmanager:" + account.Region + ":" + account.ID + ":secret:" + name + "-local0"
}

// ParameterARN is that of a parameter in SSM.
func ParameterARN(name string) string {
	return "arn:aws:ssm:" + account.Region + ":" + account.ID + ":parameter/" + name
}

// A Key is what callers sign with.
type Key struct{ ID, Secret, Token string }

// A Server keeps secrets in memory. It is safe for concurrent use.
type Server struct {
	key Key

	mu     sync.Mutex
	values map[string]string // by ARN
	reads  map[string]int
}

// New returns a Server without secrets.
func New(k Key) *Server {
	return &Server{key: k, values: map[string]string{}, reads: map[string]int{}}
}

// Put sets the value behind an ARN, which may have one.
func (s *Server) Put(arn, value string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.values[arn] = value
}

// Reads returns how often a secret was read.
func (s *Server) Reads(arn string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.reads[arn]
}

func (s *Server) read(arn string) (string, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	value, ok := s.values[arn]
	if ok {
		s.reads[arn]++
	}
	return value, ok
}

// ServeHTTP speaks AWS's JSON protocol 1.1.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(io.LimitReader(r.Body, maxRequest))
	if err != nil {
		refuse(w, http.StatusBadRequest, "SerializationException", "the body cannot be read")
		return
	}
	switch target := r.Header.Get("X-Amz-Target"); {
	case target == "secretsmanager.GetSecretValue" && s.signed(r, body, "secretsmanager"):
		var in struct{ SecretId string } //nolint:revive // AWS's name
		if json.Unmarshal(body, &in) != nil {
			refuse(w, http.StatusBadRequest, "SerializationException", "no JSON")
		} else if value, ok := s.read(in.SecretId); ok {
			answer(w, map[string]any{"ARN": in.SecretId, "SecretString": value, "VersionStages": []string{"AWSCURRENT"}})
		} else {
			refuse(w, http.StatusBadRequest, "ResourceNotFoundException", "Secrets Manager can't find the specified secret.")
		}
	case target == "AmazonSSM.GetParameter" && s.signed(r, body, "ssm"):
		var in struct {
			Name           string
			WithDecryption bool
		}
		if json.Unmarshal(body, &in) != nil {
			refuse(w, http.StatusBadRequest, "SerializationException", "no JSON")
		} else if value, ok := s.read(in.Name); ok && in.WithDecryption {
			answer(w, map[string]any{"Parameter": map[string]any{"ARN": in.Name, "Type": "SecureString", "Value": value}})
		} else {
			refuse(w, http.StatusBadRequest, "ParameterNotFound", "")
		}
	case strings.HasPrefix(target, "secretsmanager.Get") || strings.HasPrefix(target, "AmazonSSM.Get"):
		refuse(w, http.StatusBadRequest, "InvalidSignatureException", "The request signature we calculated does not match the signature you provided.")
	default:
		refuse(w, http.StatusBadRequest, "UnknownOperationException", "")
	}
}

func answer(w http.ResponseWriter, v any) {
	w.Header().Set("Content-Type", "application/x-amz-json-1.1")
	_ = json.NewEncoder(w).Encode(v) // the client is gone
}

func refuse(w http.ResponseWriter, status int, kind, message string) {
	w.Header().Set("Content-Type", "application/x-amz-json-1.1")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(map[string]string{"__type": kind, "message": message})
}

// signed signs the same request with the SDK's own signer and compares.
func (s *Server) signed(r *http.Request, body []byte, service string) bool {
	header := r.Header.Get("Authorization")
	at, err := time.Parse("20060102T150405Z", r.Header.Get("X-Amz-Date"))
	if err != nil || time.Since(at).Abs() > 5*time.Minute || r.Header.Get("X-Amz-Security-Token") != s.key.Token {
		return false
	}
	again, err := http.NewRequest(r.Method, "http://"+r.Host+r.URL.RequestURI(), bytes.NewReader(body))
	if err != nil {
		return false
	}
	for _, name := range []string{"Content-Type", "X-Amz-Target"} {
		again.Header.Set(name, r.Header.Get(name))
	}
	hash := sha256.Sum256(body)
	keys := aws.Credentials{AccessKeyID: s.key.ID, SecretAccessKey: s.key.Secret, SessionToken: s.key.Token}
	if err := v4.NewSigner().SignHTTP(r.Context(), keys, again, hex.EncodeToString(hash[:]), service, account.Region, at); err != nil {
		return false
	}
	return subtle.ConstantTimeCompare([]byte(again.Header.Get("Authorization")), []byte(header)) == 1
}
