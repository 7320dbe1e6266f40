package main

import (
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// dataDir is where the local server keeps its data and its secret.
const dataDir = ".local"

// machineSecret returns the secret with which tokens of this machine are
// signed, and makes it on first use. It is kept, so that tokens outlive a
// restart and `token` can sign for a server that runs.
func machineSecret() ([]byte, error) {
	file := filepath.Join(dataDir, "jwt-secret")
	secret, err := os.ReadFile(file)
	if err == nil && len(secret) >= 32 {
		return secret, nil
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("read the secret of this machine: %w", err)
	}
	secret = newSecret()
	if err := os.MkdirAll(dataDir, 0o700); err != nil {
		return nil, fmt.Errorf("keep a secret: %w", err)
	}
	if err := os.WriteFile(file, secret, 0o600); err != nil {
		return nil, fmt.Errorf("keep a secret: %w", err)
	}
	return secret, nil
}

// signingSecret is JWT_SECRET where it is set, else that of this machine.
func signingSecret(getenv func(string) string) ([]byte, error) {
	if s := getenv("JWT_SECRET"); s != "" {
		return []byte(s), nil
	}
	return machineSecret()
}

func newSecret() []byte {
	b := make([]byte, 32)
	rand.Read(b) // never fails
	return []byte(hex.EncodeToString(b))
}
