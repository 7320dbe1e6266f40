package wsapi

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	mgmt "github.com/aws/aws-sdk-go-v2/service/apigatewaymanagementapi"
	"github.com/aws/aws-sdk-go-v2/service/apigatewaymanagementapi/types"
	"github.com/aws/smithy-go"

	"aiwm-chat/local/faults"
)

// sdk returns the unmodified SDK client, pointed at the emulator.
func (h *harness) sdk(endpoint string, attempts int) *mgmt.Client {
	return mgmt.New(mgmt.Options{
		Region:           "us-east-1",
		BaseEndpoint:     aws.String(h.url + endpoint),
		HTTPClient:       h.http,
		RetryMaxAttempts: attempts,
		Credentials: aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
			return aws.Credentials{AccessKeyID: "AKIDEXAMPLE", SecretAccessKey: "secret"}, nil
		}),
	})
}

func TestGoSDK(t *testing.T) {
	for _, variant := range []struct {
		endpoint  string
		inProcess bool
	}{{"", false}, {"/prod", false}, {"/ws", false}, {"/prod", true}} {
		t.Run(fmt.Sprintf("[E] endpoint %q, in process %v", variant.endpoint, variant.inProcess), func(t *testing.T) {
			// With a key configured the signature is verified too.
			h := start(t, Options{SigningKeys: map[string]SigningKey{"AKIDEXAMPLE": {Secret: "secret"}}}, functions{})
			c := h.dial()
			id := aws.String(h.only().id)
			if variant.inProcess {
				h.http.Transport = h.api.Transport()
			}
			client := h.sdk(variant.endpoint, 1)
			if _, err := client.PostToConnection(t.Context(), &mgmt.PostToConnectionInput{ConnectionId: id, Data: []byte("héllo")}); err != nil {
				t.Fatal(err)
			}
			if got := c.receive(); got != "héllo" {
				t.Errorf("received %q", got)
			}
			got, err := client.GetConnection(t.Context(), &mgmt.GetConnectionInput{ConnectionId: id})
			if err != nil {
				t.Fatal(err)
			}
			if *got.Identity.SourceIp != "127.0.0.1" || time.Since(*got.ConnectedAt) > time.Minute || got.LastActiveAt.Before(*got.ConnectedAt) {
				t.Errorf("got %+v %+v", got, got.Identity)
			}
			if _, err := client.DeleteConnection(t.Context(), &mgmt.DeleteConnectionInput{ConnectionId: id}); err != nil {
				t.Fatal(err)
			}
			if code, reason := c.closed(); code != 1000 || reason != "Connection Closed Normally" {
				t.Errorf("closed with %d %q", code, reason)
			}
			_, err = client.PostToConnection(t.Context(), &mgmt.PostToConnectionInput{ConnectionId: id, Data: []byte("x")})
			if gone := (*types.GoneException)(nil); !errors.As(err, &gone) {
				t.Errorf("[E] 410 is %v, want a GoneException", err)
			}
		})
	}
	post := func(h *harness, client *mgmt.Client, n int) error {
		_, err := client.PostToConnection(t.Context(), &mgmt.PostToConnectionInput{ConnectionId: aws.String(h.only().id), Data: make([]byte, n)})
		return err
	}
	t.Run("[M] 413 is typed", func(t *testing.T) {
		h := start(t, Options{}, functions{})
		h.dial()
		err := post(h, h.sdk("", 1), 128<<10+1)
		if large := (*types.PayloadTooLargeException)(nil); !errors.As(err, &large) || large.Message == nil || *large.Message == "" {
			t.Errorf("%v", err)
		}
	})
	t.Run("[M] 403 is typed", func(t *testing.T) {
		h := start(t, Options{SigningKeys: map[string]SigningKey{"AKIDEXAMPLE": {Secret: "another"}}}, functions{})
		h.dial()
		if forbidden := (*types.ForbiddenException)(nil); !errors.As(post(h, h.sdk("", 1), 1), &forbidden) {
			t.Error("want a ForbiddenException")
		}
	})
	inject := func(kind faults.Kind) Options {
		f, err := faults.New(1, map[faults.Kind]float64{kind: 1})
		if err != nil {
			t.Fatal(err)
		}
		return Options{Faults: f}
	}
	t.Run("[M] 429 is typed", func(t *testing.T) {
		h := start(t, inject(faults.Throttle), functions{})
		h.dial()
		if limit := (*types.LimitExceededException)(nil); !errors.As(post(h, h.sdk("", 1), 1), &limit) {
			t.Error("want a LimitExceededException")
		}
	})
	t.Run("[E] 500 is retried, and frames are duplicated", func(t *testing.T) {
		h := start(t, inject(faults.PostError), functions{})
		c := h.dial()
		err := post(h, h.sdk("", 3), 1)
		if api := smithy.APIError(nil); !errors.As(err, &api) || api.ErrorCode() != "InternalServerErrorException" {
			t.Errorf("%v", err)
		}
		if got := h.api.failures.Load(); got != 3 {
			t.Errorf("%d attempts, want 3", got)
		}
		c.receive() // the second attempt was delivered although it failed
	})
}

