package presence_test

import (
	"context"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/alicebob/miniredis/v2"

	"aiwm-chat/shared/chat"
	"aiwm-chat/shared/config"
	"aiwm-chat/shared/presence"
)

// A password that was changed while the function lives is read again by what is
// refused, which then succeeds. One that is wrong where it is kept changes
// nothing, and is not asked for all the time.
func TestThePasswordWasChanged(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		mode  config.RedisMode
		now   string // what Redis wants
		works bool
	}{
		"changed":              {config.RedisAuto, "two", true},
		"changed on a cluster": {config.RedisCluster, "two", true},
		"wrong":                {config.RedisAuto, "three", false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			mini := miniredis.RunT(t)
			mini.RequireAuth(tt.now)
			var reads atomic.Int64
			env := map[string]string{
				"REDIS_ADDR": mini.Addr(), "REDIS_MODE": string(tt.mode),
				"REDIS_PASSWORD_ARN": "arn:aws:secretsmanager:eu-west-1:123456789012:secret:redis-AbCdEf",
				"AWS_REGION":         "eu-west-1", "AWS_ACCESS_KEY_ID": "id", "AWS_SECRET_ACCESS_KEY": "key",
			}
			c, err := config.LoadWith(t.Context(), func(name string) string { return env[name] }, func(context.Context, config.AWS, string) (string, error) {
				return []string{"one", "two"}[min(reads.Add(1), 2)-1], nil
			}, config.Redis)
			must(t, err)
			store, err := presence.Open(presence.OptionsOf(c))
			must(t, err)
			defer store.Close()
			var wg sync.WaitGroup
			for range 8 {
				wg.Go(func() {
					err := store.Health(t.Context())
					if (err == nil) != tt.works || err != nil && (chat.CodeOf(err) != chat.Unavailable || strings.Contains(err.Error(), "two")) {
						t.Error(err)
					}
				})
			}
			wg.Wait()
			if n := reads.Load(); n != 2 {
				t.Errorf("the secret was read %d times", n)
			}
		})
	}
}
