package server

import (
	"fmt"
	"net/http"

	"aiwm-chat/local/prometheus"
)

// metricsPath is where Prometheus finds the numbers of the functions.
const metricsPath = "/metrics"

// serveMetrics shows what the functions have counted, and what is here to be
// counted, and the memory of this process. Functions elsewhere (-lambda) tell their
// numbers there.
func (s *Server) serveMetrics(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "text/plain; version=0.0.4; charset=utf-8")
	w.Header().Set("Cache-Control", "no-store")
	const open = "aiwm_chat_open_connections"
	_, _ = fmt.Fprintf(w, "# HELP %s WebSocket connections that are open now\n# TYPE %s gauge\n%s %d\n", open, open, open, s.Connections())
	_ = prometheus.WriteMemory(w)
	_, _ = s.numbers.WriteTo(w)
}
