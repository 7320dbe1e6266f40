package command

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// DataDir is where the local server keeps its data and its secret.
const DataDir = ".local"

// machineSecret returns the secret with which tokens of this machine are
// signed, and makes it on first use. It is kept, so that tokens outlive a
// restart and `token` can sign for a server that runs.
func machineSecret() ([]byte, error) {
	file := filepath.Join(DataDir, "jwt-secret")
	secret, err := os.ReadFile(file)
	if err == nil && len(secret) >= 32 {
		return secret, nil
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("read the secret of this machine: %w", err)
	}
	secret = []byte(rand.Text() + rand.Text())
	if err := os.MkdirAll(DataDir, 0o700); err != nil {
		return nil, fmt.Errorf("keep a secret: %w", err)
	}
	if err := os.WriteFile(file, secret, 0o600); err != nil {
		return nil, fmt.Errorf("keep a secret: %w", err)
	}
	return secret, nil
}

// SigningSecret is JWT_SECRET where it is set, else that of this machine.
func SigningSecret(getenv func(string) string) ([]byte, error) {
	if s := getenv("JWT_SECRET"); s != "" {
		return []byte(s), nil
	}
	return machineSecret()
}
