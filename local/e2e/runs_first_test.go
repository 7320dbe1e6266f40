package e2e_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"aiwm-chat/local/server"
	"aiwm-chat/shared/chat"
	"aiwm-chat/shared/protocol"
)

// firstSoon is far above what the first piece takes on a quiet machine: some milliseconds.
const firstSoon = 2 * time.Second

// The first token of the model is with the client at once, whatever comes after it.
func TestFirstPieceOfAnAnswer(t *testing.T) {
	t.Parallel()
	var said atomic.Int64 // when the model said its first token
	model := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/event-stream")
		say := func(choice string) {
			fmt.Fprintf(w, "data: {\"id\":\"1\",\"object\":\"chat.completion.chunk\",\"model\":\"m\",\"choices\":[%s]}\n\n", choice)
			w.(http.Flusher).Flush()
		}
		said.Store(time.Now().UnixNano())
		say(`{"index":0,"delta":{"role":"assistant","content":"First"}}`)
		select {
		case <-time.After(100 * time.Millisecond):
		case <-r.Context().Done():
		}
		say(`{"index":0,"delta":{"content":", and last"},"finish_reason":"stop"}`)
		fmt.Fprint(w, "data: [DONE]\n\n")
	}))
	t.Cleanup(model.Close)
	o := options()
	o.Getenv = set(map[string]string{"PROVIDERS": fmt.Sprintf(`{%q: {"url": %q}}`, server.ScriptedProvider, model.URL+"/v1")})
	a := asks(t, start(t, o), fields{"tools": []fields{}})
	var took []time.Duration
	for range 20 {
		asked := a.say(a.id, "Well?")
		var at time.Time
		a.until("the first piece", func() bool {
			shown, _ := a.Show(a.id, a.stream(asked, 0), time.Now())
			at = time.Now()
			return shown.Text(protocol.PartContent) != ""
		})
		took = append(took, at.Sub(time.Unix(0, said.Load())))
		if run, said := a.over(asked, 0); run.Status != chat.RunComplete || answer(t, said).Content != "First, and last" {
			t.Fatalf("%+v: %+v", run, said)
		}
	}
	slices.Sort(took)
	t.Logf("from the model's first token to the client: p50 %v, max %v", took[len(took)/2], took[len(took)-1])
	if took[len(took)/2] > firstSoon {
		t.Error("that is late")
	}
}
