package server_test

import (
	"testing"

	"aiwm-chat/local/server"
)

func TestUnproven(t *testing.T) {
	var u server.Unproven
	for setting, ok := range map[string]bool{
		"MaxPost=32768": true, "IgnorePings": true, "ThrottledMessage=Too many": true, "RawPathEncoded=true": true,
		"MaxPost=many": false, "IgnorePings=perhaps": false, "Nothing": false, "": false,
	} {
		if err := u.Set(setting); (err == nil) != ok {
			t.Errorf("%q: %v", setting, err)
		}
	}
	u = server.Unproven{}
	for _, setting := range []string{"MaxPost=32768", "IgnorePings", "ThrottledMessage=Too many", "RawPathEncoded=true"} {
		if err := u.Set(setting); err != nil {
			t.Error(err)
		}
	}
	if w := u.WebSocket; w.MaxPost != 32768 || !w.IgnorePings || w.ThrottledMessage != "Too many" || !u.HTTP.RawPathEncoded {
		t.Errorf("got %+v", u)
	}
	// Every switch can be set one way or the other.
	for _, name := range u.Names() {
		if u.Set(name) != nil && u.Set(name+"=1") != nil {
			t.Errorf("%s cannot be set", name)
		}
	}
}