func TestAWSCommand(t *testing.T) {
	t.Parallel()
	command, err := exec.LookPath("aws")
	if err != nil {
		t.Skip("aws is not installed")
	}
	h := start(t, Options{}, functions{})
	c := h.dial()
	id := h.only().id
	run := func(operation string, arguments ...string) (string, error) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		cmd := exec.CommandContext(ctx, command, append([]string{"apigatewaymanagementapi", operation, "--endpoint-url", h.url + "/prod", "--connection-id", id}, arguments...)...)
		cmd.Env = append(os.Environ(), "AWS_ACCESS_KEY_ID=AKIDEXAMPLE", "AWS_SECRET_ACCESS_KEY=secret", "AWS_DEFAULT_REGION=us-east-1", "AWS_CONFIG_FILE=/dev/null", "AWS_EC2_METADATA_DISABLED=true")
		out, err := cmd.CombinedOutput()
		return string(out), err
	}
	data := filepath.Join(t.TempDir(), "data")
	if err := os.WriteFile(data, []byte("from the command line"), 0o600); err != nil {
		t.Fatal(err)
	}
	if out, err := run("post-to-connection", "--data", "fileb://"+data); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	if got := c.receive(); got != "from the command line" {
		t.Errorf("received %q", got)
	}
	if out, err := run("get-connection"); err != nil || !strings.Contains(out, "127.0.0.1") {
		t.Errorf("%v: %s", err, out)
	}
	go c.drain()
	if out, err := run("delete-connection"); err != nil {
		t.Errorf("%v: %s", err, out)
	}
	if out, err := run("post-to-connection", "--data", "fileb://"+data); err == nil || !strings.Contains(out, "GoneException") {
		t.Errorf("%v: %s", err, out)
	}
}

// TestNodeSDK runs testdata/sdk.mjs, where AIWM_NODE_SDK names a node_modules
// directory with @aws-sdk/client-apigatewaymanagementapi.
func TestNodeSDK(t *testing.T) {
	t.Parallel()
	modules := os.Getenv("AIWM_NODE_SDK")
	if modules == "" {
		t.Skip("AIWM_NODE_SDK is not set")
	}
	h := start(t, Options{}, functions{})
	c := h.dial()
	script, err := os.ReadFile("testdata/sdk.mjs")
	if err != nil {
		t.Fatal(err)
	}
	// Node looks for modules beside the script.
	dir := t.TempDir()
	if err := errors.Join(os.WriteFile(filepath.Join(dir, "sdk.mjs"), script, 0o600), os.Symlink(modules, filepath.Join(dir, "node_modules"))); err != nil {
		t.Fatal(err)
	}
	received := make(chan string, 1)
	go func() {
		received <- c.receive()
		c.closed()
	}()
	id := h.only().id
	cmd := exec.CommandContext(t.Context(), "node", filepath.Join(dir, "sdk.mjs"), h.url+"/prod", id)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	if got := <-received; got != "from node" {
		t.Errorf("received %q", got)
	}
	if resp, _ := h.manage(http.MethodGet, "/@connections/"+url.PathEscape(id), ""); resp.StatusCode != http.StatusGone {
		t.Errorf("%s", resp.Status)
	}
}
