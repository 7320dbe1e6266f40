package e2e_test

import (
	"io"
	"net/http"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"aiwm-chat/local/server"
	"aiwm-chat/shared/chat"
)

// numbers reads what /metrics says, by the name and the labels of each sample.
func numbers(t *testing.T, s *server.Server) map[string]float64 {
	t.Helper()
	r, err := web.Get(s.URL() + "/metrics")
	if err != nil {
		t.Fatal(err)
	}
	defer r.Body.Close()
	b, err := io.ReadAll(r.Body)
	if err != nil || r.StatusCode != http.StatusOK || !strings.HasPrefix(r.Header.Get("Content-Type"), "text/plain; version=0.0.4") {
		t.Fatalf("%s, %v, %v", r.Status, r.Header, err)
	}
	all := map[string]float64{}
	for _, m := range regexp.MustCompile(`(?m)^([^#\s]\S*) (\S+)$`).FindAllStringSubmatch(string(b), -1) {
		if all[m[1]], err = strconv.ParseFloat(m[2], 64); err != nil {
			t.Errorf("%s: %v", m[0], err)
		}
	}
	return all
}

// What clients do is counted, by functions in this process and, with AIWM_EXEC, by
// their binaries.
func TestMetrics(t *testing.T) {
	t.Parallel()
	o := options()
	o.Getenv = func(name string) string {
		if name == "LIMIT_USER_MESSAGES" {
			return "1/min burst 12"
		}
		return fromEnvironment(name)
	}
	s := start(t, o)
	user, _, id := talk(t, s)
	const often = 10 // then there is a summary
	for range often {
		user.say(id, "something that is counted")
	}
	same := fields{"conversationId": id, "content": "once", "clientMessageId": "m1"}
	user.must("send", same)
	user.must("send", same)
	if _, err := user.ask("send", same); code(t, err) != chat.RateLimited {
		t.Errorf("it is not limited: %v", err)
	}
	device := user.device()
	_, _ = device.ask("join", fields{"conversationId": "nobodys"})
	device.Close()
	want := map[string]float64{
		"aiwm_chat_open_connections": 2, `aiwm_chat_connects_total{type="user"}`: 2, `aiwm_chat_connects_total{type="agent"}`: 1,
		`aiwm_chat_disconnects_total{type="user"}`: 1, "aiwm_chat_messages_total": often + 1, "aiwm_chat_duplicates_total": 1, "aiwm_chat_rate_limited_total": 1,
		`aiwm_chat_errors_by_code_total{code="rate_limited"}`: 1, `aiwm_chat_errors_by_code_total{code="not_found"}`: 1,
		"aiwm_chat_failures_total": 0, "aiwm_chat_summary_successes_total": 1, "aiwm_chat_summary_duration_seconds_count": 1,
	}
	var got map[string]float64
	differs := func() (all string) {
		got = numbers(t, s)
		for name, n := range want {
			if got[name] != n {
				all += name + " is " + strconv.FormatFloat(got[name], 'g', -1, 64) + "\n"
			}
		}
		return all
	}
	for deadline := time.Now().Add(patience); differs() != ""; time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal(differs())
		}
	}
	// The repeat may have come before the message was finished, and then finishes it.
	for name, least := range map[string]float64{
		"aiwm_chat_posts_total": 4 * (often + 1), "aiwm_chat_fan_out_count": often + 1, "aiwm_chat_fan_out_sum": 3 * (often + 1),
		"aiwm_chat_delivery_latency_seconds_count": often + 1,
	} {
		if got[name] < least {
			t.Errorf("%s is %v, want %v at least", name, got[name], least)
		}
	}
	cold := 0.0
	for name, n := range got {
		if strings.HasPrefix(name, "aiwm_chat_cold_starts_total") {
			cold += n
		}
	}
	if cold < 1 || o.Exec == "" && cold != 1 {
		t.Errorf("%v cold starts", cold)
	}
}

// Sweep tells the age of what is due each time, also where nothing is: where no
// number comes, it does not run.
func TestSweepCounts(t *testing.T) {
	t.Parallel()
	o := options()
	o.TimeScale = 60 // it comes each second
	s := start(t, o)
	eventually(t, "sweep has counted", func() bool { return numbers(t, s)["aiwm_chat_oldest_due_seconds_count"] > 0 })
}
