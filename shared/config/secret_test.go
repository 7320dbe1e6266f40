package config_test

import (
	"context"
	"errors"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"aiwm-chat/shared/config"
)

const (
	uriARN    = "arn:aws:secretsmanager:eu-west-1:123456789012:secret:chat/mongodb-AbCdEf"
	secretARN = "arn:aws:ssm:eu-west-1:123456789012:parameter/chat/jwt"
)

// kept is an environment with two secrets elsewhere.
func kept() map[string]string {
	env := enough()
	delete(env, "MONGODB_URI")
	delete(env, "JWT_SECRET")
	env["MONGODB_URI_ARN"], env["JWT_SECRET_ARN"] = uriARN, secretARN
	return env
}

func fetchOf(values map[string]string) config.Fetch {
	return func(_ context.Context, a config.AWS, arn string) (string, error) {
		if v, ok := values[arn]; ok && a.AccessKeyID == "AKIA" {
			return v, nil
		}
		return "", errors.New("it is not there")
	}
}

func TestSecretsAreRead(t *testing.T) {
	for name, tt := range map[string]struct{ uri, secret string }{
		"whole":     {" mongodb://kept\n", secret + "\n"},
		"in JSON":   {`{"other": "x", "MONGODB_URI": "mongodb://kept"}`, ` {"JWT_SECRET": "` + secret + `\n"}`},
		"as braces": {"mongodb://kept", secret + "\n"},
	} {
		c, err := config.LoadWith(t.Context(), lookup(kept()), fetchOf(map[string]string{uriARN: tt.uri, secretARN: tt.secret}), all...)
		if err != nil || c.Mongo.URI != "mongodb://kept" || string(c.JWT.Secret) != secret+"\n" {
			t.Errorf("%s: %q, %q, %v", name, c.Mongo.URI, c.JWT.Secret, err)
		}
		if c.Mongo.Renewal == nil || c.JWT.Renewal == nil || c.Redis.Renewal != nil || c.OpenAI.Renewal != nil {
			t.Errorf("%s: what is kept elsewhere can be read again, and nothing else: %+v", name, c)
		}
	}
}

// The servers of tools are JSON, and so may their secret be as a whole.
func TestASecretThatIsAnObject(t *testing.T) {
	const servers, arn = `{"shop": {"url": "https://shop.example/mcp"}}`, "arn:aws:secretsmanager:eu-west-1:123456789012:secret:tools-AbCdEf"
	for name, text := range map[string]string{
		"whole":    servers,
		"a member": `{"TOOL_SERVERS": "{\"shop\": {\"url\": \"https://shop.example/mcp\"}}"}`,
	} {
		env := enough()
		env["TOOL_SERVERS_ARN"] = arn
		c, err := config.LoadWith(t.Context(), lookup(env), fetchOf(map[string]string{arn: text}), config.ToolServers, config.Connections)
		if err != nil || c.ToolServers.Servers["shop"].URL != "https://shop.example/mcp" {
			t.Errorf("%s: %+v, %v", name, c.ToolServers.Servers, err)
		}
	}
}

func TestSecretFaults(t *testing.T) {
	good := map[string]string{uriARN: "mongodb://kept", secretARN: secret}
	for name, tt := range map[string]struct {
		change map[string]string
		values map[string]string
		want   []string
	}{
		"not there":   {nil, map[string]string{uriARN: "mongodb://kept"}, []string{"JWT_SECRET_ARN cannot be read: it is not there"}},
		"neither":     {nil, nil, []string{"MONGODB_URI_ARN cannot be read", "JWT_SECRET_ARN cannot be read"}},
		"no ARN":      {map[string]string{"MONGODB_URI_ARN": "hunter2"}, good, []string{"MONGODB_URI_ARN must be the ARN of a secret"}},
		"a bucket":    {map[string]string{"MONGODB_URI_ARN": "arn:aws:s3:::hunter2"}, good, []string{"MONGODB_URI_ARN must be the ARN"}},
		"both":        {map[string]string{"MONGODB_URI": "mongodb://hunter2"}, good, []string{"MONGODB_URI_ARN must not be set together with MONGODB_URI"}},
		"not valid":   {nil, map[string]string{uriARN: "postgres://hunter2", secretARN: "hunter2"}, []string{"MONGODB_URI (of MONGODB_URI_ARN) must begin", "JWT_SECRET (of JWT_SECRET_ARN) must be at least 32"}},
		"empty":       {nil, map[string]string{uriARN: "", secretARN: secret}, []string{"MONGODB_URI (of MONGODB_URI_ARN) is required"}},
		"no member":   {nil, map[string]string{uriARN: `{"uri": "hunter2"}`, secretARN: secret}, []string{"MONGODB_URI_ARN cannot be read: it is a JSON object without"}},
		"mistyped":    {nil, map[string]string{uriARN: "mongodb://kept", secretARN: `{"JWT_SECRET": "hunter2 hunter2 hunter2 hunter2",}`}, []string{"JWT_SECRET_ARN cannot be read: it names the variable as a JSON object does"}},
		"no key":      {map[string]string{"AWS_ACCESS_KEY_ID": ""}, good, []string{"AWS_ACCESS_KEY_ID is required"}},
		"other fault": {map[string]string{"REDIS_ADDR": "hunter2"}, map[string]string{secretARN: secret}, []string{"MONGODB_URI_ARN cannot be read", "REDIS_ADDR must be"}},
	} {
		env := kept()
		for k, v := range tt.change {
			env[k] = v
		}
		_, err := config.LoadWith(t.Context(), lookup(env), fetchOf(tt.values), all...)
		if err == nil {
			t.Errorf("%s: no fault", name)
			continue
		}
		for _, want := range tt.want {
			if !strings.Contains(err.Error(), want) {
				t.Errorf("%s: %v, want %s", name, err, want)
			}
		}
		if n := strings.Count(err.Error(), "\n") + 1; n != len(tt.want) || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%s: %d faults, or a value shown: %v", name, n, err)
		}
	}
	if _, err := config.Load(lookup(kept()), config.Mongo); err == nil || !strings.Contains(err.Error(), "MONGODB_URI_ARN is not read here") {
		t.Errorf("without anything that reads secrets: %v", err)
	}
	if _, err := config.LoadWith(t.Context(), lookup(kept()), fetchOf(map[string]string{uriARN: "mongodb://kept"}), config.Mongo); err != nil {
		t.Errorf("a function reads more than it needs: %v", err)
	}
}

