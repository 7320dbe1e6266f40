package serve

import (
	"io"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"aiwm-chat/local/filelock"
)

// Whoever starts a second server in a folder reads how to.
func TestSecondServerInAFolder(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("there is no flock")
	}
	template, err := filepath.Abs("../../template.yaml")
	if err != nil {
		t.Fatal(err)
	}
	t.Chdir(t.TempDir())
	const data = ".local/mongod"
	if err := os.MkdirAll(data, 0o700); err != nil {
		t.Fatal(err)
	}
	first, err := filelock.Take(data)
	if err != nil {
		t.Fatal(err)
	}
	defer first.Close()
	err = Command(t.Context(), []string{"-template", template}, io.Discard, func(name string) string {
		return map[string]string{"PORT": "0"}[name]
	})
	if err == nil || !strings.Contains(err.Error(), data+" is in use by another server") || !strings.Contains(err.Error(), "-memory runs one beside it") {
		t.Errorf("got %v", err)
	}
}
