package config

import "testing"

// Private addresses: providers may be there, outside local as well, and nothing looks when
// they are called (functions/answer/wiring: no Transport).
func TestHostileProviderAtAPrivateAddress(t *testing.T) {
	for _, url := range []string{"http://127.0.0.1:8080", "http://localhost", "https://169.254.169.254/latest", "https://10.0.0.1/v1", "https://[::1]/v1"} {
		if _, err := ParseProviders(`{"p":{"url":"` + url + `"}}`); err == nil {
			t.Errorf("%s is taken", url)
		}
	}
}
