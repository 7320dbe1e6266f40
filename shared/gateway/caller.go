package gateway

import (
	"fmt"
	"strconv"
	"time"

	"github.com/aws/aws-lambda-go/events"

	"aiwm-chat/shared/chat"
)

// The authorizer context: what authorize says of the caller, and API Gateway
// repeats, as strings, in every later event of the connection.
const (
	contextType    = "type"
	contextID      = "id"
	contextOrg     = "orgId"
	contextExpires = "exp" // Unix seconds
	contextDialect = "dialect"
)

// AuthorizerContext describes p for the events to come.
func AuthorizerContext(p chat.Principal, expires time.Time, d chat.Dialect) map[string]any {
	fields := map[string]any{
		contextType: string(p.Type), contextID: string(p.ID), contextOrg: string(p.OrgID),
		contextExpires: strconv.FormatInt(expires.Unix(), 10),
	}
	if d != chat.AIWM {
		fields[contextDialect] = string(d)
	}
	return fields
}

// connectionOf returns the connection of an event and whose it is. It fails
// only where the API has no authorizer or another one: never on client input.
func connectionOf(rc *events.APIGatewayWebsocketProxyRequestContext) (chat.Connection, error) {
	fields, _ := rc.Authorizer.(map[string]any)
	text := func(key string) string { s, _ := fields[key].(string); return s }
	exp, err := strconv.ParseInt(text(contextExpires), 10, 64)
	p := chat.Principal{
		Type: chat.PrincipalType(text(contextType)), ID: chat.PrincipalID(text(contextID)), OrgID: chat.OrgID(text(contextOrg)),
	}
	if err != nil || !p.Type.Valid() || !chat.ValidID(p.ID) || !chat.ValidID(p.OrgID) {
		return chat.Connection{}, fmt.Errorf("the event of connection %s has no principal from authorize", rc.ConnectionID)
	}
	return chat.Connection{
		ID: chat.ConnectionID(rc.ConnectionID), Principal: p, ExpiresAt: time.Unix(exp, 0),
		Dialect: chat.Dialect(text(contextDialect)),
	}, nil
}
