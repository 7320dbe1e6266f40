package gateway_test

import (
	"bytes"
	"encoding/json"
	"testing"

	"aiwm-chat/shared/gateway"
)

// A process that does not start is counted, in a line as those of all others.
func TestAStartThatFailsIsCounted(t *testing.T) {
	t.Setenv("STACK_NAME", "prod")
	t.Setenv("AWS_LAMBDA_FUNCTION_NAME", "F")
	var out bytes.Buffer
	gateway.Crashed(&out)
	var line map[string]any
	if err := json.Unmarshal(out.Bytes(), &line); err != nil || line["Crashes"] != 1.0 || line["Stack"] != "prod" || line["Function"] != "F" {
		t.Errorf("%v: %s", err, out.String())
	}
}
