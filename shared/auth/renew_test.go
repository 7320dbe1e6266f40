package auth_test

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"aiwm-chat/shared/auth"
	"aiwm-chat/shared/chat"
	"aiwm-chat/shared/config"
)

// renewable returns a verifier whose secret is kept elsewhere.
func renewable(t *testing.T, read func() (string, error)) *auth.Verifier {
	t.Helper()
	env := map[string]string{
		"JWT_SECRET_ARN": "arn:aws:ssm:eu-west-1:123456789012:parameter/jwt",
		"AWS_REGION":     "eu-west-1", "AWS_ACCESS_KEY_ID": "id", "AWS_SECRET_ACCESS_KEY": "key",
	}
	c, err := config.LoadWith(t.Context(), func(name string) string { return env[name] },
		func(context.Context, config.AWS, string) (string, error) { return read() }, config.JWT)
	if err != nil {
		t.Fatal(err)
	}
	v, err := auth.NewVerifier(auth.Options{Secret: c.JWT.Secret, Renewal: c.JWT.Renewal})
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// A token that our secret did not sign is checked with the one that took its
// place, at most once a minute; and where none comes, after an hour the old
// secret counts no more all the same.
func TestTheSecretWasChanged(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const one, two = "0123456789abcdef0123456789abcdef", "abcdef0123456789abcdef0123456789"
		var reads atomic.Int64
		kept, down := one, error(nil)
		v := renewable(t, func() (string, error) { reads.Add(1); return kept, down })
		token := func(secret string) string {
			return sign(t, jwt.SigningMethodHS256, []byte(secret), `{"alg":"HS256","typ":"JWT"}`, claimsAt(time.Now().Add(time.Hour)))
		}
		check := func(name, secret string, ok bool, read int64) {
			t.Helper()
			_, err := v.Verify(t.Context(), token(secret))
			if (err == nil) != ok || err != nil && chat.CodeOf(err) != chat.Unauthorized || reads.Load() != read {
				t.Errorf("%s: %v after %d reads, want %d", name, err, reads.Load(), read)
			}
		}
		check("ours", one, true, 1)
		check("forged", "another secret of thirty-two bytes", false, 2)
		check("forged again at once", "another secret of thirty-two bytes", false, 2)
		check("ours still", one, true, 2)
		time.Sleep(time.Minute)
		kept = two
		check("of the new one", two, true, 3)
		check("of the old one", one, false, 3)
		time.Sleep(time.Minute)
		kept = "short"
		check("the new one is too short", "short", false, 4)
		check("and the one before it counts", two, true, 4)
		time.Sleep(time.Hour)
		kept, down = one, nil
		check("old without a refusal", two, false, 5)
		check("and the new one", one, true, 5)
		time.Sleep(time.Hour)
		down = errors.New("down")
		check("it cannot be read", one, true, 6)
		check("and is not asked for all the time", one, true, 6)
	})
}
