// Package token signs tokens for the local server.
package token

import (
	"context"
	"flag"
	"fmt"
	"io"
	"strings"
	"time"

	"aiwm-chat/local/command"
	"aiwm-chat/shared/auth"
	"aiwm-chat/shared/chat"
)

// Command prints a token for a principal, signed for the local server.
func Command(_ context.Context, args []string, out io.Writer, getenv func(string) string) error {
	fs := flag.NewFlagSet("token", flag.ContinueOnError)
	user := fs.String("user", "", "id of the user")
	agent := fs.String("agent", "", "id of the agent; instead of -user")
	org := fs.String("org", string(chat.DefaultOrg), "id of the organisation")
	role := fs.String("role", "", "a role, or several separated by commas, such as chat:operator")
	ttl := fs.Duration("ttl", time.Hour, "how long the token is valid")
	if err := command.Parse(fs, args); err != nil {
		return err
	}
	p, err := principalOf(*user, *agent, *org)
	if err != nil {
		return err
	}
	if *ttl <= 0 {
		return fmt.Errorf("-ttl must be positive")
	}
	secret, err := command.SigningSecret(getenv)
	if err != nil {
		return err
	}
	token, err := auth.Mint(secret, p, string(p.ID), *ttl, time.Now(), rolesOf(*role)...)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintln(out, token)
	return err
}

func rolesOf(list string) (roles []string) {
	for role := range strings.SplitSeq(list, ",") {
		if role = strings.TrimSpace(role); role != "" {
			roles = append(roles, role)
		}
	}
	return roles
}

func principalOf(user, agent, org string) (chat.Principal, error) {
	p := chat.Principal{Type: chat.User, ID: chat.PrincipalID(user), OrgID: chat.OrgID(org)}
	switch {
	case agent != "" && user != "":
		return p, fmt.Errorf("give -user or -agent, not both")
	case agent != "":
		p.Type, p.ID = chat.Agent, chat.PrincipalID(agent)
	case user == "":
		return p, fmt.Errorf("give -user or -agent")
	}
	if !chat.ValidID(p.ID) || !chat.ValidID(p.OrgID) {
		return p, fmt.Errorf("an id is 1 to %d characters of %s", chat.MaxID, chat.IDAlphabet)
	}
	return p, nil
}
