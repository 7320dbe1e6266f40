package cold

import (
	"bytes"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"aiwm-chat/local/client"
	"aiwm-chat/local/command"
	"aiwm-chat/local/server"
	"aiwm-chat/local/server/servertest"
	"aiwm-chat/shared/protocol"
)

// build puts a binary where an Exec looks for it.
func build(t *testing.T, dir, name, pkg string) {
	t.Helper()
	if out, err := exec.Command("go", "build", "-o", filepath.Join(dir, name, "bootstrap"), pkg).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
}

// What is measured is a function at work: each invocation of send is a message.
func TestMeasure(t *testing.T) {
	if testing.Short() {
		t.Skip("it builds binaries")
	}
	dir := t.TempDir()
	build(t, dir, hello, "./hello")
	build(t, dir, "SendFunction", "../../functions/send")
	build(t, dir, "AuthorizeFunction", "../../functions/authorize")
	build(t, dir, "HealthFunction", "../../functions/health")
	s := servertest.Start(t, server.Options{Getenv: command.Unlimited(nil)})
	w, err := enter(t.Context(), s)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(w.client.Close)
	subjects, err := w.subjects(s)
	if err != nil {
		t.Fatal(err)
	}
	var measured []subject
	for _, s := range subjects {
		if _, err := os.Stat(filepath.Join(dir, s.name)); err == nil {
			measured = append(measured, s)
		}
	}
	const starts, invocations = 2, 10
	results, err := measure(t.Context(), dir, measured, starts, invocations)
	if err != nil || len(results) != 4 {
		t.Fatalf("%d results, error %v", len(results), err)
	}
	for _, r := range results {
		if r.cold <= 0 || r.warm <= 0 || runtime.GOOS == "linux" && (r.peak < 1<<20 || r.peak > 1<<30) {
			t.Errorf("measured %+v", r)
		}
	}
	rest := client.NewREST(s.URL(), w.token)
	defer rest.Close()
	var page protocol.MessagePage
	if err := rest.Do(t.Context(), http.MethodGet, "/messages?afterSeq=0&limit=100&conversationId="+w.conversation, nil, &page); err != nil {
		t.Fatal(err)
	}
	if want := starts + 1 + invocations; len(page.Data) != want {
		t.Errorf("the log has %d messages, want %d", len(page.Data), want)
	}
	w.token = "none"
	for _, s := range subjects {
		if s.name != "AuthorizeFunction" {
			continue
		}
		if _, err := measure(t.Context(), dir, []subject{s}, 1, 1); err == nil || !strings.Contains(err.Error(), "AuthorizeFunction") {
			t.Errorf("what is refused is measured: %v", err)
		}
	}
	if _, err := measure(t.Context(), dir, []subject{{name: "Missing"}}, 1, 1); err == nil || !strings.Contains(err.Error(), "Missing") {
		t.Errorf("without a binary: %v", err)
	}
}

// An answer that is an error is no work.
func TestRefused(t *testing.T) {
	for answer, want := range map[string]bool{`{"statusCode": 401}`: true, `{"statusCode":500,"body":"x"}`: true, `{"statusCode": 200}`: false, `"hello"`: false, `null`: false, ``: false} {
		if got := refused([]byte(answer)); got != want {
			t.Errorf("%s: refused %t, want %t", answer, got, want)
		}
	}
}

// With less memory what is computed takes longer, and what is waited for does not.
func TestShow(t *testing.T) {
	r := result{name: "x", cold: 20 * time.Millisecond, warm: 10 * time.Millisecond, cpu: 2 * time.Millisecond, peak: 18e6}
	if got := at(r, wholeCPU/2); got < 11_990*time.Microsecond || got > 12_010*time.Microsecond {
		t.Errorf("with half a processor it takes %v", got)
	}
	if got := at(r, 4096); got != r.warm {
		t.Errorf("with more than one processor it takes %v", got)
	}
	var out bytes.Buffer
	if err := show(&out, []result{{name: hello, cold: 10 * time.Millisecond}, r}); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"2.00", "18.0", "256 MB", "$0.2"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("it prints\n%s\nwithout %q", out.String(), want)
		}
	}
}

func TestBadInputIsNamed(t *testing.T) {
	for args, want := range map[string]string{"-starts 0": "-starts", "-invocations x": "-invocations", "x": `"x"`} {
		if err := Command(t.Context(), strings.Fields(args), &bytes.Buffer{}, func(string) string { return "" }); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: error %v, want one with %q", args, err, want)
		}
	}
}
