package e2e_test

import (
	"context"
	"net/http/httptest"
	"testing"
	"time"

	"aiwm-chat/local/aws/lambda"
	"aiwm-chat/local/aws/template"
	"aiwm-chat/local/server"
)

// dispatch sends mortal functions one way, and the others another.
type dispatch struct {
	mortals map[string]*mortal
	others  lambda.Invoker
}

func (d *dispatch) Invoke(ctx context.Context, function string, event []byte) ([]byte, error) {
	if m, ok := d.mortals[function]; ok {
		return m.Invoke(ctx, function, event)
	}
	return d.others.Invoke(ctx, function, event)
}

// startMortal starts a server some functions of which can be killed.
func startMortal(t *testing.T, o server.Options, names ...string) (*server.Server, *dispatch) {
	t.Helper()
	d := &dispatch{mortals: map[string]*mortal{}}
	ready := make(chan struct{})
	api := httptest.NewServer(invokeAPI(func() lambda.Invoker { <-ready; return d }))
	t.Cleanup(api.Close)
	o.Exec, o.Lambda = "", api.URL
	s := startBare(t, o)
	environment, err := s.Environment()
	if err != nil {
		t.Fatal(err)
	}
	parsed, err := template.Load(o.Template, nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range parsed.Functions {
		for _, name := range names {
			if f.LogicalID == name {
				d.mortals[name] = &mortal{t: t, name: name, function: f, env: environment[name]}
			}
		}
	}
	var end func()
	d.others, end = invoker(t, environment)
	close(ready)
	t.Cleanup(func() {
		// First: the functions still have to disconnect. HTTP connections that were
		// opened in vain are not waited for; that takes five seconds.
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		_ = s.Close(ctx)
		for _, m := range d.mortals {
			m.end()
		}
		end()
	})
	return s, d
}
