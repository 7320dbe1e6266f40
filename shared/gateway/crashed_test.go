package gateway_test

import (
	"bytes"
	"encoding/json"
	"os"
	"os/exec"
	"strings"
	"testing"

	"aiwm-chat/shared/config"
	"aiwm-chat/shared/gateway"
	"aiwm-chat/shared/wire"
)

// A process that does not start is counted, and says why where operators look.
func TestAStartThatFails(t *testing.T) {
	if os.Getenv("DOES_NOT_START") != "" {
		gateway.Run(wire.Function{Needs: []config.Part{config.JWT}, Wire: func(*wire.Process) any { return nil }})
		return
	}
	cmd := exec.Command(os.Args[0], "-test.run=^"+t.Name()+"$")
	cmd.Env = []string{"DOES_NOT_START=1", "STACK_NAME=prod", "AWS_LAMBDA_FUNCTION_NAME=F"}
	out, err := cmd.Output()
	if err == nil {
		t.Errorf("it starts: %s", out)
	}
	lines := bytes.Split(bytes.TrimSpace(out), []byte("\n"))
	if len(lines) != 2 {
		t.Fatalf("it says %s", out)
	}
	var numbers struct {
		Crashes         int
		Stack, Function string
	}
	if err := json.Unmarshal(lines[0], &numbers); err != nil || numbers.Crashes != 1 || numbers.Stack != "prod" || numbers.Function != "F" {
		t.Errorf("%v: %s", err, lines[0])
	}
	var said struct{ Level, Msg string }
	if err := json.Unmarshal(lines[1], &said); err != nil || said.Level != "ERROR" || !strings.Contains(said.Msg, "JWT_SECRET is required") {
		t.Errorf("%v: %s", err, lines[1])
	}
}
