package config_test

import (
	"testing"

	"aiwm-chat/shared/config"
)

func TestOrigins(t *testing.T) {
	for value, ok := range map[string]bool{
		"": true, "*": true, "https://*": true, "https://a.example.org, http://localhost:5173": true,
		"a.example.org": false, "http://localhost:*": false, "https://*.example.org": false, "https://a.example.org/": false, "https://a.example.org/x": false, "HTTPS://a": false, "https://": false, "null": false,
	} {
		if _, err := config.Load(lookup(map[string]string{"ALLOWED_ORIGINS": value}), config.AllowedOrigins); (err == nil) != ok {
			t.Errorf("%q: %v", value, err)
		}
	}
	c, err := config.Load(lookup(map[string]string{"ALLOWED_ORIGINS": "https://a.example.org, http://*"}), config.AllowedOrigins)
	if err != nil {
		t.Fatal(err)
	}
	for origin, want := range map[string]bool{
		"": true, "https://a.example.org": true, "http://localhost:5173": true,
		"https://a.example.org.evil.net": false, "http://a.example.org": true, "null": false, "https://b.example.org": false,
	} {
		if got := c.Origins.Allows(origin); got != want {
			t.Errorf("%q: %t", origin, got)
		}
	}
}
