package handler

import (
	"context"
	"crypto/hmac"
	"crypto/sha1"
	"encoding/base64"
	"fmt"
	"net/http"
	"strings"
	"time"

	"aiwm-chat/shared/gateway"
	"aiwm-chat/shared/protocol"
)

// Servers are those that find, and relay, what clients say to one another in calls.
type Servers struct {
	URLs   []string
	Secret func(ctx context.Context) string // that of the TURN servers, as it is now; "": they ask for none
}

// iceLife is how long credentials count: to begin a call with. One that goes on keeps what
// it has.
const iceLife = time.Hour

// ice answers with the servers for a call, and with credentials for those that relay, by the
// scheme of coturn's use-auth-secret: the name says until when it counts, and whose it is, and
// the password is its HMAC (SHA-1, as those servers have it). No database is asked.
func (h *Handler) ice(ctx context.Context, r *gateway.HTTPRequest) (gateway.HTTPResponse, error) {
	if err := r.Query().Err(); err != nil {
		return gateway.HTTPResponse{}, err
	}
	until := time.Now().Add(iceLife).Truncate(time.Second)
	secret := ""
	if h.servers.Secret != nil {
		secret = h.servers.Secret(ctx)
	}
	name := fmt.Sprintf("%d:%s/%s", until.Unix(), r.Principal.OrgID, r.Principal)
	mac := hmac.New(sha1.New, []byte(secret))
	mac.Write([]byte(name))
	password := base64.StdEncoding.EncodeToString(mac.Sum(nil))
	out := protocol.ICEServersOf(until)
	for _, url := range h.servers.URLs {
		server := protocol.ICEServer{URLs: []string{url}}
		if strings.HasPrefix(url, "turn") && secret != "" {
			server.Username, server.Credential = name, password
		}
		out.ICEServers = append(out.ICEServers, server)
	}
	return gateway.HTTPResponse{Status: http.StatusOK, Body: out}, nil
}
