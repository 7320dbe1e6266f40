package console

import (
	"net/http"
	"strconv"

	"aiwm-chat/local/logline"
)

// tail tells the lines of the log after the n-th.
func tail(o Options) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		after, err := strconv.ParseInt(r.URL.Query().Get("after"), 10, 64)
		if err != nil {
			after = 0
		}
		answer(w, r, map[string][]logline.Line{"lines": o.Log.After(after)})
	})
}
