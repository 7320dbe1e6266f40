package cloudformation_test

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"strings"
	"testing"

	"aiwm-chat/local/aws/cloudformation"
)

type function func(event map[string]any) error

func (f function) Invoke(_ context.Context, name string, event []byte) ([]byte, error) {
	var e map[string]any
	if err := json.Unmarshal(event, &e); err != nil || name != "F" {
		return nil, errors.New("no such function")
	}
	return nil, f(e)
}

// answer puts an answer with some changes where the event says.
func answer(event map[string]any, contentType string, change map[string]string) (status int, err error) {
	a := map[string]any{"Status": "SUCCESS", "PhysicalResourceId": "p", "StackId": event["StackId"], "RequestId": event["RequestId"], "LogicalResourceId": event["LogicalResourceId"]}
	for k, v := range change {
		a[k] = v
	}
	b, err := json.Marshal(a)
	if err != nil {
		return 0, err
	}
	r, err := http.NewRequest(http.MethodPut, event["ResponseURL"].(string), strings.NewReader(string(b)))
	if err != nil {
		return 0, err
	}
	r.Header.Set("Content-Type", contentType)
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		return 0, err
	}
	return resp.StatusCode, resp.Body.Close()
}

func TestCreate(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		f    function
		want string // of the error; "": none
	}{
		"created": {func(e map[string]any) error {
			if e["RequestType"] != "Create" || e["ResourceType"] != "Custom::X" || e["ResourceProperties"].(map[string]any)["Version"] != "1" {
				t.Errorf("the event is %v", e)
			}
			_, err := answer(e, "", nil)
			return err
		}, ""},
		"refused": {func(e map[string]any) error {
			_, err := answer(e, "", map[string]string{"Status": "FAILED", "Reason": "no database"})
			return err
		}, "create R: no database"},
		"silent":  {func(map[string]any) error { return nil }, "did not answer"},
		"crashed": {func(map[string]any) error { return errors.New("exit status 1") }, "exit status 1"},
		"answers somebody else": {func(e map[string]any) error {
			if status, _ := answer(e, "", map[string]string{"RequestId": "other"}); status != 400 {
				t.Errorf("it is taken: %d", status)
			}
			return nil
		}, "did not answer"},
		"with a type": {func(e map[string]any) error {
			if status, _ := answer(e, "application/json", nil); status != 400 {
				t.Errorf("it is taken: %d", status)
			}
			return nil
		}, "did not answer"},
	} {
		err := cloudformation.Create(t.Context(), tt.f, cloudformation.Resource{LogicalID: "R", Type: "Custom::X", Function: "F", Properties: map[string]string{"Version": "1"}})
		if tt.want == "" && err != nil || tt.want != "" && (err == nil || !strings.Contains(err.Error(), tt.want)) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
