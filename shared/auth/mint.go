package auth

import (
	"fmt"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"aiwm-chat/shared/chat"
)

// Mint makes a token that lets its bearer act as p for ttl from now, in the given
// roles, signed with HS256. It is for development and tests; in production the IAM service
// makes tokens.
func Mint(secret []byte, p chat.Principal, username string, ttl time.Duration, now time.Time, roles ...string) (string, error) {
	if len(secret) < MinSecret {
		return "", fmt.Errorf("sign a token: the secret must be at least %d bytes", MinSecret)
	}
	id := "userId"
	if p.Type == chat.Agent {
		id = "agentId"
	}
	token, err := jwt.NewWithClaims(jwt.SigningMethodHS256, jwt.MapClaims{
		"sub": p.ID, "type": p.Type, id: p.ID, "username": username, "roles": append([]string{}, roles...), "orgId": p.OrgID,
		"iat": now.Unix(), "exp": now.Add(ttl).Unix(),
	}).SignedString(secret)
	if err != nil {
		return "", fmt.Errorf("sign a token: %w", err)
	}
	return token, nil
}
