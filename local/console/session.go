package console

import (
	"log/slog"
	"net/http"
	"time"
)

// session tells the page where the APIs are and who it is. Without tokens of ours it is
// told the addresses alone.
func session(o Options) http.Handler {
	type whole struct {
		RESTURL      string `json:"restUrl"`
		WebSocketURL string `json:"webSocketUrl"`
		Local        bool   `json:"local"`
		ExpiresAt    int64  `json:"expiresAt,omitzero"` // milliseconds, as in JavaScript
		*Tokens
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s := whole{RESTURL: "http://" + r.Host, WebSocketURL: "ws://" + r.Host + "/ws", Local: true}
		if o.Tokens != nil {
			t, err := o.Tokens()
			if err != nil {
				slog.ErrorContext(r.Context(), "console", "path", r.URL.Path, "err", err)
				refuse(w, http.StatusInternalServerError, "there is no token; the log says why")
				return
			}
			s.Tokens, s.ExpiresAt = &t, time.Now().Add(t.TTL).UnixMilli()
		}
		answer(w, r, s)
	})
}