// All secrets are read at the same time.
func TestSecretsAreReadTogether(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		begun := time.Now()
		fetch := func(context.Context, config.AWS, string) (string, error) {
			time.Sleep(time.Second)
			return "mongodb://a secret of thirty-two bytes or more", nil
		}
		if _, err := config.LoadWith(t.Context(), lookup(kept()), fetch, config.Mongo, config.JWT); err != nil || time.Since(begun) != time.Second {
			t.Errorf("%v after %v", err, time.Since(begun))
		}
	})
}

// A secret that was refused is read again, at most once a minute, whoever asks.
func TestRenewal(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var reads atomic.Int64
		var mu sync.Mutex
		current, broken := "mongodb://one", error(nil)
		set := func(v string, err error) { mu.Lock(); defer mu.Unlock(); current, broken = v, err }
		fetch := func(context.Context, config.AWS, string) (string, error) {
			reads.Add(1)
			mu.Lock()
			defer mu.Unlock()
			return current, broken
		}
		env := kept()
		c, err := config.LoadWith(t.Context(), lookup(env), fetch, config.Mongo)
		if err != nil {
			t.Fatal(err)
		}
		r := c.Mongo.Renewal
		renew := func(name, used, want string, read int64) {
			t.Helper()
			value, ok := r.Renew(t.Context(), used)
			if value != want && ok || ok != (want != "") || reads.Load() != read {
				t.Errorf("%s: %q, %t after %d reads, want %q after %d", name, value, ok, reads.Load(), want, read)
			}
		}
		renew("not changed", "mongodb://one", "", 2)
		set("mongodb://two", nil)
		renew("too soon", "mongodb://one", "", 2)
		time.Sleep(time.Minute)
		renew("changed", "mongodb://one", "mongodb://two", 3)
		renew("who comes later has it at once", "mongodb://one", "mongodb://two", 3)
		time.Sleep(time.Minute)
		set("", errors.New("down"))
		renew("it cannot be read", "mongodb://two", "", 4)
		renew("and not at once again", "mongodb://two", "", 4)
		time.Sleep(time.Minute)
		set("mongodb://three", nil)
		var wg sync.WaitGroup
		for range 8 {
			wg.Go(func() { renew("together", "mongodb://two", "mongodb://three", 5) })
		}
		wg.Wait()
		if r.Old() {
			t.Error("it is old at once")
		}
		time.Sleep(time.Hour)
		if !r.Old() {
			t.Error("it is not old after an hour")
		}
		set("", errors.New("down"))
		renew("old and not to be read", "mongodb://three", "", 6)
		if r.Old() {
			t.Error("it is asked for all the time")
		}
		time.Sleep(time.Minute)
		if !r.Old() {
			t.Error("it is not asked for again")
		}
		cancelled, cancel := context.WithCancel(t.Context())
		cancel()
		if _, ok := r.Renew(cancelled, "mongodb://three"); ok {
			t.Error("a caller who gave up got a secret")
		}
	})
	var none *config.Renewal
	if _, ok := none.Renew(t.Context(), "x"); ok || none.Old() {
		t.Error("a plain value is read again")
	}
}

// Where the service hangs, who is refused waits for a moment only.
func TestRenewalIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var reads atomic.Int64
		fetch := func(ctx context.Context, _ config.AWS, _ string) (string, error) {
			if reads.Add(1) == 1 {
				return "mongodb://one", nil
			}
			select {
			case <-ctx.Done():
				return "", ctx.Err()
			case <-time.After(time.Hour):
				return "mongodb://two", nil
			}
		}
		c, err := config.LoadWith(t.Context(), lookup(kept()), fetch, config.Mongo)
		if err != nil {
			t.Fatal(err)
		}
		begun := time.Now()
		if _, ok := c.Mongo.Renewal.Renew(t.Context(), "mongodb://one"); ok || time.Since(begun) > 2*time.Second {
			t.Errorf("%t after %v", ok, time.Since(begun))
		}
	})
}

// Whatever is kept, a function starts with what it would take from its
// environment, or says what is wrong.
func FuzzSecrets(f *testing.F) {
	for _, text := range []string{"mongodb://x", `{"MONGODB_URI": "mongodb://x"}`, `{"MONGODB_URI": 1}`, "{", "", " \n"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		c, err := config.LoadWith(t.Context(), lookup(kept()), fetchOf(map[string]string{uriARN: text}), config.Mongo)
		if err == nil && !strings.HasPrefix(c.Mongo.URI, "mongodb") {
			t.Errorf("%q gives %q", text, c.Mongo.URI)
		}
	})
}
