package console

import (
	"log/slog"
	"net/http"

	"github.com/go-json-experiment/json"
)

// refuse says no, and why, to the page.
func refuse(w http.ResponseWriter, status int, why string) {
	w.WriteHeader(status)
	_ = json.MarshalWrite(w, map[string]string{"message": why})
}

// answer sends what an endpoint tells.
func answer(w http.ResponseWriter, r *http.Request, body any) {
	text, err := json.Marshal(body)
	if err != nil {
		slog.ErrorContext(r.Context(), "console", "path", r.URL.Path, "err", err)
		refuse(w, http.StatusInternalServerError, "it cannot be told; the log says why")
		return
	}
	_, _ = w.Write(text)
}
