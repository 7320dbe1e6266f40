package tracing

import (
	"net/http"
	"net/http/httptest"
	"testing"
)

// A collector takes spans with any 2xx; what it refuses is said.
func TestWhatACollectorAnswers(t *testing.T) {
	t.Parallel()
	for status, taken := range map[int]bool{
		http.StatusOK: true, http.StatusAccepted: true, http.StatusNoContent: true,
		http.StatusNotModified: false, http.StatusBadRequest: false, http.StatusServiceUnavailable: false,
	} {
		s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(status) }))
		e := newExporter(s.URL)
		if err := e.ExportSpans(t.Context(), nil); (err == nil) != taken {
			t.Errorf("%d: %v", status, err)
		}
		_ = e.Shutdown(t.Context())
		s.Close()
	}
}
