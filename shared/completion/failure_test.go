package completion_test

import (
	"net/http"
	"strings"
	"testing"

	"aiwm-chat/shared/completion"
)

// What libraries say of an answer that is none repeats it, and a service may repeat our
// headers: an error has words of ours alone.
func TestErrorsRepeatNothing(t *testing.T) {
	t.Parallel()
	for name, answer := range map[string]string{
		"a header's line":  "HTTP/1.1 200 OK\r\nBearer " + key + "\r\n\r\n",
		"a status":         "HTTP/1.1 " + key + "\r\n\r\n",
		"no HTTP":          "Authorization: Bearer " + key + "\r\n\r\n",
		"where it goes to": "HTTP/1.1 302 Found\r\nLocation: http://[" + key + "\r\nContent-Length: 0\r\n\r\n",
		"a number":         "HTTP/1.1 200 OK\r\nContent-Length: " + key + "\r\n\r\n",
	} {
		url := serve(t, func(w http.ResponseWriter, _ *http.Request) {
			conn, _, err := http.NewResponseController(w).Hijack()
			if err != nil {
				t.Error(err)
				return
			}
			_, _ = conn.Write([]byte(answer))
			_ = conn.Close()
		})
		for way, ask := range ways {
			_, err := ask(completion.New(completion.Options{BaseURL: url, Key: key}), t.Context(), question("x"))
			if err == nil || strings.Contains(err.Error(), key) || strings.Contains(err.Error(), "127.0.0.1") {
				t.Errorf("%s, %s: %v", name, way, err)
			}
		}
	}
	// A key that no header can have.
	for way, ask := range ways {
		_, err := ask(completion.New(completion.Options{BaseURL: "http://127.0.0.1:1", Key: key + "\x01"}), t.Context(), question("x"))
		if err == nil || strings.Contains(err.Error(), key) {
			t.Errorf("%s: %v", way, err)
		}
	}
}
